"""Maps: what they say of a pixel is what the model says of it, they lie where the stack lies, and nothing on the way changes them."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from click.testing import CliRunner
from pyproj import Geod, Transformer
from rasterio.transform import Affine, rowcol
from rio_cogeo import cog_validate

from data import catalogue
from data.bands import L2A_BANDS
from data.command import Cancelled
from data.errors import BadInput, CannotMap, CannotTrain
from data.ingest import providers
from data.mapped import cogs, folder
from data.report import Report
from data.stacks.opening import open_stack
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling import checkpoint, inputs, predict, registry, runs, working
from modeling.__main__ import main
from modeling.config import TrainConfig
from modeling.feeding import Feed
from modeling.mapping import engine, planning, pool, tiles
from modeling.mapping.making import make
from modeling.mapping.request import Request
from modeling.mapping.smoothing import Smoothing
from modeling.pixels import Pixels
from tests import map_world, modeling_world
from tests.conftest import ROOT, copy_workspace
from tests.stac_world import ORIGIN, StacWorld

MONTHS = ("2020-05", "2020-06", "2020-07", "2020-08")
MODELS = ("ltae", "pixelset", "lstm", "forest", "gboost")


def train(workspace: Workspace, **chosen) -> str:
    run = runs.create(workspace, modeling_world.config(threads=1, **chosen))
    working.work(workspace, run)
    return run.name


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory) -> Path:
    """The folder of a workspace with quickly trained runs, named in runs.json; and a season stack of 150 x 130 pixels."""
    workspace = modeling_world.world(Workspace(tmp_path_factory.mktemp("trained") / "workspace").create(), size=2)
    names = {model: train(workspace, model=model, folds=2 if model == "ltae" else 0) for model in MODELS}
    names["june"] = train(workspace, months="6+7")
    (workspace.runs / "runs.json").write_text(json.dumps(names))
    map_world.stack(workspace.home / "stacks" / "small", height=150, width=130, names=MONTHS)
    return workspace.home


@pytest.fixture
def world(trained_home, tmp_path, monkeypatch) -> Workspace:
    """A workspace with trained runs, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(trained_home, tmp_path / "world")
    (workspace.home / "stacks").symlink_to(trained_home / "stacks")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace


def run_of(workspace: Workspace, model: str = "ltae") -> str:
    return json.loads((workspace.runs / "runs.json").read_text())[model]


def asked(workspace: Workspace, model: str = "ltae", **chosen) -> Request:
    return Request(run_of(workspace, model), **{"stack": str(workspace.home / "stacks" / "small"), "workers": 1} | chosen)


def _small(workspace: Workspace) -> Stack:
    return open_stack(workspace.home / "stacks" / "small")


def read(made: folder.Map, name: str) -> np.ndarray:
    with rasterio.open(made.raster(name)) as raster:
        return raster.read() if name == folder.SHARES else raster.read(1)


def everything(made: folder.Map) -> dict[str, bytes]:
    return {name: made.raster(name).read_bytes() for name in made.rasters}


def seasons_of(made: folder.Map, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, T, B) uint16 of the toy collection's bands, and (T,) days, read from the files without Cropcheck."""
    found = []
    for month in MONTHS:
        with rasterio.open(Path(made.stack.source) / f"{month}.tif") as raster:
            order = [raster.descriptions.index(band) + 1 for band in modeling_world.BANDS]
            found.append(raster.read(order)[:, rows, columns].T)
    return np.stack(found, axis=1), np.array([136, 167, 197, 228], dtype=np.float32)  # days of year of the 15ths in 2020


# What the map says


@pytest.mark.parametrize("model", MODELS)
def test_a_pixel_has_the_probabilities_that_the_model_gives_its_season(world, model):
    made = make(world, asked(world, model))
    stored = checkpoint.load(world.runs / made.run / "checkpoint.pt")
    random = np.random.default_rng(1)
    rows, columns = (np.append(random.integers(0, side, 300), [0, side - 9]) for side in (150, 130))
    values, days = seasons_of(made, rows, columns)
    present = (values > 0).any(axis=2)
    values = values[..., None] if registry.named(model).kind == registry.PIXELS else values
    source = Pixels(registry.named(model).kind, values, present, np.where(present, days, 0), modeling_world.BANDS)
    truth = np.full(len(rows), -1)
    feed = Feed(source, truth, np.ones(len(rows)), torch.device("cpu"))
    expected = predict.probabilities(stored, feed, np.full(len(rows), "outside", dtype=object))
    seen = present.any(axis=1)
    order = np.argsort(-expected, axis=1, kind="stable")
    codes = np.array([entry.code for entry in made.classes])
    best, next_best = (np.take_along_axis(expected, order[:, [at]], axis=1)[:, 0] for at in (0, 1))
    clear = seen & (best - next_best > 1e-5)
    assert clear.sum() > 250 and len(set(codes[order[clear, 0]])) > 1
    np.testing.assert_array_equal(read(made, folder.CROP)[rows, columns][clear], codes[order[clear, 0]])
    np.testing.assert_allclose(read(made, folder.PROBABILITY)[rows, columns][seen], best[seen], atol=1e-6)
    np.testing.assert_allclose(read(made, folder.MARGIN)[rows, columns][seen], (best - next_best)[seen], atol=2e-6)
    shares = read(made, folder.SHARES)[:, rows, columns].T
    np.testing.assert_allclose(shares[seen], expected[seen] * 10_000, atol=0.6)


def test_the_second_choice_is_the_likeliest_of_the_others(world):
    made = make(world, asked(world))
    shares, first, second = read(made, folder.SHARES).astype(int), read(made, folder.CROP), read(made, folder.SECOND)
    codes = np.array([entry.code for entry in made.classes])
    there = first > 0
    others = np.where(codes[:, None, None] == first, -1, shares)
    chosen = np.take_along_axis(shares, np.searchsorted(codes, np.where(there, second, codes[0]))[None], axis=0)[0]
    assert (second[there] != first[there]).all() and (chosen[there] == others.max(axis=0)[there]).all()


def test_pixels_without_any_date_get_nothing_and_others_a_prediction(world):
    made = make(world, asked(world))
    crop, probability, shares = (read(made, name) for name in (folder.CROP, folder.PROBABILITY, folder.SHARES))
    nothing = np.zeros(crop.shape, dtype=bool)
    nothing[-8:, -12:] = True
    np.testing.assert_array_equal(crop == 0, nothing)
    np.testing.assert_array_equal(np.isnan(probability), nothing)
    np.testing.assert_array_equal(shares == folder.NO_SHARE, np.broadcast_to(nothing, shares.shape))
    assert made.figures["predicted"] == (~nothing).sum() and made.figures["pixels"] == nothing.size


def test_a_stack_without_any_data_gives_an_empty_map(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "void", height=70, width=40, names=MONTHS)
    for layer in stack.layers:
        with rasterio.open(layer.path, "r+") as raster:
            raster.write(np.zeros((12, 70, 40), dtype=np.uint16))
    made = make(world, asked(world, stack=stack))
    assert made.figures["predicted"] == 0 and not read(made, folder.CROP).any() and np.isnan(read(made, folder.MARGIN)).all()


def test_months_that_the_run_does_not_look_at_change_nothing(world, tmp_path):
    outcome = Report()
    made = make(world, asked(world, "june", name="all-months"), outcome=outcome)
    stack, _ = map_world.stack(tmp_path / "two", height=150, width=130, names=MONTHS)
    only = make(world, asked(world, "june", stack=stack.of(("2020-06", "2020-07")), name="two-months"))
    assert everything(made) == everything(only) and [layer.name for layer in made.stack.layers] == ["2020-06", "2020-07"]
    assert any("2020-05, 2020-08" in problem.fact for problem in outcome.remarks)


def test_only_the_bands_of_the_channels_are_needed(world, tmp_path):
    bands = modeling_world.BANDS
    stack, _ = map_world.stack(tmp_path / "some", height=40, width=40, names=MONTHS, bands=bands)
    assert make(world, asked(world, stack=stack)).figures["predicted"] > 0
    with pytest.raises(BadInput, match=r"needs B02, B03.* lacks B11, B12: it has"):
        make(world, asked(world, stack=replace(stack, bands=bands[:-2])))


# Where it lies, and how it looks


@pytest.mark.parametrize("crs", ["EPSG:3978", "EPSG:32631", "EPSG:4326"])
def test_rasters_lie_where_the_stack_lies_and_are_cloud_optimised(world, tmp_path, crs):
    lon, lat = (3.2, 50.9) if crs == "EPSG:32631" else (-80.5, 43.5)
    stack, _ = map_world.stack(tmp_path / "ground", crs=crs, lon=lon, lat=lat, height=90, width=70, names=MONTHS)
    made = make(world, asked(world, stack=stack, inventory=_inventory(tmp_path, stack)))
    assert set(made.rasters) == {"crop", "second", "probability", "margin", "probabilities", "inventory", "agreement"}
    for name in made.rasters:
        with rasterio.open(made.raster(name)) as raster, rasterio.open(stack.layers[0].path) as layer:
            assert (raster.crs, raster.transform, raster.shape) == (layer.crs, layer.transform, layer.shape)
            x, y = Transformer.from_crs("EPSG:4326", raster.crs, always_xy=True).transform(lon, lat)
            row, column = rowcol(raster.transform, x, y, op=lambda value: value)
            assert abs(row - 45) <= 0.5 and abs(column - 35) <= 0.5
        valid, errors, _ = cog_validate(made.raster(name), strict=True)
        assert valid and not errors


def test_colours_and_names_are_the_legends(world):
    made = make(world, asked(world))
    legend = {entry.code: entry for entry in catalogue.legend(world.store, "toy")}
    learned = {entry.name: entry.color for entry in catalogue.learned(world.store, "toy")}
    assert {entry.code: entry.color for entry in made.classes} == {code: learned[legend[code].learned] for code in modeling_world.CODES}
    for name in (folder.CROP, folder.SECOND):
        with rasterio.open(made.raster(name)) as raster:
            table = raster.colormap(1)
            assert raster.dtypes == ("uint8",)
        assert table[0][3] == 0
        assert {code: "#{:02x}{:02x}{:02x}".format(*table[code][:3]) for code in modeling_world.CODES} == {
            code: learned[crop] for code, crop in modeling_world.CODES.items()
        }
        names = (made.path / f"{name}.tif.aux.xml").read_text()
        assert all(f"<Category>{crop}</Category>" in names for crop in modeling_world.CODES.values())


def test_a_class_of_several_codes_stands_by_the_one_that_most_samples_have(world):
    with world.store.writing() as db:
        db.execute("update legend_class set learned = 'wheat' where collection = 'toy' and code = 50")
        db.execute("update sample set inventory_code = 50 where inventory_code = 146 and id % 4 > 0")
    made = make(world, asked(world, "forest"))
    wheat = next(entry for entry in made.classes if entry.name == "wheat")
    assert wheat.code == 50 and wheat.codes == (50, 146) and set(np.unique(read(made, folder.CROP))) <= {0, 50, 153, 158}


def test_hectares_are_the_ground_of_the_pixels(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "degrees", crs="EPSG:4326", height=64, width=64, names=MONTHS)
    made = make(world, asked(world, stack=stack))
    crop, geod, sums = read(made, folder.CROP), Geod(ellps="WGS84"), dict.fromkeys((146, 153, 158), 0.0)
    for row, column in np.argwhere(crop > 0):
        corners = [stack.affine * (column + right, row + down) for right, down in ((0, 0), (1, 0), (1, 1), (0, 1))]
        sums[int(crop[row, column])] += abs(geod.polygon_area_perimeter(*zip(*corners, strict=True))[0]) / 10_000
    told = {entry.code: made.figures["classes"][entry.name]["hectares"] for entry in made.classes}
    assert told == pytest.approx(sums, rel=1e-5, abs=0.01)


# Beside the inventory


def _inventory(path: Path, stack: Stack, codes: tuple[int, ...] = (146, 153, 158, 50, 99, 0), fine: int = 3) -> str:
    """An inventory of pixels three times as large on the same corner, with codes at random."""
    height, width = (-(-side // fine) for side in (stack.height, stack.width))
    values = np.random.default_rng(3).choice(codes, (height, width)).astype(np.uint8)
    file = path / "inventory.tif"
    with rasterio.open(
        file, "w", driver="GTiff", dtype="uint8", count=1, height=height, width=width, crs=stack.crs,
        transform=stack.affine * Affine.scale(fine), nodata=0,
    ) as raster:  # fmt: skip
        raster.write(values, 1)
        raster.write_colormap(1, {146: (1, 2, 3, 255), 99: (200, 100, 50, 255)})
    return str(file)


def test_agreement_is_counted_by_learned_class(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "ground", height=150, width=130, names=MONTHS)
    outcome = Report()
    made = make(world, asked(world, stack=stack, inventory=_inventory(tmp_path, stack), tile=64), outcome=outcome)
    with rasterio.open(tmp_path / "inventory.tif") as raster:
        there = raster.read(1).repeat(3, axis=0).repeat(3, axis=1)[:150, :130]
    crop, agreement = read(made, folder.CROP), read(made, folder.AGREEMENT)
    np.testing.assert_array_equal(read(made, folder.INVENTORY), there)
    judged = (crop > 0) & np.isin(there, (146, 153, 158))
    np.testing.assert_array_equal(agreement, np.where(judged, np.where(crop == there, 1, 2), 0))
    assert made.figures["agreeing"] == (agreement == 1).sum() and made.figures["disagreeing"] == (agreement == 2).sum()
    for code, name in modeling_world.CODES.items():
        mine = judged & (there == code)
        assert made.figures["agreement"][name] == {"labelled": mine.sum(), "agreeing": (mine & (crop == code)).sum()}
    (problem,) = [problem for problem in outcome.remarks if "legend does not know" in problem.kind]
    assert (problem.name, problem.fact) == ("99", f"{(there == 99).sum():,} pixels")
    with rasterio.open(made.raster(folder.INVENTORY)) as raster:
        table = raster.colormap(1)
    assert table[50][:3] == (0x88, 0x88, 0x88) and table[99][:3] == (200, 100, 50)  # the legend's; the raster's own


def test_fields_have_the_mean_of_their_pixels(world, tmp_path):
    import geopandas
    from shapely.geometry import box

    stack, _ = map_world.stack(tmp_path / "ground", height=150, width=130, names=MONTHS)
    (left, top), (right, bottom) = stack.affine * (20, 30), stack.affine * (75, 70)
    outline = geopandas.GeoDataFrame({"farm": ["a"]}, geometry=[box(left, bottom, right, top)], crs=stack.crs)
    outline.to_file(tmp_path / "farm.gpkg")
    made = make(world, asked(world, stack=stack, fields=str(tmp_path / "farm.gpkg"), tile=64))
    (field,) = geopandas.read_file(made.path / folder.FIELDS).to_dict("records")
    mean = read(made, folder.SHARES)[:, 30:70, 20:75].astype(float).mean(axis=(1, 2)) / 10_000
    assert made.fields and field["farm"] == "a" and field["pixels"] == 40 * 55
    assert field["predicted"] == made.classes[mean.argmax()].name and field["confidence"] == pytest.approx(mean.max(), abs=1e-9)


# The same whatever the tiles and whoever works


@pytest.mark.parametrize("model", ["ltae", "pixelset", "lstm", "forest", "gboost"])
def test_tiles_change_nothing(world, model):
    whole, cut = (everything(make(world, asked(world, model, name=f"tiles-{side}", tile=side))) for side in (512, 64))
    assert whole == cut


def test_files_in_strips_are_worked_on_in_strips_with_the_same_result(world, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "TILE", 64)
    whole = make(world, asked(world, name="strips", inventory=_inventory(tmp_path, _small(world))), outcome=Report())
    with pytest.raises(_Stop):
        make(world, asked(world, name="cut"), _stop_after(0, _Stop()))
    assert json.loads((world.maps / "cut" / "plan.json").read_text())["tile"] == [32, 160]  # as many pixels as a square of 64 px, or more
    square = make(world, asked(world, name="square", inventory=str(tmp_path / "inventory.tif"), tile=64))
    assert everything(whole) == everything(square) and whole.figures == square.figures


@pytest.mark.parametrize("method", ["majority", "bayes"])
def test_tiles_change_nothing_in_a_smoothed_map(world, method):
    plain, *smoothed = (
        everything(make(world, asked(world, name=name, tile=side, smoothing=smoothing)))
        for name, side, smoothing in (
            ("plain", 512, Smoothing()), ("whole", 512, Smoothing.of(method)), ("cut", 32, Smoothing.of(method)),
        )
    )  # fmt: skip
    assert smoothed[0] == smoothed[1] and smoothed[0] != plain


def test_two_workers_make_the_same_map_as_one(world, tmp_path):
    inventory = _inventory(tmp_path, map_world.stack(tmp_path / "ground", height=150, width=130, names=MONTHS)[0])
    one = make(world, asked(world, name="one", inventory=inventory))
    two = make(world, asked(world, name="two", inventory=inventory, workers=2, tile=64))
    assert everything(one) == everything(two) and one.figures == two.figures


def test_a_cluster_makes_the_same_map(world):
    from dask.distributed import LocalCluster

    one = make(world, asked(world, name="one"))
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        there = make(world, asked(world, name="there", scheduler=cluster.scheduler_address, tile=64))
    assert everything(one) == everything(there)


def test_a_dead_worker_of_a_cluster_is_named(world):
    import dask
    from dask.distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
    ):

        def kill(done: int, total: int, what: str = "") -> None:
            for worker in cluster.workers.values():
                with suppress(ProcessLookupError, TypeError):
                    os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(CannotMap, match="A worker is gone"):
            make(world, asked(world, name="dead", scheduler=cluster.scheduler_address, tile=64), kill)


def test_a_scheduler_that_does_not_answer_is_named(world, monkeypatch):
    monkeypatch.setattr(pool, "SCHEDULER_SECONDS", 0.2)
    with pytest.raises(BadInput, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        make(world, asked(world, scheduler="tcp://127.0.0.1:9"))


def test_every_batch_has_one_shape(world, monkeypatch):
    shapes = set()
    scored = engine.Predictor.shares
    monkeypatch.setattr(engine.Predictor, "shares", lambda self, pixels, days: shapes.add(pixels.shape) or scored(self, pixels, days))
    make(world, asked(world, tile=96))
    assert shapes == {(4, 9, engine.ATOM**2)}


# What is done stays


class _Stop(Exception):
    pass


def _stop_after(steps: int, error: BaseException):
    def tell(done: int, total: int, what: str = "") -> None:
        if done >= steps:
            raise error

    return tell


@pytest.fixture
def predicted(monkeypatch) -> list[str]:
    """The names of the tiles that are predicted in this process, in order."""
    names: list[str] = []
    finish = tiles._finish
    monkeypatch.setattr(tiles, "_finish", lambda work, tile, shares: names.append(tile.name) or finish(work, tile, shares))
    return names


def test_a_map_that_was_cancelled_goes_on_where_it_was(world, predicted, monkeypatch):
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    whole = make(world, asked(world, name="whole", tile=32))
    predicted.clear()
    with pytest.raises(Cancelled):
        make(world, asked(world, name="cut", tile=32), _stop_after(3, Cancelled()))
    assert 3 <= len(predicted) < 25 and not (world.maps / "cut" / folder.NOTE).exists()
    made = make(world, asked(world, name="cut", tile=64))  # goes on with tiles of 32
    assert len(predicted) == len(set(predicted)) == 25 and everything(made) == everything(whole)
    assert sorted(path.name for path in made.path.iterdir()) == sorted(path.name for path in whole.path.iterdir())
    assert not (made.path / "work").exists() and not (made.path / "plan.json").exists()


def test_a_map_that_was_cancelled_while_its_rasters_were_written_goes_on(world, predicted):
    with pytest.raises(_Stop):
        make(world, asked(world, name="cut", tile=64), _stop_after(10, _Stop()))
    there = {path.name for path in (world.maps / "cut").glob("*.tif")}
    predicted.clear()
    made = make(world, asked(world, name="cut"))
    assert there and not predicted and everything(made) == everything(make(world, asked(world, name="whole")))


def test_a_dead_worker_is_named_and_the_rest_is_done_with_the_same_request(world, predicted):
    def kill(done: int, total: int, what: str = "") -> None:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(CannotMap, match=r"A worker is gone without a word.*resume with the same command"):
        make(world, asked(world, name="dead", workers=2, tile=64), kill)
    assert (world.maps / "dead" / "plan.json").exists() and not multiprocessing.active_children()
    assert everything(make(world, asked(world, name="dead"))) == everything(make(world, asked(world, name="whole")))


def test_a_killed_command_goes_on_and_leaves_no_process(world):
    whole = make(world, asked(world, name="whole"))
    out = world.maps / "killed"
    call = [sys.executable, "-m", "modeling", "map", "--run", run_of(world), "--stack", str(world.home / "stacks" / "small"), "--json"]
    call += ["--out", str(out), "--tile", "32", "--workers", "2"]
    process = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _until(lambda: any((out / "work").glob("*-*/counts.npy")))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert not (out / folder.NOTE).exists() and (out / "plan.json").exists()
    _until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    done = CliRunner().invoke(main, [*call[3:-2], "--workers", "1", "--allow-missing"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["folder"] == str(out) and everything(folder.load(out)) == everything(whole)


def _until(fact) -> None:
    end = time.monotonic() + 180  # a machine may be busy
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_finished_map_is_given_again_and_never_overwritten(world, predicted):
    made = make(world, asked(world, name="mine"))
    predicted.clear()
    assert make(world, asked(world, name="mine", tile=64)) == made and not predicted
    with pytest.raises(BadInput, match=r"holds the finished map mine, of the run .* Give another --out, or remove"):
        make(world, asked(world, "forest", name="mine"))


def test_an_unfinished_map_that_was_asked_for_otherwise_is_left_alone(world):
    with pytest.raises(_Stop):
        make(world, asked(world, name="mine"), _stop_after(0, _Stop()))
    with pytest.raises(BadInput, match=r"unfinished map that was asked for otherwise.*Repeat the first request"):
        make(world, asked(world, name="mine", smoothing=Smoothing.of("bayes")))


def test_a_folder_with_something_else_is_left_alone(world, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match="is not empty, and what it holds is no map"):
        make(world, asked(world, out=tmp_path / "full"))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_two_processes_never_work_on_one_folder(world):
    refused = []

    def tell(done: int, total: int, what: str = "") -> None:
        if not refused:
            with pytest.raises(CannotMap, match="Another process is making a map"):
                make(world, asked(world, name="mine"))
            refused.append(True)

    assert make(world, asked(world, name="mine"), tell).figures["predicted"] and refused


def test_a_map_in_a_folder_elsewhere_is_found_by_the_workspace(world, tmp_path):
    made = make(world, asked(world, out=tmp_path / "elsewhere" / "ontario", title="Ontario"))
    assert made.path == tmp_path / "elsewhere" / "ontario"
    assert [(entry.name, entry.title) for entry in folder.listing(world)] == [("ontario", "Ontario")]
    assert folder.named(world, "ontario").raster(folder.CROP).exists()


def test_a_map_elsewhere_goes_by_the_name_that_it_was_given(world, tmp_path):
    made = make(world, asked(world, out=tmp_path / "first" / "map", name="ontario"))
    assert made.name == "ontario" and folder.named(world, "ontario").path.resolve() == made.path
    with pytest.raises(BadInput, match=r"another map ontario already, in .*first/map\. Give this one another --name"):
        make(world, asked(world, out=tmp_path / "second", name="ontario"))
    assert not (tmp_path / "second").exists()
    for _ in range(2):  # made, and given again
        other = make(world, asked(world, out=tmp_path / "third" / "ontario"))
        assert other.name == "ontario-2" and folder.named(world, "ontario-2").path.resolve() == other.path


@pytest.mark.parametrize("name", ["../beside", "..", "a/b", "a\nb"])
def test_a_name_is_no_way_out_of_the_workspace(world, name):
    with pytest.raises(BadInput, match="A map cannot be called"):
        make(world, asked(world, name=name))


def test_a_map_that_was_killed_when_it_had_just_become_one_is_cleared_up(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(planning, "clear", lambda plan: (_ for _ in ()).throw(_Stop()))
        with pytest.raises(_Stop):
            make(world, asked(world, name="mine"))
    assert (world.maps / "mine" / "work").exists() and (world.maps / "mine" / folder.NOTE).exists()
    made = make(world, asked(world, name="mine"))
    assert sorted(path.name for path in made.path.iterdir() if path.suffix not in (".tif", ".xml")) == [folder.NOTE]


def test_a_request_whose_writing_down_was_killed_is_made_all_the_same(world):
    (world.maps / "mine").mkdir(parents=True)
    (world.maps / "mine" / "plan.partial").write_text('{"dig')
    made = make(world, asked(world, name="mine"))
    assert made.figures["predicted"] and not (made.path / "plan.partial").exists()


def test_unfinished_rasters_are_never_shared_by_two_that_write_them(world, monkeypatch):
    wrote, whole = [], cogs.write

    def write(path: Path, blocks, **how) -> None:
        wrote.append(how["scratch"])
        whole(path, (_alone(path.parent, block) for block in blocks), **how)

    def _alone(place: Path, block):
        assert not [*place.glob("*.plain.tif"), *place.glob("*.partial.tif")]
        return block

    monkeypatch.setattr(cogs, "write", write)
    make(world, asked(world, name="mine"))
    assert len(set(wrote)) == len(wrote) == 5 and not any(place.exists() for place in wrote)


# What cannot be mapped


def test_a_run_of_whole_patches_names_the_models_that_can(world):
    run = runs.create(world, TrainConfig.for_model("resnet18", "toy", epochs=1))
    with pytest.raises(CannotTrain, match=r"is of resnet18, which sees whole patches.*Train one of ltae, pixelset"):
        make(world, Request(run.name, str(world.home / "stacks" / "small")))


def test_a_run_that_is_not_finished_makes_no_map(world):
    run = runs.create(world, modeling_world.config())
    with pytest.raises(CannotTrain, match="is not finished, so it cannot make a map"):
        make(world, Request(run.name, str(world.home / "stacks" / "small")))


def test_a_stack_without_the_runs_months_is_refused(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "autumn", height=40, width=40, names=("2020-09", "2020-10"))
    with pytest.raises(BadInput, match=r"looks at the months 6\+7; the stack .* has 2020-09, 2020-10"):
        make(world, asked(world, "june", stack=stack))


def test_a_disk_that_is_too_small_is_named_before_the_work_begins(world, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(BadInput, match=r"takes up to 0\.07 GB while it is made; 0\.00 GB are free"):
        make(world, asked(world, name="mine"))
    assert not (world.maps / "mine" / "plan.json").exists()


def test_a_layer_that_is_cut_short_is_named(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "ground", height=150, width=130, names=MONTHS)
    file = Path(stack.layers[2].path)
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(BadInput, match=r"2020-07\.tif cannot be read to its end"):
        make(world, asked(world, stack=stack))


def test_a_file_that_changed_under_an_unfinished_map_is_not_mixed_with_what_is_there(world, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    stack, _ = map_world.stack(tmp_path / "ground", height=150, width=130, names=MONTHS)
    request = asked(world, stack=stack, name="half", tile=32)
    with pytest.raises(_Stop):
        make(world, request, _stop_after(2, _Stop()))
    file = Path(stack.layers[2].path)
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(BadInput, match="files that have changed since"):
        make(world, request)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert make(world, request).figures["predicted"] == 19_404


def test_what_differs_from_what_the_run_learned_from_is_remarked(world, tmp_path):
    stack, _ = map_world.stack(tmp_path / "ground", height=40, width=40, names=("2020-11-30",))
    outcome = Report()
    stack = replace(stack, level="L1C")
    made = make(world, asked(world, stack=stack), outcome=outcome)
    kinds = {problem.kind: problem.fact for problem in outcome.remarks}
    assert kinds["level other than what the run learned from"].startswith("L1C; toy is L2A")
    assert kinds["dates more than 20 days outside the season that the run learned from"] == "May, June, July, August"
    assert kinds["months that the run learned from and the stack lacks"] == "May, June, July, August"
    assert kinds["fewer dates than the run learned from"] == "1; a sample of toy has 4"
    assert set(made.figures["remarks"]) == set(kinds)


def test_a_stack_like_the_runs_own_is_not_remarked(world):
    outcome = Report()
    make(world, asked(world), outcome=outcome)
    assert not outcome.remarks and not outcome.left_out


# The command


def test_the_command_makes_a_map_and_tells_its_figures(world, tmp_path):
    stack = world.home / "stacks" / "small"
    call = ["map", "--run", run_of(world), "--stack", str(stack), "--workers", "1", "--smooth", "majority", "--title", "Small"]
    shown = CliRunner().invoke(main, [*call, "--name", "told"])
    assert shown.exit_code == 0 and "19,404 of 19,500 pixels predicted" in shown.stdout and " ha" in shown.stdout
    told = json.loads(CliRunner().invoke(main, [*call, "--json"]).stdout)
    made = folder.named(world, f"{run_of(world)}-small")
    assert told["map"] == made.name and told["predicted"] == 19_404 and made.title == "Small" and made.settings["smooth"] == "majority"
    assert sum(share["pixels"] for share in told["classes"].values()) == 19_404


def test_the_command_names_what_is_wrong(world):
    result = CliRunner().invoke(main, ["map", "--run", run_of(world), "--stack", "nowhere"])
    assert result.exit_code == 1 and "nowhere is not there" in result.output
    result = CliRunner().invoke(main, ["map", "--run", "none", "--stack", str(world.home / "stacks" / "small")])
    assert result.exit_code == 1 and "There is no run 'none'" in result.output


def test_options_that_would_say_nothing_are_refused(world):
    call = ["map", "--run", run_of(world), "--stack", str(world.home / "stacks" / "small"), "--year", "2020"]
    refused = CliRunner().invoke(main, call)
    assert refused.exit_code == 2 and "--year can only be given with --box" in refused.output
    refused = CliRunner().invoke(main, ["map", "--run", run_of(world), "--box", "1,2,3,4", "--scale", "0.001"])
    assert refused.exit_code == 2 and "--scale can only be given with --stack" in refused.output


def test_imagery_of_a_box_is_fetched_and_mapped(world, tmp_path, monkeypatch):
    with StacWorld(tmp_path / "earth") as earth:
        monkeypatch.setitem(providers.PRESETS, "earth-search", replace(providers.named("earth-search"), url=earth.url))
        epsg, west, north = ORIGIN["slovenia"]
        place = Transformer.from_crs(epsg, 4326, always_xy=True).transform
        (left, bottom), (right, top) = place(west + 300, north - 700), place(west + 700, north - 300)
        call = ["map", "--run", run_of(world), "--box", f"{left},{bottom},{right},{top}", "--imagery", "earth-search", "--workers", "1"]
        refused = CliRunner().invoke(main, call)
        assert refused.exit_code == 1 and "Say which season to fetch" in refused.output
        done = CliRunner().invoke(main, [*call, "--year", "2015", "--json", "--allow-missing"])
    assert done.exit_code == 0, done.output
    (made,) = folder.listing(world)
    assert [layer.name for layer in made.stack.layers] == ["2015-05", "2015-06", "2015-07", "2015-08"] and made.stack.crs == "EPSG:32633"
    assert (
        made.name.startswith(f"{run_of(world)}-earth-search-2015-")
        and json.loads(done.stdout)["predicted"] == (read(made, "crop") > 0).sum() > 0
    )


def test_the_stack_needs_no_bands_of_the_atmosphere():
    config = TrainConfig.for_model("ltae", "x", inputs="land+indices")
    stored = {"bands": list(L2A_BANDS), "config": config.to_json()}
    assert engine.needed(stored) == tuple(band for band in L2A_BANDS if band not in ("B01", "B09"))
    for named in ("land", "bands", "indices", "rgb", "NDVI+B11", "indices+B01", "land+EVI"):
        wide = {"bands": list(L2A_BANDS), "config": TrainConfig.for_model("ltae", "x", inputs=named).to_json()}
        some = engine.needed(wide)
        assert [c.name for c in inputs.channels(named, some)] == [c.name for c in inputs.channels(named, L2A_BANDS)]
