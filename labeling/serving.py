"""What the server answers to a Verify card that works ahead on its own: first store what it sends, then give what it lacks.

Every answer is complete in itself, so one that gets lost on the way is made good by the next.
"""

import hashlib
from dataclasses import asdict
from typing import Any

from data.errors import CropcheckError, UnknownSample
from data.workspace import Workspace
from labeling import cards, decisions, queues
from labeling.queues import Queue

AHEAD = 32  # entries of the queue that are sent at once
BEHIND = 4
CARDS_AT_ONCE = 4  # of about 150 kB each: small answers keep the browser free for the next key
MOST_CARDS = 8  # to a browser that is running out of them
RECENT = 40  # of the curator's own events: ten are shown, all can be undone one after the other


def workspace_key(workspace: Workspace) -> str:
    """Names the workspace in a browser that may know several, without telling its path."""
    return hashlib.sha256(str(workspace.home).encode()).hexdigest()[:12]


def start_of(workspace: Workspace, collection: str, queue: Queue, sample: int | None) -> int | None:
    """The sample to begin with: `sample` if it is in the queue, else the queue's first; None where the queue is empty."""
    if sample is not None and queues.contains(workspace.store, collection, queue, sample):
        return sample
    return next(iter(queues.following(workspace.store, collection, queue, None, 1)), None)


def answer(
    workspace: Workspace, collection: str, curator: str, queue: Queue, start: int | None, message: dict[str, Any] | None
) -> dict[str, Any]:
    """Store the events of `message`, then say what is stored and send the queue's entries and cards that the client lacks.

    Args:
        start: the sample that the queue begins with, see `start_of`.
        message: what the card sent, or None at its first showing: `n` (its number), `window` (the queue that it is about), `events`
            (see `labeling.decisions.record`), `have` and `want` (samples whose cards it holds and lacks), `head` and `tail` (first
            and last sample of the part of the queue that it knows), `forward` and `backward` (whether it wants more of it),
            `most` (how many cards it takes at once), `pictures` (a `sample` and those of its `images` whose pictures it lacks),
            `restart` (begin with the queue's first) or `begin` (begin with that sample).

    Returns:
        JSON-ready: n, window, initial (the entries begin the queue), saved (uids), seconds (those kept as second opinions), errors,
        ahead and behind (entries), cards, pictures, states, stats, recent, and what all cards share.
    """
    store, message = workspace.store, message or {}
    outcomes, failure = recorded(workspace, collection, curator, message.get("events") or [])
    window = f"{collection}|{queue}"
    if message.get("restart") or isinstance(message.get("begin"), int):
        start = start_of(workspace, collection, queue, message.get("begin"))
    known = message if message.get("window") == window else {}
    ahead = _ahead(workspace, collection, queue, start, known)
    behind = _behind(workspace, collection, queue, start, known)
    wanted = [*known.get("want", []), *([] if known else [entry["sample"] for entry in ahead["entries"]])]
    have = [sample for sample in known.get("have", []) if isinstance(sample, int)]
    return {
        "n": message.get("n", 0), "window": window, "initial": not known, "workspace": workspace_key(workspace), "curator": curator,
        "queue": str(queue), "collection": cards.collection_record(store, collection),
        "saved": [outcome.uid for outcome in outcomes if outcome.stored],
        "seconds": [outcome.uid for outcome in outcomes if outcome.stored and not outcome.stands],
        "errors": [{"uid": outcome.uid, "text": outcome.error} for outcome in outcomes if not outcome.stored],
        "failure": failure, "ahead": ahead, "behind": behind,
        "cards": [_card(workspace, sample) for sample in _fresh(wanted, have)[: _most(known)]],
        "pictures": _pictures(workspace, known.get("pictures")),
        "states": {str(sample): state for sample, state in cards.states(store, have).items()},
        "stats": decisions.tally(store, collection) | {"queue": queues.count(store, collection, queue)},
        "recent": decisions.recent(store, collection, curator, RECENT),
    }  # fmt: skip


def recorded(workspace: Workspace, collection: str, curator: str, events: list[dict]) -> tuple[list[decisions.Outcome], str | None]:
    """The outcomes, or why nothing could be stored; the client then keeps what it has and tries again."""
    if not events:
        return [], None
    try:
        return decisions.record(workspace.store, collection, curator, events), None
    except CropcheckError as error:
        return [], str(error)


def _ahead(workspace: Workspace, collection: str, queue: Queue, start: int | None, known: dict) -> dict[str, Any]:
    """Entries after the client's last one; at its first showing those from `start` on."""
    store = workspace.store
    if not known:
        found = [] if start is None else [start, *queues.following(store, collection, queue, start, AHEAD)]
        return {"after": None, "entries": _entries(workspace, collection, queue, found), "end": len(found) <= AHEAD}
    if not known.get("forward") or not isinstance(known.get("tail"), int):
        return {"after": None, "entries": [], "end": False}
    found = queues.following(store, collection, queue, known["tail"], AHEAD)
    return {"after": known["tail"], "entries": _entries(workspace, collection, queue, found), "end": len(found) < AHEAD}


def _behind(workspace: Workspace, collection: str, queue: Queue, start: int | None, known: dict) -> dict[str, Any]:
    head = known.get("head") if known.get("backward") else start if not known else None
    if not isinstance(head, int):
        return {"before": None, "entries": [], "end": False}
    found = queues.preceding(workspace.store, collection, queue, head, BEHIND)
    return {"before": head, "entries": _entries(workspace, collection, queue, found), "end": len(found) < BEHIND}


def _entries(workspace: Workspace, collection: str, queue: Queue, samples: list[int]) -> list[dict]:
    return [asdict(entry) for entry in queues.entries(workspace.store, collection, queue, samples)]


def _fresh(wanted: list, have: list[int]) -> list[int]:
    return [sample for sample in dict.fromkeys(wanted) if isinstance(sample, int) and sample not in have]


def _most(known: dict) -> int:
    most = known.get("most")
    return min(MOST_CARDS, most) if isinstance(most, int) and most > 0 else CARDS_AT_ONCE


def _pictures(workspace: Workspace, wanted: Any) -> dict[str, Any] | None:
    """The pictures asked for; none of them where the pixels cannot be read, which the card says already."""
    if not isinstance(wanted, dict) or not isinstance(wanted.get("sample"), int):
        return None
    images = [image for image in wanted.get("images") or [] if isinstance(image, int)]
    try:
        return cards.pictures(workspace, wanted["sample"], images)
    except CropcheckError:
        return {"sample": wanted["sample"], "images": [], "sprite": None}


def _card(workspace: Workspace, sample: int) -> dict[str, Any]:
    """The card, or its number and what is wrong with it: one unreadable sample must not stop the queue."""
    try:
        return cards.card(workspace, sample)
    except UnknownSample as error:
        return {"id": sample, "name": str(sample), "error": str(error)}
    except CropcheckError as error:
        return {"id": sample, "error": str(error), **cards.states(workspace.store, [sample])[sample]}
