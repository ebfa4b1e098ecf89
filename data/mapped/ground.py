"""The ground that the pixels of a grid cover, in hectares on the WGS 84 ellipsoid, in any CRS. Pure arithmetic; reads no rasters.

A pixel of a projected CRS is no true square of ground, one of EPSG:3857 or of degrees far from it. So a pixel's corners are taken to an
equal-area projection of the ellipsoid (EPSG:6933), where the area of the quadrilateral is the ground's.
"""

import numpy as np
from pyproj import Transformer
from rasterio.transform import Affine

EQUAL_AREA = "EPSG:6933"  # cylindrical equal area, WGS 84 (Brodzik et al. 2012, EASE-Grid 2.0)
MOST_PIXELS, MOST_METRES = 128, 5_000.0  # between the pixels whose area is worked out; between them it is interpolated
HECTARE = 10_000.0  # square metres
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))  # column, row


def hectares(crs: str, transform: tuple[float, ...], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The area of single pixels.

    Args:
        crs: of the grid. transform: (column, row) of the upper left corner -> crs, as a b c d e f.
        rows, columns: numbers of pixels from 0, of shapes that broadcast.

    Returns:
        float64 hectares of the shape that both give; not finite where the CRS has no such place.
    """
    rows, columns = np.broadcast_arrays(np.asarray(rows, dtype=np.float64), np.asarray(columns, dtype=np.float64))
    to_ground = Transformer.from_crs(crs, EQUAL_AREA, always_xy=True)
    corners = [to_ground.transform(*(Affine(*transform) * (columns + right, rows + down))) for right, down in CORNERS]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    with np.errstate(invalid="ignore"):
        return np.abs((cx - ax) * (dy - by) - (dx - bx) * (cy - ay)) / 2 / HECTARE  # half the diagonals' cross product


def block(crs: str, transform: tuple[float, ...], top: int, left: int, height: int, width: int) -> np.ndarray:
    """The area of each pixel of a window: quick, and the same for a pixel whatever the window.

    Areas change slowly over a grid: they are worked out for pixels that lie no more than 5 km apart, as for every 128th of 10 m, and
    interpolated in between, which errs by less than a millionth.

    Returns:
        (height, width) float64 hectares.
    """
    step = _step(crs, transform)
    at_rows, row, down = _nodes(top, height, step)
    at_columns, column, right = _nodes(left, width, step)
    nodes = hectares(crs, transform, at_rows[:, None], at_columns[None, :])
    if not np.isfinite(nodes).all():  # the last of them lie beyond the end of the world
        return hectares(crs, transform, np.arange(top, top + height)[:, None], np.arange(left, left + width)[None, :])
    lines = nodes[row] * (1 - down)[:, None] + nodes[row + 1] * down[:, None]
    return lines[:, column] * (1 - right) + lines[:, column + 1] * right


def _step(crs: str, transform: tuple[float, ...]) -> int:
    """Pixels between those whose area is worked out: a power of two, by the grid's first pixel."""
    side = float(np.sqrt(hectares(crs, transform, np.zeros(1), np.zeros(1))[0] * HECTARE))
    if not 0 < side < MOST_METRES:
        return 1
    return min(MOST_PIXELS, 2 ** int(np.log2(MOST_METRES / side)))


def _nodes(start: int, count: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels whose area is worked out; of each pixel the position of the one before among them, and how far it is on to the next."""
    numbers = np.arange(start, start + count)
    first, last = start // step, (start + count - 1) // step
    return np.arange(first, last + 2) * step, numbers // step - first, (numbers % step) / step
