"""A piece of a raster as the screen wants it: on a Web Mercator grid of the view's own pixels, read from the overview that suffices.

Leaflet draws in EPSG:3857. A view is cut to the raster on its own lattice of screen pixels, so that neighbouring pictures fit, and
GDAL warps into it by the nearest pixel. What is read grows with the screen, not with the raster. Needs rasterio.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.warp import reproject, transform_bounds

from data.errors import BadInput
from data.mapped.folder import Map

MERCATOR = "EPSG:3857"
RADIUS = 6_378_137.0  # metres, of EPSG:3857's sphere (EPSG Guidance Note 7-2, method 1024)
HIGHEST_LATITUDE = 85.051129  # where EPSG:3857's square world ends
SIDE = 2_048  # pixels of a picture's longer side at most
FETCH = "Fetch it again, or put it back where it was."  # the way out when a raster of a stack cannot be read
READ = 16_000_000  # pixels of one band that a picture reads at most


@dataclass(frozen=True)
class View:
    """What a screen shows: the EPSG:4326 corners of an EPSG:3857 window, and its size on the screen in pixels."""

    south: float
    west: float
    north: float
    east: float
    width: int
    height: int


@dataclass(frozen=True)
class Frame:
    """A grid in EPSG:3857. left, top: its upper left corner, metres. across, down: a pixel's sides, metres."""

    left: float
    top: float
    across: float
    down: float
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        return Affine(self.across, 0, self.left, 0, -self.down, self.top)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """left, bottom, right, top in metres."""
        return self.left, self.top - self.height * self.down, self.left + self.width * self.across, self.top

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """south, west, north, east in degrees."""
        left, bottom, right, top = self.bounds
        return latitude(bottom), math.degrees(left / RADIUS), latitude(top), math.degrees(right / RADIUS)


def latitude(y: float) -> float:
    """Degrees of a northing in EPSG:3857."""
    return math.degrees(2 * math.atan(math.exp(y / RADIUS)) - math.pi / 2)


def northing(lat: float) -> float:
    """Metres in EPSG:3857 of a latitude; those nearer to the poles than it reaches are at its edge."""
    lat = min(max(lat, -HIGHEST_LATITUDE), HIGHEST_LATITUDE)
    return RADIUS * math.log(math.tan(math.pi / 4 + math.radians(lat) / 2))


def frame(view: View) -> Frame:
    """The grid of a view's pixels, coarser where the view has more than SIDE of them on a side.

    Raises:
        BadInput: the view has no area.
    """
    left, right, bottom, top = (
        RADIUS * math.radians(view.west),
        RADIUS * math.radians(view.east),
        northing(view.south),
        northing(view.north),
    )
    if not (left < right and bottom < top and view.width > 0 and view.height > 0):
        raise BadInput(f"The view {view} has no area: south must lie below north, west of east, and width and height be above 0.")
    shrink = min(1.0, SIDE / max(view.width, view.height))
    width, height = max(1, round(view.width * shrink)), max(1, round(view.height * shrink))
    return Frame(left, top, (right - left) / width, (top - bottom) / height, width, height)


def cut(whole: Frame, crs, bounds: tuple[float, float, float, float]) -> Frame | None:
    """The part of a grid that holds what lies within bounds (left, bottom, right, top) of a CRS; None where they do not meet."""
    left, bottom, right, top = transform_bounds(crs, MERCATOR, *bounds)
    columns, rows = ((left - whole.left) / whole.across, (right - whole.left) / whole.across), (
        (whole.top - top) / whole.down, (whole.top - bottom) / whole.down,
    )  # fmt: skip
    first, last = (int(np.clip(columns[0], 0, whole.width) // 1), math.ceil(np.clip(columns[1], 0, whole.width)))
    upper, lower = (int(np.clip(rows[0], 0, whole.height) // 1), math.ceil(np.clip(rows[1], 0, whole.height)))
    if first >= last or upper >= lower:
        return None
    return replace(
        whole, left=whole.left + first * whole.across, top=whole.top - upper * whole.down, width=last - first, height=lower - upper
    )


def again(made: Map) -> str:
    """The way out when a raster of a map cannot be read."""
    return f"Make the map again: python -m modeling map --out {made.path} ..."


@contextmanager
def naming(path: Path | str, way_out: str) -> Iterator[None]:
    """Turns what GDAL says of a raster within into an error for people.

    Args:
        way_out: what to do about it.

    Raises:
        BadInput: the file is gone, cut short or no raster.
    """
    try:
        yield
    except (RasterioError, CRSError) as error:
        raise BadInput(f"{path} cannot be read; it is gone or cut short ({error}). {way_out}") from error


@contextmanager
def opened(path: Path | str, way_out: str, **options) -> Iterator[DatasetReader]:
    """A raster, whose errors are named as by `naming`. options: of rasterio.open, as overview_level."""
    with naming(path, way_out), rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path, **options) as raster:
        yield raster


def read(path: Path | str, bands: list[int], within: Frame, *, nodata: float | None, dtype: str, way_out: str) -> np.ndarray:
    """Bands of a raster on a grid in EPSG:3857, by the nearest pixel.

    Args:
        bands: numbers from 1. nodata: the stored value of pixels without data, None where there is none.
        dtype: of the answer; float gets NaN where there is nothing, integers 0.

    Returns:
        (len(bands), within.height, within.width).

    Raises:
        BadInput: the file cannot be read, or has no overviews and the view is so wide that too much would have to be read.
    """
    with opened(path, way_out) as raster:
        level, left_to_read = _level(raster, within)
    if left_to_read > READ:
        raise BadInput(
            f"This view takes in {left_to_read / 1e6:.0f} million pixels of {path}, which has no overviews for it. "
            "Zoom in, or make a copy with overviews: python -m data stack."
        )
    empty = np.nan if np.dtype(dtype).kind == "f" else 0
    found = np.full((len(bands), within.height, within.width), empty, dtype=dtype)
    with opened(path, way_out, **({} if level is None else {"overview_level": level})) as raster:
        reproject(
            rasterio.band(raster, bands), found, dst_transform=within.transform, dst_crs=MERCATOR, src_nodata=nodata, dst_nodata=empty,
            resampling=Resampling.nearest,
        )  # fmt: skip
    return found


def _level(raster: DatasetReader, within: Frame) -> tuple[int | None, float]:
    """The coarsest overview that still has a pixel for each of the grid's (None: the raster itself), and how many pixels are read of it."""
    left, bottom, right, top = transform_bounds(MERCATOR, raster.crs, *within.bounds)
    corners = [~raster.transform * place for place in ((left, top), (right, bottom))]
    wide, high = (abs(corners[1][axis] - corners[0][axis]) for axis in (0, 1))
    coarser = min(wide / within.width, high / within.height)
    seen = min(wide, raster.width) * min(high, raster.height)
    enough = [(number, factor) for number, factor in enumerate(raster.overviews(1)) if factor <= max(1.0, coarser)]
    level, factor = enough[-1] if enough else (None, 1)
    return level, seen / factor**2
