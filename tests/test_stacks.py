"""Season stacks: opened from folders as people have them, held against rasterio; brought onto one grid, held against pyproj."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from pyproj import Transformer
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rio_cogeo.cogeo import cog_validate

from data.__main__ import main
from data.errors import BadInput
from data.report import Report
from data.stacks import headers, regridding, soundness
from data.stacks.opening import open_stack
from data.stacks.stack import from_json
from tests import map_world
from tests.conftest import ROOT

STAC = ROOT / "tests" / "data" / "stac"  # three months of Belgium, 96 x 96 px
BAVARIA = ROOT / "data" / "demo" / "bavaria_fields_2018" / "D2"
BANDS = ("B02", "B04", "B08")
TRANSFORM = (10.0, 0, 664_000, 0, -10, 5_612_000)


@pytest.fixture(autouse=True)
def workspace(empty):
    return empty


@pytest.fixture
def belgium(tmp_path) -> Path:
    """A folder as the Belgian data come: a file a month with named bands, 65535 = no data, and a mask without bands."""
    folder = tmp_path / "belgium"
    folder.mkdir()
    for month in ("06", "08"):
        with rasterio.open(STAC / f"belgium_2021-{month}.tif") as real:
            values, profile, bands = real.read(), real.profile, real.descriptions
        values[:, :5, :7] = 65_535
        write(folder / f"be_31N_2021-{month}.tif", values, bands=bands, nodata=65_535, crs=profile["crs"], transform=profile["transform"],
              tags={"sensor": "Sentinel-2 L2A monthly composite", "scale": "0.0001"})  # fmt: skip
    mask = np.ones((1, *values.shape[1:]), np.uint8)
    write(folder / "cropland_mask_model_2021.tif", mask, bands=("cropland (1 cropland, 0 other)",), nodata=255, crs=profile["crs"],
          transform=profile["transform"])  # fmt: skip
    return folder


def write(
    path: Path, values: np.ndarray, *, bands: tuple[str | None, ...] = BANDS, crs="EPSG:32631", transform=TRANSFORM,
    nodata: float | None = 0, tags: dict | None = None, **profile,
) -> Path:  # fmt: skip
    count, height, width = values.shape
    if transform is not None:
        profile["transform"] = Affine(*transform[:6])
    with rasterio.open(
        path, "w", driver="GTiff", dtype=values.dtype, count=count, height=height, width=width, crs=crs, nodata=nodata, **profile
    ) as raster:
        raster.descriptions = bands[:count]
        raster.update_tags(**tags or {})
        raster.write(values)  # last, so that the file ends in pixels
    return path


def reflectance(seed: int = 0, count: int = 3, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(200, 6_000, (count, height, width)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three sound dates on one grid."""
    path = tmp_path / "field"
    path.mkdir()
    for number, day in enumerate(("2021-06-15", "2021-07-15", "2021-08-15")):
        write(path / f"f_{day}.tif", reflectance(number))
    return path


# Opening


def test_belgian_months_open_with_their_dates_bands_and_level(belgium):
    report = Report()
    stack = open_stack(belgium, report=report)
    assert [layer.name for layer in stack.layers] == ["2021-06", "2021-08"]
    assert stack.bands == ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")
    assert (stack.level, stack.crs, stack.height, stack.width, stack.nodata) == ("L2A", "EPSG:32631", 96, 96, 65_535)
    for month, layer in zip(("06", "08"), stack.read(0, 0, 96, 96), strict=True):
        with rasterio.open(belgium / f"be_31N_2021-{month}.tif") as raster:
            np.testing.assert_array_equal(layer, raster.read(masked=True).filled(0))
    window = stack.read(3, 4, 20, 30, ("B08", "B02"))
    with rasterio.open(belgium / "be_31N_2021-06.tif") as raster:
        np.testing.assert_array_equal(window[0], raster.read((7, 1), window=((3, 23), (4, 34)), masked=True).filled(0))
    assert [(problem.kind, problem.name) for problem in report.remarks] == [("files that are no layers", "cropland_mask_model_2021.tif")]
    soundness.check(stack, report)
    assert [problem.name for problem in report.remarks[1:]] == ["2021-07"]


def test_a_bavarian_field_opens_with_the_days_of_its_images():
    stack = open_stack(BAVARIA)
    assert len(stack.layers) == 12
    assert [day.isoformat() for day in stack.dates] == sorted(path.stem[-10:] for path in BAVARIA.glob("*.tif"))
    assert (stack.level, stack.crs, len(stack.bands)) == ("L2A", "EPSG:3857", 12)
    with rasterio.open(BAVARIA / "D2_2018-04-07.tif") as raster:
        np.testing.assert_array_equal(stack.read(0, 0, *raster.shape)[1], raster.read())


@pytest.mark.parametrize("crs", ["EPSG:3978", "EPSG:32617", "EPSG:4326"])
def test_a_stack_in_any_crs_opens_as_it_was_written(tmp_path, crs):
    written, _ = map_world.stack(tmp_path / "stack", crs=crs)
    assert open_stack(tmp_path / "stack", level="L2A") == written


def test_a_described_stack_opens_again_and_can_be_moved(tmp_path):
    written, _ = map_world.stack(tmp_path / "stack")
    (tmp_path / "stack.json").write_text(json.dumps(written.as_json()))
    assert open_stack(tmp_path / "stack.json") == written
    regridding.regrid(tmp_path / "stack", tmp_path / "made", Report(), level="L2A")
    (tmp_path / "made").rename(tmp_path / "moved")
    moved = open_stack(tmp_path / "moved" / "stack.json")
    np.testing.assert_array_equal(moved.read(0, 0, 50, 50), written.read(0, 0, 50, 50))


def test_files_of_one_band_are_put_together_without_touching_the_folder(tmp_path, workspace):
    values = {day: reflectance(number) for number, day in enumerate(("2021-06-15", "2021-07-15"))}
    folder = tmp_path / "bands"
    folder.mkdir()
    for day, pixels in values.items():
        for at, band in ((2, "B8A"), (0, "B02"), (1, "B11")):
            write(folder / f"T31UFS_{day}_{band}_10m.tif", pixels[at : at + 1], bands=(None,))
    before = sorted(folder.iterdir())
    stack = open_stack(folder)
    assert stack.bands == ("B02", "B8A", "B11")
    assert [layer.name for layer in stack.layers] == list(values)
    np.testing.assert_array_equal(stack.read(0, 0, 40, 50), np.stack([pixels[[0, 2, 1]] for pixels in values.values()]))
    assert sorted(folder.iterdir()) == before
    assert {Path(layer.path).parent for layer in stack.layers} == {workspace.home / "stacks" / "joined"}
    assert open_stack(folder) == stack, "the same virtual rasters, so that a map that names them goes on"
    again = from_json(json.loads(json.dumps(stack.as_json())))
    np.testing.assert_array_equal(again.read(5, 6, 7, 8), stack.read(5, 6, 7, 8))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("be_31N_2021-06", "2021-06"), ("D2_2018-03-08", "2018-03-08"), ("S2A_MSIL2A_20210615T103021_N0300_R108", "2021-06-15"),
        ("field_202106", "2021-06"), ("2021-06-15_B04", "2021-06-15"), ("mask_2021", ""), ("x_2021-13", ""), ("tile_12345678", ""),
        ("20219999_2021-07", "2021-07"), ("field", ""),
    ],
)  # fmt: skip
def test_dates_are_found_in_names(name, expected):
    assert headers.date_of(name) == expected


@pytest.mark.parametrize("tag", [{"acquired": "2021-06-15T10:30:00Z"}, {"TIFFTAG_DATETIME": "2021:06:15 10:30:00"}])
def test_a_date_in_the_tags_counts_where_the_name_has_none(tmp_path, tag):
    write(tmp_path / "first.tif", reflectance(), tags=tag)
    write(tmp_path / "second.tif", reflectance(1), tags={"month": "2021-07"})
    assert [layer.name for layer in open_stack(tmp_path).layers] == ["2021-06-15", "2021-07"]


def test_floats_with_holes_become_whole_numbers_and_no_data(tmp_path):
    values = (reflectance() / 10_000).astype(np.float32)
    values[0, :3, :4], values[1, 7, 7] = np.nan, -0.02
    write(tmp_path / "f_2021-06.tif", values, nodata=np.nan)
    pixels = open_stack(tmp_path).read(0, 0, 40, 50)[0]
    expected = np.where(np.isnan(values), 0, np.maximum(reflectance(), 1))
    expected[1, 7, 7] = 1  # dark, but seen
    np.testing.assert_array_equal(pixels, expected)


def test_an_offset_is_added_as_told(tmp_path):
    write(tmp_path / "f_2021-06.tif", reflectance() + np.uint16(1000))
    np.testing.assert_array_equal(open_stack(tmp_path, offset=-0.1).read(0, 0, 40, 50)[0], reflectance())


def test_bands_in_another_order_are_read_by_name_and_unnamed_ones_as_told(tmp_path, folder):
    write(folder / "f_2021-09-15.tif", reflectance(9)[[2, 0, 1]], bands=("B08", "B02", "B04"))
    np.testing.assert_array_equal(open_stack(folder).read(0, 0, 40, 50)[3], reflectance(9))
    plain = tmp_path / "plain"
    plain.mkdir()
    write(plain / "f_2021-06.tif", reflectance(), bands=(None,) * 3)
    assert open_stack(plain, bands=("blue", "B4", "nir"), level="l2a").bands == BANDS


def test_simulated_imagery_says_so(folder):
    assert not open_stack(folder).simulated
    write(folder / "f_2021-09-15.tif", reflectance(), tags={"simulated": "true"})
    assert open_stack(folder).simulated


def test_dates_without_any_data_are_remarked_on(folder):
    write(folder / "f_2021-09-15.tif", np.zeros((3, 40, 50), np.uint16))
    report = Report()
    soundness.check(open_stack(folder), report)
    assert ("dates without any data", "2021-09-15") in {(problem.kind, problem.name) for problem in report.remarks}


# What cannot be used


def test_an_empty_folder_a_missing_one_and_a_folder_of_folders_are_named(tmp_path, folder):
    with pytest.raises(BadInput, match=r"no GeoTIFFs in .*Its folders field have some"):
        open_stack(folder.parent)
    (tmp_path / "none").mkdir()
    with pytest.raises(BadInput, match=r"no GeoTIFFs in .*none"):
        open_stack(tmp_path / "none")
    with pytest.raises(BadInput, match="is not there"):
        open_stack(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="is a file, not a folder"):
        open_stack(folder / "f_2021-06-15.tif")


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    looked = Path.iterdir

    def refused(path: Path):
        if path.name == "mine":
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    for source in (tmp_path / "mine", tmp_path):  # the folder itself, or one in it when tifs are looked for there
        with pytest.raises(BadInput, match=r"mine cannot be looked into: Permission denied\. Name a folder that Cropcheck may read"):
            open_stack(source)


def rewrite(folder: Path, **how) -> Path:
    values = how.pop("values", reflectance(5))
    return write(folder / how.pop("name", "f_2021-08-15.tif"), values, **how)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"name": "g_20210815.tif"}, r"2 files are of 2021-08-15: f_2021-08-15.tif, g_20210815.tif.*rio merge"),
        ({"name": "g.tif"}, r"g.tif has no date in its name or tags"),
        ({"crs": "EPSG:32632"}, r"different grids. 2 as f_2021-06-15.tif: EPSG:32631.*f_2021-08-15.tif: EPSG:32632.*--out DIR --like"),
        ({"transform": (10.0, 0, 664_005, 0, -10, 5_612_000)}, r"different grids.*f_2021-08-15.tif: .* from 664005, 5612000"),
        ({"values": reflectance(5)[:, :39]}, r"different grids.*50 x 40 px.*but f_2021-08-15.tif: EPSG:32631, 50 x 39 px"),
        ({"crs": None}, r"f_2021-08-15.tif has no CRS"),
        ({"transform": None}, r"f_2021-08-15.tif has a CRS but no position"),
        (
            {"bands": ("B02", "B04", "B11")},
            r"Not all dates have the bands B02, B04, B08: f_2021-08-15.tif \(2021-08-15\) has B02, B04, B11",
        ),
        ({"values": reflectance(5, count=2)}, r"f_2021-08-15.tif \(2021-08-15\) has B02, B04\."),
        ({"bands": (None,) * 3}, r"f_2021-08-15.tif does not name its bands.*--bands"),
        ({"values": reflectance(5).astype(np.complex64), "nodata": None}, r"holds values of type complex64"),
        ({"nodata": 9999}, r"differ in no-data value: f_2021-06-15.tif has 0.0, f_2021-08-15.tif has 9999.0.*--nodata"),
        ({"values": (reflectance(5) / 1e4).astype(np.float32)}, r"differ in scale and offset"),
        ({"tags": {"level": "L1C"}}, None),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_way_out(folder, how, message):
    rewrite(folder, **how)
    if message is None:
        assert open_stack(folder).level == "L1C"
        return
    with pytest.raises(BadInput, match=message):
        open_stack(folder)


def test_metres_that_are_said_to_be_degrees_are_named(tmp_path):
    write(tmp_path / "f_2021-06.tif", reflectance(), crs="EPSG:4326")
    with pytest.raises(BadInput, match=r"nowhere on Earth.* of another CRS"):
        open_stack(tmp_path)
    with pytest.raises(BadInput, match=r"nowhere on Earth.* of another CRS"):
        regridding.regrid(tmp_path, tmp_path / "made", Report(), crs="EPSG:32631", resolution=10)


def test_levels_that_differ_are_named(folder):
    rewrite(folder, tags={"level": "L1C"})
    rewrite(folder, name="f_2021-07-15.tif", tags={"level": "L2A"})
    with pytest.raises(BadInput, match=r"differ in level: f_2021-07-15.tif has L2A, f_2021-08-15.tif has L1C"):
        open_stack(folder)
    assert open_stack(folder, level="L2A").level == "L2A"


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ((reflectance() / 10_000).astype(np.float32), {"scale": 1e-4}, r"cannot be reflectance at a scale of 0.0001.*pass --scale 1$"),
        (reflectance().astype(np.float32), {}, r"cannot be reflectance at a scale of 1.*pass --scale 0.0001$"),
        (reflectance(), {"scale": 1.0}, r"half of them above \d+.* as reflectance.*pass --scale 0.0001$"),
        ((reflectance() // 25).astype(np.uint8), {}, r"cannot be reflectance at a scale of 0.0001: stored \d+ to \d+"),
    ],
)
def test_values_that_cannot_be_reflectance_are_named_with_the_likely_scale(tmp_path, values, given, message):
    write(tmp_path / "f_2021-06.tif", values)
    with pytest.raises(BadInput, match=message.replace("$", r"\.$")):
        open_stack(tmp_path, **given)
    with pytest.raises(BadInput, match=message.replace("$", r"\.$")):
        regridding.regrid(tmp_path, tmp_path / "made", Report(), **given)
    assert not (tmp_path / "made").exists(), "nothing is begun"


@pytest.mark.parametrize(
    "layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16}, {"interleave": "band"}, {"compress": "deflate"}]
)
def test_a_file_cut_short_is_named_though_its_header_is_fine(folder, layout):
    path = rewrite(folder, **layout)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 200)
    with rasterio.open(path) as raster:
        assert raster.shape == (40, 50), "the header says nothing"
    with pytest.raises(BadInput, match=r"f_2021-08-15.tif is cut short: it has [\d,]+ bytes.*Fetch it again"):
        open_stack(folder)
    path.write_bytes(path.read_bytes()[:6])
    with pytest.raises(BadInput, match=r"cannot be opened: f_2021-08-15.tif"):
        open_stack(folder)


def test_a_band_that_was_cut_short_is_found_behind_the_files_that_are_put_together(tmp_path):
    for band in ("B02", "B04"):
        path = write(tmp_path / f"f_2021-06-15_{band}.tif", reflectance(count=1), bands=(None,))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 200)
    with pytest.raises(BadInput, match=r"f_2021-06-15_B04.tif is cut short"):
        open_stack(tmp_path)


def test_masks_beside_the_bands_are_named_and_can_be_turned_into_a_value(tmp_path, folder):
    values, seen = reflectance(), np.full((40, 50), 255, np.uint8)
    seen[:6, :9] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        folder / "f_2021-08-15.tif", "w", driver="GTiff", dtype="uint16", count=3, height=40, width=50, crs="EPSG:32631",
        transform=Affine(*TRANSFORM),
    ) as raster:  # fmt: skip
        raster.write(values)
        raster.descriptions = BANDS
        raster.write_mask(seen)
    with pytest.raises(BadInput, match=r"marks missing pixels by a mask .* python -m data stack"):
        open_stack(folder)
    stack = regridding.regrid(folder, tmp_path / "made", Report())
    np.testing.assert_array_equal(stack.read(0, 0, 40, 50)[2], np.where(seen > 0, values, 0))
    np.testing.assert_array_equal(stack.read(0, 0, 40, 50)[0], reflectance(0))


def test_a_description_that_is_none_or_no_longer_true_is_named(tmp_path, folder):
    file = tmp_path / "stack.json"
    file.write_text("{}")
    with pytest.raises(BadInput, match="does not describe a stack"):
        open_stack(file)
    file.write_text(json.dumps(open_stack(folder).as_json()))
    rewrite(folder, values=reflectance(height=30))
    with pytest.raises(BadInput, match="not on the stack's grid"):
        open_stack(file)
    (folder / "f_2021-08-15.tif").unlink()
    with pytest.raises(BadInput, match="layer 2021-08-15 cannot be opened"):
        open_stack(file)


def test_a_folder_without_any_layer_says_why(tmp_path):
    write(tmp_path / "mask.tif", np.ones((1, 9, 9), np.uint8), bands=("cropland",))
    with pytest.raises(BadInput, match=r"None of the 1 GeoTIFFs .*its bands are cropland"):
        open_stack(tmp_path)


# Onto one grid


def nearest(stack, path: Path) -> np.ndarray:
    """(B, h, w) of a file at the middles of the stack's pixels, by pyproj: the pixel that each lies in, 0 outside."""
    columns, rows = np.meshgrid(np.arange(stack.width) + 0.5, np.arange(stack.height) + 0.5)
    with rasterio.open(path) as raster:
        xs, ys = Transformer.from_crs(stack.crs, raster.crs, always_xy=True).transform(*(stack.affine * (columns, rows)))
        at = [np.floor(values).astype(int) for values in ~raster.transform * (xs, ys)]
        inside = (at[0] >= 0) & (at[0] < raster.width) & (at[1] >= 0) & (at[1] < raster.height)
        return np.where(inside, raster.read(masked=True).filled(0)[:, at[1].clip(0, raster.height - 1), at[0].clip(0, raster.width - 1)], 0)


@pytest.mark.parametrize(("crs", "resolution"), [("EPSG:3978", 10), ("EPSG:32632", 7), ("EPSG:4326", 0.0001)])
def test_pixels_on_another_grid_are_the_nearest_ones(belgium, tmp_path, crs, resolution):
    stack = regridding.regrid(belgium, tmp_path / "made", Report(), crs=crs, resolution=resolution)
    assert (stack.crs, stack.transform[0], stack.level) == (crs, resolution, "L2A")
    pixels = stack.read(0, 0, stack.height, stack.width)
    for month, layer in zip(("06", "08"), pixels, strict=True):
        expected = nearest(stack, belgium / f"be_31N_2021-{month}.tif")
        assert (expected > 0).mean() > 0.5
        np.testing.assert_array_equal(layer, expected)
        valid, errors, warnings = cog_validate(tmp_path / "made" / f"2021-{month}.tif")
        assert (valid, errors, warnings) == (True, [], [])


def test_bilinear_pixels_are_those_of_gdal(belgium, tmp_path):
    stack = regridding.regrid(belgium, tmp_path / "made", Report(), crs="EPSG:32632", resolution=10, resampling="bilinear")
    with rasterio.open(belgium / "be_31N_2021-06.tif") as raster, WarpedVRT(
        raster, crs=stack.crs, transform=stack.affine, height=stack.height, width=stack.width, resampling=rasterio.enums.Resampling.bilinear
    ) as warped:  # fmt: skip
        expected = warped.read(masked=True).filled(0).astype(int)
    off = np.abs(stack.read(0, 0, stack.height, stack.width)[0].astype(int) - expected)
    assert (off <= 50).mean() > 0.99  # GDAL's usual positions are off by up to an eighth of a pixel
    assert not np.array_equal(expected, nearest(stack, belgium / "be_31N_2021-06.tif"))


def test_files_of_different_grids_get_that_of_another_raster(folder, tmp_path):
    left, top = Transformer.from_crs("EPSG:32631", "EPSG:32632", always_xy=True).transform(664_100, 5_612_000)
    rewrite(folder, crs="EPSG:32632", transform=(10.0, 0, left, 0, -10, top))
    with pytest.raises(BadInput, match="different grids"):
        regridding.regrid(folder, tmp_path / "made", Report())
    like = folder / "f_2021-06-15.tif"
    stack = regridding.regrid(folder, tmp_path / "made", Report(), like=like)
    with rasterio.open(like) as raster:
        assert (stack.crs, stack.transform, stack.height, stack.width) == ("EPSG:32631", tuple(raster.transform)[:6], *raster.shape)
    pixels = stack.read(0, 0, 40, 50)
    np.testing.assert_array_equal(pixels[0], reflectance(0))
    np.testing.assert_array_equal(pixels[2], nearest(stack, folder / "f_2021-08-15.tif"))
    assert (pixels[2] > 0).any()


def test_tiles_side_by_side_and_scales_that_differ_come_together(tmp_path):
    whole = reflectance(width=100)
    folder = tmp_path / "tiles"
    folder.mkdir()
    write(folder / "west_2021-06-15.tif", whole[:, :, :50])
    write(folder / "east_2021-06-15.tif", (whole[:, :, 50:] / 1e4).astype(np.float32), transform=(10.0, 0, 664_500, 0, -10, 5_612_000))
    report = Report()
    stack = regridding.regrid(folder, tmp_path / "made", report, crs="EPSG:32631", resolution=10)
    assert (stack.height, stack.width) == (40, 100)
    np.testing.assert_array_equal(stack.read(0, 0, 40, 100)[0], whole)
    assert [(problem.kind, problem.name) for problem in report.remarks] == [("dates put together of several files", "2021-06-15")]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"crs": "EPSG:4326"}, "A grid needs both"),
        ({"crs": "EPSG:4326", "resolution": 10}, r"1 x 1 pixels in EPSG:4326.*0.0001 is about 10 m"),
        ({"crs": "EPSG:32631", "resolution": 0.001}, r"400,000 x 500,000 pixels"),
        ({"crs": "EPSG:32631", "resolution": -10}, "makes no pixels"),
        ({"crs": "nonsense", "resolution": 10}, "no coordinate reference system"),
        ({"like": BAVARIA / "D2_2018-04-07.tif"}, r"3 of 3 files show nothing of the grid: f_2021-06-15.tif"),
        ({"like": ROOT / "README.md"}, "cannot be read as a raster"),
    ],
)
def test_a_grid_that_makes_no_sense_is_named(folder, tmp_path, grid, message):
    with pytest.raises(BadInput, match=message):
        regridding.regrid(folder, tmp_path / "made", Report(), **grid)


def test_a_stack_that_was_interrupted_goes_on_to_the_same_bytes(folder, tmp_path):
    class Interrupted(BaseException):
        pass

    def stop(done: int, total: int, what: str) -> None:
        if done == 2:
            raise Interrupted

    regridding.regrid(folder, tmp_path / "whole", Report(), crs="EPSG:4326", resolution=0.0001)
    with pytest.raises(Interrupted):
        regridding.regrid(folder, tmp_path / "made", Report(), crs="EPSG:4326", resolution=0.0001, tell=stop)
    first = (tmp_path / "made" / "2021-06-15.tif").stat().st_mtime_ns
    with pytest.raises(BadInput, match=r"is not finished. Run the command that makes it again"):
        open_stack(tmp_path / "made")
    with pytest.raises(BadInput, match="asked for otherwise"):
        regridding.regrid(folder, tmp_path / "made", Report(), crs="EPSG:4326", resolution=0.0002)
    regridding.regrid(folder, tmp_path / "made", Report(), crs="EPSG:4326", resolution=0.0001)
    assert (tmp_path / "made" / "2021-06-15.tif").stat().st_mtime_ns == first, "what is done is not made again"
    for path in (tmp_path / "whole").glob("*.*"):
        assert path.read_bytes() == (tmp_path / "made" / path.name).read_bytes()


def test_folders_of_somebody_else_are_left_alone(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with pytest.raises(BadInput, match="has files of its own"):
        regridding.regrid(folder, other, Report())
    assert len(list(other.iterdir())) == 3


# The command


def run(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(main, ["stack", *map(str, arguments)])
    assert (result.exit_code != 0) == fails, result.output
    return result.output


def test_the_command_says_what_is_in_a_folder_and_makes_nothing(belgium, workspace):
    before = sorted(workspace.home.rglob("*"))
    told = json.loads(run(belgium, "--check", "--json"))
    assert told["dates"] == ["2021-06", "2021-08"]
    assert told["report"]["remarks"]["months without an image"]["names"] == ["2021-07"]
    text = run(belgium, "--check")
    assert "2 dates, 9 bands, 96 x 96 px" in text
    assert "cropland_mask_model_2021.tif" in text
    assert sorted(workspace.home.rglob("*")) == before


def test_the_command_makes_a_stack_in_the_workspace(belgium, workspace):
    told = json.loads(run(belgium, "--crs", "EPSG:32631", "--resolution", "20", "--name", "My stack", "--json"))
    assert Path(told["stack"]) == workspace.home / "stacks" / "My-stack"
    assert (told["height"], told["width"]) == (48, 48)
    assert open_stack(told["stack"]).level == "L2A"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name one source of the stack"),
        (("--stac", "earth-search", "--collection", "x"), "Name one source"),
        (("--stac", "earth-search"), "which area to fetch: --box"),
        (("--stac", "earth-search", "--box", "14,46,14.1,46.1"), "which season to fetch: --year"),
        (("--stac", "earth-search", "--box", "1,2"), "is no box; write west,south,east,north"),
        (("--stac", "somewhere", "--box", "14,46,14.1,46.1", "--year", "2021"), "no provider 'somewhere'"),
        (("--collection", "x"), "no collection 'x'"),
        (("--check", "--collection", "x"), "--check looks at a folder"),
    ],
)
def test_the_command_says_what_is_missing(arguments, message):
    assert message in " ".join(run(*arguments, fails=True).split())


def test_alpha_bands_hide_pixels_too(tmp_path):
    values = np.concatenate([reflectance(), np.full((1, 40, 50), 65_535, np.uint16)])
    values[3, :4] = 0
    folder = tmp_path / "alpha"
    folder.mkdir()
    path = write(folder / "f_2021-06.tif", values, bands=(*BANDS, None), nodata=None)
    with rasterio.open(path, "r+") as raster:
        raster.colorinterp = (ColorInterp.gray, ColorInterp.undefined, ColorInterp.undefined, ColorInterp.alpha)
    pixels = regridding.regrid(folder, tmp_path / "made", Report()).read(0, 0, 40, 50)[0]
    np.testing.assert_array_equal(pixels, np.where(values[3] > 0, values[:3], 0))
