"""One cell of a run's confusion matrix, the surest reading first: labelled so, read otherwise."""

from data.errors import BadInput
from data.workspace import Workspace
from labeling import queues
from labeling.rankings.common import PREDICTED, WANTED, Ranked, learned, run_of

CELL = """
select p.sample, p.probability from prediction p indexed by prediction_cell join sample s on s.id = p.sample
where p.run = ? and p.truth = ? and p.predicted = ? and s.collection = ? and {wanted} and {judged}
order by p.probability desc, s.shuffle limit ?
"""


def ranked(
    workspace: Workspace, collection: str, *, truth: str, predicted: str, limit: int, seed: int = 0, decided: bool = False,
    run: str | None = None,
) -> list[Ranked]:  # fmt: skip
    """Up to `limit` samples; score: probability 0..1 of the predicted class.

    Args:
        truth: learned class that the run was judged against. predicted: the one that it read.
        seed: of no use here, ties are broken by the collection's own shuffled order.
        run: by default the newest run with predictions on samples that it did not learn from.

    Raises:
        UnknownRun, BadInput: as `common.run_of`; or there is no such class.
    """
    run = run_of(workspace.store, collection, run, PREDICTED)
    known = learned(workspace.store, collection)
    for name in (truth, predicted):
        if name not in known:
            raise BadInput(f"There is no class {name!r} in {collection}. Its learned classes are {', '.join(known)}.")
    sql = CELL.format(wanted=WANTED, judged=queues.JUDGED)
    with workspace.store.reading() as db:
        rows = db.execute(sql, [run, truth, predicted, collection, decided, limit])
        return [Ranked(row["sample"], row["probability"], _reason(run, truth, predicted, row["probability"])) for row in rows]


def _reason(run: str, truth: str, predicted: str, probability: float) -> str:
    if truth == predicted:
        return f"Run {run} agrees with {truth}, with probability {probability:.2f}."
    return f"Labelled {truth}, run {run} reads it as {predicted} with probability {probability:.2f}."
