"""What a map says at many places at once: the pixel under a point, and the majority of the pixels in a field. Needs rasterio.

Both go through the map a window at a time and read only windows that hold a place, so memory does not grow with the map.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.windows import Window

from data.mapped import folder, warped
from data.mapped.folder import Map

SIDE = 2_048  # pixels of a window's side; a whole number of a COG's blocks
GEOGRAPHIC = "EPSG:4326"


@dataclass(frozen=True)
class Said:
    """What a map says at N places.

    codes: (N,) int64 crop codes; 0 = outside the map, or nothing was predicted there.
    probability: (N,) float64 0..1; NaN where the code is 0. Of a pixel that of its first choice; of a field the sum of it over the
        field's pixels of the majority, by all of the field's predicted pixels.
    """

    codes: np.ndarray
    probability: np.ndarray


def at_samples(made: Map, lon: np.ndarray, lat: np.ndarray, outlines: Sequence[str | None]) -> Said:
    """What the map says of samples: most of the pixels of the field, or the pixel at the coordinates where no outline is known or the
    field is smaller than a pixel.

    Args:
        lon, lat: (N,) EPSG:4326. outlines: N GeoJSON geometries of the fields in EPSG:4326, as text, or None.

    Raises:
        BadInput: a raster of the map is missing or cut short.
    """
    said = at_points(made, lon, lat)
    codes, probability = said.codes.copy(), said.probability.copy()
    outlined = np.array([at for at, outline in enumerate(outlines) if outline is not None], dtype=np.int64)
    if len(outlined):
        numbers: dict[str, int] = {}  # a field may have samples of several years
        of = np.array([numbers.setdefault(outlines[at], len(numbers)) for at in outlined])
        fields = in_fields(made, shapely.from_geojson(list(numbers)))
        there = fields.codes[of] > 0
        codes[outlined[there]], probability[outlined[there]] = fields.codes[of][there], fields.probability[of][there]
    return Said(codes, probability)


def at_points(made: Map, lon: np.ndarray, lat: np.ndarray) -> Said:
    """The pixels that points lie in.

    Args:
        lon, lat: (N,) EPSG:4326.

    Raises:
        BadInput: a raster of the map is missing or cut short.
    """
    rows, columns = _pixels(made, lon, lat)
    inside = np.flatnonzero((rows >= 0) & (rows < made.stack.height) & (columns >= 0) & (columns < made.stack.width))
    codes, probability = np.zeros(len(rows), np.int64), np.full(len(rows), np.nan)
    windows, places = np.unique(np.stack([rows[inside] // SIDE, columns[inside] // SIDE]), axis=1, return_inverse=True)
    for number, (tall, wide) in enumerate(windows.T):
        at = inside[places.ravel() == number]
        crop, best = _read(made, _window(made, tall, wide))
        here = rows[at] - tall * SIDE, columns[at] - wide * SIDE
        codes[at], probability[at] = crop[here], best[here]
    return Said(codes, np.where(codes == 0, np.nan, probability))


def in_fields(made: Map, fields: Sequence[shapely.Geometry]) -> Said:
    """The majority of the pixels whose centres lie in fields; of equally many the crop that comes first among the map's classes.

    A field without such a pixel on the map gets code 0. Where two overlap, a pixel counts for the later one.

    Args:
        fields: N polygons in EPSG:4326.

    Raises:
        BadInput: a raster of the map is missing or cut short.
    """
    known = np.array([entry.code for entry in made.classes])
    shapes = _on_the_grid(made, fields)
    counts, sums = np.zeros((len(fields), len(known))), np.zeros((len(fields), len(known)))
    for window, chosen in _windows(made, shapely.STRtree(shapes)):
        crop, best = _read(made, window)
        moved = shapely.transform(shapes[chosen], lambda xy, of=window: xy - (of.col_off, of.row_off))
        number = rasterize(zip(moved, range(1, len(chosen) + 1), strict=True), crop.shape, dtype="int32")
        at = (number > 0) & np.isin(crop, known)
        place = chosen[number[at] - 1], np.argmax(crop[at][:, None] == known, axis=1)
        np.add.at(counts, place, 1)
        np.add.at(sums, place, best[at])
    return _majority(known, counts, sums)


def _majority(known: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> Said:
    """(N, K) pixels by class and the sums of their probabilities -> what the map says of N fields."""
    seen, first, rows = counts.sum(axis=1), counts.argmax(axis=1), np.arange(len(counts))
    shares = sums[rows, first] / np.where(seen > 0, seen, np.nan)
    return Said(np.where(seen > 0, known[first], 0).astype(np.int64), shares)


def _pixels(made: Map, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (N,) int64 each; outside the grid where points lie there."""
    x, y = Transformer.from_crs(GEOGRAPHIC, made.stack.crs, always_xy=True).transform(np.asarray(lon, float), np.asarray(lat, float))
    columns, rows = ~made.stack.affine * (np.asarray(x), np.asarray(y))
    far = ~(np.isfinite(rows) & np.isfinite(columns))  # where the map's projection ends
    return tuple(np.floor(np.where(far, -1, values)).astype(np.int64) for values in (rows, columns))


def _on_the_grid(made: Map, fields: Sequence[shapely.Geometry]) -> np.ndarray:
    """The polygons in columns and rows of the map."""
    transformer = Transformer.from_crs(GEOGRAPHIC, made.stack.crs, always_xy=True)
    back = ~made.stack.affine

    def move(lonlat: np.ndarray) -> np.ndarray:
        return np.stack(back * tuple(np.asarray(transformer.transform(*lonlat.T))), axis=1)

    return shapely.transform(np.array(fields, dtype=object), move)


def _windows(made: Map, tree: shapely.STRtree) -> Iterator[tuple[Window, np.ndarray]]:
    """The windows that a field lies in, with the numbers of these fields."""
    for tall in range(-(-made.stack.height // SIDE)):
        for wide in range(-(-made.stack.width // SIDE)):
            window = _window(made, tall, wide)
            frame = shapely.box(window.col_off, window.row_off, window.col_off + window.width, window.row_off + window.height)
            chosen = np.sort(tree.query(frame, predicate="intersects"))
            if len(chosen):
                yield window, chosen


def _window(made: Map, tall: int, wide: int) -> Window:
    top, left = tall * SIDE, wide * SIDE
    return Window(left, top, min(SIDE, made.stack.width - left), min(SIDE, made.stack.height - top))


def _read(made: Map, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Codes and probabilities, (h, w) each, of a window."""
    return tuple(_band(made, raster, window) for raster in (folder.CROP, folder.PROBABILITY))


def _band(made: Map, raster: str, window: Window) -> np.ndarray:
    with warped.opened(made.raster(raster), warped.again(made)) as opened:
        return opened.read(1, window=window)
