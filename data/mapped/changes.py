"""What a newer map says that an older one did not: hectares class by class, block by block in bounded memory."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from data.errors import BadInput
from data.mapped import folder, ground, legends, warped
from data.mapped.folder import Map, MapClass

SIDE = 1_024  # pixels of a block's side


@dataclass(frozen=True)
class Changes:
    """An older map (rows) against a newer one (columns), on the newer one's grid, where both predict.

    rows: the older map's R classes, columns: the newer one's C, in their maps' order. pixels: (R, C) int64. hectares: (R, C) float64.
    same: (R, C) bool, where row and column are one class: those of one name, else of one code.
    only_old, only_new: hectares where just one of them predicts, within the newer map's grid.
    """

    rows: tuple[MapClass, ...]
    columns: tuple[MapClass, ...]
    pixels: np.ndarray
    hectares: np.ndarray
    same: np.ndarray
    only_old: float
    only_new: float

    @property
    def total(self) -> float:
        """Hectares where both predict."""
        return float(self.hectares.sum())

    @property
    def changed(self) -> float:
        """Share of the ground where both predict whose class differs, 0..1."""
        return float(self.hectares[~self.same].sum() / self.total)

    def losses(self) -> dict[str, float]:
        """Class of the older map -> hectares that are another class now."""
        lost = np.where(self.same, 0, self.hectares).sum(axis=1)
        return {entry.name: float(of) for entry, of in zip(self.rows, lost, strict=True)}

    def gains(self) -> dict[str, float]:
        """Class of the newer map -> hectares that were another class before."""
        gained = np.where(self.same, 0, self.hectares).sum(axis=0)
        return {entry.name: float(of) for entry, of in zip(self.columns, gained, strict=True)}


def between(old: Map, new: Map) -> Changes:
    """What changed from one map to another; of an older map on another grid the nearest pixel counts.

    Raises:
        BadInput: the maps do not overlap, there is no place where both predict, or a raster is gone or cut short.
    """
    counts = np.zeros((len(old.classes) + 1, len(new.classes) + 1), dtype=np.int64)  # 0: nothing predicted
    hectares = np.zeros(counts.shape)
    of_old, of_new = _numbers(old), _numbers(new)
    for top, left, before, now in _blocks(old, new):
        cell = (of_old[before] * counts.shape[1] + of_new[now]).ravel()
        ground_of = ground.block(new.stack.crs, new.stack.transform, top, left, *now.shape).ravel()
        counts += np.bincount(cell, minlength=counts.size).reshape(counts.shape)
        hectares += np.bincount(cell, weights=ground_of, minlength=counts.size).reshape(counts.shape)
    if not counts[1:, 1:].any():
        raise BadInput(f"The maps {old.title} and {new.title} have no ground in common where both predict. Compare maps of one landscape.")
    return Changes(
        old.classes,
        new.classes,
        counts[1:, 1:],
        hectares[1:, 1:],
        _same(old, new),
        float(hectares[1:, 0].sum()),
        float(hectares[0, 1:].sum()),
    )


def _numbers(made: Map) -> np.ndarray:
    """(65536,) int64 by code: the class's position + 1, 0 for nothing."""
    found = np.zeros(2**16, dtype=np.int64)
    for position, entry in enumerate(made.classes, start=1):
        found[entry.code] = position
    return found


def _same(old: Map, new: Map) -> np.ndarray:
    twins = legends.same(old, new)
    return np.array([[twins.get(before.code) == now.code for now in new.classes] for before in old.classes])


def _blocks(old: Map, new: Map) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """top, left and the codes of both maps, block by block of the newer one's grid."""
    grid = new.stack
    with ExitStack() as files:
        after = files.enter_context(warped.opened(new.raster(folder.CROP), warped.again(new)))
        before = files.enter_context(warped.opened(old.raster(folder.CROP), warped.again(old)))
        if (before.crs, before.transform, before.shape) != (after.crs, after.transform, after.shape):
            before = files.enter_context(
                WarpedVRT(
                    before, crs=after.crs, transform=after.transform, width=grid.width, height=grid.height, resampling=Resampling.nearest,
                    src_nodata=0, nodata=0,
                )
            )  # fmt: skip
        for top in range(0, grid.height, SIDE):
            for left in range(0, grid.width, SIDE):
                window = Window(left, top, min(SIDE, grid.width - left), min(SIDE, grid.height - top))
                with warped.naming(old.raster(folder.CROP), warped.again(old)):
                    then = before.read(1, window=window)
                with warped.naming(new.raster(folder.CROP), warped.again(new)):
                    now = after.read(1, window=window)
                yield top, left, then, now
