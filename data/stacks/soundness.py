"""Whether the pixels of a season stack can be what they are said to be: files whole, values reflectance, dates with data."""

import os
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window

from data.bands import NO_DATA
from data.errors import BadInput
from data.report import Report
from data.stacks.stack import Layer, Stack

BRIGHTEST = 1.6  # reflectance; the median of no ground, snow or cloud is above it
DARKEST = 0.001  # not all pixels of any land are below it
LIKELY = (1.0, 1e-4, 1e-3, 1e-2, 1 / 255, 1 / 65_535)
BLOCK = 512  # pixels of a side that are read at once
GLANCE_PX = 64  # a side of what is looked at
WINDOWS = 3  # a side of the lattice of windows, where a raster has no overviews
BLOCKS = 50_000  # of a file whose place is looked at


def verify(stack: Stack) -> None:
    """Look at the stack's place, and at a few windows of every layer.

    Raises:
        BadInput: it lies nowhere on Earth, a file cannot be read, or its values cannot be reflectance at the stack's scale.
    """
    _on_earth(stack)
    for layer in stack.layers:
        try:
            with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(layer.path) as raster:
                values = _glance(raster, layer)
        except RasterioError as error:
            raise BadInput(f"{layer.path} cannot be read: {error}. It may be cut short: fetch it again.") from error
        _reflectance(stack, layer, values)


def check(stack: Stack, report: Report) -> None:
    """Remark on what a stack lacks: months between its first and last, dates without any data, nothing said of its level.

    Raises:
        BadInput: a file cannot be read.
    """
    for earlier, later in pairwise(stack.dates):
        first, last = (day.year * 12 + day.month - 1 for day in (earlier, later))
        for month in range(first + 1, last):
            report.remark("months without an image", f"{month // 12}-{month % 12 + 1:02d}", "between the first date and the last")
    for number, layer in enumerate(stack.layers):
        if not _has_data(stack, number):
            report.remark("dates without any data", layer.name, Path(layer.path).name)
    if not stack.level:
        report.remark("stacks of unknown level", stack.source, "neither tags nor --level say whether it is L1C or L2A")


def _on_earth(stack: Stack) -> None:
    """Raise where the middle of the grid has no longitude and latitude: metres that are said to be degrees, or the other way round."""
    x, y = stack.affine * (stack.width / 2, stack.height / 2)
    lon, lat = Transformer.from_crs(stack.crs, "EPSG:4326", always_xy=True).transform(x, y)
    if not (abs(lon) <= 360 and abs(lat) <= 90):  # infinite where the projection has no such place
        raise BadInput(
            f"The images of {stack.source} lie nowhere on Earth: their middle is at {x:.10g}, {y:.10g} in {stack.crs}. Their coordinates "
            "are of another CRS. Give them the right one: rio edit-info --crs EPSG:32631 FILE"
        )


def _has_data(stack: Stack, number: int) -> bool:
    for top, left in product(range(0, stack.height, BLOCK), range(0, stack.width, BLOCK)):
        height, width = min(BLOCK, stack.height - top), min(BLOCK, stack.width - left)
        if (stack.read_layer(number, top, left, height, width, stack.bands[:1]) != NO_DATA).any():
            return True
    return False


def complete(raster: rasterio.DatasetReader) -> None:
    """Raise unless every block of a GeoTIFF, or of those that a VRT names, lies within its file. A header can be fine where the end
    is missing.

    Raises:
        BadInput: it does not.
        RasterioError: a file that a VRT names cannot be opened.
    """
    if raster.driver == "VRT":
        for path in raster.files[1:]:
            with rasterio.open(path) as file:
                complete(file)
    if raster.driver != "GTiff":
        return
    size = os.path.getsize(raster.name)
    high, wide = raster.block_shapes[0]
    rows, columns = -(-raster.height // high), -(-raster.width // wide)
    bands = raster.indexes if raster.interleaving and raster.interleaving.name == "band" else (1,)
    step = max(1, rows * columns * len(bands) // BLOCKS)
    for band in bands:
        for block in {*range(0, rows * columns, step), rows * columns - 1}:
            at = f"{block % columns}_{block // columns}"
            offset, length = (raster.get_tag_item(f"BLOCK_{what}_{at}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE"))
            if offset and length and int(offset) + int(length) > size:
                raise BadInput(
                    f"{raster.name} is cut short: it has {size:,} bytes, but pixels of band {band} lie up to byte "
                    f"{int(offset) + int(length):,}. Fetch it again, or take it away."
                )


def _glance(raster: rasterio.DatasetReader, layer: Layer) -> np.ndarray:
    """(B, n) stored values: the smallest overview, or windows on a lattice."""
    if raster.overviews(1):
        shape = (len(layer.bands), min(GLANCE_PX, raster.height), min(GLANCE_PX, raster.width))
        return raster.read(list(layer.bands), out_shape=shape).reshape(len(layer.bands), -1)
    high, wide = min(GLANCE_PX, raster.height), min(GLANCE_PX, raster.width)
    tops = sorted({round(part * (raster.height - high)) for part in np.linspace(0, 1, WINDOWS)})
    lefts = sorted({round(part * (raster.width - wide)) for part in np.linspace(0, 1, WINDOWS)})
    found = [raster.read(list(layer.bands), window=Window(left, top, wide, high)) for top in tops for left in lefts]
    return np.concatenate([values.reshape(len(layer.bands), -1) for values in found], axis=1)


def _reflectance(stack: Stack, layer: Layer, stored: np.ndarray) -> None:
    there = np.isfinite(stored) if stack.nodata is None else np.isfinite(stored) & (stored != stack.nodata)
    if not there.any():
        return
    raw = stored[there].astype(np.float64)
    values = raw * stack.scale + stack.offset
    median, most = float(np.median(values)), float(values.max())
    if median <= BRIGHTEST and most >= DARKEST and not (stored.dtype == np.uint8 and stack.scale * 255 < 0.1):
        return
    likely = next((scale for scale in LIKELY if 0.01 <= np.median(raw) * scale <= 1), None)
    hint = f"They look like reflectance stored at a scale of {likely:.6g}: pass --scale {likely:.6g}" if likely else "Say it with --scale"
    raise BadInput(
        f"The values of {Path(layer.path).name} cannot be reflectance at a scale of {stack.scale:.6g}: stored {raw.min():g} to "
        f"{raw.max():g}, half of them above {median:.4g} as reflectance. {hint}."
    )
