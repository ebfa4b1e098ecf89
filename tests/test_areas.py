"""Hectares of pixels, and areas of crops with their errors."""

import numpy as np
import pytest
from pyproj import Geod, Transformer

from data.mapped import ground

GRIDS = (
    ("EPSG:3978", -80.5, 43.5, 10.0),
    ("EPSG:32633", 12.0, 48.0, 10.0),
    ("EPSG:4326", -80.0, 60.0, 1e-4),
    ("EPSG:3857", 5.0, 51.0, 10.0),
)


def _geodesic(crs: str, transform: tuple[float, ...], row: int, column: int) -> float:
    """Hectares of a pixel by pyproj's geodesic polygons."""
    x = [transform[2] + (column + right) * transform[0] for right in (0, 1, 1, 0)]
    y = [transform[5] + (row + down) * transform[4] for down in (0, 0, 1, 1)]
    return abs(Geod(ellps="WGS84").polygon_area_perimeter(*Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y))[0]) / 10_000


def _grid(crs: str, lon: float, lat: float, step: float) -> tuple[float, ...]:
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return (step, 0.0, x, 0.0, -step, y)


@pytest.mark.parametrize("grid", GRIDS, ids=[grid[0] for grid in GRIDS])
def test_pixels_have_the_area_of_their_geodesic_outline(grid):
    transform = _grid(*grid)
    rows, columns = np.array([0, 5, 700, 4000]), np.array([0, 9, 333, 10_000])
    wanted = [_geodesic(grid[0], transform, *place) for place in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(ground.hectares(grid[0], transform, rows, columns), wanted, rtol=5e-7)


@pytest.mark.parametrize("grid", GRIDS, ids=[grid[0] for grid in GRIDS])
def test_a_window_gives_each_pixel_its_area_whatever_the_window(grid):
    transform = _grid(*grid)
    whole = ground.block(grid[0], transform, 100, 200, 300, 260)
    exact = ground.hectares(grid[0], transform, np.arange(100, 400)[:, None], np.arange(200, 460)[None, :])
    np.testing.assert_allclose(whole, exact, rtol=1e-7)
    np.testing.assert_array_equal(ground.block(grid[0], transform, 250, 300, 100, 90), whole[150:250, 100:190])


def test_a_window_at_the_pole_is_worked_out_pixel_by_pixel():
    transform = (0.1, 0.0, -180.0, 0.0, -0.1, 90.0)
    areas = ground.block("EPSG:4326", transform, 1_700, 0, 100, 10)
    assert areas[-1, 0] == pytest.approx(_geodesic("EPSG:4326", transform, 1_799, 0), rel=1e-3)
    assert np.isfinite(areas).all()
