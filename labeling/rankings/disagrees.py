"""The model disagrees with the label: what a run reads otherwise than the label in force, the surest reading first.

Only predictions on samples that the run did not learn from count: a model remembers the labels that it was taught.
"""

from data.workspace import Workspace
from labeling import queues
from labeling.rankings.common import PREDICTED, WANTED, Ranked, run_of

DISAGREES = """
select p.sample, p.predicted, p.probability, g.learned from prediction p join sample s on s.id = p.sample
join label l on l.sample = s.id join legend_class g on g.collection = s.collection and g.code = l.code
where p.run = ? and s.collection = ? and {wanted} and {judged} and g.learned <> p.predicted
order by p.probability desc, s.shuffle limit ?
"""


def ranked(
    workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False, run: str | None = None
) -> list[Ranked]:
    """Up to `limit` samples; score: probability 0..1 of the predicted class. Labels outside the learned classes are left out.

    Args:
        seed: of no use here, ties are broken by the collection's own shuffled order.
        run: by default the newest run with predictions on samples that it did not learn from.

    Raises:
        UnknownRun, BadInput: as `common.run_of`.
    """
    run = run_of(workspace.store, collection, run, PREDICTED)
    sql = DISAGREES.format(wanted=WANTED, judged=queues.JUDGED)
    with workspace.store.reading() as db:
        rows = db.execute(sql, [run, collection, decided, limit])
        return [
            Ranked(
                row["sample"], row["probability"],
                f"Labelled {row['learned']}, run {run} reads {row['predicted']} with probability {row['probability']:.2f}.",
            )
            for row in rows
        ]  # fmt: skip
