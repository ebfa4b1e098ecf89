"""Stored queues: what a ranking worked out, kept as rows whose order stays while curators work through them.

A queue is made once, in one transaction; ranking again makes another one and leaves the first as it was. `queue_entry.open` says
which entries nobody decided on since, and is kept by a trigger. `labeling.queues` serves a stored queue as `Queue("list", (id,))`.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from data import catalogue
from data.errors import BadInput
from data.store import Store
from data.workspace import Workspace
from labeling import policy
from labeling.rankings import audit, common, mixed, registry
from labeling.rankings.common import Ranked

MOST = 1_000_000  # entries of a queue
LISTED = """
select q.*, (select count(*) from queue_entry e where e.queue = q.id) as entries,
    (select count(*) from queue_entry e where e.queue = q.id and e.open = 1) as open
from queue q
"""
ENTER = """
insert into queue_entry (queue, rank, sample, kind, score, reason, open)
select ?, ?, s.id, ?, ?, ?, s.decision is null or s.decision <= ? from sample s where s.id = ?
"""


@dataclass(frozen=True)
class Worklist:
    """A stored queue.

    params: what it was made with: limit, seed, and what the ranking was asked with, defaults filled in; of a random audit `prefix`,
        the length of the part of the fixed random order that it covers; of a mixed queue `absent`, the kinds that had nothing.
    made: UTC, ISO-8601. curator: who asked for it, or None.
    entries: how many there are; open: those that nobody decided on since it was made.
    last_event: the newest event that it knew.
    """

    id: int
    collection: str
    kind: str
    params: dict[str, Any]
    title: str
    made: str
    curator: str | None
    entries: int
    open: int
    last_event: int


def make(
    workspace: Workspace, collection: str, kind: str, params: dict[str, Any] | None = None, *, curator: str | None = None,
    limit: int = 10_000, seed: int = 0,
) -> Worklist:  # fmt: skip
    """Rank the collection's samples and store the first `limit` as a queue.

    Args:
        kind: one of `rankings.registry.KINDS`. params: what the ranking can be asked with; None values count as not given.
        seed: of what the ranking draws.

    Raises:
        UnknownCollection, UnknownSample, UnknownRun, UnknownIndex: there is none.
        BadInput: no such kind or parameter, or nothing to list; the text says why.
    """
    catalogue.collection(workspace.store, collection)
    ranking = registry.named(kind)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
        raise BadInput(f"A queue has 1 to {MOST:,} samples, not {limit!r}.")
    asked = settled(workspace, collection, kind, params or {})
    with workspace.store.reading() as db:
        last_event = db.execute("select coalesce(max(id), 0) from event").fetchone()[0]
    entries = ranking.ranked(workspace, collection, limit=limit, seed=seed, **asked)
    if not entries:
        raise BadInput(
            f"Nothing is left for the queue {ranking.title} of {collection}: every sample that it would list has a decision, or none "
            "fits. Choose another queue."
        )
    told = {"limit": limit, "seed": seed} | asked | _told(workspace.store, collection, kind, asked, limit, entries)
    with workspace.store.writing() as db:
        row = (collection, kind, json.dumps(told), _title(db, kind, told), curator, last_event, _now())
        number = db.execute(
            "insert into queue (collection, kind, params, title, curator, last_event, made) values (?, ?, ?, ?, ?, ?, ?)", row
        ).lastrowid
        _enter(db, number, kind, last_event, entries)
    return get(workspace.store, number)


def settled(workspace: Workspace, collection: str, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that were given, checked, with the run, the sample's number and the mix that they come to.

    Raises:
        UnknownSample, UnknownRun, BadInput: as `make`.
    """
    ranking = registry.named(kind)
    asked = {name: value for name, value in params.items() if value is not None}
    foreign = [name for name in asked if name not in ranking.params]
    if foreign:
        takes = f"It takes {', '.join(ranking.params)}" if ranking.params else "It takes none"
        raise BadInput(f"The queue {kind} has no parameter {foreign[0]!r}. {takes}.")
    missing = [name for name in ranking.needs if name not in asked]
    if missing:
        raise BadInput(f"The queue {kind} needs {' and '.join(missing)}. Give {'it' if len(missing) == 1 else 'them'} with it.")
    if "sample" in asked:
        asked["sample"] = catalogue.sample_id(workspace.store, collection, str(asked["sample"]))
    if ranking.run:
        asked["run"] = common.run_of(workspace.store, collection, asked.get("run"), ranking.run)
    if kind == "mixed":
        asked["mix"] = mixed.shares(asked.get("mix", policy.read(workspace.store, collection).mix))
    return asked


def _told(store: Store, collection: str, kind: str, asked: dict[str, Any], limit: int, entries: list[Ranked]) -> dict[str, Any]:
    """What is to be known of the queue beside what it was asked with."""
    if kind == "audit":
        return {"prefix": audit.prefix(store, collection, limit)}
    return {"absent": mixed.absent(asked["mix"], entries)} if kind == "mixed" else {}


def _title(db: Database, kind: str, told: dict[str, Any]) -> str:
    title = registry.KINDS[kind].title
    if kind == "cell":
        return f"{title}: {told['truth']} → {told['predicted']}"
    if kind == "map":
        return f"{title}: {told['map']}"
    if kind == "similar":
        return f"Similar to {db.execute('select name from sample where id = ?', [told['sample']]).fetchone()['name']}"
    if told.get("absent"):
        return f"{title}, without {', '.join(registry.KINDS[one].title.lower() for one in told['absent'])} (nothing there)"
    return title


def _enter(db: Database, number: int, kind: str, last_event: int, entries: list[Ranked]) -> None:
    """Add the entries; a sample that an import has deleted since it was ranked is left out."""
    db.conn.executemany(
        ENTER,
        (
            (number, rank, entry.kind or kind, entry.score, entry.reason, last_event, entry.sample)
            for rank, entry in enumerate(entries, start=1)
        ),
    )


def listing(store: Store, collection: str, kind: str | None = None) -> list[Worklist]:
    """The collection's stored queues, of one kind or of all, the newest first."""
    where = "where q.collection = ? and (? is null or q.kind = ?) order by q.id desc"
    with store.reading() as db:
        return [_worklist(row) for row in db.execute(f"{LISTED} {where}", [collection, kind, kind])]


def newest(store: Store, collection: str, kind: str, params: dict[str, Any] | None = None) -> Worklist | None:
    """The newest stored queue of that kind, with these parameters where some are given; None where there is none."""
    with store.reading() as db:
        found = db.execute("select id, params from queue where collection = ? and kind = ? order by id desc", [collection, kind]).fetchall()
    for row in found:
        told = json.loads(row["params"])
        if all(told.get(name) == value for name, value in (params or {}).items()):
            return get(store, row["id"])
    return None


def get(store: Store, number: int) -> Worklist:
    """The stored queue of that number.

    Raises:
        BadInput: there is none.
    """
    with store.reading() as db:
        row = db.execute(f"{LISTED} where q.id = ?", [number]).fetchone()
    if row is None:
        raise _unknown(number)
    return _worklist(row)


def entries(store: Store, number: int, *, after: int = 0, limit: int = 50, only_open: bool = False) -> list[dict[str, Any]]:
    """A page of the queue's entries, after the rank `after`: rank, sample, name, kind, score, reason, open.

    Raises:
        BadInput: there is no such queue.
    """
    with store.reading() as db:
        if not db.execute("select 1 from queue where id = ?", [number]).fetchone():
            raise _unknown(number)
        rows = db.execute(
            f"""select e.rank, e.sample, s.name, e.kind, e.score, e.reason, e.open from queue_entry e join sample s on s.id = e.sample
            where e.queue = ? and e.rank > ? {"and e.open = 1" if only_open else ""} order by e.rank limit ?""",
            [number, after, limit],
        )
        return [dict(row) | {"open": bool(row["open"])} for row in rows]


def kinds(store: Store, number: int) -> dict[str, int]:
    """Kind -> how many entries of it the queue has, the most first: the parts of a mixed queue."""
    with store.reading() as db:
        rows = db.execute("select kind, count(*) as n from queue_entry where queue = ? group by kind order by n desc, kind", [number])
        return {row["kind"]: row["n"] for row in rows}


def drop(store: Store, number: int) -> None:
    """Forget a stored queue. What was decided from it stays.

    Raises:
        BadInput: there is none.
    """
    with store.writing() as db:
        if not db.execute("delete from queue where id = ?", [number]).rowcount:
            raise _unknown(number)


def _worklist(row) -> Worklist:
    names = ("id", "collection", "kind", "title", "made", "curator", "entries", "open", "last_event")
    return Worklist(**{name: row[name] for name in names}, params=json.loads(row["params"]))


def _unknown(number: int) -> BadInput:
    return BadInput(f"There is no stored queue number {number!r}. See: python -m labeling queue list")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
