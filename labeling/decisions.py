"""What curators say, stored once and for good: every decision is an event, appended in one transaction.

Each event of a batch is judged by itself: a bad one is answered with its fault, the others are stored. An event sent twice
is stored once, so a client may send again whatever it has no answer for. What an event was (a first look, a second one, an answer
to a control) is worked out here from the store, not taken from the client's word: see `labeling.looks`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from sqlite_utils import Database

from data import catalogue, packed, workspace
from data.errors import BadDecision, CropcheckError, UnknownCrop
from data.importing import NO_LABEL
from data.store import Store
from labeling import leases, looks, team

DECIDING = ("agree", "relabel", "reject", "unsure")  # these put a label in force; the others do not
REASONS = {
    "mixed": "Mixed or edge field",
    "not_cropland": "Not cropland",
    "no_signal": "No visible crop signal",
    "other": "Other reason",
}
QUALITIES = ("ok", "cloud", "bad")
LONGEST_TEXT = 2_000  # characters of a queue's reason or a name
LONGEST_NOTE = 200_000  # characters: a note is kept whole

SAMPLE = """
select s.id, s.collection, s.name, s.inventory_code, s.flagged, d.uid as in_force, l.code as label
from sample s join label l on l.sample = s.id left join event d on d.id = s.decision where s.id = ?
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one event.

    stored: it is in the database, now or since it was sent before.
    stands: False where it is kept beside the decision in force: a second look, an answer to a control, or an opinion beside a
        decision that its curator had not seen.
    look: what it was, see `labeling.looks`.
    error: why it was not stored, else None.
    """

    uid: str
    stored: bool
    stands: bool = True
    look: str = looks.FIRST
    error: str | None = None


def record(
    store: Store, collection: str, curator: str, events: Sequence[dict[str, Any]], *, holder: str | None = None, overrule: bool = False
) -> list[Outcome]:
    """Append `events` in their order, in one transaction.

    Args:
        collection, curator: of every event that does not name its own `collection` or `curator`.
        events: dicts with `uid`, `sample` and `action` (agree, relabel, reject, unsure, flag, quality, undo); by action `code`
            (relabel), `reason` (reject: mixed, not_cropland, no_signal, other), `image` and `quality` (ok, cloud, bad), `undo_of`
            (the uid of an own event), `flagged` (whether a flag shall be on; left out, it turns over); and as wished `name` (of the
            sample, checked), `note`, `queue`, `rank`, `run`, `ms` and `seen`: the uid of the decision that was in force on the card,
            or None; `kind` (of the queue's entry), `look` (second or adjudication, where it was served as that), `shown` (the code
            that the card gave as the inventory's) and `blind` (whether it gave none). A decision on a sample whose decision in force
            is another than `seen` is kept as a second opinion and overwrites nothing. A curator whom nobody knows joins the team.
        holder: the tab or process that leased the samples; decided ones are given back.
        overrule: undo other curators' events too, for an administrator.

    Returns:
        One outcome an event, in order; faults are told there, not raised.

    Raises:
        WorkspaceError: nothing could be stored.
    """
    packed.materialise(workspace.of(store), [event.get("sample") for event in events])
    with store.writing() as db:
        outcomes = [_outcome(db, collection, curator, event | {"overrule": overrule}) for event in events]
        if holder:
            decided = zip(events, outcomes, strict=True)
            leases.release(db, holder, [event["sample"] for event, outcome in decided if outcome.stored and event["action"] in DECIDING])
        return outcomes


def keep_refused(store: Store, collection: str, curator: str, events: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """Keep what could not be stored as events, whole, in the table `refused`: whoever sent it need not keep it any longer."""
    at = _now()
    rows = [
        [
            outcome.uid, str(event.get("collection") or collection), str(event.get("curator") or curator), json.dumps(event),
            outcome.error, at,
        ]
        for event, outcome in zip(events, outcomes, strict=True)
        if not outcome.stored
    ]  # fmt: skip
    if rows:
        with store.writing() as db:
            db.conn.executemany("insert or ignore into refused (uid, collection, curator, said, error, at) values (?, ?, ?, ?, ?, ?)", rows)


def _outcome(db: Database, collection: str, curator: str, event: dict[str, Any]) -> Outcome:
    try:
        uid = _text(event, "uid", required=True)
        known = db.execute("select stands, look from event where uid = ?", [uid]).fetchone()
        stands, look = (bool(known["stands"]), known["look"]) if known else _append(db, collection, curator, event | {"uid": uid})
        return Outcome(uid, stored=True, stands=stands, look=look)
    except CropcheckError as error:
        return Outcome(str(event.get("uid")), stored=False, stands=False, error=str(error))


def _append(db: Database, collection: str, curator: str, event: dict[str, Any]) -> tuple[bool, str]:
    """Insert the event; returns whether it stands, and what look it was."""
    who = _curator(db, _text(event, "curator") or curator)
    sample = _sample(db, event, event.get("collection") or collection)
    action = _one_of(event, "action", tuple(ACTIONS))
    shown = _whole(event, "shown")
    look, control = looks.FIRST, None
    if action in DECIDING:
        look, control = looks.of_event(db, sample["id"], who, event.get("look"), shown, event.get("seen"))
    if control is not None:
        sample = {**dict(sample), "inventory_code": shown}
    settles = event.get("look") != looks.ADJUDICATION or look == looks.ADJUDICATION  # a settlement that is none overrules nothing
    stands = action not in DECIDING or (look not in looks.BESIDE and settles and sample["in_force"] == event.get("seen"))
    row = {
        "uid": event["uid"], "sample": sample["id"], "curator": who, "action": action, "stands": int(stands),
        "note": _text(event, "note", longest=LONGEST_NOTE), "queue": _text(event, "queue"), "run": _text(event, "run"),
        "seen": _text(event, "seen"), "rank": _whole(event, "rank"), "ms": _whole(event, "ms"), "at": _now(),
        "kind": _text(event, "kind"), "look": look, "control": control, "blind": int(event.get("blind") is True),
        "shown": _str(shown),
    }  # fmt: skip
    row |= ACTIONS[action](db, sample, event | {"curator": who})
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"insert into event ({columns}) values ({places})", list(row.values()))
    looks.refresh(db, sample["id"])
    return stands, look


def _curator(db: Database, name: str) -> str:
    """The name as the team spells it."""
    if not name.strip():
        raise BadDecision("A decision needs the name of its curator. Enter yours in the sidebar, or give --curator.")
    known = team.known_as(db, name)
    if not db.execute("select active from curator where name = ?", [known]).fetchone()["active"]:
        raise BadDecision(f"{known} is no longer active in this team. An administrator can let them come back, on the page Team.")
    return known


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sample(db: Database, event: dict[str, Any], collection: str) -> Row:
    number = event.get("sample")
    row = db.execute(SAMPLE, [number]).fetchone() if _is_whole(number) else None
    if row is None or row["collection"] != collection:
        raise BadDecision(f"There is no sample number {number!r} in {collection}. Reload the page and decide again.")
    if event.get("name") not in (None, row["name"]):
        raise BadDecision(
            f"Sample {number} of {collection} is {row['name']}, but the decision was made on {event['name']}: the collection was "
            "imported anew. Decide again."
        )
    return row


def _agree(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    if sample["inventory_code"] == NO_LABEL.code:
        raise BadDecision(f"{sample['name']} has no inventory label to agree with. Relabel it to the crop that grows there, or reject it.")
    return {"old": _str(sample["label"]), "new": str(sample["inventory_code"])}


def _relabel(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    code = event.get("code")
    known = [row["code"] for row in db.execute("select code from legend_class where collection = ?", [sample["collection"]])]
    if not _is_whole(code) or code not in known:
        raise UnknownCrop(
            f"Code {code!r} is not in the legend of {sample['collection']}. Its codes are {', '.join(map(str, sorted(known)))}."
        )
    if code == NO_LABEL.code:
        raise BadDecision(
            f"Code {NO_LABEL.code} means that no label is known. Relabel {sample['name']} to a crop, reject it, or say unsure."
        )
    action = "agree" if code == sample["inventory_code"] else "relabel"
    return {"action": action, "old": _str(sample["label"]), "new": str(code)}


def _reject(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    return {"old": _str(sample["label"]), "new": None, "reason": _one_of(event, "reason", tuple(REASONS))}


def _unsure(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    return {"old": _str(sample["label"]), "new": None}


def _flag(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    wanted = event.get("flagged")  # who does not see another's flag must not take it off unknowingly
    return {"old": str(sample["flagged"]), "new": str(int(wanted) if isinstance(wanted, bool) else 1 - sample["flagged"])}


def _quality(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    number = event.get("image")
    known = "select image, quality from image_quality where sample = ? and image = ?"
    image = db.execute(known, [sample["id"], number]).fetchone() if _is_whole(number) else None
    if image is None:
        raise BadDecision(f"Image {number!r} is not one of {sample['name']}. Reload the page and mark it again.")
    return {"image": image["image"], "old": image["quality"], "new": _one_of(event, "quality", QUALITIES)}


def _undo(db: Database, sample: Row, event: dict[str, Any]) -> dict[str, Any]:
    uid = _text(event, "undo_of", required=True)
    target = db.execute("select * from event where uid = ? and sample = ?", [uid, sample["id"]]).fetchone()
    if target is None:
        raise BadDecision(f"There is no event {uid!r} on {sample['name']} to undo.")
    if target["curator"].casefold() != event["curator"].casefold() and not event["overrule"]:
        raise BadDecision(f"Event {target['uid']} is {target['curator']}'s: only they can undo it. Decide on the sample yourself.")
    if target["action"] == "undo":
        raise BadDecision(f"Event {target['uid']} is an undo already. Decide on {sample['name']} anew.")
    if db.execute("select 1 from event where undo_of = ?", [target["id"]]).fetchone():
        raise BadDecision(f"Event {target['uid']} on {sample['name']} is undone already.")
    return {"undo_of": target["id"], "old": target["new"], "new": target["old"]}


ACTIONS: dict[str, Callable[[Database, Row, dict[str, Any]], dict[str, Any]]] = {
    "agree": _agree, "relabel": _relabel, "reject": _reject, "unsure": _unsure, "flag": _flag, "quality": _quality, "undo": _undo,
}  # fmt: skip


def _str(value: int | None) -> str | None:
    return None if value is None else str(value)


def _one_of(event: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    if event.get(key) not in allowed:
        raise BadDecision(f"{event.get(key)!r} is no {key}; choose one of {', '.join(allowed)}.")
    return event[key]


def _text(event: dict[str, Any], key: str, *, required: bool = False, longest: int = LONGEST_TEXT) -> str | None:
    value = event.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value) or len(value) > longest:
        raise BadDecision(f"The {key} of a decision is text of at most {longest} characters, not {str(value)[:80]!r}. Shorten it.")
    return value.encode(errors="replace").decode()  # half an emoji, cut off by a text field, is no text that SQLite takes


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _whole(event: dict[str, Any], key: str) -> int | None:
    value = event.get(key)
    if value is not None and not _is_whole(value):
        raise BadDecision(f"The {key} of a decision is a whole number from 0, not {value!r}.")
    return value


RECENT = """
select e.uid, e.sample, s.name, e.action, e.new, e.reason, e.note, e.seen, e.stands or e.look <> 'first' as stands, e.at, e.image,
    case e.action when 'quality' then e.old end as old
from event e join sample s on s.id = e.sample
where e.curator = ? and s.collection = ? and (? is null or e.sample = ?) and e.action != 'undo'
    and not exists (select 1 from event u where u.undo_of = e.id)
order by e.id desc limit ?
"""


def recent(store: Store, collection: str, curator: str, count: int, *, sample: int | None = None) -> list[dict[str, Any]]:
    """The curator's newest events in the collection, or on one sample of it, that are not undone, newest first.

    stands: 0 only for what became a second opinion unasked; what was served as one, or as a control, looks like any other. old: of an
    image's quality; the label before a decision may be what the curator is not to see.
    """
    with store.reading() as db:
        return [dict(row) for row in db.execute(RECENT, [curator, collection, sample, sample, count])]


def events(
    store: Store, collection: str, *, sample: int | None = None, curator: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """The collection's events, oldest first: those on one sample, of one curator, and only the newest `limit`, where these are given.

    Each is a row of the table with the sample's `name`, the uid of what an undo undoes as `undone_uid`, and whether it is `undone`.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    wanted = {"s.collection": collection, "e.sample": sample, "e.curator": curator}
    given = {column: value for column, value in wanted.items() if value is not None}
    with store.reading() as db:
        rows = db.execute(
            f"""select e.*, s.name, u.uid as undone_uid, exists (select 1 from event x where x.undo_of = e.id) as undone
            from event e join sample s on s.id = e.sample left join event u on u.id = e.undo_of
            where {" and ".join(f"{column} = ?" for column in given)} order by e.id desc limit ?""",
            [*given.values(), -1 if limit is None else limit],
        )
        return [dict(row) for row in rows][::-1]


def curators(store: Store, collection: str) -> list[dict[str, Any]]:
    """Who decided how often, the busiest first: curator, decisions (undone ones too) and how many are second opinions."""
    with store.reading() as db:
        rows = db.execute(
            f"""select e.curator, count(*) as decisions, sum(e.stands = 0) as second_opinions from event e
            join sample s on s.id = e.sample where s.collection = ? and e.action in ({", ".join("?" * len(DECIDING))})
            group by e.curator order by decisions desc, e.curator""",
            [collection, *DECIDING],
        )
        return [dict(row) for row in rows]


def image_on(store: Store, sample: int, date: str) -> int:
    """The number of the sample's image of that date, written as in the collection: YYYY-MM-DD, or YYYY-MM of a composite.

    Raises:
        BadDecision: there is none.
    """
    packed.materialise(workspace.of(store), [sample])
    with store.reading() as db:
        images = dict(tuple(row) for row in db.execute("select acquired, id from image where sample = ? order by slot", [sample]))
    if date not in images:
        raise BadDecision(f"This sample has no image of {date!r}. It has some of {', '.join(images) or 'no date at all'}.")
    return images[date]


def tally(store: Store, collection: str) -> dict[str, int]:
    """Samples in all, decided and verified (agreed or relabelled) ones. Reads the decided samples only, beside one index."""
    with store.reading() as db:
        samples = db.execute("select count(*) from sample where collection = ?", [collection]).fetchone()[0]
        row = db.execute(
            """select count(*), coalesce(sum(e.action in ('agree', 'relabel')), 0) from sample s join event e on e.id = s.decision
            where s.collection = ? and s.decision is not null""",
            [collection],
        ).fetchone()
    return {"samples": samples, "decided": row[0], "verified": row[1]}
