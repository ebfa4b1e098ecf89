"""What each curator's work says of them: answers to controls, time per decision, how often they agree; and who deserves a second look.

A control is a sample whose label is known well, shown to one curator with that label or, half the time, with a wrong one. Only
answered controls are ever told here; which samples are controls still open is told nowhere.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data import catalogue
from data.store import Store
from labeling import team
from labeling.trust.shares import Share

LEAST_DECISIONS = 50  # before somebody is told to agree always
ALWAYS = 0.98  # of the decisions agree
SURPRISE = 0.01  # p-value below which so much agreement is no chance
LEAST_COMPARED = 20  # decisions of others from the same kind of queue, to compare with these alone
FLOOR = 0.25  # false-accept rate that the whole interval lies above
LEAST_TIMED = 30  # decisions with a time
QUICK = 1 / 3  # of the others' median

SAID = """
select coalesce((select t.name from curator t where t.name = v.curator), v.curator) as curator, v.look, v.control, v.blind, v.verdict,
    v.action, coalesce(v.kind, '') as kind, v.ms, c.truth, c.shown
from verdict v left join control c on c.id = v.control where v.collection = ? order by v.event
"""


@dataclass(frozen=True)
class Pace:
    """Milliseconds from card painted to key pressed: median, 10 and 90 percentiles of `decisions` that have a time."""

    decisions: int
    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class Record:
    """A curator's figures.

    decisions: all that was said and not taken back, answers to controls and repeats included.
    false_accepts: agreed, of the answered controls with a wrong label.
    false_alarms: relabelled or rejected, of those with the right one.
    agreed: of first looks at a label that was shown.
    pace, by_kind: time per decision, in all and by kind of queue; None where none has a time.
    warnings: sentences.
    """

    curator: str
    decisions: int
    false_accepts: Share
    false_alarms: Share
    agreed: Share
    pace: Pace | None
    by_kind: dict[str, Pace]
    warnings: tuple[str, ...] = ()

    @property
    def controls(self) -> int:
        """Answered ones."""
        return self.false_accepts.of + self.false_alarms.of

    def as_json(self) -> dict[str, Any]:
        return {
            "curator": self.curator, "decisions": self.decisions, "controls": self.controls,
            "false_accepts": self.false_accepts.as_json(), "false_alarms": self.false_alarms.as_json(), "agreed": self.agreed.as_json(),
            "pace": self.pace and vars(self.pace), "by_kind": {kind: vars(pace) for kind, pace in self.by_kind.items()},
            "warnings": list(self.warnings),
        }  # fmt: skip


def records(store: Store, collection: str) -> list[Record]:
    """Everybody who decided in the collection, the busiest first.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    said = defaultdict(list)
    with store.reading() as db:
        for row in db.execute(SAID, [collection]):
            said[row["curator"]].append(dict(row))
    found = [
        _record(curator, own, [row for name, rows in said.items() if name != curator for row in rows]) for curator, own in said.items()
    ]
    return sorted(found, key=lambda record: (-record.decisions, record.curator.casefold()))


def visible(store: Store, found: Sequence[Record], viewer: str) -> list[Record]:
    """Those that `viewer` may see: reviewers see everybody's figures, a curator their own."""
    known = team.find(store, viewer)
    if known and known.may("reviewer"):
        return list(found)
    return [record for record in found if record.curator.casefold() == " ".join(viewer.split()).casefold()]


def _record(curator: str, own: list[dict], others: list[dict]) -> Record:
    answered = {row["control"]: row for row in own if row["look"] == "control"}.values()  # the newest answer to each
    wrong = [row for row in answered if row["truth"] != row["shown"]]
    right = [row for row in answered if row["truth"] == row["shown"]]
    false_accepts = Share(sum(row["verdict"] == str(row["shown"]) for row in wrong), len(wrong))
    false_alarms = Share(sum(row["verdict"] not in (str(row["shown"]), "unsure") for row in right), len(right))
    firsts, others_firsts = _shown_labels(own), _shown_labels(others)
    agreed = Share(sum(row["action"] == "agree" for row in firsts), len(firsts))
    kinds = sorted({row["kind"] for row in own if row["look"] == "first" and row["kind"]})
    by_kind = {kind: _pace([row for row in own if row["look"] == "first" and row["kind"] == kind]) for kind in kinds}
    warnings = [_accepts(false_accepts), _agrees(agreed, firsts, others_firsts), _hurries(_pace(own), _pace(others))]
    return Record(
        curator, len(own), false_accepts, false_alarms, agreed, _pace(own), {kind: pace for kind, pace in by_kind.items() if pace},
        tuple(warning for warning in warnings if warning),
    )  # fmt: skip


def _shown_labels(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["look"] == "first" and not row["blind"]]


def _pace(rows: list[dict]) -> Pace | None:
    times = [row["ms"] for row in rows if row["ms"] is not None]
    if not times:
        return None
    p10, median, p90 = np.percentile(times, [10, 50, 90])
    return Pace(len(times), float(median), float(p10), float(p90))


def _accepts(false_accepts: Share) -> str | None:
    if not false_accepts.of or false_accepts.interval[0] <= FLOOR:
        return None
    return f"Agreed with {false_accepts} labels that were wrong on purpose."


def _agrees(agreed: Share, own: list[dict], others: list[dict]) -> str | None:
    """Whether so much agreement is more than the same kinds of queues give to others, by an exact one-sided binomial test."""
    if agreed.of < LEAST_DECISIONS or agreed.value < ALWAYS or len(others) < LEAST_COMPARED:
        return None
    from scipy.stats import binomtest  # late: most of a second that pages need not pay

    expected = _expected(own, others)
    if binomtest(agreed.hits, agreed.of, min(1.0, expected), alternative="greater").pvalue >= SURPRISE:
        return None
    return f"Always agrees: {agreed}; others agree with {expected:.1%} in the same kinds of queues."


def _expected(own: list[dict], others: list[dict]) -> float:
    """The share with which the others would agree in the curator's kinds of queues: the mean of theirs, weighted by the curator's."""
    overall = sum(row["action"] == "agree" for row in others) / len(others)
    by_kind = defaultdict(list)
    for row in others:
        by_kind[row["kind"]].append(row["action"] == "agree")
    shares = {kind: sum(agrees) / len(agrees) for kind, agrees in by_kind.items() if len(agrees) >= LEAST_COMPARED}
    return sum(shares.get(row["kind"], overall) for row in own) / len(own)


def _hurries(own: Pace | None, others: Pace | None) -> str | None:
    if own is None or others is None or min(own.decisions, others.decisions) < LEAST_TIMED or own.median >= QUICK * others.median:
        return None
    return f"Very quick: {own.median / 1000:.1f} s a decision at the median, the others {others.median / 1000:.1f} s."
