"""How far the random audit of a collection has come: the one definition that its error rate and areas of crops share. Reads only.

The audit goes through the collection's fixed random order (`sample.shuffle`) from its beginning. So the samples up to any place in it
are a simple random sample of the collection, whichever queue their decisions came from; those after that place, decided because
something pointed at them, are not and never count.
"""

from sqlite_utils import Database

ANSWERED = 0.95  # of a prefix, to count as worked through

# The furthest place that was asked for: as the audits' length says, and of the entries of mixed queues that are audits, too.
ASKED = """
select max(place) from (
    select max(e.score) as place from queue q join queue_entry e on e.queue = q.id where q.collection = ? and e.kind = 'audit'
    union all
    select max(json_extract(params, '$.prefix')) from queue where collection = ? and kind = 'audit')
"""


def asked(db: Database, collection: str) -> int:
    """How many samples of the fixed random order the collection's audits reach; 0 before the first."""
    return int(db.execute(ASKED, [collection, collection]).fetchone()[0] or 0)


def worked_through(decided: list[bool]) -> int:
    """How long the longest prefix is of which at least `ANSWERED` have a decision, the last one too."""
    length = answered = 0
    for place, is_decided in enumerate(decided, start=1):
        answered += is_decided
        if is_decided and answered >= ANSWERED * place:
            length = place
    return length
