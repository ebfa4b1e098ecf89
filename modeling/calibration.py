"""Whether a model is right as often as it says: reliability curve, expected calibration error, Brier score. Pure NumPy; no I/O."""

from dataclasses import asdict, dataclass

import numpy as np

from modeling.metrics import Interval, wilson

BINS = 15  # as in Guo et al. 2017
CELLS = 20  # fine cells a bin, on which the bootstrap draws: no confidence is off by more than 1 / (BINS * CELLS)
RESAMPLES = 1000


@dataclass(frozen=True)
class Bin:
    """Samples whose confidence lies above `low` and at most at `high`.

    confidence: their mean confidence. accuracy: share of them that are right, with a Wilson interval.
    """

    low: float
    high: float
    samples: int
    confidence: float
    accuracy: Interval


@dataclass(frozen=True)
class Calibration:
    """Confidence, the highest of a sample's probabilities, held against how often the model is right.

    bins: those of the equal bins of 0..1 that hold samples, ascending.
    ece: expected calibration error, the mean distance between confidence and accuracy over bins, weighted by samples (Guo et al. 2017,
        On Calibration of Modern Neural Networks, equation 3). Its interval is the reflected one of the bootstrap, for the figure itself
        leans upwards; it begins at 0 where the figure is at or under `by_chance`.
    by_chance: the error that a model which is right exactly as often as it says stays below in 95 of 100 such sets of samples
        (consistency resampling; Bröcker and Smith 2007): at or under it, nothing speaks against the confidences.
    brier: mean squared distance between the probabilities and the truth, summed over classes, 0..2 (Brier 1950).
    confidence: mean over all samples. accuracy: share that is right.
    """

    samples: int
    ece: Interval
    by_chance: float
    brier: float
    confidence: float
    accuracy: float
    bins: tuple[Bin, ...]

    def as_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict) -> "Calibration":
        """What `as_json` wrote."""
        bins = tuple(Bin(**row | {"accuracy": Interval(**row["accuracy"])}) for row in content["bins"])
        return cls(**content | {"ece": Interval(**content["ece"]), "bins": bins})


def calibration(truth: np.ndarray, shares: np.ndarray, *, bins: int = BINS, seed: int = 0) -> Calibration | None:
    """How far confidence and accuracy lie apart; None without samples.

    Args:
        truth: (N,) int position of the true class.
        shares: (N, K) probabilities, rows sum to 1.
    """
    if not len(truth):
        return None
    confidence, right = shares.max(axis=1).astype(np.float64), shares.argmax(axis=1) == truth
    cell = np.clip(np.ceil(confidence * bins * CELLS).astype(np.int64) - 1, 0, bins * CELLS - 1)
    held, sure, true = (np.bincount(cell, weights, bins * CELLS) for weights in (None, confidence, right))
    counts, means, rights = (_binned(values, bins) for values in (held, sure, true))
    value = float(_error(held, sure, true, bins))
    squares = (shares.astype(np.float64) ** 2).sum(axis=1) - 2 * shares[np.arange(len(truth)), truth] + 1
    rows = tuple(
        Bin(at / bins, (at + 1) / bins, int(counts[at]), float(means[at] / counts[at]), wilson(int(rights[at]), int(counts[at])))
        for at in np.flatnonzero(counts).tolist()
    )
    interval, chance = _drawn(value, held, sure, true, bins, seed)
    return Calibration(len(truth), interval, chance, float(squares.mean()), float(confidence.mean()), float(right.mean()), rows)


def _drawn(value: float, held: np.ndarray, sure: np.ndarray, true: np.ndarray, bins: int, seed: int) -> tuple[Interval, float]:
    """The error's interval, and what it stays below by chance alone. Draws on cells (C,), not on samples."""
    random, total = np.random.default_rng(seed), int(held.sum())
    mean = np.divide(sure, held, out=np.zeros(len(held)), where=held > 0)
    share = np.divide(true, held, out=np.zeros(len(held)), where=held > 0)
    again = random.multinomial(total, held / total, size=RESAMPLES)
    errors = _error(again, again * mean, random.binomial(again, share), bins)
    low, high = np.percentile(errors, (2.5, 97.5)).tolist()
    perfect = random.binomial(held.astype(np.int64), np.clip(mean, 0, 1), size=(RESAMPLES, len(held)))
    chance = float(np.percentile(_error(held, sure, perfect, bins), 95))
    least = 0.0 if value <= chance else max(0.0, min(value, 2 * value - high))
    return Interval(value, least, max(value, 2 * value - low)), chance


def _error(held: np.ndarray, sure: np.ndarray, true: np.ndarray, bins: int) -> np.ndarray:
    """Expected calibration error from cells (..., C): samples, sum of confidences, samples that are right."""
    return np.abs(_binned(true, bins) - _binned(sure, bins)).sum(axis=-1) / held.sum(axis=-1)


def _binned(values: np.ndarray, bins: int) -> np.ndarray:
    """(..., C) -> (..., bins)."""
    return values.reshape(*values.shape[:-1], bins, CELLS).sum(axis=-1)
