"""The Canadian Cropland Dataset in its published layout: in, with everything that can be wrong with it, and out again."""

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image, ImageEnhance
from pyproj import Transformer

from data import aci, catalogue, indices
from data.__main__ import main as data_main
from data.archives import Archive, BadArchive
from data.bands import L2A_BANDS
from data.errors import BadInput
from data.exports.whole import export
from data.importers import canadian, canadian_names, canadian_tif
from data.importing import import_collection
from data.report import Report
from data.workspace import Workspace
from labeling import decisions
from tests import kinds_world
from tests.canadian_world import CLEAR, CLOUDY, GRID, LATER, bands_of, file_name, scene, tif, write_png, write_zip
from tests.conftest import ROOT

SIDES = ((64, 65), (64, 65))


def run(workspace: Workspace, *arguments: str) -> tuple[int, dict]:
    """Exit status and figures of `python -m data import-canadian`."""
    result = CliRunner(env={"CROPCHECK_HOME": str(workspace.home)}).invoke(data_main, ["import-canadian", *map(str, arguments), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, json.loads(result.stdout)


def imported(workspace: Workspace, folder: Path, **options) -> Report:
    report = Report()
    canadian.import_folder(workspace, folder, report, **options)
    return report


def kinds(problems) -> list[tuple[str, str]]:
    return [(problem.kind, problem.name) for problem in problems]


def patch_of(workspace: Workspace, name: str, collection: str = "canada-2019") -> catalogue.Patch:
    return catalogue.patch(workspace, catalogue.sample_id(workspace.store, collection, name))


def rows(workspace: Workspace, query: str, *values) -> list[tuple]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute(query, values)]


def published(folder: Path, points: int = 4, months: tuple[str, ...] = ("06", "07", "09")) -> dict[str, np.ndarray]:
    """Zips of points 1 ... n in 2019, of two provinces and four crops; (12, 64, 64) of each by its name."""
    made = {}
    for point in range(1, points + 1):
        crop = ("BARLEY", "SPRING_WHEAT", "CORN", "SOYBEAN")[point % 4]
        for month, date in zip(months, (CLEAR, CLOUDY, LATER), strict=False):
            name = f"POINT_{point}_2019{month}_{'AB' if point % 2 else 'ON'}_{crop}"
            made[name] = np.roll(scene(date), point, axis=2)
            write_zip(folder / "2019" / crop, name, bands_of(made[name]))
    return made


# Zips


def test_a_published_zip_comes_in_pixel_for_pixel_where_it_lies(empty, tmp_path):
    made = published(tmp_path / "in")
    status, figures = run(empty, tmp_path / "in")
    assert (status, figures["collection"], figures["samples"]) == (0, "canada-2019", 4)
    found = catalogue.collection(empty.store, "canada-2019")
    assert (found.bands, found.level, found.composites) == (L2A_BANDS, "L1C", True)
    assert found.slot_names == ("2019-06", "2019-07", "2019-08", "2019-09", "2019-10")
    patch = patch_of(empty, "POINT_2_ON-2019")
    np.testing.assert_array_equal(patch.pixels[3], made["POINT_2_201909_ON_CORN"])
    assert not patch.pixels[[2, 4]].any()
    assert (patch.crs, patch.transform) == ("EPSG:3978", tuple(GRID)[:6])
    lon, lat = Transformer.from_crs("EPSG:3978", "EPSG:4326", always_xy=True).transform(*(GRID * (32, 32)))
    (place,) = rows(empty, "select lon, lat, region from site where name = 'POINT_2_ON'")
    assert place == (pytest.approx(lon, abs=1e-6), pytest.approx(lat, abs=1e-6), "ON")
    assert rows(empty, "select acquired from image order by id")[:3] == [("2019-06",), ("2019-07",), ("2019-09",)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "int16"])
@pytest.mark.parametrize("side", [64, 65])
def test_reflectance_and_digital_numbers_of_both_sizes_give_the_same_patch(empty, tmp_path, dtype, side):
    pixels = scene(CLEAR, side)
    write_zip(tmp_path / "in", "POINT_1_201907_AB_OATS", bands_of(pixels, dtype=dtype))
    imported(empty, tmp_path / "in")
    np.testing.assert_array_equal(patch_of(empty, "POINT_1_AB-2019").pixels[1], pixels[:, :64, :64])


def test_no_number_negative_and_no_data_become_no_data_and_tiny_values_stay(empty, tmp_path):
    pixels = scene(CLEAR).astype(np.float32) / 10_000
    odd = (np.nan, -0.02, 0.0, np.inf, -9999.0, 1e-6, 6.6)
    pixels[:, 0, : len(odd)] = odd
    files = {file_name(band): tif(plane, nodata=-9999.0) for band, plane in zip(L2A_BANDS, pixels, strict=True)}
    write_zip(tmp_path / "in", "POINT_1_201907_AB_OAT", files)
    imported(empty, tmp_path / "in")
    assert patch_of(empty, "POINT_1_AB-2019").pixels[1, 3, 0, :8].tolist() == [0, 0, 0, 0, 0, 1, 65535, scene(CLEAR)[3, 0, 7]]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_opaque_cloud_and_cirrus_of_qa60_are_not_clear_whatever_its_scale(empty, tmp_path, dtype):
    qa60 = np.zeros((64, 64))
    qa60[:16], qa60[16:24], qa60[24:26], qa60[26] = 1024, 2048, 1536, 512  # the last two: medians over scenes
    write_zip(tmp_path / "in", "POINT_1_201906_AB_OAT", bands_of(scene(CLEAR), dtype=dtype, qa60=qa60))
    write_zip(tmp_path / "in", "POINT_1_201907_AB_OAT", bands_of(scene(CLEAR), dtype=dtype))
    imported(empty, tmp_path / "in")
    assert rows(empty, "select clear, quality from image order by slot") == [(round(37 / 64, 4), "ok"), (1.0, "ok")]


def test_without_qa60_the_reflectance_screens_the_month_and_the_report_says_so(empty, tmp_path):
    files = bands_of(scene(CLOUDY))
    del files["QA60"]
    write_zip(tmp_path / "in", "POINT_1_201906_AB_OAT", files)
    write_zip(tmp_path / "in", "POINT_1_201907_AB_OAT", bands_of(scene(CLOUDY)))
    report = imported(empty, tmp_path / "in")
    assert kinds(report.remarks) == [("no QA60", "POINT_1_201906_AB_OAT.zip")]
    assert rows(empty, "select quality from image order by slot") == [("cloud",), ("ok",)]


COMPRESSIONS = (
    {"compress": None}, {"compress": "lzw"}, {"compress": "deflate", "predictor": 2}, {"compress": "lzw", "tiled": True},
    {"compress": "zstd"}, {"compress": "packbits"}, {"compress": "lzw", "BIGTIFF": "YES"}, {"compress": "lzw", "ENDIANNESS": "BIG"},
    {"nodata": 7},
    {"crs": "EPSG:32612"}, {"crs": "EPSG:4326"}, {"crs": None}, {"crs": None, "transform": None},
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("options", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32", "float32", "float64"])
def test_a_tif_is_read_as_rasterio_reads_it(tmp_path, dtype, options):
    data = tif((scene(CLEAR)[3] % 251 / (7 if "float" in dtype else 1)).astype(dtype), **options)
    (tmp_path / "one.tif").write_bytes(data)
    found = canadian_tif.read(data, "one.tif", SIDES)
    with rasterio.open(tmp_path / "one.tif") as raster:
        np.testing.assert_array_equal(found.values, raster.read(1).astype(np.float32) if dtype == "float64" else raster.read(1))
        assert (found.no_data, found.transform) == (raster.nodata, tuple(raster.transform)[:6])
        assert found.crs == (raster.crs.to_string() if raster.crs else None)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_the_usual_tifs_do_not_need_gdal(monkeypatch, dtype):
    data = tif((scene(CLEAR)[3] / (1 if dtype == "uint16" else 10_000)).astype(dtype))
    canadian_tif.read(data, "first of its CRS", SIDES)
    monkeypatch.setattr(canadian_tif, "MemoryFile", None)
    canadian_tif.read(data, "second", SIDES)


# Names and labels


@pytest.mark.parametrize(
    "crop, code",
    [
        ("BARLEY", 133), ("canola", 153), ("CORN", 147), ("MIXEDWOOD", 230), ("OATS", 136), ("OAT", 136), ("Orchards", 188),
        ("PASTURE", 122),
        ("POTATOES", 177), ("POTATO", 177), ("SOYBEANS", 158), ("SPRING_WHEAT", 146), ("SPRING WHEAT", 146), ("spring-wheat", 146),
        ("FLAX", 154), ("FLAXSEED", 154), ("LENTILS", 174), ("PEA", 162), ("WINTER_WHEAT", 145), ("OTHER_BERRIES", 185), ("UNKNOWN", 0),
        ("MARTIAN_KELP", None),
    ],
)  # fmt: skip
def test_crop_names_are_the_inventorys_codes_whatever_case_plural_and_separator(crop, code):
    assert canadian_names.code_of(crop) == code


def test_every_code_of_the_inventory_has_a_file_name_that_leads_back_to_it():
    named = {entry.code: canadian_names.code_of(canadian_names.crop_name(entry)) for entry in aci.legend()}
    assert named == {code: code for code in named}


def test_models_learn_the_ten_classes_in_alphabetical_order_then_the_others_that_are_there(empty, tmp_path):
    for point, crop in enumerate(("RYE", "LENTIL", "BARLEY"), 1):
        write_zip(tmp_path / "in", f"POINT_{point}_201907_SK_{crop}", bands_of(scene(CLEAR)))
    imported(empty, tmp_path / "in")
    learned = [entry.name for entry in catalogue.learned(empty.store, "canada-2019")]
    ten = ["Barley", "Canola", "Corn", "Mixedwood", "Oat", "Orchard", "Pasture", "Potato", "Soybean", "Spring Wheat"]
    assert learned == [*ten, "Lentil", "Rye"]


def test_several_years_share_slots_by_month_and_a_site_keeps_its_rotation(empty, tmp_path):
    for year, crop in ((2018, "CORN"), (2019, "SOYBEAN"), (2020, "UNKNOWN")):
        write_zip(tmp_path / "in" / str(year), f"POINT_7_{year}08_QC_{crop}", bands_of(scene(CLEAR)))
    assert imported(empty, tmp_path / "in").done == 3
    found = catalogue.collection(empty.store, "canada-2018-2020")
    assert found.slot_names == ("06", "07", "08", "09", "10")
    assert rows(empty, "select acquired from image order by id") == [("2018-08",), ("2019-08",), ("2020-08",)]
    assert rows(empty, "select name, inventory_code from sample order by year") == [
        ("POINT_7_QC-2018", 147), ("POINT_7_QC-2019", 158), ("POINT_7_QC-2020", 0),
    ]  # fmt: skip
    assert rows(empty, "select year, code from aci_history order by year") == [(2018, 147), (2019, 158)]


def test_clashing_and_unknown_crops_are_reported_and_kept(empty, tmp_path):
    for month, crop in (("06", "CORN"), ("07", "SOYBEAN"), ("08", "CORN")):
        write_zip(tmp_path / "in", f"POINT_1_2019{month}_ON_{crop}", bands_of(scene(CLEAR)))
    write_zip(tmp_path / "in", "POINT_2_201906_ON_MARTIAN_KELP", bands_of(scene(CLEAR)))
    status, figures = run(empty, tmp_path / "in")
    assert (status, figures["samples"]) == (0, 2)
    remarks = figures["report"]["remarks"]
    assert remarks["several crops in one year"]["facts"] == ["06 CORN, 07 SOYBEAN, 08 CORN; the most frequent stands"]
    assert remarks["crop that the inventory does not know"]["names"] == ["POINT_2_ON-2019"]
    assert rows(empty, "select inventory_code from sample order by name") == [(147,), (0,)]
    assert rows(empty, "select count(*) from image") == [(4,)]


# The published split


def test_pictures_beside_zips_only_say_the_part_of_the_split(empty, tmp_path):
    made = published(tmp_path / "in", points=4)
    for (name, _), part in zip([item for item in made.items() if "201906" in item[0]], ("training", "_validation", "TEST"), strict=False):
        for kind in ("RGB", "NDVI"):
            write_png(tmp_path / "in", name, kind, np.full((64, 64, 3), 90, np.uint8), part)
    write_png(tmp_path / "in", "POINT_9_201906_AB_OAT", "RGB", np.zeros((64, 64, 3), np.uint8))
    status, figures = run(empty, tmp_path / "in", "--allow-missing")
    assert (status, figures["samples"], figures["split"]) == (0, 4, "published")
    assert figures["report"]["left_out"]["pictures without a zip"]["names"] == ["POINT_9_AB-2019"]
    assert rows(empty, "select name, method from split") == [("published", "given")]
    assert rows(empty, "select s.name, m.part from split_member m join sample s on s.id = m.sample order by s.name") == [
        ("POINT_1_AB-2019", "train"), ("POINT_2_ON-2019", "validation"), ("POINT_3_AB-2019", "test"),
    ]  # fmt: skip


def test_a_sample_in_several_parts_goes_with_the_most_of_its_pictures(empty, tmp_path):
    published(tmp_path / "in", points=1)
    for month, part in (("06", "training"), ("07", "test"), ("09", "test")):
        write_png(tmp_path / "in", f"POINT_1_2019{month}_AB_SPRING_WHEAT", "RGB", np.full((64, 64, 3), 90, np.uint8), part)
    report = imported(empty, tmp_path / "in")
    assert kinds(report.remarks) == [("pictures in several parts of the split", "POINT_1_AB-2019")]
    assert rows(empty, "select part from split_member") == [("test",)]


# Pictures alone


def brightened(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) of the published recipe: 255 x reflectance, contrast and brightness 1.5 times."""
    rgb = (pixels[[3, 2, 1]] / 10_000 * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.asarray(ImageEnhance.Brightness(ImageEnhance.Contrast(Image.fromarray(rgb)).enhance(1.5)).enhance(1.5))


def test_rgb_pictures_alone_become_an_8_bit_collection_close_to_the_reflectance(empty, tmp_path):
    write_png(tmp_path / "in", "POINT_1_201907_AB_OAT", "RGB", brightened(scene(CLEAR)))
    (tmp_path / "points.csv").write_text("Point ID,Longitude,Latitude\n1,-113.5,52.25\n")
    status, figures = run(empty, tmp_path / "in", "--points", tmp_path / "points.csv")
    assert (status, figures["collection"], figures["report"]["remarks"]) == (0, "canada-2019-8bit", {})
    found = catalogue.collection(empty.store, "canada-2019-8bit")
    assert found.bands == ("B02", "B03", "B04")
    assert found.title.endswith("(8-bit pictures)") and "8-bit" in found.attribution and "8-bit" in found.origin["scale"]
    patch = patch_of(empty, "POINT_1_AB-2019", "canada-2019-8bit")
    off = patch.pixels[1].astype(int) - scene(CLEAR)[[1, 2, 3]]
    assert np.median(np.abs(off)) < 17  # a step of the picture
    middle = Transformer.from_crs(patch.crs, "EPSG:4326", always_xy=True).transform(*(rasterio.Affine(*patch.transform) * (32, 32)))
    assert middle == pytest.approx((-113.5, 52.25), abs=1e-6)
    assert rows(empty, "select quality, clear from image") == [("ok", 1.0)]


def test_index_pictures_become_bands_of_their_name(empty, tmp_path):
    grey = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64) % 256
    write_png(tmp_path / "in", "POINT_1_201907_AB_OAT", "NDVI", np.dstack([grey.astype(np.uint8)] * 3))
    write_png(tmp_path / "in", "POINT_1_201907_AB_OAT", "RGB", np.full((65, 65, 3), 90, np.uint8))
    imported(empty, tmp_path / "in")
    patch = patch_of(empty, "POINT_1_AB-2019", "canada-2019-8bit")
    assert patch.bands == ("B02", "B03", "B04", "NDVI")
    np.testing.assert_array_equal(patch.pixels[1, 3], np.maximum(1, np.rint(grey / 255 * 10_000)))


def test_pictures_without_a_position_stand_in_the_middle_of_their_province_with_a_remark(empty, tmp_path):
    for point in (1, 2):
        write_png(tmp_path / "in", f"POINT_{point}_201907_AB_OAT", "RGB", np.full((64, 64, 3), 90, np.uint8))
    report = imported(empty, tmp_path / "in")
    assert [(problem.name, problem.fact[:9]) for problem in report.remarks] == [("AB", "2 samples")]


@pytest.mark.parametrize(
    "text, fact", [("Point_ID,x,y\n1,2,3\n", "no column Longitude, Latitude"), ("Point_ID,Longitude,Latitude\n1,52,-113\n", "swapped")]
)
def test_points_that_cannot_be_read_are_refused(empty, tmp_path, text, fact):
    write_png(tmp_path / "in", "POINT_1_201907_AB_OAT", "RGB", np.full((64, 64, 3), 90, np.uint8))
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(BadInput, match=fact):
        imported(empty, tmp_path / "in", points=tmp_path / "points.csv")


# Bad input


def bomb(path: Path, declared: int, files: dict[str, bytes]) -> None:
    """A zip with `files`, and with a B1 of 64 MB of zeros of which its directory says that it has `declared` bytes."""
    write_zip(path.parent, path.stem, files)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.B1.tif", bytes(2**26))
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")  # where the directory begins, which says the sizes
    directory = data[at:].replace(struct.pack("<I", 2**26), struct.pack("<I", declared))
    path.write_bytes(data[:at] + directory)


def no_crs(pixels: np.ndarray) -> dict[str, bytes]:
    return bands_of(pixels, crs=None, transform=None)


def test_whatever_is_wrong_with_a_file_it_is_named_and_the_good_part_comes_in(empty, tmp_path):
    folder, good = tmp_path / "in", bands_of(scene(CLEAR))
    name = "POINT_{}_201907_AB_OAT".format
    for point in (1, 2):
        write_zip(folder, name(point), good)
    write_zip(folder, "POINT_3_2019_AB_OAT", good)
    write_zip(folder, name(4), good | {"B5": good["B5"][: len(good["B5"]) // 2]})
    write_zip(folder, name(5), {key: data for key, data in good.items() if key not in ("B5", "B8A")})
    write_zip(folder, "../outside.B1", {})
    with zipfile.ZipFile(folder / f"{name(6)}.zip", "w") as archive:
        archive.writestr("../../../tmp/evil.B1.tif", good["B1"])
    rest = {key: data for key, data in good.items() if key != "B1"}
    bomb(folder / f"{name(7)}.zip", 2**32 - 2, rest)
    bomb(folder / f"{name(8)}.zip", 100, rest)
    (folder / f"{name(9)}.zip").write_bytes((folder / f"{name(1)}.zip").read_bytes()[:5_000])
    write_zip(folder, name(10), no_crs(scene(CLEAR)))
    write_zip(folder / "again", name(1), good)
    write_zip(folder, name(11), bands_of(scene(CLEAR, 63)))
    write_zip(folder, name(12), good | {"B2": b"<html>not here</html>"})
    write_zip(folder, name(13), good | {"B2": tif(scene(CLEAR, 65)[1])})
    status, figures = run(empty, folder)
    assert (status, figures["samples"]) == (1, 2)
    found = {kind: said["names"] for kind, said in figures["report"]["left_out"].items()}
    lost = found.pop("sample without an image")
    assert lost == [f"POINT_{point}_AB-2019" for point in range(4, 14)]
    assert found == {
        "file name that does not follow the pattern": ["POINT_3_2019_AB_OAT.zip"],
        "duplicate patch-month": [f"again/{name(1)}.zip"],
        "TIF that cannot be read": [f"{name(4)}.zip", f"{name(12)}.zip"],
        "band missing": [f"{name(5)}.zip"],
        "zip with a path that climbs out of it": [f"{name(6)}.zip"],
        "zip that unpacks too large": [f"{name(7)}.zip"],
        "damaged zip": [f"{name(8)}.zip", f"{name(9)}.zip"],
        "TIF without CRS": [f"{name(10)}.zip"],
        "another size than the collection's": [f"{name(11)}.zip"],
        "bands of different sizes": [f"{name(13)}.zip"],
    }
    assert run(empty, folder, "--allow-missing")[0] == 0
    np.testing.assert_array_equal(patch_of(empty, "POINT_2_AB-2019").pixels[1], scene(CLEAR))


def test_a_bad_month_is_left_out_of_its_sample_and_the_others_stay(empty, tmp_path):
    published(tmp_path / "in", points=2)
    (tmp_path / "in/2019/SPRING_WHEAT/POINT_1_201907_AB_SPRING_WHEAT.zip").write_bytes(b"PK")
    report = imported(empty, tmp_path / "in")
    assert (report.done, kinds(report.left_out)) == (2, [("damaged zip", "POINT_1_201907_AB_SPRING_WHEAT.zip")])
    assert rows(empty, "select slot from image i join sample s on s.id = i.sample where s.name = 'POINT_1_AB-2019'") == [(0,), (3,)]


def test_a_sample_that_was_mended_comes_in_when_the_import_is_run_again(empty, tmp_path):
    published(tmp_path / "in", points=3, months=("06",))
    broken = tmp_path / "in/2019/CORN/POINT_2_201906_ON_CORN.zip"
    good = broken.read_bytes()
    broken.write_bytes(good[:900])
    assert imported(empty, tmp_path / "in").done == 2
    broken.write_bytes(good)
    report = imported(empty, tmp_path / "in")
    assert (report.done, report.left_out) == (3, [])
    np.testing.assert_array_equal(patch_of(empty, "POINT_2_ON-2019").pixels[0], np.roll(scene(CLEAR), 2, axis=2))


def test_bad_pictures_are_named_and_the_good_ones_come_in(empty, tmp_path):
    grey, folder = np.full((64, 64, 3), 90, np.uint8), tmp_path / "in"
    paths = {point: write_png(folder, f"POINT_{point}_201907_AB_OAT", "RGB", grey) for point in range(1, 6)}
    paths[2].write_bytes(b"GIF89a, not a PNG")
    paths[3].write_bytes(paths[3].read_bytes()[:60])
    write_png(folder, "POINT_4_201907_AB_OAT", "RGB", np.full((200, 200, 3), 90, np.uint8))
    write_png(folder, "POINT_5_201907_AB_OAT", "RGB", grey, "test")
    shutil.copy(paths[1], folder / "POINT_6_201907_AB_OAT.png")
    status, figures = run(empty, folder)
    found = {kind: said["names"] for kind, said in figures["report"]["left_out"].items()}
    assert (status, figures["samples"]) == (1, 2)
    assert found["PNG that is not one"] == ["POINT_2_201907_AB_OAT_RGB.png", "POINT_3_201907_AB_OAT_RGB.png"]
    assert found["another size than the collection's"] == ["POINT_4_201907_AB_OAT_RGB.png"]
    assert found["file name that does not follow the pattern"] == ["POINT_6_201907_AB_OAT.png"]
    assert len(found["duplicate patch-month"]) == 1


def test_a_picture_that_is_none_is_named_beside_zips_too(empty, tmp_path):
    published(tmp_path / "in", points=1)
    path = write_png(tmp_path / "in", "POINT_1_201906_AB_SPRING_WHEAT", "RGB", np.zeros((64, 64, 3), np.uint8), "test")
    path.write_bytes(b"<html>")
    report = imported(empty, tmp_path / "in")
    assert (report.done, [problem.kind for problem in report.remarks]) == (1, ["PNG that is not one"])
    assert rows(empty, "select part from split_member") == [("test",)]


def test_a_folder_without_the_data_set_is_refused_and_makes_no_collection(empty, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("nothing")
    result = CliRunner(env={"CROPCHECK_HOME": str(empty.home)}).invoke(data_main, ["import-canadian", str(tmp_path / "in")])
    assert result.exit_code == 1 and "holds no file of the Canadian Cropland Dataset" in result.output
    assert catalogue.collections(empty.store) == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.tif", "a/../../up.tif", "C:\\up.tif", "..\\up.tif", "\\\\host\\share\\up.tif"])
def test_a_zip_with_a_path_that_climbs_is_not_opened(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(BadArchive, match="lies outside the zip"):
        Archive(tmp_path / "a.zip")


def test_a_lying_directory_does_not_fill_the_memory(tmp_path):
    bomb(tmp_path / "a.zip", 100, {})
    script = (
        "import resource, sys, pathlib; from data.archives import Archive, BadArchive\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    Archive(pathlib.Path(sys.argv[1])).read('a.B1.tif')\n"
        "except BadArchive as error: print(error.kind)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    shown = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.zip")], cwd=ROOT, capture_output=True, text=True, check=True)
    kind, grown = shown.stdout.splitlines()
    assert (kind, int(grown) < 8 * 1024) == ("damaged zip", True)


# Kill and resume

TABLES = {
    "sample": "select * from sample order by id", "image": "select * from image order by id", "index_stat": "select * from index_stat",
    "site": "select * from site order by id", "split_member": "select * from split_member",
}  # fmt: skip

IMPORT = """
import sys, pathlib
from data.importers import canadian
from data.report import Report
from data.workspace import Workspace
canadian.import_folder(Workspace(pathlib.Path(sys.argv[1])).create(), pathlib.Path(sys.argv[2]), Report(), shard_size=2)
"""


def dump(workspace: Workspace) -> dict:
    shards = {path.name: path.read_bytes() for path in workspace.shards("canada-2019").glob("*.npy")}
    return {name: rows(workspace, query) for name, query in TABLES.items()} | shards


def agrees(workspace: Workspace) -> bool:
    """Whether every sample of the catalogue has its row in a whole shard."""
    if not workspace.exists() or not rows(workspace, "select name from sqlite_master where name = 'sample'"):
        return True
    for shard, count in rows(workspace, "select shard, max(shard_row) + 1 from sample group by shard"):
        for kind in ("", ".series"):
            if len(np.load(workspace.shards("canada-2019") / f"{shard}{kind}.npy", mmap_mode="r")) != count:
                return False
    return True


def test_an_import_killed_at_any_moment_agrees_with_itself_and_goes_on_to_the_same_bytes(tmp_path):
    made = published(tmp_path / "in", points=60, months=("06",))
    for name in made:
        write_png(tmp_path / "in", name, "RGB", np.full((64, 64, 3), 90, np.uint8), "test" if "_1_" in name else "training")
    imported(Workspace(tmp_path / "whole").create(), tmp_path / "in", shard_size=2)
    expected, home = dump(Workspace(tmp_path / "whole")), tmp_path / "killed"
    chance, caught = random.Random(5), []
    for _ in range(10):
        before = len(list(home.glob("patches/*/*")))
        child = subprocess.Popen([sys.executable, "-c", IMPORT, str(home), str(tmp_path / "in")], cwd=ROOT)
        deadline = time.monotonic() + 60
        while len(list(home.glob("patches/*/*"))) <= before and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert agrees(Workspace(home))
        caught.append(rows(Workspace(home), "select count(*) from sample")[0][0])
    assert 0 < caught[-1] < 60  # killed in the middle
    imported(Workspace(home), tmp_path / "in", shard_size=2)
    assert agrees(Workspace(home))
    assert dump(Workspace(home)) == expected


# Export


def exported(workspace: Workspace, to: Path, collection: str, **options) -> Report:
    report = Report()
    export(workspace, collection, to, "canadian", report=report, **options)
    return report


def test_an_export_has_the_published_layout_and_rasterio_reads_it(empty, tmp_path):
    made = published(tmp_path / "in", points=2)
    for name in made:
        write_png(tmp_path / "in", name, "RGB", np.full((64, 64, 3), 90, np.uint8), "test" if "_1_" in name else "training")
    imported(empty, tmp_path / "in")
    exported(empty, tmp_path / "out", "canada-2019")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    name = "POINT_2_201909_ON_CORN"
    assert {f"zips/2019/CORN/{name}.zip", f"RGB/training/CORN/{name}_RGB.png", f"PSRI/training/CORN/{name}_PSRI.png"} <= found
    assert "RGB/test/SPRING_WHEAT/POINT_1_201906_AB_SPRING_WHEAT_RGB.png" in found
    assert {"README.txt", "cropcheck.json"} <= found
    assert len([path for path in found if path.endswith(".zip")]) == len(made)
    with rasterio.open(f"zip://{tmp_path}/out/zips/2019/CORN/{name}.zip!{name}.B8A.tif") as raster:
        np.testing.assert_allclose(raster.read(1) * 10_000, made[name][L2A_BANDS.index("B8A")], rtol=1e-6)
        assert raster.crs.to_epsg() == 3978 and raster.transform == GRID


def test_index_tifs_and_pictures_keep_negative_values(empty, tmp_path):
    pixels = scene(CLEAR).copy()
    pixels[L2A_BANDS.index("B08"), :20] = 200  # water: NDVI below zero
    pixels[:, 40:44] = 0
    write_zip(tmp_path / "in", "POINT_1_201907_AB_OAT", bands_of(pixels))
    imported(empty, tmp_path / "in")
    exported(empty, tmp_path / "out", "canada-2019")
    name = "POINT_1_201907_AB_OAT"
    bands = {band: np.where(plane == 0, np.nan, plane / 10_000) for band, plane in zip(L2A_BANDS, pixels, strict=True)}
    for kind in canadian_names.INDEX_IMAGES:
        expected = indices.compute(kind, bands)
        with rasterio.open(f"zip://{tmp_path}/out/zips/2019/OAT/{name}.zip!{name}.{kind}.tif") as raster:
            np.testing.assert_array_equal(raster.read(1), expected)
        low, high = indices.INDICES[kind].low, indices.INDICES[kind].high
        shown = np.asarray(Image.open(tmp_path / f"out/{kind}/no_part/OAT/{name}_{kind}.png"))
        wanted = np.clip(np.rint((np.nan_to_num(expected, nan=low) - low) / (high - low) * 255), 0, 255)
        np.testing.assert_array_equal(shown[..., 0], wanted)
    assert (indices.compute("NDVI", bands)[:20] < 0).all()
    assert np.asarray(Image.open(tmp_path / f"out/NDVI/no_part/OAT/{name}_NDVI.png"))[:20].max() < 30


def test_importing_an_export_gives_the_same_pixels_labels_and_parts(empty, tmp_path):
    made = published(tmp_path / "in", points=4)
    for name in made:
        write_png(tmp_path / "in", name, "RGB", np.full((64, 64, 3), 90, np.uint8), "validation" if "_3_" in name else "training")
    imported(empty, tmp_path / "in")
    number = catalogue.sample_id(empty.store, "canada-2019", "POINT_1_AB-2019")
    (said,) = decisions.record(
        empty.store, "canada-2019", "ann", [{"uid": "u1", "sample": number, "action": "relabel", "code": 153, "seen": None}]
    )
    assert said.stored
    exported(empty, tmp_path / "out", "canada-2019")
    other = Workspace(tmp_path / "other").create()
    report = imported(other, tmp_path / "out")
    assert (report.done, report.left_out) == (4, [])
    assert_same(empty, other, "canada-2019", "canada-2019")
    parts = "select s.name, m.part from split_member m join sample s on s.id = m.sample order by s.name"
    assert rows(other, parts) == rows(empty, parts)
    one, two = (catalogue.collection(workspace.store, "canada-2019") for workspace in (empty, other))
    assert (one.title, one.licence, one.attribution, one.level) == (two.title, two.licence, two.attribution, two.level)
    assert two.origin["version"].startswith("canada-2019@1-")


def assert_same(one: Workspace, other: Workspace, collection: str, again: str) -> None:
    """The labels in force of `one` are the inventory codes of `other`, and the pixels of all months are the same."""
    labels = "select s.name, coalesce(l.code, 0), s.id from sample s join label l on l.sample = s.id where s.collection = ? order by s.name"
    ours, theirs = rows(one, labels, collection), rows(other, labels, again)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    for (_, _, mine), (_, _, yours) in zip(ours, theirs, strict=True):
        a, b = catalogue.patch(one, mine), catalogue.patch(other, yours)
        assert (a.bands, a.transform) == (b.bands, b.transform)
        np.testing.assert_array_equal(a.pixels, b.pixels)


def test_a_collection_of_other_sizes_months_and_years_survives_the_way_out_and_in(empty, tmp_path):
    import_collection(empty, kinds_world.monthly_spec(), list(kinds_world.monthly())[:9])
    report = exported(empty, tmp_path / "out", kinds_world.MONTHLY)
    assert (report.done, report.left_out) == (9, [])
    other = Workspace(tmp_path / "other").create()
    assert imported(other, tmp_path / "out", collection="again").left_out == []
    again = catalogue.collection(other.store, "again")
    for name, site, region, year, code, mine in rows(
        empty, """select s.name, t.name, t.region, s.year, l.code, s.id from sample s join label l on l.sample = s.id
        join site t on t.id = s.site"""
    ):  # fmt: skip
        found = f"POINT_{site}_{region.replace(' ', '-')}-{year}"
        assert rows(other, "select inventory_code from sample where name = ?", found) == [(code,)], name
        ours, theirs = catalogue.patch(empty, mine), patch_of(other, found, "again")
        for slot, month in rows(empty, "select slot, substr(acquired, 6, 2) from image where sample = ?", mine):
            np.testing.assert_array_equal(ours.pixels[slot], theirs.pixels[again.slot_names.index(month)])


def test_of_several_images_in_a_month_the_best_is_exported(empty, tmp_path):
    import_collection(empty, kinds_world.free_spec(), list(kinds_world.free())[:2])
    report = exported(empty, tmp_path / "out", kinds_world.FREE)
    assert (report.done, {problem.kind for problem in report.remarks}) == (2, {"several images in a month"})
    site, number = rows(empty, "select t.name, s.id from sample s join site t on t.id = s.site limit 1")[0]
    for month in ("04", "05", "06"):
        ranked = rows(
            empty,
            """select slot from image where sample = ? and substr(acquired, 6, 2) = ?
            order by quality != 'ok', quality, -clear, abs(cast(substr(acquired, 9) as integer) - 15)""",
            number,
            month,
        )
        assert len(ranked) > 4
        best = catalogue.patch(empty, number).pixels[ranked[0][0], L2A_BANDS.index("B04")]
        (path,) = (tmp_path / "out/zips").rglob(f"POINT_{site}_2019{month}_*.zip")
        with rasterio.open(f"zip://{path}!{path.stem}.B4.tif") as raster:
            np.testing.assert_allclose(raster.read(1) * 10_000, best, rtol=1e-6)


def test_a_rejected_sample_is_unknown_and_has_no_pictures_and_a_cloudy_image_has_none(empty, tmp_path):
    published(tmp_path / "in", points=2, months=("06",))
    qa60 = np.full((64, 64), 1024)
    write_zip(tmp_path / "in", "POINT_2_201908_ON_CORN", bands_of(scene(CLOUDY), qa60=qa60))
    imported(empty, tmp_path / "in")
    number = catalogue.sample_id(empty.store, "canada-2019", "POINT_1_AB-2019")
    decisions.record(
        empty.store, "canada-2019", "ann", [{"uid": "u1", "sample": number, "action": "reject", "reason": "mixed", "seen": None}]
    )
    report = exported(empty, tmp_path / "out", "canada-2019")
    assert kinds(report.remarks) == [("sample without a label", "POINT_1_AB-2019")]
    found = sorted(path.name for path in (tmp_path / "out").rglob("POINT*") if "RGB" in path.name or path.suffix == ".zip")
    assert found == [
        "POINT_1_201906_AB_UNKNOWN.zip", "POINT_2_201906_ON_CORN.zip", "POINT_2_201906_ON_CORN_RGB.png", "POINT_2_201908_ON_CORN.zip",
    ]  # fmt: skip


def test_other_bands_scene_classes_and_images_of_another_year_on_the_way_out_and_in(empty, tmp_path):
    spec, single = kinds_world.monthly_spec(), next(kinds_world.monthly())
    bands = ("B02", "B03", "B04", "B08", "B10")  # too few for PSRI and NDVI45
    pixels = np.maximum(1, single.pixels[:, :5, :20, :20])
    scl = np.full((5, 20, 20), 4, np.uint8)
    scl[2, :5], scl[2, 5:10], scl[2, 10] = 8, 9, 10
    acquired = ("2016-12", "2017-04", "2017-05", None, None)
    sample = replace(
        single, name="s-2017", year=2017, pixels=pixels, scl=scl, acquired=acquired, inventory=None, inventory_code=133, quality=("ok",) * 5
    )  # fmt: skip
    import_collection(empty, replace(spec, bands=bands, height=20, width=20), [sample])
    report = exported(empty, tmp_path / "out", kinds_world.MONTHLY)
    assert kinds(report.left_out) == [("image of another year", "s-2017")]
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"zips", "RGB", "NDVI", "GNDVI", "NDWI", "OSAVI"}
    other = Workspace(tmp_path / "other").create()
    assert imported(other, tmp_path / "out", collection="again").left_out == []
    found = patch_of(other, rows(other, "select name from sample")[0][0], "again")
    assert found.bands == bands
    months = catalogue.collection(other.store, "again").slot_names
    for slot, month in ((1, "2017-04"), (2, "2017-05")):
        np.testing.assert_array_equal(found.pixels[months.index(month)], pixels[slot])
    assert rows(other, "select acquired, clear from image order by slot") == [("2017-04", 1.0), ("2017-05", 9 / 20)]


def test_the_same_export_has_the_same_bytes(empty, tmp_path):
    published(tmp_path / "in", points=2, months=("06",))
    imported(empty, tmp_path / "in")
    for place in ("one", "two"):
        exported(empty, tmp_path / place, "canada-2019")
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / place).rglob("*.*")} for place in ("one", "two"))
    assert one == two


def test_a_series_has_no_pictures_to_export(empty, tmp_path):
    single = next(kinds_world.monthly())
    mean = replace(single, pixels=single.pixels[..., 20:21, 20:21], inventory=None)
    import_collection(empty, replace(kinds_world.monthly_spec(), height=1, width=1), [mean])
    with pytest.raises(BadInput, match="one value a date and no pictures"):
        exported(empty, tmp_path / "out", kinds_world.MONTHLY)


def test_sites_of_equal_plain_names_do_not_share_a_file(empty, tmp_path):
    first, second, third = list(kinds_world.monthly())[::4][:3]
    same = [replace(first, site="A 1"), replace(second, site="A-1"), replace(third, site="A_1", region="Élysée")]
    import_collection(empty, kinds_world.monthly_spec(), same)
    exported(empty, tmp_path / "out", kinds_world.MONTHLY)
    prefixes = {"_".join((stem.split("_")[1], stem.split("_")[3])) for stem in (path.stem for path in (tmp_path / "out").rglob("*.zip"))}
    assert len(prefixes) == 3 and any(prefix.endswith("_Elysee") for prefix in prefixes)


def test_index_ranges_of_an_export_are_told_to_its_pictures(empty, tmp_path):
    published(tmp_path / "in", points=1, months=("06",))
    imported(empty, tmp_path / "in")
    exported(empty, tmp_path / "out", "canada-2019")
    shutil.rmtree(tmp_path / "out/zips")
    other = Workspace(tmp_path / "other").create()
    report = imported(other, tmp_path / "out")
    assert report.done == 1
    pictured = patch_of(other, "POINT_1_AB-2019", "canada-2019-8bit")
    ndvi = indices.compute("NDVI", dict(zip(L2A_BANDS, patch_of(empty, "POINT_1_AB-2019").pixels[0] / 10_000, strict=True)))
    shown = pictured.pixels[0, pictured.bands.index("NDVI")] / 10_000
    assert np.abs(shown - np.clip(ndvi, 1e-4, 1)).max() <= 1.1 / 255
