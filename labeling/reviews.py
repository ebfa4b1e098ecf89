"""What came of second looks, as the page Review shows it: what is due, conflicts with all answers, what was settled, and whom it concerns.

Reads what `labeling.looks` keeps; the one thing written is how far a curator has read.
"""

from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

from sqlite_utils import Database

from data import catalogue
from data.store import Store
from labeling.decisions import REASONS
from labeling.queues import SPOKE

WHYS = {
    "share": "drawn as its share of all decisions", "unsure": "the first curator was unsure", "flagged": "flagged",
    "class": "curators agree little on this crop", "late": "a second curator decided on it unasked",
}  # fmt: skip
STATES = ("due", "agreed", "conflict", "settled")
LOOKS = "('first', 'second', 'adjudication')"
# Each curator's newest word since the newest settlement: the opinions that `looks` compares.
IN_FORCE = f"""
v.look in {LOOKS}
and v.event >= coalesce((select max(b.event) from verdict b where b.sample = v.sample and b.look = 'adjudication'), 0)
and not exists (
    select 1 from verdict w where w.sample = v.sample and w.look in {LOOKS} and w.curator = v.curator collate nocase and w.event > v.event)
"""
# The same just before settlement `a`.
LAST_BEFORE = "select max(b.event) from verdict b where b.sample = a.sample and b.look = 'adjudication' and b.event < a.event"
BEFORE = f"""
v.look in {LOOKS} and v.event < a.event and v.event >= coalesce(({LAST_BEFORE}), 0)
and not exists (
    select 1 from verdict w where w.sample = v.sample and w.look in {LOOKS} and w.curator = v.curator collate nocase
    and w.event > v.event and w.event < a.event)
"""
EVIDENCE = """
select s.id, s.collection, s.name, s.year, s.purity, s.inventory_code, t.region, r.state, r.why
from review r join sample s on s.id = r.sample join site t on t.id = s.site
"""
NEWEST_READING = """
select p.run, p.predicted, p.probability from run r cross join prediction p on p.run = r.name and p.sample = ?
where r.collection = ? order by r.created desc, r.name desc limit 1
"""
# `cross join`: from the few settled samples to their events.
SETTLED = "review r cross join verdict a on a.sample = r.sample and a.look = 'adjudication' join sample s on s.id = a.sample"
CONCERNS = f"""
r.state in ('settled', 'conflict') and a.curator <> :curator collate nocase and exists (
    select 1 from verdict o where o.sample = a.sample and o.curator = :curator collate nocase and o.look in {LOOKS}
    and o.event < a.event and o.event >= coalesce(({LAST_BEFORE}), 0))
"""


@dataclass(frozen=True)
class Opinion:
    """What somebody said of a sample. verdict: a code as text, rejected or unsure. said: the same in words, with a rejection's reason."""

    event: int
    curator: str
    look: str
    verdict: str
    said: str
    note: str | None
    at: str
    blind: bool


@dataclass(frozen=True)
class Review:
    """A sample that more than one curator has seen, with the evidence.

    why: a key of WHYS. inventory: its crop by the inventory. prediction: (run, class, probability 0..1) of the newest run that has one.
    opinions: of a conflict each curator's newest word; of a settled one those that it settled. settlement: of a settled one.
    """

    sample: int
    collection: str
    name: str
    year: int
    region: str
    why: str
    inventory: str
    purity: float
    prediction: tuple[str, str, float] | None
    opinions: tuple[Opinion, ...]
    settlement: Opinion | None = None


@dataclass(frozen=True)
class Letter:
    """A settlement that concerns a curator: what a reviewer decided where they had said something.

    yours: what they had said. others: what the others had. agrees: whether the reviewer decided as they did. new: not read yet.
    """

    event: int
    sample: int
    collection: str
    name: str
    settlement: Opinion
    yours: Opinion
    others: tuple[Opinion, ...]
    agrees: bool
    new: bool


@dataclass(frozen=True)
class Counts:
    """A collection's reviews. states: due, agreed, conflict and settled -> how many. due_why: why -> how many are due. for_you: of the
    due ones, those that the curator who asks may look at."""

    states: dict[str, int]
    due_why: dict[str, int]
    for_you: int


def counts(store: Store, collection: str, curator: str = "") -> Counts:
    """How many second looks are due, agreed, in conflict and settled.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        states = dict(
            tuple(row) for row in db.execute("select state, count(*) from review where collection = ? group by state", [collection])
        )
        due = db.execute(
            f"""select r.why, count(*) as n, sum(r.first <> ? and not {SPOKE}) as yours from review r join sample s on s.id = r.sample
            where r.collection = ? and r.state = 'due' group by r.why order by n desc, r.why""",
            [curator, curator, collection],
        ).fetchall()
    return Counts(
        {state: states.get(state, 0) for state in STATES}, {row["why"]: row["n"] for row in due}, sum(row["yours"] for row in due)
    )


def conflicts(store: Store, collection: str, *, limit: int = 20) -> list[Review]:
    """Samples on which curators differ, in the order of their numbers, which is that of the queue `conflicts`.

    Raises:
        UnknownCollection: there is no such collection.
    """
    crops = _crops(store, collection)
    with store.reading() as db:
        rows = db.execute(f"{EVIDENCE} where r.collection = ? and r.state = 'conflict' order by r.sample limit ?", [collection, limit])
        return [_review(db, row, crops, _opinions(db, f"v.sample = ? and {IN_FORCE}", [row["id"]], crops)) for row in rows.fetchall()]


def settled(store: Store, collection: str, *, limit: int = 50) -> list[Review]:
    """What reviewers settled, the newest first, with the answers before it; settlements that were taken back are not among them.

    Raises:
        UnknownCollection: there is no such collection.
    """
    crops = _crops(store, collection)
    with store.reading() as db:
        events = db.execute(
            f"select a.event, a.sample from {SETTLED} where r.collection = ? and r.state in ('settled', 'conflict') "
            "order by a.event desc limit ?",
            [collection, limit],
        ).fetchall()
        found = []
        for event in events:
            row = db.execute(f"{EVIDENCE} where r.sample = ?", [event["sample"]]).fetchone()
            (settlement,) = _opinions(db, "v.event = ?", [event["event"]], crops)
            found.append(_review(db, row, crops, _before(db, event["event"], crops), settlement))
    return found


def inbox(store: Store, curator: str, *, limit: int = 50) -> list[Letter]:
    """Settlements by others on samples of which the curator had said something, in all collections, the newest first."""
    with store.reading() as db:
        read_to = _read_to(db, curator)
        rows = db.execute(
            f"select a.event, a.sample, s.collection, s.name from {SETTLED} where {CONCERNS} order by a.event desc limit :limit",
            {"curator": curator, "limit": limit},
        ).fetchall()
        return [_letter(db, row, curator, read_to) for row in rows]


def unread(store: Store, curator: str) -> int:
    """How many letters of the inbox came in since the curator last marked them as read."""
    with store.reading() as db:
        return db.execute(
            f"select count(*) from {SETTLED} where {CONCERNS} and a.event > :read_to",
            {"curator": curator, "read_to": _read_to(db, curator)},
        ).fetchone()[0]


def mark_read(store: Store, curator: str, event: int) -> None:
    """The curator has read all settlements up to `event`; what was read stays read."""
    with store.writing() as db:
        db.execute("update curator set read_to = max(read_to, ?) where name = ?", [event, curator])


def _read_to(db: Database, curator: str) -> int:
    row = db.execute("select read_to from curator where name = ?", [curator]).fetchone()
    return row["read_to"] if row else 0


def _letter(db: Database, row: Row, curator: str, read_to: int) -> Letter:
    crops = dict(tuple(crop) for crop in db.execute("select code, name from legend_class where collection = ?", [row["collection"]]))
    (settlement,) = _opinions(db, "v.event = ?", [row["event"]], crops)
    said = _before(db, row["event"], crops)
    yours = next(opinion for opinion in said if opinion.curator.casefold() == curator.casefold())
    others = tuple(opinion for opinion in said if opinion is not yours)
    return Letter(
        row["event"], row["sample"], row["collection"], row["name"], settlement, yours, others,
        yours.verdict == settlement.verdict, row["event"] > read_to,
    )  # fmt: skip


def _before(db: Database, settlement: int, crops: dict[int, str]) -> tuple[Opinion, ...]:
    """The opinions that a settlement settled."""
    return _opinions(db, f"v.sample = a.sample and {BEFORE}", [settlement], crops, "join verdict a on a.event = ?")


def _opinions(db: Database, which: str, values: list[Any], crops: dict[int, str], beside: str = "") -> tuple[Opinion, ...]:
    rows = db.execute(f"select v.* from verdict v {beside} where {which} order by v.event", values)
    return tuple(
        Opinion(
            row["event"], row["curator"], row["look"], row["verdict"], _said(row, crops), row["note"], row["at"], bool(row["blind"])
        )
        for row in rows
    )  # fmt: skip


def _said(row: Row, crops: dict[int, str]) -> str:
    if row["verdict"] == "rejected":
        return f"Rejected: {REASONS.get(row['reason'], row['reason']).lower()}"
    return "Unsure" if row["verdict"] == "unsure" else crops.get(int(row["verdict"]), f"code {row['verdict']}")


def _review(db: Database, row: Row, crops: dict[int, str], opinions: tuple[Opinion, ...], settlement: Opinion | None = None) -> Review:
    read = db.execute(NEWEST_READING, [row["id"], row["collection"]]).fetchone()
    return Review(
        row["id"], row["collection"], row["name"], row["year"], row["region"], row["why"],
        crops.get(row["inventory_code"], f"code {row['inventory_code']}"), row["purity"],
        (read["run"], read["predicted"], read["probability"]) if read else None, opinions, settlement,
    )  # fmt: skip


def _crops(store: Store, collection: str) -> dict[int, str]:
    """Code -> name of the crop.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    return {entry.code: entry.name for entry in catalogue.legend(store, collection)}
