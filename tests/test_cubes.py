"""NetCDF and Zarr cubes: every date and the scene classification come in, and what has no true colour can still be looked at."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from PIL import Image

from data import catalogue, display, indices, screening, shards
from data.__main__ import main as data_main
from labeling import cards

CUBE = Path(__file__).parent / "data" / "cubes" / "cdse_sentinel2_l2a.nc"
BANDS = ("B01", "B04", "B08", "B11")


def run(*arguments, code: int = 0) -> dict:
    result = CliRunner().invoke(data_main, ["import-geotiff", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if result.stdout.startswith("{") else {"error": result.output}


@pytest.fixture
def original() -> xr.Dataset:
    with xr.open_dataset(CUBE, engine="h5netcdf") as data:
        return data.load()


def qualities(workspace) -> dict[str, str]:
    with workspace.store.reading() as db:
        return {row["acquired"]: row["quality"] for row in db.execute("select acquired, quality from image")}


def test_all_dates_of_the_cube_come_in_with_their_scene_classification(empty, original):
    figures = run(CUBE, "--collection", "flanders")
    assert (figures["samples"], figures["dates"], figures["bands"]) == (1, 12, list(BANDS))
    patch = catalogue.patch(empty, 1)
    for number, band in enumerate(BANDS):
        np.testing.assert_array_equal(patch.pixels[:, number], original[f"S2-L2A-{band}"])
    scl = shards.read_row(empty.shards("flanders"), "0000", 0, ".scl")
    np.testing.assert_array_equal(scl, original["S2-L2A-SCL"])
    assert list(qualities(empty)) == [str(day) for day in original["t"].values.astype("datetime64[D]")]


def test_the_cube_lies_where_xarray_says(empty, original):
    run(CUBE)
    patch = catalogue.patch(empty, 1)
    assert patch.crs == "EPSG:32631"
    a, _, west, _, e, north = patch.transform
    np.testing.assert_allclose(west + a * (np.arange(64) + 0.5), original["x"])
    np.testing.assert_allclose(north + e * (np.arange(66) + 0.5), original["y"])


def test_a_date_is_clear_where_its_scene_classification_says_so(empty, original):
    run(CUBE)
    hidden = np.isin(original["S2-L2A-SCL"], (0, 1, 3, 8, 9, 10))
    with empty.store.reading() as db:
        clear = [row["clear"] for row in db.execute("select clear from image order by slot")]
    np.testing.assert_allclose(clear, 1 - hidden.mean(axis=(1, 2)), atol=1e-4)
    assert [date for date, quality in qualities(empty).items() if quality == "ok"] == ["2023-04-05", "2023-04-15"]


def test_three_dates_are_clear_where_thin_cirrus_is_let_through(empty):
    run(CUBE, "--mask", "0,1,3,8,9")
    assert [date for date, quality in qualities(empty).items() if quality == "ok"] == ["2023-04-05", "2023-04-15", "2023-04-30"]


def test_the_series_is_the_mean_of_the_clear_pixels(empty, original):
    run(CUBE)
    clear = ~np.isin(original["S2-L2A-SCL"][1], (0, 1, 3, 8, 9, 10))
    wanted = [original[f"S2-L2A-{band}"].values[1][clear].mean() / 10_000 for band in BANDS]
    np.testing.assert_allclose(catalogue.patch(empty, 1).series[1], wanted, rtol=1e-5)


def test_the_same_cube_as_zarr_upside_down_and_scaled_gives_the_same_pixels(empty, original, tmp_path):
    scaled = original[["S2-L2A-B04", "S2-L2A-B08"]].isel(y=slice(None, None, -1)).astype(np.float32) / 10_000
    renamed = scaled.rename({"S2-L2A-B04": "red", "S2-L2A-B08": "nir", "t": "time"})
    stacked = renamed.to_array("band", name="reflectance").to_dataset()
    stacked.to_zarr(tmp_path / "stacked.zarr", zarr_format=3, consolidated=False)
    run(tmp_path / "stacked.zarr", "--crs", "EPSG:32631", "--collection", "zarr", "--site", "field")
    patch = catalogue.patch(empty, catalogue.sample_id(empty.store, "zarr", "field-2023"))
    assert patch.bands == ("B04", "B08")
    np.testing.assert_array_equal(patch.pixels[:, 0], original["S2-L2A-B04"])
    np.testing.assert_array_equal(patch.pixels[:, 1], original["S2-L2A-B08"])
    assert patch.transform[4] < 0


def test_a_cube_of_two_years_gives_a_sample_a_year(empty, original, tmp_path):
    later = original.assign_coords(t=original["t"] + np.timedelta64(365, "D")).isel(t=slice(0, 5))
    xr.concat([original.drop_vars("crs"), later.drop_vars("crs")], "t").to_netcdf(tmp_path / "long.nc", engine="h5netcdf")
    (tmp_path / "manifest.csv").write_text("site,file,crop,region\nhill,long.nc,Potato,Flanders\n")
    figures = run(tmp_path, "--crs", "EPSG:32631", "--collection", "long")
    assert (figures["samples"], figures["dates"]) == (2, 17)
    with empty.store.reading() as db:
        rows = db.execute(
            """select s.name, s.year, s.inventory_code, t.region, count(*) as images from sample s join site t on t.id = s.site
            join image i on i.sample = s.id group by s.id order by s.name"""
        ).fetchall()
    assert [tuple(row) for row in rows] == [("hill-2023", 2023, 177, "Flanders", 12), ("hill-2024", 2024, 177, "Flanders", 5)]


def test_a_site_may_have_a_cube_a_year(empty, original, tmp_path):
    original.to_netcdf(tmp_path / "first.nc", engine="h5netcdf")
    original.assign_coords(t=original["t"] + np.timedelta64(366, "D")).to_netcdf(tmp_path / "second.nc", engine="h5netcdf")
    (tmp_path / "manifest.csv").write_text("site;file;crop\nhill;first.nc;Oat\nhill;second.nc;Pea\nhill;first.nc;Oat\n")
    report = run(tmp_path, "--collection", "years", code=1)["report"]
    with empty.store.reading() as db:
        found = db.execute("select name, year, inventory_code from sample order by name").fetchall()
    assert [tuple(row) for row in found] == [("hill-2023", 2023, 136), ("hill-2024", 2024, 162)]
    assert report["left_out"]["images that a sample has twice"]["names"] == ["manifest.csv line 4"]


def test_cubes_that_cannot_be_read_are_named_and_the_good_one_comes_in(empty, original, tmp_path):
    (tmp_path / "good.nc").write_bytes(CUBE.read_bytes())
    (tmp_path / "cut.nc").write_bytes(CUBE.read_bytes()[:20_000])
    (tmp_path / "text.nc").write_text("<html>not found</html>")
    original.drop_vars("crs").to_netcdf(tmp_path / "nowhere.nc", engine="h5netcdf")
    original[["crs", "S2-L2A-AOT"]].to_netcdf(tmp_path / "bandless.nc", engine="h5netcdf")
    original[["crs", "S2-L2A-B04"]].to_netcdf(tmp_path / "one_band.nc", engine="h5netcdf")
    original.isel(x=[0, 1, 3, 7]).to_netcdf(tmp_path / "uneven.nc", engine="h5netcdf")
    original.isel(t=0, drop=True).drop_encoding().to_netcdf(tmp_path / "timeless.nc", engine="h5netcdf")
    report = run(tmp_path, "--collection", "mixed", "--bands", "B04,B08", code=1)["report"]
    assert report["done"] == 1
    assert {kind: sorted(entry["names"]) for kind, entry in report["left_out"].items()} == {
        "unreadable files": ["cut.nc", "text.nc"], "rasters without CRS": ["nowhere.nc"], "cubes without bands": ["bandless.nc"],
        "files without a needed band": ["one_band-2023"], "uneven grids": ["uneven.nc"], "cubes without a needed axis": ["timeless.nc"],
    }  # fmt: skip


def test_a_card_without_the_bands_of_true_colour_shows_grey_and_the_views_it_has(empty):
    run(CUBE)
    with empty.store.reading() as db:
        name = db.execute("select name from collection").fetchone()["name"]
    record, card, patch = cards.collection_record(empty.store, name), cards.card(empty, 1), catalogue.patch(empty, 1)
    assert record["views"] == [
        {"name": "true", "title": "B04 in grey (no true colour)"}, {"name": "ndvi", "title": "NDVI"},
    ]  # fmt: skip
    assert {index["name"] for index in record["indices"]} == set(indices.available(BANDS)) == {"NDVI", "OSAVI"}
    sprite = np.array(Image.open(io.BytesIO(base64.b64decode(card["sprite"].split(",")[1]))))
    assert sprite.shape[0] == 2 * card["height"]
    shown = display.rgba(patch.pixels[1], patch.bands, "true")
    np.testing.assert_array_equal(shown[..., 0], shown[..., 2])
    assert shown[..., 3].all() and shown[..., 0].std() > 1
    assert not display.rgba(patch.pixels[1], patch.bands, "nir").any()


def test_screening_uses_the_bands_that_there_are():
    blue, nir = np.array([0.05, 0.30, 0.05, np.nan]), np.array([0.30, 0.30, 0.05, 0.30])
    assert screening.clear_pixels({"B02": blue, "B08": nir}, "L2A").tolist() == [True, False, False, False]
    assert screening.clear_pixels({"B08": nir}, "L2A").tolist() == [True, True, False, True]
    assert screening.clear_pixels({"B11": blue}, "L2A").tolist() == [True, True, True, False]
