"""How well wrong labels are found: labels flipped on purpose, in memory, and the ranking judged by what was flipped.

The labels, runs, predictions and suspects in the store stay as they are; a split that is not there yet is stored, as for any run.
"""

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import numpy as np

from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import samples, suspects
from modeling.config import TrainConfig
from modeling.rundir import RunDir
from modeling.samples import UNLABELLED, Samples
from modeling.suspects import Ranking

SHAPES = ("uniform", "similar")
TOP = 100  # labels that a curator looks at in an hour or two
TOP_SHARE, RECALL_SHARE = 0.05, 0.10

Tell = Callable[[int, int, str], None]  # trainings done, in all, what is being done


@dataclass(frozen=True)
class Found:
    """How a ranking of n labels stands to those that are known to be wrong.

    wrong: how many are. counted: how many confident learning counts as errors.
    precision_at_wrong: share of wrong ones among as many as there are, the most doubtful first.
    precision_at_100: among the first 100; None of fewer than 100 labels.
    precision_at_5, recall_at_10: share of wrong ones among the first 5 %; share of all wrong ones among the first 10 %.
    auroc: the chance that a wrong label is doubted more than a right one.
    counted_precision: share of wrong ones among those counted; None where none is.
    """

    samples: int
    wrong: int
    counted: int
    precision_at_wrong: float
    precision_at_100: float | None
    precision_at_5: float
    recall_at_10: float
    auroc: float
    counted_precision: float | None


def measured(wrong: np.ndarray, ranking: Ranking) -> Found:
    """Judge a ranking of n labels.

    Args:
        wrong: (n,) bool, the labels that are known to be wrong.

    Raises:
        CannotTrain: none is wrong, or all are.
    """
    from sklearn.metrics import roc_auc_score  # late: a second

    count, total = int(wrong.sum()), len(wrong)
    if count in (0, total):
        raise CannotTrain(f"{count} of {total} labels are wrong: there is nothing to tell apart. Give another share.")
    hits = wrong[ranking.order]
    counted = wrong[ranking.counted]
    return Found(
        total, count, len(counted), float(hits[:count].mean()), float(hits[:TOP].mean()) if total >= TOP else None,
        float(hits[: max(1, round(TOP_SHARE * total))].mean()), float(hits[: max(1, round(RECALL_SHARE * total))].sum() / count),
        float(roc_auc_score(wrong, -ranking.quality)), float(counted.mean()) if len(counted) else None,
    )  # fmt: skip


def flipped(truth: np.ndarray, share: float, confusion: np.ndarray | None, draw: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share, drawn at random, is another class.

    Args:
        truth: (n,) int64 labels, 0 ... classes - 1; UNLABELLED ones stay so.
        share: of the labelled ones that are flipped; at least one is.
        confusion: None: every other class alike. (K, K), rows = label: the new class is drawn by the row's weights off the diagonal; where
            a row has none, every other class alike.
        draw: number of the draw: the same one flips the same labels in the same way.

    Returns:
        (n,) int64 labels and (n,) bool, which of them are flipped.
    """
    random = np.random.default_rng(draw)
    labelled = np.flatnonzero(truth != UNLABELLED)
    chosen = random.choice(labelled, max(1, round(share * len(labelled))), replace=False)
    weights = np.ones((classes, classes)) if confusion is None else np.array(confusion, dtype=np.float64)
    np.fill_diagonal(weights, 0)
    empty = weights.sum(axis=1) == 0
    weights[empty] = 1 - np.eye(classes)[empty]
    labels, wrong = truth.copy(), np.zeros(len(truth), dtype=bool)
    for at in chosen:
        row = weights[truth[at]]
        labels[at], wrong[at] = random.choice(classes, p=row / row.sum()), True
    return labels, wrong


@dataclass(frozen=True)
class Experiment:
    """What is flipped, what learns from it, and how it is ranked.

    configs: the models, whose probabilities are pooled; all of one collection, its labels and folds.
    share: of the labels that is flipped. shape: one of SHAPES; similar: along the confusions of the unflipped labels' models.
    """

    configs: tuple[TrainConfig, ...]
    share: float
    shape: str = "uniform"
    draws: int = 3
    method: str = suspects.DEFAULT_METHOD

    @property
    def trainings(self) -> int:
        """Without those that `similar` needs to know the confusions."""
        return self.draws * len(self.configs)


def run(workspace: Workspace, experiment: Experiment, confusion: np.ndarray | None = None, tell: Tell = lambda *_: None) -> list[Found]:
    """What every draw finds.

    Args:
        confusion: (K, K) of an earlier run, rows = truth; of shape "similar" only. Without one, models learn from the unflipped labels.

    Raises:
        UnknownCollection, CannotTrain, PixelsUnreadable: as `training.prepare`; and CannotTrain without folds, or where the confusion
            is of other classes.
    """
    first = experiment.configs[0]
    known = samples.load(workspace.store, first.collection, first.labels)
    _check(experiment, known, confusion)
    spare = experiment.shape == "similar" and confusion is None
    total = experiment.trainings + (len(experiment.configs) if spare else 0)
    done = 0

    def pooled(labels: Samples, what: str) -> tuple[np.ndarray, np.ndarray]:
        nonlocal done
        found = []
        for config in experiment.configs:
            tell(done, total, f"{what}, {config.model}")
            found.append(out_of_fold(workspace, config, labels))
            done += 1
            tell(done, total, f"{what}, {config.model}")
        usable = np.logical_and.reduce([seen for _, seen in found])
        return suspects.pooled([shares for shares, _ in found]), usable

    if spare:
        shares, usable = pooled(known, "labels as they are")
        confusion = expected_confusion(known.truth[usable], shares[usable])
    result = []
    for draw in range(experiment.draws):
        along = confusion if experiment.shape == "similar" else None
        labels, wrong = flipped(known.truth, experiment.share, along, draw, len(known.classes))
        shares, usable = pooled(replace(known, truth=labels), f"draw {draw + 1}")
        result.append(measured(wrong[usable], suspects.rank(labels[usable], shares[usable], experiment.method)))
    return result


def out_of_fold(workspace: Workspace, config: TrainConfig, known: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Train on the labels of `known` instead of the store's.

    Returns:
        (N, K) float32 probabilities out of fold, and (N,) bool, whether the sample has a label and something to show.

    Raises:
        CannotTrain, PixelsUnreadable: as `training.prepare`.
    """
    from modeling import machine, training  # late: torch

    job = training.prepare(workspace, config, machine.prepare(config), known)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # epochs of dozens of trainings tell nobody anything
        _, shares = training.learned(RunDir(Path(folder)), job)
    return shares, job.usable


def expected_confusion(truth: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(K, K) how many samples of each label are expected in each class: sums of their (n, K) probabilities."""
    return np.stack([shares[truth == label].sum(axis=0) for label in range(shares.shape[1])])


def _check(experiment: Experiment, known: Samples, confusion: np.ndarray | None) -> None:
    if experiment.shape not in SHAPES:
        raise CannotTrain(f"There is no shape {experiment.shape!r} of wrong labels; choose one of {', '.join(SHAPES)}.")
    if not 0 < experiment.share < 1:
        raise CannotTrain(f"The share of labels to flip is {experiment.share}; give one between 0 and 1, as 0.15.")
    if experiment.draws < 1:
        raise CannotTrain(f"{experiment.draws} draws cannot be made; give at least 1.")
    if not all(config.folds for config in experiment.configs):
        raise CannotTrain("Without folds most labels have no prediction by a model that never saw them. Give --folds, e.g. 5.")
    if confusion is not None and confusion.shape != (len(known.classes),) * 2:
        raise CannotTrain(
            f"The confusion matrix is of {len(confusion)} classes, the labels are of {len(known.classes)}. Take a run on the same labels."
        )
