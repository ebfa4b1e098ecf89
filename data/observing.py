"""What is measured on a sample's pixels at import: series, clear shares, index statistics. NumPy (and SciPy, late); no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data import indices, screening
from data.bands import NO_DATA, REFLECTANCE_SCALE

NO_CODE = 0  # of the inventory: no label is known
EDGE_PX = 3  # an inventory pixel is 30 m: the label's pixels are taken one of them away from class edges


@dataclass(frozen=True)
class Observed:
    """What is measured on the field's pixels of a sample.

    series: (T, B) float32 reflectance, NaN = missing date.
    valid: (T,) share of the field's pixels, as far as any date shows them, that have data.
    clear: (T,) likewise, that are clear.
    stats: per slot, index name -> (mean, sd, p10, median, p90).
    """

    series: np.ndarray
    valid: np.ndarray
    clear: np.ndarray
    stats: list[dict[str, tuple[float | None, ...]]]


def observe(pixels: np.ndarray, field: np.ndarray, bands: Sequence[str], level: str, clear: np.ndarray | None = None) -> Observed:
    """Measure a sample.

    Args:
        pixels: (T, B, h, w) uint16 reflectance x 10 000, 0 = no data.
        field: (h, w) bool, the pixels that count.
        bands: names along the B axis. level: L1C or L2A.
        clear: (T, h, w) bool, where the ground is seen; None = screened by reflectance.
    """
    field = field & (pixels != NO_DATA).any(axis=(0, 1))
    slots, size = len(pixels), max(1, field.sum())
    series = np.full((slots, len(bands)), np.nan, dtype=np.float32)
    valid, clear_share, stats = np.zeros(slots), np.zeros(slots), [{} for _ in range(slots)]
    names = indices.available(bands)
    for slot in range(slots):
        values = pixels[slot][:, field].astype(np.float32) / REFLECTANCE_SCALE  # (B, n)
        values[values == NO_DATA] = np.nan
        seen = np.isfinite(values).any(axis=0)
        if not seen.any():
            continue
        of_band = dict(zip(bands, values, strict=True))
        is_clear = screening.clear_pixels(of_band, level) if clear is None else clear[slot][field] & seen
        valid[slot], clear_share[slot] = seen.sum() / size, is_clear.sum() / size
        # Where all is cloud the cloudy values are kept: curators see them hollow, and models see the date as cloudy.
        used = is_clear if is_clear.any() else seen
        series[slot] = _mean(values[:, used])
        of_used = {band: value[used].astype(np.float64) for band, value in of_band.items()}
        stats[slot] = dict(zip(names, _summaries([indices.compute(name, of_used) for name in names]), strict=True))
    return Observed(series, valid, clear_share, stats)


def field_pixels(inventory: np.ndarray | None, code: int, shape: tuple[int, int]) -> np.ndarray:
    """The pixels that a sample's series is taken from: its own field, away from the edges.

    That is the inventory's patch of `code` that holds the centre, shrunk by one inventory pixel (30 m); where nothing would
    be left, unshrunk; without an inventory raster, or a code, every pixel (masked fields bring their own no-data).

    Returns:
        bool of `shape` (h, w).
    """
    if inventory is None or code == NO_CODE:
        return np.ones(shape, dtype=bool)
    from scipy import ndimage

    parts, _ = ndimage.label(inventory == code)
    centre = parts[shape[0] // 2, shape[1] // 2]
    field = parts == centre if centre else inventory == code
    return shrunk(field, EDGE_PX) if field.any() else np.ones(shape, dtype=bool)


def shrunk(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask (h, w) without what lies within `pixels` of its edge; the mask itself where nothing would be left."""
    from scipy import ndimage  # late: half a second that only imports need

    inner = ndimage.binary_erosion(mask, iterations=pixels)
    return inner if inner.any() else mask


def _mean(values: np.ndarray) -> np.ndarray:
    """(B, n) with NaN -> (B,) mean of the finite ones, NaN where a band has none."""
    count = np.isfinite(values).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _summaries(values: list[np.ndarray]) -> list[tuple[float | None, ...]]:
    """Of each (n,) array: mean, sd, p10, median and p90 of its finite values; None where it has none.

    Arrays that are finite throughout, nearly all, are done in one call: for a patch, NumPy's calls cost more than its numbers.
    """
    whole = [at for at, column in enumerate(values) if np.isfinite(column).all()]
    results: list[tuple[float | None, ...]] = [(None,) * 5] * len(values)
    if whole:
        for at, summary in zip(whole, _summary(np.stack([values[at] for at in whole])), strict=True):
            results[at] = summary
    for at in set(range(len(values))) - set(whole):
        finite = values[at][np.isfinite(values[at])]
        if finite.size:
            results[at] = _summary(finite[None])[0]
    return results


def _summary(values: np.ndarray) -> list[tuple[float, ...]]:
    """(I, n) finite -> I tuples."""
    values = values.astype(np.float64)
    columns = (values.mean(axis=1), values.std(axis=1), *np.percentile(values, (10, 50, 90), axis=1))
    return [tuple(round(float(value), 5) for value in row) for row in zip(*columns, strict=True)]
