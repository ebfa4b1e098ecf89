"""How good predictions are, from a confusion matrix. Pure NumPy; no I/O.

Every function takes `counts`, (K, K) with rows = truth and columns = predicted (scikit-learn's convention), and broadcasts over
leading axes, so that a bootstrap of a thousand matrices is one call.
"""

import math
from dataclasses import dataclass

import numpy as np

CONFIDENCE_Z = 1.959964  # standard normal quantile of 0.975: 95 % intervals
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass(frozen=True)
class ClassScore:
    """One class. support: how many samples truly are of it. precision, recall, f1: 0 where undefined, with their intervals."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval


@dataclass(frozen=True)
class Scores:
    """Everything that is told of one set of predictions.

    macro_precision, macro_recall, macro_f1: means over the classes that occur as truth or prediction.
    average_accuracy: mean recall of the classes that occur as truth.
    """

    samples: int
    accuracy: Interval
    kappa: Interval
    average_accuracy: Interval
    macro_precision: Interval
    macro_recall: Interval
    macro_f1: Interval
    per_class: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Paired:
    """Two sets of predictions of the same samples, held against each other.

    only_first, only_second: samples that only the first, or only the second, has right.
    p_value: of McNemar's exact test that both err equally often.
    accuracy, macro_f1: the first's minus the second's, with 95 % intervals of a bootstrap that draws whole samples.
    """

    samples: int
    only_first: int
    only_second: int
    p_value: float
    accuracy: Interval
    macro_f1: Interval


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(N,) int positions of true and predicted class -> (classes, classes) int64, rows = truth."""
    cells = np.asarray(truth, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of predictions that are right; 0 of none."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa (Cohen 1960): agreement beyond what the two marginals alone would give. 0 where it is undefined."""
    total = counts.sum(axis=(-2, -1))
    expected = _ratio((counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1), total * total)
    return _ratio(accuracy(counts) - expected, 1 - expected)


def per_class(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1, each (..., K); 0 where undefined."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, named = counts.sum(axis=-1), counts.sum(axis=-2)
    return _ratio(right, named), _ratio(right, true), _ratio(2 * right, true + named)


def average_accuracy(counts: np.ndarray) -> np.ndarray:
    """Mean recall of the classes that occur as truth (scikit-learn's balanced accuracy; "average accuracy" of remote sensing)."""
    occurs = counts.sum(axis=-1) > 0
    return _ratio((per_class(counts)[1] * occurs).sum(axis=-1), occurs.sum(axis=-1))


def macro(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean precision, recall and F1 over the classes that occur as truth or prediction (scikit-learn's macro averages)."""
    occurs = (counts.sum(axis=-1) + counts.sum(axis=-2)) > 0
    return tuple(_ratio((figure * occurs).sum(axis=-1), occurs.sum(axis=-1)) for figure in per_class(counts))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur as truth or prediction (scikit-learn's macro average)."""
    return macro(counts)[2]


def wilson(right: int, total: int) -> Interval:
    """A share with its Wilson score interval (Wilson 1927); 0..1 where there is nothing to count."""
    if not total:
        return Interval(0.0, 0.0, 1.0)
    share, z2 = right / total, CONFIDENCE_Z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = CONFIDENCE_Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def scores(counts: np.ndarray, classes: tuple[str, ...], *, seed: int = 0) -> Scores:
    """Everything that is told of `counts`.

    Shares of samples (accuracy, a class's precision and recall) have Wilson intervals; all else percentiles of a bootstrap (Efron 1979).
    """
    total, again = int(counts.sum()), _resampled(counts, seed)
    means = [_percentiles(value, drawn) for value, drawn in zip(macro(counts), macro(again), strict=True)]
    return Scores(
        total, wilson(int(np.trace(counts)), total), _percentiles(kappa(counts), kappa(again)),
        _percentiles(average_accuracy(counts), average_accuracy(again)), *means, _class_scores(counts, again, classes),
    )  # fmt: skip


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value (McNemar 1947; binomial form) of so unequal a number of samples that only one side has right."""
    from scipy.stats import binomtest  # late: most of a second that pages need not pay

    both = only_first + only_second
    return float(binomtest(only_first, both).pvalue) if both else 1.0


def paired(truth: np.ndarray, first: np.ndarray, second: np.ndarray, classes: int, *, seed: int = 0) -> Paired:
    """Whether one of two sets of predictions is better, on the same samples.

    Args:
        truth, first, second: (N,) int positions of the true class and of the two that were predicted.
    """
    shape = (classes, classes, classes)
    cells, held = np.unique(np.ravel_multi_index((truth, first, second), shape), return_counts=True)
    is_true, is_first, is_second = np.unravel_index(cells, shape)
    only_first = int(held[(is_first == is_true) & (is_second != is_true)].sum())
    only_second = int(held[(is_first != is_true) & (is_second == is_true)].sum())
    drawn = np.concatenate([held[None], _resampled(held, seed)])
    ours, theirs = (_matrices(drawn, is_true * classes + named, classes) for named in (is_first, is_second))
    differences = (accuracy(ours) - accuracy(theirs), macro_f1(ours) - macro_f1(theirs))
    return Paired(
        len(truth), only_first, only_second, mcnemar(only_first, only_second),
        *(_percentiles(figure[0], figure[1:]) for figure in differences),
    )  # fmt: skip


def _matrices(held: np.ndarray, cell: np.ndarray, classes: int) -> np.ndarray:
    """(R, C) samples in each of C groups, whose cells in a confusion matrix are `cell` (C,) -> (R, classes, classes)."""
    result = np.zeros((classes * classes, len(held)), dtype=np.int64)
    np.add.at(result, cell, held.T)
    return result.T.reshape(-1, classes, classes)


def _class_scores(counts: np.ndarray, again: np.ndarray, classes: tuple[str, ...]) -> tuple[ClassScore, ...]:
    precision, recall, f1 = per_class(counts)
    drawn, right = per_class(again)[2], np.diagonal(counts)
    named, true = counts.sum(axis=0), counts.sum(axis=1)
    return tuple(
        ClassScore(
            name, float(precision[k]), float(recall[k]), float(f1[k]), int(true[k]),
            wilson(int(right[k]), int(named[k])), wilson(int(right[k]), int(true[k])), _percentiles(f1[k], drawn[:, k]),
        )
        for k, name in enumerate(classes)
    )  # fmt: skip


def _resampled(counts: np.ndarray, seed: int) -> np.ndarray:
    """(RESAMPLES, ...): drawing N samples anew with replacement is a multinomial draw over the cells that hold them."""
    total = int(counts.sum())
    if not total:
        return np.zeros((1, *counts.shape), dtype=np.int64)
    drawn = np.random.default_rng(seed).multinomial(total, counts.ravel() / total, size=RESAMPLES)
    return drawn.reshape(RESAMPLES, *counts.shape)


def _percentiles(value: np.ndarray, again: np.ndarray) -> Interval:
    low, high = np.percentile(again, (2.5, 97.5))
    return Interval(float(value), float(low), float(high))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, 0 where below is 0."""
    return np.where(np.asarray(below) != 0, above / np.where(np.asarray(below) != 0, below, 1), 0.0)
