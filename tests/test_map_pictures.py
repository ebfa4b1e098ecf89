"""Pictures of a map's layers: where they lie, what their colours mean, and that they cost what the screen shows."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from data import display, indices
from data.bands import reflectance
from data.errors import BadInput
from data.mapped import cogs, colours, folder, legends, pictures, warped
from data.mapped.folder import Map, MapClass
from data.mapped.pictures import View
from data.stacks.stack import Layer, Stack
from data.workspace import Workspace
from tests import map_world
from tests.conftest import copy_workspace

PLACES = {"EPSG:3978": (-80.5, 43.5), "EPSG:32631": (3.2, 50.8), "EPSG:4326": (11.0, 48.5)}
AROUND = View(43.47, -80.55, 43.53, -80.45, 800, 700)  # holds map_world's maps


@pytest.fixture(scope="module")
def world(demo_home, tmp_path_factory) -> Workspace:
    """A workspace with three maps of one landscape. Not to be written to."""
    workspace = copy_workspace(demo_home, tmp_path_factory.mktemp("maps") / "workspace")
    map_world.make(workspace, "first")
    map_world.make(workspace, "second", seed=1)
    map_world.make(workspace, "degrees", seed=2, crs="EPSG:4326")
    return workspace


@pytest.fixture(scope="module")
def made(world) -> Map:
    return folder.named(world, "first")


def noise(path: Path, crs: str, *, side: int = 250, values: np.ndarray | None = None) -> Map:
    """A map whose neighbouring pixels differ: 200 classes at random, or `values`. It has crop.tif alone."""
    step = 0.0001 if crs == "EPSG:4326" else 10.0
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*PLACES[crs])
    transform = (step, 0.0, x, 0.0, -step, y)
    if values is None:
        values = np.random.default_rng(0).integers(1, 201, (side, side)).astype(np.uint8)
    classes = tuple(MapClass(f"class {code}", f"classe {code}", code, f"#{code:02x}{255 - code:02x}80", (code,)) for code in range(1, 201))
    stack = Stack("", (), (), crs, transform, *values.shape, "L2A")
    path.mkdir(parents=True)
    cogs.write(
        path / "crop.tif", [(0, 0, values)], crs=crs, transform=transform, height=values.shape[0], width=values.shape[1], dtype="uint8",
        nodata=0, colours={entry.code: entry.color for entry in classes},
    )  # fmt: skip
    return Map(path, path.name, path.name, "run-1", "none", "ltae", "2026-01-01T00:00:00+00:00", classes, stack, ("crop",))


def around(made: Map, pixels: int, *, margin: float = 0.1, part: float = 1.0) -> View:
    """A view of a map's middle, so many screen pixels wide; part: of the map's extent."""
    grid = made.stack
    left, top = grid.affine * (0, 0)
    right, bottom = grid.affine * (grid.width, grid.height)
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", left, bottom, right, top)
    lon, lat, wide, high = (west + east) / 2, (south + north) / 2, (east - west) * part, (north - south) * part
    half = 0.5 + margin
    return View(lat - high * half, lon - wide * half, lat + high * half, lon + wide * half, pixels, pixels)


def image(picture: pictures.Picture) -> np.ndarray:
    """(h, w, 4) uint8."""
    opened = Image.open(io.BytesIO(picture.png))
    assert (opened.format, opened.mode) == ("PNG", "RGBA")
    return np.asarray(opened)


def places(picture: pictures.Picture, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y in a CRS of the centres of a picture's pixels, as Leaflet draws it: evenly between its edges in EPSG:3857."""
    height, width = image(picture).shape[:2]
    to_screen = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    (left, right), (bottom, top) = to_screen.transform([picture.west, picture.east], [picture.south, picture.north])
    x = left + (np.arange(width) + 0.5) * (right - left) / width
    y = top - (np.arange(height) + 0.5) * (top - bottom) / height
    return Transformer.from_crs("EPSG:3857", crs, always_xy=True).transform(*np.meshgrid(x, y))


@pytest.mark.parametrize("crs", PLACES)
@pytest.mark.parametrize(("pixels", "part"), [(900, 0.3), (310, 1.0)], ids=["near", "as fine as the raster"])
def test_each_colour_is_that_of_the_pixel_which_rasterio_has_at_the_place(crs, pixels, part, tmp_path):
    made = noise(tmp_path / "noise", crs)
    picture = pictures.picture(made, "crop", around(made, pixels, part=part))
    shown = image(picture)
    x, y = places(picture, crs)
    with rasterio.open(made.raster("crop")) as raster:
        codes = np.pad(raster.read(1), 2)
        column, row = ~raster.transform * (x, y)
    assert set(np.unique(shown[..., 3]).tolist()) <= {0, 255}
    seen = np.where(shown[..., 3] > 0, shown[..., 0], 0)  # red is the code

    def at(down: float, right: float) -> np.ndarray:
        rows, columns = (np.clip(np.floor(value), -2, 251).astype(int) + 2 for value in (row + down, column + right))
        return codes[rows, columns]

    near = [at(down, right) for down in (-0.5, 0, 0.5) for right in (-0.5, 0, 0.5)]
    assert np.any([seen == value for value in near], axis=0).all()  # within half a pixel, everywhere
    assert (seen == at(0, 0)).mean() > 0.95


@pytest.mark.parametrize("crs", PLACES)
def test_from_afar_a_border_between_classes_stays_where_it_is(crs, tmp_path):
    values = np.full((1_500, 1_700), 10, dtype=np.uint8)
    values[:, 611:] = 20
    values[877:] = 30
    made = noise(tmp_path / "borders", crs, values=values)
    picture = pictures.picture(made, "crop", around(made, 200))
    x, y = places(picture, crs)
    column, row = ~made.stack.affine * (x, y)
    true = np.where(row >= 877, 30, np.where(column >= 611, 20, 10))
    shown = image(picture)
    coarse = 1_700 * 1.2 / 200  # pixels of the raster to a pixel of the screen
    away = (abs(row - 877) > coarse) & ((abs(column - 611) > coarse) | (row > 877))
    inside = (row > coarse) & (row < 1_500 - coarse) & (column > coarse) & (column < 1_700 - coarse)
    assert (shown[..., 0] == true)[away & inside].all()
    assert (shown[..., 3] == 255)[inside].all()


@pytest.mark.parametrize("name", ["first", "degrees"])
def test_a_picture_ends_on_the_lattice_of_the_views_pixels_around_the_map(name, world):
    made = folder.named(world, name)
    picture = pictures.picture(made, "crop", AROUND)
    height, width = image(picture).shape[:2]
    to_screen = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    (left, west, east, right), (bottom, south, north, top) = to_screen.transform(
        [AROUND.west, picture.west, picture.east, AROUND.east], [AROUND.south, picture.south, picture.north, AROUND.north]
    )
    across, down = (right - left) / AROUND.width, (top - bottom) / AROUND.height
    edges = [(west - left) / across, (east - left) / across, (top - north) / down, (top - south) / down]
    assert np.allclose(edges, np.round(edges), atol=1e-6)
    assert (round(edges[1] - edges[0]), round(edges[3] - edges[2])) == (width, height)
    rows, columns = (np.flatnonzero((image(picture)[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    assert max(rows[0], columns[0]) <= 1 and min(rows[-1] - height, columns[-1] - width) > -20  # the lower right corner has no data


def test_a_map_that_fills_the_view_gives_a_picture_of_just_the_view(made):
    view = View(43.498, -80.502, 43.502, -80.498, 640, 480)
    picture = pictures.picture(made, "crop", view)
    assert image(picture).shape == (480, 640, 4)
    assert np.allclose((picture.south, picture.west, picture.north, picture.east), (43.498, -80.502, 43.502, -80.498), atol=1e-9)


def test_a_screen_of_very_many_pixels_gets_a_picture_of_at_most_2048(made):
    picture = pictures.picture(made, "crop", View(43.498, -80.502, 43.502, -80.498, 8_000, 4_000))
    assert image(picture).shape == (1_024, 2_048, 4)


def test_a_view_elsewhere_shows_nothing_and_one_without_area_is_refused(made):
    assert pictures.picture(made, "crop", View(10, 10, 11, 11, 500, 500)) is None
    with pytest.raises(BadInput, match="has no area"):
        pictures.picture(made, "crop", View(43.5, -80.5, 43.5, -80.4, 500, 500))


@pytest.mark.parametrize("layer", ["crop", "second", "inventory", "agreement"])
def test_a_pictures_colours_are_the_legends_exactly(layer, made):
    shown = image(pictures.picture(made, layer, AROUND))
    legend = {colours.rgb(entry.colour) for entry in pictures.legend(made, layer).entries}
    opaque = shown[shown[..., 3] > 0]
    assert {tuple(color) for color in np.unique(opaque[:, :3], axis=0).tolist()} == legend
    assert set(opaque[:, 3].tolist()) == {255}


def test_hidden_classes_are_transparent_on_every_layer_of_the_map(made):
    corn = next(entry for entry in made.classes if entry.name == "Corn")
    whole = image(pictures.picture(made, "crop", AROUND))
    is_corn = (whole[..., :3] == colours.rgb(corn.color)).all(axis=-1) & (whole[..., 3] > 0)
    assert is_corn.any()
    for layer in ("crop", "agreement", "probability", "margin"):
        shown, hidden = (image(pictures.picture(made, layer, AROUND, hidden=names)) for names in ((), ("Corn",)))
        assert not hidden[is_corn].any()
        assert (hidden[~is_corn] == shown[~is_corn]).all()
    without = image(pictures.picture(made, "inventory", AROUND, hidden=("Corn",)))
    assert not (without[without[..., 3] > 0][:, :3] == colours.rgb(corn.color)).all(axis=-1).any()


def test_agreement_can_be_hidden_and_nothing_is_left_where_all_is(made):
    shown = image(pictures.picture(made, "agreement", AROUND, hidden=("agrees",)))
    assert {tuple(color) for color in shown[shown[..., 3] > 0][:, :3].tolist()} == {colours.rgb(colours.AGREEMENT[folder.DISAGREES])}
    assert pictures.picture(made, "agreement", AROUND, hidden=("agrees", "disagrees")) is None


def nearest(picture: pictures.Picture, made: Map, values: np.ndarray, empty) -> tuple[np.ndarray, np.ndarray]:
    """A raster's values at a picture's pixels, and which of those lie clearly within a pixel of the raster."""
    column, row = ~made.stack.affine * places(picture, made.stack.crs)
    clear = np.all([abs(place - np.round(place)) > 0.2 for place in (column, row)], axis=0)
    padded = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(1, 1)] * 2, constant_values=empty)
    rows, columns = (
        np.clip(np.floor(place), -1, side).astype(int) + 1 for place, side in ((row, made.stack.height), (column, made.stack.width))
    )
    return padded[..., rows, columns], clear


def test_probability_is_on_the_legends_ramp_and_transparent_where_nothing_is_predicted(made):
    picture = pictures.picture(made, "probability", AROUND)
    with rasterio.open(made.raster("probability")) as raster:
        values, clear = nearest(picture, made, raster.read(1), np.nan)
    shown, stops = image(picture), pictures.legend(made, "probability").ramp.stops
    assert (stops[0][0], stops[-1][0]) == (0, 1)
    assert ((shown[..., 3] == 0) == np.isnan(values))[clear].all()
    known = clear & ~np.isnan(values)
    for channel in range(3):
        expected = np.interp(values[known], [at for at, _ in stops], [colours.rgb(color)[channel] for _, color in stops])
        assert abs(shown[known][:, channel] - expected).max() <= 1


@pytest.mark.parametrize("view", ["true", "nir", "swir", "ndvi"])
@pytest.mark.parametrize("name", ["first", "degrees"])
def test_imagery_is_the_dates_own_pixels_in_the_fixed_stretches(name, view, world):
    made = folder.named(world, name)
    picture = pictures.picture(made, view, AROUND, date="2019-07")
    with rasterio.open(Path(made.stack.source) / "2019-07.tif") as raster:
        expected = display.rgba(raster.read(), raster.descriptions, view)
    expected, clear = nearest(picture, made, expected.transpose(2, 0, 1), 0)
    shown = image(picture)
    seen = expected[3] > 0
    assert clear.mean() > 0.3 and (shown[..., 3] > 0)[clear].tolist() == seen[clear].tolist()
    assert (shown[clear & seen] == expected.transpose(1, 2, 0)[clear & seen]).all()


def test_any_index_is_on_a_ramp_with_its_own_ends(made):
    picture = pictures.picture(made, "EVI", AROUND, date="2019-08")
    with rasterio.open(Path(made.stack.source) / "2019-08.tif") as raster:
        bands = dict(zip(raster.descriptions, reflectance(raster.read()), strict=True))
    values, clear = nearest(picture, made, indices.compute("EVI", bands), np.nan)
    ramp = pictures.legend(made, "EVI").ramp
    assert (ramp.low, ramp.high) == pytest.approx((indices.named("EVI").low, indices.named("EVI").high))
    known = clear & ~np.isnan(values)
    red = np.interp(values[known], [at for at, _ in ramp.stops], [colours.rgb(color)[0] for _, color in ramp.stops])
    assert abs(image(picture)[known][:, 0] - red).max() <= 1


def test_dates_that_are_not_there_or_have_no_data_in_view_give_no_picture(made, tmp_path):
    assert pictures.picture(made, "true", AROUND, date="2019-01") is None
    assert pictures.picture(made, "true", AROUND) is None
    empty = tmp_path / "empty.tif"
    with rasterio.open(made.stack.layers[0].path) as raster, rasterio.open(empty, "w", **raster.profile) as copy:
        copy.write(np.zeros((raster.count, *raster.shape), dtype=np.uint16))
    layer = replace(made.stack.layers[0], path=str(empty))
    assert pictures.picture(replace(made, stack=replace(made.stack, layers=(layer,))), "true", AROUND, date=layer.name) is None


def test_a_stack_of_floats_without_a_no_data_value_is_shown_just_as_the_same_reflectance_in_integers(made, tmp_path):
    layer = made.stack.layers[0]
    path = tmp_path / "floats.tif"
    with rasterio.open(layer.path) as raster:
        values = reflectance(raster.read())
        with rasterio.open(path, "w", **raster.profile | {"dtype": "float32", "nodata": None}) as copy:
            copy.write(values)
    stack = replace(made.stack, layers=(replace(layer, path=str(path)),), scale=1.0, nodata=None)
    shown, expected = (pictures.picture(of, "true", AROUND, date=layer.name) for of in (replace(made, stack=stack), made))
    assert (image(shown) == image(expected)).all()


def test_what_changed_has_the_new_classes_colours_where_the_maps_differ(world, made):
    second = folder.named(world, "second")
    picture = pictures.picture(second, "changed", AROUND, other=made)
    with rasterio.open(made.raster("crop")) as old, rasterio.open(second.raster("crop")) as new:
        before, after = old.read(1), new.read(1)
    expected, clear = nearest(picture, second, np.where((before > 0) & (after > 0) & (before != after), after, 0), 0)
    shown = image(picture)
    rgb = {entry.code: colours.rgb(entry.color) for entry in second.classes}
    assert ((shown[..., 3] > 0) == (expected > 0))[clear].all()
    changed = clear & (expected > 0)
    assert (shown[changed][:, :3] == [rgb[code] for code in expected[changed].tolist()]).all()


def test_what_changed_against_a_map_of_another_grid_takes_its_nearest_pixel(world, made):
    degrees = folder.named(world, "degrees")
    picture = pictures.picture(made, "changed", AROUND, other=degrees)
    found = []
    for of in (degrees, made):
        with rasterio.open(of.raster("crop")) as raster:
            found.append(nearest(picture, of, raster.read(1), 0))
    (before, clear), (after, clear_too) = found
    differs = (before > 0) & (after > 0) & (before != after)
    both = clear & clear_too
    assert both.mean() > 0.1 and (((image(picture)[..., 3] > 0) == differs)[both]).all()


def test_a_class_of_another_code_but_the_same_name_has_not_changed(made):
    renumbered = tuple(replace(entry, code=9, codes=(9,)) if entry.name == "Corn" else entry for entry in made.classes)
    renamed = tuple(replace(entry, name="Maize") if entry.name == "Corn" else entry for entry in made.classes)
    assert legends.same(replace(made, classes=renumbered), made)[9] == 147
    assert legends.same(replace(made, classes=renamed), made)[147] == 147
    taken = tuple(replace(entry, name="Maize") if entry.name == "Corn" else entry for entry in renumbered)
    assert 9 not in legends.same(replace(made, classes=taken), made)


def test_changed_needs_the_other_map_and_unknown_layers_are_named(made):
    with pytest.raises(BadInput, match="name the older one"):
        pictures.picture(made, "changed", AROUND)
    with pytest.raises(BadInput, match=r"no layer 'rainfall'. It has crop, .*EVI"):
        pictures.picture(made, "rainfall", AROUND, date="2019-07")
    with pytest.raises(BadInput, match="has no inventory"):
        pictures.picture(replace(made, rasters=("crop",)), "inventory", AROUND)


def test_layers_are_the_maps_rasters_then_the_views_and_indices_of_its_bands(made, tmp_path):
    assert list(pictures.layers(made))[:6] == ["crop", "second", "inventory", "agreement", "probability", "margin"]
    assert {"true", "nir", "swir", "ndvi", "EVI"} <= set(pictures.layers(made)) and "NDVI" not in pictures.layers(made)
    assert pictures.layers(made, made)["changed"] == "Changed since first"
    bare = noise(tmp_path / "bare", "EPSG:4326")
    stack = replace(bare.stack, bands=("B04", "B08"), layers=(Layer("2019-07", "x.tif", (1, 2)),))
    assert list(pictures.layers(replace(bare, stack=stack))) == ["crop", "true", "ndvi", "OSAVI"]


def test_the_legend_of_the_prediction_has_names_in_both_languages_and_hectares(made):
    entry = next(entry for entry in pictures.legend(made, "crop").entries if entry.name == "Corn")
    assert (entry.name_fr, entry.colour) == ("Maïs", "#ffff99")
    assert (entry.pixels, entry.hectares) == tuple(made.figures["classes"]["Corn"].values())
    sides = pictures.legend(made, "agreement").entries
    assert [entry.pixels for entry in sides] == [made.figures["agreeing"], made.figures["disagreeing"]]


def test_the_inventorys_legend_has_the_rasters_own_names_and_marks_codes_that_nobody_knows(made, tmp_path):
    path = tmp_path / "inventory.tif"
    values = np.full((300, 260), 147, dtype=np.uint8)
    values[:50], values[50:100], values[100:110] = 34, 77, 0
    grid = {"crs": made.stack.crs, "transform": made.stack.transform, "height": 300, "width": 260}
    cogs.write(
        path,
        [(0, 0, values)],
        **grid,
        dtype="uint8",
        nodata=0,
        colours={34: "#cc6699", 147: "#123456"},
        names={34: "Urban", 147: "Grain corn"},
    )
    other = replace(made, path=tmp_path, figures={})
    counted = replace(other, figures={"codes": {"34": 13_000, "77": 13_000, "147": 49_400}})  # as maps have that a run made
    assert {entry.name: entry.pixels for entry in pictures.legend(counted, "inventory").entries} == {
        "Urban": 13_000, "code 77": 13_000, "Grain corn": 49_400,
    }  # fmt: skip
    entries = {entry.name: entry for entry in pictures.legend(other, "inventory").entries}
    assert {name: entry.colour for name, entry in entries.items()} == {"Urban": "#cc6699", "code 77": "#9a9a9a", "Grain corn": "#123456"}
    shown = image(pictures.picture(other, "inventory", AROUND))
    assert {tuple(color) for color in shown[shown[..., 3] > 0][:, :3].tolist()} == {colours.rgb(entry.colour) for entry in entries.values()}
    without = image(
        pictures.picture(other, "inventory", AROUND, hidden=("Corn", "code 77"))
    )  # 147 is the class Corn, whatever it is called
    assert {tuple(color) for color in without[without[..., 3] > 0][:, :3].tolist()} == {colours.rgb("#cc6699")}


def lightness(color: str) -> float:
    """CIE L* of #rrggbb (IEC 61966-2-1, CIE 15)."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in np.array(colours.rgb(color)) / 255]
    y = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


@pytest.mark.parametrize("ramp", [colours.share(), colours.index("EVI")], ids=["share", "index"])
def test_ramps_grow_lighter_in_even_steps(ramp):
    steps = np.diff([lightness(color) for _, color in ramp.stops])
    assert steps.min() > 0.7 * steps.mean() and steps.max() < 1.3 * steps.mean()


def test_disagreement_differs_from_agreement_in_lightness_too():
    assert lightness(colours.AGREEMENT[folder.AGREES]) - lightness(colours.AGREEMENT[folder.DISAGREES]) > 35


def test_from_afar_only_overviews_are_read(tmp_path):
    """A file whose full resolution is cut off (a COG has it last) still answers far views; near ones are named."""
    made = noise(tmp_path / "large", "EPSG:32631", values=np.random.default_rng(0).integers(1, 6, (1_600, 1_600)).astype(np.uint8))
    path = made.raster("crop")
    with rasterio.open(path) as raster:
        assert raster.overviews(1) == [2, 4]
    os.truncate(path, path.stat().st_size // 2)
    assert pictures.picture(made, "crop", around(made, 400)) is not None
    with pytest.raises(
        BadInput, match=r"crop.tif cannot be read; it is gone or cut short.*Make the map again: python -m modeling map --out"
    ):
        pictures.picture(made, "crop", around(made, 400, part=0.1))


def wide(path: Path, *, overviews: bool) -> Map:
    """A map on a stack of one date of 5,000 x 5,000 pixels of which nearly none are stored."""
    transform = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint16", count=3, height=5_000, width=5_000, crs="EPSG:32631", transform=Affine(*transform),
        nodata=0, tiled=True, sparse_ok=True,
    ) as raster:  # fmt: skip
        raster.write(np.full((3, 400, 400), 800, dtype=np.uint16), window=rasterio.windows.Window(2_300, 2_300, 400, 400))
        if overviews:
            raster.build_overviews([2, 4, 8])
    bands = ("B04", "B03", "B02")
    stack = Stack(str(path), (Layer("2019-07", str(path), (1, 2, 3)),), bands, "EPSG:32631", transform, 5_000, 5_000, "L2A")
    return Map(path.parent, "wide", "wide", "run-1", "none", "ltae", "2026-01-01T00:00:00+00:00", (), stack, ())


def test_a_wide_view_of_a_stack_without_overviews_asks_to_zoom_in(tmp_path):
    made = wide(tmp_path / "plain.tif", overviews=False)
    with pytest.raises(BadInput, match=r"25 million pixels of .*plain.tif, which has no overviews.*Zoom in, or .*python -m data stack"):
        pictures.picture(made, "true", around(made, 500), date="2019-07")
    assert pictures.picture(made, "true", around(made, 500, part=0.5), date="2019-07") is not None
    made = wide(tmp_path / "pyramid.tif", overviews=True)
    assert pictures.picture(made, "true", around(made, 500), date="2019-07") is not None


@pytest.fixture(scope="module", params=[0.5, None], ids=["cut short", "gone"])
def broken(request, world) -> Map:
    """A map whose rasters, and those of its stack, are cut to half their length, or are gone."""
    made = map_world.make(world, f"broken-{request.param_index}")
    for path in [*made.path.glob("*.tif"), *(Path(entry.path) for entry in made.stack.layers)]:
        path.unlink() if request.param is None else os.truncate(path, int(path.stat().st_size * request.param))
    return made


@pytest.mark.parametrize("layer", ["crop", "second", "inventory", "agreement", "probability", "margin", "changed", "true", "EVI"])
def test_files_that_are_cut_short_or_gone_are_named(layer, broken, made):
    with pytest.raises(BadInput, match=r"(\w+\.tif is missing|\.tif cannot be read).*(python -m modeling map|Fetch it again)"):
        pictures.picture(broken, layer, AROUND, date="2019-07", other=made)


def test_the_screens_metres_are_those_of_pyproj():
    lats = np.array([-85.05, -33.0, 0.0, 43.5, 60.0, 85.05])
    _, expected = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform(np.zeros(6), lats)
    assert np.allclose([warped.northing(lat) for lat in lats], expected, atol=1e-6)
    assert np.allclose([warped.latitude(y) for y in expected], lats, atol=1e-12)
