"""Placing controls: now and then a curator is served a sample whose label is known, half of the times with a deliberately wrong label.

A control looks like the cards around it. What the curator says of it is kept, and never comes in force (`labeling.looks`). Known are
labels that two curators or a reviewer gave; where a policy asks for repeats, a curator's own older ones too.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime

from sqlite_utils import Database

from labeling import policy
from labeling.queues import Entry

OLD = 50  # own decisions since, before a sample of one's own comes again

KNOWN = """
select r.sample, l.code, l.inventory_code from review r join label l on l.sample = r.sample
where r.collection = :collection and r.state in ('agreed', 'settled') and l.verified and l.code = l.inventory_code
    and not exists (select 1 from verdict v where v.sample = r.sample and v.curator = :curator collate nocase)
    and not exists (select 1 from control c where c.sample = r.sample and c.curator = :curator)
"""
OWN = """
select v.sample, cast(v.verdict as integer) as code, s.inventory_code from verdict v join sample s on s.id = v.sample
where v.collection = :collection and v.curator = :curator collate nocase and v.look = 'first' and v.stands and v.event = s.decision
    and v.action in ('agree', 'relabel')
    and v.event <= (
        select event from verdict where curator = :curator collate nocase and look = 'first' and collection = :collection
        order by event desc limit 1 offset :old)
    and not exists (select 1 from control c where c.sample = v.sample and c.curator = :curator)
"""
OTHERS = """
select inventory_code, count(*) from sample s join legend_class g on g.collection = s.collection and g.code = s.inventory_code
where s.collection = ? and g.learned is not null and s.inventory_code <> ?
group by inventory_code order by inventory_code
"""


def mixed_in(db: Database, collection: str, curator: str, entries: list[Entry]) -> list[Entry]:
    """The entries with controls and repeats among them, placed inside a write transaction.

    Whether one comes before an entry follows from the curator and the sample alone, so asking twice gives no more of them. Each has a
    position of its own, and those behind it one more: two cards of the same position would tell the first as a control.
    """
    rules = policy.of_collection(db, collection)
    found = entries[:1]  # what is read on from, forward and backward, is an entry of the queue
    for at, entry in enumerate(entries[1:], 1):
        sample = _drawn(db, collection, curator, entry.sample, rules)
        if sample is not None:
            found.append(replace(entry, sample=sample, rank=entry.rank + len(found) - at))
        found.append(replace(entry, rank=entry.rank + len(found) - at))
    return found


def _drawn(db: Database, collection: str, curator: str, before: int, rules: policy.Policy) -> int | None:
    """The control or repeat that comes before a sample, if one does."""
    draw = random.Random(f"{curator.casefold()} {before}")
    chance = draw.random()
    if chance < rules.control_share:
        return _control(db, collection, curator, draw, own=rules.repeat_share > 0)
    if chance < rules.control_share + rules.repeat_share:
        return _repeat(db, collection, curator, draw)
    return None


def _control(db: Database, collection: str, curator: str, draw: random.Random, *, own: bool) -> int | None:
    """Place a control, with the label that is known or another one of the collection; None where no label is known well enough."""
    names = {"collection": collection, "curator": curator, "old": OLD}
    known = db.execute(KNOWN, names).fetchall()
    if own:
        known += [row for row in db.execute(OWN, names) if row["code"] == row["inventory_code"]]
    if not known:
        return None
    chosen = draw.choice(known)
    others = db.execute(OTHERS, [collection, chosen["code"]]).fetchall()
    wrong = draw.random() < 0.5 and others
    shown = draw.choices([row[0] for row in others], [row[1] for row in others])[0] if wrong else chosen["code"]
    return _placed(db, chosen["sample"], curator, chosen["code"], shown)


def _repeat(db: Database, collection: str, curator: str, draw: random.Random) -> int | None:
    """Serve an own sample once more, with the inventory's label."""
    own = db.execute(OWN, {"collection": collection, "curator": curator, "old": OLD}).fetchall()
    if not own:
        return None
    chosen = draw.choice(own)
    return _placed(db, chosen["sample"], curator, chosen["code"], chosen["inventory_code"])


def _placed(db: Database, sample: int, curator: str, truth: int, shown: int) -> int:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    db.execute("insert into control (sample, curator, truth, shown, placed) values (?, ?, ?, ?, ?)", [sample, curator, truth, shown, now])
    return sample
