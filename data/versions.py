"""Dataset versions: an event id plus a content hash, and the labels as they were at any event.

Events are only ever appended, so the labels at an event are the replay of the events up to it. The hash is of what the collection
says, not of how the database numbers it: the same import with the same decisions has the same hash in every workspace.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from sqlite3 import Row

from sqlite_utils import Database

from data import catalogue
from data.errors import BadInput
from data.store import Store

SHOWN = 12  # digits of the hash in a version's text
PAGE = 2_000  # samples that are read at a time
TEXT = re.compile(r"(?P<collection>.+)@(?P<event>\d{1,18})-(?P<hash>[0-9a-f]{12,64})")

# The view `label` as it was when :event was the newest event: later events, and later undoes, are not known yet. Samples come by
# name, :count of them (-1 = all) after :after, so that a reader can go through a collection page by page.
LABELS_AT = """
select s.id as sample, s.name, s.inventory_code,
    case d.action when 'relabel' then cast(d.new as integer) when 'reject' then null else s.inventory_code end as code,
    case d.action when 'agree' then 'agreed' when 'relabel' then 'relabelled' when 'reject' then 'rejected'
        when 'unsure' then 'unsure' else 'unverified' end as state,
    coalesce(d.action in ('agree', 'relabel'), 0) as verified,
    s.flagged_then as flagged, d.curator, d.reason, d.note, d.at
from (
    select s.id, s.name, s.inventory_code,
        (select max(e.id) from event e
            where e.sample = s.id and e.id <= :event and e.stands = 1 and e.action in ('agree', 'relabel', 'reject', 'unsure')
              and not exists (select 1 from event u where u.undo_of = e.id and u.id <= :event)) as decision_then,
        coalesce((select e.new = '1' from event e
            where e.sample = s.id and e.id <= :event and e.action = 'flag'
              and not exists (select 1 from event u where u.undo_of = e.id and u.id <= :event)
            order by e.id desc limit 1), 0) as flagged_then
    from sample s where s.collection = :collection and s.name > :after order by s.name limit :count
) s left join event d on d.id = s.decision_then
"""

# What the catalogue says of the samples of one such page, whatever curators say. The images of a packed collection lie in its shards,
# which never change; rows come when somebody looks at them.
FACTS = """
select s.name, t.name as site, t.lon, t.lat, t.polygon, t.region, s.year, s.inventory_code, s.modal_code, s.purity,
    (select json_group_object(h.year, h.code) from (select year, code from aci_history where site = t.id order by year) h) as history,
    (select json_group_array(json_array(i.slot, i.acquired, i.clear, i.quality))
        from (select * from image where sample = s.id and not c.packed order by slot) i) as images
from (select * from sample where collection = :collection and name > :after order by name limit :count) s
join site t on t.id = s.site join collection c on c.name = s.collection
order by s.name
"""

# What curators said of images by :event; `image_quality` has the quality of the import for all others.
QUALITIES_AT = """
select s.name, i.slot, e.image, e.new as quality, max(e.id)
from event e join sample s on s.id = e.sample join image i on i.id = e.image
where s.collection = :collection and e.id <= :event and e.action = 'quality'
  and not exists (select 1 from event u where u.undo_of = e.id and u.id <= :event)
group by e.image order by s.name, i.slot
"""

NEWEST = """
select e.id from event e join sample s on s.id = e.sample where s.collection = ? and e.id <= ? order by e.id desc limit 1
"""
ANY_EVENT = 2**63 - 1
# The collection's frozen versions, or the one of a name; `data.named_versions` makes them.
FROZEN = """
select * from dataset_version where collection = :collection and (:name is null or name = :name collate nocase)
order by last_event desc, name
"""


@dataclass(frozen=True)
class Version:
    """What a collection said at one moment.

    event: the newest of the collection's events that it knows; 0 = before the first one.
    hash: SHA-256, 64 hexadecimal digits, of the collection's content at that event.
    """

    collection: str
    event: int
    hash: str

    def __str__(self) -> str:
        return f"{self.collection}@{self.event}-{self.hash[:SHOWN]}"

    @property
    def whole(self) -> str:
        """The same text with all digits of the hash."""
        return f"{self.collection}@{self.event}-{self.hash}"


@dataclass(frozen=True)
class Label:
    """The label of a sample at an event, as the view `label` has it.

    code: the crop in force; None for a rejected sample.
    state: agreed, relabelled, rejected, unsure or unverified.
    """

    sample: int
    name: str
    inventory_code: int
    code: int | None
    state: str
    verified: bool
    flagged: bool
    curator: str | None
    reason: str | None
    note: str | None
    at: str | None


@dataclass(frozen=True)
class Listed:
    """A version to choose. runs: names of the training runs that learned from it, the newest first. names: those it is frozen under."""

    version: Version
    runs: tuple[str, ...]
    names: tuple[str, ...] = ()


def current(store: Store, collection: str) -> Version:
    """The version of the collection as it is now.

    Raises:
        UnknownCollection: there is none of that name.
    """
    return at(store, collection, ANY_EVENT)


def at(store: Store, collection: str, event: int) -> Version:
    """The version of the collection when `event` was the newest event of the workspace.

    Raises:
        UnknownCollection: there is none of that name.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        return of(db, collection, event)


def of(db: Database, collection: str, event: int) -> Version:
    """What `at` gives of a collection that there is, inside a transaction."""
    newest = _newest(db, collection, event)
    return _versions(db, collection, [newest])[newest]


def newest(store: Store) -> int:
    """The number of the workspace's newest event; 0 = there is none."""
    with store.reading() as db:
        return db.execute("select coalesce(max(id), 0) from event").fetchone()[0]


def listing(store: Store, collection: str) -> list[Listed]:
    """The version as it is now, then the frozen ones and those that training runs learned from, the newest first; each once.

    A frozen version that the collection no longer says is not among them, see `data.named_versions.check`.

    Raises:
        UnknownCollection: there is none of that name.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        now = _newest(db, collection, ANY_EVENT)
        runs: dict[int, list[str]] = {now: []}
        for row in db.execute("select name, last_event from run where collection = ? order by created desc, name desc", [collection]):
            runs.setdefault(_newest(db, collection, row["last_event"]), []).append(row["name"])
        frozen = db.execute(FROZEN, {"collection": collection, "name": None}).fetchall()
        known = _versions(db, collection, {*runs, *(row["last_event"] for row in frozen)})
    names: dict[int, list[str]] = {}
    for row in frozen:
        if known[row["last_event"]].hash == row["content_hash"]:
            names.setdefault(row["last_event"], []).append(row["name"])
    events = sorted({*runs, *names}, reverse=True)
    return [Listed(known[event], tuple(runs.get(event, ())), tuple(names.get(event, ()))) for event in events]


def resolve(store: Store, collection: str, text: str | None) -> Version:
    """The version that `text` names: as `str(version)` writes it, or the name it is frozen under; None = the current one.

    Raises:
        UnknownCollection: there is no such collection.
        BadInput: that is no version of the collection, or the collection no longer says what it said then.
    """
    if text is None:
        return current(store, collection)
    with store.reading() as db:
        frozen = db.execute(FROZEN, {"collection": collection, "name": text.strip()}).fetchone()
    if frozen:
        text = Version(collection, frozen["last_event"], frozen["content_hash"]).whole
    match = TEXT.fullmatch(text.strip())
    if match is None or match["collection"] != collection:
        raise BadInput(
            f"{text!r} is no version of {collection}. A version reads like {current(store, collection)}, which is the current one, "
            "or is the name of a frozen one: python -m labeling versions list"
        )
    event = int(match["event"])
    found = at(store, collection, event)
    if found.event != event:
        raise BadInput(
            f"{text} was made in another workspace, or after this one's backup: {collection} has no event {event} here. "
            f"Its version up to there is {found}."
        )
    if not found.hash.startswith(match["hash"]):
        raise BadInput(
            f"{text} cannot be made again: its content hash is {match['hash'][:SHOWN]}, but with the same decisions {collection} now has "
            f"{found.hash[:SHOWN]}. Samples or inventory labels were added or changed since, or it is of another workspace. "
            f"Export {found} instead."
        )
    return found


def labels_at(store: Store, collection: str, event: int) -> list[Label]:
    """The labels of all samples, by name, as they were when `event` was the newest event."""
    with store.reading() as db:
        rows = db.execute(LABELS_AT, page(collection, event)).fetchall()
    return [_label(row) for row in rows]


def marks(db: Database, collection: str, event: int) -> dict[str, dict[int, str]]:
    """Sample name -> slot -> quality, of the images that curators marked up to `event`, without what was undone by then."""
    marked: dict[str, dict[int, str]] = {}
    for row in db.execute(QUALITIES_AT, page(collection, event)):
        marked.setdefault(row["name"], {})[row["slot"]] = row["quality"]
    return marked


def page(collection: str, event: int, *, after: str = "", count: int = -1) -> dict:
    """Parameters of LABELS_AT and QUALITIES_AT."""
    return {"collection": collection, "event": event, "after": after, "count": count}


def _label(row) -> Label:
    values = {key: row[key] for key in row.keys()}
    return Label(**values | {"verified": bool(row["verified"]), "flagged": bool(row["flagged"])})


def _newest(db: Database, collection: str, event: int) -> int:
    """The newest event of the collection up to `event`; 0 = there is none."""
    row = db.execute(NEWEST, [collection, event]).fetchone()
    return row["id"] if row else 0


def _versions(db: Database, collection: str, events: Iterable[int]) -> dict[int, Version]:
    """Event -> version. All in one walk through the samples, in bounded memory."""
    digests = {event: hashlib.sha256(_header(db, collection)) for event in events}
    marked = {event: marks(db, collection, event) for event in digests}
    for after, facts in _pages(db, collection):
        for event, digest in digests.items():
            labels = db.execute(LABELS_AT, page(collection, event, after=after, count=PAGE)).fetchall()
            for fact, label in zip(facts, labels, strict=True):
                said = [label["code"], label["state"], label["flagged"], marked[event].get(label["name"])]
                digest.update(_line([*fact, *said]))
    return {event: Version(collection, event, digest.hexdigest()) for event, digest in digests.items()}


def _pages(db: Database, collection: str) -> Iterator[tuple[str, list[Row]]]:
    """FACTS of the samples, a page at a time, each with the name that it comes after."""
    after = ""
    while facts := db.execute(FACTS, page(collection, 0, after=after, count=PAGE)).fetchall():
        yield after, facts
        after = facts[-1]["name"]


def _header(db: Database, collection: str) -> bytes:
    """What all samples share: the shape of the pixels and the legend."""
    shape = db.execute("select bands, level, slot_names, height, width from collection where name = ?", [collection]).fetchone()
    legend = db.execute("select code, name, name_fr, learned from legend_class where collection = ? order by code", [collection])
    return _line([list(shape), [list(row) for row in legend]])


def _line(values: list) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"
