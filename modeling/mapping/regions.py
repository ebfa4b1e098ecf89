"""Hectares that a map gives each class, whole and by region: of the ground, not of the projection. Reads crop.tif block by block."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window

from data.errors import BadInput
from data.mapped import folder, ground
from data.mapped.folder import Map
from data.report import Report
from modeling.mapping import polygons
from modeling.mapping.polygons import Drawing

SIDE = 2_048  # pixels of what is read at once: a whole number of a COG's blocks, and of the squares that polygons are drawn in


@dataclass(frozen=True)
class Regions:
    """R regions on a map's grid. shapes: (R,) as (column, row), what rows of the same name have together."""

    names: tuple[str, ...]
    shapes: np.ndarray

    def holding(self, made: Map, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """(N, R) bool, whether places (EPSG:4326) lie in the regions."""
        x, y = Transformer.from_crs(4326, made.stack.crs, always_xy=True).transform(np.asarray(lon), np.asarray(lat))
        columns, rows = ~made.stack.affine * (x, y)
        return np.stack([shapely.contains_xy(shape, columns, rows) for shape in self.shapes], axis=1)


def read(path: Path | str, column: str | None, made: Map, report: Report) -> Regions:
    """The regions of a file of polygons; those that do not reach the map go to the report.

    Args:
        column: that names them; None: one that tells the rows apart.

    Raises:
        BadInput: as `polygons.read`; no such column; no region reaches the map.
    """
    given = polygons.read(path, report)
    if column is not None and column not in given.frame.columns:
        columns = ", ".join(str(name) for name in given.frame.columns.drop(given.frame.geometry.name)) or "none"
        raise BadInput(f"{path} has no column {column!r}. It has: {columns}.")
    names = np.array(given.names if column is None else given.frame[column].astype(str))
    shapes = given.on_grid(made.stack.crs, made.stack.transform)
    raster = shapely.box(0, 0, made.stack.width, made.stack.height)
    together = {name: shapely.union_all(shapes[names == name]) for name in dict.fromkeys(names.tolist())}
    kept = {name: shape for name, shape in together.items() if shapely.relate_pattern(shape, raster, "T********")}
    for name in together.keys() - kept.keys():
        report.remark("regions outside the map", name)
    if not kept:
        raise BadInput(f"None of the {len(together)} regions of {path} reaches the map {made.name}. Give regions of this place.")
    return Regions(tuple(kept), np.array(list(kept.values()), dtype=object))


def hectares(made: Map, regions: Regions | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What the map gives its K classes.

    Returns:
        (K,) of the whole map, and (R, K) of the regions: float64 hectares, geodesic. A pixel is a region's if its middle lies in it.

    Raises:
        BadInput: crop.tif is missing or cut short.
    """
    stack, known, count = made.stack, len(made.classes), len(regions.names) if regions else 0
    position = np.full(folder.NO_SHARE + 1, -1)
    position[[entry.code for entry in made.classes]] = np.arange(known)
    drawing = Drawing(regions.shapes, stack.height, stack.width) if regions else None
    whole, parts = np.zeros(known), np.zeros((count, known))
    path = made.raster(folder.CROP)
    try:
        with rasterio.open(path) as raster:
            for top in range(0, stack.height, SIDE):
                for left in range(0, stack.width, SIDE):
                    tall, wide = min(SIDE, stack.height - top), min(SIDE, stack.width - left)
                    classes = position[raster.read(1, window=Window(left, top, wide, tall))]
                    areas = ground.block(stack.crs, stack.transform, top, left, tall, wide)
                    whole += _added(classes, areas, 0, (1, known))[0]
                    for numbers, rows, columns in drawing.pixels(top, left, tall, wide) if drawing else ():
                        parts += _added(classes[rows, columns], areas[rows, columns], numbers, parts.shape)
    except RasterioError as error:
        raise BadInput(f"{path} cannot be read to its end: {error}. It may be cut short: make the map again.") from error
    return whole, parts


def _added(classes: np.ndarray, areas: np.ndarray, regions: np.ndarray | int, shape: tuple[int, int]) -> np.ndarray:
    """Areas of pixels added up by region and class: (R, K). classes: -1 where nothing is predicted."""
    there = classes >= 0
    of = (classes + regions * shape[1])[there]
    return np.bincount(of, weights=areas[there], minlength=shape[0] * shape[1]).reshape(shape)
