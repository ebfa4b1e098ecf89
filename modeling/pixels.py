"""What a model is shown: each sample's reflectance series, pixels of its field, its patches, or its best one. NumPy and the store only.

Patches are not read here: `Rows` reads them from the shards when they are asked for, batch by batch or all at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from data import catalogue, packed, shards
from data.bands import NO_DATA
from data.catalogue import Collection
from data.errors import CannotTrain, PixelsUnreadable
from data.workspace import Workspace
from modeling import pixelsets, registry
from modeling.config import EACH, TrainConfig
from modeling.samples import Samples

IMAGES = """
select i.sample, i.slot, i.day, cast(substr(i.acquired, 6, 2) as integer) as month, i.clear, i.quality, n.mean as ndvi
from image_quality i join sample s on s.id = i.sample
left join index_stat n on n.image = i.image and n.name = 'NDVI'
where s.collection = ?
"""
OK, CLOUD, BAD = packed.OK, packed.CLOUD, packed.BAD  # qualities as numbers; 0 = no image


@dataclass(frozen=True)
class Rows:
    """An array (N, ...) whose rows lie in shards and are read when they are asked for.

    maps: memory maps (n, T, ...) of the shards. shard, row: (N,) where each sample lies.
    slots: (N,) the one slot of each sample, whose axis is then gone; or (t,) those that all samples keep, in order.
    """

    maps: tuple[np.ndarray, ...]
    shard: np.ndarray
    row: np.ndarray
    slots: np.ndarray
    one_slot: bool

    @property
    def shape(self) -> tuple[int, ...]:
        dates = () if self.one_slot else (len(self.slots),)
        return (len(self.row), *dates, *self.maps[0].shape[2:])

    @property
    def dtype(self) -> np.dtype:
        return self.maps[0].dtype

    @cached_property
    def nbytes(self) -> int:
        """Of all rows, were they in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.row)

    def middle(self, side: int) -> "Rows":
        """The same rows, of which only the middle `side` x `side` pixels are read."""
        return replace(self, maps=tuple(_middle(array, side) for array in self.maps))

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """(n,) int positions -> (n, ...), copied into memory."""
        result = np.empty((len(index), *self.shape[1:]), dtype=self.dtype)
        whole = not self.one_slot and len(self.slots) == self.maps[0].shape[1]
        for number in np.unique(self.shard[index]):
            mine = np.flatnonzero(self.shard[index] == number)
            rows = self.row[index[mine]]
            if self.one_slot:
                result[mine] = self.maps[number][rows, self.slots[index[mine]]]
            else:
                result[mine] = self.maps[number][rows] if whole else self.maps[number][rows[:, None], self.slots]
        return result


@dataclass(frozen=True)
class Pixels:
    """The inputs of every sample of a collection, N in the order of `Samples`.

    kind: of the model, as in `registry`:
        "series": values (N, T, B) float32 reflectance 0..1, NaN = missing; or uint16 as below;
        "pixels": values (N, T, B, S) uint16 reflectance x 10 000, 0 = no data; S pixels of the field at every date, in no order;
        "sequence": values (N, T, B, H, W) uint16;
        "image": values (N, B, H, W) uint16 of one date; or (N, T, B, H, W), where each image is an example of its own.
    present: (N, T) bool, whether the date counts (T = 1 for one date).
    days: (N, T) float32 day of year, 0 where there is no image.
    bands: names along the B axis.
    """

    kind: str
    values: np.ndarray | Rows
    present: np.ndarray
    days: np.ndarray
    bands: tuple[str, ...]

    @property
    def seen(self) -> np.ndarray:
        """(N,) bool, whether the model is shown anything of the sample."""
        return self.present.any(axis=1)


@dataclass(frozen=True)
class Dates:
    """The images of every sample, N in the order of `Samples`; (N, T) each.

    days: int64 day of year, 0 = no image. months: int64 1 ... 12.
    quality: int64, OK, CLOUD, BAD; 0 = no image, or one without any data.
    rank: float64, how well the image shows a crop: the greenest of the clear ones first.
    """

    days: np.ndarray
    months: np.ndarray
    quality: np.ndarray
    rank: np.ndarray


def load(workspace: Workspace, samples: Samples, config: TrainConfig) -> Pixels:
    """Read what the model of `config` is shown, of the months, dates and middle of the patch that it asks for.

    A sample that has no date of the wanted quality in these months is shown those of any, because a prediction from cloudy dates says
    more than none.

    Raises:
        CannotTrain: no sample has an image in these months.
        PixelsUnreadable: a shard is missing, damaged or of another shape than the catalogue says.
    """
    collection, kind = catalogue.collection(workspace.store, samples.collection), registry.named(config.model).kind
    dates = (_packed_dates if collection.packed else _dates)(workspace, collection, samples)
    asked = _asked(dates, config, collection)
    if kind == registry.IMAGE and config.months != EACH:
        found = _best(workspace, collection, samples, dates, asked)
    else:
        found = _all(workspace, collection, samples, dates, asked, config)
    is_patch = config.window and isinstance(found.values, Rows)
    return replace(found, values=found.values.middle(config.window)) if is_patch else found


def _all(workspace: Workspace, collection: Collection, samples: Samples, dates: Dates, asked: np.ndarray, config: TrainConfig) -> Pixels:
    """Every date of those asked for."""
    kind = registry.named(config.model).kind
    slots = np.flatnonzero(asked.any(axis=0))
    usable = asked & ((dates.quality == OK) if config.dates == "clear" else (dates.quality != BAD))
    present = np.where(usable.any(axis=1, keepdims=True), usable, asked)[:, slots]
    values = READERS[kind](workspace, collection, samples, slots)
    return Pixels(kind, values, present, dates.days[:, slots].astype(np.float32), collection.bands)


def _asked(dates: Dates, config: TrainConfig, collection: Collection) -> np.ndarray:
    """(N, T) bool, the images of the months that are asked for."""
    months = config.month_numbers
    asked = (dates.quality > 0) & (np.isin(dates.months, months) if months else True)
    if not asked.any():
        there = ", ".join(map(str, np.unique(dates.months[dates.quality > 0]))) or "none at all"
        raise CannotTrain(f"No sample of {collection.name} has an image in the months {config.months}; there are images in {there}.")
    return asked


def _best(workspace: Workspace, collection: Collection, samples: Samples, dates: Dates, asked: np.ndarray) -> Pixels:
    """One image a sample: the best of those asked for."""
    rank = np.where(asked, dates.rank, -np.inf)
    slots, rows = rank.argmax(axis=1), np.arange(len(samples))
    present = asked[rows, slots]
    days = np.where(present, dates.days[rows, slots], 0).astype(np.float32)
    if collection.packed:
        values = _packed_pixels(workspace, collection, samples, np.arange(collection.slots))[rows, slots, :, None, None]
    else:
        values = _rows(workspace, collection, samples, slots, one_slot=True)
    return Pixels(registry.IMAGE, values, present[:, None], days[:, None], collection.bands)


def _dates(workspace: Workspace, collection: Collection, samples: Samples) -> Dates:
    with workspace.store.reading() as db:
        db.conn.row_factory = None
        images = db.execute(IMAGES, [samples.collection]).fetchall()
    shape = len(samples), collection.slots
    found = Dates(*(np.zeros(shape, dtype=np.int64) for _ in range(3)), np.full(shape, -np.inf))
    numbers, slots, days, months, clear, quality, ndvi = zip(*images, strict=True) if images else [()] * 7
    at = np.searchsorted(samples.ids, np.array(numbers, dtype=np.int64)), np.array(slots, dtype=np.int64)
    found.days[at], found.months[at] = days, months
    found.quality[at] = [packed.QUALITIES.index(word) for word in quality]
    found.rank[at] = _ranks(found.quality[at], np.array(clear, dtype=np.float64), np.array(ndvi, dtype=np.float64))
    series = _series(workspace, collection, samples, np.arange(collection.slots))
    found.quality[~np.isfinite(series).any(axis=2)] = 0
    return found


def _ranks(quality: np.ndarray, clear: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
    """The greenest of the clear ones (quality ok), for the crop is then at its fullest; with none clear, the clearest."""
    level = np.select([quality == OK, quality == CLOUD, quality == BAD], [9.0, 6.0, 3.0], -np.inf)
    return level + np.where(quality == OK, np.nan_to_num(ndvi, nan=-1.0), clear)


def _packed_dates(workspace: Workspace, collection: Collection, samples: Samples) -> Dates:
    shape = len(samples), collection.slots
    found = Dates(*(np.zeros(shape, dtype=np.int64) for _ in range(3)), np.full(shape, -np.inf))
    for block in packed.blocks(workspace, collection, samples.ids):
        at, length = np.searchsorted(samples.ids, block.samples), block.dates.shape[1]
        has_data = (block.pixels != NO_DATA).any(axis=2)
        found.days[at, :length], found.quality[at, :length] = block.days, np.where(has_data, block.quality, 0)
        found.months[at, :length] = block.months
        found.rank[at, :length] = _ranks(block.quality, np.ones(block.quality.shape), block.index("NDVI"))
    return found


Reader = Callable[[Workspace, Collection, Samples, np.ndarray], np.ndarray | Rows]


def _series(workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray) -> np.ndarray:
    if collection.packed:
        return _packed_pixels(workspace, collection, samples, slots)
    return _rows(workspace, collection, samples, slots, kind=".series")[np.arange(len(samples))]


def _field_pixels(workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray) -> np.ndarray:
    if collection.packed:
        return _packed_pixels(workspace, collection, samples, slots)[..., None]
    return pixelsets.load(workspace, collection, samples, slots)


def _patches(workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray) -> np.ndarray | Rows:
    if collection.packed:
        return _packed_pixels(workspace, collection, samples, slots)[..., None, None]
    return _rows(workspace, collection, samples, slots)


READERS: dict[str, Reader] = {
    registry.SERIES: _series, registry.PIXELS: _field_pixels, registry.SEQUENCE: _patches, registry.IMAGE: _patches,
}  # fmt: skip


def _middle(array: np.ndarray, side: int) -> np.ndarray:
    """A view of the middle `side` x `side` pixels of (..., H, W), or of what there is of them."""
    rows, columns = (slice(max(0, (size - side) // 2), max(0, (size - side) // 2) + side) for size in array.shape[-2:])
    return array[..., rows, columns]


def _packed_pixels(workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray) -> np.ndarray:
    """(N, t, B) uint16 at the dates `slots`, held once: a country's parcels are a gigabyte."""
    result = np.zeros((len(samples), len(slots), len(collection.bands)), dtype=np.uint16)
    for block in packed.blocks(workspace, collection, samples.ids):
        there = slots[slots < block.pixels.shape[1]]
        result[np.searchsorted(samples.ids, block.samples), : len(there)] = block.pixels[:, there]
    return result


def _rows(
    workspace: Workspace, collection: Collection, samples: Samples, slots: np.ndarray, *, kind: str = "", one_slot: bool = False
) -> Rows:
    """The rows of all shards in the order of `samples`."""
    names, numbers = np.unique(samples.shards, return_inverse=True)
    shape = (collection.slots, len(collection.bands), *(() if kind else (collection.height, collection.width)))
    maps = []
    for number, shard in enumerate(names):
        path = shards.path_of(workspace.shards(samples.collection), shard, kind, collection.side)
        array, last = shards.open_map(path), samples.rows[numbers == number].max()
        if array.shape[1:] != shape or last >= len(array):
            raise PixelsUnreadable(
                f"{path} holds an array of shape {array.shape}; the catalogue expects at least {last + 1} samples of {shape}. "
                "Restore the file from a backup, or import the collection again into a new workspace."
            )
        maps.append(array)
    return Rows(tuple(maps), numbers, samples.rows, slots, one_slot)
