"""The STAC API that the ingest is tested against does what it says."""

import time

import numpy as np
import pystac_client
import pytest
import rasterio
import requests
from pystac_client.exceptions import APIError
from rasterio.env import Env
from rasterio.errors import RasterioIOError

from tests.stac_world import COLLECTION, FIVE_DAYS, PROVIDERS, SLOVENIA, StacWorld, image

QUIET = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "VSI_CACHE": "FALSE", "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/"}
PATCH = 64


@pytest.fixture(scope="module", params=PROVIDERS)
def any_world(request, tmp_path_factory):
    with StacWorld(tmp_path_factory.mktemp(request.param), provider=request.param) as world:
        yield world


@pytest.fixture(scope="module")
def earth(tmp_path_factory):
    with StacWorld(tmp_path_factory.mktemp("earth")) as world:
        yield world


@pytest.fixture
def world(earth):
    earth.faults.clear()
    earth.reset_counts()
    return earth


def searched(world, **how):
    return list(pystac_client.Client.open(world.url).search(collections=[COLLECTION], **how).items())


def read(world, item, band):
    address = f"/vsicurl/{world.base}{world.path(item.id, band)}"
    with Env(**QUIET), rasterio.open(address) as file:
        return file.read(1)


def s3_options(world):
    return QUIET | {
        "AWS_S3_ENDPOINT": world.host,
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


def test_a_search_finds_the_scenes_over_a_point_page_by_page(any_world):
    any_world.reset_counts()
    point = {"type": "Point", "coordinates": any_world.sites["overlap"]}
    found = searched(any_world, intersects=point, datetime="2015-09-01/2015-09-30", limit=2)
    assert [item.datetime.day for item in found] == [9, 9, 16, 16, 29]
    assert any_world.requests["/search"] == 3  # two items a page


def test_a_point_off_every_scene_finds_nothing(world):
    assert searched(world, intersects={"type": "Point", "coordinates": world.sites["outside"]}) == []


def test_the_client_cannot_leave_cloud_cover_to_this_server(world):
    with pytest.warns(match="does not conform to QUERY"):
        assert searched(world, query={"eo:cloud_cover": {"lt": 20}}) == []
    assert pystac_client.Client.open(world.url).conforms_to("QUERY") is False


def test_every_file_holds_the_truth_with_the_offset_where_the_scene_has_it(world):
    for item in world.items.values():
        for band, truth in item.truth.items():
            added = 1000 if item.shifted and band != "SCL" else 0
            assert np.array_equal(read(world, item, band), np.where(truth == 0, 0, truth.astype(int) + added)), (item.id, band)


def test_the_lying_item_says_that_the_offset_is_applied_and_it_is_not(world):
    item = world.item_of("2015-08-30")
    assert item.stac["properties"]["earthsearch:boa_offset_applied"] is True
    assert read(world, item, "B12").min() > 1000


def test_files_say_where_they_are(world):
    item = world.item_of("2015-09-16", "32TRR")
    with Env(**QUIET), rasterio.open(f"/vsicurl/{world.base}{world.path(item.id, 'B05')}") as file:
        assert (file.crs.to_epsg(), file.res, file.nodata) == (32632, (20, 20), 0)
        assert list(file.transform)[:6] == item.stac["assets"]["rededge1"]["proj:transform"]


def test_the_two_tiles_of_a_day_show_the_same_ground_in_their_overlap(world):
    west, east = (world.item_of("2015-09-09", tile).truth["B04"] for tile in ("33TVL", "33TWL"))
    assert np.array_equal(west[:, 36:], east[:, :24])
    assert np.array_equal(np.hstack([west, east[:, 24:]]), image("slovenia_2015-09-09")["B04"])


def test_the_swath_ends_in_a_corner_without_data(world):
    truth = world.item_of("2015-07-18").truth
    assert truth["B04"][0, 0] == truth["SCL"][0, 0] == 0
    assert truth["B04"][-1, -1] > 0 and 0.02 < (truth["SCL"] == 0).mean() < 0.2


def test_clouds_are_where_the_images_are_bright(world):
    masked = {day: np.isin(world.item_of(day).truth["SCL"], (3, 8, 9, 10)).mean() for day in ("2015-07-11", "2015-07-31", "2015-08-20")}
    assert masked["2015-07-11"] < 0.01 and 0.2 < masked["2015-07-31"] < 0.8 and masked["2015-08-20"] > 0.99


def test_a_window_is_read_by_ranges(tmp_path):
    with StacWorld(tmp_path, scenes=FIVE_DAYS[:1], size=600, bands=("B08",), block=128) as world:
        item = next(iter(world.items.values()))
        whole = world.files[world.path(item.id, "B08")].stat().st_size
        with Env(**QUIET), rasterio.open(f"/vsicurl/{world.base}{world.path(item.id, 'B08')}") as file:
            got = file.read(1, window=((0, PATCH), (0, PATCH)))
        assert np.array_equal(got, item.truth["B08"][:PATCH, :PATCH])
        assert 0 < world.bytes < whole / 3


def test_planetary_computer_wants_a_signature_and_an_old_one_does_not_do(tmp_path):
    with StacWorld(tmp_path, provider="planetary-computer", scenes=SLOVENIA[:1], bands=("B04",)) as world:
        href = world.item_of("2015-06-21").stac["assets"]["B04"]["href"]
        token = requests.get(world.token_url, timeout=10).json()["token"]
        assert requests.get(href, timeout=10).status_code == 409
        assert requests.get(f"{href}?{token}", timeout=10).status_code == 200
        world.expire_tokens()
        assert requests.get(f"{href}?{token}", timeout=10).status_code == 403
        assert world.token_url.endswith("/api/sas/v1/token/sentinel-2-l2a")


def test_copernicus_files_come_by_s3_with_a_key_and_by_https_with_a_token(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with StacWorld(tmp_path, provider="cdse", scenes=SLOVENIA[1:2], bands=("B04",)) as world:
        item = world.item_of("2015-07-11")
        asset = item.stac["assets"]["B04_10m"]
        assert asset["href"].startswith("s3://eodata/Sentinel-2/MSI/L2A/2015/07/11/") and asset["raster:offset"] == -0.1
        with Env(**s3_options(world)), rasterio.open(asset["href"].replace("s3://", "/vsis3/")) as file:
            assert np.array_equal(file.read(1), item.truth["B04"] + 1000)
        other = asset["alternate"]["https"]["href"]
        assert requests.get(other, timeout=10).status_code == 401
        assert requests.get(other, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 200
        assert requests.get(f"{world.base}{item.paths['B04']}", timeout=10).status_code == 403


def test_a_fault_is_answered_as_often_as_asked_and_then_never_again(world):
    path = world.path(world.item_of("2015-07-11").id, "B04")
    fault = world.faults.add("*/S2A_33TVL_20150711_0_L2A/red.tif", status=429, retry_after=1, times=2)
    answers = [requests.get(world.base + path, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1" and fault.seen == 2 and world.requests[path] == 3


def test_a_truncated_body_ends_early(world):
    world.faults.add("*/red.tif", truncate=True, times=1)
    path = world.path(world.item_of("2015-07-11").id, "B04")
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(world.base + path, timeout=10)
    assert requests.get(world.base + path, timeout=10).ok


def test_a_page_instead_of_an_image_cannot_be_opened(world):
    world.faults.add("*/red.tif", html=True)
    with pytest.raises(RasterioIOError):
        read(world, world.item_of("2015-07-11"), "B04")


def test_a_slow_answer_runs_into_the_time_limit(world):
    world.faults.add("*/red.tif", slow=1.0, times=1)
    started = time.monotonic()
    with pytest.raises(requests.exceptions.Timeout):
        requests.get(world.base + world.path(world.item_of("2015-07-11").id, "B04"), timeout=0.1)
    assert time.monotonic() - started < 1


def test_the_api_itself_can_fail_too(world):
    world.faults.add("/search", html=True, times=1)
    with pytest.raises((APIError, ValueError)):
        searched(world)
    assert len(searched(world)) == len(world.items)


def test_points_are_the_same_for_the_same_seed_and_lie_inside(world):
    points = world.points(50, margin=100)
    assert points == world.points(50, margin=100) != world.points(50, margin=100, seed=1)
    west, south, east, north = world.item_of("2015-07-11").stac["bbox"]
    assert all(west < longitude < east and south < latitude < north for longitude, latitude in points)


def test_nothing_of_a_world_is_left_behind(tmp_path):
    with StacWorld(tmp_path, scenes=SLOVENIA[:1], bands=("B04",)) as world:
        pass
    assert world._api.poll() is not None
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(world.base, timeout=2)
