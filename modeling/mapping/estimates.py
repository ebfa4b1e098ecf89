"""Areas and accuracies from a map and a reference sample, unbiased and with their errors. Pure NumPy; no I/O.

Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change, Remote Sensing of Environment 148:42-57,
https://doi.org/10.1016/j.rse.2014.02.015, equations 1 to 11. A stratum is what the map calls one class; W its share of the mapped area,
n its samples. The share of a class j of the ground is the sum over the strata of W n_j / n, its variance that of W^2 q (1 - q) / (n - 1)
with q = n_j / n. Producer's accuracy is a ratio of two such sums; its variance, by linearisation (Cochran 1977, Sampling Techniques,
section 6.10), is the paper's equation 7.

A stratum of fewer than two samples has no variance, one of none no estimate. Where the samples are a simple random one, classes of which
there are too few samples can be taken together as one stratum (Cochran 1977, section 5A.12).
"""

import math
from dataclasses import dataclass

import numpy as np

Z = 1.96  # of 95 % intervals, as in the paper
TINY = 1e-15  # a variance that is none but for rounding
FEWEST = 2  # samples of a stratum
ENOUGH = 5  # of one that is to stay alone; where so many are to be expected, fewer than two come in 4 of 100 draws


@dataclass(frozen=True)
class Figure:
    """An estimate. error: its standard error, and low, high its 95 % interval.

    None where the samples do not tell: there are too few, or nothing differs between them, which does not mean that nothing could.
    """

    value: float
    error: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Estimates:
    """What a reference sample says of a map of m classes and a ground of r, of which the first m are the map's.

    areas: r, in the unit of the mapped areas. shares: r, of the whole.
    users: m, share of what the map calls so that is so. producers: m, share of what is so that the map calls so.
    overall: share of the map that is right.
    strata: m numbers; classes with the same one were joined.
    None where there is nothing to estimate from.
    """

    areas: tuple[Figure | None, ...]
    shares: tuple[Figure | None, ...]
    users: tuple[Figure | None, ...]
    producers: tuple[Figure | None, ...]
    overall: Figure | None
    strata: tuple[int, ...]


def estimate(counts: np.ndarray, mapped: np.ndarray, strata: np.ndarray | None = None) -> Estimates:
    """Areas, user's, producer's and overall accuracy.

    Args:
        counts: (m, r) samples, rows by the map's class, columns by the ground's; r at least m, the first m in the order of the rows.
        mapped: (m,) area that the map gives each class, in any unit.
        strata: (m,) numbers; classes with the same one are a stratum together, as `joined` gives them. None: each class is one.
    """
    counts, mapped = np.asarray(counts, dtype=np.float64), np.asarray(mapped, dtype=np.float64)
    known, total = len(mapped), mapped.sum()
    strata = np.arange(known) if strata is None else strata
    users = tuple(_user(counts[at, at], counts[at].sum()) for at in range(known))
    groups = np.unique(strata)
    member = strata == groups[:, None]  # (H, m)
    weight, truly = member @ mapped / (total or 1), member @ counts  # (H,), (H, r)
    right = member * np.diagonal(counts)  # (H, m)
    used = weight > 0
    weight, truly, right = weight[used], truly[used], right[used]
    size = truly.sum(axis=1)
    if not used.any() or not size.all():
        nothing = (None,) * counts.shape[1]
        return Estimates(nothing, nothing, users, (None,) * known, None, tuple(strata.tolist()))
    shares = [_figure(*_mean(weight, size, truly[:, at])) for at in range(counts.shape[1])]
    return Estimates(
        tuple(_scaled(share, total) for share in shares), tuple(shares), users,
        tuple(_producer(weight, size, truly[:, at], right[:, at]) for at in range(known)),
        _figure(*_mean(weight, size, right.sum(axis=1))), tuple(strata.tolist()),
    )  # fmt: skip


def joined(counts: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """(m,) strata for a simple random sample: classes with too few samples are one, with the smallest of the others if they must.

    Too few are fewer than `FEWEST`, and fewer than `ENOUGH` of a class whose area lets no more be expected. Joining only where a draw
    happened to give fewer than two would take from the areas of rare classes: they would be alone just when they are well met.

    Args: as `estimate`.
    """
    size, mapped = np.asarray(counts).sum(axis=1), np.asarray(mapped, dtype=np.float64)
    expected = size.sum() * mapped / (mapped.sum() or 1)
    weak = (mapped > 0) & ((size < FEWEST) | ((size < ENOUGH) & (expected < ENOUGH))) | (mapped <= 0) & (size > 0)
    strata, others = np.arange(len(size)), ~weak & (mapped > 0)
    for at in np.argsort(mapped, kind="stable"):
        if not weak.any() or (size[weak].sum() >= ENOUGH and mapped[weak].sum() > 0):
            break
        weak[at] |= others[at]
    strata[weak] = np.flatnonzero(weak)[0] if weak.any() else 0
    return strata


def _mean(weight: np.ndarray, size: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
    """The weighted mean over strata of the share of their samples that hit, and its variance: equations 4, 5, 9 and 10."""
    share = hits / size
    return float(weight @ share), _sum(weight**2 * share * (1 - share), size)


def _sum(parts: np.ndarray, size: np.ndarray) -> float:
    """The sum of parts of a variance, each by its stratum's samples less one; NaN where one has no two."""
    return math.nan if (size < FEWEST).any() else float((parts / (size - 1)).sum())


def _user(right: float, size: float) -> Figure | None:
    """Equations 1 and 6, of the samples that the map calls so."""
    if size == 0:
        return None
    share = right / size
    return _figure(share, share * (1 - share) / (size - 1) if size >= FEWEST else math.nan)


def _producer(weight: np.ndarray, size: np.ndarray, truly: np.ndarray, right: np.ndarray) -> Figure | None:
    """Equations 3 and 7: of a sample count 1 - P where it is of the class and mapped so, -P where it is and is not, else 0."""
    there = weight @ (truly / size)
    if there == 0:
        return None
    accuracy = weight @ (right / size) / there
    mean = (right * (1 - accuracy) - (truly - right) * accuracy) / size
    square = (right * (1 - accuracy) ** 2 + (truly - right) * accuracy**2) / size
    return _figure(float(accuracy), _sum(weight**2 * (square - mean**2), size) / there**2)


def _figure(value: float, variance: float) -> Figure:
    """A share with its interval, which ends at 0 and 1."""
    if not variance > TINY:
        return Figure(value)
    error = math.sqrt(variance)
    return Figure(value, error, max(0.0, value - Z * error), min(1.0, value + Z * error))


def _scaled(share: Figure, total: float) -> Figure:
    """Equation 11: an area of a share."""
    parts = (share.value, share.error, share.low, share.high)
    return Figure(*(None if part is None else part * total for part in parts))
