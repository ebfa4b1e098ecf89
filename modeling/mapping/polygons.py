"""Polygons that somebody gives, as fields or regions, and the pixels of a map that lie in them. Needs geopandas; reads vector files.

A pixel lies in a polygon if its middle does. Polygons are drawn in squares of the map that never change, so which pixels are whose is
the same whatever window is asked for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import Transformer
from rasterio.enums import MergeAlg
from rasterio.features import rasterize
from rasterio.transform import Affine

from data.errors import BadInput
from data.ingest import sites, tables
from data.report import Report

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SIDE = 512  # pixels of the squares in which polygons are drawn


@dataclass(frozen=True)
class Polygons:
    """N polygons of a file.

    frame: their rows with all columns; valid Polygons and MultiPolygons in two dimensions.
    names: of the column that tells the rows apart, else "row 7".
    """

    frame: "GeoDataFrame"
    names: list[str]

    def on_grid(self, crs: str, transform: tuple[float, ...]) -> np.ndarray:
        """(N,) the shapes as (column, row) of a grid; where its CRS has no such place they are empty."""
        to_crs, back = Transformer.from_crs(self.frame.crs, crs, always_xy=True), ~Affine(*transform)

        def move(places: np.ndarray) -> np.ndarray:
            return np.stack(back * to_crs.transform(*places.T), axis=1)

        moved = shapely.transform(self.frame.geometry.to_numpy(), move)
        moved[~np.isfinite(shapely.bounds(moved)).all(axis=1)] = shapely.Polygon()
        bent = ~shapely.is_valid(moved)
        moved[bent] = shapely.make_valid(moved[bent])
        return moved

    def only(self, kept: np.ndarray) -> "Polygons":
        """Those at some positions."""
        return Polygons(self.frame.iloc[kept].reset_index(drop=True), [self.names[at] for at in kept])


def read(path: Path | str, report: Report) -> Polygons:
    """The polygons of a GeoPackage, GeoJSON, Shapefile or GeoParquet file; rows without one go to the report, and so do repairs.

    Raises:
        BadInput: the file is missing, empty or damaged, has several layers, no places, no CRS or no polygon.
    """
    path = Path(path)
    frame = tables.frame(path, way="Save the one that is meant as a file of its own.")
    if not hasattr(frame, "crs"):
        raise BadInput(f"{path} holds a table without polygons. Give a GeoPackage, GeoJSON, Shapefile or GeoParquet file of polygons.")
    if frame.crs is None:
        raise BadInput(f"{path} does not say its CRS, so nobody knows where its polygons lie. Save it with its CRS (a Shapefile's .prj).")
    table = tables.framed(frame)
    names = [name or f"row {number}" for name, number in zip(sites.names_of(table, None), table.numbers, strict=True)]
    shapes = np.array([_polygon(*row, report) for row in zip(names, table.geometry, strict=True)], dtype=object)
    kept = np.flatnonzero(shapes != None)  # noqa: E711  # by element
    if not kept.size:
        raise BadInput(f"None of the {len(frame)} rows of {path} has a polygon. {report.text()}".strip())
    return Polygons(frame.set_geometry(shapes, crs=frame.crs), names).only(kept)


def _polygon(name: str, shape: shapely.Geometry | None, report: Report) -> shapely.Geometry | None:
    shape = sites.shape_of(name, shape, report)
    if shape is not None and shape.geom_type == "Point":
        report.leave_out("points instead of polygons", name)
        return None
    return shape


class Drawing:
    """Polygons on a grid.

    shapes: (N,) of them, as (column, row); empty ones have no pixels.
    """

    def __init__(self, shapes: np.ndarray, height: int, width: int) -> None:
        self.shapes, self.height, self.width = shapes, height, width
        self.tree = shapely.STRtree(shapes)

    def pixels(self, top: int, left: int, height: int, width: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The pixels of a window that lie in polygons, part by part; one that lies in several comes with each of them.

        Yields:
            numbers (n,) of polygons, and of their pixels the rows and columns (n,) in the window.
        """
        for square_top in range(top // SIDE * SIDE, top + height, SIDE):
            for square_left in range(left // SIDE * SIDE, left + width, SIDE):
                for numbers, down, right in self._square(square_top, square_left):
                    rows, columns = down - top, right - left
                    here = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
                    yield numbers[here], rows[here], columns[here]

    def _square(self, top: int, left: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Numbers, rows and columns on the grid, of a square."""
        square = (top, left, min(top + SIDE, self.height), min(left + SIDE, self.width))
        near = np.sort(self.tree.query(shapely.box(left, top, square[3], square[2])))
        if not near.size:
            return
        rows, columns = np.nonzero(_drawn([(shape, 1) for shape in self.shapes[near]], *square, merge_alg=MergeAlg.add) > 1)
        several = np.unique(self.tree.query(shapely.points(columns + left + 0.5, rows + top + 0.5))[1])  # those that may share pixels
        yield from self._filled(np.setdiff1d(near, several), *square)
        for number in several:
            west, north, east, south = self.shapes[number].bounds
            around = max(top, int(north)), max(left, int(west)), min(square[2], int(south) + 1), min(square[3], int(east) + 1)
            yield from self._filled(np.array([number]), *around)

    def _filled(self, numbers: np.ndarray, top: int, left: int, bottom: int, right: int) -> Iterator[tuple[np.ndarray, ...]]:
        if numbers.size and bottom > top and right > left:
            drawn = _drawn(zip(self.shapes[numbers], range(1, numbers.size + 1), strict=True), top, left, bottom, right)
            rows, columns = np.nonzero(drawn)
            yield numbers[drawn[rows, columns] - 1], rows + top, columns + left


def _drawn(shapes: Iterable[tuple[shapely.Geometry, int]], top: int, left: int, bottom: int, right: int, **more) -> np.ndarray:
    """(h, w) int32 the values of shapes on a part of the grid, 0 where there is none."""
    return rasterize(shapes, (bottom - top, right - left), transform=Affine.translation(left, top), dtype="int32", **more)
