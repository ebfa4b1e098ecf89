"""BreizhCrops in the published layout comes in whole, and packed collections behave like any other once somebody looks at them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.geometry import Point, shape

from data import catalogue, info, packed, profiles, shards
from data.__main__ import main as data_main
from data.bands import L1C_BANDS, reflectance
from data.errors import BadInput, PixelsUnreadable
from data.importers import breizhcrops, breizhcrops_names
from data.importing import CollectionSpec, NewSample, import_collection
from data.workspace import Workspace
from labeling import cards, decisions, envelopes, overlays, places, points
from modeling import pixels, runs, samples, training
from modeling.config import TrainConfig
from tests import breizhcrops_world as world
from tests.conftest import ROOT, copy_workspace

NAME = "breizhcrops-2017-L1C"
LEXICOGRAPHIC = ["B1", "B10", "B11", "B12", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "QA10", "QA20", "QA60", "doa"]
REGIONS = {"frh01": 45, "frh02": 30}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """The downloaded folder. Not to be written to."""
    return world.make(tmp_path_factory.mktemp("breizhcrops"), REGIONS)


@pytest.fixture(scope="module")
def imported_home(tmp_path_factory, root) -> Path:
    home = tmp_path_factory.mktemp("imported") / "workspace"
    breizhcrops.import_breizhcrops(Workspace(home).create(), root)
    return home


@pytest.fixture
def imported(imported_home, tmp_path, monkeypatch) -> Workspace:
    """A workspace with the collection, to be written to."""
    workspace = copy_workspace(imported_home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace


def run(root: Path, *more: str) -> tuple[int, dict]:
    """The command's exit status and what it says as JSON."""
    result = CliRunner().invoke(data_main, ["import-breizhcrops", str(root), "--json", *more])
    assert result.output.startswith("{"), result.output
    return result.exit_code, json.loads(result.stdout)


def series_of(root: Path, region: str, number: int, level: str = "L1C") -> np.ndarray:
    with h5py.File(root / "2017" / level / f"{region}.h5") as file:
        return file[f"csv/{region}/{number}.csv"][()]


def replace_series(root: Path, number: int, values: np.ndarray | None, region: str = "frh01", level: str = "L1C") -> None:
    """Another array for a parcel, or none."""
    with h5py.File(root / "2017" / level / f"{region}.h5", "r+") as file:
        del file[f"csv/{region}/{number}.csv"]
        if values is not None:
            file[f"csv/{region}/{number}.csv"] = values


def images(workspace: Workspace, sample: int) -> list:
    with workspace.store.reading() as db:
        return db.execute("select * from image_quality where sample = ? order by slot", [sample]).fetchall()


def count(workspace: Workspace, table: str) -> int:
    with workspace.store.reading() as db:
        return db.execute(f"select count(*) from {table}").fetchone()[0]


# What comes in


def test_every_parcel_comes_in_with_every_date_and_value(imported, root):
    assert info.progress(imported.store, NAME).samples == sum(REGIONS.values())
    for region, number in (("frh01", 1000), ("frh01", 1044), ("frh02", 1013)):
        raw = series_of(root, region, number)
        sample = catalogue.sample_id(imported.store, NAME, f"{region}-{number}")
        patch = catalogue.patch(imported, sample)
        for band in L1C_BANDS:
            column = raw[:, LEXICOGRAPHIC.index(f"B{band[1:].lstrip('0')}")]
            np.testing.assert_array_equal(patch.pixels[: len(raw), L1C_BANDS.index(band), 0, 0], np.maximum(1, column.round()))
        assert patch.pixels.shape == (14, 13, 1, 1) and not patch.pixels[len(raw) :].any()
        np.testing.assert_allclose(patch.series[: len(raw)], patch.pixels[: len(raw), :, 0, 0] / 10_000, rtol=1e-6)
        assert np.isnan(patch.series[len(raw) :]).all()
        packed.materialise(imported, [sample])
        days = (raw[:, LEXICOGRAPHIC.index("doa")].astype(np.int64)).astype("datetime64[ns]").astype("datetime64[D]")
        assert [row["acquired"] for row in images(imported, sample)] == days.astype(str).tolist()


def test_the_collection_says_what_it_is(imported):
    collection = catalogue.collection(imported.store, NAME)
    assert (collection.packed, collection.aligned, collection.bands) == (True, False, L1C_BANDS)
    assert collection.slot_names == tuple(str(slot) for slot in range(1, 15))
    assert "Licence Ouverte" in collection.licence and "Copernicus Sentinel data 2017" in collection.attribution
    assert places.regions_and_years(imported.store, NAME) == (["frh01", "frh02"], [2017])
    assert not places.has_interpolated(imported.store, NAME)


@pytest.mark.parametrize("order", range(len(breizhcrops.ORDERS["L1C"])))
def test_the_order_of_the_columns_is_found_from_the_spectrum(tmp_path, imported, order):
    root = world.make(tmp_path / "other", {"frh01": 10}, order=order, outlines=False)
    other = Workspace(tmp_path / "other-home").create()
    records, _ = breizhcrops.import_breizhcrops(other, root)
    assert records[0]["regions"]["frh01"]["columns"].split() == list(breizhcrops.ORDERS["L1C"][order])
    whole = [catalogue.patch(home, catalogue.sample_id(home.store, NAME, "frh01-1003")).pixels for home in (imported, other)]
    length = min(len(part) for part in whole)
    for band in ("B02", "B08", "B10"):
        at = L1C_BANDS.index(band)
        spread = [np.median(part[:length, at][part[:length, at] > 0]) for part in whole]
        assert spread[0] == pytest.approx(spread[1], rel=0.4)


def test_the_surface_reflectances_come_in_with_their_masks(tmp_path, empty):
    root = world.make(tmp_path / "l2a", {"frh03": 6}, level="L2A", outlines=False)
    values = series_of(root, "frh03", 1000, "L2A")
    values[:, 1:11] = np.array([400, 700, 500, 900, 2500, 3200, 3300, 3500, 1800, 900])
    values[:, 11:] = 0
    values[1, 11], values[2, 12], values[3, 13] = 0.02, 1, 1  # cloud, edge, saturation
    values[4, 1:11] = -10_000
    values[5, 3] = -30
    replace_series(root, 1000, values, "frh03", "L2A")
    code, figures = run(root)
    assert code == 0 and figures["collections"][0]["collection"] == "breizhcrops-2017-L2A"
    sample = catalogue.sample_id(empty.store, "breizhcrops-2017-L2A", "frh03-1000")
    packed.materialise(empty, [sample])
    assert [row["quality"] for row in images(empty, sample)] == ["ok", "cloud", "bad", "bad", *["ok"] * (len(values) - 5)]
    patch = catalogue.patch(empty, sample)
    assert patch.bands == ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    assert patch.pixels[0, :, 0, 0].tolist() == values[0, 1:11].astype(int).tolist()
    assert patch.pixels[4, 2, 0, 0] == 1  # below zero, but seen
    assert "frh03-1000" in figures["report"]["remarks"]["dates without a day or a value, or twice"]["names"]


def test_crop_codes_are_numbers_for_ever():
    assert breizhcrops_names.code_of("BTH") == 15317
    assert len({breizhcrops_names.code_of(crop) for crop in breizhcrops_names.ENGLISH}) == len(breizhcrops_names.ENGLISH)
    assert [breizhcrops_names.code_of(crop) for crop in ("", "  ", "ABCD", "É1", "B-H")] == [0] * 5


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=3, max_size=3))
def test_a_crop_code_is_read_back_from_its_number(crop):
    assert breizhcrops_names.crop_of(breizhcrops_names.code_of(crop)) == crop
    assert breizhcrops_names.code_of(crop) < 2**16


def test_the_legend_has_every_crop_and_the_mapping_says_what_is_learned(imported):
    legend = {breizhcrops_names.crop_of(entry.code): entry for entry in catalogue.legend(imported.store, NAME)}
    assert set(legend) >= {code for _, codes in world.MAPPING.values() for code in codes} | {"PTC"}
    assert (legend["BTH"].name, legend["BTH"].name_fr, legend["BTH"].learned) == ("Winter wheat (BTH)", "Blé tendre d'hiver", "wheat")
    assert legend["PTC"].learned is None and legend["PTC"].color == "#b74b15"  # ACI's vegetables
    assert legend["ORH"].color == legend["ORP"].color == "#dae31d"  # ACI's barley
    assert [entry.name for entry in catalogue.learned(imported.store, NAME)] == [name for name, _ in world.MAPPING.values()]
    digits = {entry.digit: crop for crop, entry in legend.items() if entry.digit is not None}
    assert (digits[1], digits[2], digits[4], len(digits)) == ("ORH", "BTH", "MIS", 9)


def test_fields_lie_where_the_shapefile_has_them(imported):
    with imported.store.reading() as db:
        rows = {row["name"]: row for row in db.execute("select * from site where collection = ?", [NAME])}
    for row in rows.values():
        assert shape(json.loads(row["polygon"])).contains(Point(row["lon"], row["lat"]))
    to_degrees = Transformer.from_crs(2154, 4326, always_xy=True)
    expected = to_degrees.transform(*world.corner(1007, seed=5 + 1))
    vertices = json.loads(rows["frh01-1007"]["polygon"])["coordinates"][0]
    assert min(np.hypot(lon - expected[0], lat - expected[1]) for lon, lat in vertices) < 2e-7


def test_without_a_shapefile_the_middle_of_the_region_is_named_as_such(tmp_path, empty):
    code, figures = run(world.make(tmp_path / "plain", {"frh01": 4}, outlines=False))
    assert code == 0
    assert "4 parcels stand at the middle" in figures["report"]["remarks"]["positions unknown"]["facts"][0]
    with empty.store.reading() as db:
        assert {(row["lon"], row["lat"], row["polygon"]) for row in db.execute("select * from site")} == {(-2.85, 48.44, None)}


def test_a_shapefile_in_a_folder_of_its_own_without_its_prj_and_without_a_parcel(tmp_path, empty):
    root = world.make(tmp_path / "lean", {"frh01": 4}, outlines=False)
    (root / "2017" / "shp").mkdir()
    world.write_outlines(root / "2017" / "shp" / "frh01.shp", [1000, 1001, 1003])
    (root / "2017" / "shp" / "frh01.prj").unlink()
    _, figures = run(root)
    assert figures["report"]["remarks"]["no outline in the shapefile, placed at the middle of the region"]["names"] == ["frh01-1002"]
    with empty.store.reading() as db:
        found = {row["name"]: row["lon"] for row in db.execute("select name, lon from site")}
    assert found["frh01-1002"] == -2.85 and found["frh01-1001"] == pytest.approx(-1.7, abs=0.1)


def decode(values: np.ndarray, level: str = "L1C", year: int = 2017) -> breizhcrops.Decoded:
    return breizhcrops.decoded([values], breizhcrops.ORDERS[level][0], level, year)


def clear_series(days) -> np.ndarray:
    """A green field without a cloud on some days of the year."""
    green = dict(zip(world.COLUMNS, (1000, 800, 700, 500, 900, 2500, 3200, 3300, 3500, 900, 10, 1800, 900), strict=True))
    values = np.tile([green[band] for band in world.COLUMNS], (len(days), 1)).astype(float)
    return world.array(np.asarray(days), values, breizhcrops.ORDERS["L1C"][0])


def test_dates_are_sorted_and_a_day_counts_once():
    values = clear_series([200, 100, 150, 100])
    values[3, 0] = 4321  # a second look on the same day
    found = decode(values)
    assert packed.day_of_year(found.dates).tolist() == [[100, 150, 200]]
    assert found.pixels[0, 0, 0] == 1000 and found.dropped.tolist() == [1]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_dates_in_any_unit_of_time_are_understood(unit):
    values = clear_series([1, 59, 60, 365])
    values[:, -1] = values[:, -1] / 10**9 * unit
    assert packed.day_of_year(decode(values).dates).tolist() == [[1, 59, 60, 365]]


def test_dates_written_as_plain_numbers_are_understood():
    values = clear_series([1, 2])
    values[:, -1] = 20170228, 20171231
    assert packed.day_of_year(decode(values).dates).tolist() == [[59, 365]]


def test_dates_that_are_none_and_values_that_are_none_are_dropped():
    values = clear_series([10, 20, 30, 40, 50])
    values[0, -1], values[1, -1], values[2, -1] = np.nan, -5, 9.4e17  # the last is 1999
    values[3, :13] = np.nan
    found = decode(values)
    assert packed.day_of_year(found.dates).tolist() == [[50]] and found.dropped.tolist() == [4]


def test_a_mean_below_one_is_still_a_value():
    values = clear_series([10])
    values[0, 1], values[0, 2], values[0, 3], values[0, 0] = 0.2, 0, 70_000, 1234.5
    found = decode(values).pixels[0, 0]
    assert [found[L1C_BANDS.index(band)] for band in ("B10", "B11", "B12", "B01")] == [1, 0, 65_535, 1234]


def test_a_date_is_cloudy_where_half_of_the_parcel_is_or_where_it_is_too_bright():
    values = clear_series([10, 20, 30, 40, 50, 60])
    values[1, -2], values[2, -2], values[3, -2] = 511, 512, 2048  # QA60: nearly half, half opaque, all cirrus
    values[4, 4] = 2500  # B02, no cloud in QA60
    values[5, 4] = np.nan
    assert decode(values).quality.tolist() == [[packed.OK, packed.OK, packed.CLOUD, packed.CLOUD, packed.CLOUD, packed.BAD]]


@given(st.dates(date(1970, 1, 2), date(2149, 1, 1)))
def test_days_of_year_are_the_calendars(day):
    number = np.array([(day - date(1970, 1, 1)).days], np.uint16)
    assert packed.day_of_year(number).tolist() == [day.timetuple().tm_yday]
    assert packed.iso(number[0]) == day.isoformat()


# What goes wrong


@pytest.fixture
def small(tmp_path) -> Path:
    """A folder of two regions that may be damaged."""
    return world.make(tmp_path / "small", {"frh01": 8, "frh02": 5})


def left_out(figures: dict) -> dict[str, list[str]]:
    return {kind: found["names"] for kind, found in figures["report"]["left_out"].items()}


def test_parcels_that_cannot_be_read_are_named_and_the_others_come_in(small, empty):
    replace_series(small, 1001, None)
    replace_series(small, 1002, np.zeros((0, 17)))
    replace_series(small, 1003, np.ones((5, 4)))
    replace_series(small, 1004, clear_series(range(1, 100)))
    replace_series(small, 1005, np.array([b"no", b"numbers"]))
    code, figures = run(small)
    assert code == 1
    assert left_out(figures) == {
        "parcel missing in the series file": ["frh01-1001"], "empty sequence": ["frh01-1002"],
        "series of another shape": ["frh01-1003"], "series longer than the index says": ["frh01-1004"],
        "parcel that cannot be read from the series file": ["frh01-1005"],
    }  # fmt: skip
    assert figures["report"]["done"] == info.progress(empty.store, NAME).samples == 13 - 5
    assert run(small, "--allow-missing")[0] == 0


def test_what_was_left_out_comes_in_when_it_is_mended_and_the_rest_stays(small, empty):
    whole = series_of(small, "frh01", 1002)
    replace_series(small, 1002, None)
    run(small)
    stamps = {path.name: path.stat().st_mtime_ns for path in empty.shards(NAME).iterdir()}
    with h5py.File(small / "2017/L1C/frh01.h5", "r+") as file:
        file["csv/frh01/1002.csv"] = whole
    code, figures = run(small)
    assert (code, figures["report"]["done"]) == (0, 13)
    assert {name: stamp for name, stamp in stamps.items() if (empty.shards(NAME) / name).stat().st_mtime_ns != stamp} == {}
    patch = catalogue.patch(empty, catalogue.sample_id(empty.store, NAME, "frh01-1002"))
    assert patch.pixels[0, 0, 0, 0] == round(whole[0, 0])


def test_index_lines_that_say_nothing_are_named(small, empty):
    path = small / "2017/L1C/frh01.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("1000,", "x,", 1)
    lines[2] = lines[2].rsplit(",", 1)[0] + ",0"
    path.write_text("\n".join([*lines, lines[4]]) + "\n")
    code, figures = run(small)
    assert code == 1
    assert left_out(figures) == {
        "index line that is not understood": ["frh01.csv line 2"], "empty sequence": ["frh01-1001"],
        "parcel that the index lists twice": ["frh01-1003"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda folder: (folder / "frh01.csv").unlink(), "region without an index"),
        (lambda folder: (folder / "frh01.h5").unlink(), "region without series"),
        (lambda folder: os.truncate(folder / "frh01.h5", 3000), "unreadable series file"),
        (lambda folder: (folder / "frh01.h5").write_text("<html>gone</html>"), "unreadable series file"),
        (lambda folder: (folder / "frh01.csv").write_text("id,path\n1,a\n"), "index without needed columns"),
        (lambda folder: (folder / "frh01.csv").write_bytes(b""), "unreadable index"),
    ],
)
def test_a_damaged_region_is_named_and_the_others_come_in(small, empty, damage, kind):
    damage(small / "2017" / "L1C")
    code, figures = run(small)
    assert code == 1 and left_out(figures) == {kind: ["frh01"]}
    assert info.progress(empty.store, NAME).samples == 5


def test_reflectances_that_are_not_times_ten_thousand_are_refused(small, empty):
    for number in range(1000, 1008):
        values = series_of(small, "frh01", number)
        replace_series(small, number, np.concatenate([values[:, :13] / 10_000, values[:, 13:]], axis=1))
    code, figures = run(small)
    assert code == 1 and left_out(figures) == {"region whose values are not reflectance x 10 000": ["frh01"]}
    assert info.progress(empty.store, NAME).samples == 5


def test_unknown_crop_codes_are_kept_and_counted(small, empty):
    path = small / "2017/L1C/frh02.csv"
    text = path.read_text()
    crops = [line.split(",")[3] for line in text.splitlines()[1:]]
    changed = iter(["QZ9", "QZ9", "", "PTC", crops[4]])
    lines = [",".join([*line.split(",")[:3], next(changed), *line.split(",")[4:]]) for line in text.splitlines()[1:]]
    path.write_text("\n".join([text.splitlines()[0], *lines]) + "\n")
    code, figures = run(small)
    remarks = figures["report"]["remarks"]
    assert code == 0
    assert (remarks["crop code that codes.csv lacks"]["names"], remarks["crop code that is none"]["names"]) == (["QZ9"], ["(empty)"])
    assert "2 parcels" in remarks["crop code that codes.csv lacks"]["facts"]
    assert "PTC" in remarks["crop that classmapping.csv lacks, not learned"]["names"]
    legend = {entry.code: entry for entry in catalogue.legend(empty.store, NAME)}
    assert legend[breizhcrops_names.code_of("QZ9")].name == "Crop (QZ9)" and legend[0].name == "No label"


def test_what_is_no_breizhcrops_is_answered_with_the_way_out(tmp_path, small, empty):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput, match="no <year>/<level> folder"):
        breizhcrops.import_breizhcrops(empty, tmp_path / "nothing")
    with pytest.raises(BadInput, match="2017/L1C, not what is asked for"):
        breizhcrops.import_breizhcrops(empty, small, years=[2018])
    with pytest.raises(BadInput, match="no region frh09; it has frh01, frh02"):
        breizhcrops.import_breizhcrops(empty, small, regions=["frh09"])
    (small / "classmapping.csv").unlink()
    with pytest.raises(BadInput, match=r"classmapping\.csv is missing"):
        breizhcrops.import_breizhcrops(empty, small)
    assert catalogue.collections(empty.store) == []


def test_a_region_is_added_later_and_a_cut_out_is_not_imported_twice(tmp_path, small, empty):
    assert run(small, "--region", "frh02")[1]["report"]["done"] == 5
    world.make(small, {"frh04": 3, "belle-ile": 2})
    code, figures = run(small)
    assert (code, figures["report"]["done"]) == (0, 8 + 5 + 3)
    assert figures["report"]["remarks"]["region that is a part of frh04, not imported again"]["names"] == ["belle-ile"]
    assert run(small, "--region", "belle-ile")[1]["report"]["done"] == 2
    lines = (small / "2017/L1C/frh01.csv").read_text().splitlines()
    (small / "2017/L1C/frh03.csv").write_text("\n".join([lines[0], lines[1].rsplit(",", 1)[0] + ",99"]) + "\n")
    shutil.copy(small / "2017/L1C/frh01.h5", small / "2017/L1C/frh03.h5")
    with pytest.raises(BadInput, match="another slots"):
        breizhcrops.import_breizhcrops(empty, small)
    assert run(small, "--collection", "longer", "--region", "frh03")[1]["collections"][0]["collection"] == "longer"
    assert catalogue.collection(empty.store, "longer").slots == 99


# A kill at any moment

CHILD = """
import sys; from pathlib import Path
from data.importers import breizhcrops; from data.workspace import Workspace
breizhcrops.SHARD_DATES = 30
breizhcrops.import_breizhcrops(Workspace(Path(sys.argv[2])).create(), Path(sys.argv[1]), progress=lambda *_: print('shard', flush=True))
"""


def everything(workspace: Workspace) -> dict:
    """All rows that an import writes, and all files."""
    with workspace.store.reading() as db:
        rows = {table: [tuple(row) for row in db.execute(f"select * from {table} order by 1, 2")]
                for table in ("collection", "legend_class", "learned_class", "site", "sample", "image")}  # fmt: skip
    return rows | {path.name: path.read_bytes() for path in workspace.shards(NAME).glob("*.npy")}


def test_a_killed_import_leaves_whole_shards_and_ends_with_the_identical_collection(tmp_path, root):
    def start(home: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", CHILD, str(root), str(tmp_path / home)], cwd=ROOT, stdout=subprocess.PIPE)

    assert start("whole").communicate() and (tmp_path / "whole").exists()
    for after in (1, 5, 9):
        child = start("killed")
        for _ in range(after):
            child.stdout.readline()
        time.sleep(0.002 * after)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        workspace = Workspace(tmp_path / "killed")
        for block in packed.blocks(workspace, catalogue.collection(workspace.store, NAME)):
            assert block.dates.any(axis=1).all() and len(block.pixels) == len(block.samples)
    assert 0 < info.progress(workspace.store, NAME).samples < sum(REGIONS.values())
    start("killed").communicate()
    whole, killed = everything(Workspace(tmp_path / "whole")), everything(workspace)
    assert len(whole) > 6 + 3 * 20
    assert whole == killed


# Packed collections: the same figures as if every image had its row


@pytest.fixture(scope="module")
def unpacked_home(tmp_path_factory, imported_home) -> Path:
    """The same samples by the ordinary import, with a row for every image."""
    source, home = Workspace(imported_home), tmp_path_factory.mktemp("unpacked") / "workspace"
    collection = catalogue.collection(source.store, NAME)
    spec = CollectionSpec(
        NAME, collection.title, collection.bands, collection.level, collection.slot_names, 1, 1, False, False, "", "",
        tuple(catalogue.legend(source.store, NAME)), tuple(catalogue.learned(source.store, NAME)), aligned=False,
    )  # fmt: skip
    import_collection(Workspace(home).create(), spec, list(_as_samples(source, collection)))
    return home


def _as_samples(source: Workspace, collection: catalogue.Collection):
    with source.store.reading() as db:
        rows = {row["id"]: row for row in db.execute("select s.*, t.lon, t.lat, t.region from sample s join site t on t.id = s.site")}
    slots = collection.slots
    for block in packed.blocks(source, collection):
        for at, number in enumerate(block.samples.tolist()):
            row = rows[number]
            acquired = [packed.iso(day) if day else None for day in block.dates[at]]
            quality = [packed.QUALITIES[found] or None for found in block.quality[at]]
            filled = slots - len(acquired)
            yield NewSample(
                row["name"], row["name"], row["lon"], row["lat"], row["region"], 2017, row["inventory_code"],
                catalogue.patch(source, number).pixels, (*acquired, *[None] * filled), (False,) * slots, "EPSG:4326",
                tuple(json.loads(row["transform"])), quality=(*quality, *[None] * filled),
            )  # fmt: skip


@pytest.fixture
def pair(imported, unpacked_home, tmp_path) -> tuple[Workspace, Workspace]:
    """The packed collection, and the same one with rows."""
    return imported, copy_workspace(unpacked_home, tmp_path / "unpacked")


def test_an_import_writes_no_image_rows(imported):
    assert (count(imported, "image"), count(imported, "index_stat")) == (0, 0)
    assert not list(imported.shards(NAME).glob("*.series.npy"))


def test_a_packed_collection_is_described_as_if_it_had_its_rows(pair):
    first, second = (info.describe(workspace.store)[0] for workspace in pair)
    assert {key: first[key] for key in first if key not in ("licence", "attribution")} == {
        key: second[key] for key in second if key not in ("licence", "attribution")
    }
    assert first["images"] > 700 and first["cloudy"] > 100
    assert info.images_by_month(pair[0].store, NAME) == info.images_by_month(pair[1].store, NAME)


@pytest.mark.parametrize("index", ["NDVI", "PSRI"])
def test_profiles_of_a_packed_collection_are_those_of_its_rows(pair, index):
    first, second = (profiles.load(workspace.store, NAME, index) for workspace in pair)
    assert first.bins == second.bins and first.names.tolist() == second.names.tolist()
    np.testing.assert_allclose(first.values, second.values, atol=1e-5)
    for field in ("days", "clear", "interpolated"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    wheat = profiles.by_crop(pair[0].store, NAME, "NDVI")["crops"][0]
    assert wheat["name"] == "Winter wheat (BTH)"
    median = {when["date"]: when["median"] for when in wheat["dates"]}
    assert median["05-25"] > 0.5  # green in May
    assert median["08-15"] < 0.35  # harvested in August


def shown(workspace: Workspace, known: samples.Samples, *, model: str = "ltae", **chosen) -> pixels.Pixels:
    return pixels.load(workspace, known, TrainConfig.for_model(model, NAME, **chosen))


def as_reflectance(values: np.ndarray) -> np.ndarray:
    """In memory, as reflectance: packed collections give numbers, others means."""
    values = values[np.arange(len(values))]
    return reflectance(values) if values.dtype == np.uint16 else values


@pytest.mark.parametrize("model", ["ltae", "pixelset", "lrcn", "resnet18"])
@pytest.mark.parametrize("chosen", [{"dates": "all"}, {"dates": "clear"}, {"months": "5+6"}])
def test_a_model_is_shown_the_same(pair, model, chosen):
    known = (samples.load(workspace.store, NAME, "inventory") for workspace in pair)
    first, second = (shown(workspace, one, model=model, **chosen) for workspace, one in zip(pair, known, strict=True))
    np.testing.assert_allclose(as_reflectance(first.values), as_reflectance(second.values), rtol=1e-6)
    np.testing.assert_array_equal(first.present, second.present)
    np.testing.assert_array_equal(first.days, second.days)


def test_samples_that_come_in_while_one_reads_are_passed_over(imported):
    known = samples.load(imported.store, NAME, "inventory")
    some = replace(known, ids=known.ids[5:20], shards=known.shards[5:20], rows=known.rows[5:20])
    whole, part = shown(imported, known), shown(imported, some)
    dates = part.values.shape[1]  # as many as these samples have
    np.testing.assert_array_equal(part.values, whole.values[5:20, :dates])
    assert not whole.values[5:20, dates:].any()


def test_the_greenest_image_is_the_same(pair):
    numbers = list(range(1, 40))
    found = [points.greenest_slots(workspace.store, numbers) for workspace in pair]
    assert found[0] == found[1] and len(found[0]) > 30
    assert overlays.greenest(pair[0].store, [3]) == overlays.greenest(pair[1].store, [3]) != {}


def test_looking_at_a_sample_writes_its_rows_once(pair):
    first, second = (cards.card(workspace, 7) for workspace in pair)
    without = ("outline", "images", "profiles")
    assert {key: first[key] for key in first if key not in without} == {key: second[key] for key in second if key not in without}
    for key in ("slot", "acquired", "day", "interpolated", "quality"):
        assert [image[key] for image in first["images"]] == [image[key] for image in second["images"]]
    for index, values in second["profiles"].items():
        np.testing.assert_allclose(first["profiles"][index], values, atol=1.1e-4)
    rows = count(pair[0], "image")
    assert rows == len(first["images"])
    assert [image["id"] for image in cards.card(pair[0], 7)["images"]] == [image["id"] for image in first["images"]]
    packed.materialise(pair[0], [7, 7, "x", None, True, -1, 10**9])
    assert count(pair[0], "image") == rows
    stamp = profiles.version(pair[0].store)
    cards.card(pair[0], 8)
    assert profiles.version(pair[0].store) == stamp  # looking changes no profile


def mark(workspace: Workspace, image: dict, sample: int, quality: str, uid: str) -> None:
    event = {"uid": uid, "sample": sample, "action": "quality", "image": image["id"], "quality": quality}
    assert decisions.record(workspace.store, NAME, "ada", [event])[0].stored


def test_a_marked_quality_shows_wherever_images_count(imported):
    known, sample = samples.load(imported.store, NAME, "inventory"), 7
    image = max(
        (image for image in cards.card(imported, sample)["images"] if image["quality"] == "ok"), key=lambda found: found["slot"]
    )  # fmt: skip
    before = {"profiles": profiles.load(imported.store, NAME, "NDVI"), "pixels": shown(imported, known, dates="clear")}
    months = {(row["month"], row["quality"]): row["images"] for row in info.images_by_month(imported.store, NAME)}
    mark(imported, image, sample, "bad", "m1")
    row = int(np.searchsorted(known.ids, sample))
    after = profiles.load(imported.store, NAME, "NDVI")
    assert (before["profiles"].clear != after.clear).sum() == 1 and not after.clear[row].all()
    for dates in ("clear", "all"):
        assert not shown(imported, known, dates=dates).present[row, image["slot"]]
    assert before["pixels"].present[row, image["slot"]]
    now = {(row["month"], row["quality"]): row["images"] for row in info.images_by_month(imported.store, NAME)}
    month = image["acquired"][:7]
    assert now[month, "ok"] == months[month, "ok"] - 1 and now[month, "bad"] == months.get((month, "bad"), 0) + 1
    assert decisions.record(imported.store, NAME, "ada", [{"uid": "u", "sample": sample, "action": "undo", "undo_of": "m1"}])[0].stored
    assert (profiles.load(imported.store, NAME, "NDVI").clear == before["profiles"].clear).all()


def test_the_greenest_image_gives_way_when_it_is_marked(imported):
    slot = points.greenest_slots(imported.store, [7])[7]
    image = next(image for image in cards.card(imported, 7)["images"] if image["slot"] == slot)
    mark(imported, image, 7, "cloud", "m1")
    assert points.greenest_slots(imported.store, [7])[7] != slot


def test_a_decision_on_a_sample_that_nobody_looked_at_counts_in_the_envelopes(imported):
    code = breizhcrops_names.code_of("BTH")
    with imported.store.reading() as db:
        numbers = [row["id"] for row in db.execute("select id from sample where inventory_code = ?", [code])]
    assert len(numbers) > 21
    events = [{"uid": f"a{number}", "sample": number, "action": "agree"} for number in numbers]
    assert all(outcome.stored for outcome in decisions.record(imported.store, NAME, "ada", events))
    found = envelopes.of_collection(imported.store, NAME, max_age=0)["wheat"].record(without=0)
    assert found["n"] == len(numbers) and "NDVI" in found["bands"]
    assert decisions.image_on(imported.store, 3, cards.card(imported, 3)["images"][0]["acquired"])


def test_a_model_trains_on_a_packed_collection(imported):
    config = TrainConfig.for_model("ltae", NAME, epochs=2, device="cpu")
    training.train(imported, run_dir := runs.create(imported, config))
    assert run_dir.read("status.json")["state"] == "finished"
    assert count(imported, "prediction") == sum(REGIONS.values())


def test_a_missing_shard_is_named_and_decisions_are_kept_all_the_same(imported, imported_home):
    (imported.home / "patches").unlink()
    shutil.copytree(imported_home / "patches", imported.home / "patches")
    shard = shards.path_of(imported.shards(NAME), "frh01-0000", ".quality")
    shard.unlink()
    with pytest.raises(PixelsUnreadable, match=r"frh01-0000\.quality\.npy is missing"):
        profiles.load(imported.store, NAME, "NDVI")
    shards.path_of(imported.shards(NAME), "frh01-0000").unlink()
    with pytest.raises(PixelsUnreadable, match=r"frh01-0000\.npy is missing"):
        cards.card(imported, 1)
    assert decisions.record(imported.store, NAME, "ada", [{"uid": "a", "sample": 1, "action": "agree"}])[0].stored


def test_a_shard_of_another_shape_is_refused(imported, imported_home):
    (imported.home / "patches").unlink()
    shutil.copytree(imported_home / "patches", imported.home / "patches")
    shards.write(shards.path_of(imported.shards(NAME), "frh01-0000"), np.zeros((3, 2, 12, 1, 1), np.uint16))
    with pytest.raises(PixelsUnreadable, match=r"shape \(3, 2, 12, 1, 1\)"):
        info.describe(imported.store), profiles.load(imported.store, NAME, "NDVI")
