"""Dataset versions: an event id plus a content hash, and the labels as they were at any event.

Events are only ever appended, so the labels at an event are the replay of the events up to it. The hash is of what the collection
says, not of how the database numbers it: the same import with the same decisions has the same hash in every workspace.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass

from sqlite_utils import Database

from data import catalogue
from data.errors import BadInput
from data.store import Store

SHOWN = 12  # digits of the hash in a version's text

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

# What curators said of images by :event; `image_quality` has the quality of the import for all others.
QUALITIES_AT = """
select e.sample, e.image, e.new as quality, max(e.id)
from event e join sample s on s.id = e.sample
where s.collection = :collection and e.id <= :event and e.action = 'quality'
  and not exists (select 1 from event u where u.undo_of = e.id and u.id <= :event)
group by e.image
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


def labels_at(store: Store, collection: str, event: int) -> list[Label]:
    """The labels of all samples, by name, as they were when `event` was the newest event."""
    with store.reading() as db:
        rows = db.execute(LABELS_AT, page(collection, event)).fetchall()
    return [_label(row) for row in rows]


def page(collection: str, event: int, *, after: str = "", count: int = -1) -> dict:
    """Parameters of LABELS_AT and QUALITIES_AT."""
    return {"collection": collection, "event": event, "after": after, "count": count}


def _label(row) -> Label:
    values = {key: row[key] for key in row.keys()}
    return Label(**values | {"verified": bool(row["verified"]), "flagged": bool(row["flagged"])})
