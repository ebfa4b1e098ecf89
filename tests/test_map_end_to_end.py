"""Whole maps by the command, from the GeoTIFFs to the Cloud-Optimised GeoTIFFs, of real places, held against what others get.

Belgium is ten monthly composites, whole and cut; the Bavarian fields are single dates in EPSG:3857 with nothing outside the field. The
network is called on single pixels (`tests.mapping_world.Oracle`), places are rasterio's and pyproj's, COGs are judged by rio-cogeo, the
inventory's agreement is counted with NumPy.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from rio_cogeo.cogeo import cog_validate

from data import aci, catalogue
from data.mapped import folder
from data.mapped.folder import Map
from data.workspace import Workspace
from tests import map_world
from tests.conftest import copy_workspace
from tests.mapping_world import BAVARIA, BELGIUM, CANADA, CUT, FIELDS, INPUTS, Oracle, arranged, command, dates_of, day_of, season, trained

USED = INPUTS.split("+")[:-1]  # the last is an index
TOLERANCE = 1e-6


@dataclass(frozen=True)
class World:
    """A workspace, its two runs, and where maps go."""

    workspace: Workspace
    bavaria: str
    canada: str
    place: Path

    def map(self, run: str, stack: Path, name: str, *more: object) -> Map:
        """A map by the command."""
        out = self.place / name
        result = command(self.workspace, "--run", run, "--stack", stack, "--out", out, "--workers", 1, *more, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)
        return folder.load(out)


@pytest.fixture(scope="module")
def world(demo_home, tmp_path_factory) -> World:
    place = tmp_path_factory.mktemp("maps")
    workspace = copy_workspace(demo_home, place / "workspace")
    return World(workspace, trained(workspace, BAVARIA, epochs=30), trained(workspace, CANADA), place)


@pytest.fixture(scope="module")
def belgium(world) -> dict[Path, Map]:
    """The maps of Belgium, whole and cut, the whole one against an inventory in degrees."""
    inventory = world.place / "inventory.tif"
    write_inventory(inventory, "EPSG:4326", BELGIUM / "be_31N_2021-06.tif", catalogue_codes(world))
    return {
        BELGIUM: world.map(world.bavaria, BELGIUM, "belgium", "--inventory", inventory),
        CUT: world.map(world.bavaria, CUT, "belgium-cut"),
    }


def catalogue_codes(world: World) -> list[int]:
    """Those of the run's classes, one of the inventory that is in none, no label and cloud."""
    known = [entry.code for entry in catalogue.legend(world.workspace.store, BAVARIA) if entry.learned]
    return [*known, 147, 0, 10]


def write_inventory(path: Path, crs: str, like: Path, codes: list[int]) -> None:
    """Codes in the inventory's own colours, in pixels of about 30 m, over the south-eastern three quarters of a raster."""
    with rasterio.open(like) as raster:
        bounds = raster.bounds
        to = Transformer.from_crs(raster.crs, crs, always_xy=True)
    xs, ys = to.transform(np.array([bounds.left, bounds.right] * 2), np.array([bounds.top, bounds.top, bounds.bottom, bounds.bottom]))
    step = 30 if crs != "EPSG:4326" else 0.0003
    left, top = xs.min() + (xs.max() - xs.min()) / 4, ys.max() - (ys.max() - ys.min()) / 4
    height, width = int((top - ys.min()) / step) + 2, int((xs.max() - left) / step) + 2
    values = np.random.default_rng(3).choice(codes, (height, width)).astype(np.uint8)
    transform = rasterio.Affine(step, 0, left, 0, -step, top)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": height, "width": width, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", **profile, nodata=0) as raster:
        raster.write(values, 1)
        raster.write_colormap(1, {entry.code: (*bytes.fromhex(entry.color[1:]), 255) for entry in aci.legend()})


def read(made: Map, name: str) -> np.ndarray:
    with rasterio.open(made.raster(name)) as raster:
        return raster.read(1)


def check_pixels(made: Map, oracle: Oracle, files: dict[str, Path], count: int, seed: int = 0) -> None:
    """Class, second class, probability and margin at random pixels are what the network says of their seasons."""
    pixels, days = season(files, oracle.bands), [day_of(name) for name in files]
    crop, second, probability, margin = (read(made, name) for name in ("crop", "second", "probability", "margin"))
    with rasterio.open(made.raster("probabilities")) as raster:
        shares = raster.read()
        assert raster.descriptions == tuple(oracle.classes)
    rng, checked = np.random.default_rng(seed), 0
    for row, column in zip(rng.integers(0, crop.shape[0], 4 * count), rng.integers(0, crop.shape[1], 4 * count), strict=True):
        if crop[row, column] == 0 or checked == count:
            continue
        wanted = oracle.probabilities(pixels[:, :, row, column], days, USED)
        order = np.argsort(-wanted)
        assert crop[row, column] in oracle.codes[order[0]]
        assert second[row, column] in oracle.codes[order[1]]
        assert abs(probability[row, column] - wanted[order[0]]) <= TOLERANCE
        assert abs(margin[row, column] - (wanted[order[0]] - wanted[order[1]])) <= TOLERANCE
        assert np.abs(shares[:, row, column] / 10_000 - wanted).max() <= 0.5 / 10_000 + TOLERANCE
        checked += 1
    assert checked == count


@pytest.mark.parametrize("place", [BELGIUM, CUT], ids=["100 x 100", "64 x 64"])
def test_pixels_of_belgium_are_what_the_network_says_of_their_seasons(world, belgium, place):
    files = dates_of(place)
    assert [layer.name for layer in belgium[place].stack.layers] == list(files)
    check_pixels(belgium[place], Oracle(world.workspace, world.bavaria), files, 60)


def test_belgium_is_mapped_wall_to_wall(belgium):
    for made in belgium.values():
        assert (read(made, "crop") > 0).all()
        assert np.isfinite(read(made, "probability")).all()
        assert made.figures["predicted"] == made.figures["pixels"] == made.stack.height * made.stack.width
        assert sum(entry["pixels"] for entry in made.figures["classes"].values()) == made.figures["pixels"]


def test_the_map_of_the_cut_is_the_cut_of_the_map(belgium):
    with rasterio.open(belgium[BELGIUM].raster("crop")) as whole, rasterio.open(belgium[CUT].raster("crop")) as cut:
        top, left = whole.index(*cut.xy(0, 0))
    shared = slice(top, top + 64), slice(left, left + 64)
    same_input = (season(dates_of(BELGIUM), USED)[(..., *shared)] == season(dates_of(CUT), USED)).all(axis=(0, 1))
    assert same_input.mean() > 0.99  # the sources differ in a few pixels, if at all
    for name in ("crop", "second"):
        assert (read(belgium[BELGIUM], name)[shared] == read(belgium[CUT], name))[same_input].all()
    for name in ("probability", "margin"):
        apart = np.abs(read(belgium[BELGIUM], name)[shared] - read(belgium[CUT], name))[same_input]
        assert apart.max() <= TOLERANCE


def test_colours_and_names_are_the_legend_s(world, belgium):
    legend = {entry.code: entry for entry in catalogue.legend(world.workspace.store, BAVARIA) if entry.learned}
    assert len(legend) == 2
    for name in ("crop", "second"):
        with rasterio.open(belgium[BELGIUM].raster(name)) as raster:
            colours = raster.colormap(1)
        assert {code: "#{:02x}{:02x}{:02x}".format(*colours[code]) for code in legend} == {code: legend[code].color for code in legend}
        assert colours[0][3] == 0
        notes = (belgium[BELGIUM].path / f"{name}.tif.aux.xml").read_text()
        assert all(f"<Category>{entry.learned}</Category>" in notes for entry in legend.values())


@pytest.mark.parametrize("place", [BELGIUM, CUT], ids=["100 x 100", "64 x 64"])
def test_every_raster_lies_where_the_images_lie_and_is_a_cog(belgium, place):
    made = belgium[place]
    with rasterio.open(next(iter(dates_of(place).values()))) as image:
        grid = (image.crs, image.transform, image.shape)
    for name in made.rasters:
        with rasterio.open(made.raster(name)) as raster:
            assert (raster.crs, raster.transform, raster.shape) == grid
        assert cog_validate(made.raster(name), strict=True)[0], (name, cog_validate(made.raster(name), strict=True))


def held_against(made: Map, inventory: Path) -> np.ndarray:
    """(h, w) codes of the inventory at the middles of the map's pixels, by pyproj; -1 within a thousandth of an edge of its pixels."""
    rows, columns = np.mgrid[: made.stack.height, : made.stack.width]
    x, y = made.stack.affine * (columns + 0.5, rows + 0.5)
    with rasterio.open(inventory) as raster:
        x, y = Transformer.from_crs(made.stack.crs, raster.crs, always_xy=True).transform(x, y)
        across, down = ~raster.transform * (x, y)
        inside = (across >= 0) & (down >= 0) & (across < raster.width) & (down < raster.height)
        codes = raster.read(1)[np.where(inside, down, 0).astype(int), np.where(inside, across, 0).astype(int)].astype(int)
    edge = np.minimum(np.abs(across - np.rint(across)), np.abs(down - np.rint(down))) < 1e-3
    return np.where(edge, -1, np.where(inside, codes, 0))


def check_agreement(world: World, made: Map, inventory: Path, no_label: set[int]) -> None:
    wanted, crop = held_against(made, inventory), read(made, "crop")
    there, agreement = read(made, "inventory"), read(made, "agreement")
    sure = wanted >= 0
    labels = np.where(np.isin(wanted, list(no_label)), 0, wanted)
    assert (there == labels)[sure].all()
    class_of = {code: entry.name for entry in made.classes for code in entry.codes}
    known = np.isin(labels, list(class_of)) & (crop > 0)
    names = np.vectorize(lambda code: class_of.get(code, ""))
    by_hand = np.where(known, np.where(names(labels) == names(crop), folder.AGREES, folder.DISAGREES), 0)
    assert (agreement == by_hand)[sure].all()
    assert {1, 2} <= set(agreement[sure].tolist())
    assert made.figures["agreeing"] == (agreement == folder.AGREES).sum()
    assert made.figures["disagreeing"] == (agreement == folder.DISAGREES).sum()


def test_agreement_with_an_inventory_in_degrees_is_what_numpy_counts(world, belgium):
    check_agreement(world, belgium[BELGIUM], world.place / "inventory.tif", {0, 10})


# Bavarian fields


@pytest.fixture(scope="module")
def held_out(world) -> dict[str, str]:
    """Field -> crop, of the fields that the run did not learn from."""
    with world.workspace.store.reading() as db:
        rows = db.execute(
            "select s.name, p.truth from prediction p join sample s on s.id = p.sample where p.run = ? and p.part = 'test'", [world.bavaria]
        )
        return {row["name"].removesuffix("-2018"): row["truth"] for row in rows}


@pytest.fixture(scope="module")
def fields(world, held_out) -> dict[str, Map]:
    return {name: world.map(world.bavaria, FIELDS / name, f"field-{name}") for name in held_out}


def test_pixels_of_fields_are_what_the_network_says_and_nothing_is_said_outside(world, fields):
    oracle = Oracle(world.workspace, world.bavaria)
    for name, made in list(fields.items())[:4]:
        files = dates_of(FIELDS / name)
        check_pixels(made, oracle, files, 12)
        inside = season(files, USED).any(axis=(0, 1))
        assert inside.mean() > 0
        for raster in ("crop", "second"):
            assert ((read(made, raster) > 0) == inside).all()
        for raster in ("probability", "margin"):
            assert (np.isfinite(read(made, raster)) == inside).all()


def test_fields_in_web_mercator_are_cogs_that_lie_where_the_images_lie(fields):
    for name, made in fields.items():
        with rasterio.open(next(iter(dates_of(FIELDS / name).values()))) as image:
            grid = (image.crs, image.transform, image.shape)
        for raster in made.rasters:
            with rasterio.open(made.raster(raster)) as opened:
                assert (opened.crs, opened.transform, opened.shape) == grid
            assert cog_validate(made.raster(raster), strict=True)[0]


def test_most_pixels_of_nearly_all_fields_that_the_run_never_saw_are_of_their_crop(fields, held_out):
    right = {}
    for name, made in fields.items():
        pixels = {entry: figures["pixels"] for entry, figures in made.figures["classes"].items()}
        right[name] = max(pixels, key=pixels.__getitem__) == held_out[name]
    assert len(right) == 8
    assert sum(right.values()) >= 6, right


# Other projections


@pytest.mark.parametrize("crs", ["EPSG:3978", "EPSG:32617", "EPSG:4326"])
def test_a_map_lies_where_its_images_lie_whatever_the_projection(world, crs, tmp_path):
    stack, _ = map_world.stack(tmp_path / "images", crs=crs, height=90, width=70)
    inventory = tmp_path / "inventory.tif"
    other = "EPSG:4326" if crs == "EPSG:3978" else "EPSG:3978"
    write_inventory(inventory, other, Path(stack.layers[0].path), [*aci.CROPS[:3], 20, 0])
    made = world.map(world.canada, tmp_path / "images", f"projected-{crs[5:]}", "--inventory", inventory)
    check_pixels(made, Oracle(world.workspace, world.canada), dates_of(tmp_path / "images"), 20)
    check_places(made, crs)
    check_warped(made, Oracle(world.workspace, world.canada), dates_of(tmp_path / "images"))
    codes_of_no_label = {0}
    check_agreement(world, made, inventory, codes_of_no_label)


def check_places(made: Map, crs: str) -> None:
    """Middles of pixels, by rasterio, come back to their pixel through longitude and latitude."""
    there = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    back = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    rng = np.random.default_rng(1)
    with rasterio.open(made.raster("crop")) as raster:
        assert raster.crs == rasterio.CRS.from_string(crs)
        rows, columns = rng.integers(0, raster.height, 50), rng.integers(0, raster.width, 50)
        lon, lat = there.transform(*raster.xy(rows, columns))
        assert (np.hypot(np.array(lon) + 80.5, np.array(lat) - 43.5) < 0.02).all()  # where the images were made
        across, down = ~raster.transform * back.transform(lon, lat)
    assert np.abs(across - 0.5 - columns).max() < 0.5
    assert np.abs(down - 0.5 - rows).max() < 0.5


def check_warped(made: Map, oracle: Oracle, files: dict[str, Path]) -> None:
    """Map and images, both brought to Web Mercator by GDAL, still fit pixel by pixel."""
    with rasterio.open(made.raster("crop")) as raster, WarpedVRT(raster, crs="EPSG:3857", nodata=0) as warped:
        crop, grid = warped.read(1), {"transform": warped.transform, "height": warped.height, "width": warped.width}
    dates = []
    for path in files.values():
        with rasterio.open(path) as image, WarpedVRT(image, crs="EPSG:3857", nodata=0, **grid) as warped:
            dates.append(arranged(warped.read(), image, oracle.bands))
    pixels, days = np.stack(dates), [day_of(name) for name in files]
    rng = np.random.default_rng(2)
    rows, columns = np.nonzero(crop)
    for at in rng.integers(0, len(rows), 20):
        wanted = oracle.probabilities(np.ascontiguousarray(pixels[:, :, rows[at], columns[at]]), days, USED)
        assert crop[rows[at], columns[at]] in oracle.codes[int(wanted.argmax())]
