"""Folders of GeoTIFFs: what comes in, what is refused and named, and that our own export comes back as it was."""

import csv
import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from data import catalogue, demo, shards
from data.__main__ import main as data_main
from data.errors import BadInput
from data.exports import geotiff
from data.exports.source import open_source
from data.importers import described, folder
from data.importers.described import Options
from data.report import Report
from data.workspace import Workspace
from labeling import decisions
from tests.conftest import ROOT, copy_workspace

FIELDS = ROOT / "data" / "demo" / "bavaria_fields_2018"
GRID = from_origin(664_000, 5_612_120, 10, 10)
BANDS = ("B02", "B03", "B04", "B08")


def run(*arguments, code: int = 0) -> dict:
    result = CliRunner().invoke(data_main, ["import-geotiff", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if result.stdout.startswith("{") else {"error": result.output}


def write_tif(path: Path, values: np.ndarray, *, crs="EPSG:32631", transform=GRID, nodata=None, bands=BANDS, **tags) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"dtype": values.dtype, "count": len(values), "height": values.shape[1], "width": values.shape[2], "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **profile) as raster:
        raster.write(values)
        if bands:
            raster.descriptions = bands
        for key, value in tags.items():
            setattr(raster, key, (value,) * len(values))
    return values


def pattern(seed: int, *, size: int = 8, bands: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(300, 900, (bands, size, size)).astype(np.uint16)


def write_manifest(path: Path, rows: list[str], header: str = "sample,date,file,crop,region") -> None:
    (path / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")


def pixels(workspace: Workspace, collection: str, sample: str) -> np.ndarray:
    return catalogue.patch(workspace, catalogue.sample_id(workspace.store, collection, sample)).pixels


def samples(workspace: Workspace, collection: str) -> dict[str, dict]:
    with workspace.store.reading() as db:
        rows = db.execute(
            """select s.*, t.name as site_name, t.lon, t.lat, t.region, t.polygon, l.name as crop from sample s
            join site t on t.id = s.site join legend_class l on l.collection = s.collection and l.code = s.inventory_code
            where s.collection = ? order by s.name""", [collection],
        )  # fmt: skip
        return {row["name"]: dict(row) for row in rows}


def test_a_folder_comes_in_as_its_manifest_says(empty, tmp_path):
    one, two = (write_tif(tmp_path / "a" / f"{day}.tif", pattern(day)) for day in (1, 2))
    write_manifest(tmp_path, ["a-1,2021-06-01,a/1.tif,Barley,Alberta", "a-1,2021-07-01T10:20:30Z,a/2.tif,Barley,Alberta"])
    figures = run(tmp_path, "--collection", "mine", "--licence", "CC0", "--title", "My fields")
    assert (figures["samples"], figures["dates"], figures["bands"], figures["report"]["left_out"]) == (1, 2, list(BANDS), {})
    np.testing.assert_array_equal(pixels(empty, "mine", "a-1"), [one, two])
    sample = samples(empty, "mine")["a-1"]
    assert (sample["inventory_code"], sample["crop"], sample["region"], sample["year"]) == (133, "Barley", "Alberta", 2021)
    (lon,), (lat,) = rasterio.warp.transform("EPSG:32631", "EPSG:4326", [664_040], [5_612_080])  # the centre of the patch
    assert (sample["lon"], sample["lat"]) == pytest.approx((lon, lat))
    entry = catalogue.collection(empty.store, "mine")
    assert (entry.slot_names, entry.aligned, entry.level, entry.licence) == (("2021-06-01", "2021-07-01"), True, "L2A", "CC0")
    assert {learned.name for learned in catalogue.learned(empty.store, "mine")} == {"Barley"}


def test_the_demo_fields_are_what_the_command_makes_of_their_folder(empty, demo_home):
    figures = run(FIELDS)
    assert (figures["collection"], figures["samples"], figures["dates"]) == ("bavaria-2018", 20, 14)
    for kind in ("0000.npy", "0000.series.npy"):
        assert filecmp.cmp(empty.shards("bavaria-2018") / kind, demo_home / "patches" / "bavaria-2018" / kind, shallow=False)
    assert samples(empty, "bavaria-2018") == samples(Workspace(demo_home), "bavaria-2018")


def test_values_that_say_no_data_become_0_and_true_zeros_become_1(empty, tmp_path):
    values = pattern(1)
    values[0, 0, :3] = (0, 65_535, 7)
    write_tif(tmp_path / "field_2021-06-01.tif", values, nodata=65_535)
    run(tmp_path, "--collection", "mine")
    assert pixels(empty, "mine", "field")[0, 0, 0, :3].tolist() == [1, 0, 7]


def test_reflectance_comes_in_by_type_tags_or_option(empty, tmp_path):
    wanted = pattern(3)
    write_tif(tmp_path / "float_2021-06-01.tif", (wanted / 10_000).astype(np.float32), nodata=np.nan)
    write_tif(tmp_path / "tagged_2021-06-01.tif", wanted + np.uint16(1000), nodata=0, scales=1e-4, offsets=-0.1)
    run(tmp_path, "--collection", "mine")
    for name in ("float", "tagged"):
        np.testing.assert_array_equal(pixels(empty, "mine", name)[0], wanted)
    write_tif(tmp_path / "percent" / "a_2021-06.tif", (wanted / 100).astype(np.float64))
    report = run(tmp_path / "percent", "--collection", "percent", code=1)["report"]
    assert (report["done"], report["left_out"]["values are not reflectance"]["names"]) == (0, ["a 2021-06"])
    assert [entry.name for entry in catalogue.collections(empty.store)] == ["mine"]
    run(tmp_path / "percent", "--collection", "percent", "--scale", "0.01")
    np.testing.assert_array_equal(pixels(empty, "percent", "a")[0], wanted)


def test_bands_are_found_by_name_in_any_order_and_taken_by_order_where_they_have_none(empty, tmp_path):
    wanted = pattern(4)
    write_tif(tmp_path / "named_2021-06-01.tif", wanted[::-1], bands=("nir", "red", "B3", "S2-L2A-B02"))
    write_tif(tmp_path / "nameless_2021-06-01.tif", wanted, bands=None)
    run(tmp_path, "--collection", "mine", "--bands", "B2,B3,B4,B8")
    for name in ("named", "nameless"):
        np.testing.assert_array_equal(pixels(empty, "mine", name)[0], wanted)


def test_a_season_is_aligned_while_the_samples_share_their_dates(tmp_path):
    def slots(dates: dict[str, list[str]]):
        return described.season(dates, {})

    assert slots({"a": ["2021-06-01", "2021-07-01"], "b": ["2021-06-01"]}) == (("2021-06-01", "2021-07-01"), True)
    assert slots({"a": ["2021-06-01"], "b": ["2021-06-02"], "c": ["2021-06-03"]}) == (("1",), False)
    assert slots({"a": ["2020-11", "2021-02"], "b": ["2021-02", "2021-03"]}) == (("2020-11", "2021-02", "2021-03"), True)
    years = {f"a{year}": [f"{year}-{month:02d}" for month in (6, 7, 8)] for year in range(2017, 2021)}
    assert slots(years) == (("06", "07", "08"), True)
    winter = {f"a{year}": [f"{year}-11", f"{year + 1}-03"] for year in range(2017, 2021)}
    assert slots(winter) == (("1", "2"), False)


def test_free_dates_are_kept_in_time_order(empty, tmp_path):
    days = {"a": ("2021-06-03", "2021-06-01"), "b": ("2021-06-12", "2021-06-17"), "c": ("2021-07-01",), "d": ("2021-07-08",)}
    for name, dates in days.items():
        for date in dates:
            write_tif(tmp_path / f"{name}_{date}.tif", pattern(int(date[-2:])))
    figures = run(tmp_path, "--collection", "mine")
    assert (figures["aligned"], figures["dates"]) == (False, 2)
    np.testing.assert_array_equal(pixels(empty, "mine", "a"), [pattern(1), pattern(3)])
    with empty.store.reading() as db:
        found = db.execute("select s.name, i.slot, i.acquired from image i join sample s on s.id = i.sample order by 1, 2").fetchall()
    assert [tuple(row) for row in found[:2]] == [("a", 0, "2021-06-01"), ("a", 1, "2021-06-03")]
    assert not pixels(empty, "mine", "d")[1].any()


def test_files_of_one_sample_may_differ_in_size_but_not_in_grid(empty, tmp_path):
    small = write_tif(tmp_path / "good_2021-06-01.tif", pattern(1, size=6))
    write_tif(tmp_path / "good_2021-07-01.tif", pattern(2, size=9))
    write_tif(tmp_path / "moved_2021-06-01.tif", pattern(1))
    write_tif(tmp_path / "moved_2021-07-01.tif", pattern(2), transform=from_origin(664_030, 5_612_120, 10, 10))
    write_tif(tmp_path / "zone_2021-06-01.tif", pattern(1))
    write_tif(tmp_path / "zone_2021-07-01.tif", pattern(2), crs="EPSG:32632")
    left_out = run(tmp_path, "--collection", "mine", code=1)["report"]["left_out"]["samples on different grids"]
    assert left_out["names"] == ["moved", "zone"]
    assert "664000" in left_out["facts"][0] and "664030" in left_out["facts"][0]
    assert "EPSG:32631" in left_out["facts"][1] and "EPSG:32632" in left_out["facts"][1]
    np.testing.assert_array_equal(pixels(empty, "mine", "good")[0, :, :6, :6], small)
    assert not pixels(empty, "mine", "good")[0, :, 6:].any()


def test_bad_rows_and_files_are_counted_and_named_and_the_good_ones_come_in(empty, tmp_path):
    for name in ("good", "cut", "nowhere", "three"):
        write_tif(tmp_path / f"{name}.tif", pattern(1))
    write_tif(tmp_path / "nowhere.tif", pattern(1), crs=None)
    write_tif(tmp_path / "three.tif", pattern(1, bands=3), bands=None)
    write_tif(tmp_path / "lacking.tif", pattern(1, bands=3), bands=BANDS[:3])
    (tmp_path / "cut.tif").write_bytes((tmp_path / "cut.tif").read_bytes()[:400])
    write_tif(tmp_path / "half.tif", pattern(1, size=60))
    (tmp_path / "half.tif").write_bytes((tmp_path / "half.tif").read_bytes()[:15_000])
    (tmp_path / "text.tif").write_text("<html>404</html>")
    (tmp_path.parent / "outside.tif").write_bytes((tmp_path / "good.tif").read_bytes())
    rows = [
        ("good,2021-06-01", "good.tif", "Corn"), ("good,2021-06-01", "good.tif", "Corn"), ("good,2021-07-01", "cut.tif", "Corn"),
        ("good,2021-08-01", "text.tif", "Corn"), ("good,2021-09-01", "half.tif", "Corn"), ("nowhere,2021-06-01", "nowhere.tif", "Corn"),
        ("three,2021-06-01", "three.tif", "Corn"), ("lacking,2021-06-01", "lacking.tif", "Corn"),
        ("climbing,2021-06-01", "../outside.tif", "Corn"), ("absolute,2021-06-01", f"{tmp_path.parent}/outside.tif", "Corn"),
        ("missing,2021-06-01", "missing.tif", "Corn"), ("undated,June", "good.tif", "Corn"), ("torn,2021-06-01", "good.tif", "Corn"),
        ("torn,2021-07-01", "good.tif", "Oat"), (",", "", ""),
    ]  # fmt: skip
    write_manifest(tmp_path, [f"{','.join(row)},Ontario" for row in rows])
    report = run(tmp_path, "--collection", "mine", "--bands", ",".join(BANDS), code=1)["report"]
    assert report["done"] == 1
    assert {kind: sorted(entry["names"]) for kind, entry in report["left_out"].items()} == {
        "images that a sample has twice": ["manifest.csv line 3"], "unreadable files": [
            "good 2021-07-01", "good 2021-08-01", "good 2021-09-01",
        ],
        "rasters without CRS": ["nowhere 2021-06-01"], "files with another number of bands": ["three 2021-06-01"],
        "files without a needed band": ["lacking 2021-06-01"], "samples without any image": ["lacking", "nowhere", "three"],
        "paths that lead out of the folder": ["manifest.csv line 10", "manifest.csv line 11"], "missing files": ["manifest.csv line 12"],
        "dates that are none": ["manifest.csv line 13"], "samples whose rows cannot be used": ["torn"],
        "rows without a sample or a file": ["manifest.csv line 16"],
    }  # fmt: skip
    np.testing.assert_array_equal(pixels(empty, "mine", "good")[0], pattern(1))
    assert run(tmp_path, "--collection", "mine", "--bands", ",".join(BANDS), "--allow-missing")["report"]["done"] == 1


@pytest.mark.parametrize(("header", "said"), [("sample,date,crop", "no column file"), ("file,date", "no column sample or site")])
def test_a_manifest_without_a_needed_column_is_refused_with_what_one_looks_like(empty, tmp_path, header, said):
    write_manifest(tmp_path, ["a,b,c"], header)
    answer = run(tmp_path, code=1)["error"]
    assert said in answer and "sample,date,file,crop,region" in answer
    assert catalogue.collections(empty.store) == []


def test_a_folder_without_manifest_and_pattern_is_refused_with_what_one_looks_like(empty, tmp_path):
    write_tif(tmp_path / "picture.tif", pattern(1))
    assert "A manifest is a CSV named manifest.csv" in run(tmp_path, code=1)["error"]
    assert "--bands B02" in (write_tif(tmp_path / "a_2021-06.tif", pattern(1), bands=None), run(tmp_path, code=1))[1]["error"]


def test_file_names_can_tell_it_all(empty, tmp_path):
    write_tif(tmp_path / "oat" / "hill_20210601_AB.tif", pattern(1))
    write_tif(tmp_path / "corn" / "dale_20210601_ON.tif", pattern(2))
    run(tmp_path, "--collection", "mine", "--pattern", "{crop}/{site}_{date}_{region}")
    found = samples(empty, "mine")
    assert {name: (row["site_name"], row["inventory_code"], row["region"]) for name, row in found.items()} == {
        "dale-2021": ("dale", 147, "ON"), "hill-2021": ("hill", 136, "AB"),
    }  # fmt: skip


def test_crops_are_names_or_codes_and_what_the_legend_lacks_is_kept_and_reported(empty, tmp_path):
    crops = {"a": "SOYBEANS", "b": "maize", "c": "146", "d": "Blé d'hiver", "e": "hemp-ish", "f": "999", "g": ""}
    for number, name in enumerate(crops):
        write_tif(tmp_path / f"{name}.tif", pattern(number))
    write_manifest(tmp_path, [f"{name},2021-06-01,{name}.tif,{crop},X" for name, crop in crops.items()])
    remarks = run(tmp_path, "--collection", "mine")["report"]["remarks"]
    codes = {name: row["inventory_code"] for name, row in samples(empty, "mine").items()}
    assert codes == {"a": 158, "b": 147, "c": 146, "d": 145, "e": 1001, "f": 999, "g": 0}
    assert remarks["crop names outside the legend"]["names"] == ["hemp-ish"]
    assert remarks["codes outside the legend"]["names"] == ["999"]
    learned = [entry.name for entry in catalogue.learned(empty.store, "mine")]
    assert sorted(learned) == ["Corn", "Soybean", "Spring Wheat", "Winter Wheat", "hemp-ish"]


def test_a_legend_of_ones_own(empty, tmp_path):
    (tmp_path / "legend.csv").write_text(
        "code,name,name_fr,color,learned,digit\n1,rye,seigle,#112233,cereal,4\n2,spelt,,,cereal,\n3,rock,,,,\n"
    )
    write_tif(tmp_path / "a_2021-06-01_rye.tif", pattern(1))
    run(tmp_path, "--collection", "mine", "--legend", tmp_path / "legend.csv", "--pattern", "{sample}_{date}_{crop}")
    assert samples(empty, "mine")["a"]["inventory_code"] == 1
    legend = {entry.name: entry for entry in catalogue.legend(empty.store, "mine")}
    assert (legend["rye"].color, legend["rye"].digit, legend["rock"].learned) == ("#112233", 4, None)
    assert [entry.name for entry in catalogue.learned(empty.store, "mine")] == ["cereal"]
    (tmp_path / "bad.csv").write_text("number,crop\n1,rye\n")
    options = ("--collection", "other", "--legend", tmp_path / "bad.csv", "--pattern", "{sample}_{date}_{crop}")
    assert "needs a code and a name" in run(tmp_path, *options, code=1)["error"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1, 2", "not a JSON object"), ('{"bands": "B02"}', "no usable bands: 'B02'"), ('{"stac_version": "1.1.0"}', "not a JSON object"),
     ('{"legend": [{"code": 1}]}', "The legend in collection.json"), ('{"bands": ["B02", "VV"]}', "not all bands of Sentinel-2")],
)  # fmt: skip
def test_a_collection_json_that_cannot_be_used_is_refused(empty, tmp_path, text, said):
    write_tif(tmp_path / "a_2021-06.tif", pattern(1))
    (tmp_path / "collection.json").write_text(text)
    assert said in run(tmp_path, "--collection", "mine", code=1)["error"]
    assert catalogue.collections(empty.store) == []


def test_a_position_is_taken_where_it_lies_on_the_patch_and_replaced_where_not(empty, tmp_path):
    write_tif(tmp_path / "t.tif", pattern(1))
    (lon,), (lat,) = rasterio.warp.transform("EPSG:32631", "EPSG:4326", [664_015], [5_612_085])
    rows = [f"right,2021-06-01,t.tif,{lon!r},{lat!r}", f"swapped,2021-06-01,t.tif,{lat!r},{lon!r}", "lost,2021-06-01,t.tif,200,50"]
    write_manifest(tmp_path, rows, "sample,date,file,lon,lat")
    report = run(tmp_path, "--collection", "mine", code=1)["report"]
    found = samples(empty, "mine")
    assert (found["right"]["lon"], found["right"]["lat"]) == (lon, lat)
    assert found["swapped"]["lon"] == pytest.approx(lon, abs=1e-3)
    assert report["remarks"]["positions outside of their patch"]["names"] == ["swapped"]
    assert report["left_out"]["samples whose rows cannot be used"]["names"] == ["lost"]


def test_rasters_that_lie_nowhere_are_named(empty, tmp_path):
    write_tif(tmp_path / "good_2021-06-01.tif", pattern(1))
    write_tif(tmp_path / "far_2021-06-01.tif", pattern(1), transform=from_origin(9e8, 9e8, 10, 10))
    write_tif(tmp_path / "flat_2021-06-01.tif", pattern(1), transform=rasterio.Affine.identity())
    left_out = run(tmp_path, "--collection", "mine", code=1)["report"]["left_out"]
    assert left_out["patches that lie nowhere on Earth"]["names"] == ["far"]
    assert left_out["rasters without a position"]["names"] == ["flat 2021-06-01"]
    assert list(samples(empty, "mine")) == ["good"]


def test_the_same_name_with_another_manifest_is_refused(empty, tmp_path):
    write_tif(tmp_path / "t.tif", pattern(1))
    write_manifest(tmp_path, ["a,2021-06-01,t.tif,Corn,X"])
    run(tmp_path, "--collection", "mine")
    write_manifest(tmp_path, ["a,2021-06-01,t.tif,Oat,X"])
    assert "another origin" in run(tmp_path, "--collection", "mine", code=1)["error"]
    assert samples(empty, "mine")["a"]["inventory_code"] == 147


def test_a_killed_import_goes_on_to_the_same_collection(tmp_path, demo_home):
    home = tmp_path / "killed"
    script = (
        "import pathlib; from data import importing, workspace; from data.importers import folder;"
        "from data.importers.described import Options; importing.SHARD_BYTES = 3_000_000;"
        f"home = workspace.Workspace(pathlib.Path({str(home)!r})).create();"
        f"folder.run(home, folder.plan(pathlib.Path({str(FIELDS)!r}), Options('bavaria-2018')), lambda *step: None)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(list(home.glob("patches/*/????.npy"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    workspace = Workspace(home)
    found = [np.load(path) for path in sorted(workspace.shards("bavaria-2018").glob("????.npy"))]
    assert len(found) > 4
    np.testing.assert_array_equal(np.concatenate(found), np.load(demo_home / "patches/bavaria-2018/0000.npy"))
    ours, theirs = samples(workspace, "bavaria-2018"), samples(Workspace(demo_home), "bavaria-2018")
    elsewhere = {"shard": None, "shard_row": None}
    assert {name: row | elsewhere for name, row in ours.items()} == {name: row | elsewhere for name, row in theirs.items()}


# Exports

IMAGE = "select i.id from image i join sample s on s.id = i.sample where s.name = 'D8-2018' and i.slot = 4"
LABELS = "select s.name, l.code from label l join sample s on s.id = l.sample where s.collection = 'bavaria-2018'"
QUALITIES = """
select s.name, i.slot, i.acquired, q.quality from image_quality q join image i on i.id = q.image join sample s on s.id = i.sample
where s.collection = 'bavaria-2018' order by s.name, i.slot
"""


@pytest.fixture
def exported(demo, tmp_path) -> Path:
    """The Bavarian fields as GeoTIFFs, after a curator agreed to one, relabelled one, rejected one and marked an image."""
    decide(demo, "Baumacker-2018", "agree")
    decide(demo, "D2-2018", "relabel", code=131)
    decide(demo, "D4-2018", "reject", reason="mixed")
    decide(demo, "D8-2018", "quality", image=_reading(demo.store, IMAGE)[0]["id"], quality="cloud")
    to = tmp_path / "export"
    to.mkdir()
    report = Report()
    geotiff.write(open_source(demo, "bavaria-2018"), to, report, lambda *step: None)
    assert (report.done, report.left_out) == (20, [])
    return to


def decide(workspace: Workspace, sample: str, action: str, **said) -> None:
    number = catalogue.sample_id(workspace.store, "bavaria-2018", sample)
    event = {"uid": f"uid-{sample}", "sample": number, "action": action, **said}
    assert decisions.record(workspace.store, "bavaria-2018", "ada", [event])[0].stored


def test_an_export_comes_back_with_the_same_pixels_sites_and_labels(demo, exported, tmp_path, monkeypatch):
    other = Workspace(tmp_path / "other").create()
    monkeypatch.setenv("CROPCHECK_HOME", str(other.home))
    assert run(exported)["samples"] == 20
    before, after = (samples(workspace, "bavaria-2018") for workspace in (demo, other))
    for name, sample in before.items():
        np.testing.assert_array_equal(pixels(other, "bavaria-2018", name), pixels(demo, "bavaria-2018", name))
        for key in ("site_name", "lon", "lat", "region", "polygon", "year", "crs", "transform", "height", "width"):
            assert after[name][key] == sample[key], (name, key)
    labels = {row["name"]: row["code"] or 0 for row in _reading(demo.store, LABELS)}
    assert {name: row["inventory_code"] for name, row in after.items()} == labels
    assert (labels["D2-2018"], labels["D4-2018"]) == (131, 0)
    assert filecmp.cmp(*(w.shards("bavaria-2018") / "0000.series.npy" for w in (demo, other)), shallow=False)
    assert catalogue.legend(other.store, "bavaria-2018")[1:] == catalogue.legend(demo.store, "bavaria-2018")
    assert catalogue.learned(other.store, "bavaria-2018") == catalogue.learned(demo.store, "bavaria-2018")
    qualities = [[tuple(row) for row in _reading(workspace.store, QUALITIES)] for workspace in (demo, other)]
    assert qualities[0] == qualities[1]
    assert ("D8-2018", 4, "2018-04-19", "cloud") in qualities[1]


def _reading(store, sql: str) -> list:
    with store.reading() as db:
        return db.execute(sql).fetchall()


def test_an_export_can_come_back_with_the_inventorys_labels(demo, exported, tmp_path, monkeypatch):
    other = Workspace(tmp_path / "other").create()
    monkeypatch.setenv("CROPCHECK_HOME", str(other.home))
    run(exported, "--labels", "inventory")
    codes = [{name: row["inventory_code"] for name, row in samples(w, "bavaria-2018").items()} for w in (demo, other)]
    assert codes[0] == codes[1]


def test_every_image_is_a_cloud_optimised_geotiff_that_describes_itself(demo, exported):
    with (exported / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 262
    for row in rows[::40]:
        with rasterio.open(exported / row["file"]) as raster:
            assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert raster.descriptions == catalogue.collection(demo.store, "bavaria-2018").bands
            assert (raster.nodata, set(raster.scales), set(raster.offsets)) == (0, {1e-4}, {0.0})
            assert raster.tags()["acquired"] == row["date"]
    relabelled = next(row for row in rows if row["sample"] == "D2-2018")
    assert (relabelled["crop"], relabelled["code"], relabelled["inventory_code"], relabelled["status"]) == (
        "winter barley", "131", "115", "relabelled",
    )  # fmt: skip
    told = json.loads((exported / "collection.json").read_text())
    assert told["version"] == str(open_source(demo, "bavaria-2018").version)
    assert [entry["color"] for entry in told["legend"]] == ["#809769", "#dae31d"]


def test_the_same_version_makes_the_same_bytes(demo, exported, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    geotiff.write(open_source(demo, "bavaria-2018"), again, Report(), lambda *step: None)
    first, second = (sorted(path.relative_to(to) for path in to.rglob("*") if path.is_file()) for to in (exported, again))
    assert first == second
    assert filecmp.cmpfiles(exported, again, first, shallow=False)[1:] == ([], [])


def test_scene_classification_and_inventory_rasters_come_back_too(empty, tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    for number, day in enumerate(("2021-06-01", "2021-07-01")):
        write_tif(tmp_path / "in" / f"{day}.tif", pattern(number, size=70))
        write_tif(tmp_path / "in" / f"{day}_scl.tif", rng.choice([3, 4, 9], (1, 70, 70)).astype(np.uint8), nodata=0, bands=None)
    codes = np.broadcast_to(np.where(np.arange(70) < 40, 147, 158), (1, 70, 70)).astype(np.uint8)
    write_tif(tmp_path / "in" / "aci.tif", codes, nodata=0, bands=None)
    rows = [f"a,{day},{day}.tif,{day}_scl.tif,aci.tif,147,train,s1 s2" for day in ("2021-06-01", "2021-07-01")]
    write_manifest(tmp_path / "in", rows, "sample,date,file,scl,inventory,crop,part,sources")
    run(tmp_path / "in", "--collection", "mine")
    source, to = open_source(empty, "mine"), tmp_path / "export"
    to.mkdir()
    geotiff.write(source, to, Report(), lambda *step: None)
    with rasterio.open(to / "a" / "a_inventory.tif") as raster:
        assert raster.colormap(1)[147] == (*bytes.fromhex("ffff99"), 255)
    other = Workspace(tmp_path / "other").create()
    monkeypatch.setenv("CROPCHECK_HOME", str(other.home))
    run(to)
    for kind in ("", ".series", ".inventory", ".scl"):
        mine, theirs = (shards.read_row(w.shards("mine"), "0000", 0, kind) for w in (empty, other))
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(catalogue.patch(other, 1).inventory, codes[0])
    again = next(open_source(other, "mine").samples())
    before = next(source.samples())
    assert (again.part, again.purity, again.images) == (before.part, before.purity, before.images)
    assert again.images[0].sources == ("s1", "s2")


def test_field_means_are_not_made_into_rasters(demo, tmp_path):
    with pytest.raises(BadInput, match=r"holds field means.*Export it as geoparquet"):
        geotiff.write(open_source(demo, "bavaria-parcels-2018"), tmp_path, Report(), lambda *step: None)
    assert not list(tmp_path.glob("*.tif"))


def test_a_sample_whose_pixels_are_lost_is_named_and_the_others_go_out(demo_home, tmp_path):
    workspace = copy_workspace(demo_home, tmp_path / "workspace")
    with workspace.store.writing() as db:
        db.execute("update sample set shard = '0099' where name = 'D8-2018'")
    report = Report()
    (tmp_path / "to").mkdir()
    geotiff.write(open_source(workspace, "bavaria-2018"), tmp_path / "to", report, lambda *step: None)
    assert (report.done, [problem.name for problem in report.left_out]) == (19, ["D8-2018"])


@pytest.mark.parametrize("name", ["a/b", "../up", "Ünïcode field", "CON: x", "x" * 300])
def test_any_sample_name_makes_a_safe_folder_of_its_own(name):
    plain = geotiff.file_name(name)
    assert Path(plain).name == plain and len(plain) < 120 and not plain.startswith(".")
    assert geotiff.file_name(name + "?") != plain
    assert geotiff.file_name("D2-2018") == "D2-2018"


def test_the_demo_plan_is_made_without_reading_pixels():
    planned = demo.fields()
    assert (len(planned.names), planned.spec.height, planned.spec.width, planned.report.left_out) == (20, 66, 50, [])
    assert folder.plan(FIELDS, Options("bavaria-2018")).spec == planned.spec
