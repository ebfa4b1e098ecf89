"""Pixel sets: pixels of each sample's own field, drawn once from the shards, small enough to stay in memory. NumPy and SciPy only.

A 640 m patch holds several fields; the label is of one of them. The pixels are drawn where `observing.field_pixels` says that the
sample's field is: the inventory's pixels of the label, away from edges.
"""

import numpy as np

from data import observing, screening, shards
from data.bands import NO_DATA, reflectance
from data.catalogue import Collection
from data.workspace import Workspace
from modeling.samples import Samples

POOL = 64  # pixels that are kept of every date; a batch draws fewer of them
SEED = 0  # of the drawing: every run sees the same pool


def load(workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray) -> np.ndarray:
    """The pools of all samples at the dates `slots`.

    Returns:
        (N, t, B, S) uint16 reflectance x 10 000, 0 = no data (the whole date, or one band of a pixel).

    Raises:
        PixelsUnreadable: a shard is missing, damaged or of another shape than the catalogue says.
    """
    folder, side = workspace.shards(collection.name), collection.side
    pool = min(POOL, collection.height * collection.width)
    result = np.zeros((len(samples), len(slots), len(collection.bands), pool), dtype=np.uint16)
    names, numbers = np.unique(samples.shards, return_inverse=True)
    codes = samples.codes
    for number, shard in enumerate(names):
        files = {kind: shards.path_of(folder, shard, kind, side) for kind in ("", ".inventory", ".scl")}
        maps = {kind: shards.open_map(path) for kind, path in files.items() if kind == "" or path.exists()}
        for at in np.flatnonzero(numbers == number):
            row = samples.rows[at]
            pixels = np.array(maps[""][row][slots])
            inventory = maps[".inventory"][row] if ".inventory" in maps else None
            field = observing.field_pixels(inventory, codes[at], pixels.shape[-2:])
            scl = maps[".scl"][row][slots] if ".scl" in maps else None
            random = np.random.default_rng((SEED, int(samples.ids[at])))
            result[at] = drawn(pixels, field, _clear(pixels, scl, collection), pool, random)
    return result


def _clear(pixels: np.ndarray, scl: np.ndarray | None, collection: Collection) -> np.ndarray:
    """(T, h, w) bool, where the ground is seen: by the scene classification, else by reflectance as at import."""
    if scl is not None:
        return ~np.isin(scl, screening.MASKED_SCL)
    of_band = {band: reflectance(pixels[:, at]) for at, band in enumerate(collection.bands) if band in ("B02", "B08") or at == 0}
    return screening.clear_pixels(of_band, collection.level)


def drawn(pixels: np.ndarray, field: np.ndarray, clear: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw `count` of the field's pixels at every date: clear ones where there are any, else any that have data.

    Args:
        pixels: (T, B, h, w) uint16, 0 = no data. field: (h, w) bool. clear: (T, h, w) bool.

    Returns:
        (T, B, count) uint16; all 0 at a date without data. Fewer pixels than `count` are drawn more than once.
    """
    result = np.zeros((*pixels.shape[:2], count), dtype=np.uint16)
    has_data = (pixels != NO_DATA).any(axis=1) & field  # (T, h, w)
    for slot in range(len(pixels)):
        clear_here = has_data[slot] & clear[slot]
        places = np.flatnonzero(clear_here if clear_here.any() else has_data[slot])
        if len(places):
            chosen = random.choice(places, count, replace=len(places) < count)
            result[slot] = pixels[slot].reshape(pixels.shape[1], -1)[:, chosen]
    return result
