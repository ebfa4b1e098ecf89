"""Label errors first: the labels that a run holds for wrong, as `python -m modeling suspects` ranked and stored them."""

from data.workspace import Workspace
from labeling.rankings.common import DOUBTED, WANTED, Ranked, run_of

SUSPECTS = f"""
select u.sample, u.quality, u.reason from suspect u join sample s on s.id = u.sample
where u.run = ? and s.collection = ? and {WANTED} order by u.rank limit ?
"""


def ranked(
    workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False, run: str | None = None
) -> list[Ranked]:
    """Up to `limit` samples; score: quality of the label 0..1, low = likely wrong.

    Args:
        seed: of no use here, there are no ties.
        run: whose ranking; by default the newest run's that has one.

    Raises:
        UnknownRun, BadInput: as `common.run_of`.
    """
    run = run_of(workspace.store, collection, run, DOUBTED)
    with workspace.store.reading() as db:
        rows = db.execute(SUSPECTS, [run, collection, decided, limit])
        return [Ranked(row["sample"], row["quality"], f"{row['reason'].rstrip('.')}.") for row in rows]
