"""A season stack from GeoTIFFs that are not on one grid: other CRS, other pixels, tiles side by side, other scales, missing pixels by mask.

Every date is warped onto one grid and written as a COG. The position of every pixel is computed, not interpolated between
neighbours', so what comes out does not depend on the blocks that it is made in.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.transform import Affine, array_bounds
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from data import seasons
from data.bands import NO_DATA
from data.command import Tell
from data.errors import BadInput
from data.importers import geotiff, placing
from data.importers.described import L1C_BANDS, Options
from data.mapped.cogs import BLOCK
from data.report import Report
from data.stacks import opening, output, soundness
from data.stacks.areas import LARGEST_PX
from data.stacks.headers import File
from data.stacks.stack import Layer, Stack

EXACT = 1e-6  # pixels that a position may be off; rasterio 1.4 fails at 0


def regrid(
    source: Path, out: Path, report: Report, *, like: Path | None = None, crs: str | None = None, resolution: float | None = None,
    resampling: str = "nearest", bands: tuple[str, ...] | None = None, level: str | None = None, scale: float | None = None,
    offset: float | None = None, nodata: float | None = None, tell: Tell = lambda done, total, what: None,
) -> Stack:  # fmt: skip
    """Bring the GeoTIFFs of a folder onto one grid.

    Args:
        source: as `opening.open_stack` takes it, but its files may lie on different grids, and a date may have several: of one band
            each, or side by side. Where they overlap, the first by name that has data counts.
        out: folder of the stack; a call after a kill goes on with the dates that are missing.
        like: a raster whose grid they get; or
        crs, resolution: the grid of that CRS, in pixels of its unit, that holds all of them, on whole multiples of the resolution.
            With neither, all files must be on one grid already.
        resampling: nearest or bilinear.
        bands, level, scale, offset, nodata: as for `opening.open_stack`.

    Raises:
        BadInput: the files or the grid cannot be used; none lies on it; a file is cut short; or `out` is taken.
    """
    source = source.expanduser().resolve()
    files = opening.layers(source, Options("", bands=bands, scale=scale, nodata=nodata), report, masks=True)
    files = files if offset is None else [replace(file, offset=offset) for file in files]
    for file in files:
        soundness.verify(_alone(file))
    dates = _dates(files, report)
    level = (level or opening.agreed("level", [(file, file.level) for file in files if file.level], "--level", source) or "").upper()
    names = opening.same_bands([(name, of[0].path, _bands(of)) for name, of in dates.items()])
    stack = _on_grid(Stack(str(source), (), names, "", (), 0, 0, level), files, like, crs, resolution)
    stack = replace(stack, simulated=any(file.simulated for file in files))
    state = [[str(file.path), file.path.stat().st_size, file.path.stat().st_mtime_ns, file.scale, file.offset, file.nodata]
             for file in files]  # fmt: skip
    output.begin(out, {"files": state, "stack": stack.as_json(), "resampling": resampling})
    done = output.finished(out)
    if done is not None:
        return done
    for number, (name, of) in enumerate(dates.items()):
        tell(number, len(dates), f"writing {name}")
        output.layer(out, stack, name, _blocks(of, stack, resampling), {"source": ", ".join(file.path.name for file in of)})
    tell(len(dates), len(dates), "")
    return output.finish(out, stack, dates)


def _alone(file: File) -> Stack:
    """A file as a stack of one date."""
    header = file.header
    layer = Layer(file.date, str(file.path), tuple(header.bands.values()))
    return Stack(
        str(file.path), (layer,), tuple(header.bands), header.crs, header.transform, header.height, header.width, file.level, file.scale,
        file.offset, file.nodata, file.simulated,
    )  # fmt: skip


def _dates(files: list[File], report: Report) -> dict[str, list[File]]:
    """Name -> its files, by date."""
    found: dict[object, list[File]] = defaultdict(list)
    for file in files:
        found[seasons.when(file.date)].append(file)
    for day in sorted(found):
        if len(found[day]) > 1 and any(file.header.count > 1 for file in found[day]):
            report.remark("dates put together of several files", found[day][0].date, opening.listed(file.path.name for file in found[day]))
    return {found[day][0].date: found[day] for day in sorted(found)}


def _bands(files: list[File]) -> dict[str, int]:
    """Bands of a date -> their place, in the order of Sentinel-2's.

    Raises:
        BadInput: files side by side have other bands than each other.
    """
    kinds = {tuple(sorted(file.header.bands)) for file in files}
    if len(kinds) > 1 and any(len(kind) > 1 for kind in kinds):
        told = "; ".join(f"{file.path.name} has {', '.join(file.header.bands)}" for file in files)
        raise BadInput(f"The files of {files[0].date} have different bands: {told}. Give them the same, or one band each.")
    return {band: number for number, band in enumerate(sorted({band for kind in kinds for band in kind}, key=L1C_BANDS.index), start=1)}


# The grid


def _on_grid(stack: Stack, files: list[File], like: Path | None, crs: str | None, resolution: float | None) -> Stack:
    """The stack with its grid.

    Raises:
        BadInput: the grid is not told, makes no sense, or holds nothing of the files.
    """
    if like is not None:
        header = _header(like)
        stack = replace(stack, crs=header[0], transform=header[1], height=header[2], width=header[3])
    elif crs is not None and resolution is not None:
        stack = _around(stack, files, placing.crs_text(crs), resolution)
    elif crs is None and resolution is None:
        opening.one_grid(Path(stack.source), files)
        first = files[0].header
        return replace(stack, crs=first.crs, transform=first.transform, height=first.height, width=first.width)
    else:
        raise BadInput("A grid needs both: a CRS and a resolution in its unit, as --crs EPSG:32631 --resolution 10; or --like FILE.")
    outside = [file.path.name for file in files if not _touches(file, stack)]
    if outside:
        raise BadInput(
            f"{len(outside)} of {len(files)} files show nothing of the grid: {opening.listed(outside)}. Choose another --like, or take "
            "them away."
        )
    return stack


def _header(path: Path) -> tuple[str, tuple[float, ...], int, int]:
    try:
        with rasterio.open(path) as raster:
            if raster.crs is None or raster.transform.is_identity:
                raise BadInput(f"{path} has no CRS or no position, so it gives no grid. Name another file with --like.")
            return placing.crs_text(raster.crs), tuple(raster.transform)[:6], raster.height, raster.width
    except RasterioError as error:
        raise BadInput(f"{path} cannot be read as a raster: {str(error).rstrip('.')}. Name another file with --like.") from error


def _around(stack: Stack, files: list[File], crs: str, resolution: float) -> Stack:
    if not resolution > 0:
        raise BadInput(f"A resolution of {resolution:g} makes no pixels. Give the side of a pixel in the unit of {crs}.")
    boxes = np.array([transform_bounds(file.header.crs, crs, *_bounds(file), densify_pts=21) for file in files])
    left, bottom = (math.floor(value / resolution + geotiff.SAME_GRID) for value in boxes[:, :2].min(axis=0))
    right, top = (math.ceil(value / resolution - geotiff.SAME_GRID) for value in boxes[:, 2:].max(axis=0))
    height, width = top - bottom, right - left
    if not 1 < max(height, width) <= LARGEST_PX:
        raise BadInput(
            f"At a resolution of {resolution:g} the files have {height:,} x {width:,} pixels in {crs}. The resolution is in the unit of "
            f"the CRS: metres, or degrees in EPSG:4326, where 0.0001 is about 10 m. The most is {LARGEST_PX:,} a side."
        )
    return replace(
        stack, crs=crs, transform=(resolution, 0.0, left * resolution, 0.0, -resolution, top * resolution), height=height, width=width
    )


def _bounds(file: File) -> tuple[float, float, float, float]:
    return array_bounds(file.header.height, file.header.width, Affine(*file.header.transform))


def _touches(file: File, stack: Stack) -> bool:
    left, bottom, right, top = transform_bounds(file.header.crs, stack.crs, *_bounds(file), densify_pts=21)
    west, south, east, north = array_bounds(stack.height, stack.width, stack.affine)
    return left < east and right > west and bottom < north and top > south


# Pixels


def _blocks(files: list[File], stack: Stack, resampling: str) -> Iterator[tuple[int, int, np.ndarray]]:
    """The blocks of a date."""
    with ExitStack() as opened:
        sources = [(file, opened.enter_context(_Warped(file, stack, resampling))) for file in files]
        for top in range(0, stack.height, BLOCK):
            for left in range(0, stack.width, BLOCK):
                window = Window(left, top, min(BLOCK, stack.width - left), min(BLOCK, stack.height - top))
                values = np.zeros((len(stack.bands), int(window.height), int(window.width)), np.uint16)
                for file, warped in sources:
                    own = [stack.bands.index(band) for band in file.header.bands]
                    values[own] = np.where(values[own] == NO_DATA, warped.read(window), values[own])
                yield top, left, values


class _Warped:
    """A file on the grid of a stack, as reflectance x 10 000. A context manager."""

    def __init__(self, file: File, stack: Stack, resampling: str) -> None:
        self._file = file
        self._as_stored, self._stack = _alone(file), stack
        self._resampling = Resampling[resampling]

    def __enter__(self) -> "_Warped":
        self._source = rasterio.open(self._file.path)
        missing = math.nan if self._file.dtype.startswith("float") and self._file.nodata is None else self._file.nodata
        self._masked = missing is None  # then a mask beside the bands, which comes along as alpha
        by_value = {"src_nodata": missing, "nodata": missing}
        self._warped = WarpedVRT(
            self._source, crs=CRS.from_user_input(self._stack.crs), transform=self._stack.affine, height=self._stack.height,
            width=self._stack.width, resampling=self._resampling, tolerance=EXACT,
            **({"add_alpha": ColorInterp.alpha not in self._source.colorinterp} if self._masked else by_value),
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._warped.close()
        self._source.close()

    def read(self, window: Window) -> np.ndarray:
        """(B, h, w) uint16, 0 = no data, of the file's own bands in its order."""
        try:
            stored = self._warped.read(list(self._file.header.bands.values()), window=window)
            hidden = self._warped.dataset_mask(window=window) == 0 if self._masked else np.zeros(stored.shape[1:], bool)
        except RasterioError as error:
            raise BadInput(f"{self._file.path} cannot be read to its end: {error}. It may be cut short: fetch it again.") from error
        return np.where(hidden, NO_DATA, self._as_stored.numbers(stored))
