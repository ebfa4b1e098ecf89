"""The map in a real browser: without the internet, layers in their place, quick with thousands of points, a click away from Verify."""

import io
import re
import time

import numpy as np
import pytest
import rasterio
from PIL import Image
from playwright.sync_api import Frame, Page, expect
from pyproj import Transformer

from data.mapped import folder
from data.mapped.folder import Map
from tests import map_world

CANADA, PARCELS = "canada-simulated-2019", "bavaria-parcels-2018"
IFRAME = "iframe[title*='folium']"


def painted(page: Page, count: int) -> Frame:
    """The map's frame, once it has drawn `count` points."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for frame in page.frames:
            if "streamlit_folium" in frame.url and frame.evaluate("window.cropcheckPainted?.points") == count:
                return frame
        page.wait_for_timeout(50)
    raise AssertionError(f"no map of {count} points")


def go_to(frame: Frame, lon: float, lat: float, zoom: int) -> None:
    frame.evaluate("([lat, lon, zoom]) => void window.map.setView([lat, lon], zoom, { animate: false })", [lat, lon, zoom])


def click_the_middle(page: Page) -> None:
    box = page.locator(IFRAME).bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.click(*middle)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def place(server, collection: str, sample: int) -> tuple[float, float]:
    with server.workspace.store.reading() as db:
        row = db.execute("select lon, lat from site where id = (select site from sample where id = ?)", [sample]).fetchone()
    return row["lon"], row["lat"]


@pytest.fixture
def lone(server) -> int:
    """The number of a Canadian sample with no other one within a kilometre or so."""
    with server.workspace.store.reading() as db:
        return db.execute(
            """select s.id from sample s join site a on a.id = s.site where s.collection = ? and not exists (
            select 1 from site b where b.collection = a.collection and b.id <> a.id
            and abs(b.lon - a.lon) < 0.02 and abs(b.lat - a.lat) < 0.02) order by s.id limit 1""",
            [CANADA],
        ).fetchone()["id"]


def test_the_map_draws_coasts_points_and_legend_without_the_internet(server, page: Page):
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    expect(page.get_by_text("simulated imagery")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Soybean (158)")).to_be_visible()
    expect(page.get_by_text("Pomme de terre")).to_be_attached()
    expect(frame.locator(".leaflet-control-scale")).to_contain_text("km")
    expect(frame.locator(".leaflet-background-pane canvas")).to_have_count(1)
    assert inked(frame, ".leaflet-background-pane canvas")
    assert inked(frame, ".leaflet-samples-pane canvas")


def inked(frame: Frame, canvas: str) -> bool:
    """Whether anything is painted on a canvas."""
    frame.wait_for_function(
        """(canvas) => {
            const shown = document.querySelector(canvas);
            return shown && shown.getContext("2d").getImageData(0, 0, shown.width, shown.height).data.some((value) => value);
        }""",
        arg=canvas,
    )
    return True


def test_near_by_a_patch_shows_its_picture_in_place_and_a_click_leads_to_verify_and_back(server, page: Page, lone):
    lon, lat = place(server, CANADA, lone)
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    assert frame.locator(".leaflet-images-pane img").count() == 0
    go_to(frame, lon, lat, 14)
    expect(frame.locator(".leaflet-images-pane img")).to_have_count(1)
    west, south, east, north = frame.evaluate(
        """() => {
            const images = [];
            window.map.eachLayer((layer) => { if (layer instanceof L.ImageOverlay) images.push(layer.getBounds()); });
            return images[0].toBBoxString().split(",").map(Number);
        }"""
    )
    assert west < lon < east and south < lat < north
    click_the_middle(page)
    with server.workspace.store.reading() as db:
        name = db.execute("select name from sample where id = ?", [lone]).fetchone()["name"]
    expect(page.get_by_text(name)).to_be_visible()
    page.get_by_role("button", name="Open in Verify").click()
    page.wait_for_url(re.compile("/verify"))
    expect(page.locator(".card")).to_have_attribute("data-sample", name)
    expect(page.get_by_role("combobox", name="Collection")).to_have_value(CANADA)
    page.keyboard.press("a")
    expect(page.locator(".card")).not_to_have_attribute("data-sample", name)
    expect(page.get_by_text("all saved")).to_be_visible()
    page.get_by_role("link", name="Back to the map").click()
    frame = painted(page, 240)
    frame.wait_for_function("window.map.getZoom() === 14")
    expect(page.get_by_text(name)).to_be_visible()
    expect(page.get_by_text("Agreed")).to_be_visible()
    choose(page, "Samples by", "Verification")
    expect(page.get_by_role("checkbox", name="Agreed")).to_contain_text("1")


def test_outlines_of_parcels_are_drawn_and_clicked(server, page: Page):
    page.goto(f"{server.url}/map?collection={PARCELS}")
    frame = painted(page, 301)
    frame.wait_for_function("() => { let n = 0; window.map.eachLayer((l) => { n += l instanceof L.Polygon; }); return n >= 301; }")
    with server.workspace.store.reading() as db:
        sample = db.execute("select id, name from sample where collection = ? order by id limit 1", [PARCELS]).fetchone()
    go_to(frame, *place(server, PARCELS, sample["id"]), 17)
    page.wait_for_timeout(1_000)
    click_the_middle(page)
    expect(page.get_by_text(sample["name"], exact=True)).to_be_visible()


def test_without_a_run_the_map_of_predictions_leads_to_training(server, page: Page):
    page.goto(f"{server.url}/map?collection={CANADA}")
    painted(page, 240)
    choose(page, "Samples by", "Prediction")
    expect(page.get_by_text("No run has predicted this collection yet")).to_be_visible()
    page.get_by_role("link", name="Train a model").click()
    page.wait_for_url(re.compile("/train"))


def test_a_missing_pixel_file_is_named_and_the_map_stays(server, page: Page, lone):
    (server.workspace.home / "patches").unlink()  # a link to the pixels of all tests
    lon, lat = place(server, CANADA, lone)
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    go_to(frame, lon, lat, 14)
    expect(page.get_by_text("is missing. Restore it from a backup").first).to_be_visible()
    click_the_middle(page)
    expect(page.get_by_role("button", name="Open in Verify")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)


@pytest.mark.parametrize("count", [6_633, 20_000])
def test_thousands_of_points_are_drawn_and_answer_a_click(server, page: Page, count):
    spread(server.workspace, CANADA, count)
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, count)
    with server.workspace.store.reading() as db:
        sample = db.execute("select id, name from sample where collection = ? order by id desc limit 1", [CANADA]).fetchone()
    go_to(frame, *place(server, CANADA, sample["id"]), 11)
    page.wait_for_timeout(500)
    click_the_middle(page)
    started = time.monotonic()
    expect(page.get_by_role("button", name="Open in Verify")).to_be_visible()
    expect(page.get_by_text(sample["name"], exact=True)).to_be_visible()
    assert time.monotonic() - started < 5.0


def spread(workspace, collection: str, count: int) -> None:
    """Fill the collection up to `count` samples: copies of the first, on a grid off the coast, one each 0.05 degrees."""
    with workspace.store.writing() as db:
        first = dict(db.execute("select * from sample where collection = ? order by id limit 1", [collection]).fetchone())
        have = db.execute("select count(*) as n from sample where collection = ?", [collection]).fetchone()["n"]
        for number in range(count - have):
            lon, lat = -60 + 0.05 * (number % 80), 30 + 0.05 * (number // 80)
            site = db.execute(
                "insert into site (collection, name, lon, lat, region) values (?, ?, ?, ?, 'ON') returning id",
                [collection, f"copy-{number}", lon, lat],
            ).fetchone()["id"]
            own = {"id": None, "site": site, "name": f"COPY-{number}", "shard": "copies", "shard_row": number}
            db["sample"].insert(first | own)


# ---------------------------------------------------------------------------------------------------- with a finished map


@pytest.fixture
def made(server) -> Map:
    return map_world.make(server.workspace, "landscape")


def opened(server, page: Page, *panes: str) -> Frame:
    """The map's frame, once these panes of it have their picture."""
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    for pane in panes or ("base", "right"):
        frame.wait_for_function("(pane) => window.cropcheckRasters?.[pane]", arg=pane)
    return frame


def centre(made: Map, row: int, column: int) -> tuple[float, float]:
    """Longitude and latitude of a pixel's centre, by pyproj."""
    x, y = rasterio.Affine(*made.stack.transform) * (column + 0.5, row + 0.5)
    return Transformer.from_crs(made.stack.crs, "EPSG:4326", always_xy=True).transform(x, y)


def stored(made: Map, raster: str, row: int, column: int) -> np.ndarray:
    with rasterio.open(made.path / f"{raster}.tif") as opened:
        return opened.read()[:, row, column]


def colour(frame: Frame, pane: str, lon: float, lat: float) -> list[int]:
    """Red, green, blue and alpha that the picture of a pane has at a place."""
    return frame.evaluate(
        """async ([pane, lat, lon]) => {
            const image = document.querySelector(`.leaflet-${pane}-pane img`), canvas = document.createElement("canvas");
            let layer;
            window.map.eachLayer((one) => { if (one._image === image) layer = one; });
            const [upper, lower] = [layer.getBounds().getNorthWest(), layer.getBounds().getSouthEast()].map((at) => map.project(at, 18));
            const at = map.project([lat, lon], 18), pen = canvas.getContext("2d");
            Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
            pen.drawImage(image, 0, 0);
            const x = Math.floor((at.x - upper.x) / (lower.x - upper.x) * canvas.width);
            const y = Math.floor((at.y - upper.y) / (lower.y - upper.y) * canvas.height);
            return [...pen.getImageData(x, y, 1, 1).data];
        }""",
        [pane, lat, lon],
    )


def on_screen(page: Page, frame: Frame, lon: float, lat: float) -> tuple[float, float]:
    x, y = frame.evaluate("([lat, lon]) => { const p = map.latLngToContainerPoint([lat, lon]); return [p.x, p.y]; }", [lat, lon])
    box = page.locator(IFRAME).bounding_box()
    return box["x"] + x, box["y"] + y


def rgb(color: str) -> list[int]:
    return [*bytes.fromhex(color.lstrip("#"))]


def same_key(frame: Frame, pane: str, before: str) -> None:
    frame.wait_for_function("([pane, before]) => window.cropcheckRasters[pane] !== before", arg=[pane, before])


def test_prediction_and_inventory_lie_in_their_place_in_the_legends_colours(server, page: Page, made):
    frame = opened(server, page)
    go_to(frame, *centre(made, 150, 130), 16)
    page.wait_for_timeout(1_500)
    classes = {entry.code: entry.color for entry in made.classes}
    page.get_by_text("Split", exact=True).click()
    frame.wait_for_function("window.cropcheckRasters.left")
    for row, column in [(150, 130), (140, 125), (165, 150)]:
        lon, lat = centre(made, row, column)
        for pane, raster in (("right", folder.CROP), ("left", folder.INVENTORY)):
            (code,) = stored(made, raster, row, column)
            assert colour(frame, pane, lon, lat) == ([*rgb(classes[code]), 255] if code else [0, 0, 0, 0])


def test_the_split_shows_the_inventory_left_and_the_prediction_right_and_moves_by_arrow_keys(server, page: Page, made):
    frame = opened(server, page)
    choose(page, "Samples by", "Not shown")
    page.get_by_text("Split", exact=True).click()
    frame.wait_for_function("window.cropcheckRasters.left")
    divider = frame.get_by_role("slider", name="Divider of the split view")
    expect(divider).to_contain_text("Inventory")
    expect(divider).to_contain_text("Prediction")
    choose(page, "Imagery", "None")
    frame.wait_for_function("!window.cropcheckRasters.base")
    page.get_by_role("slider", name="Opacity").press("End")
    frame.wait_for_function("document.querySelector('.leaflet-right-pane').style.opacity === '1'")
    key = frame.evaluate("JSON.stringify(window.cropcheckRasters)")
    classes = {entry.code: entry.color for entry in made.classes}
    where = next(
        (row, column) for row in range(100, 200) for column in range(110, 150)
        if 0 < stored_at(made)[0][row, column] != stored_at(made)[1][row, column] > 0
    )  # fmt: skip
    go_to(frame, *centre(made, *where), 18)
    page.wait_for_timeout(2_000)
    divider.focus()
    for press, raster in (("End", 0), ("Home", 1)):
        divider.press(press)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        x, y = on_screen(page, frame, *centre(made, *where))
        assert shot.getpixel((round(x), round(y))) == tuple(rgb(classes[stored_at(made)[raster][where]]))
    before = float(divider.get_attribute("aria-valuenow"))
    divider.press("ArrowRight")
    assert float(divider.get_attribute("aria-valuenow")) == before + 2
    assert "crop" in key and "inventory" in key


def stored_at(made: Map) -> list[np.ndarray]:
    """Inventory and prediction, whole."""
    found = []
    for raster in (folder.INVENTORY, folder.CROP):
        with rasterio.open(made.path / f"{raster}.tif") as opened:
            found.append(opened.read(1))
    return found


def test_opacity_needs_no_new_picture(server, page: Page, made):
    frame = opened(server, page)
    key = frame.evaluate("window.cropcheckRasters.right")
    frame.evaluate("document.querySelector('.leaflet-right-pane img').dataset.mine = 'yes'")
    page.get_by_role("slider", name="Opacity").press("Home")
    frame.wait_for_function("document.querySelector('.leaflet-right-pane').style.opacity === '0'")
    assert frame.evaluate("window.cropcheckRasters.right") == key
    expect(frame.locator(".leaflet-right-pane img")).to_have_attribute("data-mine", "yes")


def test_the_date_slider_shows_another_date_of_the_stack(server, page: Page, made):
    frame = opened(server, page)
    before, place_of = frame.evaluate("window.cropcheckRasters.base"), centre(made, 150, 130)
    first = colour(frame, "base", *place_of)
    page.get_by_role("slider", name="Date").press("End")
    same_key(frame, "base", before)
    assert "2019-10" in frame.evaluate("window.cropcheckRasters.base")
    assert colour(frame, "base", *place_of) != first
    choose(page, "Imagery", "None")
    expect(page.get_by_role("slider", name="Date")).to_have_count(0)


def test_a_class_that_is_switched_off_leaves_the_picture_and_comes_back(server, page: Page, made):
    frame = opened(server, page)
    go_to(frame, *centre(made, 150, 130), 16)
    page.wait_for_timeout(1_500)
    (code,) = stored(made, folder.CROP, 150, 130)
    entry = next(one for one in made.classes if one.code == code)
    before = colour(frame, "right", *centre(made, 150, 130))
    assert before == [*rgb(entry.color), 255]
    row = page.get_by_role("checkbox", name=entry.name, exact=False).first
    row.click()
    expect(row).to_have_attribute("aria-checked", "false")
    deadline = time.monotonic() + 20
    while colour(frame, "right", *centre(made, 150, 130))[3] and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert colour(frame, "right", *centre(made, 150, 130))[3] == 0
    row.click()
    expect(row).to_have_attribute("aria-checked", "true")
    while colour(frame, "right", *centre(made, 150, 130)) != before and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert colour(frame, "right", *centre(made, 150, 130)) == before


def test_a_group_of_samples_that_is_switched_off_is_not_drawn(server, page: Page):
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    all_seen = frame.evaluate("window.cropcheckPainted.seen")
    row = page.get_by_role("checkbox", name="Soybean (158)")
    count = int(row.locator("b").text_content())
    row.click()
    frame.wait_for_function("(seen) => window.cropcheckPainted.seen === seen", arg=all_seen - count)
    page.get_by_role("button", name="none").click()
    frame.wait_for_function("window.cropcheckPainted.seen === 0")
    page.get_by_role("button", name="all").click()
    frame.wait_for_function("(seen) => window.cropcheckPainted.seen === seen", arg=all_seen)


def test_a_click_on_the_ground_says_what_the_rasters_hold_there(server, page: Page, made):
    frame = opened(server, page)
    choose(page, "Samples by", "Not shown")
    lon, lat = centre(made, 150, 130)
    go_to(frame, lon, lat, 17)
    page.wait_for_timeout(1_000)
    page.mouse.click(*on_screen(page, frame, lon, lat))
    expect(page.get_by_text("row 150, column 130")).to_be_attached()
    shares = stored(made, folder.SHARES, 150, 130) / folder.SHARE_SCALE
    best = made.classes[int(shares.argmax())]
    expect(page.locator("table.map-pixel")).to_contain_text(best.name)
    expect(page.locator("table.map-bars tr").first).to_have_text(f"{best.name}{shares.max():.1%}")
    (code,) = stored(made, folder.INVENTORY, 150, 130)
    inventory = next((entry.name for entry in made.classes if entry.code == code), "no label")
    expect(page.locator("table.map-pixel tr").last).to_contain_text(inventory)
    expect(page.locator(".stPlotlyChart .scatterlayer .point")).to_have_count(len(made.stack.layers))


def test_a_rectangle_that_is_drawn_reaches_the_panel_and_stays(server, page: Page, made):
    frame = opened(server, page)
    expect(page.get_by_text("Draw a rectangle or a polygon")).to_be_attached()
    frame.get_by_title("Draw a rectangle").click()
    box = page.locator(IFRAME).bounding_box()
    page.mouse.move(box["x"] + 380, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 460, box["y"] + 260, steps=4)
    page.mouse.up()
    expect(page.get_by_text("Draw a rectangle or a polygon")).to_have_count(0)
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Map", exact=True).click()
    frame = painted(page, 240)
    expect(frame.locator(".leaflet-overlay-pane path")).to_have_count(1)


def test_a_small_pan_asks_for_no_new_picture_and_a_large_one_never_empties_the_pane(server, page: Page, made):
    frame = opened(server, page)
    go_to(frame, *centre(made, 150, 130), 17)
    page.wait_for_timeout(2_000)
    key = frame.evaluate("window.cropcheckRasters.right")
    frame.evaluate(
        "() => { window.emptied = 0; setInterval(() => { emptied += !document.querySelector('.leaflet-right-pane img'); }, 5); }"
    )
    frame.evaluate("void map.panBy([12, 0], { animate: false })")
    page.wait_for_timeout(1_500)
    frame.evaluate("void map.panBy([300, 0], { animate: false })")
    same_key(frame, "right", key)
    assert frame.evaluate("window.emptied") == 0


def test_a_raster_that_is_cut_short_is_named_and_the_map_stays(server, page: Page, made):
    frame = opened(server, page)
    path = made.path / "inventory.tif"
    path.write_bytes(path.read_bytes()[:400])
    page.get_by_text("Split", exact=True).click()
    expect(page.get_by_text("inventory.tif").first).to_be_visible()
    assert frame.evaluate("window.cropcheckRasters.right")
    expect(page.get_by_text("Traceback")).to_have_count(0)


def test_a_missing_file_of_the_stack_is_named_and_the_prediction_stays(server, page: Page, made):
    for layer in made.stack.layers:
        (server.workspace.home / "stacks" / "landscape" / f"{layer.name}.tif").unlink()
    frame = opened(server, page, "right")
    expect(page.get_by_text("2019-08.tif").first).to_be_visible()
    assert not frame.evaluate("window.cropcheckRasters.base")


def test_everything_that_matters_fits_the_screen(server, page: Page, made):
    opened(server, page)
    for thing in (page.locator(IFRAME), page.locator(".st-key-map-opacity"), page.locator(".stVerticalBlock.st-key-map-legend")):
        box = thing.bounding_box()
        assert box["y"] > 0 and box["y"] + box["height"] <= 768 and box["x"] + box["width"] <= 1366
