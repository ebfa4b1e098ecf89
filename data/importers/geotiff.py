"""Folders of multi-band GeoTIFFs, a file an image, with a manifest: how they become a collection.

The manifest says which files belong to which sample (`data.importers.manifest`), `collection.json` and options what all share
(`data.importers.described`), and the rasters themselves their bands, grid, data type, scale and no-data value.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from data.errors import BadInput
from data.importers import described, placing
from data.importers.described import LARGEST_PX, Legend, Options, Plan, Unusable
from data.importers.manifest import Entry, ImageRow
from data.importing import CollectionSpec, NewSample
from data.report import Report

WORKERS = 4  # threads that read; GDAL lets go of Python's lock
SAME_GRID = 1e-3  # of a pixel


@dataclass(frozen=True)
class Header:
    """What a raster says of itself. bands: the file's bands that are Sentinel-2's, in its order -> their number from 1."""

    crs: str
    transform: tuple[float, ...]
    height: int
    width: int
    count: int
    bands: dict[str, int]


def plan(folder: Path, entries: list[Entry], told: dict, options: Options, report: Report) -> Plan:
    """The import of the samples that a manifest lists. `told` is as `described.describe` gives it; where it lacks the bands or the
    patches' size, the header of every raster is read.

    Raises:
        BadInput: no raster can be opened, nothing tells the bands, or the legend cannot be read.
    """
    headers = [] if {"bands", "height", "width"} <= told.keys() else _headers(folder, entries, options)
    slots, aligned = described.season({entry.name: [image.date for image in entry.images] for entry in entries}, told)
    legend = described.legend(Counter(entry.crop for entry in entries), told, options.legend, report)
    spec = described.spec(
        told,
        slots=slots,
        aligned=aligned,
        composites=all(len(image.date) == len("2021-06") for entry in entries for image in entry.images),
        bands=_bands(told, headers, folder),
        height=told.get("height") or max(header.height for header in headers),
        width=told.get("width") or max(header.width for header in headers),
        legend=legend,
        split=(told.get("split") or "given") if any(entry.part for entry in entries) else "",
        origin=described.origin("GeoTIFF", entries, options, folder),
    )
    by_name = {entry.name: entry for entry in entries}
    make = partial(_make, entries=by_name, spec=spec, legend=legend, options=options, outlines=placing.outlines(folder))
    return Plan(spec, list(by_name), make, report)


def _headers(folder: Path, entries: list[Entry], options: Options) -> list[Header]:
    """The headers of all rasters that can be opened; the others are reported when their samples are made."""
    files = [image.file for entry in entries for image in entry.images]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(partial(_tried, options=options), files))
    headers = [header for header in found if isinstance(header, Header)]
    if not headers:
        raise BadInput(f"Not one of the {len(files)} GeoTIFFs in {folder} can be used. {found[0].kind}: {found[0].fact}")
    return headers


def _tried(file: Path, options: Options) -> Header | Unusable:
    try:
        with opened(file) as raster:
            return _header(raster, options)
    except Unusable as problem:
        return problem


@contextmanager
def opened(file: Path) -> Iterator[rasterio.DatasetReader]:
    """The GeoTIFF, open; no other format, so that a manifest cannot make GDAL fetch anything.

    Raises:
        Unusable: it cannot be opened.
    """
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"):  # else GDAL lists the whole folder for every file
        try:
            raster = rasterio.open(file, driver="GTiff")
        except RasterioError as error:
            raise Unusable("unreadable files", f"{file.name}: {error}") from error
        with raster:
            yield raster


def _header(raster, options: Options) -> Header:
    if raster.crs is None and options.crs is None:
        raise Unusable("rasters without CRS", f"{Path(raster.name).name}; give it one with gdal_edit, or say --crs")
    if raster.transform.is_identity:
        raise Unusable("rasters without a position", f"{Path(raster.name).name} has a CRS but no transform")
    if max(raster.shape) > LARGEST_PX:
        raise Unusable("rasters too large for a patch", f"{raster.height} x {raster.width} px; the most is {LARGEST_PX}; cut it")
    bands = {described.band_name(name): number for number, name in enumerate(raster.descriptions, start=1)}
    bands.pop(None, None)
    crs = placing.crs_text(raster.crs or options.crs)
    return Header(crs, tuple(raster.transform)[:6], raster.height, raster.width, raster.count, bands)


def _bands(told: dict, headers: Iterable[Header], folder: Path) -> tuple[str, ...]:
    if told.get("bands"):
        return described.band_names(told["bands"])
    named = next((header for header in headers if header.bands), None)
    if named is None:
        raise BadInput(f"The GeoTIFFs in {folder} do not name their bands. Say them in their order, as in --bands B02,B03,B04,B08.")
    return tuple(named.bands)


# Making samples


def _make(
    names: list[str], *, entries: dict[str, Entry], spec: CollectionSpec, legend: Legend, options: Options, outlines: dict
) -> tuple[list[NewSample], Report]:
    samples, report = [], Report()
    for name in names:
        try:
            samples.append(_sample(entries[name], spec, legend, options, outlines, report))
        except Unusable as problem:
            report.leave_out(problem.kind, name, problem.fact)
    return samples, report


def _sample(entry: Entry, spec: CollectionSpec, legend: Legend, options: Options, outlines: dict, report: Report) -> NewSample:
    """Read a sample's images; those that cannot be used go to `report`.

    Raises:
        Unusable: none can, or they lie on different grids.
    """
    at = described.places([image.date for image in entry.images], spec.slots, spec.aligned)
    read: dict[int, tuple[ImageRow, Header, np.ndarray]] = {}
    for image in entry.images:
        try:
            if image.date not in at:
                raise Unusable("dates outside of the season", f"the slots are {spec.slots[0]} ... {spec.slots[-1]}")
            read[at[image.date]] = (image, *_read(image.file, spec.bands, options))
        except Unusable as problem:
            report.leave_out(problem.kind, f"{entry.name} {image.date}", problem.fact)
    if not read:
        raise Unusable("samples without any image")
    header, height, width = _grid(read)
    if height > spec.height or width > spec.width:
        raise Unusable("patches larger than the collection's", f"{height} x {width} px; it has room for {spec.height} x {spec.width}")
    pixels = np.zeros((len(spec.slots), len(spec.bands), height, width), np.uint16)
    for slot, (_, _, values) in read.items():
        pixels[slot, :, : values.shape[1], : values.shape[2]] = values
    scl = _scl(entry, read, pixels.shape, options, report)
    outline, lon, lat = placing.place(entry, pixels, header.crs, header.transform, outlines.get(entry.site), report)
    rows = {slot: image for slot, (image, _, _) in read.items()}
    slots = range(len(spec.slots))
    return NewSample(
        name=entry.name,
        site=entry.site,
        lon=lon,
        lat=lat,
        region=entry.region,
        year=entry.year,
        inventory_code=legend.codes[entry.crop],
        pixels=pixels,
        acquired=tuple(rows[slot].date if slot in rows else None for slot in slots),
        interpolated=tuple(slot in rows and rows[slot].interpolated for slot in slots),
        crs=header.crs,
        transform=header.transform,
        inventory=_inventory(entry, read, (height, width), report),
        polygon=outline,
        field=placing.field(outlines.get(entry.site), pixels, header.crs, header.transform),
        clear=None if scl is None else ~np.isin(scl, options.masked),
        scl=scl,
        quality=tuple(rows[slot].quality if slot in rows else None for slot in slots),
        sources=tuple(rows[slot].sources if slot in rows else () for slot in slots),
        part=entry.part,
    )


def _read(file: Path, bands: tuple[str, ...], options: Options) -> tuple[Header, np.ndarray]:
    """(B, h, w) pixels of the collection's bands: by name where the file names them, else in their order."""
    with opened(file) as raster:
        header = _header(raster, options)
        if header.bands and not set(bands) <= set(header.bands):
            raise Unusable("files without a needed band", f"{file.name} lacks {', '.join(b for b in bands if b not in header.bands)}")
        if not header.bands and header.count != len(bands):
            raise Unusable("files with another number of bands", f"{file.name} has {header.count}, not {len(bands)}")
        numbers = [header.bands[band] for band in bands] if header.bands else list(raster.indexes)
        try:
            values = raster.read(numbers)
            valid = _valid(raster, numbers, values, options.nodata)
        except RasterioError as error:
            raise Unusable("unreadable files", f"{file.name}: {error.__cause__ or error}") from error
        scales = [scaling(raster, number, options) for number in numbers]
        read = zip(values, valid, scales, strict=True)
        return header, np.stack([described.to_pixels(value, good, *scale) for value, good, scale in read])


def _valid(raster, numbers: list[int], values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where there is data: by `nodata`, else by the file's no-data value or mask; where it has neither, 0 is no data."""
    nodata = raster.nodata if nodata is None else nodata
    if nodata is not None and np.isnan(nodata):
        return ~np.isnan(values)
    if nodata is not None:
        return values != nodata
    masked = any("all_valid" not in {flag.name for flag in raster.mask_flag_enums[number - 1]} for number in numbers)
    return raster.read_masks(numbers) > 0 if masked else values != 0


def scaling(raster, number: int, options: Options) -> tuple[float, float]:
    """Scale and offset to reflectance: as the user or the file says, else whole numbers are reflectance x 10 000."""
    if options.scale is not None:
        return options.scale, 0.0
    scale, offset = raster.scales[number - 1], raster.offsets[number - 1]
    if (scale, offset) != (1.0, 0.0):
        return scale, offset
    return (1.0 if raster.dtypes[number - 1].startswith("float") else 1e-4), 0.0


def _grid(read: dict[int, tuple[ImageRow, Header, np.ndarray]]) -> tuple[Header, int, int]:
    """The common grid, and room for the largest file."""
    images = [(image.file.name, header) for image, header, _ in read.values()]
    for (name, one), (other_name, other) in pairwise(images):
        if not same_grid(one, other):
            raise Unusable("samples on different grids", f"{name}: {_grid_text(one)}; {other_name}: {_grid_text(other)}")
    return images[0][1], max(header.height for _, header in images), max(header.width for _, header in images)


def same_grid(one: Header, other: Header) -> bool:
    """Whether both have their upper left corner and pixels in the same place, to a thousandth of a pixel."""
    tolerance = SAME_GRID * max(abs(value) for value in (one.transform[0], one.transform[1], one.transform[4]))
    return one.crs == other.crs and np.allclose(one.transform, other.transform, rtol=0, atol=tolerance)


def _grid_text(header: Header) -> str:
    crs = header.crs if len(header.crs) < 20 else header.crs[:20] + "..."
    return f"{crs} {[round(value, 6) for value in header.transform]}"


def _scl(entry: Entry, read: dict, shape: tuple[int, ...], options: Options, report: Report) -> np.ndarray | None:
    """(T, h, w) uint8 where every image has its scene classification, else None."""
    classes = np.zeros((shape[0], *shape[2:]), np.uint8)
    for slot, (image, header, _) in read.items():
        if image.scl is None:
            return None
        try:
            of_it = _layer(image.scl, header)
        except Unusable as problem:
            report.remark(f"scene classification not used: {problem.kind}", f"{entry.name} {image.date}", problem.fact)
            return None
        classes[slot, : of_it.shape[0], : of_it.shape[1]] = of_it
    return classes


def _inventory(entry: Entry, read: dict, shape: tuple[int, int], report: Report) -> np.ndarray | None:
    """(h, w) uint16 codes, 0 = none, from the first image that has a raster of them."""
    for image, header, _ in read.values():
        if image.inventory is None:
            continue
        try:
            codes = _layer(image.inventory, header)
        except Unusable as problem:
            report.remark(f"inventory raster not used: {problem.kind}", entry.name, problem.fact)
            return None
        whole = np.zeros(shape, np.uint16)
        whole[: codes.shape[0], : codes.shape[1]] = codes
        return whole
    return None


def _layer(file: Path, like: Header) -> np.ndarray:
    """(h, w) of a single-band raster on the grid of `like`, 0 where it has no data."""
    with opened(file) as raster:
        if raster.shape != (like.height, like.width) or not same_grid(_header(raster, Options("", crs=like.crs)), like):
            raise Unusable("another grid", f"{file.name} is not on the grid of its image")
        try:
            values = raster.read(1)
        except RasterioError as error:
            raise Unusable("unreadable files", f"{file.name}: {error.__cause__ or error}") from error
        return np.where(values == raster.nodata, 0, values) if raster.nodata else values
