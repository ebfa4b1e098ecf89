"""Coefficients of agreement from counts of answers, with bootstrap intervals. Pure NumPy; no I/O.

Answers are nominal: two are the same or they are not. Units with the same answers are told together, as a pattern with a weight (how
many units have it), so a bootstrap that draws whole units is one multinomial draw over the patterns, and a thousand of them one
matrix product. All functions broadcast over leading axes of the weights.

Sources: Cohen 1960 (Educ. Psychol. Meas. 20:37), Fleiss 1971 (Psychol. Bull. 76:378), Krippendorff 2011 (Computing Krippendorff's
Alpha-Reliability) and 2013 (Content Analysis, 3rd ed., ch. 12), Efron 1979 (Ann. Stat. 7:1) for the percentile bootstrap.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 2_000
LEAST_DEFINED = 0.95  # of the resamples, for an interval
NOTHING = "no unit has two answers"
ONE_CLASS = "all answers are the same class: chance alone would agree as well"
NO_SPREAD = "nothing differs between the units, so resampling them shows no spread: no interval"
FEW_DEFINED = "undefined in too many resamples: no interval"


@dataclass(frozen=True)
class Coefficient:
    """A figure with its 95 % interval.

    value: None where it is undefined; `reason` then says why.
    low, high: None where there is no interval; `reason` then says why.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.value is None:
            return f"undefined ({self.reason})"
        return f"{self.value:.3f}" + (f" ({self.low:.3f}–{self.high:.3f})" if self.low is not None else "")


def raw_agreement(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over the units of the share of their pairs of answers that are the same.

    Args:
        weights: (..., P) units with each pattern.
        counts: (P, K) answers of each class in a pattern; every pattern has at least two.

    Returns:
        (...): NaN where there is no unit.
    """
    return _ratio(weights @ _agreeing(counts), weights.sum(axis=-1))


def fleiss_kappa(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Fleiss' kappa (Fleiss 1971): (P - Pe) / (1 - Pe), Pe = sum of the squared shares of the classes among all answers.

    Args:
        weights, counts: as in `raw_agreement`; every pattern has the same number of answers.

    Returns:
        (...): NaN where there is no unit or only one class.
    """
    answers = weights @ counts
    expected = _chance(answers)
    return _ratio(raw_agreement(weights, counts) - expected, 1 - expected)


def alpha(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha for nominal data (Krippendorff 2011): 1 - Do / De from the coincidences; answers may be missing.

    Args:
        weights, counts: as in `raw_agreement`.

    Returns:
        (...): NaN where there is no unit or only one class.
    """
    answers = (weights @ counts).astype(np.float64)  # (..., K) pairable answers of each class
    total = answers.sum(axis=-1)
    observed = weights @ (counts.sum(axis=1) * (1 - _agreeing(counts)))
    expected = _ratio(total * total - (answers * answers).sum(axis=-1), total - 1)
    return 1 - _ratio(observed, expected)


def cohen_kappa(weights: np.ndarray, cells: np.ndarray, classes: int) -> np.ndarray:
    """Cohen's kappa (Cohen 1960) of two raters.

    Args:
        weights: (..., P) units in each cell.
        cells: (P, 2) the first and the second rater's class.

    Returns:
        (...): NaN where there is no unit, or both raters gave one and the same class only.
    """
    first, second = weights @ _one_hot(cells[:, 0], classes), weights @ _one_hot(cells[:, 1], classes)
    total = weights.sum(axis=-1)
    expected = _ratio((first * second).sum(axis=-1), total.astype(np.float64) ** 2)
    return _ratio(_ratio(weights @ (cells[:, 0] == cells[:, 1]), total) - expected, 1 - expected)


def coefficient(figure: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, drawn: np.ndarray, *, unless: str) -> Coefficient:
    """A figure with the 2.5 and 97.5 percentiles of its bootstrap.

    Args:
        figure: (..., P) weights -> (...) values, NaN where undefined.
        weights: (P,) as observed; drawn: (R, P) as resampled, see `resampled`.
        unless: why the figure is undefined, where it is.
    """
    value = float(figure(weights)) if weights.sum() else float("nan")
    if np.isnan(value):
        return Coefficient(None, reason=NOTHING if not weights.sum() else unless)
    again = figure(drawn)
    defined = again[~np.isnan(again)]
    if not len(defined) or np.ptp(defined) < 1e-12:
        return Coefficient(value, reason=NO_SPREAD)
    if len(defined) < LEAST_DEFINED * len(again):
        return Coefficient(value, reason=FEW_DEFINED)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Coefficient(value, float(low), float(high))


def resampled(weights: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """(resamples, P): as many units, drawn with replacement."""
    total = int(weights.sum())
    if not total:
        return np.zeros((resamples, len(weights)), dtype=np.int64)
    return np.random.default_rng(seed).multinomial(total, weights / total, size=resamples)


def _agreeing(counts: np.ndarray) -> np.ndarray:
    """(P, K) -> (P,): the share of a pattern's pairs of answers that are the same."""
    answers = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / np.maximum(answers * (answers - 1), 1)


def _chance(answers: np.ndarray) -> np.ndarray:
    """(..., K) answers of each class -> (...): how often two of them would be the same by chance."""
    shares = _ratio(answers, answers.sum(axis=-1, keepdims=True))
    return (shares * shares).sum(axis=-1)


def _one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count, dtype=np.int64)[classes]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above` / `below`; NaN where `below` is 0 but for rounding."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=np.abs(below) > 1e-12)
