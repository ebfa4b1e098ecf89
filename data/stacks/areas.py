"""The area that a stack is made for: a rectangle of 10 m pixels in a CRS in metres, cut into the square tiles that are fetched."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.errors import BadInput
from data.ingest import grids
from data.ingest.grids import Grid
from data.ingest.settings import PIXEL_M

TILE = 512  # pixels a side
LARGEST_PX = 40_000  # a side: 400 km, wider than a UTM zone is good for
EDGE_POINTS = 21  # along each edge of a box, whose projected outline is curved
Box = tuple[float, float, float, float]  # west, south, east, north in degrees, EPSG:4326


@dataclass(frozen=True)
class Area:
    """crs: EPSG:<number>, in metres. left, top: whole multiples of 10 m, of the upper left corner. height, width: pixels of 10 m."""

    crs: str
    left: float
    top: float
    height: int
    width: int

    @property
    def transform(self) -> tuple[float, ...]:
        """(column, row) of the upper left corner -> crs, as a b c d e f."""
        return Grid(self.crs, self.left, self.top, 1).transform

    @property
    def side(self) -> int:
        """Pixels of a side of its tiles: TILE, or less where that leaves less over."""
        longest = max(self.height, self.width)
        return math.ceil(longest / math.ceil(longest / TILE))

    def tiles(self) -> Iterator[tuple[str, Grid, int, int]]:
        """Name, grid, and top and left in pixels of each tile, row by row; the last ones reach beyond the area."""
        side = self.side
        for top in range(0, self.height, side):
            for left in range(0, self.width, side):
                grid = Grid(self.crs, self.left + left * PIXEL_M, self.top - top * PIXEL_M, side)
                yield f"r{top // side:03d}c{left // side:03d}", grid, top, left


def of_box(box: Box, crs: str = "utm") -> Area:
    """The area that holds a box.

    Args:
        crs: "utm" for the zone of the box's middle, or a CRS in metres.

    Raises:
        BadInput: the box is empty, not on Earth or too large; or the CRS is not in metres.
    """
    west, south, east, north = box
    shown = ",".join(f"{value:g}" for value in box)
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise BadInput(
            f"The box {shown} holds no ground. Give west,south,east,north in degrees, west and south first; one that crosses 180 degrees "
            "in two parts."
        )
    name = grids.utm((west + east) / 2, (south + north) / 2) if crs == "utm" else crs
    along = np.linspace(0, 1, EDGE_POINTS)
    lons = np.concatenate([west + along * (east - west)] * 2 + [np.full(EDGE_POINTS, west), np.full(EDGE_POINTS, east)])
    lats = np.concatenate([np.full(EDGE_POINTS, south), np.full(EDGE_POINTS, north)] + [south + along * (north - south)] * 2)
    xs, ys = grids.project(lons, lats, name)
    if not (np.isfinite(xs).all() and np.isfinite(ys).all()):
        raise BadInput(f"The box {shown} lies outside of where {name} can be used. Name another CRS with --grid.")
    left, right = math.floor(xs.min() / PIXEL_M), math.ceil(xs.max() / PIXEL_M)
    bottom, top = math.floor(ys.min() / PIXEL_M), math.ceil(ys.max() / PIXEL_M)
    height, width = top - bottom, right - left
    if max(height, width) > LARGEST_PX:
        raise BadInput(
            f"The box {shown} is {width / 100:,.0f} x {height / 100:,.0f} km, more than {LARGEST_PX / 100:,.0f} km a side. "
            "Name a smaller one with --box; several stacks can be made side by side."
        )
    return Area(name, float(left * PIXEL_M), float(top * PIXEL_M), height, width)
