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
    """One class. support: how many samples truly are of it. precision, recall, f1: 0 where undefined."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """Everything that is told of one set of predictions."""

    samples: int
    accuracy: Interval
    kappa: Interval
    macro_f1: Interval
    per_class: tuple[ClassScore, ...]


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


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur as truth or prediction (scikit-learn's macro average)."""
    occurs = (counts.sum(axis=-1) + counts.sum(axis=-2)) > 0
    return _ratio((per_class(counts)[2] * occurs).sum(axis=-1), occurs.sum(axis=-1))


def wilson(right: int, total: int) -> Interval:
    """A share with its Wilson score interval (Wilson 1927); 0..1 where there is nothing to count."""
    if not total:
        return Interval(0.0, 0.0, 1.0)
    share, z2 = right / total, CONFIDENCE_Z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = CONFIDENCE_Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def scores(counts: np.ndarray, classes: tuple[str, ...], *, seed: int = 0) -> Scores:
    """Everything that is told of `counts`: accuracy with a Wilson interval, kappa and macro-F1 with bootstrap percentiles."""
    total = int(counts.sum())
    precision, recall, f1 = per_class(counts)
    table = zip(classes, precision.tolist(), recall.tolist(), f1.tolist(), counts.sum(axis=1).tolist(), strict=True)
    again = _resampled(counts, seed)
    return Scores(
        total, wilson(int(np.trace(counts)), total), _percentiles(kappa(counts), kappa(again)),
        _percentiles(macro_f1(counts), macro_f1(again)), tuple(ClassScore(*row) for row in table),
    )  # fmt: skip


def _resampled(counts: np.ndarray, seed: int) -> np.ndarray:
    """(RESAMPLES, K, K): drawing N samples anew with replacement is a multinomial draw over the matrix's cells."""
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
