"""What a map says about a place: one pixel with its season, or the figures of an area that somebody drew.

Reads only the pixels that are asked for; an area of very many pixels is read from the overviews, and its answer says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from pyproj import Transformer
from rasterio.windows import Window

from data import indices
from data.bands import reflectance
from data.errors import BadInput
from data.mapped import drawn, folder, ground, legends, warped
from data.mapped.drawn import WORLD, Area, Cells
from data.mapped.folder import Map

COUNTED = 4_000_000  # pixels of an area that are counted; of more, one of 2 x 2, 4 x 4 ... is
PROFILED = 1_000_000  # pixels of an area that a profile is made of


@dataclass(frozen=True)
class Pixel:
    """A pixel of a map.

    row, column: from 0 at the upper left. lon, lat: of its centre, degrees.
    layers, dates: names and days of the stack's T dates. bands: its B bands. season: (T, B) float32 reflectance, NaN = no data.
    crop, second: names of the classes, None where nothing is predicted. probability, margin: 0..1 or None.
    probabilities: class -> 0..1 in the map's order, to 1/10,000; empty where nothing is predicted.
    inventory: its code, 0 = no label, None where the map has no inventory; inventory_name: empty where there is no label.
    agreement: whether the prediction and the inventory agree; None where either is missing.
    """

    row: int
    column: int
    lon: float
    lat: float
    layers: tuple[str, ...]
    dates: tuple[date, ...]
    bands: tuple[str, ...]
    season: np.ndarray
    crop: str | None
    second: str | None
    probability: float | None
    margin: float | None
    probabilities: Mapping[str, float]
    inventory: int | None
    inventory_name: str
    agreement: bool | None


@dataclass(frozen=True)
class Part:
    """What a class, or a code of the inventory, has of an area.

    pixels: whole numbers, estimated where the area is sampled. hectares: of ground. share: of the ground that has any class, 0..1.
    """

    name: str
    pixels: int
    hectares: float
    share: float


@dataclass(frozen=True)
class Profile:
    """An index through the season over an area's pixels.

    layers, dates: of the T dates. mean, low, median, high: (T,) float32; low and high are the quartiles; NaN where no pixel has data.
    pixels: (T,) int64, with data. step: 1 for the stack's own pixels; n where each is the mean of n x n of them.
    """

    index: str
    layers: tuple[str, ...]
    dates: tuple[date, ...]
    mean: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    pixels: np.ndarray
    step: int


@dataclass(frozen=True)
class Inside:
    """An area on a map.

    pixels: the map's, whose centres lie in it; hectares: theirs. covered: share of what was drawn that lies on the map.
    predicted: pixels with a class. classes: class -> what it has, most first. inventory: code -> likewise, of pixels with a label.
    agreeing, disagreeing: pixels. step: 1 where every pixel was counted; else one of step x step was, and pixels are estimates.
    profile: of an index; None where the stack lacks its bands, or has no overviews for so large an area.
    """

    pixels: int
    hectares: float
    covered: float
    predicted: int
    classes: Mapping[str, Part]
    inventory: Mapping[int, Part]
    agreeing: int
    disagreeing: int
    step: int
    profile: Profile | None

    @property
    def sampled(self) -> bool:
        return self.step > 1


def at(made: Map, lon: float, lat: float) -> Pixel | None:
    """The pixel at a place, in degrees; None outside of the map.

    Raises:
        BadInput: a raster of the map or of its stack is gone or cut short.
    """
    place = where(made, lon, lat)
    if place is None:
        return None
    row, column = place
    stack, names = made.stack, _names(made)
    codes = {name: _one(made, name, row, column) for name in (folder.CROP, folder.SECOND, folder.INVENTORY, folder.AGREEMENT)}
    crop, second, inventory, agreement = codes.values()
    lon, lat = _transformer(stack.crs, WORLD).transform(*(stack.affine * (column + 0.5, row + 0.5)))
    return Pixel(
        row=row,
        column=column,
        lon=lon,
        lat=lat,
        layers=tuple(layer.name for layer in stack.layers),
        dates=stack.dates,
        bands=stack.bands,
        season=reflectance(stack.read(row, column, 1, 1)[:, :, 0, 0]),
        crop=names(crop) if crop else None,
        second=names(second) if second else None,
        probability=_share(made, folder.PROBABILITY, row, column),
        margin=_share(made, folder.MARGIN, row, column),
        probabilities=_shares(made, row, column),
        inventory=inventory,
        inventory_name=legends.inventory_names(made).get(inventory, f"code {inventory}") if inventory else "",
        agreement={folder.AGREES: True, folder.DISAGREES: False}.get(agreement),
    )


def _names(made: Map) -> Callable[[int], str]:
    """Code of the map -> name of its class."""
    by_code = made.by_code()
    return lambda code: by_code[code].name if code in by_code else f"code {code}"


def where(made: Map, lon: float, lat: float) -> tuple[int, int] | None:
    """Row and column of the pixel that holds a place, in degrees; None outside of the map."""
    x, y = _transformer(WORLD, made.stack.crs).transform(lon, lat)
    if not np.isfinite([x, y]).all():
        return None
    column, row = (int(np.floor(value)) for value in ~made.stack.affine * (x, y))
    return (row, column) if 0 <= row < made.stack.height and 0 <= column < made.stack.width else None


@cache
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _read(made: Map, raster: str, row: int, column: int) -> np.ndarray | None:
    """(bands,) of a pixel, as stored; None where the map lacks the raster."""
    if raster not in made.rasters:
        return None
    with warped.opened(made.raster(raster), warped.again(made)) as opened:
        return opened.read(window=Window(column, row, 1, 1))[:, 0, 0]


def _one(made: Map, raster: str, row: int, column: int) -> int | None:
    found = _read(made, raster, row, column)
    return None if found is None else int(found[0])


def _share(made: Map, raster: str, row: int, column: int) -> float | None:
    found = _read(made, raster, row, column)
    return None if found is None or np.isnan(found[0]) else float(found[0])


def _shares(made: Map, row: int, column: int) -> dict[str, float]:
    found = _read(made, folder.SHARES, row, column)
    if found is None or folder.NO_SHARE in found:
        return {}
    return {entry.name: float(share) / folder.SHARE_SCALE for entry, share in zip(made.classes, found, strict=True)}


def inside(made: Map, geometry: Mapping[str, Any], index: str = "NDVI") -> Inside:
    """The figures of an area that was drawn on the screen.

    Args:
        geometry: GeoJSON, a Polygon or MultiPolygon in EPSG:4326 or a Feature of one; it may reach over the map's border.
        index: whose profile is wanted.

    Raises:
        BadInput: the area is empty, crosses itself, lies outside of the map or holds no pixel's centre; or a raster cannot be read.
        UnknownIndex: there is none of that name.
    """
    name = indices.named(index).name
    area = drawn.area(made, geometry)
    crop = _cells(made, folder.CROP, area)
    ground_of = ground.block(made.stack.crs, crop.transform, 0, 0, *crop.within.shape)[crop.within]
    if not len(ground_of):
        raise BadInput("The area holds no centre of a pixel: draw a larger one, or click on the map for a single pixel.")
    codes = crop.values[0][crop.within]
    sides = _held(made, folder.AGREEMENT, area)
    many = crop.step**2
    names = legends.inventory_names(made)
    return Inside(
        len(codes) * many, float(ground_of.sum()), area.covered, int((codes > 0).sum()) * many,
        {part.name: part for part in _parts(codes, ground_of, many, _names(made)).values()},
        _parts(_held(made, folder.INVENTORY, area), ground_of, many, lambda code: names.get(code, f"code {code}")),
        int((sides == folder.AGREES).sum()) * many, int((sides == folder.DISAGREES).sum()) * many, crop.step, _profile(made, area, name),
    )  # fmt: skip


def _cells(made: Map, raster: str, area: Area) -> Cells:
    found = drawn.read(made.raster(raster), area, bands=[1], at_most=COUNTED, way_out=warped.again(made))
    if found is None:
        raise BadInput(
            f"The area holds more than {COUNTED / 1e6:.0f} million pixels and {made.raster(raster)} lacks overviews: draw a smaller one."
        )
    return found


def _held(made: Map, raster: str, area: Area) -> np.ndarray:
    """The codes of a raster in an area; none where the map lacks it."""
    if raster not in made.rasters:
        return np.zeros(0, dtype=np.uint8)
    cells = _cells(made, raster, area)
    return cells.values[0][cells.within]


def _parts(codes: np.ndarray, hectares: np.ndarray, many: int, name: Callable[[int], str]) -> dict[int, Part]:
    """Code -> what it has, the most ground first; 0 is nothing. many: pixels that each of `codes` stands for."""
    pixels = np.bincount(codes)
    ground_of = np.bincount(codes, weights=hectares[: len(codes)])
    there = [code for code in np.argsort(-ground_of, kind="stable").tolist() if code and pixels[code]]
    total = ground_of[there].sum()
    return {code: Part(name(code), int(pixels[code]) * many, float(ground_of[code]), float(ground_of[code] / total)) for code in there}


def _profile(made: Map, area: Area, index: str) -> Profile | None:
    stack, bands = made.stack, indices.INDICES[index].bands
    if not set(bands) <= set(stack.bands):
        return None
    rows, step = [], 1
    for layer in stack.layers:
        stored = drawn.read(
            layer.path, area, bands=[layer.bands[stack.bands.index(band)] for band in bands], at_most=PROFILED, way_out=warped.FETCH
        )
        if stored is None:
            return None
        pixels = reflectance(stack.numbers(stored.values[:, stored.within]))
        values = indices.compute(index, dict(zip(bands, pixels, strict=True)))
        rows.append(_spread(values[np.isfinite(values)]))
        step = max(step, stored.step)
    mean, low, median, high, counts = np.array(rows, dtype=np.float64).T
    figures = (row.astype(np.float32) for row in (mean, low, median, high))
    return Profile(index, tuple(layer.name for layer in stack.layers), stack.dates, *figures, counts.astype(np.int64), step)


def _spread(values: np.ndarray) -> tuple[float, ...]:
    """Mean, lower quartile, median, upper quartile and count of finite values."""
    if not len(values):
        return (np.nan,) * 4 + (0,)
    return float(values.mean(dtype=np.float64)), *np.percentile(values, (25, 50, 75)), len(values)
