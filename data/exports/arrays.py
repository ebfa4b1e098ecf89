"""All samples as arrays for training elsewhere: one NumPy file (.npz) or one HDF5 file, written a block of samples at a time.

The arrays, N samples by name, T dates, B bands, H x W pixels:

    x               (N, T, B, H, W) uint16   reflectance x 10 000, 0 = no data; smaller patches fill the upper left corner
    y               (N,) int16               position in `classes` of the label in force, -1 = none (rejected, or not learned)
    label_code      (N,) int32               the inventory's code of the label in force, -1 = none (rejected)
    inventory_code  (N,) int32               the code that the map gave; 0 = none known
    curated         (N,) bool                whether a curator agreed or relabelled
    days            (N, T) int16             day of year, 0 = no image; dates (N, T) int32 as yyyymmdd, the 15th of composites
    mask            (N, T) bool              whether there is an image
    quality         (N, T) uint8             position in `qualities`: 0 no image, 1 ok, 2 cloud, 3 bad
    clear           (N, T) float32           share of clear pixels
    series          (N, T, B) float32        mean reflectance 0..1 of the field's clear pixels, NaN = missing; not for collections of
                                             single pixels, where it is x / scale
    lon, lat        (N,) float64             EPSG:4326
    year, height, width, purity, transform (N, 6), and as text sample, site, region, status, part ('' = in no part), crs

and once for all `classes`, `classes_fr`, `bands`, `slots`, `qualities`, and `scale`, `no_data`, `collection`, `version`, `split`,
`licence`, `attribution`, `level`, `simulated`, which are attributes of the HDF5 file.
"""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np

from data import shards
from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.command import Tell
from data.errors import PixelsUnreadable
from data.exports.images import PackedImages
from data.exports.source import Sample, Source
from data.packed import QUALITIES
from data.report import Report

BLOCK_BYTES = 32 * 2**20  # pixels that are held in memory
CHUNK_BYTES = 2**20  # of an HDF5 dataset: what one read decompresses
NONE = -1  # in y and label_code
TEXTS = ("sample", "site", "region", "status", "part", "crs")
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # the one date of all members, so that the same arrays make the same file

Columns = dict[str, tuple[type, tuple[int, ...]]]  # name -> type and shape of one sample's value


def write_npz(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """`<collection>.npz`, not compressed, so that it is read as fast as the disk is."""
    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    columns = _columns(source)
    with TemporaryDirectory(dir=to) as work:
        with ExitStack() as stack:
            files = {name: stack.enter_context((Path(work) / name).open("wb")) for name in columns}
            for block in _blocks(source, columns, report, tell):
                for name, file in files.items():
                    file.write(block[name].tobytes())
                for name, values in texts.items():
                    values.extend(block[name])
        with zipfile.ZipFile(to / f"{source.collection.name}.npz", "w") as archive:
            for name, (dtype, shape) in columns.items():
                _add_file(archive, name, np.dtype(dtype), (report.done, *shape), Path(work) / name)
            for name, values in (texts | _constants(source)).items():
                with _member(archive, name) as member:
                    np.lib.format.write_array(member, np.array(values), allow_pickle=False)


def write_hdf5(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """`<collection>.h5`, compressed in chunks of about a megabyte, so that any part is read without the rest."""
    import h5py

    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    columns = _columns(source)
    with h5py.File(to / f"{source.collection.name}.h5", "w") as file:
        for name, (dtype, shape) in columns.items():
            _dataset(file, name, np.dtype(dtype), shape, source.count)
        for block in _blocks(source, columns, report, tell):
            done = report.done - len(block["sample"])
            for name in columns:
                file[name].resize(report.done, axis=0)
                file[name][done : report.done] = block[name]
            for name, values in texts.items():
                values.extend(block[name])
        for name, values in (texts | _constants(source)).items():
            if isinstance(values, list):
                file.create_dataset(name, data=values, dtype=h5py.string_dtype())
            else:
                file.attrs[name] = values


def _columns(source: Source) -> Columns:
    collection = source.collection
    dates, bands, height, width = collection.slots, len(collection.bands), collection.height, collection.width
    columns: Columns = {
        "x": (np.uint16, (dates, bands, height, width)), "y": (np.int16, ()), "label_code": (np.int32, ()),
        "inventory_code": (np.int32, ()), "curated": (np.bool_, ()), "days": (np.int16, (dates,)), "dates": (np.int32, (dates,)),
        "mask": (np.bool_, (dates,)), "quality": (np.uint8, (dates,)), "clear": (np.float32, (dates,)),
        "series": (np.float32, (dates, bands)), "lon": (np.float64, ()), "lat": (np.float64, ()), "year": (np.int32, ()),
        "height": (np.int32, ()), "width": (np.int32, ()), "purity": (np.float64, ()), "transform": (np.float64, (6,)),
    }  # fmt: skip
    if collection.is_series:
        del columns["series"]
    return columns


def _constants(source: Source) -> dict[str, Any]:
    """What is said once: lists of text, and single values."""
    collection = source.collection
    return {
        "classes": [entry.name for entry in source.classes], "classes_fr": [entry.name_fr for entry in source.classes],
        "bands": list(collection.bands), "slots": list(collection.slot_names), "qualities": list(QUALITIES),
        "scale": REFLECTANCE_SCALE, "no_data": NO_DATA, "collection": collection.name, "version": str(source.version),
        "split": source.split or "", "licence": collection.licence, "attribution": collection.attribution, "level": collection.level,
        "simulated": collection.simulated,
    }  # fmt: skip


def _blocks(source: Source, columns: Columns, report: Report, tell: Tell) -> Iterator[dict[str, Any]]:
    """The samples whose pixels can be read, some at a time: arrays by the name of their column, and lists of text."""
    size = max(1, min(2_000, BLOCK_BYTES // (2 * int(np.prod(columns["x"][1])))))
    samples = source.samples()
    while batch := list(islice(samples, size)):
        readable, pixels = _pixels(source, batch, columns, report)
        if readable:
            report.done += len(readable)
            tell(report.done + len(report.left_out), source.count, readable[-1].name)
            yield pixels | _labels(source, readable) | _dates(source, readable) | _texts(readable)


def _pixels(source: Source, batch: list[Sample], columns: Columns, report: Report) -> tuple[list[Sample], dict[str, np.ndarray]]:
    kinds = {"x": "", "series": ".series"}
    arrays = {name: np.zeros((len(batch), *columns[name][1]), columns[name][0]) for name in kinds if name in columns}
    kept = []
    for shard, places in groupby(sorted(range(len(batch)), key=lambda place: batch[place].shard), key=lambda place: batch[place].shard):
        group = list(places)
        rows = [batch[place].shard_row for place in group]
        try:
            for name, array in arrays.items():
                found = _rows(source, shard, kinds[name], rows, array.shape)
                array[group, : found.shape[1]] = found
        except PixelsUnreadable as error:
            for place in group:
                report.leave_out("pixels unreadable", batch[place].name, str(error))
        else:
            kept += group
    kept.sort()
    return [batch[place] for place in kept], {name: array[kept] for name, array in arrays.items()}


def _rows(source: Source, shard: str, kind: str, rows: list[int], shape: tuple[int, ...]) -> np.ndarray:
    """Rows of a shard's file. A packed shard may have fewer dates than the collection, `shape`[1]."""
    collection = source.collection
    path = shards.path_of(source.workspace.shards(collection.name), shard, kind, collection.side)
    array = shards.open_map(path)
    fits = array.shape[1] <= shape[1] if collection.packed else array.shape[1] == shape[1]
    if not fits or array.shape[2:] != shape[2:] or max(rows) >= len(array):
        raise PixelsUnreadable(
            f"{path} holds an array of shape {array.shape}; the catalogue expects at least {max(rows) + 1} samples of {shape[1:]}. "
            "Restore the file from a backup, or import the collection again into a new workspace."
        )
    return array[rows]


def _labels(source: Source, samples: list[Sample]) -> dict[str, np.ndarray]:
    position = {entry.name: place for place, entry in enumerate(source.classes)}
    columns = {
        "y": [position.get(source.learned(sample.code), NONE) for sample in samples],
        "label_code": [NONE if sample.code is None else sample.code for sample in samples],
    }
    columns |= {
        name: [getattr(sample, name) for sample in samples]
        for name in ("inventory_code", "curated", "lon", "lat", "year", "height", "width", "purity", "transform")
    }
    types = _columns(source)
    return {name: np.array(values, types[name][0]) for name, values in columns.items()}


def _dates(source: Source, samples: list[Sample]) -> dict[str, np.ndarray]:
    types = _columns(source)
    names = ("days", "dates", "mask", "quality", "clear")
    columns = {name: np.zeros((len(samples), source.collection.slots), types[name][0]) for name in names}
    for row, sample in enumerate(samples):
        if isinstance(sample.images, PackedImages):
            for name in names:
                found = getattr(sample.images, name)
                columns[name][row, : len(found)] = found
        else:
            for image in sample.images:
                values = (image.day, _number(image.acquired), True, QUALITIES.index(image.quality), image.clear)
                for name, value in zip(names, values, strict=True):
                    columns[name][row, image.slot] = value
    return columns


def _number(acquired: str) -> int:
    """2018-06-16 -> 20180616; 2018-06 -> 20180615."""
    return int(acquired.replace("-", "")) if len(acquired) == 10 else int(acquired.replace("-", "")) * 100 + 15


def _texts(samples: list[Sample]) -> dict[str, list[str]]:
    return {
        "sample": [sample.name for sample in samples], "site": [sample.site for sample in samples],
        "region": [sample.region for sample in samples], "status": [sample.state for sample in samples],
        "part": [sample.part or "" for sample in samples], "crs": [sample.crs for sample in samples],
    }  # fmt: skip


def _add_file(archive: zipfile.ZipFile, name: str, dtype: np.dtype, shape: tuple[int, ...], path: Path) -> None:
    with _member(archive, name) as member, path.open("rb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        shutil.copyfileobj(file, member, 2**20)
    path.unlink()  # so that the disk never holds all arrays twice


def _member(archive: zipfile.ZipFile, name: str) -> BinaryIO:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", FIRST_DATE), "w", force_zip64=True)


def _dataset(file: Any, name: str, dtype: np.dtype, shape: tuple[int, ...], count: int) -> None:
    one = max(1, int(np.prod(shape)) * dtype.itemsize)
    chunk = max(1, min(count, CHUNK_BYTES // one))
    file.create_dataset(
        name, shape=(0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=(chunk, *shape), compression="gzip", shuffle=True
    )
