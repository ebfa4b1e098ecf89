"""Codes of inventories at points and on patches, and what a window is made of. NumPy over `rasters.Raster` and `polygons.Layer`."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from data.inventory.rasters import Raster

CHUNK_PIXELS = 2**18  # counted together: their indices stay in the processor's cache
MANY = 512  # codes from here on are counted by their position among those that occur


def codes_at(sources: Sequence, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The codes at points; each point's is taken from the first inventory that covers it.

    Args:
        sources: Rasters or Layers of one year, as one a province.
        lon, lat: (N,) degrees, EPSG:4326.

    Returns:
        codes (N,) uint16, 0 = no label; covered (N,) bool, whether any of them covers the point (not with nodata).

    Raises:
        BadInput: a file cannot be read to its end.
    """
    codes, first = first_covering(sources, lon, lat)
    return codes, first >= 0


def first_covering(sources: Sequence, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`codes_at`, with the position (N,) in `sources` of the first that covers each point, -1 = none, in place of `covered`."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    codes, first = np.zeros(len(lon), dtype=np.uint16), np.full(len(lon), -1)
    for position, source in enumerate(sources):
        still = np.flatnonzero(first < 0)
        if not still.size:
            break
        found, covered = source.codes_at(lon[still], lat[still])
        codes[still] = found
        first[still[covered]] = position
    return codes, first


def cut(source, crs: str, transform: Sequence[float], height: int, width: int) -> np.ndarray:
    """The codes of an inventory on the grid of one patch, by nearest neighbour.

    Args:
        source: a Raster or Layer.
        crs, transform: of the patch; (column, row) of the upper left corner -> crs, as a b c d e f.

    Returns:
        (height, width) uint16, 0 = no label or outside the inventory.

    Raises:
        BadInput: the file cannot be read to its end.
    """
    return source.cuts(crs, np.array([tuple(transform)[:6]], dtype=np.float64), height, width)[0]


def around(
    raster: Raster, lon: np.ndarray, lat: np.ndarray, side: int, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What lies around points, in the raster's own pixels.

    Args:
        lon, lat: (N,) degrees, EPSG:4326.
        side: rows and columns of the window, odd; the point lies in its middle pixel.
        labels: (N,) codes whose share is the purity; by default the points' own.

    Returns:
        centre (N,) uint16, the code at the point, 0 = none; and of the window `modal_codes`' modal (N,) uint16 and purity (N,) float64.

    Raises:
        BadInput: the file cannot be read to its end.
    """
    rows, cols = raster.pixels_of(lon, lat)
    centre, modal, purity = np.zeros(len(rows), np.uint16), np.zeros(len(rows), np.uint16), np.zeros(len(rows))
    half = side // 2

    def look_up(window: np.ndarray, top: int, left: int, of: np.ndarray) -> None:
        windows, step = sliding_window_view(raster.codes(window), (side, side)), max(1, CHUNK_PIXELS // side**2)
        for start in range(0, len(of), step):
            some = of[start : start + step]
            pixels = windows[rows[some] - top - half, cols[some] - left - half].reshape(len(some), -1)
            centre[some] = pixels[:, half * side + half]
            modal[some], purity[some] = modal_codes(pixels, centre[some] if labels is None else labels[some])

    raster.by_tile((rows - half, rows + half + 1), (cols - half, cols + half + 1), look_up)
    return centre, modal, purity


def modal_codes(pixels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What windows are made of.

    Args:
        pixels: (N, P) uint16 codes of N windows, 0 = none.
        codes: (N,) the label of each.

    Returns:
        modal (N,) uint16, the most frequent code, the smallest of equals, and the label where there is none; purity (N,) float64, the share
        of the coded pixels that have the label, 0 where there are none.
    """
    modal, purity = np.empty(len(pixels), dtype=np.uint16), np.empty(len(pixels))
    step = max(1, CHUNK_PIXELS // max(1, pixels.shape[1]))
    for start in range(0, len(pixels), step):
        some = slice(start, start + step)
        modal[some], purity[some] = _modal_codes(pixels[some], codes[some])
    return modal, purity


def _modal_codes(pixels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if pixels.max(initial=0) < MANY:
        return _counted(pixels, codes)
    present, positions = np.unique(np.append(pixels, pixels.dtype.type(0)), return_inverse=True)
    own = np.searchsorted(present, codes)
    own[present.take(own, mode="clip") != codes] = len(present)
    modal, purity = _counted(positions[:-1].reshape(pixels.shape), own)
    return np.where(pixels.any(axis=1), present.take(modal, mode="clip"), codes), purity


def _counted(pixels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`modal_codes` of numbers that are small: a table of windows x numbers."""
    numbers = int(pixels.max(initial=0)) + 1
    keys = np.add(pixels, (np.arange(len(pixels)) * numbers)[:, None], dtype=np.intp)
    counts = np.bincount(keys.ravel(), minlength=len(pixels) * numbers).reshape(-1, numbers)
    counts[:, 0] = 0
    coded = counts.sum(axis=1)
    modal = np.where(coded > 0, counts.argmax(axis=1), codes)
    own = np.where(codes < numbers, counts[np.arange(len(pixels)), np.minimum(codes, numbers - 1)], 0)
    return modal, own / np.maximum(coded, 1)
