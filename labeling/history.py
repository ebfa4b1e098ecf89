"""What was said, found again: every event by sample, curator, day and more, a sample's whole story, a curator's day; and taking back.

Reads only, but for `take_back`. Who may see what: an answer to a control or a repeat is for reviewers and administrators, and what
others said of a sample that waits for a second look is kept from curators until somebody gave it. Days are those of UTC.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import median
from typing import Any

from data import catalogue
from data.errors import BadInput
from data.sheets import as_csv
from data.store import Store
from labeling import decisions, looks, team
from labeling.decisions import DECIDING, Outcome

PAGE = 100
COLUMNS = (
    "id", "at", "name", "curator", "action", "old", "new", "reason", "note", "kind", "look", "blind", "stands", "undone", "undo_of",
    "acquired", "queue", "rank", "run", "ms", "uid",
)  # fmt: skip
KIND = "coalesce(e.kind, substr(e.queue, 1, instr(e.queue || ':', ':') - 1))"
UNDONE = "exists (select 1 from event u where u.undo_of = e.id)"
TRIED = "('control', 'repeat')"
# CROSS JOIN: SQLite begins with the events, the newest first, and stops at the end of a page; it would sort them all otherwise.
EVENTS = f"""
select e.id, e.uid, e.at, e.sample, s.name, e.curator, e.action, e.old, e.new, e.reason, e.note, {KIND} as kind, e.look, e.blind,
    e.stands, {UNDONE} as undone, e.undo_of, i.acquired, e.queue, e.rank, e.run, e.ms
from event e cross join sample s on s.id = e.sample left join image i on i.id = e.image
"""
CONTROLS = """
select v.at, v.curator, v.look, c.truth, c.shown, v.verdict from verdict v join control c on c.id = v.control
where v.sample = ? order by v.event
"""


@dataclass(frozen=True)
class Viewer:
    """Who looks. sees_all: a reviewer or an administrator."""

    name: str
    sees_all: bool


EVERYBODY = Viewer("", True)  # who has the file itself: the command line


@dataclass(frozen=True)
class Filters:
    """Which events. None, and "" of the words, filter nothing.

    sample: its number. curator: whatever the letter case. first_day, last_day: of UTC, both included. kind: of the queue it was served
    from. look: see `labeling.looks`. words: all of them are in the note, whatever the letter case (A-Z). undone: taken back, or not.
    since: the number of the first event.
    """

    sample: int | None = None
    curator: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    action: str | None = None
    kind: str | None = None
    look: str | None = None
    words: str = ""
    undone: bool | None = None
    since: int | None = None


@dataclass(frozen=True)
class Story:
    """All that happened to a sample.

    label: code, state and flagged as they are now; None while some of the events are not for this viewer.
    events: records of COLUMNS, oldest first. hidden: how many there are beside these, not for this viewer.
    review: state, why and first curator, or None where no second curator is asked, or the viewer may be the one.
    controls: answers to controls made of it, with the true code and the one shown; empty for curators.
    """

    label: dict[str, Any] | None
    events: list[dict[str, Any]]
    hidden: int
    review: dict[str, Any] | None
    controls: list[dict[str, Any]]


@dataclass(frozen=True)
class Day:
    """A curator's day. seconds: median time of a decision, None where none was taken. undone: of its events, taken back since."""

    events: int
    by_action: dict[str, int]
    samples: int
    undone: int
    first: str | None
    last: str | None
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What taking back would do, before it is done.

    uids: of the events, the newest first. labels: samples whose label in force would change or go. curators, by_action: their events.
    """

    uids: tuple[str, ...]
    samples: int
    labels: int
    curators: dict[str, int]
    by_action: dict[str, int]


def viewer(store: Store, name: str) -> Viewer:
    """The viewer of that name; who is not of the team sees what a curator sees."""
    found = team.find(store, name)
    return Viewer(found.name if found else name, bool(found and found.may("reviewer")))


def events(
    store: Store, collection: str, filters: Filters, who: Viewer, *, before: int | None = None, count: int = PAGE
) -> list[dict[str, Any]]:
    """Records of COLUMNS and `sample`, newest first: the newest `count`, or those before the event with the number `before`."""
    where, values = _where(collection, filters, who)
    if before is not None:
        where, values = f"{where} and e.id < ?", [*values, before]
    with store.reading() as db:
        return [dict(row) for row in db.execute(f"{EVENTS} where {where} order by e.id desc limit ?", [*values, count])]


def count(store: Store, collection: str, filters: Filters, who: Viewer) -> int:
    """How many events `events` gives in all."""
    where, values = _where(collection, filters, who)
    with store.reading() as db:
        return db.execute(f"select count(*) from event e join sample s on s.id = e.sample where {where}", values).fetchone()[0]


def hidden(store: Store, collection: str, filters: Filters, who: Viewer) -> int:
    """How many events the filters give that this viewer does not see."""
    return 0 if who.sees_all else count(store, collection, filters, EVERYBODY) - count(store, collection, filters, who)


def table(store: Store, collection: str, filters: Filters, who: Viewer) -> str:
    """All events of the filters as CSV, newest first; text in it cannot run as a formula, see `data.sheets`."""
    return as_csv(COLUMNS, _all(store, collection, filters, who))


def choices(store: Store, collection: str) -> dict[str, list[str]]:
    """Values that filters can have: curators and kinds of queue that there are, and all actions and looks."""
    with store.reading() as db:
        found = {
            key: [row[0] for row in db.execute(
                f"select distinct {column} from event e join sample s on s.id = e.sample where s.collection = ? order by 1", [collection]
            ) if row[0]]
            for key, column in (("curator", "e.curator"), ("kind", KIND))
        }  # fmt: skip
    return found | {"action": list(decisions.ACTIONS), "look": [looks.FIRST, looks.SECOND, looks.ADJUDICATION, looks.CONTROL, looks.REPEAT]}


def story(store: Store, collection: str, sample: int, who: Viewer) -> Story:
    """What happened to the sample of that number.

    Raises:
        UnknownSample: the collection has none of that number.
    """
    catalogue.sample_id(store, collection, str(sample))
    here = Filters(sample=sample)
    with store.reading() as db:
        label = db.execute("select code, state, flagged from label where sample = ?", [sample]).fetchone()
        review = db.execute("select state, why, first from review where sample = ?", [sample]).fetchone()
        controls = [dict(row) for row in db.execute(CONTROLS, [sample])] if who.sees_all else []
    told = review is not None and (who.sees_all or review["state"] != "due")
    kept = hidden(store, collection, here, who)
    said = list(_all(store, collection, here, who))[::-1]
    return Story(None if kept else dict(label), said, kept, dict(review) if told else None, controls)


def day(store: Store, collection: str, curator: str, when: date, who: Viewer) -> Day:
    """What a curator said on a day."""
    said = list(_all(store, collection, Filters(curator=curator, first_day=when, last_day=when), who))
    taken = [event["ms"] / 1000 for event in said if event["ms"] is not None and event["action"] in DECIDING]
    return Day(
        len(said), dict(Counter(event["action"] for event in said).most_common()), len({event["sample"] for event in said}),
        sum(event["undone"] for event in said), said[-1]["at"] if said else None, said[0]["at"] if said else None,
        median(taken) if taken else None,
    )  # fmt: skip


def per_day(store: Store, collection: str) -> list[dict[str, Any]]:
    """Decisions by day and curator, as records of day, curator and decisions, in the order of days; undone ones too, controls not."""
    with store.reading() as db:
        rows = db.execute(
            f"""select substr(e.at, 1, 10) as day, e.curator, count(*) as decisions from event e join sample s on s.id = e.sample
            where s.collection = ? and e.action in ({", ".join("?" * len(DECIDING))}) and e.look not in {TRIED}
            group by 1, 2 order by 1, 2""",
            [collection, *DECIDING],
        )
        return [dict(row) for row in rows]


def plan(store: Store, collection: str, filters: Filters) -> Plan:
    """What taking back the filtered events would do. Undoes, undone events and answers to controls and repeats are left out."""
    where, values = _where(collection, replace(filters, undone=False), EVERYBODY)
    with store.reading() as db:
        rows = db.execute(
            f"""select e.uid, e.sample, e.curator, e.action, e.id = s.decision as stands_now from event e join sample s on s.id = e.sample
            where {where} and e.action != 'undo' and e.look not in {TRIED} order by e.id desc""",
            values,
        ).fetchall()
    return Plan(
        tuple(row["uid"] for row in rows), len({row["sample"] for row in rows}), sum(bool(row["stands_now"]) for row in rows),
        dict(Counter(row["curator"] for row in rows).most_common()), dict(Counter(row["action"] for row in rows).most_common()),
    )  # fmt: skip


def take_back(store: Store, collection: str, uids: Sequence[str], *, by: str, note: str = "") -> list[Outcome]:
    """Append an undo for each of the events, whosever they are, in one transaction.

    Args:
        by: an administrator. note: why, kept with each undo.

    Returns:
        An outcome an event, in order; one that was undone meanwhile says so.

    Raises:
        NotAllowed: `by` is no active administrator.
        BadInput: an event is not there; nothing was taken back.
    """
    who = team.require(store, by, "administrator")
    with store.reading() as db:
        known = {uid: row["sample"] for uid in uids if (row := db.execute("select sample from event where uid = ?", [uid]).fetchone())}
    if missing := [uid for uid in uids if uid not in known]:
        raise BadInput(f"There is no event {missing[0]!r} in this store. Nothing was taken back; look at the events again.")
    undoes = [
        {"uid": str(uuid.uuid4()), "sample": known[uid], "action": "undo", "undo_of": uid, "note": note or None, "queue": "history"}
        for uid in dict.fromkeys(uids)
    ]
    return decisions.record(store, collection, who.name, undoes, overrule=True)


def _all(store: Store, collection: str, filters: Filters, who: Viewer) -> Iterator[dict[str, Any]]:
    before = None
    while page := events(store, collection, filters, who, before=before, count=1000):
        yield from page
        before = page[-1]["id"]


def _where(collection: str, filters: Filters, who: Viewer) -> tuple[str, list]:
    """The condition on event e and sample s, with its values."""
    parts: list[tuple[str, list]] = [("s.collection = ?", [collection])]
    for condition, value in (
        ("e.sample = ?", filters.sample),
        ("e.curator = ? collate nocase", filters.curator),
        ("e.at >= ?", filters.first_day and filters.first_day.isoformat()),
        ("e.at < ?", filters.last_day and (filters.last_day + timedelta(days=1)).isoformat()),
        ("e.action = ?", filters.action),
        (f"{KIND} = ?", filters.kind),
        ("e.look = ?", filters.look),
        (f"{UNDONE} = ?", filters.undone),
        ("e.id >= ?", filters.since),
    ):
        if value is not None:
            parts.append((condition, [value]))
    parts += [("e.note like ? escape '\\'", [f"%{_plain(word)}%"]) for word in filters.words.split()]
    if not who.sees_all:
        parts.append((
            f"e.look not in {TRIED} and (e.curator = ? collate nocase or not exists "
            "(select 1 from review r where r.sample = e.sample and r.state = 'due'))",
            [who.name],
        ))  # fmt: skip
    return " and ".join(condition for condition, _ in parts), [value for _, values in parts for value in values]


def _plain(word: str) -> str:
    """The word without the signs that LIKE takes for patterns."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
