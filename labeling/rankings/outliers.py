"""Envelope outliers: samples whose season lies far from the verified seasons of the class that their label names.

A class needs FEWEST verified samples. Seasons are those of `data.profiles`: the median of each vegetation index in each bin of the
season, clear images only. In each index and bin the verified samples have a median m and a robust standard deviation
s = (p75 - p25) / 1.349, at least LEAST_SPREAD; a bin that fewer than half of FEWEST have seen says nothing. The distance of a season is
the mean of min(|x - m| / s, FARTHEST) over indices and bins. The score is that distance divided by the median distance of the verified
samples themselves, each left out of the m and s that it is held against: 1 = as far as they are from each other. A verified sample that
is ranked is left out likewise. (Robust z-scores: Rousseeuw and Croux 1993, J. Am. Stat. Assoc. 88; 1.349 makes the interquartile range
a standard deviation under normality.)
"""

from dataclasses import dataclass

import numpy as np

from data import catalogue, indices, profiles
from data.catalogue import Collection
from data.errors import BadInput
from data.workspace import Workspace
from labeling.envelopes import FEWEST
from labeling.rankings.common import Ranked, classes, first

LEAST_SPREAD = 0.02  # of an index: what two clear views of an unchanged field differ by anyhow
FARTHEST = 5.0  # of one value, in robust standard deviations: a leftover cloud on one date does not make an outlier
TYPICAL_LEAST = 0.1  # of the verified samples' own distance, where they are all but alike
FEWEST_BINS = 2  # of a season that can be judged
NORMAL_IQR = 1.349  # interquartile range of a normal distribution of standard deviation 1


@dataclass(frozen=True)
class Seasons:
    """All N samples of a collection.

    samples: (N,) int64 numbers; labels: (N,) class of the label in force, "" = none; verified, decided: (N,) bool.
    values: (N, I, K) float32, I indices by K bins; NaN where there is no clear image.
    """

    samples: np.ndarray
    labels: np.ndarray
    verified: np.ndarray
    decided: np.ndarray
    indices: tuple[str, ...]
    values: np.ndarray


def ranked(
    workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False, index: str | None = None
) -> list[Ranked]:
    """Up to `limit` samples with at least FEWEST_BINS clear bins; score: see above, the farthest first.

    Args:
        seed: of the order of equal ones.
        index: one vegetation index; by default all that the bands allow, of a packed collection NDVI alone.

    Raises:
        BadInput: no class has FEWEST verified samples, or the bands make no index.
        UnknownIndex: no index of that name.
    """
    entry = catalogue.collection(workspace.store, collection)
    names = classes(workspace.store, collection)
    chosen = _chosen(entry, index)
    ready = _ready(workspace, collection)
    if not ready:
        raise BadInput(_too_few(workspace, collection))
    seasons = read(workspace, entry, names, chosen)
    ratios, by_index = np.full(len(seasons.samples), np.nan), np.full((len(seasons.samples), len(chosen)), np.nan)
    counts = {name: int((seasons.verified & (seasons.labels == name)).sum()) for name in ready}
    for name in ready:
        rows = np.flatnonzero(seasons.labels == name)
        ratios[rows], by_index[rows] = distances(seasons.values[rows], seasons.verified[rows])
    scores = np.where(decided | ~seasons.decided, ratios, np.nan)
    return [
        Ranked(int(seasons.samples[at]), float(scores[at]), _reason(seasons, counts, at, scores[at], by_index[at]))
        for at in first(-scores, limit, seed)
    ]


def _chosen(entry: Collection, index: str | None) -> tuple[str, ...]:
    available = tuple(indices.available(entry.bands))
    if index is not None:
        return (indices.named(index).name,)
    if not available:
        raise BadInput(f"The bands of {entry.name} ({', '.join(entry.bands)}) make no vegetation index, so it has no seasons to compare.")
    return available[:1] if entry.packed else available  # NDVI: every other index reads each of its shards once more


VERIFIED = """
select coalesce(g.learned, g.name) as class, count(*) as n from sample s join label l on l.sample = s.id
join legend_class g on g.collection = s.collection and g.code = l.code
where s.collection = ? and s.decision is not null and l.verified group by class order by n desc, class
"""


def _ready(workspace: Workspace, collection: str) -> list[str]:
    """Classes with enough verified samples."""
    with workspace.store.reading() as db:
        return [row["class"] for row in db.execute(VERIFIED, [collection]) if row["n"] >= FEWEST]


def _too_few(workspace: Workspace, collection: str) -> str:
    with workspace.store.reading() as db:
        row = db.execute(VERIFIED, [collection]).fetchone()
    most = f"{row['class']} has the most: {row['n']}" if row else "none is verified yet"
    return (
        f"No class of {collection} has {FEWEST} verified samples yet ({most}), so there is no envelope to be far from. "
        "Verify some first, for example with the queue By crop or Gaps."
    )


def read(workspace: Workspace, entry: Collection, names: dict[int, str], chosen: tuple[str, ...]) -> Seasons:
    """The seasons of all samples. names: code -> class."""
    of = profiles.load(workspace.store, entry.name, chosen[0])
    found = [(of.values, of.clear)]
    for name in chosen[1:]:
        values, _, clear, _ = profiles.values(workspace.store, entry, name, of.samples, of.years)
        found.append((values, clear))
    values = np.stack([np.where(clear, values, np.nan).astype(np.float32) for values, clear in found], axis=1)
    codes, places = np.unique(of.codes, return_inverse=True)
    labels = np.array([names.get(int(code), "") for code in codes])[places]
    return Seasons(of.samples, labels, of.verified, of.states != "unverified", chosen, values)


def distances(values: np.ndarray, verified: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the seasons of one class lie from its verified ones, in units of how far these lie from each other.

    Args:
        values: (n, I, K), NaN = no clear image. verified: (n,) bool, at least FEWEST of them.

    Returns:
        (n,) over all indices and (n, I) of each; NaN where too little was seen.
    """
    held = values[verified].reshape(verified.sum(), -1).astype(np.float64)
    seen = np.isfinite(held).sum(axis=0) >= FEWEST / 2
    flat = np.where(seen, values.reshape(len(values), -1), np.nan).astype(np.float64)
    held = np.where(seen, held, np.nan)
    off = np.empty_like(flat)
    off[~verified] = _off(flat[~verified], *centre_and_spread(held, leave_out=False))
    off[verified] = _off(held, *centre_and_spread(held, leave_out=True))
    off = off.reshape(values.shape)
    enough = np.isfinite(off).any(axis=1).sum(axis=1) >= FEWEST_BINS
    whole, single = _mean(off.reshape(len(off), -1)), _mean(off)
    whole[~enough], single[~enough] = np.nan, np.nan
    return whole / _typical(whole[verified]), single / _typical(single[verified])


def _off(values: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return np.minimum(np.abs(values - centre) / np.maximum(spread, LEAST_SPREAD), FARTHEST)


def _mean(off: np.ndarray) -> np.ndarray:
    """Along the last axis, of what is finite; NaN where nothing is."""
    counts = np.isfinite(off).sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(counts, np.nansum(off, axis=-1) / counts, np.nan)


def _typical(distances_of_verified: np.ndarray) -> np.ndarray:
    """The median along the first axis, at least TYPICAL_LEAST; NaN where no verified sample has a distance."""
    some = np.isfinite(distances_of_verified).any(axis=0)
    medians = np.nanmedian(np.where(some, distances_of_verified, 0.0), axis=0)
    return np.where(some, np.maximum(medians, TYPICAL_LEAST), np.nan)


def centre_and_spread(values: np.ndarray, *, leave_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust standard deviation of each column.

    Args:
        values: (n, F), NaN = missing.
        leave_out: without the row itself, so of another set of values in each row.

    Returns:
        (F,) each, or (n, F) each with `leave_out`.
    """
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(axis=0)
    rank = np.full((1, values.shape[1]), len(values))
    if leave_out:
        rank = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
        count = count - np.isfinite(values)
    low, middle, high = (_quantile(ordered, count, rank, share) for share in (0.25, 0.5, 0.75))
    spread = (high - low) / NORMAL_IQR
    return (middle, spread) if leave_out else (middle[0], spread[0])


def _quantile(ordered: np.ndarray, count: np.ndarray, rank: np.ndarray, share: float) -> np.ndarray:
    """The linear quantile of `count` sorted values of each column, once the value at place `rank` is taken out: (r, F)."""
    at = np.broadcast_to(np.maximum(count - 1, 0) * share, rank.shape)
    low = np.floor(at).astype(np.int64)
    high = np.ceil(at).astype(np.int64)
    lower, upper = (np.take_along_axis(ordered, np.minimum(place + (place >= rank), len(ordered) - 1), axis=0) for place in (low, high))
    return lower + (upper - lower) * (at - low)


def _reason(seasons: Seasons, counts: dict[str, int], at: int, ratio: float, by_index: np.ndarray) -> str:
    label = str(seasons.labels[at])
    others = counts[label] - int(seasons.verified[at])
    named = f"Its {seasons.indices[0]} season" if len(seasons.indices) == 1 else "Its season"
    told = f"{named} lies {ratio:.1f} times as far from {others:,} verified {label} seasons as these from each other"
    if len(seasons.indices) == 1:
        return f"{told}."
    worst = int(np.nanargmax(by_index))
    return f"{told}; most in {seasons.indices[worst]}, {by_index[worst]:.1f} times."
