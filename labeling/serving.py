"""What the server answers to a Verify card that works ahead on its own: first store what it sends, then give what it lacks.

Every answer is complete in itself, so one that gets lost on the way is made good by the next. What a card is given to work on is
leased to its holder: nobody else gets it meanwhile.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from data.errors import CropcheckError, UnknownSample
from data.store import Store
from data.workspace import Workspace
from labeling import cards, controls, decisions, frugal, leases, looks, policy, queues
from labeling.queues import TELLS_NOTHING, Entry, Queue
from labeling.trust import agreement

AHEAD = 32  # entries of the queue that are sent at once
HOLD = (6, 48)  # entries that one holder has ahead, at least and at most: an eighth of what is open in the queue
BEHIND = 4
CARDS_AT_ONCE = 4  # of about 150 kB each: small answers keep the browser free for the next key
MOST_CARDS = 8  # to a browser that is running out of them
BLIND = "Blind: why it is here would give its label away."
RECENT = 40  # of the curator's own events: ten are shown, all can be undone one after the other


def workspace_key(workspace: Workspace) -> str:
    """Names the workspace in a browser that may know several, without telling its path."""
    return hashlib.sha256(str(workspace.home).encode()).hexdigest()[:12]


def start_of(workspace: Workspace, collection: str, queue: Queue, sample: int | None) -> int | None:
    """`sample`, if it is in the queue; None: the queue begins with the first that is to be done."""
    return sample if sample is not None and queues.contains(workspace.store, collection, queue, sample) else None


def answer(
    workspace: Workspace,
    collection: str,
    curator: str,
    queue: Queue,
    start: int | None,
    message: dict[str, Any] | None,
    *,
    holder: str | None = None,
) -> dict[str, Any]:
    """Store the events of `message`, then say what is stored and send the queue's entries and cards that the client lacks.

    Args:
        start: the sample to begin with, see `start_of`.
        message: what the card sent, or None at its first showing: `n` (its number), `window` (the queue that it is about), `events`
            (see `labeling.decisions.record`), `have` and `want` (samples whose cards it holds and lacks), `head` and `tail` (first
            and last sample of the part of the queue that it knows), `tail_rank` (the last one's position), `forward` and
            `backward` (whether it wants more of it), `most` (how many cards it takes at once), `pictures` (a `sample` and those
            of its `images` whose pictures it lacks), `restart` (begin with the queue's first) or `begin` (begin with that
            sample), and `inherit` (the holders of this
            browser's tabs that are closed now).
        holder: the tab or process that the entries are leased to; without one nothing is leased, as for a script that only reads.

    Returns:
        JSON-ready: n, window, initial (the entries begin the queue), saved (uids), seconds (those kept as second opinions), errors,
        ahead and behind (entries), cards, pictures, states, stats, recent, and what all cards share.
    """
    store, message = workspace.store, message or {}
    outcomes, failure = recorded(workspace, collection, curator, message.get("events") or [], holder)
    window = f"{collection}|{queue}|{curator}"  # what one curator was given is nothing for another
    if message.get("restart") or isinstance(message.get("begin"), int):
        start = start_of(workspace, collection, queue, message.get("begin"))
    start = _place(store, start, curator)
    known = message if message.get("window") == window else {}
    desk = Desk(workspace, collection, curator, queue, holder)
    desk.keep_up(message.get("inherit"))
    ahead = desk.ahead(start, known)
    behind = desk.behind(known, ahead["entries"])
    wanted = [*known.get("want", []), *([] if known else [entry["sample"] for entry in ahead["entries"]])]
    have = [sample for sample in known.get("have", []) if isinstance(sample, int)]
    return {
        "n": message.get("n", 0), "window": window, "initial": not known, "workspace": workspace_key(workspace), "curator": curator,
        "queue": str(queue), "look": queue.look, "holder": holder, "hold": desk.hold,
        "collection": cards.collection_record(store, collection),
        "saved": [outcome.uid for outcome in outcomes if outcome.stored],
        "seconds": [outcome.uid for outcome in outcomes if outcome.stored and not outcome.stands and outcome.look == looks.FIRST],
        "errors": [{"uid": outcome.uid, "text": outcome.error} for outcome in outcomes if not outcome.stored],
        "failure": failure, "ahead": ahead, "behind": behind,
        "cards": [desk.card(sample) for sample in _fresh(wanted, have)[: _most(known)]],
        "pictures": _pictures(workspace, known.get("pictures")),
        "states": {str(sample): state for sample, state in cards.states(store, have, curator=curator, look=queue.look).items()},
        "stats": _tally(workspace, collection) | {"queue": desk.counted},
        "recent": decisions.recent(store, collection, curator, RECENT),
    }  # fmt: skip


def recorded(
    workspace: Workspace, collection: str, curator: str, events: list[dict], holder: str | None = None
) -> tuple[list[decisions.Outcome], str | None]:
    """Store what a component sent: the outcomes, or why nothing could be stored; the client then keeps what it has and tries again.

    What cannot be an event is kept as it is, see `labeling.decisions.keep_refused`: the client need not keep it.
    """
    if not events:
        return [], None
    try:
        outcomes = decisions.record(workspace.store, collection, curator, events, holder=holder)
        decisions.keep_refused(workspace.store, collection, curator, events, outcomes)
        return outcomes, None
    except CropcheckError as error:
        return [], str(error)


def _place(store: Store, start: int | None, curator: str) -> int | None:
    """Where to begin: a control is no place in a queue, it comes again by itself while it has no answer."""
    with store.reading() as db:
        return None if start is None or controls.is_placed(db, start, curator) else start


def _tally(workspace: Workspace, collection: str) -> dict[str, int]:
    return frugal.figure((workspace.store.path, collection), lambda: decisions.tally(workspace.store, collection))


@dataclass(frozen=True)
class Desk:
    """One holder at one queue: what they are given to work on, and what they may see of it."""

    workspace: Workspace
    collection: str
    curator: str
    queue: Queue
    holder: str | None

    @cached_property
    def counted(self) -> dict[str, int]:
        """The queue's members and how many of them are to be done."""
        key, store = (self.workspace.store.path, self.collection, self.queue), self.workspace.store
        return frugal.figure(key, lambda: queues.count(store, self.collection, self.queue))

    @property
    def hold(self) -> int:
        """How many entries this holder may have ahead, so that something is left for others."""
        return min(max(HOLD[0], self.counted["open"] // 8), HOLD[1])

    @property
    def leases(self) -> bool:
        """Whether what is given here is leased: `all` is for looking around."""
        return self.holder is not None and self.queue.kind != "all"

    @cached_property
    def _blind(self) -> bool:
        return self.queue.look != looks.ADJUDICATION and policy.read(self.workspace.store, self.collection).blind

    def keep_up(self, inherit: Any) -> None:
        """The holder's heartbeat; the leases of closed tabs of this browser go on in its name."""
        if self.holder is None:
            return
        if isinstance(inherit, list):
            leases.inherit(self.workspace.store, [name for name in inherit if isinstance(name, str)], self.holder, self.curator)
        leases.renew(self.workspace.store, self.holder)

    def ahead(self, start: int | None, known: dict) -> dict[str, Any]:
        """Entries after the client's last one; at its first showing those from `start` on, and what it held before is given back."""
        if known and (not known.get("forward") or not isinstance(known.get("tail"), int)):
            return {"after": None, "entries": [], "end": False}
        after = known.get("tail") if known else start
        rank = known.get("tail_rank")
        near = known.get("near") if isinstance(known.get("near"), list) else None
        found = self._taken(after, rank if isinstance(rank, int) else None, near, begin=not known)
        entries = [] if known or start is None else self._entries([start])
        return {"after": known.get("tail"), "entries": [*entries, *found[0]], "end": found[1]}

    def behind(self, known: dict, begun: list[dict]) -> dict[str, Any]:
        """Entries before the client's first one, or before those it begins with, decided or not; nobody is kept from these."""
        head = known.get("head") if known.get("backward") else begun[0]["sample"] if begun and not known else None
        if known and not isinstance(head, int):
            return {"before": None, "entries": [], "end": False}
        found = queues.preceding(self.workspace.store, self.collection, self.queue, head, BEHIND)
        return {"before": head, "entries": self._entries(found), "end": len(found) < BEHIND}

    def card(self, sample: int) -> dict[str, Any]:
        """The card, or its number and what is wrong with it: one unreadable sample must not stop the queue."""
        try:
            return cards.card(self.workspace, sample, curator=self.curator, look=self.queue.look)
        except UnknownSample as error:
            return {"id": sample, "name": str(sample), "error": str(error)}
        except CropcheckError as error:
            return {"id": sample, "error": str(error), **cards.states(self.workspace.store, [sample])[sample]}

    def _taken(self, after: int | None, rank: int | None, near: list | None, *, begin: bool) -> tuple[list[dict], bool]:
        """The next entries after one of that rank, leased, with controls among them, and whether the queue ends there.

        near: the samples from the one on the screen on, where the client tells; what it went past is there for others again.
        """
        store = self.workspace.store
        if not self.leases:
            found = queues.following(store, self.collection, self.queue, after, AHEAD, curator=self.curator)
            return self._entries(found), len(found) < AHEAD
        if begin and self.queue.look == looks.SECOND:
            agreement.ask_again(store, self.collection, agreement.measured(agreement.ratings(store, self.collection), resamples=1))
        with store.writing() as db:
            if begin:
                leases.release(db, self.holder)
            if near is not None:
                leases.pass_on(db, self.holder, near)
            room = min(AHEAD, self.hold - leases.held(db, self.holder))
            if room <= 0:
                return [], False
            found = queues.seek(db, self.collection, self.queue, after, room, holder=self.holder, curator=self.curator)
            taken = leases.take(db, self.holder, self.curator, [*([after] if begin and after else []), *found])
        known = None if rank is None or after is None else (after, rank)
        entries = queues.entries(store, self.collection, self.queue, [sample for sample in found if sample in taken], known=known)
        if self.queue.look == looks.FIRST:
            with store.writing() as db:
                entries = controls.mixed_in(db, self.collection, self.curator, self.queue, entries)
        return self._told(entries), len(found) < room

    def _entries(self, samples: list[int]) -> list[dict]:
        return self._told(queues.entries(self.workspace.store, self.collection, self.queue, samples))

    def _told(self, entries: list[Entry]) -> list[dict]:
        hidden = [self._blind and entry.kind not in TELLS_NOTHING for entry in entries]
        return [asdict(replace(entry, reason=BLIND) if hides else entry) for entry, hides in zip(entries, hidden, strict=True)]


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
