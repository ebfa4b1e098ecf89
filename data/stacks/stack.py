"""A season stack: the same ground on several dates, a raster a date on one grid, read window by window. Needs rasterio."""

import json
import math
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from data import seasons
from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.errors import BadInput

HIGHEST = 65_535  # of uint16


@dataclass(frozen=True)
class Layer:
    """One date. name: YYYY-MM-DD or YYYY-MM. path: what GDAL opens. bands: numbers from 1 in the file, in the order of the stack's."""

    name: str
    path: str
    bands: tuple[int, ...]


@dataclass(frozen=True)
class Stack:
    """Rasters of one grid, by date.

    source: the folder or query that it was made of, for people.
    layers: T of them, by date. bands: B names, the order of every layer.
    crs: EPSG:<number>, or WKT where there is none. transform: (column, row) of the upper left corner -> crs, as a b c d e f.
    level: L1C, L2A, or empty where nothing tells.
    scale, offset: reflectance = stored * scale + offset. nodata: stored value of pixels without data, or None; NaN in the files is
        none either.
    simulated: whether no satellite took the pixels.
    """

    source: str
    layers: tuple[Layer, ...]
    bands: tuple[str, ...]
    crs: str
    transform: tuple[float, ...]
    height: int
    width: int
    level: str
    scale: float = 1 / REFLECTANCE_SCALE
    offset: float = 0.0
    nodata: float | None = 0.0
    simulated: bool = False

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """Of the layers; a month stands for its 15th."""
        return tuple(seasons.when(layer.name) for layer in self.layers)

    @cached_property
    def days(self) -> np.ndarray:
        """(T,) float32 days of year of the layers."""
        return np.array([day.timetuple().tm_yday for day in self.dates], dtype=np.float32)

    @property
    def affine(self) -> Affine:
        return Affine(*self.transform)

    def read(self, top: int, left: int, height: int, width: int, bands: tuple[str, ...] | None = None) -> np.ndarray:
        """A window of every date.

        Args:
            top, left, height, width: pixels; the window lies within the stack.
            bands: those that are read, in this order; None for all.

        Returns:
            (T, B, height, width) uint16 reflectance x 10 000, 0 = no data.

        Raises:
            BadInput: a file cannot be read, as one that is cut short.
        """
        return np.stack([self.read_layer(number, top, left, height, width, bands) for number in range(len(self.layers))])

    def read_layer(self, number: int, top: int, left: int, height: int, width: int, bands: tuple[str, ...] | None = None) -> np.ndarray:
        """`read` of one date: (B, height, width)."""
        layer = self.layers[number]
        wanted = [layer.bands[self.bands.index(band)] for band in bands or self.bands]
        try:
            with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(layer.path) as raster:
                return self.numbers(raster.read(wanted, window=Window(left, top, width, height)))
        except RasterioError as error:
            raise BadInput(f"{layer.path} cannot be read to its end: {error}. It may be cut short: fetch it again.") from error

    def numbers(self, stored: np.ndarray) -> np.ndarray:
        """Values as stored -> uint16 reflectance x 10 000, 0 = no data; what is darker than 1 stays 1, for 0 would say no data."""
        as_it_is = stored.dtype == np.uint16 and math.isclose(self.scale, 1 / REFLECTANCE_SCALE) and self.offset == 0
        if as_it_is and self.nodata == NO_DATA:
            return stored
        missing = np.zeros(stored.shape, dtype=bool) if self.nodata is None else stored == self.nodata
        if as_it_is:
            return np.where(missing, NO_DATA, np.maximum(stored, 1))
        values = stored.astype(np.float64)
        missing |= ~np.isfinite(values)
        values = np.rint((np.where(missing, 0.0, values) * self.scale + self.offset) * REFLECTANCE_SCALE)
        return np.where(missing, NO_DATA, np.clip(values, 1, HIGHEST)).astype(np.uint16)

    def of(self, names: tuple[str, ...]) -> "Stack":
        """The stack with the layers of these names alone."""
        return Stack(**vars_of(self) | {"layers": tuple(layer for layer in self.layers if layer.name in names)})

    def as_json(self) -> dict:
        """JSON-ready; `from_json` makes it a stack again."""
        return json.loads(json.dumps(asdict(self)))


def vars_of(stack: Stack) -> dict:
    """The fields of a stack as they are."""
    return {name: getattr(stack, name) for name in Stack.__dataclass_fields__}


def from_json(content: dict) -> Stack:
    """The stack that `Stack.as_json` described."""
    layers = tuple(Layer(layer["name"], layer["path"], tuple(layer["bands"])) for layer in content["layers"])
    return Stack(**content | {"layers": layers, "bands": tuple(content["bands"]), "transform": tuple(content["transform"])})
