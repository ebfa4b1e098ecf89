"""What a map says about a place: one pixel with its season, or the figures of an area that somebody drew.

Reads only the pixels that are asked for; an area of very many pixels is read from the overviews, and its answer says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
from pyproj import Transformer
from rasterio.windows import Window

from data.bands import reflectance
from data.mapped import folder, legends, warped
from data.mapped.folder import Map

WORLD = "EPSG:4326"


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


def at(made: Map, lon: float, lat: float) -> Pixel | None:
    """The pixel at a place, in degrees; None outside of the map.

    Raises:
        BadInput: a raster of the map or of its stack is gone or cut short.
    """
    place = where(made, lon, lat)
    if place is None:
        return None
    row, column = place
    stack = made.stack
    centre_lon, centre_lat = _transformer(stack.crs, WORLD).transform(*(stack.affine * (column + 0.5, row + 0.5)))
    code, second, inventory, agreement = (
        _one(made, raster, row, column) for raster in (folder.CROP, folder.SECOND, folder.INVENTORY, folder.AGREEMENT)
    )
    by_code = made.by_code()
    return Pixel(
        row, column, centre_lon, centre_lat, tuple(layer.name for layer in stack.layers), stack.dates, stack.bands,
        reflectance(stack.read(row, column, 1, 1)[:, :, 0, 0]), by_code[int(code)].name if code else None,
        by_code[int(second)].name if second else None, _share(made, folder.PROBABILITY, row, column),
        _share(made, folder.MARGIN, row, column), _shares(made, row, column), None if inventory is None else int(inventory),
        legends.inventory_name(made, int(inventory)) if inventory else "", {folder.AGREES: True, folder.DISAGREES: False}.get(agreement),
    )  # fmt: skip


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
