"""What cannot be mapped is refused by the command with the fact, the value and the way out; what can, tells what was odd; nothing is lost.

The stacks are the real months of Belgium, each spoilt in one way. What happens to a command from outside (a worker that is killed, a
disk that is full, files that vanish) happens to real processes.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

from data.mapped import folder
from data.workspace import Workspace
from modeling import runs
from modeling.config import TrainConfig
from tests import map_world
from tests.conftest import copy_workspace
from tests.mapping_world import BAVARIA, CUT, INPUTS, Oracle, command, dates_of, day_of, season, trained

MONTHS = ("2021-04", "2021-05", "2021-06", "2021-07")  # of those that the run learned from
USED = INPUTS.split("+")[:-1]
SECONDS = 180  # that a process is waited for at most
SMALL_FILES = 100_000  # bytes that a file may have where the disk "is full"


@dataclass(frozen=True)
class World:
    """A workspace with one run."""

    workspace: Workspace
    run: str


@pytest.fixture(scope="module")
def world(demo_home, tmp_path_factory) -> World:
    workspace = copy_workspace(demo_home, tmp_path_factory.mktemp("bad") / "workspace")
    return World(workspace, trained(workspace, BAVARIA, epochs=5))


Spoil = Callable[[str, np.ndarray, dict, dict], np.ndarray | None]  # month, (B, h, w), profile, tags -> values where they change


def belgium(path: Path, spoil: Spoil = lambda *_: None, months: tuple[str, ...] = MONTHS) -> Path:
    """A folder of months of Belgium; `spoil` changes profile and tags in place, and may give other values."""
    path.mkdir()
    for month, source in dates_of(CUT).items():
        if month in months:
            with rasterio.open(source) as raster:
                profile, values, names, tags = dict(raster.profile), raster.read(), raster.descriptions, raster.tags()
            changed = spoil(month, values, profile, tags)
            values = values if changed is None else changed
            profile |= {"count": len(values), "height": values.shape[1], "width": values.shape[2], "tiled": False}
            profile = {key: value for key, value in profile.items() if key not in ("blockxsize", "blockysize")}
            with rasterio.open(path / f"be_{month}.tif", "w", **profile) as raster:
                raster.write(values)
                raster.descriptions = names[: len(values)]
                raster.update_tags(**tags)
    return path


def mapped(world: World, stack: Path, out: Path, *more: object) -> tuple[dict, str]:
    """A map by the command: its figures, and what map.json remarks as text."""
    result = command(world.workspace, "--run", world.run, "--stack", stack, "--out", out, "--workers", 1, *more, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    return figures, json.dumps(folder.load(out).figures["remarks"], ensure_ascii=False)


def refused(world: World, stack: Path, out: Path, *more: object, run: str = "") -> str:
    """What the command says that cannot make the map; no map is left. Anything but a `CropcheckError` comes out with its traceback."""
    result = command(world.workspace, "--run", run or world.run, "--stack", stack, "--out", out, "--workers", 1, *more)
    assert result.exit_code == 1, result.output
    assert not (out / folder.NOTE).exists()
    assert "Traceback" not in result.output
    return result.output.partition("Error: ")[2]


def named(message: str, *facts: str) -> None:
    for fact in facts:
        assert fact in message, (fact, message)


# Stacks that are other than what the run learned from


def test_a_stack_without_a_band_that_the_run_needs_names_the_band(world, tmp_path):
    message = refused(world, belgium(tmp_path / "stack", lambda month, values, *_: values[:4]), tmp_path / "map")
    named(message, "needs B02, B03, B04, B08", "lacks B08", "it has B02, B03, B04, B05", "Add them to the stack, or train on inputs")


def test_dates_that_differ_in_their_bands_are_named(world, tmp_path):
    stack = belgium(tmp_path / "stack", lambda month, values, *_: values[:4] if month == "2021-06" else None)
    named(refused(world, stack, tmp_path / "map"), "be_2021-06.tif", "take these files away")


def test_months_outside_the_season_that_the_run_learned_from_are_remarked(world, tmp_path):
    _, remarks = mapped(world, belgium(tmp_path / "stack", months=("2020-11", "2021-05", "2021-06")), tmp_path / "map")
    named(remarks, "outside the season that the run learned from", "2020-11")
    assert "2021-05" not in remarks


def test_missing_months_are_remarked_and_the_rest_is_mapped(world, tmp_path):
    figures, remarks = mapped(world, belgium(tmp_path / "stack", months=("2021-05", "2021-06")), tmp_path / "map")
    assert figures["predicted"] == figures["pixels"]
    named(remarks, "months that the run learned from and the stack lacks", "April, July", "fewer dates than the run learned from")


def test_reflectance_as_floats_gives_the_map_of_the_whole_numbers(world, tmp_path):
    def as_floats(month: str, values: np.ndarray, profile: dict, tags: dict) -> np.ndarray:
        tags.pop("scale")
        profile.update(dtype="float32", nodata=float("nan"))
        return (values / 10_000).astype(np.float32)

    mapped(world, belgium(tmp_path / "floats", as_floats), tmp_path / "one")
    mapped(world, belgium(tmp_path / "numbers"), tmp_path / "other")
    for name in ("crop", "second", "probability", "margin", "probabilities"):
        one, other = (rasterio.open(tmp_path / made / f"{name}.tif").read() for made in ("one", "other"))
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def test_values_at_another_scale_are_named_with_the_scale_that_fits(world, tmp_path):
    def bytes_(month: str, values: np.ndarray, profile: dict, tags: dict) -> np.ndarray:
        tags.pop("scale")
        profile.update(dtype="uint8", nodata=255)
        return np.clip(values // 40, 0, 254).astype(np.uint8)

    message = refused(world, belgium(tmp_path / "stack", bytes_), tmp_path / "map")
    named(message, "cannot be reflectance at a scale of 0.0001", "--scale")


def test_reflectance_unlike_what_the_run_learned_from_is_remarked(world, tmp_path):
    def darker(month: str, values: np.ndarray, profile: dict, tags: dict) -> np.ndarray:
        tags.pop("scale")
        return (values // 20).astype(np.uint16)

    _, remarks = mapped(world, belgium(tmp_path / "stack", darker), tmp_path / "map")
    named(remarks, "reflectance", "B08", "--scale")
    _, remarks = mapped(world, belgium(tmp_path / "sound"), tmp_path / "other")
    assert "--scale" not in remarks


# Holes and grids


def test_holes_count_as_dates_that_are_not_there(world, tmp_path):
    def holes(month: str, values: np.ndarray, profile: dict, tags: dict) -> None:
        values[:, 10:20, 10:30] = 65_535 if month == "2021-06" else values[:, 10:20, 10:30]
        values[:, 40:50, :] = 65_535
        values[3, 55:60, 5:9] = 65_535  # one band of a date

    stack = belgium(tmp_path / "stack", holes)
    figures, _ = mapped(world, stack, tmp_path / "map")
    oracle, files = Oracle(world.workspace, world.run), dates_of(stack)
    pixels, days = season(files, oracle.bands), [day_of(name) for name in files]
    with rasterio.open(tmp_path / "map" / "crop.tif") as crop, rasterio.open(tmp_path / "map" / "probability.tif") as probability:
        code, share = crop.read(1), probability.read(1)
    assert ((code == 0) == ~pixels.any(axis=(0, 1))).all()
    assert (np.isnan(share) == (code == 0)).all()
    assert figures["predicted"] == 64 * 54
    for row, column in [(12, 15), (19, 29), (5, 5), (57, 7), (39, 0), (50, 63)]:
        wanted = oracle.probabilities(np.ascontiguousarray(pixels[:, :, row, column]), days, USED)
        assert code[row, column] in oracle.codes[int(wanted.argmax())]
        assert abs(share[row, column] - wanted.max()) <= 1e-6


def test_an_area_without_any_data_is_named(world, tmp_path):
    figures, remarks = mapped(world, belgium(tmp_path / "stack", lambda month, values, *_: np.full_like(values, 65_535)), tmp_path / "map")
    assert figures["predicted"] == 0
    named(remarks, "stacks without any data", "nothing is predicted")


@pytest.mark.parametrize("how", ["moved by a third of a pixel", "smaller", "in another projection"])
def test_images_of_different_grids_are_named_with_the_command_that_mends_them(world, tmp_path, how):
    def spoil(month: str, values: np.ndarray, profile: dict, tags: dict) -> np.ndarray | None:
        if month != "2021-06":
            return None
        if how.startswith("moved"):
            profile["transform"] = Affine(10, 0, profile["transform"].c + 3.3, 0, -10, profile["transform"].f)
        if how.startswith("in"):
            profile["crs"] = "EPSG:32632"
        return values[:, :60, :60] if how == "smaller" else None

    message = refused(world, belgium(tmp_path / "stack", spoil), tmp_path / "map")
    named(message, "different grids", "be_2021-06.tif", "python -m data stack", "--like")


def test_metres_that_are_said_to_be_degrees_are_named(world, tmp_path):
    stack = belgium(tmp_path / "stack", lambda month, values, profile, tags: profile.update(crs="EPSG:4326"))
    named(refused(world, stack, tmp_path / "map"), "nowhere on Earth", "EPSG:4326", "664680", "rio edit-info --crs")


def test_a_raster_in_true_degrees_is_mapped_and_its_hectares_are_of_the_ground(world, tmp_path):
    grid = Affine(0.0001, 0, 5.3, 0, -0.0001, 50.6)
    stack = belgium(tmp_path / "stack", lambda month, values, profile, tags: profile.update(crs="EPSG:4326", transform=grid))
    figures, _ = mapped(world, stack, tmp_path / "map")
    hectares = sum(entry["hectares"] for entry in figures["classes"].values())
    by_hand = 64 * 64 * (0.0001 * 111_320 * np.cos(np.radians(50.6))) * (0.0001 * 111_250) / 10_000  # metres of a degree at this latitude
    assert hectares == pytest.approx(by_hand, rel=5e-3)


def test_an_image_without_a_crs_is_named(world, tmp_path):
    stack = belgium(tmp_path / "stack", lambda month, values, profile, tags: profile.update(crs=None))
    named(refused(world, stack, tmp_path / "map"), "be_2021-04.tif has no CRS", "rio edit-info")


# Files that are damaged or missing


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_an_image_that_is_cut_short_is_named_before_the_work_begins(world, tmp_path, driver):
    stack = belgium(tmp_path / "stack", lambda month, values, profile, tags: profile.update(driver=driver) if driver == "COG" else None)
    image = stack / "be_2021-06.tif"
    image.write_bytes(image.read_bytes()[:-9_000])
    named(refused(world, stack, tmp_path / "map"), "be_2021-06.tif", "etch it again")
    assert not (tmp_path / "map").exists()


def test_a_stack_or_run_that_is_not_there_is_named(world, tmp_path):
    named(refused(world, tmp_path / "nowhere", tmp_path / "map"), "nowhere is not there", "Name a folder of GeoTIFFs")
    (tmp_path / "bare").mkdir()
    named(refused(world, tmp_path / "bare", tmp_path / "map"), "There are no GeoTIFFs in", "Name the folder")
    named(refused(world, CUT, tmp_path / "map", run="nobody"), "There is no run 'nobody'", "python -m modeling runs")


def test_a_run_that_is_not_finished_is_named(world, tmp_path):
    run = runs.create(world.workspace, TrainConfig.for_model("ltae", BAVARIA, inputs=INPUTS))
    named(refused(world, CUT, tmp_path / "map", run=run.name), run.name, "is not finished", "Wait for it, or resume it")


@pytest.mark.parametrize("damage", ["cut short", "gone", "something else"])
def test_a_damaged_checkpoint_is_named(world, tmp_path, damage):
    run = world.workspace.runs / f"damaged-{damage.replace(' ', '-')}"
    shutil.copytree(world.workspace.runs / world.run, run)
    checkpoint = run / "checkpoint.pt"
    if damage == "gone":
        checkpoint.unlink()
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-2_000] if damage == "cut short" else b"not a checkpoint")
    named(refused(world, CUT, tmp_path / "map", run=run.name), str(checkpoint), "rain again")


# Inventories


def inventory(path: Path, codes: list[int], *, lon: float = 5.37, lat: float = 50.61) -> Path:
    """Random codes in pixels of 0.0003 degrees around a place."""
    values = np.random.default_rng(0).choice(codes, (60, 60)).astype(np.uint8)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 60, "width": 60, "crs": "EPSG:4326", "nodata": 0}
    with rasterio.open(path, "w", **profile, transform=Affine(0.0003, 0, lon - 0.009, 0, -0.0003, lat + 0.009)) as raster:
        raster.write(values, 1)
    return path


def test_codes_that_the_legend_does_not_know_are_remarked_and_judged_by_nobody(world, tmp_path):
    path = inventory(tmp_path / "inventory.tif", [115, 131, 77, 78], **place())
    _, remarks = mapped(world, belgium(tmp_path / "stack"), tmp_path / "map", "--inventory", path)
    named(remarks, "codes of the inventory that the collection's legend does not know", '"77"', '"78"')
    with rasterio.open(tmp_path / "map" / "inventory.tif") as codes, rasterio.open(tmp_path / "map" / "agreement.tif") as agreement:
        known = np.isin(codes.read(1), [115, 131])
        assert {77, 78} <= set(np.unique(codes.read(1)).tolist())
        assert ((agreement.read(1) > 0) == known).all()


def test_an_inventory_of_another_place_is_remarked(world, tmp_path):
    path = inventory(tmp_path / "inventory.tif", [115, 131], lon=-80.0, lat=43.0)
    figures, remarks = mapped(world, belgium(tmp_path / "stack"), tmp_path / "map", "--inventory", path)
    assert figures["agreeing"] == figures["disagreeing"] == 0
    named(remarks, "inventory", "inventory.tif")


def test_an_inventory_that_cannot_be_read_is_named(world, tmp_path):
    stack, path = belgium(tmp_path / "stack"), inventory(tmp_path / "inventory.tif", [115], **place())
    named(refused(world, stack, tmp_path / "map", "--inventory", tmp_path / "none.tif"), "none.tif", "Give a GeoTIFF")
    path.write_bytes(path.read_bytes()[:300])
    named(refused(world, stack, tmp_path / "map", "--inventory", path), "inventory.tif")


def test_an_inventory_whose_end_is_missing_is_named(world, tmp_path):
    with rasterio.open(next(iter(dates_of(CUT).values()))) as image:
        grid = {"crs": image.crs, "transform": image.transform, "height": 64, "width": 64}
    path = tmp_path / "inventory.tif"
    with rasterio.open(path, "w", driver="COG", dtype="uint8", count=1, nodata=0, compress="deflate", **grid) as raster:
        raster.write(np.random.default_rng(0).choice([115, 131, 147], (1, 64, 64)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:-600])  # the header of a COG comes first and stays whole
    message = refused(world, belgium(tmp_path / "stack"), tmp_path / "map", "--inventory", path)
    named(message, "inventory.tif cannot be read to its end", "cut short", "fetch it again")


def place() -> dict[str, float]:
    """The middle of the stack."""
    with rasterio.open(next(iter(dates_of(CUT).values()))) as raster:
        x, y = raster.xy(32, 32)
        (lon,), (lat,) = rasterio.warp.transform(raster.crs, "EPSG:4326", [x], [y])
    return {"lon": lon, "lat": lat}


# Polygons


def test_a_polygon_across_the_border_counts_by_what_lies_inside_and_one_outside_is_named(world, tmp_path):
    import geopandas

    stack = belgium(tmp_path / "stack")
    with rasterio.open(stack / "be_2021-06.tif") as raster:
        left, _, right, top = raster.bounds
    shapes = [
        shapely.box(left - 200, top - 300, left + 200, top - 100), shapely.box(right - 210, top - 300, right - 10, top - 100),
        shapely.box(right + 5_000, top, right + 5_100, top + 100),
    ]  # fmt: skip
    frame = geopandas.GeoDataFrame({"name": ["across", "inside", "outside"]}, geometry=shapes, crs="EPSG:32631")
    frame.to_crs("EPSG:4326").to_file(tmp_path / "fields.gpkg")
    arguments = ("--run", world.run, "--stack", stack, "--out", tmp_path / "map", "--workers", 1, "--fields", tmp_path / "fields.gpkg")
    result = command(world.workspace, *arguments)
    found = geopandas.read_file(tmp_path / "map" / "fields.gpkg").set_index("name")
    assert found.loc["across", "pixels"] == found.loc["inside", "pixels"] == 400
    assert "outside" not in found.index or not found.loc["outside", "pixels"]
    assert "outside" in result.output
    assert result.exit_code == (0 if "outside" in found.index else 1)
    assert folder.load(tmp_path / "map").figures["predicted"] == 64 * 64


# What happens while a map is made


def started(world: World, stack: Path, out: Path, *more: object) -> subprocess.Popen:
    """The command in a process of its own."""
    arguments = [sys.executable, "-m", "modeling", "map", "--run", world.run, "--stack", stack, "--out", out, *more]
    environment = os.environ | {"CROPCHECK_HOME": str(world.workspace.home)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([str(one) for one in arguments], env=environment, **pipes)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond SMALL_FILES bytes: what does fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and what it said of the error."""
    _, said = process.communicate(timeout=SECONDS)
    assert "Traceback" not in said
    return process.returncode, said


def tiles_done(out: Path) -> set[str]:
    return {path.name for path in (out / "work").glob("*-*") if path.is_dir() and path.suffix != ".partial"}


def await_tiles(out: Path, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while len(tiles_done(out)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alike(one: Path, other: Path) -> None:
    """Two finished maps hold the same numbers."""
    for name in folder.load(one).rasters:
        first, second = (rasterio.open(made / f"{name}.tif").read() for made in (one, other))
        assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), name


@pytest.fixture(scope="module")
def large(world, tmp_path_factory) -> tuple[Path, Path]:
    """A stack that takes some seconds, and its map as one worker makes it undisturbed."""
    place = tmp_path_factory.mktemp("large")
    map_world.stack(place / "stack", height=288, width=256, names=("2019-04", "2019-05", "2019-06"))
    mapped(world, place / "stack", place / "map")
    return place / "stack", place / "map"


def test_a_worker_that_is_killed_is_named_and_the_same_command_ends_with_the_same_map(world, large, tmp_path):
    stack, undisturbed = large
    process = started(world, stack, tmp_path / "map", "--workers", 2, "--tile", 32)
    await_tiles(tmp_path / "map", 4)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    workers[0].send_signal(signal.SIGKILL)
    code, said = ended(process)
    assert code == 1
    named(said, "A worker is gone", "The tiles that are done stay", "resume with the same command")
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    done = {name: (tmp_path / "map" / "work" / name).stat().st_mtime_ns for name in tiles_done(tmp_path / "map")}
    assert 4 <= len(done) < 9 * 8
    mapped(world, stack, tmp_path / "map", "--tile", 32)
    alike(tmp_path / "map", undisturbed)


def test_a_disk_that_fills_up_with_rasters_is_named_and_the_same_command_goes_on(world, large, tmp_path):
    stack, undisturbed = large
    with full_disk():
        named(refused(world, stack, tmp_path / "map", "--tile", 64), "cannot be written", "GB are free there", "Free some space")
    assert len(tiles_done(tmp_path / "map")) == 5 * 4  # the tiles fit; the rasters do not
    mapped(world, stack, tmp_path / "map")
    alike(tmp_path / "map", undisturbed)


def test_a_disk_that_fills_up_with_tiles_is_named_and_the_same_command_goes_on(world, large, tmp_path):
    stack, undisturbed = large
    with full_disk():
        message = refused(world, stack, tmp_path / "map", "--tile", 256)
    named(message, "cannot be written to", "GB are free there", "the tiles that are done stay")
    assert not list((tmp_path / "map" / "work").glob("*.partial"))
    mapped(world, stack, tmp_path / "map")
    alike(tmp_path / "map", undisturbed)


def test_a_second_process_is_refused_and_a_killed_one_goes_on_once_an_image_that_vanished_is_back(world, large, tmp_path):
    stack, undisturbed = large
    own, out = tmp_path / "stack", tmp_path / "map"
    own.mkdir()
    for image in stack.iterdir():
        os.link(image, own / image.name)
    process = started(world, own, out, "--workers", 1, "--tile", 32)
    await_tiles(out, 2)
    named(refused(world, own, out), "Another process is making a map in", "Wait for it, or give another --out")
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=SECONDS)
    before = tiles_done(out)
    (own / "2019-05.tif").rename(tmp_path / "away.tif")
    named(refused(world, own, out), str(out), "Repeat the first request, give another --out, or remove the folder")
    assert tiles_done(out) == before
    (tmp_path / "away.tif").rename(own / "2019-05.tif")
    mapped(world, own, out)
    alike(out, undisturbed)


def test_a_folder_that_holds_something_else_is_left_alone(world, tmp_path):
    stack = belgium(tmp_path / "stack")
    named(refused(world, stack, stack), "is not empty", "Give a new or an empty folder")
    assert len(list(stack.iterdir())) == len(MONTHS)
    (tmp_path / "file").write_text("mine")
    result = command(world.workspace, "--run", world.run, "--stack", stack, "--out", tmp_path / "file")
    assert (result.exit_code, (tmp_path / "file").read_text()) == (1, "mine")


def test_a_raster_of_a_finished_map_that_is_gone_is_named(world, large, tmp_path):
    stack, _ = large
    mapped(world, stack, tmp_path / "map")
    (tmp_path / "map" / "crop.tif").unlink()
    with pytest.raises(Exception, match=r"crop\.tif is missing\. Make the map again"):
        folder.load(tmp_path / "map").raster("crop")
