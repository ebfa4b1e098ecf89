"""Packed collections: parcel series by the hundred thousand, whose images have no rows in the database until somebody looks at them.

A shard of a packed collection has patches of 1 x 1 pixel and three files (see `data.shards`): pixels, dates and quality. It has as
many slots as its longest series; a collection's T is that of its longest shard, and the rest is empty. What `image` and `index_stat`
would hold follows from these files: readers take it from there a shard at a time (`blocks`), and `materialise` writes the rows of
single samples when they are first looked at, so that events on images work as everywhere. A quality that a curator marked stands in
events alone and is laid over what the shard says.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sqlite_utils import Database

from data import importing, indices, shards
from data.bands import reflectance
from data.catalogue import Collection
from data.errors import PixelsUnreadable
from data.importing import CollectionSpec
from data.report import Report
from data.store import Store
from data.workspace import Workspace

QUALITIES = ("", "ok", "cloud", "bad")  # by their number in the quality files; 0 = no image
OK, CLOUD, BAD = 1, 2, 3
_DATES = np.arange(2**16).astype("datetime64[D]")  # all that a dates file can hold
_MONTHS = _DATES.astype("datetime64[M]").astype(np.int64)  # since January 1970
_DAYS_OF_YEAR = (_DATES - _DATES.astype("datetime64[Y]")).astype(np.int64) + 1
_DAYS_OF_YEAR[0] = 0

UNSEEN = """
select s.id, s.collection, s.shard, s.shard_row, c.bands from sample s join collection c on c.name = s.collection
where c.packed and s.id in (select value from json_each(?)) and not exists (select 1 from image i where i.sample = s.id)
"""
MARKS = """
select q.sample, q.slot, q.acquired, i.quality as before, q.quality as now
from (select distinct e.image from event e join sample s on s.id = e.sample where s.collection = ? and e.image is not null) m
join image i on i.id = m.image join image_quality q on q.image = i.id
"""


@dataclass(frozen=True)
class Batch:
    """N samples of one region and year on their way into a shard.

    names: also of their sites.
    lon, lat: (N,) EPSG:4326; transforms: N times a b c d e f, (column, row) of the upper left corner -> EPSG:4326.
    polygons: N GeoJSON geometries in EPSG:4326 as text, or None.
    codes: (N,) inventory codes, 0 = none known.
    pixels: (N, T, B) uint16 reflectance x 10 000, 0 = no data; a sample's images come first, in time order.
    dates: (N, T) uint16 days since 1970-01-01, 0 = no image.
    quality: (N, T) uint8, positions in QUALITIES.
    """

    names: list[str]
    region: str
    year: int
    lon: np.ndarray
    lat: np.ndarray
    transforms: list[tuple[float, ...]]
    polygons: list[str | None]
    codes: np.ndarray
    pixels: np.ndarray
    dates: np.ndarray
    quality: np.ndarray


def import_packed(
    workspace: Workspace,
    spec: CollectionSpec,
    plan: Sequence[tuple[str, Sequence[str]]],
    make: Callable[[list[str]], tuple[Batch | None, Report]],
    report: Report,
    *,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Import the samples of `plan` a shard at a time; those that are there already are not made again.

    The files of a shard are written whole first, then one transaction adds its rows. A name that `make` leaves out is tried again
    when the same import is run again; it then goes to a shard of its own.

    Args:
        plan: shards with the names of their samples, in a fixed order, the same at every call.
        make: names of a shard -> its samples in that order, without those that cannot be made (None = no sample is left), and a
            report of these.
        report: is filled with the reports of `make`; its `done` grows by the number of the plan's samples in the collection.
        progress: told after every shard: samples done, samples in all, and the collection's name.

    Raises:
        BadInput: there is another collection of that name.
    """
    importing.begin(workspace, spec)
    present = _present(workspace.store, spec.name)
    tries = Counter(shard.split("~")[0] for shard in set(present.values()))
    total, done = sum(len(names) for _, names in plan), 0
    for shard, names in plan:
        missing = [name for name in names if name not in present]
        report.done += len(names) - len(missing)
        if missing:
            batch, told = make(missing)
            if batch is not None:
                _write(workspace, spec, f"{shard}~{tries[shard]}" if tries[shard] else shard, batch)
                report.done += len(batch.names)
            report.left_out += told.left_out
            report.remarks += told.remarks
        done += len(names)
        progress(done, total, spec.name)


def _present(store: Store, collection: str) -> dict[str, str]:
    """Sample name -> shard."""
    with store.reading() as db:
        db.conn.row_factory = None
        return dict(db.execute("select name, shard from sample where collection = ?", [collection]))


def _write(workspace: Workspace, spec: CollectionSpec, shard: str, batch: Batch) -> None:
    folder = workspace.shards(spec.name)
    shards.write(shards.path_of(folder, shard), batch.pixels[..., None, None])
    shards.write(shards.path_of(folder, shard, ".dates"), batch.dates)
    shards.write(shards.path_of(folder, shard, ".quality"), batch.quality)
    with workspace.store.writing() as db:
        importing.add_collection(db, spec)
        importing.add_codes(db, spec, {int(code) for code in np.unique(batch.codes)})
        first = db.execute("select coalesce(max(id), 0) + 1 from site").fetchone()[0]
        db.conn.executemany(
            "insert into site (id, collection, name, lon, lat, region, polygon) values (?, ?, ?, ?, ?, ?, ?)",
            (
                (first + row, spec.name, name, float(batch.lon[row]), float(batch.lat[row]), batch.region, batch.polygons[row])
                for row, name in enumerate(batch.names)
            ),
        )
        db.conn.executemany(
            """insert into sample (collection, site, name, year, inventory_code, modal_code, purity, shard, shard_row,
                height, width, crs, transform, shuffle) values (?, ?, ?, ?, ?, ?, 1, ?, ?, 1, 1, 'EPSG:4326', ?, ?)""",
            (
                (
                    spec.name, first + row, name, batch.year, int(batch.codes[row]), int(batch.codes[row]), shard, row,
                    json.dumps(batch.transforms[row]), importing.shuffle(spec.name, name),
                )
                for row, name in enumerate(batch.names)
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class Block:
    """The samples of one shard, n of them, over its T slots, which may be fewer than the collection's.

    samples: (n,) int64 numbers.
    dates: (n, T) uint16 days since 1970-01-01, 0 = no image.
    quality: (n, T) uint8 in force, positions in QUALITIES.
    pixels: (n, T, B) uint16 reflectance x 10 000, 0 = no data; may be a memory map.
    """

    samples: np.ndarray
    dates: np.ndarray
    quality: np.ndarray
    pixels: np.ndarray
    bands: tuple[str, ...]

    @property
    def days(self) -> np.ndarray:
        """(n, T) int64 day of year, 0 = no image."""
        return day_of_year(self.dates)

    @property
    def months(self) -> np.ndarray:
        """(n, T) int64 month 1 ... 12, 0 = no image."""
        return np.where(self.dates > 0, _MONTHS[self.dates] % 12 + 1, 0)

    def series(self) -> np.ndarray:
        """(n, T, B) float32 reflectance 0..1, NaN = no data."""
        return reflectance(self.pixels)

    def index(self, name: str) -> np.ndarray:
        """(n, T) float32 of a vegetation index, NaN = no data. Raises UnknownIndex where the bands for it are missing."""
        wanted = indices.named(name).bands
        present = {band: reflectance(self.pixels[..., place]) for place, band in enumerate(self.bands) if band in wanted}
        return indices.compute(name, present)


def blocks(workspace: Workspace, collection: Collection, samples: Iterable[int] | np.ndarray | None = None) -> Iterator[Block]:
    """The samples of a packed collection, a shard at a time.

    Args:
        samples: numbers of those that are wanted; None = all. An import may add others while one reads.

    Raises:
        PixelsUnreadable: a shard is missing, damaged or of another shape than the catalogue says.
    """
    wanted = None if samples is None else np.unique(np.fromiter(samples, np.int64))
    with workspace.store.reading() as db:
        marks = [(row["sample"], row["slot"], QUALITIES.index(row["now"])) for row in db.execute(MARKS, [collection.name])]
    marked = np.array(marks, dtype=np.int64).reshape(-1, 3)
    for shard in _shards(workspace.store, collection.name, wanted):
        with workspace.store.reading() as db:
            db.conn.row_factory = None
            query = "select id, shard_row from sample where collection = ? and shard = ? order by shard_row"
            numbers, rows = np.array(db.execute(query, [collection.name, shard]).fetchall(), dtype=np.int64).T
        kept = slice(None) if wanted is None else np.isin(numbers, wanted)
        yield _block(workspace, collection, shard, numbers[kept], rows[kept], marked)


def _shards(store: Store, collection: str, samples: np.ndarray | None = None) -> list[str]:
    """The collection's shards, or those that hold some of these samples."""
    among = "" if samples is None else "and id in (select value from json_each(?))"
    given = [collection] if samples is None else [collection, json.dumps(samples.tolist())]
    with store.reading() as db:
        return [row["shard"] for row in db.execute(f"select distinct shard from sample where collection = ? {among} order by shard", given)]


def _block(workspace: Workspace, collection: Collection, shard: str, numbers: np.ndarray, rows: np.ndarray, marked: np.ndarray) -> Block:
    pixels, dates, quality = (_rows(workspace, collection, shard, kind, rows) for kind in ("", ".dates", ".quality"))
    order = np.argsort(numbers)
    mine = marked[np.isin(marked[:, 0], numbers)]
    quality = np.array(quality)
    quality[order[np.searchsorted(numbers[order], mine[:, 0])], mine[:, 1]] = mine[:, 2]
    return Block(numbers, np.asarray(dates), quality, pixels[..., 0, 0], collection.bands)


def _rows(workspace: Workspace, collection: Collection, shard: str, kind: str, rows: np.ndarray) -> np.ndarray:
    """Rows of a shard's file; the memory map itself where they are all of it in order."""
    path = shards.path_of(workspace.shards(collection.name), shard, kind)
    array = shards.open_map(path)
    rest = (len(collection.bands), collection.height, collection.width) if kind == "" else ()
    if array.ndim < 2 or array.shape[1] > collection.slots or array.shape[2:] != rest or (len(rows) and rows.max() >= len(array)):
        raise PixelsUnreadable(
            f"{path} holds an array of shape {array.shape}; the catalogue expects at least {rows.max(initial=-1) + 1} samples of "
            f"{(collection.slots, *rest)} or fewer dates. Restore the file from a backup, or import the collection again into a new "
            "workspace."
        )
    return array if np.array_equal(rows, np.arange(len(array))) else array[rows]


def day_of_year(dates: np.ndarray) -> np.ndarray:
    """uint16 days since 1970-01-01 -> int64 day of year from 1; 0 stays 0."""
    return _DAYS_OF_YEAR[dates]


def iso(date: int) -> str:
    """17167 days since 1970-01-01 -> 2017-01-01."""
    return str(np.datetime64(int(date), "D"))


def materialise(workspace: Workspace, samples: Iterable[Any]) -> None:
    """Write the rows of `image` and `index_stat` of those samples of packed collections that have none yet.

    Called before somebody looks at or decides on a sample. What is no sample's number is passed over; so is a sample whose pixels
    cannot be read, which the card names.
    """
    wanted = [number for number in samples if isinstance(number, int) and not isinstance(number, bool)]
    with workspace.store.reading() as db:
        unseen = db.execute(UNSEEN, [json.dumps(wanted)]).fetchall()
    made = {row["id"]: found for row in unseen if (found := _images(workspace, row))}
    if not made:
        return
    with workspace.store.writing() as db:
        for sample, images in made.items():
            if not db.execute("select 1 from image where sample = ?", [sample]).fetchone():
                _add_images(db, sample, images)


def _images(workspace: Workspace, row: Any) -> list[tuple[int, str, int, int, dict[str, float]]]:
    """Slot, date, day of year, quality and indices of every image of a sample; none where its shard cannot be read."""
    folder, bands = workspace.shards(row["collection"]), tuple(json.loads(row["bands"]))
    try:
        pixels, dates, quality = (shards.read_row(folder, row["shard"], row["shard_row"], kind) for kind in ("", ".dates", ".quality"))
    except PixelsUnreadable:
        return []
    by_band = dict(zip(bands, reflectance(pixels[..., 0, 0]).T, strict=True))
    values = {name: indices.compute(name, by_band) for name in indices.available(bands)}
    days = day_of_year(dates)
    return [
        (int(slot), iso(dates[slot]), int(days[slot]), int(quality[slot]), {name: value[slot] for name, value in values.items()})
        for slot in np.flatnonzero(dates)
    ]


def _add_images(db: Database, sample: int, images: list[tuple[int, str, int, int, dict[str, float]]]) -> None:
    for slot, acquired, day, quality, values in images:
        image = db.execute(
            "insert into image (sample, slot, acquired, day, clear, quality) values (?, ?, ?, ?, ?, ?)",
            [sample, slot, acquired, day, float(quality == OK), QUALITIES[quality]],
        ).lastrowid
        db.conn.executemany(
            "insert into index_stat (image, name, mean, sd, p10, median, p90) values (?, ?, ?, ?, ?, ?, ?)",
            [(image, name, *_single(float(value))) for name, value in values.items()],
        )


def _single(value: float) -> tuple[float | None, ...]:
    """mean, sd, p10, median and p90 of one value; all null where it is undefined."""
    if not np.isfinite(value):
        return (None,) * 5
    value = round(value, 5)
    return value, 0.0, value, value, value


def months(workspace: Workspace, collection: Collection, *, in_force: bool) -> Counter[tuple[str, str]]:
    """(month as YYYY-MM, quality) -> images.

    Args:
        in_force: with the qualities that curators marked; else as imported.
    """
    found: Counter[tuple[str, str]] = Counter()
    for shard in _shards(workspace.store, collection.name):
        found.update(_counted(*_stamped(workspace, collection, shard))[0])
    if in_force:
        with workspace.store.reading() as db:
            for row in db.execute(MARKS, [collection.name]):
                found[row["acquired"][:7], row["before"]] -= 1
                found[row["acquired"][:7], row["now"]] += 1
    return +found


def span(workspace: Workspace, collection: Collection) -> tuple[str | None, str | None]:
    """The first and the last date (ISO) of the collection's images; None where it has none."""
    ends = [_counted(*_stamped(workspace, collection, shard))[1] for shard in _shards(workspace.store, collection.name)]
    dates = [date for end in ends if end for date in end]
    return (iso(min(dates)), iso(max(dates))) if dates else (None, None)


def _stamped(workspace: Workspace, collection: Collection, shard: str) -> tuple[str, str, int]:
    paths = [shards.path_of(workspace.shards(collection.name), shard, kind) for kind in (".dates", ".quality")]
    return (*map(str, paths), paths[0].stat().st_mtime_ns if paths[0].exists() else 0)


@lru_cache(maxsize=4096)
def _counted(dates_path: str, quality_path: str, stamp: int) -> tuple[Counter[tuple[str, str]], tuple[int, int] | None]:
    """Images by month and quality, and the first and last date, of a shard, which never changes."""
    dates, quality = shards.open_map(dates_path), shards.open_map(quality_path)
    there = dates > 0
    days = dates[there]
    counts = np.bincount(_MONTHS[days] * len(QUALITIES) + quality[there])
    found: Counter[tuple[str, str]] = Counter()
    for key in np.flatnonzero(counts).tolist():
        found[str(np.datetime64(key // len(QUALITIES), "M")), QUALITIES[key % len(QUALITIES)]] = int(counts[key])
    return found, (int(days.min()), int(days.max())) if len(days) else None
