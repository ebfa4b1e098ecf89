"""The Map page in a real browser: it draws with no request to another machine, and a click leads to Verify."""

import re
import time

from playwright.sync_api import Frame, Page, expect

COLLECTION = "canada-simulated-2019"


def open_map(server, page: Page, collection: str = COLLECTION) -> Frame:
    """The map's frame, once all points are drawn."""
    page.goto(f"{server.url}/map?collection={collection}")
    return drawn(page)


def drawn(page: Page, *, but: str = "") -> Frame:
    """The map's frame, once its points are drawn in another colouring than the one with key `but`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for frame in page.frames:
            if "streamlit_folium" in frame.url and frame.evaluate("window.cropcheckPainted ? window.cropcheckPainted.key : ''") not in (
                "",
                but,
            ):
                return frame
        page.wait_for_timeout(50)
    raise AssertionError("The map was not drawn within 60 s")


def place_of(frame: Frame, name: str) -> tuple[float, float]:
    """Where a sample is in the frame, in pixels."""
    x, y = frame.evaluate(
        """name => {
            const of = layer => layer.getLatLng && layer.feature && layer.feature.properties.name === name;
            const place = map.latLngToContainerPoint(Object.values(map._layers).find(of).getLatLng());
            return [place.x, place.y];
        }""",
        name,
    )
    return x, y


def look_at(frame: Frame, name: str, zoom: int) -> None:
    frame.evaluate(
        """([name, zoom]) => {
            const of = layer => layer.getLatLng && layer.feature && layer.feature.properties.name === name;
            map.setView(Object.values(map._layers).find(of).getLatLng(), zoom, {animate: false});
        }""",
        [name, zoom],
    )


def first_name(frame: Frame) -> str:
    return frame.evaluate("Object.values(map._layers).find(layer => layer.getLatLng && layer.feature).feature.properties.name")


def click(page: Page, frame: Frame, name: str) -> None:
    box = page.locator("iframe").bounding_box()
    x, y = place_of(frame, name)
    page.mouse.click(box["x"] + x, box["y"] + y)


def test_all_samples_are_drawn_over_a_background_and_named_in_the_legend(server, page: Page):
    frame = open_map(server, page)
    assert frame.evaluate("window.cropcheckPainted.points") == 240
    frame.wait_for_function("Object.values(map._layers).some(layer => layer.feature && layer.feature.properties.kind === 'land')")
    counts = page.locator("table.map-legend td:last-child").all_text_contents()
    assert sum(int(count) for count in counts) == 240
    expect(page.locator("table.map-legend")).to_contain_text("Maïs")
    expect(page.get_by_text("simulated imagery")).to_be_visible()


def test_a_click_on_a_sample_shows_it_and_opens_it_in_verify(server, page: Page):
    frame = open_map(server, page)
    name = first_name(frame)
    look_at(frame, name, 14)
    page.wait_for_timeout(500)
    click(page, frame, name)
    expect(page.locator("strong").get_by_text(name)).to_be_visible()
    page.get_by_role("button", name="Open in Verify").click()
    page.wait_for_url(re.compile(rf"/verify\?.*sample={name}"))


def test_pictures_appear_where_one_zooms_in_and_go_where_one_zooms_out(server, page: Page):
    frame = open_map(server, page)
    assert frame.locator(".leaflet-images-pane img").count() == 0
    look_at(frame, first_name(frame), 14)
    picture = frame.locator(".leaflet-images-pane img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 60
    frame.evaluate("void map.setZoom(6, {animate: false})")
    expect(frame.locator(".leaflet-images-pane img")).to_have_count(0)


def test_a_click_keeps_the_view_and_the_map(server, page: Page):
    frame = open_map(server, page)
    name = first_name(frame)
    look_at(frame, name, 13)
    frame.evaluate("window.stillHere = true")
    page.wait_for_timeout(500)
    click(page, frame, name)
    expect(page.locator("strong").get_by_text(name)).to_be_visible()
    assert frame.evaluate("window.stillHere") and frame.evaluate("map.getZoom()") == 13


def test_colouring_by_verification_redraws_the_points_alone(server, page: Page):
    frame = open_map(server, page)
    key = frame.evaluate("window.cropcheckPainted.key")
    frame.evaluate("window.stillHere = true")
    page.get_by_role("radio", name="Verification").click()
    assert drawn(page, but=key).evaluate("window.stillHere")
    expect(page.locator("table.map-legend")).to_contain_text("Non vérifié")


def test_without_predictions_the_way_to_train_is_shown(server, page: Page):
    open_map(server, page)
    page.get_by_role("radio", name="Prediction").click()
    expect(page.get_by_text("No run has predicted this collection yet")).to_be_visible()
    expect(page.get_by_role("link", name="Train a model")).to_be_visible()


def test_parcels_without_pictures_show_their_outlines(server, page: Page):
    frame = open_map(server, page, "bavaria-parcels-2018")
    look_at(frame, first_name(frame), 15)
    frame.wait_for_function("Object.values(map._layers).some(layer => layer.feature && layer.getLatLngs && layer.feature.properties.name)")
