"""Placing controls: now and then a curator is served a sample whose label is known, half of the times with a deliberately wrong label.

A control looks like the cards around it: it comes only where the reason on the card says nothing of the label, or would be as true of
the label that the control shows. What the curator says of it is kept, and never comes in force (`labeling.looks`). Known are labels
that two curators or a reviewer gave; where a policy asks for repeats, a curator's own older ones too. Placing one holds up no
other writer: every statement reads a few hundred rows at most, however large the collection is.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from sqlite_utils import Database

from labeling import policy
from labeling.queues import TELLS_NOTHING, Entry, Queue

OLD = 50  # own decisions since, before a sample of one's own comes again
MOST = 200  # candidates that are looked at from a place drawn at random on

WAITING = """
select c.sample from control c join sample s on s.id = c.sample
where c.curator = :curator and s.collection = :collection and (:shown is null or c.shown = :shown)
    and not exists (select 1 from verdict v where v.control = c.id and v.sample = c.sample)
order by c.id
"""
SPAN = "select min(sample), max(sample) from review where collection = :collection and state = :state"
KNOWN = """
select l.sample, l.code from (
    select sample from review where collection = :collection and state = :state and sample >= :start order by sample limit :most) k
join label l on l.sample = k.sample
where l.verified and l.code = l.inventory_code and (:truth is null or l.code = :truth) and (:other is null or l.code <> :other)
    and not exists (select 1 from event e where e.sample = l.sample and e.curator = :curator collate nocase)
    and not exists (select 1 from control c where c.curator = :curator and c.sample = l.sample)
limit 1
"""
OWN_SPAN = """
select (select min(id) from event where curator = :curator),
    (select id from event where curator = :curator and look = 'first' and action in ('agree', 'relabel')
        order by id desc limit 1 offset :old)
"""
OWN = """
select s.id as sample, cast(e.new as integer) as code, s.inventory_code from (
    select * from event where curator = :curator and id between :start and :last order by id limit :most) e
join sample s on s.id = e.sample and s.decision = e.id
where s.collection = :collection and e.look = 'first' and e.action in ('agree', 'relabel')
    and (not :right or s.inventory_code = cast(e.new as integer))
    and not exists (select 1 from control c where c.curator = :curator and c.sample = s.id)
limit 1
"""
# The crop of a sample drawn at random: frequent crops are frequent among the wrong labels, too.
ANOTHER = """
select s.inventory_code from sample s join legend_class g on g.collection = s.collection and g.code = s.inventory_code
where s.collection = ? and s.shuffle >= ? and s.inventory_code <> ? and g.learned is not null order by s.shuffle limit 1
"""


def mixed_in(db: Database, collection: str, curator: str, queue: Queue, entries: list[Entry]) -> list[Entry]:
    """The entries with controls and repeats among them, placed inside a write transaction.

    Whether one comes before an entry follows from the curator and the sample alone, and one that waits for its answer comes before
    another is placed, so asking twice gives no more of them. Each has a position of its own, and those behind it one more: two cards
    of the same position would tell the first as a control. In blind mode no label is shown that could be wrong: there are none.
    """
    if policy.of_collection(db, collection).blind:
        return entries
    placing = Placing(db, collection, curator, policy.of_collection(db, collection), queue)
    found = entries[:1]  # what is read on from, forward and backward, is an entry of the queue
    for at, entry in enumerate(entries[1:], 1):
        sample = placing.before(entry, [one.sample for one in found])
        if sample is not None:
            found.append(replace(entry, sample=sample, rank=entry.rank + len(found) - at))
        found.append(replace(entry, rank=entry.rank + len(found) - at))
    return found


def is_placed(db: Database, sample: int, curator: str) -> bool:
    """Whether the curator has the sample as a control, answered or not: it is no place in a queue to go on from."""
    return db.execute("select 1 from control where curator = ? and sample = ?", [curator, sample]).fetchone() is not None


@dataclass(frozen=True)
class Placing:
    """Controls for one curator in one queue."""

    db: Database
    collection: str
    curator: str
    rules: policy.Policy
    queue: Queue

    def before(self, entry: Entry, taken: Sequence[int]) -> int | None:
        """The control or repeat that comes before an entry, if one does; none of the samples `taken`."""
        draw = random.Random(f"{self.curator.casefold()} {entry.sample}")
        chance = draw.random()
        if chance >= self.rules.control_share + self.rules.repeat_share or not self._fits(entry):
            return None
        waiting = [row["sample"] for row in self._rows(WAITING, shown=self._shown)]
        if again := next((sample for sample in waiting if sample not in taken), None):
            return again
        return self._control(draw) if chance < self.rules.control_share else self._repeat(draw)

    @property
    def _shown(self) -> int | None:
        """The label that every card of this queue shows, or None."""
        return int(self.queue.values[0]) if self.queue.kind == "crop" else None

    def _fits(self, entry: Entry) -> bool:
        """Whether a control can come here: other reasons speak of the sample's own label, or of what a run reads there."""
        return entry.kind in TELLS_NOTHING or self._shown is not None

    def _control(self, draw: random.Random) -> int | None:
        """Place a control with the label that is known or a wrong one; None where no label is known well enough."""
        wrong = draw.random() < 0.5
        shown = self._shown
        chosen = self._known(draw, truth=None if wrong else shown, other=shown if wrong else None)
        if chosen is None and self.rules.repeat_share > 0 and shown is None:
            chosen = self._own(draw, right=True)
        if chosen is None:
            return None
        if wrong:
            shown = shown or self._another(draw, chosen["code"])
        return self._placed(chosen["sample"], chosen["code"], shown or chosen["code"])

    def _repeat(self, draw: random.Random) -> int | None:
        """Serve an own sample once more, with the inventory's label."""
        chosen = self._own(draw, right=False) if self._shown is None else None
        return None if chosen is None else self._placed(chosen["sample"], chosen["code"], chosen["inventory_code"])

    def _known(self, draw: random.Random, *, truth: int | None, other: int | None) -> Row | None:
        """A sample whose label two curators or a reviewer gave, and that this curator has not seen."""
        for state in draw.sample(("agreed", "settled"), 2):
            low, high = self._rows(SPAN, state=state)[0]
            for start in [] if low is None else (draw.randint(low, high), low):
                if found := self._rows(KNOWN, state=state, start=start, truth=truth, other=other):
                    return found[0]
        return None

    def _own(self, draw: random.Random, *, right: bool) -> Row | None:
        """A sample that the curator decided a while ago and whose decision is in force; with `right`, one that agrees."""
        low, last = self._rows(OWN_SPAN, old=OLD)[0]
        for start in [] if last is None else (draw.randint(low, last), low):
            if found := self._rows(OWN, start=start, last=last, right=right):
                return found[0]
        return None

    def _another(self, draw: random.Random, code: int) -> int | None:
        """Another crop of the collection; None where there is only one."""
        highest = self.db.execute("select max(shuffle) from sample where collection = ?", [self.collection]).fetchone()[0]
        for start in (draw.randint(0, highest), 0):
            if row := self.db.execute(ANOTHER, [self.collection, start, code]).fetchone():
                return row["inventory_code"]
        return None

    def _rows(self, sql: str, **values: Any) -> list[Row]:
        return self.db.execute(sql, {"collection": self.collection, "curator": self.curator, "most": MOST} | values).fetchall()

    def _placed(self, sample: int, truth: int, shown: int) -> int:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = [sample, self.curator, truth, shown, now]
        self.db.execute("insert into control (sample, curator, truth, shown, placed) values (?, ?, ?, ?, ?)", row)
        return sample
