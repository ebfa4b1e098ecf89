"""How often a label was in fact wrong, by the reason for which the sample was served: the precision of each kind of queue.

A sample counts once a kind of queue, with the first look that was given for that reason; answers to controls, second looks and repeats
do not count. Where a reviewer settled the sample since, the settlement says whether the label was wrong, else that look does. An
entry of a mixed queue counts under its own kind. Right and wrong as in `labeling.trust.audit`.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np

from data import catalogue
from data.importing import NO_LABEL
from data.store import Store
from labeling.trust.audit import verdict
from labeling.trust.shares import Share

UNKNOWN = "not told"
RULES = {  # kinds of queues that are no rankings -> their titles
    "all": "All samples", "unverified": "Without a decision", "random": "In random order", "crop": "One crop", "region": "One region",
    "second": "Second look", "conflicts": "Conflicts", UNKNOWN: "Not told",
}  # fmt: skip
OF_RUN = ("suspects", "cell")  # rule queues whose address names a run

# event.queue is "ADDRESS: reason"; that of a stored queue leads to what it was asked for with.
LOOKS = """
select v.sample, coalesce(nullif(v.kind, ''), ?) as kind, v.ms, v.action, v.reason, d.action as settled, d.reason as settled_reason,
    e.queue, q.params
from verdict v join event e on e.id = v.event join sample s on s.id = v.sample
left join event d on d.id = s.decision and d.look = 'adjudication'
left join queue q on e.queue like 'list:%' and q.id = cast(substr(e.queue, 6) as integer)
where v.collection = ? and v.look = 'first' and s.inventory_code <> ? order by v.stands, v.event
"""


@dataclass(frozen=True)
class Precision:
    """One kind of queue, or one run's part of it.

    decided: samples; wrong: of those whose label could be judged; median_ms: per decision, None where no time is known.
    """

    kind: str
    run: str | None
    decided: int
    wrong: Share
    median_ms: float | None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "run": self.run, "decided": self.decided, "wrong": self.wrong.as_json(), "median_ms": self.median_ms,
        }  # fmt: skip


def precisions(store: Store, collection: str, *, by_run: bool = False) -> list[Precision]:
    """One a kind of queue, or a kind and run where `by_run`, the highest precision first.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    groups: dict[tuple[str, str | None], dict[int, dict]] = defaultdict(dict)
    with store.reading() as db:
        for row in db.execute(LOOKS, [UNKNOWN, collection, NO_LABEL.code]):
            # In order of standing and time: the last word on a sample takes the place of those before.
            groups[row["kind"], _run(row) if by_run else None][row["sample"]] = dict(row)
    found = [_precision(kind, run, list(looks.values())) for (kind, run), looks in groups.items()]
    return sorted(found, key=lambda one: (-(one.wrong.value if one.wrong.of else -1), one.kind, one.run or ""))


def title(kind: str) -> str:
    """What people call a kind of queue."""
    from labeling.rankings.registry import KINDS  # late: it names every ranking

    return RULES.get(kind) or (KINDS[kind].title if kind in KINDS else kind)


def _precision(kind: str, run: str | None, looks: list[dict]) -> Precision:
    said = [verdict(look["settled"] or look["action"], look["settled_reason"] if look["settled"] else look["reason"]) for look in looks]
    judged = [word for word in said if word is not None]
    times = [look["ms"] for look in looks if look["ms"] is not None]
    return Precision(kind, run, len(looks), Share(sum(judged), len(judged)), float(np.median(times)) if times else None)


def _run(row) -> str | None:
    """The run that put the sample into its queue: named in the queue's address, or in what a stored queue was asked for with."""
    kind, *values = (row["queue"] or "").split(": ")[0].split(":")
    if kind in OF_RUN and values:
        return unquote(values[0])
    return json.loads(row["params"]).get("run") if row["params"] else None
