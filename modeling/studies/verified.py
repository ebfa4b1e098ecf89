"""A run judged by what curators verified, whichever labels it learned from."""

import numpy as np

from data.workspace import Workspace
from modeling import metrics
from modeling.metrics import Scores
from modeling.results import Results

QUERY = """
select force.learned as truth, p.predicted
from prediction p
join sample s on s.id = p.sample
join label l on l.sample = p.sample
join legend_class force on force.collection = s.collection and force.code = l.code and force.code != 0
where p.run = ? and p.part not in ('train', 'validation', 'outside') and l.verified and force.learned is not null
"""


def scores(workspace: Workspace, results: Results) -> Scores | None:
    """Scores of the run on the judged samples that have a verified label now; None where there are none."""
    with workspace.store.reading() as db:
        pairs = [(row["truth"], row["predicted"]) for row in db.execute(QUERY, [results.run])]
    if not pairs:
        return None
    names = tuple(dict.fromkeys([*results.classes, *(truth for truth, _ in pairs)]))
    truth, predicted = (np.array([names.index(name) for name in side]) for side in zip(*pairs, strict=True))
    return metrics.scores(metrics.confusion(truth, predicted, len(names)), names)
