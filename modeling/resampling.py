"""Seasons on one grid of days, for models that need the same columns of every sample. NumPy only.

Each channel is interpolated by itself, in a straight line between the dates at which it is known; before the first and after the last
of them it is held. This is what `numpy.interp` does for one series, here for all samples at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.bands import reflectance
from modeling import inputs
from modeling.classifier import INDEX_LIMIT
from modeling.pixels import Pixels

STEP_DAYS = 15
MOST_DAYS = 24  # different days up to which they are the grid themselves, as for composites of half a month
BLOCK = 8_192  # samples that are resampled at a time


@dataclass(frozen=True)
class Grid:
    """The points of the season at which every sample is read.

    points: (G,) float64, rising: days of year; or positions in the season, from 0, its first date, to 1, its last.
    by_day: which of the two.
    """

    points: np.ndarray
    by_day: bool


def grid_of(source: Pixels, index: np.ndarray, *, by_day: bool) -> Grid:
    """The grid that suits the samples at `index`, (n,) int64 positions, at least one of which has a date.

    Days of year: the samples' own days where they differ little, as those of composites do; else every 15 days or fewer from the first
    to the last. Positions: as many as the longest season has dates.
    """
    present, days = source.present[index], source.days[index]
    if not by_day:
        return Grid(np.linspace(0.0, 1.0, max(1, int(present.sum(axis=1).max()))), by_day=False)
    seen = np.unique(days[present]).astype(np.float64)
    if len(seen) > MOST_DAYS:
        seen = np.linspace(seen[0], seen[-1], 1 + int(np.ceil((seen[-1] - seen[0]) / STEP_DAYS)))
    return Grid(seen, by_day=True)


def table(source: Pixels, index: np.ndarray, channels: tuple[inputs.Channel, ...], grid: Grid) -> np.ndarray:
    """(n, C * G) float32: the channels of the samples at `index` on the grid, all points of the first channel first.

    NaN where a sample has no date at which the channel is known.
    """
    result = np.empty((len(index), len(channels) * len(grid.points)), dtype=np.float32)
    at = 0
    for stacked, present, days in _blocks(source, index, channels):
        found = resampled(stacked, present, _axis(present, days, grid), grid.points)
        result[at : at + len(found)] = found.transpose(0, 2, 1).reshape(len(found), -1)
        at += len(found)
    return result


def known_shares(source: Pixels, index: np.ndarray, channels: tuple[inputs.Channel, ...]) -> np.ndarray:
    """(C,) float32, share of the dates of the samples at `index` at which each channel is known."""
    known, dates = np.zeros(len(channels)), 0
    for stacked, present, _ in _blocks(source, index, channels):
        known += np.isfinite(stacked[present]).sum(axis=0)
        dates += int(present.sum())
    return (known / max(1, dates)).astype(np.float32)


def resampled(values: np.ndarray, present: np.ndarray, at: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear interpolation of many series with gaps, the ends held.

    Args:
        values: (n, T, C) float32, NaN = unknown. present: (n, T) bool, dates that count.
        at: (n, T) where each date lies on the axis of `points`; the dates may come in any order.
        points: (G,) rising.

    Returns:
        (n, G, C) float32, NaN where a series has no known value.
    """
    order = np.argsort(np.where(present, at, np.inf), axis=1, kind="stable")
    at = np.take_along_axis(np.where(present, at, np.inf), order, axis=1)  # dates that do not count come last
    values = np.take_along_axis(values, order[:, :, None], axis=1)
    known = np.isfinite(values) & np.isfinite(at)[:, :, None]
    count, length = len(values), values.shape[1]
    slots = np.arange(length)[None, :, None]
    before = np.maximum.accumulate(np.where(known, slots, -1), axis=1)  # the last known date up to each one
    after = np.minimum.accumulate(np.where(known, slots, length)[:, ::-1], axis=1)[:, ::-1]
    edge = np.full((count, 1, values.shape[2]), -1)
    before, after = np.concatenate([edge, before], axis=1), np.concatenate([after, edge + 1 + length], axis=1)
    result = np.empty((count, len(points), values.shape[2]), dtype=np.float32)
    rows = np.arange(count)
    for number, point in enumerate(points):
        passed = (at <= point).sum(axis=1)  # dates up to this point
        left, right = before[rows, passed], after[rows, passed]
        result[:, number] = _between(values, at, left, right, point)
    return result


def _between(values: np.ndarray, at: np.ndarray, left: np.ndarray, right: np.ndarray, point: float) -> np.ndarray:
    """(n, C) at `point`, from the known dates around it; left (n, C) is -1 and right T where there is none."""
    length = values.shape[1]
    low, high = np.where(left < 0, right, left), np.where(right >= length, left, right)
    none = (low < 0) | (low >= length)
    low, high = np.where(none, 0, low), np.where(none, 0, high)
    first, second = (np.take_along_axis(values, slot[:, None], axis=1)[:, 0] for slot in (low, high))
    start, end = (np.take_along_axis(at, slot, axis=1) for slot in (low, high))
    with np.errstate(invalid="ignore"):
        share = np.clip((point - start) / np.where(end > start, end - start, 1.0), 0.0, 1.0)
        return np.where(none, np.nan, first + np.where(low == high, 0.0, share) * (second - first))


def _axis(present: np.ndarray, days: np.ndarray, grid: Grid) -> np.ndarray:
    """(n, T) where each date lies on the grid's axis; what it says of dates that do not count has no meaning."""
    if grid.by_day:
        return days
    rank = present.cumsum(axis=1) - 1
    return rank / np.maximum(1, present.sum(axis=1, keepdims=True) - 1)


def _blocks(source: Pixels, index: np.ndarray, channels: tuple[inputs.Channel, ...]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of samples as channels (n, T, C) float32, present and days (n, T)."""
    for start in range(0, len(index), BLOCK):
        here = index[start : start + BLOCK]
        values = source.values[here]
        values = values if values.dtype.kind == "f" else reflectance(values)
        yield _stacked(values, channels, source.bands), source.present[here], source.days[here]


def _stacked(values: np.ndarray, channels: tuple[inputs.Channel, ...], bands: tuple[str, ...]) -> np.ndarray:
    """(n, T, B) reflectance -> (n, T, C), indices cut where they are beyond what they can tell, as networks see them."""
    result = np.empty((*values.shape[:-1], len(channels)), dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for number, channel in enumerate(channels):
            taken = [values[..., bands.index(band)] for band in channel.bands]
            formed = taken[0] if channel.formula is None else np.clip(channel.formula(*taken), -INDEX_LIMIT, INDEX_LIMIT)
            result[..., number] = formed
    return result
