"""Leases: a sample on one curator's screen, or soon to be, is given to nobody else until it is decided or the lease runs out.

A holder is a browser tab or a process, so two tabs of one curator hold apart too. Leases say who looks; they never refuse a
decision: one that comes late is kept beside the other.
"""

import time
from collections.abc import Sequence

from sqlite_utils import Database

from data.store import Store

LEASE_SECONDS = 120.0
FRESH_SECONDS = 30.0
# For a query's WHERE, of its column `sample`; parameters by `elsewhere`. A lease further ahead than any can be was taken before the
# clock was set back: it counts as run out.
LEASED_ELSEWHERE = "exists (select 1 from lease l where l.sample = {sample} and l.holder <> ? and l.until between ? and ?)"
TAKE = """
insert into lease (sample, holder, curator, until) values (?, ?, ?, ?)
on conflict (sample) do update set holder = excluded.holder, curator = excluded.curator, until = excluded.until
where lease.holder = excluded.holder or lease.until not between ? and ?
"""


def elsewhere(holder: str) -> list:
    """The parameters of LEASED_ELSEWHERE."""
    now = time.time()
    return [holder, now, now + LEASE_SECONDS]


def take(db: Database, holder: str, curator: str, samples: Sequence[int]) -> list[int]:
    """Lease those of the samples that nobody else holds, inside a write transaction; returns them in their order."""
    now = time.time()
    until = now + LEASE_SECONDS
    return [sample for sample in samples if db.execute(TAKE, [sample, holder, curator, until, now, until]).rowcount]


def renew(store: Store, holder: str) -> None:
    """A holder's heartbeat: their leases, those too that ran out and that nobody took, last LEASE_SECONDS from now.

    Nothing is written while they are fresh, so a heartbeat may come as often as it likes.
    """
    until = time.time() + LEASE_SECONDS
    with store.reading() as db:
        stale = "select 1 from lease where holder = ? and until not between ? and ? limit 1"
        if not db.execute(stale, [holder, until - FRESH_SECONDS, until]).fetchone():
            return
    with store.writing() as db:
        db.execute("update lease set until = ? where holder = ?", [until, holder])


def inherit(store: Store, before: Sequence[str], holder: str, curator: str) -> None:
    """A curator's new tab goes on with what their closed ones held; what other curators hold stays theirs."""
    with store.writing() as db:
        for name in before:
            db.execute("update lease set holder = ? where holder = ? and curator = ?", [holder, name, curator])


def held(db: Database, holder: str) -> int:
    """How many samples the holder has."""
    return db.execute("select count(*) from lease where holder = ?", [holder]).fetchone()[0]


def release(db: Database, holder: str, samples: Sequence[int] | None = None) -> None:
    """Give back these samples, or all that the holder has, inside a write transaction."""
    if samples is None:
        db.execute("delete from lease where holder = ?", [holder])
    for sample in samples or []:
        db.execute("delete from lease where holder = ? and sample = ?", [holder, sample])


def pass_on(db: Database, holder: str, near: Sequence[int]) -> None:
    """Give back what the holder went past without a decision: all but the samples `near`, inside a write transaction."""
    mine = [row["sample"] for row in db.execute("select sample from lease where holder = ?", [holder])]
    release(db, holder, [sample for sample in mine if sample not in near])


def holders(store: Store, collection: str) -> list[tuple[str, int]]:
    """Who is at work on the collection: curators and how many samples they hold, the busiest first."""
    now = time.time()
    with store.reading() as db:
        rows = db.execute(
            """select l.curator, count(*) as n from lease l join sample s on s.id = l.sample
            where s.collection = ? and l.until between ? and ? group by l.curator order by n desc, l.curator""",
            [collection, now, now + LEASE_SECONDS],
        )
        return [tuple(row) for row in rows]
