"""Importing: what is kept, what is measured, and what survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from data import catalogue, indices, info, shards
from data import demo as bavaria
from data.errors import BadInput, PixelsUnreadable, UnknownCollection, UnknownSample
from data.importing import CollectionSpec, NewSample, import_collection, import_planned
from data.report import Report
from data.workspace import Workspace
from tests.conftest import ROOT, copy_workspace


@pytest.fixture(scope="module")
def fields() -> tuple[CollectionSpec, list[NewSample]]:
    planned = bavaria.fields()
    return planned.spec, planned.make(planned.names)[0]


def test_the_bavarian_fields_come_in_whole(demo):
    facts = {entry["collection"]: entry for entry in info.describe(demo.store)}
    fields, parcels = facts["bavaria-2018"], facts["bavaria-parcels-2018"]
    assert (fields["samples"], fields["images"], fields["bands"]) == (20, 262, 12)
    assert (parcels["samples"], parcels["dates"], parcels["bands"]) == (301, 14, 13)
    assert parcels["interpolated"] == 2 * 301
    assert not fields["simulated"]
    assert facts["canada-simulated-2019"]["simulated"]


def test_every_pixel_of_a_field_is_kept_at_its_true_position(demo):
    patch = catalogue.patch(demo, catalogue.sample_id(demo.store, "bavaria-2018", "Baumacker-2018"))
    with rasterio.open(ROOT / "data/demo/bavaria_fields_2018/Baumacker/Baumacker_2018-03-08.tif") as raster:
        np.testing.assert_array_equal(patch.pixels[0], raster.read())
        assert patch.transform == tuple(raster.transform)[:6]
        assert rasterio.crs.CRS.from_user_input(patch.crs) == rasterio.crs.CRS.from_epsg(3857)


def test_a_site_lies_inside_its_field(demo):
    from shapely.geometry import Point, shape

    with demo.store.reading() as db:
        for row in db.execute("select lon, lat, polygon from site where collection = 'bavaria-2018'"):
            assert shape(json.loads(row["polygon"])).contains(Point(row["lon"], row["lat"]))


def test_barley_has_ripened_by_mid_june_and_wheat_has_not(demo):
    medians = {}
    for code in (115, 131):
        with demo.store.reading() as db:
            values = [row[0] for row in db.execute(
                """select t.median from sample s join image i on i.sample = s.id join index_stat t on t.image = i.id and t.name = 'NDVI'
                where s.collection = 'bavaria-2018' and i.acquired = '2018-06-16' and s.inventory_code = ?""", [code],
            )]  # fmt: skip
        medians[code] = np.median(values)
    assert medians[131] <= medians[115] - 0.2


def test_february_is_cloud_or_snow_for_every_parcel(demo):
    with demo.store.reading() as db:
        months = list(db.execute(
            """select distinct i.acquired, i.quality from image i join sample s on s.id = i.sample
            where s.collection = 'bavaria-parcels-2018' and i.acquired < '2018-03'"""
        ))  # fmt: skip
    assert {tuple(row) for row in months} == {("2018-02-15", "cloud"), ("2018-02-28", "cloud")}


def test_the_series_is_the_mean_of_the_clear_pixels(demo):
    patch = catalogue.patch(demo, catalogue.sample_id(demo.store, "bavaria-2018", "Holzacker-2018"))
    slot = 5  # 22 April, a clear day
    field = (patch.pixels[slot] > 0).all(axis=0)
    np.testing.assert_allclose(patch.series[slot], patch.pixels[slot][:, field].mean(axis=1) / 10_000, rtol=1e-4)


def test_statistics_agree_with_numpy_on_the_same_pixels(demo):
    sample = catalogue.sample_id(demo.store, "bavaria-2018", "Holzacker-2018")
    patch = catalogue.patch(demo, sample)
    reflectance = {band: patch.pixels[5, at].astype(float) / 10_000 for at, band in enumerate(patch.bands)}
    field = patch.pixels[5].min(axis=0) > 0
    ndvi = indices.compute("NDVI", reflectance)[field]
    with demo.store.reading() as db:
        row = db.execute(
            "select t.* from image i join index_stat t on t.image = i.id and t.name = 'NDVI' where i.sample = ? and i.slot = 5", [sample]
        ).fetchone()
    measured = [row[key] for key in ("mean", "sd", "p10", "median", "p90")]
    np.testing.assert_allclose(measured, [ndvi.mean(), ndvi.std(), *np.percentile(ndvi, (10, 50, 90))], atol=2e-5)


def test_a_date_that_shows_three_pixels_of_a_field_is_marked_bad(demo):
    with demo.store.reading() as db:
        rows = db.execute(
            """select i.quality from image i join sample s on s.id = i.sample
            where s.name = 'Voettingerfeld-2018' and i.acquired = '2018-03-25'"""
        ).fetchall()
    assert [row["quality"] for row in rows] == ["bad"]


def test_importing_twice_changes_nothing(demo, fields):
    before = demo.shards("bavaria-2018") / "0000.npy"
    stamp = before.stat().st_mtime_ns
    assert import_collection(demo, *fields) == 20
    assert before.stat().st_mtime_ns == stamp


def test_another_size_of_the_same_collection_is_refused_and_changes_nothing(demo, fields):
    with pytest.raises(BadInput, match="already there with 20 samples"):
        import_collection(demo, fields[0], fields[1][:7])
    assert info.progress(demo.store, "bavaria-2018").samples == 20


def test_a_code_outside_the_legend_is_kept_under_its_number(empty, fields):
    odd = replace(fields[1][0], inventory_code=999)
    import_collection(empty, fields[0], [odd])
    assert {entry.code: entry.name for entry in catalogue.legend(empty.store, "bavaria-2018")}[999] == "Code 999"
    with empty.store.reading() as db:
        assert [row["inventory_code"] for row in db.execute("select inventory_code from sample")] == [999]


def test_a_planned_import_makes_only_what_is_missing_and_tries_again_what_failed(empty, fields):
    spec, by_name = fields[0], {sample.name: sample for sample in fields[1]}
    names, asked, broken = list(by_name), [], {"D4-2018", "Feldhof1-2018"}

    def make(wanted):
        told = Report()
        asked.extend(wanted)
        for name in broken & set(wanted):
            told.leave_out("no imagery", name)
        return [by_name[name] for name in wanted if name not in broken], told

    first, second, third = Report(), Report(), Report()
    with ThreadPoolExecutor(2) as pool:
        import_planned(empty, spec, names, make, first, pool=pool, shard_size=6)
    assert (first.done, {problem.name for problem in first.left_out}) == (18, broken)
    asked.clear()
    broken.clear()
    import_planned(empty, spec, names, make, second, shard_size=6)
    assert asked == ["D4-2018", "Feldhof1-2018"]
    assert (second.done, second.left_out) == (20, [])
    asked.clear()
    import_planned(empty, spec, names, make, third, shard_size=6)
    assert asked == []
    patch = catalogue.patch(empty, catalogue.sample_id(empty.store, "bavaria-2018", "D4-2018"))
    np.testing.assert_array_equal(patch.pixels, by_name["D4-2018"].pixels)


@pytest.mark.parametrize("name", ["", "..", "../elsewhere", "a/b", ".hidden", "a\nb", "x" * 101])
def test_a_name_that_is_no_folder_of_the_workspace_is_refused(fields, name):
    with pytest.raises(BadInput, match="cannot be a collection's name"):
        replace(fields[0], name=name)


def test_an_import_that_makes_no_sample_makes_no_collection(empty, fields):
    def nothing(wanted):
        told = Report()
        for name in wanted:
            told.leave_out("no imagery", name)
        return [], told

    report = Report()
    import_planned(empty, fields[0], ["a", "b"], nothing, report)
    assert len(report.left_out) == 2
    assert catalogue.collections(empty.store) == []


def test_what_a_source_says_of_a_sample_is_stored_with_it(empty, fields):
    spec = replace(fields[0], split="published")
    plain = fields[1][0]
    slots, (height, width) = len(spec.slots), plain.pixels.shape[-2:]
    clear = np.zeros((slots, height, width), bool)
    clear[0] = True
    scl = np.full((slots, height, width), 4, np.uint8)
    told = replace(
        plain, clear=clear, scl=scl, part="validation", history={2017: 131, 2018: 115},
        sources=tuple((f"scene-{slot}",) for slot in range(slots)), quality=(None, "bad", *[None] * (slots - 2)),
    )  # fmt: skip
    import_collection(empty, spec, [told])
    with empty.store.reading() as db:
        images = db.execute("select slot, quality, clear, source from image order by slot").fetchall()
        assert [tuple(row) for row in db.execute("select year, code from aci_history order by year")] == [(2017, 131), (2018, 115)]
        assert [row["part"] for row in db.execute("select part from split_member")] == ["validation"]
    assert [row["quality"] for row in images[:3]] == ["ok", "bad", "cloud"]
    assert json.loads(images[1]["source"]) == ["scene-1"]
    assert images[2]["clear"] == 0
    assert shards.read_row(empty.shards("bavaria-2018"), "0000", 0, ".scl").max() == 4


def test_a_killed_import_leaves_whole_shards_and_goes_on_to_the_same_result(tmp_path, demo_home):
    home = tmp_path / "killed"
    script = (
        "import pathlib; from data import demo; from data.workspace import Workspace; from data.importing import import_collection; "
        f"workspace = Workspace(pathlib.Path({str(home)!r})).create(); "
        "import_collection(workspace, demo.parcels_spec(), demo.parcels(), shard_size=7)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len(list(home.glob("patches/*/*.npy"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()

    workspace = Workspace(home)
    assert info.progress(workspace.store, "bavaria-parcels-2018").samples % 7 == 0
    for path in home.glob("patches/*/*.npy"):
        np.load(path, mmap_mode="r")
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert info.progress(workspace.store, "bavaria-parcels-2018").samples == 301
    pieces = [np.load(path) for path in sorted(workspace.shards("bavaria-parcels-2018").glob("????.npy"))]
    np.testing.assert_array_equal(np.concatenate(pieces), np.load(demo_home / "patches/bavaria-parcels-2018/0000.npy"))


def test_a_missing_shard_is_named_with_the_way_out(demo_home, tmp_path):
    workspace = copy_workspace(demo_home, tmp_path / "workspace")
    (workspace.home / "patches").unlink()
    with pytest.raises(PixelsUnreadable, match=r"0000.npy is missing. Restore it from a backup"):
        catalogue.patch(workspace, 1)


def test_a_shard_of_another_shape_is_refused(demo_home, tmp_path):
    workspace = copy_workspace(demo_home, tmp_path / "workspace")
    (workspace.home / "patches").unlink()
    shards.write(workspace.shards("bavaria-2018") / "0000.npy", np.zeros((20, 3, 12, 66, 50), np.uint16))
    with pytest.raises(PixelsUnreadable, match=r"shape \(3, 12, 66, 50\); the catalogue expects \(14, 12, 66, 50\)"):
        catalogue.patch(workspace, catalogue.sample_id(workspace.store, "bavaria-2018", "D2-2018"))


def test_unknown_names_are_answered_with_known_ones(demo):
    with pytest.raises(UnknownCollection, match="It has: bavaria-2018"):
        catalogue.collection(demo.store, "peru-1999")
    with pytest.raises(UnknownSample, match="no sample 'X9' in bavaria-2018"):
        catalogue.sample_id(demo.store, "bavaria-2018", "X9")
    with pytest.raises(UnknownCollection):
        catalogue.sample_id(demo.store, "peru-1999", "X9")


def test_pixels_of_a_sample_can_be_found_by_number_and_by_name(demo):
    number = catalogue.sample_id(demo.store, "bavaria-2018", "D2-2018")
    assert catalogue.sample_id(demo.store, "bavaria-2018", str(number)) == number
