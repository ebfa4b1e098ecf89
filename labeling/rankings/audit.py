"""Random audit: the first samples of the collection's fixed random order, so that what is found in them estimates the whole.

`sample.shuffle` is a hash of the sample's name: it knows nothing of the label, the model or the curator, and is the same in every
workspace. So the first n of that order are a simple random sample without replacement, whichever way and when they were decided, and
a larger n later contains the smaller one. The queue holds those of the prefix that are undecided.
"""

from data.errors import BadInput
from data.store import Store
from data.workspace import Workspace
from labeling.rankings.common import Ranked

PREFIX = """
select id, place from (
    select s.id, s.decision, row_number() over (order by s.shuffle, s.id) as place
    from (select id, decision, shuffle from sample where collection = ? order by shuffle, id limit ?) s
) where ? or decision is null order by place
"""


def ranked(workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False) -> list[Ranked]:
    """The undecided of the first `limit` samples; score: the place in the fixed order, from 1.

    Args:
        seed: of no use here: the order is the collection's own.

    Raises:
        BadInput: all of them have a decision.
    """
    length = prefix(workspace.store, collection, limit)
    with workspace.store.reading() as db:
        rows = db.execute(PREFIX, [collection, limit, decided]).fetchall()
    if length and not rows:
        raise BadInput(
            f"The first {length:,} samples of {collection} in the fixed random order all have a decision: that audit is complete. "
            "A longer one is made with --limit, up to the whole collection."
        )
    return [
        Ranked(row["id"], float(row["place"]), f"Random audit: {row['place']:,} of the first {length:,} in the fixed random order.")
        for row in rows
    ]


def prefix(store: Store, collection: str, limit: int) -> int:
    """How many samples the first `limit` of the collection are: all of it where it has fewer."""
    with store.reading() as db:
        return min(limit, db.execute("select count(*) from sample where collection = ?", [collection]).fetchone()[0])
