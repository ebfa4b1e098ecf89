"""The pixel grid of a patch: 10 m, north up, snapped to whole multiples of 10 m so that a scene of the same CRS is read as it is."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from data import observing
from data.errors import BadInput
from data.ingest.settings import PIXEL_M


@dataclass(frozen=True)
class Grid:
    """crs: as EPSG:<number>; left, top: metres, of the upper left corner; size: pixels a side."""

    crs: str
    left: float
    top: float
    size: int

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """(column, row) of the upper left corner -> crs, as a b c d e f."""
        return (float(PIXEL_M), 0.0, self.left, 0.0, -float(PIXEL_M), self.top)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """left, bottom, right, top in metres."""
        side = self.size * PIXEL_M
        return (self.left, self.top - side, self.left + side, self.top)


def around(lon: float, lat: float, size: int, crs: str) -> Grid:
    """The grid whose middle is nearest to a place.

    Args:
        lon, lat: EPSG:4326.
        crs: "utm" for the place's own zone, or a CRS in metres.

    Raises:
        BadInput: the CRS is unknown or not in metres.
    """
    name = utm(lon, lat) if crs == "utm" else crs
    x, y = _transformer(name).transform(lon, lat)
    half = size / 2 * PIXEL_M
    left, top = (math.floor((value) / PIXEL_M + 0.5) * PIXEL_M for value in (x - half, y + half))
    return Grid(name, float(left), float(top), size)


def utm(lon: float, lat: float) -> str:
    """The EPSG code of a place's UTM zone; beyond 84 N and 80 S of the polar stereographic projections (UPS) instead."""
    if lat >= 84:
        return "EPSG:5041"
    if lat < -80:
        return "EPSG:5042"
    zone = min(60, int((lon + 180) // 6) + 1)
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def project(lons: np.ndarray, lats: np.ndarray, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y in metres of places in EPSG:4326; infinite where the projection does not reach.

    Raises:
        BadInput: the CRS is unknown or not in metres.
    """
    return _transformer(crs).transform(lons, lats)


def place(x: float, y: float, crs: str) -> tuple[float, float]:
    """Longitude and latitude (EPSG:4326) of a point in metres."""
    lon, lat = _transformer(crs).transform(x, y, direction="INVERSE")
    return float(lon), float(lat)


def outline(grid: Grid) -> list[tuple[float, float]]:
    """(longitude, latitude) of the corners, in EPSG:4326."""
    left, bottom, right, top = grid.bounds
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top)])
    lons, lats = _transformer(grid.crs).transform(*corners.T, direction="INVERSE")
    return list(zip(map(float, lons), map(float, lats), strict=True))


def inside(polygon: dict, grid: Grid) -> np.ndarray:
    """(size, size) bool: the pixels whose middle lies in a polygon given in EPSG:4326, one pixel away from its edge where that
    leaves any; the middle pixel where the field is smaller than one."""
    from rasterio.features import geometry_mask
    from rasterio.transform import Affine
    from rasterio.warp import transform_geom

    projected = transform_geom("EPSG:4326", grid.crs, polygon)
    mask = geometry_mask([projected], (grid.size, grid.size), Affine(*grid.transform), invert=True)
    if not mask.any():
        mask[grid.size // 2, grid.size // 2] = True
    return observing.shrunk(mask, 1)


@cache
def _transformer(crs: str):
    from pyproj import CRS, Transformer
    from pyproj.exceptions import CRSError

    try:
        known = CRS.from_user_input(crs)
    except CRSError as error:
        raise BadInput(f"{crs!r} is no coordinate reference system. Give utm, or a code such as EPSG:3978.") from error
    if not known.is_projected or known.axis_info[0].unit_conversion_factor != 1:
        raise BadInput(f"{crs} ({known.name}) is not in metres. Give utm, or a projected CRS such as EPSG:3978.")
    return Transformer.from_crs("EPSG:4326", known, always_xy=True)
