"""Ingest from a real STAC API over real imagery: which pixels come out, and what happens when things fail."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from data import catalogue, shards
from data.__main__ import main
from data.errors import BadInput
from data.ingest import composites, fetching, grids, offsets, planning, providers, reading, running, scenes
from data.ingest.offsets import Verdict
from data.ingest.reading import Asset, Unreadable
from data.ingest.settings import Settings, from_json
from data.ingest.sites import Site
from data.report import Report
from data.workspace import Workspace
from tests.conftest import ROOT
from tests.stac_world import REPROCESSED, SCENES, SLOVENIA, StacWorld

MASKED = (0, 1, 3, 8, 9, 10)
FEW = ("B02", "B04", "B08", "B11")
SUMMER = Settings("summer", years=(2015,), months=(7, 8, 9), bands=FEW)


def site(name: str, place: tuple[float, float], **more) -> Site:
    return Site(
        **{"name": name, "lon": place[0], "lat": place[1], "region": "Slovenia", "polygon": None, "crop": None, "years": None} | more
    )


def provider_of(world: StacWorld) -> providers.Provider:
    preset = providers.named(world.provider)
    if world.provider == "cdse":
        return replace(preset, url=world.url, gdal={"AWS_S3_ENDPOINT": world.host, "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"})
    return replace(preset, url=world.url, sign_url=world.token_url if preset.sign_url else "")


def ingest(workspace: Workspace, world: StacWorld, settings: Settings, sites: list[Site], **how) -> Report:
    report = Report()
    plan = planning.obtain(workspace, settings, provider_of(world), sites, report)
    running.run(workspace, plan, report, tell=lambda done, total, what: None, **how)
    return report


def patch(workspace: Workspace, name: str, collection: str = "summer") -> catalogue.Patch:
    return catalogue.patch(workspace, catalogue.sample_id(workspace.store, collection, name))


def contents(workspace: Workspace, collection: str = "summer") -> tuple:
    """Everything that an ingest leaves: rows and the files' bytes."""
    with workspace.store.reading() as db:
        rows = [
            [tuple(row) for row in db.execute(f"select * from {table}")]
            for table in ("collection", "legend_class", "site", "sample", "image", "index_stat", "aci_history")
        ]
    files = {path.name: path.read_bytes() for path in sorted(workspace.shards(collection).glob("*.npy"))}
    return rows, files


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


def places(world: StacWorld, *names: str) -> list[Site]:
    return [site(name, world.sites[name]) for name in names]


# Pixels


def seen_by_rasterio(world: StacWorld, item, band: str, grid: catalogue.Patch, resampling=Resampling.nearest) -> np.ndarray:
    """A band on the patch's grid, warped by rasterio's own virtual raster."""
    height, width = grid.pixels.shape[-2:]
    with (
        rasterio.open(world.files[item.paths[band]]) as file,
        WarpedVRT(
            file, crs=grid.crs, transform=Affine(*grid.transform), width=width, height=height, resampling=resampling, nodata=0, src_nodata=0
        ) as warped,
    ):
        return warped.read(1)


def test_a_composite_is_the_median_of_the_clear_pixels(empty, world):
    ingest(empty, world, SUMMER, places(world, "overlap", "west"))
    for name in ("overlap-2015", "west-2015"):
        made = patch(empty, name)
        for slot, month in enumerate(("2015-07", "2015-08", "2015-09")):
            days = sorted({item.scene.day for item in world.items.values() if item.scene.day.startswith(month)})
            stack = []
            for day in days:
                tiles = [item for item in world.items.values() if item.scene.day == day and item.scene.offset != "lying"]
                if not tiles:
                    continue  # the scene that lies about its offset
                tiles.sort(key=lambda item: (f"EPSG:{item.epsg}" != made.crs, item.id))
                image = np.full((len(FEW), 64, 64), np.nan)
                for item in tiles:
                    values = np.stack([seen_by_rasterio(world, item, band, made) for band in FEW]).astype(float)
                    classes = seen_by_rasterio(world, item, "SCL", made)
                    whole = (values > 0).all(axis=0)
                    reflectance = np.maximum(values - 1000, 1) if item.shifted else values
                    first = whole & np.isnan(image).all(axis=0)
                    image[:, first] = np.where(np.isin(classes, MASKED), -1, reflectance)[:, first]
                stack.append(np.where(image == -1, np.nan, image))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # pixels that no date shows
                clear_enough = [image for image in stack if np.isfinite(image[0]).mean() >= 0.05]
                expected = np.nan_to_num(np.rint(np.nanmedian(clear_enough, axis=0)))
            np.testing.assert_array_equal(made.pixels[slot], expected)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32632", "EPSG:3978"])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("band", ["B04", "B11"])
def test_a_patch_has_the_pixels_that_rio_warp_makes(world, tmp_path, crs, resampling, band):
    item = world.item_of("2015-07-11")
    grid = grids.around(*world.sites["centre"], 48, crs)
    read = reading.read(Asset(item.id, band, world.base + item.paths[band]), [grid], provider_of(world), resampling)[0]
    command = [
        str(Path(sys.executable).with_name("rio")), "warp", str(world.files[item.paths[band]]), str(tmp_path / "warped.tif"),
        "--dst-crs", crs, "--bounds", *map(str, grid.bounds), "--res", "10", "--resampling", resampling,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    with rasterio.open(tmp_path / "warped.tif") as warped:
        assert tuple(warped.transform)[:6] == grid.transform
        np.testing.assert_array_equal(read, warped.read(1))


def test_three_providers_give_the_same_pixels(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    july = [scene for scene in SLOVENIA if scene.day.startswith("2015-07")]
    made = {}
    for name in ("earth-search", "planetary-computer", "cdse"):
        workspace = Workspace(tmp_path / name).create()
        with StacWorld(tmp_path / f"{name}-world", provider=name, scenes=tuple(july), bands=FEW) as world:
            report = ingest(workspace, world, replace(SUMMER, months=(7,)), places(world, "centre"))
        assert (report.done, report.left_out, report.remarks) == (1, [], [])
        made[name] = patch(workspace, "centre-2015").pixels
    np.testing.assert_array_equal(made["earth-search"], made["planetary-computer"])
    np.testing.assert_array_equal(made["earth-search"], made["cdse"])


def test_a_signature_that_has_expired_is_asked_for_again(empty, tmp_path):
    with StacWorld(tmp_path / "world", provider="planetary-computer", scenes=SLOVENIA[1:2], bands=FEW) as world:
        ingest(empty, world, replace(SUMMER, collection="first"), places(world, "centre"))
        world.expire_tokens()
        assert ingest(empty, world, replace(SUMMER, collection="second"), places(world, "centre")).done == 1


def test_every_acquisition_keeps_its_classes_and_its_true_date(empty, world):
    settings = replace(SUMMER, composites=False)
    ingest(empty, world, settings, places(world, "centre", "west"))
    made = patch(empty, "west-2015")
    with empty.store.reading() as db:
        rows = db.execute(
            "select i.* from image i join sample s on s.id = i.sample where s.name = 'west-2015' order by slot"
        ).fetchall()  # fmt: skip
    names = catalogue.collection(empty.store, "summer").slot_names
    assert [row["acquired"] for row in rows] == [names[row["slot"]] for row in rows]
    assert "2015-08-20" not in {row["acquired"] for row in rows}, "a wholly cloudy date is not fetched"
    slot = names.index("2015-07-31")
    item = world.item_of("2015-07-31")
    np.testing.assert_array_equal(made.pixels[slot, 0], seen_by_rasterio(world, item, "B02", made))
    classes = shards.read_row(empty.shards("summer"), "0000", _row(empty, "west-2015"), ".scl")
    np.testing.assert_array_equal(classes[slot], seen_by_rasterio(world, item, "SCL", made))
    shown = (made.pixels > 0).any(axis=(0, 1))
    clear = (~np.isin(classes[slot], MASKED))[shown]
    assert rows[[row["acquired"] for row in rows].index("2015-07-31")]["clear"] == pytest.approx(clear.mean(), abs=1e-4)


def _row(workspace: Workspace, name: str) -> int:
    with workspace.store.reading() as db:
        return db.execute("select shard_row from sample where name = ?", [name]).fetchone()[0]


def test_sites_with_different_dates_get_slots_of_their_own(empty, world):
    far = [site("slovenia", world.sites["centre"]), site("belgium", world.sites["belgium"])]
    settings = Settings("summer", start="2015-09-01", end="2021-12-31", composites=False, bands=("B02", "B04", "B08"))
    ingest(empty, world, settings, far)
    collection = catalogue.collection(empty.store, "summer")
    assert not collection.aligned
    assert collection.slot_names == tuple(map(str, range(1, collection.slots + 1)))
    with empty.store.reading() as db:
        rows = db.execute(
            "select s.name, i.slot, i.acquired from image i join sample s on s.id = i.sample order by s.name, i.slot"
        ).fetchall()  # fmt: skip
    belgian = [(row["slot"], row["acquired"]) for row in rows if row["name"].startswith("belgium")]
    assert belgian == [(0, "2021-06-15"), (1, "2021-07-15"), (2, "2021-08-15")]


def test_several_years_share_the_slots_of_their_months(empty, world):
    both = [site("slovenia", world.sites["centre"]), site("belgium", world.sites["belgium"])]
    report = ingest(empty, world, Settings("summer", years=(2015, 2021), months=(7, 8), bands=("B02", "B04", "B08")), both)
    assert catalogue.collection(empty.store, "summer").slot_names == ("07", "08")
    assert {problem.name for problem in report.left_out} == {"slovenia-2021", "belgium-2015"}
    with empty.store.reading() as db:
        assert {row[0] for row in db.execute("select acquired from image")} == {"2015-07", "2015-08", "2021-07", "2021-08"}


def test_a_field_outline_decides_which_pixels_make_the_series(empty, world):
    lon, lat = world.sites["centre"]
    ring = [[lon - 0.001, lat - 0.0006], [lon + 0.001, lat - 0.0006], [lon + 0.001, lat + 0.0006], [lon - 0.001, lat + 0.0006]]
    field = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    ingest(empty, world, SUMMER, [site("field", (lon, lat), polygon=field)])
    made = patch(empty, "field-2015")
    inside = grids.inside(field, grids.around(lon, lat, 64, "utm"))
    assert 0 < inside.sum() < 400
    np.testing.assert_allclose(made.series[0], made.pixels[0][:, inside].mean(axis=1) / 10_000, rtol=1e-5)


def test_a_pixel_needs_its_share_of_clear_observations():
    def image(values, clear):
        return composites.Image("2019-06-01", np.array(values, np.uint16)[None, None], np.zeros((1, 3), np.uint8), np.array([clear]), ())

    stack = [image([10, 10, 10], [True, True, False]), image([20, 20, 20], [True, False, False]), image([31, 30, 30], [True, False, True])]
    assert composites.median(stack, 0.0).tolist() == [[[20, 10, 30]]]
    assert composites.median(stack, 0.5).tolist() == [[[20, 0, 0]]]


# Offsets


def test_offsets_follow_the_baseline_and_what_the_provider_says(world):
    plan = planning.make(SUMMER, provider_of(world), places(world, "centre"))
    said = {scene.id: scene.offset for scene in plan.scenes.values()}
    for item in world.items.values():
        if item.id in said:
            assert said[item.id] == (item.shifted and item.scene.offset != "lying"), item.scene


def test_a_scene_that_lies_about_its_offset_is_reported_and_kept_out_of_composites(empty, world):
    report = ingest(empty, world, SUMMER, places(world, "centre"))
    liar = world.item_of("2015-08-30").id
    assert {(problem.kind, problem.name) for problem in report.remarks} == {("scenes whose offset is not what they say", liar)}
    with empty.store.reading() as db:
        assert not [row for row in db.execute("select source from image") if liar in row["source"]]


def test_a_scene_that_lies_about_its_offset_is_bad_among_the_acquisitions(empty, world):
    ingest(empty, world, replace(SUMMER, composites=False), places(world, "centre"))
    with empty.store.reading() as db:
        quality = {row["acquired"]: row["quality"] for row in db.execute("select acquired, quality from image")}
    assert quality["2015-08-30"] == "bad"
    assert quality["2015-07-11"] == "ok"


def test_an_offset_that_was_taken_off_already_is_not_taken_off_again():
    floors, said = [180.0, 210.0, 1195.0, None], [False, True, True, True]
    assert offsets.verdicts(floors, said) == [Verdict.FITS, Verdict.ABSENT, Verdict.FITS, Verdict.FITS]


def test_reflectance_below_zero_does_not_become_no_data():
    pixels = np.array([0, 1, 999, 1000, 1001, 5000], np.uint16)
    assert offsets.harmonised(pixels, True).tolist() == [0, 1, 1, 1, 1, 4000]
    assert offsets.harmonised(pixels, False).tolist() == pixels.tolist()


def test_of_a_scene_that_was_processed_again_the_newer_is_taken(tmp_path):
    with StacWorld(tmp_path / "world", scenes=(*SCENES, REPROCESSED), bands=FEW) as world:
        plan = planning.make(SUMMER, provider_of(world), places(world, "centre"))
    same_day = [scene for scene in plan.scenes.values() if scene.day == REPROCESSED.day]
    assert [scene.baseline for scene in same_day] == [REPROCESSED.baseline]


# Plans


def test_a_plan_says_what_will_be_fetched(world):
    plan = planning.make(SUMMER, provider_of(world), places(world, "centre", "overlap", "outside"))
    facts = planning.summary(plan, 64)
    assert plan.without == ("outside-2015",)
    assert (facts["samples"], facts["scenes"]) == (2, len(plan.scenes))
    assert sum(month["scenes"] for month in facts["months"]) == facts["scenes"]
    assert facts["bytes"] > 0
    assert facts["seconds"] > 0


def test_the_bytes_of_a_plan_are_about_those_that_are_fetched(empty, world):
    plan = planning.obtain(empty, SUMMER, provider_of(world), places(world, "centre"), Report())
    expected = planning.summary(plan, 64)["bytes"]
    world.reset_counts()
    running.run(empty, plan, Report(), tell=lambda *_: None)
    assert 0.3 < world.bytes / expected < 3


def test_a_kept_plan_is_used_again_and_other_settings_are_refused(empty, world):
    sites = places(world, "centre")
    ingest(empty, world, SUMMER, sites)
    world.reset_counts()
    ingest(empty, world, SUMMER, sites)
    assert not world.requests, "a finished ingest asks for nothing"
    with pytest.raises(BadInput, match="already a collection summer, made of other sites or with other settings"):
        ingest(empty, world, replace(SUMMER, max_cloud=10), sites)
    with pytest.raises(BadInput, match="already a collection"):
        ingest(empty, world, SUMMER, places(world, "west"))


def test_cloudier_scenes_than_wanted_are_not_planned(world):
    plan = planning.make(replace(SUMMER, max_cloud=5), provider_of(world), places(world, "centre"))
    assert plan.scenes
    assert all(scene.cloud <= 5 for scene in plan.scenes.values())


def test_scenes_without_a_needed_band_are_named_and_left_out_at_every_call(empty, world):
    wanted = Settings("c", years=(2021,), months=(6, 7, 8), bands=("B02", "B8A"))
    for _ in range(2):
        report = Report()
        plan = planning.obtain(empty, wanted, provider_of(world), places(world, "belgium"), report)
        assert not plan.targets
        found = [(problem.kind, problem.fact) for problem in report.left_out if problem.kind != planning.NO_SCENE]
        assert found == [("scenes without a needed band", "B8A")] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bands": ("B02", "B99")}, "no band B99"),
        ({"years": ()}, "either years"),
        ({"years": (), "start": "2015-09-01", "end": "2015-06-01"}, "ends .* before it starts"),
        ({"years": (), "start": "June", "end": "July"}, "'June' is no date"),
        ({"months": (6, 13)}, "Months are 1 to 12"),
        ({"months": ()}, "Months are 1 to 12, not none"),
        ({"years": (0,)}, "0 are no years"),
        ({"collection": "../elsewhere"}, "cannot be a collection's name"),
        ({"size": 0}, "patch of 0 pixels"),
        ({"resampling": "cubic"}, "no resampling 'cubic'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(BadInput, match=message):
        replace(SUMMER, **values).check()


def test_settings_survive_being_written_down():
    assert from_json(json.loads(json.dumps(SUMMER.as_json()))) == SUMMER


# Grids


def test_grids_lie_on_whole_tens_of_metres_around_the_place():
    for lon, lat in ((-113.5, 53.5), (-60.01, 46.2), (-141.0, 69.9), (-75.0, 82.5), (179.9999, 65.0), (-179.9999, 65.0)):
        grid = grids.around(lon, lat, 64, "utm")
        assert grid.left % 10 == grid.top % 10 == 0
        left, bottom, right, top = grid.bounds
        x, y = rasterio.warp.transform("EPSG:4326", grid.crs, [lon], [lat])
        assert abs((left + right) / 2 - x[0]) <= 5.001
        assert abs((bottom + top) / 2 - y[0]) <= 5.001


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((-113.5, 53.5), "EPSG:32612"),
        ((15, -20), "EPSG:32733"),
        ((180, 60), "EPSG:32660"),
        ((-180, 60), "EPSG:32601"),
        ((0, 89), "EPSG:5041"),
    ],
)
def test_the_zone_of_a_place(place, expected):
    assert grids.utm(*place) == expected


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:999999", "nonsense", "EPSG:2263"])
def test_a_grid_needs_a_projection_in_metres(crs):
    with pytest.raises(BadInput, match=r"no coordinate reference system|not in metres"):
        grids.around(-73, 40, 64, crs)


def test_searches_never_cross_the_antimeridian():
    boxes = scenes._cells([(179.99, 65.0), (-179.99, 65.0), (-179.98, 65.01)], 480)
    assert len(boxes) == 2
    assert all(-180 <= west < east <= 180 for west, _, east, _ in boxes)


# Failures


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "times": 2}, {"status": 429, "retry_after": 0, "times": 2}, {"status": 500, "times": 5},
        {"truncate": True, "times": 2}, {"html": True, "times": 1}, {"slow": 6, "times": 1},
    ],
    ids=lambda fault: next(iter(fault)) + str(fault.get("status", "")),
)  # fmt: skip
def test_a_failure_that_passes_changes_nothing(empty, tmp_path, world, fault):
    undisturbed = Workspace(tmp_path / "undisturbed").create()
    ingest(undisturbed, world, SUMMER, places(world, "centre"))
    injected = world.faults.add("*red.tif", **fault)
    report = ingest(empty, world, SUMMER, places(world, "centre"))
    assert injected.seen > 0
    assert (report.done, report.left_out) == (1, [])
    assert contents(empty) == contents(undisturbed)


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 404}, {"truncate": True}, {"html": True}], ids=lambda fault: str(*fault))
def test_a_failure_that_stays_is_reported_by_site_and_the_rest_goes_on(empty, tmp_path, world, fault):
    sites, small = places(world, "west", "east"), replace(SUMMER, size=24)
    world.faults.add("*33TWL*nir.tif", **fault)
    report = ingest(empty, world, small, sites)
    assert [(problem.kind, problem.name) for problem in report.left_out] == [(fetching.BROKEN, "east-2015")]
    assert report.left_out[0].fact.startswith("B08 of S2A_33TWL_20150909")
    assert report.done == 1

    world.faults.clear()
    assert ingest(empty, world, small, sites).done == 2
    at_once = Workspace(tmp_path / "at-once").create()
    ingest(at_once, world, small, sites)
    np.testing.assert_array_equal(patch(empty, "east-2015").pixels, patch(at_once, "east-2015").pixels)


def test_broken_scenes_can_be_left_out_of_their_samples(empty, world):
    world.faults.add("*33TWL*nir.tif", status=404)
    report = ingest(empty, world, replace(SUMMER, drop_broken=True), places(world, "east"))
    assert (report.done, report.left_out) == (1, [])
    assert "samples made without scenes that cannot be read" in {problem.kind for problem in report.remarks}


def test_a_file_that_cannot_be_read_says_why(world):
    with pytest.raises(Unreadable, match=r"404|not recognized|does not exist"):
        reading.read(Asset("s", "B04", f"{world.base}/nothing.tif"), [grids.around(15, 46, 8, "utm")], provider_of(world), "nearest")


@pytest.mark.parametrize(
    ("fault", "message"), [({"html": True}, "cannot be read as a STAC API"), ({"status": 404}, "not as a STAC API|cannot be read")]
)
def test_a_server_that_is_no_stac_api_is_named(world, fault, message):
    world.faults.add("/", **fault)
    world.faults.add("/collections*", **fault)
    with pytest.raises(BadInput, match=message):
        planning.make(SUMMER, provider_of(world), places(world, "centre"))


def test_a_search_that_is_answered_with_a_page_is_named(world):
    world.faults.add("/search", html=True)
    with pytest.raises(BadInput, match=r"did not answer a search: .*Run the same command again later"):
        planning.make(SUMMER, provider_of(world), places(world, "centre"))


def test_a_search_that_fails_now_and_then_is_asked_again(world):
    fault = world.faults.add("/search", status=503, retry_after=0, times=2)
    assert planning.make(SUMMER, provider_of(world), places(world, "centre")).scenes
    assert fault.seen == 2


def test_an_unknown_provider_is_answered_with_the_known_ones():
    with pytest.raises(BadInput, match="earth-search, planetary-computer, cdse, or give the address"):
        providers.named("landsat")


def test_any_address_with_a_band_mapping_is_a_provider(empty, world):
    assets = {**providers.PRESETS["earth-search"].assets}
    plan = planning.make(SUMMER, providers.named(world.url, assets=assets), places(world, "centre"))
    assert plan.scenes


# Kills, commands, clusters


def command(world: StacWorld, csv: Path, *more: str) -> list[str]:
    assets = csv.with_name("bands.json")
    assets.write_text(json.dumps(providers.PRESETS["earth-search"].assets))
    return [
        "ingest", str(csv), "--collection", "summer", "--provider", world.url, "--band-map", str(assets), "--years", "2015", "--months",
        "7-9", "--bands", ",".join(FEW), "--size", "24", "--crop-column", "crop", *more,
    ]  # fmt: skip


@pytest.fixture
def sites_csv(tmp_path, world) -> Path:
    path = tmp_path / "sites.csv"
    rows = [f"p{number},{lon},{lat},145" for number, (lon, lat) in enumerate(world.points(12, margin=200))]
    path.write_text("\n".join(["name,longitude,latitude,crop", *rows]))
    return path


def test_an_ingest_that_is_killed_anywhere_ends_in_the_identical_collection(tmp_path, world, sites_csv):
    script = (
        "import sys; from data.ingest import running; running.MOST_A_SHARD.update({True: 2, False: 2}); "
        "from data.__main__ import main; main(sys.argv[1:])"
    )

    def run(home: Path) -> subprocess.Popen:
        environment = os.environ | {"CROPCHECK_HOME": str(home)}
        return subprocess.Popen(
            [sys.executable, "-c", script, *command(world, sites_csv, "--json")], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
        )

    begun = time.monotonic()
    assert run(tmp_path / "whole").wait() == 0
    seconds = time.monotonic() - begun
    whole = contents(Workspace(tmp_path / "whole"))
    killed = Workspace(tmp_path / "killed")
    chance = random.Random(0)
    for _ in range(10):
        child = run(killed.home)
        time.sleep(chance.uniform(0.3, 1.0) * seconds)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        _agree(killed)
    assert run(killed.home).wait() == 0
    assert contents(killed) == whole


def _agree(workspace: Workspace) -> None:
    """Every row of the catalogue has its pixels."""
    if not workspace.exists():
        return
    workspace.create()
    with workspace.store.reading() as db:
        rows = db.execute("select shard, max(shard_row) as last, count(*) as n from sample group by shard").fetchall()
    for row in rows:
        for kind in ("", ".series"):
            assert len(shards.open_map(shards.path_of(workspace.shards("summer"), row["shard"], kind))) == row["n"] == row["last"] + 1


def test_the_command_fetches_labels_and_reports(empty, world, sites_csv):
    sites_csv.write_text(sites_csv.read_text() + "\noff,20.0,46.0,145\n")
    result = CliRunner().invoke(main, command(world, sites_csv, "--json"))
    assert result.exit_code == 1, "a site was left out"
    told = json.loads(result.stdout)
    assert told["samples"] == 12
    assert told["report"]["left_out"][planning.NO_SCENE]["names"] == ["off-2015"]
    with empty.store.reading() as db:
        assert {row[0] for row in db.execute("select distinct inventory_code from sample")} == {145}
    allowed = CliRunner().invoke(main, command(world, sites_csv, "--json", "--allow-missing"))
    assert allowed.exit_code == 0


@pytest.mark.parametrize("images", ["--composites", "--acquisitions"])
def test_an_ingest_that_finds_nothing_says_so_and_makes_no_collection(empty, world, sites_csv, images):
    argv = [argument.replace("2015", "1999") for argument in command(world, sites_csv, "--json", images, "--inventory", "any.tif")]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["samples"] == 0
    assert told["report"]["left_out"][planning.NO_SCENE]["count"] == 12
    assert catalogue.collections(empty.store) == []


def test_the_command_takes_labels_and_history_from_inventories(empty, tmp_path, world, sites_csv):
    grid = grids.around(*world.sites["centre"], 400, "utm")
    for year, west, east in ((2014, 147, 158), (2015, 153, 146)):
        codes = np.full((400, 400), west, np.uint8)
        codes[:, 200:] = east
        with rasterio.open(
            tmp_path / f"aci_{year}_si.tif", "w", width=400, height=400, count=1, dtype="uint8", crs=grid.crs, nodata=0,
            transform=Affine(*grid.transform),
        ) as file:  # fmt: skip
            file.write(codes, 1)
    sites_csv.write_text("\n".join(line.rpartition(",")[0] for line in sites_csv.read_text().splitlines()))
    argv = [argument for argument in command(world, sites_csv, "--json") if argument not in ("--crop-column", "crop")]
    argv += ["--inventory", str(tmp_path / "aci_2014_si.tif"), "--inventory", str(tmp_path / "aci_2015_si.tif")]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 0, result.output
    middle = (grid.bounds[0] + grid.bounds[2]) / 2
    with empty.store.reading() as db:
        rows = db.execute(
            """select s.inventory_code, t.lon, t.lat, h.code as before from sample s join site t on t.id = s.site
            join aci_history h on h.site = t.id and h.year = 2014"""
        ).fetchall()
    assert len(rows) == 12
    for row in rows:
        x, _ = rasterio.warp.transform("EPSG:4326", grid.crs, [row["lon"]], [row["lat"]])
        assert (row["inventory_code"], row["before"]) == ((153, 147) if x[0] < middle else (146, 158))
    assert CliRunner().invoke(main, argv).exit_code == 0, "the same command again has nothing to do"


def test_the_command_can_stop_at_the_plan(empty, world, sites_csv):
    result = CliRunner().invoke(main, command(world, sites_csv, "--plan"))
    assert result.exit_code == 0, result.output
    assert "12 samples of 12 sites" in result.stdout
    assert catalogue.collections(empty.store) == []


def test_a_dask_cluster_makes_the_same_collection(empty, tmp_path, world):
    from dask.distributed import LocalCluster

    alone = Workspace(tmp_path / "alone").create()
    ingest(alone, world, SUMMER, places(world, "centre", "west"))
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        ingest(empty, world, SUMMER, places(world, "centre", "west"), scheduler=cluster.scheduler_address)
    assert contents(empty) == contents(alone)


def test_a_scheduler_that_does_not_answer_is_named(empty, world, monkeypatch):
    monkeypatch.setattr(running, "SCHEDULER_SECONDS", 1)
    with pytest.raises(BadInput, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        ingest(empty, world, SUMMER, places(world, "centre"), scheduler="tcp://127.0.0.1:9")
