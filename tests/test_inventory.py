"""Inventories: what every sample gets of them, what is never changed, and what survives a kill."""

import http.server
import json
import os
import shutil
import signal
import threading
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner
from pyproj import Transformer
from rasterio.warp import transform as reprojected

from data import aci, catalogue, packed, shards
from data.__main__ import main as data_main
from data.errors import BadInput
from data.importing import CollectionSpec, LegendClass, NewSample, import_collection, import_planned
from data.inventory import apply as applying
from data.inventory import rasters, sampling, sources
from data.inventory.apply import apply
from data.inventory.rasters import open_raster
from data.inventory.sources import Options
from data.report import Report
from data.workspace import Workspace
from labeling import decisions
from modeling import pixels as model_pixels
from modeling import samples as model_samples
from modeling.config import TrainConfig

CDL = Path(__file__).parent / "data/inventory/2021_30m_cdls_cut.tif"
CODES = rasterio.open(CDL).read(1)
GRID = rasterio.open(CDL).transform
ALBERS = "EPSG:5070"
SIDE = 16
BANDS = ("B02", "B03", "B04", "B08")


def places(count: int, crs: str, side: int = SIDE, *, seed: int = 0, margin: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitudes and latitudes of points on the raster (and `margin` metres around it), and the transforms of 10 m patches at them."""
    random = np.random.default_rng(seed)
    left, bottom, right, top = rasterio.transform.array_bounds(*CODES.shape, GRID)
    x, y = random.uniform(left - margin, right + margin, count), random.uniform(bottom - margin, top + margin, count)
    lon, lat = Transformer.from_crs(ALBERS, 4326, always_xy=True).transform(x, y)
    east, north = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    zero, ten = np.zeros(count), np.full(count, 10.0)
    return lon, lat, np.stack([ten, zero, east - 5 * side, zero, -ten, north + 5 * side], axis=1)


@cache
def between(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def brute_force(crs: str, transform: Sequence[float], side: int) -> np.ndarray:
    """(side, side) codes: every pixel's centre taken to the raster's CRS on its own."""
    col, row = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    across, down = ~GRID * between(crs, ALBERS).transform(*(Affine(*transform) * (col, row)))
    across, down = np.floor(across).astype(int), np.floor(down).astype(int)
    inside = (across >= 0) & (across < CODES.shape[1]) & (down >= 0) & (down < CODES.shape[0])
    return np.where(inside, CODES[np.clip(down, 0, CODES.shape[0] - 1), np.clip(across, 0, CODES.shape[1] - 1)], 0)


def counted(pixels: np.ndarray, label: int) -> tuple[int, float]:
    """Mode and purity, the plain way."""
    coded = Counter(pixels.ravel().tolist())
    del coded[0]
    if not coded:
        return label, 0.0
    return min(coded, key=lambda code: (-coded[code], code)), coded[label] / coded.total()


# Sampling


@pytest.mark.parametrize("crs", [ALBERS, "EPSG:3978", "EPSG:32614"])
def test_centre_mode_and_purity_of_a_thousand_points_equal_a_brute_force_count(crs):
    raster = open_raster(CDL)
    lon, lat, transforms = places(1_000, crs, margin=300)
    codes, covered = sampling.codes_at([raster], lon, lat)
    x, y = reprojected("EPSG:4326", ALBERS, lon, lat)
    with rasterio.open(CDL) as dataset:
        expected = np.array([value[0] for value in dataset.sample(zip(x, y, strict=True))])
        inside = [rasterio.coords.disjoint_bounds(dataset.bounds, (a, b, a, b)) is False for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(covered, inside)
    assert 900 < covered.sum() < 1_000
    cuts = raster.cuts(crs, transforms, SIDE, SIDE)
    modal, purity = sampling.modal_codes(cuts.reshape(1_000, -1), codes)
    for at in range(1_000):
        truth = brute_force(crs, transforms[at], SIDE)
        np.testing.assert_array_equal(cuts[at], truth)
        assert (modal[at], purity[at]) == counted(truth, codes[at])


def test_a_cut_equals_gdals_nearest_neighbour():
    _, _, transforms = places(20, "EPSG:3978", 64, seed=3)
    cut = sampling.cut(open_raster(CDL), "EPSG:3978", transforms[7], 64, 64)
    expected = np.zeros((64, 64), np.uint8)
    rasterio.warp.reproject(
        CODES, expected, src_transform=GRID, src_crs=ALBERS, dst_transform=Affine(*transforms[7]), dst_crs="EPSG:3978", tolerance=0,
    )  # fmt: skip
    assert (cut == expected).mean() > 0.999  # GDAL takes places to a ten-thousandth of a pixel
    assert cut.dtype == np.uint16


@pytest.mark.parametrize("codes", [[0, 1, 5, 240], [0, 3, 500, 900, 65_535], [0]])
def test_mode_and_purity_of_codes_of_any_size_equal_a_plain_count(codes):
    random = np.random.default_rng(4)
    pixels = random.choice(np.array(codes, np.uint16), (200, 6))
    labels = random.choice(np.array([*codes, 7], np.uint16), 200)
    modal, purity = sampling.modal_codes(pixels, labels)
    for at in range(200):
        mode, share = counted(pixels[at], int(labels[at]))
        assert (modal[at], purity[at]) == (mode, share if labels[at] else 0.0)


def test_windows_around_points_equal_a_brute_force_count():
    lon, lat, _ = places(300, ALBERS, seed=1, margin=200)
    raster = open_raster(CDL)
    centre, modal, purity = sampling.around(raster, lon, lat, 5)
    rows, cols = raster.pixels_of(lon, lat)
    padded = np.pad(CODES, 50)
    for at, (row, col) in enumerate(zip(rows + 50, cols + 50, strict=True)):
        assert centre[at] == padded[row, col]
        assert (modal[at], purity[at]) == counted(padded[row - 2 : row + 3, col - 2 : col + 3], padded[row, col])


@pytest.mark.parametrize(
    "changes", [{"tiled": False, "blockysize": 1}, {"dtype": "int16", "nodata": -1}, {"dtype": "uint16", "nodata": 176}]
)
def test_layout_type_and_nodata_are_the_files_own(tmp_path, changes):
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": 450,
        "width": 450,
        "crs": ALBERS,
        "transform": GRID,
        "tiled": True,
    }
    profile |= {"blockxsize": 64, "blockysize": 64} | changes
    with rasterio.open(tmp_path / "x.tif", "w", **profile) as file:
        file.write(CODES.astype(profile["dtype"]), 1)
    lon, lat, transforms = places(200, ALBERS)
    raster, plain = open_raster(tmp_path / "x.tif"), open_raster(CDL)
    gone = profile.get("nodata")
    codes, covered = raster.codes_at(lon, lat)
    expected, _ = plain.codes_at(lon, lat)
    np.testing.assert_array_equal(codes, np.where(expected == gone, 0, expected))
    np.testing.assert_array_equal(covered, expected != gone)
    cuts = plain.cuts(ALBERS, transforms, 8, 8)
    np.testing.assert_array_equal(raster.cuts(ALBERS, transforms, 8, 8), np.where(cuts == gone, 0, cuts))


def test_a_point_beyond_the_projection_is_not_covered():
    codes, covered = open_raster(CDL).codes_at(np.array([-97.0, 83.0, 0.0, -97.0]), np.array([39.2, -39.2, 90.0, -90.0]))
    assert covered.tolist()[1:] == [False] * 3 and codes.tolist()[1:] == [0] * 3


def test_of_several_rasters_the_first_that_covers_a_point_counts(tmp_path):
    west, east = (part(tmp_path / f"{name}.tif", columns, code) for name, columns, code in (("w", (0, 250), 1), ("e", (200, 450), 2)))
    lon, lat, _ = places(500, ALBERS)
    codes, first = sampling.first_covering([west, east], lon, lat)
    _, cols = open_raster(CDL).pixels_of(lon, lat)
    np.testing.assert_array_equal(codes, np.where(cols < 250, 1, 2))
    np.testing.assert_array_equal(first, np.where(cols < 250, 0, 1))


def part(path: Path, columns: tuple[int, int], code: int, **changes) -> rasters.Raster:
    write(path, np.full((450, columns[1] - columns[0]), code, np.uint8), transform=GRID * Affine.translation(columns[0], 0), **changes)
    return open_raster(path)


def write(path: Path, codes: np.ndarray, colours: dict | None = None, **changes) -> Path:
    profile = {"driver": "GTiff", "dtype": codes.dtype, "count": 1, "crs": ALBERS, "transform": GRID} | changes
    with rasterio.open(path, "w", height=codes.shape[-2], width=codes.shape[-1], **profile) as file:
        file.write(codes if codes.ndim == 3 else codes[None])
        if colours:
            file.write_colormap(1, colours)
    return path


# A collection at the raster


def colour_of(code: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rasterio.open(CDL).colormap(1)[code][:3])


def spec(**changes) -> CollectionSpec:
    told = CollectionSpec(
        name="kansas", title="Kansas", bands=BANDS, level="L2A", slots=("2021-06", "2021-07", "2021-08"), height=SIDE, width=SIDE,
        composites=True, simulated=True, licence="CC0-1.0", attribution="none", legend=(), learned=(),
    )  # fmt: skip
    return replace(told, **changes)


def made(count: int = 12, crs: str = "EPSG:3978", **changes) -> list[NewSample]:
    """Samples with pixels: some dark, some cloudy, one slot missing here and there."""
    lon, lat, transforms = places(count, crs, seed=5)
    random = np.random.default_rng(6)
    found = []
    for at in range(count):
        pixels = random.integers(1_200, 4_000, (3, len(BANDS), SIDE, SIDE)).astype(np.uint16)
        pixels[:, 0] //= 4
        pixels[at % 3, 0, :, : at % SIDE] = 5_000  # cloud
        acquired = ["2021-06", "2021-07", "2021-08"]
        if at % 4 == 3:
            pixels[1], acquired[1] = 0, None
        sample = NewSample(
            name=f"s{at:02d}", site=f"p{at:02d}", lon=float(lon[at]), lat=float(lat[at]), region="KS", year=2021, inventory_code=0,
            pixels=pixels, acquired=tuple(acquired), interpolated=(False,) * 3, crs=crs, transform=tuple(map(float, transforms[at])),
        )  # fmt: skip
        found.append(replace(sample, **changes))
    return found


@pytest.fixture
def kansas(empty) -> Workspace:
    import_collection(empty, spec(), made(), shard_size=5)
    return empty


def rows(workspace: Workspace, sql: str, *values) -> list[tuple]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute(sql, values)]


def state(workspace: Workspace) -> dict:
    """All that an inventory may change, and the files in force."""
    tables = {
        "sample": "select name, inventory_code, modal_code, purity from sample order by id",
        "image": "select sample, slot, clear, quality from image order by id",
        "stat": "select * from index_stat order by image, name",
        "history": "select * from aci_history order by site, year",
        "legend": "select * from legend_class order by code",
        "learned": "select * from learned_class order by position",
    }
    found = {name: rows(workspace, sql) for name, sql in tables.items()}
    for (number,) in rows(workspace, "select id from sample order by id"):
        patch = catalogue.patch(workspace, number)
        found[number] = patch.series.tobytes(), None if patch.inventory is None else patch.inventory.tobytes()
    return found


def test_every_sample_gets_code_mode_purity_overlay_and_history(kansas, tmp_path):
    older = write(tmp_path / "cdl_2020.tif", np.flip(CODES, axis=1).copy(), rasterio.open(CDL).colormap(1))
    report = Report()
    figures = apply(kansas, "kansas", [str(older), str(CDL)], report)
    assert (figures["samples"], figures["labelled"], figures["years"], figures["legend"]) == (12, 12, [2020, 2021], "file")
    assert not report.left_out
    for sample, name in rows(kansas, "select id, name from sample"):
        at = int(name[1:])
        given, truth = made()[at], brute_force("EPSG:3978", made()[at].transform, SIDE)
        x, y = reprojected("EPSG:4326", ALBERS, [given.lon], [given.lat])
        centre, before = (int(next(rasterio.open(path).sample([(x[0], y[0])]))[0]) for path in (CDL, older))
        assert rows(kansas, "select inventory_code, modal_code, purity from sample where id = ?", sample) == [
            (centre, *counted(truth, centre))
        ]
        history = rows(
            kansas, "select year, code from aci_history where site = (select site from sample where id = ?) order by year", sample
        )
        assert history == [(2020, before), (2021, centre)]
        np.testing.assert_array_equal(catalogue.patch(kansas, sample).inventory, truth)
    legend = {entry.code: entry for entry in catalogue.legend(kansas.store, "kansas")}
    assert legend[176].color == colour_of(176)
    labelled = {code for (code,) in rows(kansas, "select inventory_code from sample")}
    assert {code for code, entry in legend.items() if entry.learned} == labelled
    assert sorted(entry["code"] for entry in figures["codes"]) == sorted(labelled)


def test_series_and_statistics_are_those_of_an_import_with_the_same_inventory(kansas, tmp_path):
    apply(kansas, "kansas", [str(CDL)], Report())
    whole = Workspace(tmp_path / "whole").create()
    given = []
    for sample, (code,) in zip(made(), rows(kansas, "select inventory_code from sample order by id"), strict=True):
        cut = brute_force("EPSG:3978", sample.transform, SIDE).astype(np.uint16)
        given.append(replace(sample, inventory=cut, inventory_code=code, history={2021: code}))
    legend = tuple(catalogue.legend(kansas.store, "kansas"))
    import_collection(whole, spec(legend=legend, learned=tuple(catalogue.learned(kansas.store, "kansas"))), given, shard_size=5)
    assert state(kansas) == state(whole)


def test_models_read_the_series_of_the_inventory_in_force(kansas):
    apply(kansas, "kansas", [str(CDL)], Report())
    known = model_samples.everything(kansas.store, "kansas", ())
    shown = model_pixels.load(kansas, known, TrainConfig.for_model("ltae", "kansas"))
    expected = np.stack([catalogue.patch(kansas, int(number)).series for number in known.ids])
    np.testing.assert_array_equal(shown.values, expected)


def test_a_label_is_never_edited_and_what_the_inventory_says_is_remarked(empty):
    legend = (LegendClass(1, "Corn", "Maïs", "#ffd300"), LegendClass(900, "Teff", "Teff", "#123456"))
    samples = made()
    given = [replace(sample, inventory_code=900 if at < 3 else 0) for at, sample in enumerate(samples)]
    import_collection(empty, spec(legend=legend), given)
    report = Report()
    apply(empty, "kansas", [str(CDL)], report)
    codes = [code for (code,) in rows(empty, "select inventory_code from sample order by id")]
    assert codes[:3] == [900] * 3 and 0 not in codes and 900 not in codes[3:]
    told = report.as_json()["remarks"]
    kept = told["labels kept although the inventory says otherwise"]
    assert kept["names"] == ["s00", "s01", "s02"]
    assert all(fact.startswith("Teff (900) here, ") and fact.endswith("in the inventory") for fact in kept["facts"])
    outside = dict(zip(told["codes outside the legend"]["names"], told["codes outside the legend"]["facts"], strict=True))
    assert outside["176"] == f"{codes.count(176)} samples"
    assert {entry.code: entry.color for entry in catalogue.legend(empty.store, "kansas")}[176] == colour_of(176)
    assert rows(empty, "select purity from sample where id = 1") == [(0.0,)]


def test_quality_that_the_source_or_a_curator_said_stays(empty):
    samples = [replace(sample, quality=("bad", None, None)) for sample in made(6)]
    import_collection(empty, spec(), samples)
    (image,), *_ = rows(empty, "select id from image where sample = 2 and slot = 2")
    event = {"uid": "u1", "sample": 2, "image": image, "action": "quality", "quality": "bad"}
    assert [outcome.stored for outcome in decisions.record(empty.store, "kansas", "ana", [event])] == [True]
    apply(empty, "kansas", [str(CDL)], Report())
    assert {quality for (quality,) in rows(empty, "select quality from image where slot = 0")} == {"bad"}
    assert rows(empty, "select quality from image_quality where sample = 2 and slot = 2") == [("bad",)]


def test_the_scene_classification_says_what_is_clear(empty):
    cloudy = np.full((3, SIDE, SIDE), 4, np.uint8)
    cloudy[1] = 9
    cloudy[2, :, 0] = 3
    samples = [replace(sample, scl=cloudy, clear=cloudy == 4) for sample in made(3)]
    import_collection(empty, spec(), samples)
    apply(empty, "kansas", [str(CDL)], Report())
    assert {clear for (clear,) in rows(empty, "select clear from image where slot = 0")} == {1.0}
    assert {(clear, quality) for clear, quality in rows(empty, "select clear, quality from image where slot = 1")} == {(0.0, "cloud")}


def test_of_a_field_with_an_outline_only_its_own_pixels_count_and_its_series_stays(empty):
    sample = made(1)[0]
    a, _, west, _, e, north = sample.transform
    corner = shapely.box(west, north + 6 * e, west + 6 * a, north)  # 6 x 6 pixels in the upper left
    degrees = shapely.transform(corner, Transformer.from_crs("EPSG:3978", 4326, always_xy=True).transform, interleaved=False)
    field = np.zeros((SIDE, SIDE), bool)
    field[:6, :6] = True
    import_collection(empty, spec(), [replace(sample, polygon=json.loads(shapely.to_geojson(degrees)), field=field)])
    before = catalogue.patch(empty, 1).series
    apply(empty, "kansas", [str(CDL)], Report())
    [(code, modal, purity)] = rows(empty, "select inventory_code, modal_code, purity from sample")
    assert (modal, purity) == counted(brute_force("EPSG:3978", sample.transform, SIDE)[:6, :6], code)
    np.testing.assert_array_equal(catalogue.patch(empty, 1).series, before)


def test_parcel_means_are_looked_up_over_their_outlines(empty):
    lon, lat, _ = places(8, ALBERS, seed=9)
    metres = Transformer.from_crs(4326, ALBERS, always_xy=True)
    samples = []
    for at, (x, y) in enumerate(zip(*metres.transform(lon, lat), strict=True)):
        box = shapely.transform(shapely.box(x - 150, y - 150, x + 150, y + 150), lambda e, n: metres.transform(e, n, direction="INVERSE"),
                                interleaved=False)  # fmt: skip
        polygon = json.loads(shapely.to_geojson(box)) if at % 2 else None
        samples.append(replace(made(1)[0], name=f"q{at}", site=f"q{at}", lon=float(lon[at]), lat=float(lat[at]), polygon=polygon,
                               pixels=np.full((3, 4, 1, 1), 900, np.uint16)))  # fmt: skip
    import_collection(empty, spec(height=1, width=1), samples)
    before = [catalogue.patch(empty, number).series for number in range(1, 9)]
    apply(empty, "kansas", [str(CDL)], Report())
    raster = open_raster(CDL)
    for at, (code, modal, purity) in enumerate(rows(empty, "select inventory_code, modal_code, purity from sample order by id")):
        row, col = (int(axis[0]) for axis in raster.pixels_of(lon[at : at + 1], lat[at : at + 1]))
        reach = 5 if at % 2 else 1  # 300 m of the outline, or the pixels next to the point
        truth = CODES[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
        assert code == CODES[row, col]
        assert purity == pytest.approx(counted(truth, code)[1], abs=0 if reach == 1 else 0.1)
        if purity > 0.6:
            assert modal == code
    np.testing.assert_array_equal([catalogue.patch(empty, number).series for number in range(1, 9)], before)


def test_a_packed_collection_gets_labels_and_keeps_its_files(empty):
    lon, lat, _ = places(6, ALBERS, seed=2)
    batch = packed.Batch(
        names=[f"q{at}" for at in range(6)], region="KS", year=2021, lon=lon, lat=lat, transforms=[(1e-3, 0, x, 0, -1e-3, y) for x, y in
        zip(lon, lat, strict=True)], polygons=[None] * 6, codes=np.zeros(6, np.int64), pixels=np.full((6, 2, 4), 900, np.uint16),
        dates=np.full((6, 2), [18_780, 18_790], np.uint16), quality=np.full((6, 2), packed.OK, np.uint8),
    )  # fmt: skip
    told = spec(height=1, width=1, slots=("1", "2"), aligned=False, packed=True, composites=False)
    packed.import_packed(empty, told, [("0000", batch.names)], lambda _: (batch, Report()), Report())
    before = {path.name: path.read_bytes() for path in empty.shards("kansas").glob("*.npy")}
    apply(empty, "kansas", [str(CDL)], Report())
    codes, _ = open_raster(CDL).codes_at(lon, lat)
    assert [code for (code,) in rows(empty, "select inventory_code from sample order by id")] == codes.tolist()
    assert {path.name: path.read_bytes() for path in empty.shards("kansas").glob("*.npy")} == before
    assert catalogue.patch(empty, 1).series.shape == (2, 4)


def test_canadas_legend_is_taken_where_the_colours_are_its_own_and_its_clouds_are_no_label(kansas, tmp_path):
    official = {entry.code: tuple(bytes.fromhex(entry.color[1:])) for entry in aci.legend()}
    codes = np.where(CODES == 176, 146, np.where(CODES == 1, 10, 147)).astype(np.uint8)
    raster = write(tmp_path / "aci_2021_qc.tif", codes, official)
    report = Report()
    figures = apply(kansas, "kansas", [str(raster)], report)
    assert figures["legend"] == "aci"
    legend = {entry.code: entry for entry in catalogue.legend(kansas.store, "kansas")}
    assert set(legend) == {entry.code for entry in aci.legend()} | {0}
    assert legend[146].name_fr == {entry.code: entry.name_fr for entry in aci.legend()}[146] and legend[147].learned == "Corn"
    assert [entry.name for entry in catalogue.learned(kansas.store, "kansas")] == [entry.name for entry in aci.learned()]
    unlabelled = {name for (name,) in rows(kansas, "select name from sample where inventory_code = 0")}
    assert {problem.name for problem in report.remarks if problem.kind == "without a label in the inventory"} == unlabelled
    assert {code for (code,) in rows(kansas, "select inventory_code from sample")} <= {0, 146, 147}
    assert not rows(kansas, "select * from aci_history where code in (0, 10)")


def test_a_csv_names_the_codes(kansas, tmp_path):
    legend = tmp_path / "legend.csv"
    legend.write_text("code,name,name_fr,color\n1,Corn,Maïs,#ffd300\n5,Soybeans,Soja,#267000\n176,Grass,Herbe,#e8ffbf\n")
    report = Report()
    figures = apply(kansas, "kansas", [str(CDL)], report, legend=str(legend))
    assert figures["legend"] == "legend.csv"
    known = {entry.code: entry for entry in catalogue.legend(kansas.store, "kansas")}
    assert known[5].name_fr == "Soja" and known[36].name == "Code 36" and known[36].color == colour_of(36)
    assert "36" in report.as_json()["remarks"]["codes outside the legend"]["names"]


def test_names_in_the_file_are_taken(kansas, tmp_path):
    raster = write(tmp_path / "named_2021.tif", CODES, rasterio.open(CDL).colormap(1))
    named = enumerate([(176, "Grassland"), (5, "Soybeans")])
    entries = "".join(f"<Row index='{row}'><F>{code}</F><F>{name}</F></Row>" for row, (code, name) in named)
    (tmp_path / "named_2021.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><GDALRasterAttributeTable>"
        "<FieldDefn index='0'><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>"
        "<FieldDefn index='1'><Name>Class_Names</Name><Type>2</Type><Usage>2</Usage></FieldDefn>"
        f"{entries}</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>"
    )
    apply(kansas, "kansas", [str(raster)], Report())
    known = {entry.code: entry.name for entry in catalogue.legend(kansas.store, "kansas")}
    assert (known[176], known[5]) == ("Grassland", "Soybeans")


def test_years_without_an_inventory_of_their_own_only_get_history(kansas):
    before = state(kansas)
    report = Report()
    figures = apply(kansas, "kansas", [str(CDL)], report, options=Options(year=2018))
    after = state(kansas)
    assert figures["samples"] == 0 and len(after["history"]) == 12
    assert after["sample"] == before["sample"] and after["stat"] == before["stat"]
    assert report.as_json()["remarks"]["years of samples without an inventory of their own"]["facts"] == ["12 samples"]


# Changing it


def test_reading_it_again_gives_the_same_down_to_the_files(kansas, tmp_path):
    apply(kansas, "kansas", [str(CDL)], Report())
    first, side = state(kansas), catalogue.collection(kansas.store, "kansas").side
    assert side_files(kansas) == {f"000{n}.{kind}.{side}.npy" for n in range(3) for kind in ("series", "inventory")}
    apply(kansas, "kansas", [str(CDL)], Report())
    assert (state(kansas), catalogue.collection(kansas.store, "kansas").side) == (first, side)
    assert side_files(kansas) == {f"000{n}.{kind}.{side}.npy" for n in range(3) for kind in ("series", "inventory")}
    apply(kansas, "kansas", [str(write(tmp_path / "other_2021.tif", np.flip(CODES).copy()))], Report())
    assert catalogue.collection(kansas.store, "kansas").side != side
    assert len(side_files(kansas)) == 6 and not any(side in name for name in side_files(kansas))


def side_files(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.shards("kansas").glob("*.*.npy")}


@contextmanager
def killed_at(step: int):
    """Kill this process at the step-th of the moments when something has just come to the disk or to the transaction."""
    left = [step]

    def soon(function):
        def called(*args, **keywords):
            left[0] -= not (isinstance(args[0], Path) and args[0].parent.name == ".inventory")  # the scratch folder is made anew
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **keywords)

        return called

    applying.shards.write = soon(shards.write)
    for name in ("_name", "_check_unchanged", "_write_legend", "_write", "_write_images", "remove_other_sides"):
        setattr(applying, name, soon(getattr(applying, name)))
    applying.Path.unlink = soon(Path.unlink)
    yield


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_state_whole_and_the_rerun_completes_it(tmp_path, monkeypatch):
    start = Workspace(tmp_path / "start").create()
    import_collection(start, spec(), made(4), shard_size=2)

    def world(name):
        return Workspace(shutil.copytree(start.home, tmp_path / name))

    done = world("done")
    old = state(done)
    apply(done, "kansas", [str(CDL)], Report())
    new, seen, step = state(done), [], 0
    while True:
        workspace = world(f"killed-{step}")
        child = os.fork()
        if child == 0:
            with killed_at(step):
                apply(workspace, "kansas", [str(CDL)], Report())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        seen.append(state(workspace) == new)
        assert seen[-1] or state(workspace) == old
        apply(workspace, "kansas", [str(CDL)], Report())
        assert state(workspace) == new
        assert len(side_files(workspace)) == 4 and not list(workspace.shards("kansas").glob(".inventory/*"))
        step += 1
    assert step == 13 and {False, True} == set(seen) and seen == sorted(seen)


def go_on(workspace: Workspace, name: str) -> None:
    """The import is called again with one more sample."""
    by_name = {sample.name: sample for sample in [*made(), replace(made(1)[0], name=name, site=name)]}
    import_planned(workspace, spec(), list(by_name), lambda names: ([by_name[name] for name in names], Report()), Report(), shard_size=5)


def test_an_import_that_goes_on_afterwards_writes_the_side_in_force(kansas):
    apply(kansas, "kansas", [str(CDL)], Report())
    go_on(kansas, "late")
    assert catalogue.patch(kansas, 13).series.shape == (3, 4)
    apply(kansas, "kansas", [str(CDL)], Report())
    assert rows(kansas, "select inventory_code from sample where name in ('s00', 'late') group by 1") != [(0,)]


def test_a_patch_that_is_read_while_the_side_changes_is_read_again(kansas, monkeypatch):
    stale, located = catalogue._located(kansas, 1), catalogue._located
    apply(kansas, "kansas", [str(CDL)], Report())
    expected = catalogue.patch(kansas, 1)
    answers = [stale]
    monkeypatch.setattr(catalogue, "_located", lambda *args: answers.pop() if answers else located(*args))
    np.testing.assert_array_equal(catalogue.patch(kansas, 1).series, expected.series)


def test_two_at_once_are_refused(kansas):
    with applying._alone(kansas.shards("kansas"), "kansas"), pytest.raises(BadInput, match="being read for kansas already"):
        apply(kansas, "kansas", [str(CDL)], Report())


def test_samples_that_came_meanwhile_stop_it(kansas, monkeypatch):
    before, cut_all = state(kansas), applying._cut_all
    monkeypatch.setattr(applying, "_cut_all", lambda *args: (go_on(kansas, "late"), cut_all(*args)))
    with pytest.raises(BadInput, match="kansas was changed while the inventory was read"):
        apply(kansas, "kansas", [str(CDL)], Report())
    after = state(kansas)
    assert after["sample"][:12] == before["sample"] and all(after[number] == before[number] for number in range(1, 13))


# Polygon layers


def fields(path: Path, **columns) -> tuple[Path, geopandas.GeoDataFrame]:
    """Squares of 600 m all over the raster, the classes of `columns` in turn."""
    left, bottom, right, top = rasterio.transform.array_bounds(*CODES.shape, GRID)
    squares = [shapely.box(x, y, x + 600, y + 600) for x in np.arange(left, right, 650) for y in np.arange(bottom, top, 650)]
    told = {name: np.resize(np.array(values, dtype=object), len(squares)).tolist() for name, values in columns.items()}
    table = geopandas.GeoDataFrame(told, geometry=squares, crs=ALBERS)
    table = table.to_crs(4326) if path.suffix == ".geojson" else table
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_file(path)
    return path, table.to_crs(ALBERS)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".parquet"])
def test_a_polygon_layer_gives_codes_by_number(kansas, tmp_path, suffix):
    path, table = fields(tmp_path / f"fields_2021{suffix}", number=[1], crop=[146, 147, 153])
    apply(kansas, "kansas", [str(path)], Report(), options=Options(column="crop"))
    for sample, (code,) in zip(made(), rows(kansas, "select inventory_code from sample order by id"), strict=True):
        x, y = reprojected("EPSG:4326", ALBERS, [sample.lon], [sample.lat])
        inside = table[table.contains(shapely.Point(x[0], y[0]))]
        assert code == (int(inside.crop.iloc[0]) if len(inside) else 0)
    cut, transform = catalogue.patch(kansas, 1).inventory, Affine(*made()[0].transform)
    points = [transform * (col + 0.5, row + 0.5) for row in range(SIDE) for col in range(SIDE)]
    x, y = reprojected("EPSG:3978", ALBERS, *zip(*points, strict=True))
    held = geopandas.sjoin(geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(x, y), crs=ALBERS), table, how="left")
    assert (cut.ravel() == held.crop.fillna(0).astype(int)).mean() > 0.98  # outlines are straight in the layer, not in the patch's CRS


def test_class_names_are_those_of_the_legend_in_either_language_and_others_are_kept(kansas, tmp_path):
    path, _ = fields(tmp_path / "fields_2021.gpkg", culture=["Corn", "soya", "spring wheat", "Teff", None])
    report = Report()
    apply(kansas, "kansas", [str(path)], report, options=Options(column="culture"))
    codes = {code for (code,) in rows(kansas, "select inventory_code from sample")}
    assert codes <= {0, 147, 158, 146, 1001} and len(codes) > 2
    assert report.as_json()["remarks"]["crop names outside the legend"]["names"] == ["Teff"]
    if 1001 in codes | {code for (code,) in rows(kansas, "select code from aci_history")}:
        assert {entry.code: entry.name for entry in catalogue.legend(kansas.store, "kansas")}[1001] == "Teff"


# Zips and URLs


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


class Ranged(http.server.SimpleHTTPRequestHandler):
    """A file server that answers range requests, as GDAL reads."""

    def send_head(self):
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range")
        if not wanted or not path.is_file():
            return super().send_head()
        size = path.stat().st_size
        first, last = wanted.removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop}/{size}")
        self.send_header("Content-Length", str(stop - start + 1))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(path.read_bytes()[start : stop + 1])

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Ranged(*args, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_zip_url_and_zip_at_a_url_give_the_same_as_the_file(kansas, tmp_path, served):
    folder, url = served
    for target in (tmp_path / "kansas.zip", folder / "at.zip"):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "text")
            archive.write(CDL, "data/cdl_2021_ks.tif")
    (folder / "cdl_2021.tif").write_bytes(CDL.read_bytes())
    apply(kansas, "kansas", [str(CDL)], Report())
    expected = state(kansas)
    for source in (str(tmp_path / "kansas.zip"), f"{url}/cdl_2021.tif", f"{url}/at.zip"):
        other = Workspace(tmp_path / f"w{abs(hash(source))}").create()
        import_collection(other, spec(), made(), shard_size=5)
        apply(other, "kansas", [source], Report())
        assert state(other) == expected


# Bad input


def broken(folder: Path, kind: str) -> tuple[str, str]:  # noqa: PLR0911 - a case a line
    """A source that cannot be used, and what is said of it."""
    if kind == "no crs":
        return str(write(folder / "x_2021.tif", CODES, crs=None)), "has no CRS, so nobody knows where it lies"
    if kind == "no position":
        return str(write(folder / "x_2021.tif", CODES, transform=None)), "no position"
    if kind == "truncated":
        whole = write(folder / "x_2021.tif", np.random.default_rng(0).integers(1, 9, CODES.shape).astype(np.uint8)).read_bytes()
        (folder / "x_2021.tif").write_bytes(whole[: len(whole) // 3])
        return str(folder / "x_2021.tif"), "x_2021.tif cannot be read to its end"
    if kind == "no tif":
        (folder / "x_2021.tif").write_text("no tif")
        return str(folder / "x_2021.tif"), "cannot be read as a raster"
    if kind == "picture":
        return str(write(folder / "x_2021.tif", np.stack([CODES] * 3), count=3)), "has 3 bands"
    if kind == "floats":
        return str(write(folder / "x_2021.tif", CODES.astype("float32"))), "holds float32 values"
    if kind == "no year":
        return str(write(folder / "x.tif", CODES)), "does not say its year"
    if kind == "missing":
        return str(folder / "x_2021.tif"), "There is no file"
    if kind == "climbing zip":
        return str(zipped(folder / "x_2021.zip", **{"../../etc__x_2021.tif": CDL.read_bytes()})), "lies outside the zip"
    if kind == "zip bomb":
        return str(bomb(folder / "x_2021.zip")), "would unpack to 100,000,000,000 bytes"
    if kind == "zip without":
        return str(zipped(folder / "x_2021.zip", readme=b"hello")), "holds no GeoTIFF and no polygon layer, but readme"
    if kind == "no prj":
        path, _ = fields(folder / "x_2021.shp", crop=[1])
        path.with_suffix(".prj").unlink()
        return str(path), "has no CRS.* Put its .prj file beside x_2021.shp"
    path, _ = fields(folder / "x_2021.gpkg", number=[1], culture=["Corn"])
    return str(path), "has no column 'crop'.*x_2021.gpkg has: number, culture"


def bomb(path: Path) -> Path:
    """A small zip whose directory says that its file has 100 GB."""
    zipped(path, x_2021=b"0" * 1_000)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    name = b"x_2021"
    extra = (1).to_bytes(2, "little") + (8).to_bytes(2, "little") + (100_000_000_000).to_bytes(8, "little")  # zip64 size
    content[directory + 24 : directory + 28] = b"\xff" * 4
    content[directory + 30 : directory + 32] = len(extra).to_bytes(2, "little")
    at = directory + 46 + len(name)
    content[at:at] = extra
    end = content.index(b"PK\x05\x06")
    size = int.from_bytes(content[end + 12 : end + 16], "little") + len(extra)
    content[end + 12 : end + 16] = size.to_bytes(4, "little")
    path.write_bytes(content)
    return path


KINDS = ["no crs", "no position", "truncated", "no tif", "picture", "floats", "no year", "missing", "climbing zip", "zip bomb",
         "zip without", "no prj", "no column"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_cannot_be_used_is_named_and_changes_nothing(kansas, tmp_path, kind):
    source, text = broken(tmp_path, kind)
    before = state(kansas)
    with pytest.raises(BadInput, match=text):
        apply(kansas, "kansas", [source], Report(), options=Options(column="crop"))
    assert state(kansas) == before and side_files(kansas) == {f"000{n}.series.npy" for n in range(3)}
    assert not (kansas.shards("kansas") / ".inventory").exists()


def test_a_server_that_answers_with_a_web_page_is_named(kansas, served):
    folder, url = served
    for name in ("cdl_2021.tif", "cdl_2021.zip"):
        (folder / name).write_text("<!DOCTYPE html><html><body>Please log in</body></html>")
        with pytest.raises(BadInput, match=r"cdl_2021\.(tif|zip) answers with a web page \(HTML\)"):
            apply(kansas, "kansas", [f"{url}/{name}"], Report())
    with pytest.raises(BadInput, match=r"2021\.tif cannot be fetched: HTTP Error 404"):
        apply(kansas, "kansas", [f"{url}/none_2021.tif"], Report())


def test_of_several_sources_those_that_can_be_used_are(kansas, tmp_path):
    source, _ = broken(tmp_path, "no crs")
    report = Report()
    apply(kansas, "kansas", [source, str(CDL)], report)
    assert [(problem.kind, problem.name) for problem in report.left_out] == [("inventories that cannot be used", source)]
    assert report.done == 12


def test_the_command_counts_samples_outside_and_ends_with_status_1_unless_that_is_allowed(kansas, tmp_path):
    half = write(tmp_path / "half_2021.tif", CODES[:, :225].copy())
    argv = ["inventory", "--collection", "kansas", str(half), "--json"]
    result = CliRunner(env={"CROPCHECK_HOME": str(kansas.home)}).invoke(data_main, argv)
    figures = json.loads(result.stdout)
    outside = figures["report"]["left_out"]["outside the inventory"]
    assert result.exit_code == 1 and 0 < outside["count"] < 12 and figures["samples"] == 12 - outside["count"]
    assert figures["report"]["done"] == figures["samples"] and outside["facts"][0].endswith("in 2021")
    result = CliRunner(env={"CROPCHECK_HOME": str(kansas.home)}).invoke(data_main, [*argv[:-1], "--allow-missing"])
    assert result.exit_code == 0 and "outside the inventory: s" in result.stdout


def test_years_are_read_from_file_names():
    names = [
        "aci_2019_qc.tif",
        "2021_30m_cdls.tif",
        "CDL_2021_clip_20220901123.tif",
        "x.tif",
        "from_2009_to_2012.tif",
        "aac_ca_30m_2011_v3.tif",
    ]
    assert [sources.year_of(name) for name in names] == [2019, 2021, 2021, None, None, 2011]
