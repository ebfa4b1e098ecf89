"""What was taken away, in a real browser: the page of a map opens from a disk without a request, and the buttons save real files."""

import csv
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from data import catalogue
from labeling import mapsheets, points
from labeling.mapsheets import Sheet
from tests import map_world
from tests.map_world import CANADA

EVIL = "</script><img src=http://example.org/x onerror=alert(1)>"


@pytest.fixture
def alone(browser: Browser):
    """A window that may ask for nothing but the file that it opens: the window, and what it asked for."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    opened, asked, errors = context.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("dialog", lambda dialog: errors.append(dialog.message))
    yield opened, asked
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith("file:///") or not url.endswith("/taken.html")] == []


def taken(workspace, path: Path, *, split: bool = True, near: bool = False) -> Path:
    """The page of a small map with the collection's samples, one of which has a malicious name; near: only the raster is in view."""
    made = map_world.make(workspace, "m", height=120, width=100)
    found = points.points(workspace.store, CANADA)
    collection = catalogue.collection(workspace.store, CANADA)
    groups, positions = points.by_label(found, catalogue.legend(workspace.store, CANADA))
    whole = mapsheets.whole_map(made)
    view = whole if near else mapsheets.View(42.0, -84.0, 47.0, -62.0, 1_000, 400)
    sides = ("inventory", "crop") if split else ("crop", None)
    sheet = Sheet(collection, made, view, "true", *sides, "2019-08", (), 0.8, found, groups, positions, grouping="Samples by label")
    file = path / "taken.html"
    file.write_text(mapsheets.page(sheet, EVIL, ["true", "inventory", "crop", "probability"], whole=near), encoding="utf-8")
    return file


def inked(page: Page, canvas: str) -> None:
    """Wait until something is painted on a canvas."""
    page.wait_for_function(
        """(canvas) => {
            const shown = document.querySelector(canvas);
            return shown && shown.width && shown.getContext("2d").getImageData(0, 0, shown.width, shown.height).data.some((value) => value);
        }""",
        arg=canvas,
    )


def test_a_map_opens_from_a_disk_without_any_request(demo, tmp_path, alone):
    page, asked = alone
    file = taken(demo, tmp_path)
    page.goto(file.as_uri())
    expect(page.locator("h1")).to_have_text(EVIL)
    expect(page.get_by_text("simulated imagery · imagerie simulée")).to_be_visible()
    expect(page.locator(".leaflet-control-scale")).to_contain_text("km")
    inked(page, ".leaflet-background-pane canvas")
    inked(page, ".leaflet-samples-pane canvas")
    page.wait_for_function("window.cropcheckPainted && window.cropcheckPainted.seen === 240")
    expect(page.locator(".legend")).to_contain_text("Pomme de terre")
    assert asked == [file.as_uri()]


def test_layers_lie_in_place_and_are_switched_with_opacity_and_split(demo, tmp_path, alone):
    page, _ = alone
    page.goto(taken(demo, tmp_path, near=True).as_uri())
    page.wait_for_function("Object.keys(window.cropcheckRasters || {}).length === 3")
    for pane in ("base", "left", "right"):
        image = page.locator(f".leaflet-{pane}-pane img")
        expect(image).to_have_count(1)
        assert image.evaluate("image => image.complete && image.naturalWidth > 500 && image.getBoundingClientRect().width > 300")
    divider = page.get_by_role("slider", name="Divider of the split view")
    expect(divider).to_be_visible()
    expect(divider).to_contain_text("Inventory")
    page.get_by_role("slider", name="Opacity").fill("30")
    assert page.locator(".leaflet-right-pane").evaluate("pane => pane.style.opacity") == "0.3"
    page.get_by_role("checkbox").uncheck()
    expect(divider).to_be_hidden()
    page.wait_for_function("Object.keys(window.cropcheckRasters).sort().join() === 'base,right'")
    page.locator(".controls label").filter(has_text="Layer").locator("select").select_option("probability")
    page.wait_for_function("window.cropcheckRasters.right === 'right probability'")
    expect(page.locator(".ticks")).to_have_text("0%50%100%")


def test_a_group_of_samples_is_switched_off_and_on_in_the_legend(demo, tmp_path, alone):
    page, _ = alone
    page.goto(taken(demo, tmp_path, split=False).as_uri())
    page.wait_for_function("window.cropcheckPainted && window.cropcheckPainted.seen === 240")
    corn = page.locator("button.entry").filter(has_text="Maïs")
    many = int(corn.locator("span").inner_text())
    corn.click()
    page.wait_for_function(f"window.cropcheckPainted.seen === {240 - many}")
    expect(page.locator("button.entry").filter(has_text="Maïs")).to_have_attribute("aria-pressed", "false")
    page.locator("button.entry").filter(has_text="Maïs").click()
    page.wait_for_function("window.cropcheckPainted.seen === 240")


def test_a_sample_says_its_name_and_label_under_the_pointer(demo, tmp_path, alone):
    page, _ = alone
    page.goto(taken(demo, tmp_path, split=False).as_uri())
    page.wait_for_function("window.cropcheckPainted && window.cropcheckPainted.seen === 240")
    canvas, box = page.locator(".leaflet-samples-pane canvas"), page.locator("#map").bounding_box()
    place = canvas.evaluate(
        """(canvas) => {
            const frame = document.querySelector("#map").getBoundingClientRect(), own = canvas.getBoundingClientRect();
            const pen = canvas.getContext("2d"), scale = canvas.width / own.width;
            for (let y = 40; y < frame.height - 40; y++) for (let x = 80; x < frame.width - 40; x++) {
                const pixel = pen.getImageData((x + frame.x - own.x) * scale, (y + frame.y - own.y) * scale, 1, 1).data;
                if (pixel[3] === 255) return [x, y];
            }
            return null;
        }"""
    )
    page.mouse.move(box["x"] + place[0], box["y"] + place[1] + 1)
    expect(page.locator(".leaflet-tooltip")).to_contain_text("-2019 · ")


def test_the_buttons_of_explore_and_of_the_map_save_real_files(server, page: Page):
    map_world.make(server.workspace, "m", height=120, width=100)
    page.goto(f"{server.url}/explore?collection={CANADA}")
    page.get_by_role("button", name="Take away").click()
    files = {}
    for kind in ("PNG", "SVG", "CSV"):
        with page.expect_download() as download:
            page.get_by_test_id("stPopoverBody").get_by_role("button", name=kind).click()
        files[kind] = download.value.path().read_bytes()
        assert download.value.suggested_filename == f"{CANADA}-ndvi-seasons.{kind.lower()}"
    assert Image.open(io.BytesIO(files["PNG"])).size[0] == 2125
    assert b"<svg" in files["SVG"] and b"Winter Wheat" in files["SVG"]
    assert next(csv.DictReader(io.StringIO(files["CSV"].decode())))["index"] == "NDVI"
    page.goto(f"{server.url}/map?collection={CANADA}")
    expect(page.locator("iframe[title*='folium']")).to_be_visible()
    page.get_by_role("button", name="file_save").click()
    page.get_by_role("button", name="Make it").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save m.png").click()
    assert Image.open(io.BytesIO(download.value.path().read_bytes())).size[0] == 2125
