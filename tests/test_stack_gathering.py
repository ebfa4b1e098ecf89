"""Stacks gathered from a real STAC API over real imagery: the same pixels as an ingest's, whatever the tiles and kills."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from pyproj import Transformer
from rio_cogeo.cogeo import cog_validate

from data.__main__ import main
from data.errors import BadInput
from data.ingest import fetching, planning, reading
from data.ingest.settings import Settings
from data.report import Report
from data.stacks import areas, gathering
from data.stacks.areas import Area
from data.stacks.gathering import Request, gather
from data.stacks.opening import open_stack
from tests.conftest import ROOT
from tests.stac_world import ORIGIN, StacWorld
from tests.test_ingest import FEW, SUMMER, ingest, patch, places, provider_of

EAGER = replace(SUMMER, min_clear=0.0)  # an ingest that takes every image that shows anything clearly, as a stack does


@pytest.fixture(scope="module")
def earth(tmp_path_factory):
    with StacWorld(tmp_path_factory.mktemp("earth"), bands=FEW) as world:
        yield world


@pytest.fixture
def world(earth):
    earth.faults.clear()
    earth.reset_counts()
    return earth


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Tries that follow at once, and nothing remembered from another test."""
    monkeypatch.setattr(reading, "PATIENCE_SECONDS", 0.01)
    options = {"GDAL_HTTP_RETRY_DELAY": "0.01", "GDAL_HTTP_TIMEOUT": "3", "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/"}
    monkeypatch.setattr(reading, "GDAL", reading.GDAL | options)


def around(made) -> Area:
    """The area of a patch."""
    return Area(made.crs, made.transform[2], made.transform[5], *made.pixels.shape[-2:])


def whole(world: StacWorld, settings: Settings = SUMMER, *, inset: int = 0, height: int = 96, width: int = 96) -> Request:
    """The Slovenian image, or a part of it; in pixels."""
    epsg, west, north = ORIGIN["slovenia"]
    return Request(settings, provider_of(world), Area(f"EPSG:{epsg}", west + inset * 10, north - inset * 10, height, width))


def box(world: StacWorld, east: float = 900, south: float = 900) -> str:
    """Of the Slovenian image's north-west corner, inset by 30 m, as the command takes it."""
    (west, top), (right, bottom) = world.lonlat("slovenia", 30, 30), world.lonlat("slovenia", east, south)
    return f"{west},{bottom},{right},{top}"


# Pixels


@pytest.mark.parametrize("place", ["overlap", "west", "corner"])
@pytest.mark.parametrize("tile", [512, 40])
def test_composites_are_those_of_an_ingest_on_the_same_grid(empty, world, tmp_path, monkeypatch, place, tile):
    monkeypatch.setattr(areas, "TILE", tile)
    ingest(empty, world, EAGER, places(world, place))
    made = patch(empty, f"{place}-2015")
    stack = gather(Request(SUMMER, provider_of(world), around(made)), tmp_path / "stack", Report())
    assert (stack.crs, stack.transform, stack.level, stack.bands) == (made.crs, made.transform, "L2A", FEW)
    assert [layer.name for layer in stack.layers] == ["2015-07", "2015-08", "2015-09"]
    np.testing.assert_array_equal(stack.read(0, 0, 64, 64), made.pixels)


@pytest.mark.parametrize(
    ("part", "tiles"),
    [({}, (512, 48)), ({"inset": 40, "height": 21, "width": 21}, (512, 7))],
    ids=["whole", "tiles too small to show an offset"],
)
def test_the_pixels_do_not_depend_on_the_tiles(world, tmp_path, monkeypatch, part, tiles):
    made = []
    for tile in tiles:
        monkeypatch.setattr(areas, "TILE", tile)
        report = Report()
        stack = gather(whole(world, **part), tmp_path / str(tile), report)
        made.append(stack.read(0, 0, stack.height, stack.width))
        assert [problem.name for problem in report.remarks] == [world.item_of("2015-08-30").id], "the scene that lies about its offset"
    assert (made[0] > 0).mean() > 0.5
    np.testing.assert_array_equal(made[0], made[1])


def test_what_was_judged_beforehand_is_not_judged_again_in_a_tile(world):
    plan = planning.make(EAGER, provider_of(world), places(world, "centre"))
    liar = world.item_of("2015-08-30").id
    part = plan.part([plan.targets[0].name])
    used = [[scene for of in fetching.fetch(replace(part, judged=judged))[0][0].sources for scene in of] for judged in (False, True)]
    assert liar not in used[0]
    assert liar in used[1]


def test_the_pixels_lie_where_the_scenes_have_them(world, tmp_path):
    july = world.item_of("2015-07-11")
    stack = gather(whole(world, replace(SUMMER, years=(), start="2015-07-11", end="2015-07-11")), tmp_path / "stack", Report())
    with rasterio.open(world.files[july.paths["B04"]]) as scene, rasterio.open(stack.layers[0].path) as made:
        assert (made.crs, made.transform, made.descriptions) == (scene.crs, scene.transform, FEW)
        np.testing.assert_array_equal(made.read(2)[made.read(2) > 0], scene.read(1)[made.read(2) > 0])
        tags = made.tags()
        assert (tags["level"], tags["acquired"]) == ("L2A", "2015-07")
        assert tags["attribution"].startswith("Contains modified Copernicus Sentinel data")
        assert "Earth Search" in tags["source"]
    assert cog_validate(stack.layers[0].path) == (True, [], [])


def test_every_acquisition_can_be_a_layer_without_what_clouds_hide(empty, world, tmp_path):
    ingest(empty, world, replace(EAGER, composites=False), places(world, "overlap"))
    made = patch(empty, "overlap-2015")
    stack = gather(Request(replace(SUMMER, composites=False), provider_of(world), around(made)), tmp_path / "stack", Report())
    names = [layer.name for layer in stack.layers]
    assert "2015-07-31" in names
    assert names == sorted(names)
    item = world.item_of("2015-07-31")
    clear = ~np.isin(item.truth["SCL"].repeat(2, 0).repeat(2, 1), SUMMER.mask)
    left, top = (round(value / 10) for value in (stack.transform[2] - item.transform.c, item.transform.f - stack.transform[5]))
    expected = np.where(clear, item.truth["B04"], 0)[top : top + 64, left : left + 64]
    assert (expected == 0).any()
    assert (expected > 0).any()
    np.testing.assert_array_equal(stack.read_layer(names.index("2015-07-31"), 0, 0, 64, 64, ("B04",))[0], expected)


# Areas


def test_the_area_of_a_box_holds_all_of_it():
    area = areas.of_box((14.5, 45.8, 14.6, 45.9))
    assert area.crs == "EPSG:32633"
    rng = np.random.default_rng(0)
    xs, ys = Transformer.from_crs(4326, 32633, always_xy=True).transform(rng.uniform(14.5, 14.6, 2000), rng.uniform(45.8, 45.9, 2000))
    assert ((xs >= area.left) & (xs <= area.left + area.width * 10) & (ys <= area.top) & (ys >= area.top - area.height * 10)).all()
    assert (area.left % 10, area.top % 10) == (0, 0)
    assert area.width * 10 < np.ptp(xs) * 1.05 + 500


@pytest.mark.parametrize(("height", "width"), [(64, 64), (512, 512), (513, 20), (1000, 700), (96, 96)])
def test_tiles_cover_an_area_once(height, width):
    covered = np.zeros((height, width), int)
    for _, grid, top, left in Area("EPSG:32633", 0, 0, height, width).tiles():
        assert grid.size <= areas.TILE
        assert (grid.left, grid.top) == (left * 10, -top * 10)
        covered[top : top + grid.size, left : left + grid.size] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((14.6, 45.8, 14.5, 45.9), "holds no ground"),
        ((14.5, 45.8, 14.5, 45.9), "holds no ground"),
        ((46.0, 14.0, 47.0, 95.0), "holds no ground"),
        ((-141.0, 42.0, -52.0, 60.0), r"more than 400 km a side. Name a smaller one with --box"),
    ],
)
def test_boxes_that_make_no_sense_are_named(where, message):
    with pytest.raises(BadInput, match=message):
        areas.of_box(where)


# Like a collection


def test_a_collection_gives_its_provider_bands_months_and_masks(empty, world):
    wanted = replace(SUMMER, bands=("B02", "B08"), mask=(0, 3, 8, 9), max_cloud=60, grid="EPSG:32633")
    ingest(empty, world, wanted, places(world, "centre", "west"))
    request = gathering.like_collection(empty, "summer")
    assert request.provider == provider_of(world)
    for key in ("bands", "months", "mask", "max_cloud", "years", "min_stack", "composites", "resampling"):
        assert getattr(request.settings, key) == getattr(wanted, key)
    for name in ("centre-2015", "west-2015"):
        patched = around(patch(empty, name))
        assert request.area.left <= patched.left
        assert request.area.top >= patched.top
        assert request.area.left + request.area.width * 10 >= patched.left + 640
    assert gathering.like_collection(empty, "summer", year=2018).settings.years == (2018,)


def test_a_collection_that_was_not_fetched_or_has_its_own_days_is_named(demo, world):
    with pytest.raises(BadInput, match="bavaria-2018 was not fetched from a STAC API"):
        gathering.like_collection(demo, "bavaria-2018")
    ingest(demo, world, replace(SUMMER, years=(), start="2015-07-01", end="2015-07-31"), places(world, "centre"))
    with pytest.raises(BadInput, match="goes from 2015-07-01 to 2015-07-31"):
        gathering.like_collection(demo, "summer", year=2016)


# What fails


def test_no_scene_is_named_with_what_was_asked_for(world, tmp_path):
    with pytest.raises(BadInput, match=r"no scene of this area from 2016-07-01 to 2016-09-30 with at most 80 % clouds and the bands B02"):
        gather(whole(world, replace(SUMMER, years=(2016,))), tmp_path / "stack", Report())
    assert gather(whole(world, height=20, width=20), tmp_path / "stack", Report()).layers, "the folder is not taken by what failed"
    belgium = Area("EPSG:32631", *ORIGIN["belgium"][1:], 96, 96)
    lacking = replace(SUMMER, years=(2021,), bands=("B02", "B8A"))
    with pytest.raises(BadInput, match=r"2 were found that lack B8A"):
        gather(Request(lacking, provider_of(world), belgium), tmp_path / "belgium", Report())


def test_a_stack_of_several_years_is_refused(world, tmp_path):
    with pytest.raises(BadInput, match="one season, not of 2015, 2016"):
        gather(whole(world, replace(SUMMER, years=(2015, 2016))), tmp_path / "stack", Report())


def test_tiles_that_cannot_be_read_are_told_and_the_rest_is_kept(world, tmp_path, monkeypatch):
    monkeypatch.setattr(areas, "TILE", 32)
    strip = whole(world, height=32)
    expected = gather(strip, tmp_path / "whole", Report()).read(0, 0, 32, 96)
    eastern = next(item for item in world.items.values() if item.scene.tile == "33TWL")
    world.faults.add(world.path(eastern.id, "B11"), status=500)
    with pytest.raises(BadInput, match=r"\d of 3 tiles could not be read: B11 of .*run the same command again, or .* --drop-broken"):
        gather(strip, tmp_path / "stack", Report())
    kept = list((tmp_path / "stack" / "work").glob("*.npy"))
    assert 0 < len(kept) < 3
    stamps = {path.name: path.stat().st_mtime_ns for path in kept}
    shutil.copytree(tmp_path / "stack", tmp_path / "without")
    report = Report()
    without = gather(replace(strip, settings=replace(strip.settings, drop_broken=True)), tmp_path / "without", report)
    assert f"B11 of {eastern.id}" in next(problem.fact for problem in report.remarks if "cannot be read" in problem.kind)
    assert 0 < (without.read(0, 0, 32, 96) != expected).mean() < 0.5
    world.faults.clear()
    told = []
    stack = gather(strip, tmp_path / "stack", Report(), lambda done, total, what: told.append(
        {path.name: path.stat().st_mtime_ns for path in (tmp_path / "stack" / "work").glob("*.npy")}
    ))  # fmt: skip
    assert all(stamps.items() <= seen.items() for seen in told), "tiles that are done are not made again"
    np.testing.assert_array_equal(stack.read(0, 0, 32, 96), expected)


def test_another_request_does_not_go_into_the_same_folder(world, tmp_path):
    gather(whole(world), tmp_path / "stack", Report())
    world.reset_counts()
    gather(whole(world), tmp_path / "stack", Report())
    assert not world.requests, "a finished stack asks for nothing"
    with pytest.raises(BadInput, match="asked for otherwise"):
        gather(whole(world, replace(SUMMER, max_cloud=10)), tmp_path / "stack", Report())


# The command


def command(world: StacWorld, out: Path, *more: str) -> list[str]:
    return [
        "stack", "--stac", world.url, "--band-map", str(out.parent / "bands.json"), "--box", box(world), "--year", "2015", "--months",
        "7-9", "--bands", ",".join(FEW), "--out", str(out), *more,
    ]  # fmt: skip


@pytest.fixture
def mapping(world, tmp_path) -> Path:
    path = tmp_path / "bands.json"
    path.write_text(json.dumps(provider_of(world).assets))
    return path


def test_the_command_gathers_a_box(empty, world, tmp_path, mapping):
    result = CliRunner().invoke(main, command(world, tmp_path / "stack", "--json"))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["dates"], told["bands"], told["crs"]) == (["2015-07", "2015-08", "2015-09"], list(FEW), "EPSG:32633")
    assert told["height"] >= 87
    assert list(told["report"]["remarks"]) == ["scenes whose offset is not what they say"]
    assert open_stack(tmp_path / "stack").read(0, 0, 80, 80).any()


def test_the_command_gathers_like_a_collection_over_its_sites(empty, world):
    ingest(empty, world, SUMMER, places(world, "centre", "west"))
    result = CliRunner().invoke(main, ["stack", "--collection", "summer", "--json"])
    assert result.exit_code == 0, result.output
    stack = open_stack(empty.home / "stacks" / "summer")
    assert json.loads(result.stdout)["stack"] == str(empty.home / "stacks" / "summer")
    made = patch(empty, "centre-2015")
    left, top = round((made.transform[2] - stack.transform[2]) / 10), round((stack.transform[5] - made.transform[5]) / 10)
    assert (stack.read(top, left, 64, 64) == made.pixels).mean() > 0.9, "all but where an image was too cloudy for the patch"


def test_a_stack_that_is_killed_anywhere_ends_in_the_identical_files(world, tmp_path, mapping):
    script = "import sys; from data.stacks import areas; areas.TILE = 48; from data.__main__ import main; main(sys.argv[1:])"

    def run(out: Path) -> subprocess.Popen:
        environment = os.environ | {"CROPCHECK_HOME": str(tmp_path / "home")}
        return subprocess.Popen(
            [sys.executable, "-c", script, *command(world, out, "--json")], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )

    begun = time.monotonic()
    assert run(tmp_path / "whole").wait() == 0
    seconds = time.monotonic() - begun
    chance = random.Random(0)
    for _ in range(3):
        child = run(tmp_path / "killed")
        time.sleep(chance.uniform(0.4, 0.9) * seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert run(tmp_path / "killed").wait() == 0
    made = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*.*")}
    assert {"stack.json", "2015-07.tif", "2015-08.tif", "2015-09.tif"} <= made.keys()
    assert {path.name: path.read_bytes() for path in (tmp_path / "killed").glob("*.*")} == made
