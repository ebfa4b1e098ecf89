"""A map tile by tile: what a worker does with each, and the folder in which it leaves what it has done.

<work>/<top>-<left>/            a tile that is done, renamed into place whole
    first.npy, second.npy       (h, w) uint16 positions of the classes from 1, 0 = nothing predicted
    probability.npy, margin.npy (h, w) float32, NaN = nothing predicted
    shares.npy                  (K, h, w) uint16 x 10 000, 65535 = nothing predicted
    inventory.npy               (h, w) uint16 codes on the map's grid, agreement.npy (h, w) uint8; where there is an inventory
    counts.npy                  (a, b, K) int32 pixels of each class in each atom
    pairs.npy                   (n, 3) int64: inventory code, position predicted, pixels; where there is an inventory
<work>/<top>-<left>.raw.npy     (K, h, w) float32 probabilities that are still to be smoothed

Workers are processes of this machine or of a cluster; all they share is the file system.
"""

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.bands import NO_DATA
from data.errors import CannotMap
from data.inventory.rasters import Raster
from data.mapped.folder import AGREES, DISAGREES, NO_SHARE, SHARE_SCALE
from data.stacks.stack import Stack
from modeling.mapping import smoothing
from modeling.mapping.engine import ATOM, Predictor, predictor
from modeling.mapping.smoothing import Smoothing

CODES = 65_536  # that an inventory may have
COUNTS, PAIRS = "counts", "pairs"
EMPTY = {  # what pixels are of which nothing is predicted
    "first": np.uint16(0), "second": np.uint16(0), "probability": np.float32(np.nan), "margin": np.float32(np.nan),
    "shares": np.uint16(NO_SHARE), "inventory": np.uint16(0), "agreement": np.uint8(0),
}  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """A window of the raster, in pixels. top and left are whole atoms."""

    top: int
    left: int
    height: int
    width: int

    @property
    def name(self) -> str:
        return f"{self.top}-{self.left}"


@dataclass(frozen=True)
class Work:
    """All that a worker is told.

    checkpoint: path. stamp: when it was changed. bands: that the run's channels use. device: to compute on.
    stack: with the layers that are used. folder: the tiles' folder.
    classes: how many there are. positions: inventory code -> position of its class from 1.
    """

    checkpoint: str
    stamp: int
    bands: tuple[str, ...]
    device: str
    stack: Stack
    folder: Path
    classes: int
    positions: Mapping[int, int]
    inventory: Raster | None
    smoothing: Smoothing

    @property
    def halo(self) -> int:
        return smoothing.halo(self.smoothing)

    def done(self, tile: Tile) -> Path:
        return self.folder / tile.name

    def raw(self, tile: Tile) -> Path:
        return self.folder / f"{tile.name}.raw.npy"


def grid(height: int, width: int, tall: int, wide: int) -> list[Tile]:
    """The tiles of a raster, row by row, each `tall` x `wide` pixels but for the last ones."""
    return [
        Tile(top, left, min(tall, height - top), min(wide, width - left))
        for top in range(0, height, tall) for left in range(0, width, wide)
    ]  # fmt: skip


class Stopped(Exception):
    """The worker was told to stop between two tiles."""


def predict(work: Work, tiles: list[Tile], stop: threading.Event | None = None) -> int:
    """Predict tiles, reading each while the one before is computed. How many there were.

    Raises:
        BadInput: a file cannot be read to its end. CannotTrain: the checkpoint cannot be used. CannotMap: the disk is full.
    """
    model = predictor(work.checkpoint, work.stamp, work.bands, work.device)
    for tile, pixels in _read_ahead(work, tiles):
        if stop is not None and stop.is_set():
            raise Stopped
        shares = _shares(model, pixels, work)
        if work.halo:
            _save(work.raw(tile), shares)
        else:
            _finish(work, tile, shares)
    return len(tiles)


def smooth(work: Work, tiles: list[Tile], among: list[Tile], stop: threading.Event | None = None) -> int:
    """Smooth tiles whose neighbours, too, are predicted. among: all tiles of the map."""
    for tile in tiles:
        if stop is not None and stop.is_set():
            raise Stopped
        _finish(work, tile, smoothing.smoothed(_with_margin(work, tile, among), work.smoothing))
    return len(tiles)


def window(folder: Path, name: str, tiles: list[Tile], top: int, left: int, height: int, width: int, classes: int) -> np.ndarray:
    """A window of what the finished tiles hold: (height, width), of shares (classes, height, width)."""
    shape = (classes, height, width) if name == "shares" else (height, width)
    result = np.full(shape, EMPTY[name])
    for tile in tiles:
        path = folder / tile.name / f"{name}.npy"
        here, there = _overlap(tile, top, left, height, width)
        if here is not None and path.exists():
            result[(..., *here)] = np.load(path, mmap_mode="r")[(..., *there)]
    return result


def counts(folder: Path, tiles: list[Tile], height: int, width: int, classes: int) -> np.ndarray:
    """(A, B, classes) int32 pixels of each class in each atom of the raster."""
    result = np.zeros((-(-height // ATOM), -(-width // ATOM), classes), dtype=np.int32)
    for tile in tiles:
        mine = np.load(folder / tile.name / f"{COUNTS}.npy")
        row, column = tile.top // ATOM, tile.left // ATOM
        result[row : row + mine.shape[0], column : column + mine.shape[1]] = mine
    return result


def _read_ahead(work: Work, tiles: list[Tile]) -> Iterator[tuple[Tile, np.ndarray]]:
    def read(tile: Tile) -> np.ndarray:
        return work.stack.read(tile.top, tile.left, tile.height, tile.width, work.bands)

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, tiles[0])
        for number, tile in enumerate(tiles):
            pixels = ahead.result()
            if number + 1 < len(tiles):
                ahead = reader.submit(read, tiles[number + 1])
            yield tile, pixels


def _shares(model: Predictor, pixels: np.ndarray, work: Work) -> np.ndarray:
    """(T, B, h, w) -> (K, h, w), atom by atom; one that lies over the raster's edge is filled with no data."""
    dates, bands, height, width = pixels.shape
    result = np.full((work.classes, height, width), np.nan, dtype=np.float32)
    atom = np.empty((dates, bands, ATOM, ATOM), dtype=np.uint16)
    for top in range(0, height, ATOM):
        for left in range(0, width, ATOM):
            part = pixels[..., top : top + ATOM, left : left + ATOM]
            tall, wide = part.shape[2:]
            atom[:] = NO_DATA
            atom[..., :tall, :wide] = part
            if atom.any():
                shares = model.shares(atom.reshape(dates, bands, -1), work.stack.days).reshape(-1, ATOM, ATOM)
                result[:, top : top + tall, left : left + wide] = shares[:, :tall, :wide]
    return result


def _finish(work: Work, tile: Tile, shares: np.ndarray) -> None:
    """Write what the map needs of a tile's probabilities."""
    partial = work.folder / f"{tile.name}.{os.getpid()}-{threading.get_ident()}.partial"
    results = _results(work, tile, shares)
    with _writing(partial):
        partial.mkdir(exist_ok=True)
        for name, values in results.items():
            np.save(partial / f"{name}.npy", values)
    try:
        partial.rename(work.done(tile))
    except OSError:
        shutil.rmtree(partial)
        if not work.done(tile).exists():
            raise


@contextmanager
def _writing(partial: Path) -> Iterator[None]:
    """Where a file or folder that is not whole yet cannot be written to its end, as on a full disk: say so, and take it away."""
    try:
        yield
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            partial.unlink()
        free = shutil.disk_usage(partial.parent).free
        raise CannotMap(
            f"The folder {partial.parent} cannot be written to: {error}. {free / 1e9:.2f} GB are free there. Free some and repeat the "
            "command: the tiles that are done stay."
        ) from error


def _results(work: Work, tile: Tile, shares: np.ndarray) -> dict[str, np.ndarray]:
    first, second, best, margin = ranked(shares)
    found = {COUNTS: _counted(first, work.classes)}
    if work.inventory is not None:
        found["inventory"] = _cut(work.inventory, work.stack, tile)
        found["agreement"] = _agreement(found["inventory"], first, work.positions)
        found[PAIRS] = _pairs(found["inventory"], first, work.classes)
    if first.any():
        found |= {"first": first, "second": second, "probability": best, "margin": margin, "shares": quantised(shares)}
    return found


def ranked(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and second choice of (K, h, w) probabilities, NaN where nothing is predicted.

    Returns:
        (h, w) uint16 positions from 1 of the likeliest class and the next (of equal ones the first comes first), 0 = nothing; and
        float32 the first one's probability and how much it has more than the second, NaN = nothing.
    """
    nothing = np.isnan(shares[0])
    left = np.where(nothing, np.float32(0), shares)
    first = left.argmax(axis=0)
    best = np.take_along_axis(left, first[None], axis=0)[0]
    np.put_along_axis(left, first[None], np.float32(-1), axis=0)
    second = left.argmax(axis=0)
    next_best = np.take_along_axis(left, second[None], axis=0)[0]
    choices = (np.where(nothing, 0, choice + 1).astype(np.uint16) for choice in (first, second))
    return (*choices, np.where(nothing, np.float32(np.nan), best), np.where(nothing, np.float32(np.nan), best - next_best))


def quantised(shares: np.ndarray) -> np.ndarray:
    """Probabilities as probabilities.tif holds them."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(shares), NO_SHARE, np.rint(shares * np.float32(SHARE_SCALE))).astype(np.uint16)


def _counted(first: np.ndarray, classes: int) -> np.ndarray:
    """(h, w) positions from 1 -> (a, b, classes) int32 pixels in each atom."""
    down, across = (-(-size // ATOM) for size in first.shape)
    rows, columns = (np.arange(size) // ATOM for size in first.shape)
    cell = (rows[:, None] * across + columns) * (classes + 1) + first
    found = np.bincount(cell.ravel(), minlength=down * across * (classes + 1))
    return found.reshape(down, across, classes + 1)[..., 1:].astype(np.int32)


def _cut(inventory: Raster, stack: Stack, tile: Tile) -> np.ndarray:
    """The inventory's codes on a tile, cut atom by atom, so that their places do not depend on the tile."""
    a, b, c, d, e, f = stack.transform
    corners = [(top, left) for top in range(0, tile.height, ATOM) for left in range(0, tile.width, ATOM)]
    places = np.array([(tile.top + top, tile.left + left) for top, left in corners], dtype=np.float64)
    row, column = places.T
    transforms = np.stack(np.broadcast_arrays(a, b, c + a * column + b * row, d, e, f + d * column + e * row), axis=1)
    cuts = inventory.cuts(stack.crs, transforms, ATOM, ATOM)
    found = np.zeros((tile.height, tile.width), dtype=np.uint16)
    for (top, left), codes in zip(corners, cuts, strict=True):
        here = found[top : top + ATOM, left : left + ATOM]
        here[:] = codes[: here.shape[0], : here.shape[1]]
    return found


def _agreement(codes: np.ndarray, first: np.ndarray, positions: Mapping[int, int]) -> np.ndarray:
    """agreement.tif of a tile: 0 where nothing is predicted, or the inventory has no label or one of no class that the run knows."""
    table = np.zeros(CODES, dtype=np.uint16)
    table[list(positions)] = list(positions.values())
    labelled = table[codes]
    return np.where((labelled == 0) | (first == 0), 0, np.where(labelled == first, AGREES, DISAGREES)).astype(np.uint8)


def _pairs(codes: np.ndarray, first: np.ndarray, classes: int) -> np.ndarray:
    found, pixels = np.unique(codes.astype(np.int64) * (classes + 1) + first, return_counts=True)
    return np.stack([found // (classes + 1), found % (classes + 1), pixels], axis=1)


def _with_margin(work: Work, tile: Tile, among: list[Tile]) -> np.ndarray:
    """(K, h + 2 r, w + 2 r) probabilities as predicted, NaN outside the raster."""
    margin = work.halo
    top, left, height, width = tile.top - margin, tile.left - margin, tile.height + 2 * margin, tile.width + 2 * margin
    result = np.full((work.classes, height, width), np.nan, dtype=np.float32)
    for other in among:
        here, there = _overlap(other, top, left, height, width)
        if here is not None:
            result[(..., *here)] = np.load(work.raw(other), mmap_mode="r")[(..., *there)]
    return result


Span = tuple[slice, slice]


def _overlap(tile: Tile, top: int, left: int, height: int, width: int) -> tuple[Span, Span] | tuple[None, None]:
    """Where a tile lies in a window, and where the window lies in the tile; None for both where they do not touch."""
    first, last = max(tile.top, top), min(tile.top + tile.height, top + height)
    start, end = max(tile.left, left), min(tile.left + tile.width, left + width)
    if first >= last or start >= end:
        return None, None
    here = slice(first - top, last - top), slice(start - left, end - left)
    return here, (slice(first - tile.top, last - tile.top), slice(start - tile.left, end - tile.left))


def _save(path: Path, values: np.ndarray) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    with _writing(partial):
        with partial.open("wb") as file:
            np.save(file, values)
        partial.replace(path)
