"""Areas that somebody drew on a map: checked, taken to the map's CRS, and the pixels whose centres lie in them. Needs rasterio.

An area that takes in very many pixels is read from the overview that is fine enough, so that its cost does not grow with the raster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.windows
import shapely
from pyproj import Transformer
from rasterio.features import geometry_mask, geometry_window
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely.geometry import Polygon, mapping, shape
from shapely.validation import explain_validity

from data.errors import BadInput
from data.mapped import warped
from data.mapped.folder import Map

WORLD = "EPSG:4326"
BENDS = 128  # pieces that an area's extent is cut into, so that its sides stay where they were drawn in any CRS


@dataclass(frozen=True)
class Area:
    """shape: polygons in the map's CRS, cut to the map. covered: the share of what was drawn that lies on the map, above 0 to 1."""

    shape: shapely.Geometry
    covered: float


@dataclass(frozen=True)
class Cells:
    """Pixels of a raster around an area.

    values: (B, h, w) as stored. within: (h, w) whether the centre lies in the area. transform: of the window, a b c d e f.
    step: 1 for the raster's own pixels, n where each stands for n x n of them.
    """

    values: np.ndarray
    within: np.ndarray
    transform: tuple[float, ...]
    step: int


def area(made: Map, geometry: Mapping[str, Any]) -> Area:
    """An area that was drawn on the screen.

    Args:
        geometry: GeoJSON, a Polygon or MultiPolygon in EPSG:4326 or a Feature of one. Its sides are straight on the screen (EPSG:3857).

    Raises:
        BadInput: it is no area, is empty, crosses itself, lies beyond the world's edge, or lies outside of the map.
    """
    drawn = checked(geometry)
    to_screen = Transformer.from_crs(WORLD, warped.MERCATOR, always_xy=True)
    to_map = Transformer.from_crs(warped.MERCATOR, made.stack.crs, always_xy=True)
    on_screen = shapely.transform(drawn, to_screen.transform, interleaved=False)
    left, bottom, right, top = on_screen.bounds
    bent = shapely.segmentize(on_screen, max(right - left, top - bottom) / BENDS)
    placed = shapely.transform(bent, to_map.transform, interleaved=False)
    if np.isfinite(shapely.get_coordinates(placed)).all():
        placed = shapely.make_valid(placed)
        outline = footprint(made)
        cut = shapely.intersection(placed, outline)
        if cut.area > 0:
            return Area(cut, 1.0 if outline.covers(placed) else min(1.0, cut.area / placed.area))
    raise BadInput(f"The area lies outside of the map {made.title}. {_reach(made)}: draw it there.")


def footprint(made: Map) -> Polygon:
    """The map's outline in its CRS."""
    stack = made.stack
    return Polygon([stack.affine * corner for corner in ((0, 0), (stack.width, 0), (stack.width, stack.height), (0, stack.height))])


def read(path: Path | str, area: Area, *, bands: list[int] | None, at_most: int, way_out: str) -> Cells | None:
    """The pixels of a raster around an area, from the first overview on which they are few enough.

    Args:
        bands: numbers from 1; None for all. at_most: pixels of a band that are read.

    Returns:
        None where even the coarsest overview has too many.

    Raises:
        BadInput: the file cannot be read.
    """
    with warped.opened(path, way_out) as raster:
        window = _window(raster, area)
        around = window.height * window.width
        found = next(((level, factor) for level, factor in _levels(raster) if around / factor**2 <= at_most), None)
    if found is None:
        return None
    level, step = found
    with warped.opened(path, way_out, **({} if level is None else {"overview_level": level})) as raster:
        window = _window(raster, area)
        values = raster.read(bands, window=window)
        transform = rasterio.windows.transform(window, raster.transform)
    within = geometry_mask([mapping(area.shape)], values.shape[1:], transform, invert=True)
    return Cells(values, within, tuple(transform)[:6], step)


def _levels(raster: DatasetReader) -> list[tuple[int | None, int]]:
    return [(None, 1), *enumerate(raster.overviews(1))]


def _window(raster: DatasetReader, area: Area) -> Window:
    """The pixels around an area."""
    return geometry_window(raster, [mapping(shapely.box(*area.shape.bounds))])  # its corners suffice, and are few


def checked(geometry: Mapping[str, Any]) -> shapely.Geometry:
    """The polygon of a GeoJSON in EPSG:4326, if it is one that has an inside.

    Raises:
        BadInput: it is no area, is empty, crosses itself, or lies beyond the world's edge.
    """
    geometry = geometry.get("geometry") or geometry
    if geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise BadInput(f"{geometry.get('type')} is no area: draw a rectangle or a polygon.")
    try:
        drawn = shape(geometry)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise BadInput(
            f"The area's corners cannot be read ({error}): a polygon needs at least three, as longitude and latitude."
        ) from error
    corners = shapely.get_coordinates(drawn)
    if len(corners) and not (np.isfinite(corners).all() and (np.abs(corners) <= (180, warped.HIGHEST_LATITUDE)).all()):
        far = corners[np.argmax(np.abs(corners).max(axis=1))]
        raise BadInput(f"A corner of the area lies at {far[0]:g}, {far[1]:g}, beyond the world: draw it within ±180 and ±85 degrees.")
    if drawn.is_empty or drawn.convex_hull.area == 0:
        raise BadInput("The area is empty: draw a rectangle or a polygon with some ground in it.")
    if not drawn.is_valid:
        raise BadInput(f"The area's outline crosses itself ({explain_validity(drawn)}): draw it again without crossing.")
    return drawn


def _reach(made: Map) -> str:
    to_world = Transformer.from_crs(made.stack.crs, WORLD, always_xy=True)
    west, south, east, north = shapely.transform(footprint(made), to_world.transform, interleaved=False).bounds
    return f"It reaches from longitude {west:.4f} to {east:.4f} and latitude {south:.4f} to {north:.4f}"
