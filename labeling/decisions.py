"""What curators say, checked and appended. Nothing here updates or deletes; what is in force is the database's views.

An event as it comes from a card or a command is a dict:

    uid       made by the sender; an event sent twice is stored once
    sample    its number
    action    agree, relabel, reject, unsure, flag, quality or undo
    code      of a relabel: the crop's code
    reason    of a rejection: a key of `REASONS`
    image, quality   of a quality event: the image's number, and ok, cloud or bad
    undo_of   of an undo: the uid of the event to take back
    seen      uid of the decision that the card showed, or None: see `record`
    note, queue, rank, run, ms   optional: free text, where it was served from, the run shown, milliseconds spent
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlite_utils import Database

from data import catalogue, info
from data.errors import BadDecision, CropcheckError, UnknownCrop
from data.store import Store

DECIDING = ("agree", "relabel", "reject", "unsure")
ACTIONS = (*DECIDING, "flag", "quality", "undo")
REASONS = {
    "mixed": "mixed or edge field",
    "not_cropland": "not cropland",
    "no_signal": "no visible crop signal",
    "other": "other reason",
}
QUALITIES = ("ok", "cloud", "bad")


@dataclass(frozen=True)
class Outcome:
    """What became of one event.

    stored: whether it is in the store, now or since an earlier sending.
    second_opinion: stored beside a decision that the card did not show; that one stays in force.
    error: why it was refused, or None.
    """

    uid: str
    stored: bool
    second_opinion: bool = False
    error: str | None = None


def new_uid() -> str:
    """A uid for an event that does not come from a card."""
    return uuid.uuid4().hex


def record(store: Store, collection: str, curator: str, events: Sequence[dict]) -> list[Outcome]:
    """Append `events` in their order, in one transaction; a refused one does not hold up the others.

    A decision counts as made against what its card showed. If another decision has come in force since (`seen` is not its
    uid), the new one is kept as a second opinion and changes nothing: a late or clashing decision is never lost and never
    overwrites.

    Raises:
        BadDecision: there is no curator's name.
        UnknownCollection: no collection of that name.
    """
    if not curator.strip():
        raise BadDecision("A decision needs a curator. Give your name in the field 'Curator', or with --curator.")
    catalogue.collection(store, collection)
    if not events:
        return []
    with store.writing() as db:
        return [_outcome(db, collection, curator.strip(), event) for event in events]


def record_one(store: Store, collection: str, curator: str, event: dict) -> Outcome:
    """Append one event, whose `seen` defaults to the decision in force: for commands, which show it before asking.

    Raises:
        BadDecision, UnknownCrop: it was refused.
    """
    with store.reading() as db:
        in_force = _in_force(db, event["sample"])
    outcome = record(store, collection, curator, [{"uid": new_uid(), "seen": in_force} | event])[0]
    if outcome.error:
        raise BadDecision(outcome.error)
    return outcome


def _outcome(db: Database, collection: str, curator: str, event: dict) -> Outcome:
    uid = str(event.get("uid") or "")
    if not uid:
        return Outcome(uid, False, error="An event without a uid cannot be stored.")
    known = db.execute("select stands from event where uid = ?", [uid]).fetchone()
    if known:
        return Outcome(uid, True, second_opinion=not known["stands"])
    try:
        row = _checked(db, collection, curator, event)
    except CropcheckError as error:
        return Outcome(uid, False, error=str(error))
    stands = row["action"] not in DECIDING or _in_force(db, row["sample"]) == event.get("seen")
    db["event"].insert(row | {"uid": uid, "stands": int(stands)})
    return Outcome(uid, True, second_opinion=not stands)


def _in_force(db: Database, sample: int) -> str | None:
    """The uid of the sample's decision in force."""
    row = db.execute("select e.uid from sample s join event e on e.id = s.decision where s.id = ?", [sample]).fetchone()
    return row["uid"] if row else None


def _checked(db: Database, collection: str, curator: str, event: dict) -> dict:
    """The event as a row of the table, its words and references validated."""
    action = event.get("action")
    if action not in ACTIONS:
        raise BadDecision(f"There is no action {action!r}; choose one of {', '.join(ACTIONS)}.")
    sample = db.execute(
        """select s.id, s.inventory_code, s.flagged, l.code from sample s join label l on l.sample = s.id
        where s.id = ? and s.collection = ?""",
        [event.get("sample"), collection],
    ).fetchone()
    if sample is None:
        raise BadDecision(f"There is no sample number {event.get('sample')} in {collection}; the decision on it was not stored.")
    row = {
        "sample": sample["id"], "curator": curator, "action": action, "old": _text(sample["code"]), "new": None, "reason": None,
        "image": None, "note": event.get("note") or None, "queue": event.get("queue"), "rank": event.get("rank"),
        "run": event.get("run"), "seen": event.get("seen"), "ms": _milliseconds(event.get("ms")),
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "undo_of": None,
    }  # fmt: skip
    return row | _CHECKS[action](db, collection, curator, sample, event)


def _agree(db, collection, curator, sample, event) -> dict:
    return {"new": _text(sample["inventory_code"])}


def _relabel(db, collection, curator, sample, event) -> dict:
    code = event.get("code")
    if not db.execute("select 1 from legend_class where collection = ? and code = ?", [collection, code]).fetchone():
        codes = ", ".join(str(row[0]) for row in db.execute("select code from legend_class where collection = ?", [collection]))
        raise UnknownCrop(f"Crop code {code} is not in the legend of {collection}; its codes are {codes}.")
    return {"new": _text(code), "action": "agree" if code == sample["inventory_code"] else "relabel"}


def _reject(db, collection, curator, sample, event) -> dict:
    reason = event.get("reason")
    if reason not in REASONS:
        raise BadDecision(f"There is no reason {reason!r} to reject a sample; choose one of {', '.join(REASONS)}.")
    return {"reason": reason}


def _unsure(db, collection, curator, sample, event) -> dict:
    return {}


def _flag(db, collection, curator, sample, event) -> dict:
    return {"old": str(sample["flagged"]), "new": "0" if sample["flagged"] else "1"}


def _quality(db, collection, curator, sample, event) -> dict:
    image = db.execute("select quality from image_quality where image = ? and sample = ?", [event.get("image"), sample["id"]]).fetchone()
    if image is None:
        raise BadDecision(f"Sample number {sample['id']} has no image number {event.get('image')}.")
    if event.get("quality") not in QUALITIES:
        raise BadDecision(f"There is no quality {event.get('quality')!r}; choose one of {', '.join(QUALITIES)}.")
    return {"image": event["image"], "old": image["quality"], "new": event["quality"]}


def _undo(db, collection, curator, sample, event) -> dict:
    target = db.execute("select id, sample, curator, action from event where uid = ?", [event.get("undo_of")]).fetchone()
    if target is None or target["sample"] != sample["id"]:
        raise BadDecision("What was to be undone is not in the store; nothing was changed.")
    if target["curator"] != curator:
        raise BadDecision(f"That decision is {target['curator']}'s; only they can undo it. Decide anew instead.")
    if target["action"] == "undo" or db.execute("select 1 from event where undo_of = ?", [target["id"]]).fetchone():
        raise BadDecision("That has been undone already; nothing was changed.")
    return {"undo_of": target["id"]}


_CHECKS = {
    "agree": _agree, "relabel": _relabel, "reject": _reject, "unsure": _unsure, "flag": _flag, "quality": _quality, "undo": _undo,
}  # fmt: skip


def _text(code: int | None) -> str | None:
    return None if code is None else str(code)


def _milliseconds(value) -> int | None:
    return max(0, int(value)) if isinstance(value, int | float) else None


def history(store: Store, collection: str, *, curator: str | None = None, sample: int | None = None, limit: int = 10) -> list[dict]:
    """The newest events first, as JSON-ready records with the names of sample and crop; undone ones are marked."""
    with store.reading() as db:
        rows = db.execute(
            """select e.*, s.name as sample_name, s.inventory_code, c.name as crop, c.color,
                exists (select 1 from event u where u.undo_of = e.id) as undone
            from event e join sample s on s.id = e.sample
            left join legend_class c on c.collection = s.collection and c.code = cast(e.new as integer)
                and e.action in ('agree', 'relabel')
            where s.collection = :collection and (:curator is null or e.curator = :curator)
                and (:sample is null or e.sample = :sample)
            order by e.id desc limit :limit""",
            {"collection": collection, "curator": curator, "sample": sample, "limit": limit},
        )
        return [dict(row) for row in rows]


def latest_of(store: Store, collection: str, curator: str, name: str) -> str:
    """The uid of the curator's newest event on a sample that can be undone.

    Raises:
        BadDecision: there is none.
    """
    sample = catalogue.sample_id(store, collection, name)
    for event in history(store, collection, curator=curator, sample=sample, limit=1000):
        if event["action"] != "undo" and not event["undone"]:
            return event["uid"]
    raise BadDecision(f"{curator} has decided nothing on {name} that could be undone.")


def stats(store: Store, collection: str) -> dict:
    """How far a collection is verified, and by whom, as a JSON-ready record."""

    with store.reading() as db:
        rows = db.execute(
            """select e.curator, count(*) as events, sum(e.action in ('agree', 'relabel', 'reject', 'unsure')) as decisions,
                sum(e.stands = 0) as second_opinions
            from event e join sample s on s.id = e.sample where s.collection = ? group by e.curator order by decisions desc""",
            [collection],
        )
        curators = [dict(row) for row in rows]
    return {"collection": collection} | vars(info.progress(store, collection)) | {"curators": curators}
