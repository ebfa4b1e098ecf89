"""What a model is shown: each sample's reflectance series, or its best image, read from the shards. NumPy and the store only."""

from dataclasses import dataclass

import numpy as np

from data import catalogue, packed, shards
from data.errors import PixelsUnreadable
from data.workspace import Workspace
from modeling.samples import Samples

IMAGES = """
select i.sample, i.slot, i.day, i.clear, i.quality, n.mean as ndvi
from image_quality i join sample s on s.id = i.sample
left join index_stat n on n.image = i.image and n.name = 'NDVI'
where s.collection = ?
"""


@dataclass(frozen=True)
class Pixels:
    """The inputs of every sample of a collection, N in the order of `Samples`.

    kind: "series": values (N, T, B) float32 reflectance 0..1, NaN = missing;
        "image": values (N, B, H, W) uint16 reflectance x 10 000, 0 = no data.
    present: (N, T) bool, whether the date counts (T = 1 for images).
    days: (N, T) float32 day of year, 0 where there is no image.
    bands: names along the B axis.
    """

    kind: str
    values: np.ndarray
    present: np.ndarray
    days: np.ndarray
    bands: tuple[str, ...]


def load(workspace: Workspace, samples: Samples, kind: str, dates: str) -> Pixels:
    """Read what a model of this kind is shown.

    Args:
        kind: "series" or "image".
        dates: "all" takes every date but those marked bad, "clear" only those of quality ok; a sample that has none of these
            keeps every date, because a prediction from cloudy dates says more than none.

    Raises:
        PixelsUnreadable: a shard is missing, damaged or of another shape than the catalogue says.
    """
    collection = catalogue.collection(workspace.store, samples.collection)
    if collection.packed:
        return _load_packed(workspace, collection, samples, kind, dates)
    with workspace.store.reading() as db:
        images = db.execute(IMAGES, [samples.collection]).fetchall()
    row_of = {int(sample): row for row, sample in enumerate(samples.ids)}
    if kind == "image":
        slots, days = _best_images(images, row_of)
        shape = (collection.slots, len(collection.bands), collection.height, collection.width)
        return Pixels(kind, _read(workspace, collection, samples, "", shape, slots), (days > 0)[:, None], days[:, None], collection.bands)
    days, usable = _dates(images, row_of, collection.slots, dates)
    series = _read(workspace, collection, samples, ".series", (collection.slots, len(collection.bands)))
    return Pixels(kind, series, _present(series, usable), days, collection.bands)


def _present(series: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """(N, T) the usable dates that have data; all that have where none is usable."""
    seen = np.isfinite(series).any(axis=2)
    usable = usable & seen
    return np.where(usable.any(axis=1, keepdims=True), usable, seen)


def _load_packed(workspace: Workspace, collection: catalogue.Collection, samples: Samples, kind: str, dates: str) -> Pixels:
    """`load` for a packed collection: dates and qualities come from its shards, one at a time."""
    count, slots, bands = len(samples), collection.slots, len(collection.bands)
    if kind == "image":
        images, day = np.zeros((count, bands, 1, 1), dtype=np.uint16), np.zeros(count, dtype=np.float32)
        for block in packed.blocks(workspace, collection, samples.ids):
            at, best = np.searchsorted(samples.ids, block.samples), _best_slots(block)
            rows = np.arange(len(best))
            images[at, :, 0, 0], day[at] = block.pixels[rows, best], block.days[rows, best]
        return Pixels(kind, images, (day > 0)[:, None], day[:, None], collection.bands)
    series, days = np.full((count, slots, bands), np.nan, dtype=np.float32), np.zeros((count, slots), dtype=np.float32)
    present = np.zeros((count, slots), dtype=bool)
    for block in packed.blocks(workspace, collection, samples.ids):
        at, values = np.searchsorted(samples.ids, block.samples), block.series()
        length = values.shape[1]
        usable = block.quality == packed.OK if dates == "clear" else (block.dates > 0) & (block.quality != packed.BAD)
        series[at, :length], days[at, :length], present[at, :length] = values, block.days, _present(values, usable)
    return Pixels(kind, series, present, days, collection.bands)


def _best_slots(block: packed.Block) -> np.ndarray:
    """(n,) the slot that shows each sample best, as `_best_images`: the greenest of the clear ones, else of the cloudy ones."""
    ndvi = np.nan_to_num(block.index("NDVI"), nan=-1.0)
    rank = np.select([block.quality == packed.OK, block.quality == packed.CLOUD, block.dates > 0], [9.0, 6.0, 3.0], 0.0)
    return (rank + ndvi).argmax(axis=1)


def _dates(images: list, row_of: dict[int, int], slots: int, dates: str) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) day of year, and (N, T) whether the quality lets the date count."""
    days = np.zeros((len(row_of), slots), dtype=np.float32)
    usable = np.zeros((len(row_of), slots), dtype=bool)
    for image in images:
        at = row_of[image["sample"]], image["slot"]
        days[at] = image["day"]
        usable[at] = image["quality"] == "ok" if dates == "clear" else image["quality"] != "bad"
    return days, usable


def _best_images(images: list, row_of: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(N,) slot of the image that shows each sample best, and (N,) its day of year, 0 where a sample has no image.

    Best is the greenest of the clear ones (quality ok): the crop is then at its fullest. With none clear, the clearest.
    """
    slots, days = np.zeros(len(row_of), dtype=np.int64), np.zeros(len(row_of), dtype=np.float32)
    best: dict[int, tuple] = {}
    for image in images:
        ok = image["quality"] == "ok"
        rank = (ok, image["quality"] == "cloud", 0.0 if ok else image["clear"], -1.0 if image["ndvi"] is None else image["ndvi"])
        sample = image["sample"]
        if sample not in best or rank > best[sample]:
            best[sample] = rank
            slots[row_of[sample]], days[row_of[sample]] = image["slot"], image["day"]
    return slots, days


def _read(
    workspace: Workspace, collection: catalogue.Collection, samples: Samples, kind: str, shape: tuple[int, ...],
    slots: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Rows of all shards in the order of `samples`; only each sample's slot where `slots` is given."""
    folder, names = workspace.shards(samples.collection), np.array(samples.shards)
    result = None
    for shard in sorted(set(samples.shards)):
        path = shards.path_of(folder, shard, kind, collection.side)
        array, mine = shards.open_map(path), np.flatnonzero(names == shard)
        rows = samples.rows[mine]
        if array.shape[1:] != shape or rows.max() >= len(array):
            raise PixelsUnreadable(
                f"{path} holds an array of shape {array.shape}; the catalogue expects at least {rows.max() + 1} samples of {shape}. "
                "Restore the file from a backup, or import the collection again into a new workspace."
            )
        part = array[rows] if slots is None else array[rows, slots[mine]]
        if result is None:
            result = np.empty((len(samples), *part.shape[1:]), dtype=part.dtype)
        result[mine] = part
    return result
