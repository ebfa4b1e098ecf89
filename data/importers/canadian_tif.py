"""Single-band TIFs in memory. Most of them go straight to Pillow's libtiff decoder; what it does not take, rasterio reads.

GDAL takes most of a millisecond to open a file of 64 x 64 px, and a data set has a million of them.
"""

import struct
from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
import PIL
import rasterio
from PIL import Image
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from data.errors import BadInput

# Tags of TIFF 6.0, of GeoTIFF 1.1 (OGC 19-008), and GDAL's own for no data.
WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES, SAMPLE_FORMAT = 256, 257, 258, 262, 277, 339
SCALE, TIE_POINT, GEO_KEYS, GEO_DOUBLES, GEO_ASCII, NO_DATA = 33550, 33922, 34735, 34736, 34737, 42113
BLACK_IS_ZERO, UNSIGNED, SIGNED, FLOAT = 1, 1, 2, 3
RASTER_TYPE, PIXEL_IS_AREA = 1025, 1  # GeoTIFF key

# Bits and sample format -> Pillow's mode and the raw mode that its decoder unpacks; float64 becomes float32.
MODES = {
    (8, UNSIGNED): ("L", "L"), (16, UNSIGNED): ("I;16", "I;16"), (16, SIGNED): ("I", "I;16S"), (32, SIGNED): ("I", "I;32S"),
    (32, FLOAT): ("F", "F;32F"), (64, FLOAT): ("F", "F;64F"),
}  # fmt: skip
LIBTIFF = ("",) if int(PIL.__version__.split(".")[0]) < 13 else ()  # until Pillow 13 its decoder was told the compression's name
_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 12: "d"}  # TIFF type -> struct's letter

Sides = tuple[Container[int], Container[int]]

_known_crs: dict[tuple, str | None] = {}


class BadFile(BadInput):
    """A file of the data set that cannot be used. kind: a few words for the report."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _Unusual(Exception):
    """A TIF of a make that only rasterio reads."""


@dataclass(frozen=True)
class Tif:
    """values: (h, w), float64 as float32. no_data: as the file says, or None. crs: None where the file has none, or no position.
    transform: (column, row) of the upper left corner -> crs, as a b c d e f."""

    values: np.ndarray
    no_data: float | None
    crs: str | None
    transform: tuple[float, ...]


def read(data: bytes, name: str, sides: Sides) -> Tif:
    """The band in `data`.

    Args:
        name: for the error's text.
        sides: the heights and the widths that are allowed; nothing else is unpacked.

    Raises:
        BadFile: not a TIF, cut short, of another size, or of several bands.
    """
    try:
        offset, tags = _directory(data)
        check_size((_one(tags, WIDTH), _one(tags, HEIGHT)), name, sides)
        mode, raw = _modes(tags)
        # libtiff itself finds strips, tiles and compression in the file
        image = Image.frombytes(mode, (_one(tags, WIDTH), _one(tags, HEIGHT)), data, "libtiff", raw, *LIBTIFF, False, offset)
        no_data = tags.get(NO_DATA)
        return Tif(np.asarray(image), None if no_data is None else float(no_data[0].strip(b"\0 ")), *_georeference(tags, data))
    except (_Unusual, struct.error, ValueError, OSError, MemoryError):
        return _with_rasterio(data, name, sides)


def _directory(data: bytes) -> tuple[int, dict[int, tuple]]:
    """Where the only directory of a little-endian TIFF begins, and its tags.

    Raises:
        _Unusual: another kind of TIFF, or no TIFF.
    """
    if data[:4] != b"II*\0":
        raise _Unusual
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    tags = {}
    for at in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from("<HHI", data, at)
        if kind in _FORMATS and number <= len(data):
            letters = f"<{number}{_FORMATS[kind]}"
            place = at + 8 if struct.calcsize(letters) <= 4 else struct.unpack_from("<I", data, at + 8)[0]
            tags[tag] = struct.unpack_from(letters, data, place)
    if struct.unpack_from("<I", data, offset + 2 + 12 * count) != (0,):
        raise _Unusual  # a second image: an overview or a mask
    return offset, tags


def _one(tags: Mapping[int, tuple], tag: int, default: int | None = None) -> int:
    found = tags.get(tag, (default,))
    if len(found) != 1 or not isinstance(found[0], int):
        raise _Unusual
    return found[0]


def _modes(tags: Mapping[int, tuple]) -> tuple[str, str]:
    key = (_one(tags, BITS), _one(tags, SAMPLE_FORMAT, UNSIGNED))
    if key not in MODES or _one(tags, PHOTOMETRIC) != BLACK_IS_ZERO or _one(tags, SAMPLES, 1) != 1:
        raise _Unusual
    return MODES[key]


def _georeference(tags: Mapping[int, tuple], data: bytes) -> tuple[str | None, tuple[float, ...]]:
    """CRS and transform of the usual kind of GeoTIFF: north up, from one tie point at a corner of a pixel."""
    scale, tie, keys = tags.get(SCALE, ()), tags.get(TIE_POINT, ()), tags.get(GEO_KEYS, ())
    entries = {keys[at]: keys[at + 3] for at in range(4, len(keys) - 3, 4)}
    if len(scale) != 3 or len(tie) != 6 or entries.get(RASTER_TYPE) != PIXEL_IS_AREA:
        raise _Unusual
    column, row, _, x, y, _ = tie
    said = (keys, tags.get(GEO_DOUBLES), tags.get(GEO_ASCII))
    if said not in _known_crs:
        with MemoryFile(data) as memory, memory.open() as raster:
            _known_crs[said] = _text(raster.crs)
    return _known_crs[said], (scale[0], 0.0, x - column * scale[0], 0.0, -scale[1], y + row * scale[1])


def _text(crs: rasterio.crs.CRS | None) -> str | None:
    return crs.to_string() if crs else None


def check_size(size: tuple[int, int], name: str, sides: Sides) -> None:
    """Whether a picture's width and height are allowed.

    Raises:
        BadFile: they are not.
    """
    width, height = size
    if height not in sides[0] or width not in sides[1]:
        raise BadFile("another size than the collection's", f"{name} is {height} x {width} px; give 64 x 64 or 65 x 65 px, as published")


def _with_rasterio(data: bytes, name: str, sides: Sides) -> Tif:
    try:
        with MemoryFile(data) as memory, memory.open(driver="GTiff") as raster:
            check_size((raster.width, raster.height), name, sides)
            if raster.count != 1:
                raise BadFile("TIF of several bands", f"{name} has {raster.count} bands; the data set has one a file")
            values, transform = raster.read(1), raster.transform
            crs = None if transform == rasterio.Affine.identity() else _text(raster.crs)
            return Tif(values.astype(np.float32) if values.dtype == np.float64 else values, raster.nodata, crs, tuple(transform)[:6])
    except (RasterioError, ValueError, MemoryError) as error:
        raise BadFile("TIF that cannot be read", f"{name} is cut short or no TIF: {error}") from error
