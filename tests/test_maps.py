"""Maps draw without the internet, put every picture in its place, and tell the browser little, however many samples there are."""

import json
import math
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

from data import catalogue, seasons
from data.mapped.pictures import View
from labeling import decisions, maps, overlays, points
from labeling.maps import Detail
from labeling.points import Group, Point, Samples
from tests.conftest import ROOT
from tests.kinds_world import FREE, MONTHLY

FIELDS, CANADA = "bavaria-2018", "canada-simulated-2019"
STATIC = "/cropcheck/app/static"
ADDRESS = re.compile(r"""(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}[^\s"'<>)]*""")
RED, NOTHING = (200, 30, 40, 255), (0, 0, 0, 0)


def point(number=1, lon=11.0, lat=48.0) -> Point:
    return Point(
        id=number, name=f"S{number}", lon=lon, lat=lat, region="Bavaria", year=2018, inventory_code=115, code=115, state="unverified",
        verified=False, flagged=False, purity=1.0, learned="wheat", predicted=None, probability=None,
    )  # fmt: skip


def written(chart) -> str:
    return chart.get_root().render()


def loaded(chart) -> list[str]:
    """The scripts and style sheets that streamlit-folium has the browser load, in its order."""
    elements = [chart, *chart._children.values()]
    return [address for element in elements for kind in ("default_css", "default_js") for _, address in getattr(element, kind, [])]


def addresses(html: str) -> set[str]:
    return {address for address in ADDRESS.findall(html) if "www.w3.org" not in address}


HERE = [[47.9, 10.9], [48.1, 11.1]]


def base(**more):
    return maps.base_map(HERE, STATIC, key="fields", **more)


def test_a_map_asks_no_server_but_ours():
    chart = base()
    assert all(address.startswith(f"{STATIC}/") for address in loaded(chart))
    assert addresses(written(chart)) == set()


def test_every_file_that_a_map_loads_lies_in_static():
    chart = base()
    wanted = {address.removeprefix(f"{STATIC}/") for address in loaded(chart)} | set(re.findall(rf"{STATIC}/([\w./-]+)", written(chart)))
    assert {"vendor/leaflet/leaflet.js", "vendor/draw/leaflet.draw.js", "map.js", "map_points.js", "map.css"} <= wanted
    assert "vendor/background/world.json" in wanted
    assert [name for name in wanted if not (ROOT / "static" / name).is_file()] == []


def test_every_picture_that_a_style_sheet_names_lies_beside_it():
    sheets = [address.removeprefix(f"{STATIC}/") for address in loaded(base()) if address.endswith(".css")]
    for sheet in sheets:
        path = ROOT / "static" / sheet
        named = {name for name in re.findall(r"url\(['\"]?([^)'\"]+)", path.read_text()) if not name.startswith(("data:", "#"))}
        used = {name for name in named if not re.search("marker-icon|layers", name)}  # of controls that the map does not have
        assert [name for name in used if not (path.parent / name).is_file()] == []


def test_only_an_online_map_that_was_asked_for_names_its_server():
    assert "openstreetmap.org" not in written(base())
    assert "openstreetmap.org" in written(base(online="OpenStreetMap"))


def test_a_map_opens_on_all_of_its_points():
    (south, west), (north, east) = maps.bounds_of(np.array([[46.0, 46.5], [-64.0, -62.0]]))
    assert south < 46.0 and north > 46.5
    assert west < -64.0 and east > -62.0


def test_a_single_point_has_ground_around_it():
    (south, west), (north, east) = maps.bounds_of(np.array([[48.0], [11.0]]))
    assert north - south > 0.005
    assert east - west > 0.005


def test_what_is_told_of_a_hundred_thousand_samples_is_a_few_addresses():
    one = point()
    record = maps.points_record(Samples((one,) * 100_000, 0), [Group("Wheat", "Blé", "#d8b56b", 100_000)], [], {"places": "/media/a.bin"})
    assert len(json.dumps(record)) < 200
    assert record["radius"] < maps.points_record(Samples((one,), 0), [], [], {})["radius"]


def test_details_keep_their_key_until_what_they_show_changes():
    def key(color, filled):
        return maps.details_record([Detail(1, "a", color, None, None)], lambda content, kind: "", filled=filled)["key"]

    assert key("#d8b56b", True) == key("#d8b56b", True)
    assert len({key("#d8b56b", True), key("#000000", True), key("#d8b56b", False)}) == 3


def test_names_cannot_break_out_of_the_script():
    name = "</script><b><!--<script>"  # after <!--<script> a browser looks for another </script>
    evil = maps.details_record([Detail(1, name, "#000000", None, None)], lambda content, kind: "", filled=True)
    record = next(iter(maps.scene_layer({"details": evil})._children.values())).record
    assert json.loads(record)["details"]["items"][0]["text"] == name
    assert "</script>" not in record and "<!--" not in record


def told(**more):
    view = {"south": 47.99, "west": 10.99, "north": 48.01, "east": 11.01, "width": 800, "height": 500}
    return {"view": view, "zoom": 14, "click": None, "area": None, "last": None, "told": 1} | more


def test_before_the_browser_has_said_anything_nothing_is_seen():
    assert maps.seen(None) is maps.seen({}) is None
    assert maps.seen(told(last="click")).last == "click"


def test_details_are_drawn_only_where_the_map_is_near():
    def drawn(one, **more):
        return maps.in_view(Samples((one,), 0), maps.seen(told(**more)))

    assert drawn(point()) == [point()]
    assert drawn(point(), zoom=maps.DETAIL_ZOOM - 1) == []
    assert drawn(point(lon=12.0)) == []
    assert maps.in_view(Samples((point(),), 0), None) == []


def test_of_too_many_in_view_the_nearest_to_the_middle_are_drawn():
    crowd = tuple(point(number, 11 + number / 100_000, 48.0) for number in range(3 * maps.MAX_DETAILS))[::-1]
    shown = maps.in_view(Samples(crowd, 0), maps.seen(told()))
    assert [each.id for each in shown] == list(range(maps.MAX_DETAILS))


def screen(lon, lat, zoom, width=800, height=500) -> View:
    """The view of a map of this size whose middle lies there, by pyproj."""
    half = math.pi * 6_378_137
    pixel = 2 * half / 256 / 2**zoom
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    back = Transformer.from_crs(3857, 4326, always_xy=True)
    west, south = back.transform(x - width / 2 * pixel, y - height / 2 * pixel)
    east, north = back.transform(x + width / 2 * pixel, y + height / 2 * pixel)
    return View(south, west, north, east, width, height)


@pytest.mark.parametrize(("lon", "lat", "zoom"), [(-80.5, 43.5, 15), (11.0, 48.0, 12), (-100.0, 60.0, 6), (0.0, 0.0, 18)])
def test_a_picture_reaches_beyond_the_view_with_the_screens_own_pixels(lon, lat, zoom):
    seen, drawn = screen(lon, lat, zoom), maps.wider(screen(lon, lat, zoom))
    assert drawn.west < seen.west and drawn.south < seen.south and drawn.east > seen.east and drawn.north > seen.north
    inner, outer = metres(seen), metres(drawn)
    for of_view, of_picture, across in ((inner[0], outer[0], 800), (outer[2], inner[2], 800), (inner[1], outer[1], 500)):
        assert abs(of_view - of_picture) / ((inner[2] - inner[0]) / 800) >= maps.BESIDE * across - 1
    for first, last, pixels, seen_pixels in ((0, 2, drawn.width, 800), (1, 3, drawn.height, 500)):
        assert (outer[last] - outer[first]) / pixels == pytest.approx((inner[last] - inner[first]) / seen_pixels, rel=1e-4)


def test_small_pans_ask_for_the_same_picture():
    step = (screen(11.0, 48.0, 14).east - screen(11.0, 48.0, 14).west) / 800
    drawn = [maps.wider(screen(11.0 + 10 * number * step, 48.0, 14)) for number in range(13)]
    assert len(set(drawn)) <= 4


def test_at_the_worlds_edge_the_picture_ends_with_the_world():
    drawn = maps.wider(View(-85.2, -190.0, 85.2, 190.0, 800, 500))
    assert (drawn.west, drawn.east) == (-180.0, 180.0)
    assert drawn.north < 85.06 and drawn.south > -85.06


@pytest.mark.parametrize("beyond", [View(10, 185, 20, 195, 800, 500), View(10, -195, 20, -185, 800, 500), View(86, 1, 87, 2, 800, 500)])
def test_of_a_view_beyond_the_world_there_is_no_picture(beyond):
    assert maps.wider(beyond) is None


def metres(picture) -> tuple[float, float, float, float]:
    """West, south, east, north in EPSG:3857, by pyproj."""
    to_mercator = Transformer.from_crs(4326, 3857, always_xy=True)
    return *to_mercator.transform(picture.west, picture.south), *to_mercator.transform(picture.east, picture.north)


def test_a_picture_in_web_mercator_is_shown_pixel_for_pixel():
    rgba = np.random.default_rng(1).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    transform = (10.0, 0.0, 1_224_000.0, 0.0, -10.0, 6_106_000.0)
    shown = maps.picture(rgba, "EPSG:3857", transform)
    assert np.array_equal(np.asarray(Image.open(BytesIO(shown.png))), rgba)
    assert metres(shown) == pytest.approx((1_224_000, 6_106_000 - 50, 1_224_000 + 70, 6_106_000), abs=0.01)


def test_a_picture_in_the_canadian_projection_is_turned_into_place():
    """Every pixel of the warped picture, taken back to EPSG:3978 by pyproj, lies within a pixel of the red square it shows."""
    rgba = np.full((64, 64, 4), NOTHING, dtype=np.uint8)
    rgba[20:30, 40:50] = RED
    left, top = 2_305_000.0, 720_000.0  # Prince Edward Island
    shown = maps.picture(rgba, "EPSG:3978", (10.0, 0.0, left, 0.0, -10.0, top))
    drawn = np.asarray(Image.open(BytesIO(shown.png)))
    west, south, east, north = metres(shown)
    rows, columns = np.nonzero(drawn[..., 3])
    x = west + (columns + 0.5) * (east - west) / drawn.shape[1]
    y = north - (rows + 0.5) * (north - south) / drawn.shape[0]
    easting, northing = Transformer.from_crs(3857, 3978, always_xy=True).transform(x, y)
    assert np.all(drawn[rows, columns] == RED)
    assert (easting.min(), easting.max()) == (pytest.approx(left + 400, abs=10), pytest.approx(left + 500, abs=10))
    assert (northing.min(), northing.max()) == (pytest.approx(top - 300, abs=10), pytest.approx(top - 200, abs=10))


@pytest.mark.parametrize("collection", [FIELDS, CANADA])
def test_a_sample_lies_inside_its_own_picture_and_outline(demo, collection):
    for sample in points.points(demo.store, collection)[:3]:
        slot = points.greenest_slots(demo.store, [sample.id]).get(sample.id, 0)
        shown, outline = overlays.patch_picture(demo, sample.id, slot, "true")
        assert shown.west < sample.lon < shown.east and shown.south < sample.lat < shown.north
        lons, lats = zip(*outline["coordinates"][0], strict=True)
        assert min(lons) < sample.lon < max(lons) and min(lats) < sample.lat < max(lats)
        assert len(lons) == 5 and outline["coordinates"][0][0] == outline["coordinates"][0][-1]


def test_a_date_without_an_image_has_an_outline_and_no_picture(demo):
    with demo.store.reading() as db:
        sample, slot = db.execute(
            """select s.id, 0 as slot from sample s where s.collection = ? and not exists
            (select 1 from image where sample = s.id and slot = 0) limit 1""",
            [CANADA],
        ).fetchone()
    shown, outline = overlays.patch_picture(demo, sample, slot, "true")
    assert shown is None
    assert outline["type"] == "Polygon"


def images_of(workspace, collection) -> dict[int, list[tuple]]:
    """Sample -> (slot, date, clear) of its images."""
    with workspace.store.reading() as db:
        rows = db.execute(
            "select s.id, i.slot, i.acquired, i.quality = 'ok' from sample s join image i on i.sample = s.id where s.collection = ?",
            [collection],
        ).fetchall()
    found: dict[int, list[tuple]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(tuple(row)[1:])
    return found


@pytest.mark.parametrize("name", ["06-05", "05-25", "03-15"])
def test_of_ten_days_the_map_shows_each_samples_own_date_a_clear_one_first(kinds, name):
    images, free = images_of(kinds, FREE), catalogue.collection(kinds.store, FREE)
    first = {"05": 1, "15": 11, "25": 21}[name[3:]]
    shown = overlays.in_bin(kinds.store, free, images, name)
    for sample, found in images.items():
        inside = [image for image in found if image[1][5:7] == name[:2] and first <= int(image[1][8:]) <= first + 9 + (first == 21)]
        clear = [image for image in inside if image[2]] or inside
        assert (sample in shown) == bool(inside)
        if inside:
            nearest = min(abs(int(image[1][8:]) - int(name[3:])) for image in clear)
            assert (shown[sample].slot, shown[sample].acquired) in {image[:2] for image in clear}
            assert abs(int(shown[sample].acquired[8:]) - int(name[3:])) == nearest
    assert len({dated.slot for dated in shown.values()}) > 1  # another slot for another sample


def test_no_image_in_the_ten_days_is_no_picture_but_an_outline(kinds):
    images, free = images_of(kinds, FREE), catalogue.collection(kinds.store, FREE)
    assert overlays.in_bin(kinds.store, free, images, "12-25") == {}
    picture, outline = overlays.patch_picture(kinds, next(iter(images)), None, "true")
    assert picture is None
    assert outline["type"] == "Polygon"


def test_a_month_of_several_years_is_the_slot_of_every_sample_that_has_it(kinds):
    images, monthly = images_of(kinds, MONTHLY), catalogue.collection(kinds.store, MONTHLY)
    for slot, month in enumerate(seasons.bins(monthly)):
        shown = overlays.in_bin(kinds.store, monthly, images, month)
        assert {sample: dated.acquired for sample, dated in shown.items()} == {
            sample: image[1] for sample, found in images.items() for image in found if image[0] == slot
        }
        assert {dated.slot for dated in shown.values()} == {slot}


def test_the_greenest_date_is_named_by_its_day_and_a_sample_without_a_clear_one_shows_its_first(kinds):
    images = images_of(kinds, FREE)
    sample = next(iter(images))
    best = overlays.greenest(kinds.store, images)
    assert {number: dated.slot for number, dated in best.items()} == points.greenest_slots(kinds.store, images)
    assert best[sample].acquired == dict(image[:2] for image in images[sample])[best[sample].slot]
    with kinds.store.reading() as db:
        clear = [row[0] for row in db.execute("select id from image where sample = ? and quality = 'ok'", [sample])]
    marks = [{"uid": f"q{image}", "sample": sample, "action": "quality", "image": image, "quality": "cloud"} for image in clear]
    assert all(outcome.stored for outcome in decisions.record(kinds.store, FREE, "ann", marks))
    assert overlays.greenest(kinds.store, [sample])[sample].slot == 0
