"""What a GeoTIFF says of itself as a layer of a season stack: date, bands, grid, scale, what counts as no data. Reads no pixel."""

import math
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import rasterio
from rasterio.enums import MaskFlags

from data.errors import BadInput
from data.importers import described, geotiff, placing
from data.importers.described import Options, Unusable
from data.importers.geotiff import Header
from data.stacks import soundness

DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:-(\d\d)-(\d\d)|(\d\d)(\d\d)|-(\d\d)|(\d\d))(?!\d)")
DATE_TAGS = ("acquired", "month", "TIFFTAG_DATETIME")
NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


@dataclass(frozen=True)
class File:
    """A raster that may be a layer.

    date: YYYY-MM-DD or YYYY-MM, empty where nothing tells. header: its `bands` are Sentinel-2's alone, name -> number from 1.
    others: descriptions of its other bands, empty where one has none. level: L1C, L2A or empty.
    scale, offset: reflectance = stored * scale + offset. nodata: None also where it is NaN.
    """

    path: Path
    date: str
    header: Header
    others: tuple[str, ...]
    dtype: str
    level: str
    simulated: bool
    scale: float
    offset: float
    nodata: float | None


def read(path: Path, options: Options, *, masks: bool = False) -> File:
    """The header of a GeoTIFF.

    Args:
        options: its `scale` and `nodata` overrule the file's.
        masks: whether the file may mark missing pixels by a mask.

    Raises:
        BadInput: it cannot be opened, is cut short, has no position or CRS, holds no numbers, or marks missing pixels by a mask.
    """
    try:
        with geotiff.opened(path) as raster:
            soundness.complete(raster)
            _usable(path, raster, masks)
            return _file(path, raster, options)
    except Unusable as problem:
        raise BadInput(f"A file of the stack cannot be opened: {problem.fact}. Fetch it again, or take it out of the folder.") from problem


def date_of(text: str) -> str:
    """The first date or month in a file's name, as YYYY-MM-DD or YYYY-MM; empty if there is none."""
    for match in DATE.finditer(text):
        year, month, day = match[1], *(match[2] or match[4] or match[6] or match[7], match[3] or match[5])
        try:
            date(int(year), int(month), int(day or 1))
        except ValueError:
            continue
        return f"{year}-{month}-{day}" if day else f"{year}-{month}"
    return ""


def _file(path: Path, raster: rasterio.DatasetReader, options: Options) -> File:
    tags = raster.tags()
    named = [described.band_name(name) for name in raster.descriptions]
    if raster.count == 1 and not raster.descriptions[0]:
        named = [described.band_name(path.stem)]
    bands = {name: number for number, name in enumerate(named, start=1) if name}
    others = tuple(text or "" for text, name in zip(raster.descriptions, named, strict=True) if not name)
    scale, offset = _scaling(raster, tags, options)
    return File(
        path,
        date_of(path.stem) or next(filter(None, (date_of(tags.get(tag, "")[:10].replace(":", "-")) for tag in DATE_TAGS)), ""),
        Header(placing.crs_text(raster.crs), tuple(raster.transform)[:6], raster.height, raster.width, raster.count, bands),
        others,
        raster.dtypes[0],
        _level(tags),
        tags.get("simulated", "").lower() in ("1", "true", "yes"),
        scale,
        offset,
        _nodata(raster, options),
    )


def _usable(path: Path, raster: rasterio.DatasetReader, masks: bool) -> None:
    if raster.crs is None:
        raise BadInput(f"{path.name} has no CRS, so nobody knows where it lies. Give it one: rio edit-info --crs EPSG:32631 {path.name}")
    if raster.transform.is_identity:
        raise BadInput(
            f"{path.name} has a CRS but no position: its transform is the identity. Export it again with its georeferencing, "
            "or give it with: rio edit-info --transform ..."
        )
    strange = sorted(set(raster.dtypes) - set(NUMBERS))
    if strange or len(set(raster.dtypes)) > 1:
        raise BadInput(
            f"{path.name} holds values of type {', '.join(strange or sorted(set(raster.dtypes)))}. Reflectance comes as one type of "
            "whole numbers or floats, for all bands: convert it, as with rio convert --dtype uint16."
        )
    if not masks and any(MaskFlags.per_dataset in flags for flags in raster.mask_flag_enums):
        raise BadInput(
            f"{path.name} marks missing pixels by a mask beside its bands, not by a value. "
            f"Write it anew with a value: python -m data stack {path.parent} --out DIR"
        )


def _scaling(raster: rasterio.DatasetReader, tags: dict[str, str], options: Options) -> tuple[float, float]:
    """As the user, the bands' own scales or the tag `scale` say; else whole numbers are reflectance x 10 000."""
    scale, offset = geotiff.scaling(raster, 1, options)
    if options.scale is None and (raster.scales[0], raster.offsets[0]) == (1.0, 0.0) and re.fullmatch(r"[\d.eE+-]+", tags.get("scale", "")):
        return float(tags["scale"]), 0.0
    return scale, offset


def _nodata(raster: rasterio.DatasetReader, options: Options) -> float | None:
    """What the user or the file says; 0 where neither does and there is no mask. NaN is no data anyway."""
    value = raster.nodata if options.nodata is None else options.nodata
    if value is None:
        return None if raster.mask_flag_enums[0] != [MaskFlags.all_valid] else 0.0
    return None if math.isnan(value) else float(value)


def _level(tags: dict[str, str]) -> str:
    told = " ".join((tags.get("level", ""), tags.get("sensor", ""))).upper()
    return next((level for level in ("L2A", "L1C") if level in told), "")
