"""What a map says about a place: a pixel and an area, against rasterio, pyproj, shapely and NumPy."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod, Transformer
from rasterio.transform import Affine

from data import indices
from data.bands import reflectance
from data.errors import BadInput, UnknownIndex
from data.mapped import cogs, folder, values
from data.mapped.folder import Map
from data.stacks.stack import Layer, Stack
from data.workspace import Workspace
from tests import map_world
from tests.conftest import copy_workspace

CRSS = {"lambert": "EPSG:3978", "utm": "EPSG:32617", "degrees": "EPSG:4326"}


@pytest.fixture(scope="module")
def world(demo_home, tmp_path_factory) -> Workspace:
    """A workspace with a map in each CRS. Not to be written to."""
    workspace = copy_workspace(demo_home, tmp_path_factory.mktemp("maps") / "workspace")
    for name, crs in CRSS.items():
        map_world.make(workspace, name, crs=crs)
    return workspace


@pytest.fixture(scope="module", params=CRSS)
def made(request, world) -> Map:
    return folder.named(world, request.param)


@pytest.fixture(scope="module")
def lambert(world) -> Map:
    return folder.named(world, "lambert")


def stored(made: Map, raster: str) -> np.ndarray:
    with rasterio.open(made.raster(raster)) as opened:
        return opened.read()


def box(west: float, south: float, east: float, north: float) -> dict:
    return {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]}


def test_a_pixel_has_what_rasterio_has_at_the_place(made):
    to_map = Transformer.from_crs("EPSG:4326", made.stack.crs, always_xy=True)
    names = {entry.code: entry.name for entry in made.classes}
    for lon, lat in np.random.default_rng(0).uniform((-80.509, 43.493), (-80.491, 43.507), (8, 2)):
        pixel = values.at(made, lon, lat)
        place = [to_map.transform(lon, lat)]
        found = {}
        for raster in made.rasters:
            with rasterio.open(made.raster(raster)) as opened:
                found[raster] = next(opened.sample(place))
                assert opened.index(*place[0]) == (pixel.row, pixel.column)
        assert (pixel.crop, pixel.second) == (names[found["crop"][0]], names[found["second"][0]])
        assert (pixel.probability, pixel.margin) == (found["probability"][0], found["margin"][0])
        assert list(pixel.probabilities) == [entry.name for entry in made.classes]
        assert np.allclose(list(pixel.probabilities.values()), found["probabilities"] / 10_000)
        assert max(pixel.probabilities, key=pixel.probabilities.get) == pixel.crop
        assert (pixel.inventory, pixel.inventory_name) == (found["inventory"][0], names.get(found["inventory"][0], ""))
        assert pixel.agreement is {0: None, 1: True, 2: False}[found["agreement"][0]]


def test_a_pixels_season_is_that_of_the_stacks_files_and_its_centre_lies_in_it(made):
    pixel = values.at(made, -80.5, 43.5)
    assert pixel.layers == map_world.MONTHS and [day.month for day in pixel.dates] == [6, 7, 8, 9, 10]
    for number, layer in enumerate(made.stack.layers):
        with rasterio.open(layer.path) as opened:
            expected = opened.read()[:, pixel.row, pixel.column]
        assert np.allclose(pixel.season[number], expected / 10_000, equal_nan=True)
    x, y = Transformer.from_crs("EPSG:4326", made.stack.crs, always_xy=True).transform(pixel.lon, pixel.lat)
    assert np.allclose(~made.stack.affine * (x, y), (pixel.column + 0.5, pixel.row + 0.5), atol=1e-4)


def test_where_there_is_no_data_nothing_is_said(lambert):
    to_world = Transformer.from_crs(lambert.stack.crs, "EPSG:4326", always_xy=True)
    corner = values.at(lambert, *to_world.transform(*(lambert.stack.affine * (259.5, 299.5))))
    assert (corner.row, corner.column) == (299, 259)
    assert (corner.crop, corner.second, corner.probability, corner.margin, corner.agreement) == (None,) * 5
    assert corner.probabilities == {} and np.isnan(corner.season).all()
    hole = values.at(lambert, *to_world.transform(*(lambert.stack.affine * (3.5, 3.5))))
    assert np.isnan(hole.season).all(axis=1).tolist() == [False, True, False, False, False]


def test_outside_of_the_map_there_is_no_pixel(made):
    assert values.at(made, -80.6, 43.5) is None
    assert values.at(made, 100, -80) is None
    to_world = Transformer.from_crs(made.stack.crs, "EPSG:4326", always_xy=True)
    within, beyond = (to_world.transform(*(made.stack.affine * (column, 100.5))) for column in (0.01, -0.01))
    assert values.at(made, *within).column == 0 and values.at(made, *beyond) is None


def test_a_map_without_inventory_says_so(lambert):
    pixel = values.at(replace(lambert, rasters=("crop", "probability")), -80.5, 43.5)
    assert (pixel.inventory, pixel.inventory_name, pixel.agreement, pixel.second, pixel.probabilities) == (None, "", None, None, {})


def brute(made: Map, geometry: dict) -> np.ndarray:
    """(h, w) whether each pixel's centre lies in the polygon."""
    rows, columns = np.mgrid[: made.stack.height, : made.stack.width] + 0.5
    x, y = made.stack.affine * (columns, rows)
    lon, lat = Transformer.from_crs(made.stack.crs, "EPSG:3857", always_xy=True).transform(x, y)
    to_screen = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    outline = shapely.transform(shapely.geometry.shape(geometry), to_screen.transform, interleaved=False)
    return shapely.contains_xy(outline, lon, lat)


def polygon(*corners: tuple[float, float]) -> dict:
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}


STAR = polygon((-80.506, 43.494), (-80.499, 43.499), (-80.493, 43.495), (-80.497, 43.501), (-80.5, 43.507), (-80.502, 43.5))


@pytest.mark.parametrize("geometry", [box(-80.506, 43.494, -80.493, 43.506), STAR], ids=["rectangle", "polygon"])
def test_an_areas_counts_are_those_of_the_pixels_whose_centres_lie_in_it(made, geometry):
    found = values.inside(made, geometry)
    within = brute(made, geometry)
    assert (found.pixels, found.step, found.sampled, found.covered) == (within.sum(), 1, False, 1.0)
    names = {entry.code: entry.name for entry in made.classes}
    crop, inventory, agreement = (stored(made, raster)[0][within] for raster in ("crop", "inventory", "agreement"))
    assert found.predicted == (crop > 0).sum()
    assert {name: part.pixels for name, part in found.classes.items()} == {
        names[code]: (crop == code).sum() for code in np.unique(crop[crop > 0]).tolist()
    }
    assert {code: (part.name, part.pixels) for code, part in found.inventory.items()} == {
        code: (names[code], (inventory == code).sum()) for code in np.unique(inventory[inventory > 0]).tolist()
    }
    assert (found.agreeing, found.disagreeing) == ((agreement == 1).sum(), (agreement == 2).sum())
    for parts in (found.classes, found.inventory):
        assert sum(part.share for part in parts.values()) == pytest.approx(1)
        assert [part.hectares for part in parts.values()] == sorted((part.hectares for part in parts.values()), reverse=True)


def test_hectares_are_those_of_the_ellipsoid_in_every_crs(made):
    square = box(-80.506, 43.494, -80.493, 43.506)
    found = values.inside(made, square)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.geometry.shape(square))
    assert found.hectares == pytest.approx(abs(area) / 10_000, rel=0.01)  # the border's pixels are whole
    assert sum(part.hectares for part in found.classes.values()) == pytest.approx(found.hectares)


def test_an_areas_profile_has_the_mean_and_quartiles_of_its_pixels_with_data(lambert):
    geometry = box(-80.52, 43.503, -80.505, 43.52)  # over the hole, over the border
    profile = values.inside(lambert, geometry, "EVI").profile
    within = brute(lambert, geometry)
    assert (profile.index, profile.layers, profile.step) == ("EVI", map_world.MONTHS, 1)
    for number, layer in enumerate(lambert.stack.layers):
        with rasterio.open(layer.path) as opened:
            bands = dict(zip(opened.descriptions, reflectance(opened.read()[:, within]), strict=True))
        evi = indices.compute("EVI", bands)
        evi = evi[np.isfinite(evi)]
        assert profile.pixels[number] == len(evi)
        expected = (evi.mean(), *np.percentile(evi, (25, 50, 75)))
        got = (profile.mean[number], profile.low[number], profile.median[number], profile.high[number])
        assert np.allclose(got, expected, atol=1e-5)
    assert profile.pixels[1] < profile.pixels[0]


def test_a_date_without_any_data_in_the_area_leaves_a_gap(lambert):
    to_world = Transformer.from_crs(lambert.stack.crs, "EPSG:4326", always_xy=True)
    corners = [to_world.transform(*(lambert.stack.affine * corner)) for corner in ((2, 2), (2, 20), (20, 20), (20, 2), (2, 2))]
    profile = values.inside(lambert, {"type": "Polygon", "coordinates": [corners]}).profile
    assert profile.pixels.tolist() == [324, 0, 324, 324, 324]
    assert np.isnan([profile.mean[1], profile.low[1], profile.high[1]]).all() and np.isfinite(profile.mean[[0, 2, 3, 4]]).all()


def test_an_area_across_the_maps_border_says_how_much_of_it_is_covered(made):
    whole = values.inside(made, box(-80.6, 43.4, -80.4, 43.6))
    assert whole.pixels == 300 * 260 and whole.predicted == 300 * 260 - 96 and whole.covered < 0.1
    half = box(-80.6, 43.49, -80.5, 43.51)
    found = values.inside(made, half)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.geometry.shape(half))
    assert found.pixels == brute(made, half).sum()
    assert found.covered == pytest.approx(found.hectares / (abs(area) / 10_000), rel=0.02)


def test_a_feature_and_several_polygons_are_areas_too(lambert):
    one, two = box(-80.505, 43.495, -80.502, 43.498), box(-80.5, 43.5, -80.497, 43.503)
    both = {"type": "MultiPolygon", "coordinates": [one["coordinates"], two["coordinates"]]}
    apart = values.inside(lambert, one).pixels + values.inside(lambert, two).pixels
    assert values.inside(lambert, {"type": "Feature", "properties": {}, "geometry": both}).pixels == apart


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        (box(0, 0, 1, 1), r"outside of the map lambert. It reaches from longitude -80.5\d+ to -80.4\d+ and latitude 43.4"),
        (box(179, -60, 179.5, -59), "outside of the map"),
        (box(-80.5, 43.5, -80.5, 43.51), "is empty"),
        ({"type": "Polygon", "coordinates": []}, "is empty"),
        (polygon((-80.51, 43.5), (-80.5, 43.51), (-80.5, 43.5), (-80.51, 43.51)), "crosses itself"),
        ({"type": "Point", "coordinates": [-80.5, 43.5]}, "Point is no area"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "at least three"),
        ({"type": "Polygon"}, "cannot be read"),
        ({"type": "Polygon", "coordinates": [[["a", "b"], [1, 2], [3, 4], ["a", "b"]]]}, "cannot be read"),
        (box(279.4, 43.4, 279.6, 43.6), "beyond the world"),
        (box(-80.50001, 43.5, -80.5, 43.50001), "holds no centre of a pixel"),
    ],
)
def test_areas_that_cannot_be_counted_are_named(lambert, geometry, said):
    with pytest.raises(BadInput, match=said):
        values.inside(lambert, geometry)


def test_an_index_that_the_stack_lacks_gives_no_profile_and_one_that_nobody_knows_is_named(lambert):
    stack = replace(lambert.stack, bands=lambert.stack.bands[:4])
    assert values.inside(replace(lambert, stack=stack), STAR).profile is None
    with pytest.raises(UnknownIndex, match="no index 'RAIN'"):
        values.inside(lambert, STAR, "RAIN")


def large(path: Path, *, side: int = 1_536) -> Map:
    """A map and its stack of one date as COGs with overviews: three classes in fields of 24 pixels, half of it labelled."""
    rng = np.random.default_rng(0)
    crop = np.array([10, 20, 20, 30], dtype=np.uint8)[rng.integers(0, 4, (side // 24, side // 24))].repeat(24, axis=0).repeat(24, axis=1)
    inventory = np.where(np.arange(side) < side // 2, crop, 0).astype(np.uint8)
    grid = {"crs": "EPSG:32631", "transform": (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0), "height": side, "width": side}
    for name, codes in (("crop", crop), ("inventory", inventory)):
        cogs.write(
            path / f"{name}.tif", [(0, 0, codes)], **grid, dtype="uint8", nodata=0, colours={10: "#101010", 20: "#202020", 30: "#303030"}
        )
    bands = np.stack([crop.astype(np.uint16) * 100, np.full_like(crop, 10, dtype=np.uint16) * 50]).astype(np.uint16)
    cogs.write(path / "2021-07.tif", [(0, 0, bands)], **grid, dtype="uint16", nodata=0, bands=("B08", "B04"))
    stack = Stack(str(path), (Layer("2021-07", str(path / "2021-07.tif"), (1, 2)),), ("B08", "B04"), level="L2A", **grid)
    classes = tuple(folder.MapClass(f"c{code}", f"c{code}", code, "#101010", (code,)) for code in (10, 20, 30))
    return Map(path, "large", "large", "run-1", "none", "ltae", "2026-01-01T00:00:00+00:00", classes, stack, ("crop", "inventory"))


def test_a_very_large_area_is_sampled_from_overviews_and_says_so(tmp_path, monkeypatch):
    made = large(tmp_path)
    exact = values.inside(made, box(2.9, 50.3, 3.3, 50.7))
    assert (exact.step, exact.pixels, exact.profile.step) == (1, 1_536**2, 2)
    monkeypatch.setattr(values, "COUNTED", 200_000)
    monkeypatch.setattr(values, "PROFILED", 200_000)
    found = values.inside(made, box(2.9, 50.3, 3.3, 50.7))
    assert (found.step, found.sampled, found.profile.step) == (4, True, 4)
    assert found.pixels == 1_536**2 and found.hectares == pytest.approx(exact.hectares, rel=1e-6)
    for code in ("c10", "c20", "c30"):
        assert found.classes[code].share == pytest.approx(exact.classes[code].share, abs=0.005)
        assert found.classes[code].hectares == pytest.approx(exact.classes[code].hectares, rel=0.01)
    assert sum(part.pixels for part in found.inventory.values()) == pytest.approx(1_536**2 / 2, rel=0.01)
    ndvi = (np.array([1_000, 2_000, 3_000]) - 500) / (np.array([1_000, 2_000, 3_000]) + 500)
    shares = [exact.classes[code].share for code in ("c10", "c20", "c30")]
    assert found.profile.mean[0] == pytest.approx(ndvi @ shares, abs=0.01)


def test_a_large_area_of_a_stack_without_overviews_has_counts_but_no_profile(tmp_path, monkeypatch):
    made = large(tmp_path)
    with rasterio.open(
        tmp_path / "plain.tif", "w", driver="GTiff", dtype="uint16", count=2, height=1_536, width=1_536, crs="EPSG:32631",
        transform=Affine(*made.stack.transform), nodata=0, sparse_ok=True,
    ):  # fmt: skip
        pass
    layer = replace(made.stack.layers[0], path=str(tmp_path / "plain.tif"))
    found = values.inside(replace(made, stack=replace(made.stack, layers=(layer,))), box(2.9, 50.3, 3.3, 50.7))
    assert found.pixels == 1_536**2 and found.profile is None


@pytest.mark.parametrize("kept", [0.5, None], ids=["cut short", "gone"])
@pytest.mark.parametrize("broken", ["crop.tif", "2019-08.tif"])
def test_rasters_that_are_cut_short_or_gone_are_named(broken, kept, demo):
    made = map_world.make(demo, "broken")
    path = made.path / broken if broken == "crop.tif" else Path(made.stack.source) / broken
    path.unlink() if kept is None else os.truncate(path, int(path.stat().st_size * kept))
    for read in (lambda: values.at(made, -80.5, 43.5), lambda: values.inside(made, STAR)):
        with pytest.raises(BadInput, match=rf"{broken} (is missing|cannot be read).*(Make the map again|etch it again)"):
            read()
