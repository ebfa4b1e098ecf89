"""Pixels of a scene's file on the grids of many sites: the file is opened once, and a failing read is tried again."""

import time
import warnings
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import numpy as np
import rasterio
import requests
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window, from_bounds

from data.ingest.grids import Grid
from data.ingest.providers import Provider, signed
from data.ingest.settings import PIXEL_M

TRIES = 4
PATIENCE_SECONDS = 0.5  # before the second try; twice as long before every further one
EDGE_PX = 4  # read around a window that is resampled, so that its edge is resampled like its middle
GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of the folder beside a file
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",  # most headers in one request
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "3",  # of 429 and 5xx, as the server's Retry-After says or with growing delay
    "GDAL_HTTP_RETRY_DELAY": "0.5",
}


# Warping arrays in several threads warns of a missing transform now and then, of a raster that rasterio makes and fills in itself.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)


class Unreadable(Exception):
    """A file could not be read after several tries; the text is the last error."""


@dataclass(frozen=True)
class Asset:
    """A band of a scene and where it lies, unsigned."""

    scene: str
    band: str
    href: str


def read(asset: Asset, grids: list[Grid], provider: Provider, resampling: str) -> np.ndarray:
    """The file's values on each grid.

    Args:
        resampling: nearest or bilinear; for values that are no amounts, as classes, only nearest makes sense.

    Returns:
        (n, size, size) of the file's dtype; 0 where the file has no data or does not reach.

    Raises:
        Unreadable: the file cannot be opened or read, after TRIES tries.
    """
    for attempt in range(TRIES):
        try:
            with rasterio.Env(**GDAL, **provider.gdal), rasterio.open(_path(asset.href, provider, attempt)) as source:
                return np.stack([_window(source, grid, resampling) for grid in grids])
        except RasterioError as error:
            if attempt == TRIES - 1:
                raise Unreadable(" ".join(str(error.__cause__ or error).split())[:200]) from error
            time.sleep(PATIENCE_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


def size(asset: Asset, provider: Provider) -> tuple[int, int]:
    """The file's bytes and its pixels; two bytes a pixel where a server does not tell.

    Raises:
        Unreadable: the file cannot be opened.
    """
    href = signed(provider, asset.href)
    try:
        with rasterio.Env(**GDAL, **provider.gdal), rasterio.open(href) as source:
            pixels = source.width * source.height
        answer = requests.head(href, timeout=30) if href.startswith("http") else None
    except (RasterioError, requests.RequestException) as error:
        raise Unreadable(str(error)) from error
    told = answer.headers.get("Content-Length") if answer is not None and answer.ok else None
    return int(told or 2 * pixels), pixels


def _path(address: str, provider: Provider, attempt: int) -> str:
    """What GDAL opens. A further try has another name, because GDAL remembers what it read, or failed to read, under the first."""
    href = signed(provider, address, anew=attempt > 0)
    if not href.startswith("http") or attempt == 0:
        return href
    return f"/vsicurl?max_retry={int(GDAL['GDAL_HTTP_MAX_RETRY']) + attempt}&empty_dir=yes&url={quote(href, safe='')}"


def _window(source, grid: Grid, resampling: str) -> np.ndarray:
    same_crs = source.crs == _crs(grid.crs)
    straight = same_crs and source.transform.b == source.transform.d == 0 and source.transform.a == -source.transform.e
    if straight and (resampling == "nearest" or _aligned(source, grid)):
        return _picked(source, grid)
    return _warped(source, grid, resampling)


@cache
def _crs(name: str) -> CRS:
    return CRS.from_user_input(name)


def _aligned(source, grid: Grid) -> bool:
    """Whether the grid's pixels are the source's own."""
    step = source.transform.a
    return step == PIXEL_M and (grid.left - source.transform.c) % step == 0 and (source.transform.f - grid.top) % step == 0


def _picked(source, grid: Grid) -> np.ndarray:
    """Nearest neighbours on a grid of the same CRS: the source pixel that holds each pixel's middle."""
    step = source.transform.a
    middles = (np.arange(grid.size) + 0.5) * PIXEL_M
    columns = np.floor((grid.left + middles - source.transform.c) / step).astype(int)
    rows = np.floor((source.transform.f - grid.top + middles) / step).astype(int)
    values = np.zeros((grid.size, grid.size), dtype=source.dtypes[0])
    inside_rows, inside_columns = (rows >= 0) & (rows < source.height), (columns >= 0) & (columns < source.width)
    if inside_rows.any() and inside_columns.any():
        rows, columns = rows[inside_rows], columns[inside_columns]
        block = source.read(1, window=((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)))
        values[np.ix_(inside_rows, inside_columns)] = block[np.ix_(rows - rows[0], columns - columns[0])]
    return _zero_where_missing(values, source.nodata)


def _warped(source, grid: Grid, resampling: str) -> np.ndarray:
    values = np.zeros((grid.size, grid.size), dtype=source.dtypes[0])
    left, bottom, right, top = transform_bounds(grid.crs, source.crs, *grid.bounds)
    around = from_bounds(left, bottom, right, top, source.transform)
    first_row, first_column = int(around.row_off) - EDGE_PX, int(around.col_off) - EDGE_PX
    last_row, last_column = int(around.row_off + around.height) + EDGE_PX + 1, int(around.col_off + around.width) + EDGE_PX + 1
    first_row, first_column = max(0, first_row), max(0, first_column)
    last_row, last_column = min(source.height, last_row), min(source.width, last_column)
    if first_row >= last_row or first_column >= last_column:
        return values
    window = Window(first_column, first_row, last_column - first_column, last_row - first_row)
    reproject(
        source.read(1, window=window), values, src_transform=source.window_transform(window), src_crs=source.crs,
        src_nodata=0 if source.nodata is None else source.nodata, dst_transform=Affine(*grid.transform), dst_crs=grid.crs, dst_nodata=0,
        resampling=Resampling[resampling],
    )  # fmt: skip
    return values


def _zero_where_missing(values: np.ndarray, nodata: float | None) -> np.ndarray:
    if nodata:
        values[values == nodata] = 0
    return values
