"""The figures of a finished run, as written to results.json and as pages read them. NumPy only."""

from dataclasses import asdict, dataclass, field

import numpy as np

from modeling import metrics
from modeling.calibration import Calibration
from modeling.config import TrainConfig
from modeling.leakage import Leakage
from modeling.metrics import Scores


@dataclass(frozen=True)
class Results:
    """How well a run did.

    classes, colors: names of the run's classes and their #rrggbb, in the order of `confusion`.
    judged: "test", the test part; or "folds", all samples, each predicted by the model that never saw its fold.
    confusion: (K, K) int64 of the judged samples, rows = truth, columns = predicted.
    scores: of the judged samples, with intervals.
    validation: of the validation part; None for folds.
    neighbour: of copying the label of the nearest sample learned from, a leakage check; on the same judged samples.
    calibration: whether it is right as often as it says, on the judged samples; None for runs of earlier versions and without any.
    leakage: how near the judged sites lie to those learned from; None for runs of earlier versions.
    split: name of the stored split. last_event, content_hash: the dataset version it learned from.
    notes: what the reader should know, e.g. a class that a training part lacked.
    """

    run: str
    config: TrainConfig
    classes: tuple[str, ...]
    colors: tuple[str, ...]
    judged: str
    confusion: np.ndarray
    scores: Scores
    validation: Scores | None
    neighbour: Scores
    split: str
    last_event: int
    content_hash: str
    device: str
    seconds: float
    notes: tuple[str, ...] = field(default=())
    calibration: Calibration | None = None
    leakage: Leakage | None = None

    def confusions(self, most: int) -> list[tuple[str, str, int]]:
        """The largest cells off the diagonal as (truth, predicted, samples), the largest first; only cells that hold samples."""
        cells = [
            (truth, predicted, int(self.confusion[row, column]))
            for row, truth in enumerate(self.classes)
            for column, predicted in enumerate(self.classes)
            if row != column and self.confusion[row, column]
        ]
        return sorted(cells, key=lambda cell: -cell[2])[:most]


MATRICES = ("confusion", "validation", "neighbour")


def to_json(facts: dict, matrices: dict[str, np.ndarray | None], calibration: Calibration | None = None) -> dict:
    """The content of results.json: `facts` (all other fields of Results), the matrices, and their figures for people."""
    figures = {name: asdict(metrics.scores(counts, tuple(facts["classes"]))) for name, counts in matrices.items() if counts is not None}
    stored = {name: None if counts is None else counts.tolist() for name, counts in matrices.items()}
    return facts | {"matrices": stored, "figures": figures, "calibration": calibration and calibration.as_json()}


def from_json(content: dict, run: str, config: TrainConfig) -> Results:
    """Results from the content of results.json; the figures are worked out anew from the matrices."""
    classes = tuple(content["classes"])
    counts = {name: None if content["matrices"][name] is None else np.array(content["matrices"][name]) for name in MATRICES}
    scored = {name: None if matrix is None else metrics.scores(matrix, classes) for name, matrix in counts.items()}
    return Results(
        run, config, classes, tuple(content["colors"]), content["judged"], counts["confusion"], scored["confusion"],
        scored["validation"], scored["neighbour"], content["split"], content["last_event"], content["content_hash"],
        content["device"], content["seconds"], tuple(content["notes"]),
        Calibration.from_json(content["calibration"]) if content.get("calibration") else None,
        Leakage.from_json(content["leakage"], counts["neighbour"]) if content.get("leakage") else None,
    )  # fmt: skip
