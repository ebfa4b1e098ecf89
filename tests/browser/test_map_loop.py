"""From the map to a decision and back, in a real browser: an area becomes a queue, Verify serves it, and the map shows what was decided."""

import re

import pytest
from playwright.sync_api import Frame, Page, expect

from data import catalogue
from data.mapped.folder import Map
from labeling import worklists
from tests import map_world
from tests.browser.test_map import CANADA, IFRAME, go_to, on_screen, painted, rgb
from tests.browser.test_verify import press, saved, shown
from tests.test_area_queues import lonlat, move

PLACES = [(30, 30), (60, 45), (90, 20)]
AROUND = 25  # px of the screen that the rectangle reaches beyond them


@pytest.fixture
def made(server) -> Map:
    return map_world.make(server.workspace, "north", lon=-70.0, lat=50.0, height=120, width=100)


def drawn(page: Page, frame: Frame, made: Map) -> None:
    """Draw a rectangle around the samples that lie at PLACES."""
    frame.get_by_title("Draw a rectangle").click()
    at = [on_screen(page, frame, *lonlat(made, *place)) for place in PLACES]
    (left, top), (right, bottom) = (tuple(side(axis) for axis in zip(*at, strict=True)) for side in (min, max))
    page.mouse.move(left - AROUND, top - AROUND)
    page.mouse.down()
    page.mouse.move(right + AROUND, bottom + AROUND, steps=5)
    page.mouse.up()


def point_colour(frame: Frame, lon: float, lat: float) -> list[int]:
    """Red, green and blue of what is drawn of the samples at a place."""
    return frame.evaluate(
        """([lat, lon]) => {
            const canvas = document.querySelector(".leaflet-samples-pane canvas"), on = canvas.getBoundingClientRect();
            const at = map.latLngToContainerPoint([lat, lon]), of = map.getContainer().getBoundingClientRect();
            const x = (at.x + of.x - on.x) * canvas.width / on.width, y = (at.y + of.y - on.y) * canvas.height / on.height;
            return [...canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data].slice(0, 3);
        }""",
        [lat, lon],
    )


def near(made: Map, frame: Frame) -> None:
    go_to(frame, *lonlat(made, 60, 50), 15)
    frame.wait_for_function("window.map.getZoom() === 15 && window.cropcheckRasters?.right")


def test_an_area_is_queued_decided_and_seen_on_the_map(server, page: Page, made):
    move(server.workspace, made, PLACES, code=133)
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    near(made, frame)
    drawn(page, frame, made)
    expect(page.get_by_text("3 samples of 2019 in this area, 3 without a decision")).to_be_visible()
    page.get_by_role("button", name="Queue these for verification").click()
    expect(page.get_by_text(re.compile("In an area: 3 open of 3 samples"))).to_be_visible()
    (queue,) = worklists.listing(server.workspace.store, CANADA, "area")
    expected = [entry["name"] for entry in worklists.entries(server.workspace.store, queue.id)]

    page.get_by_role("button", name="Open in Verify").click()
    page.wait_for_url(re.compile(f"/verify.*queue=list(:|%3A){queue.id}"))
    card = shown(page)
    expect(card).to_have_attribute("data-sample", expected[0])
    expect(page.get_by_text("In the area drawn on the map; the map").first).to_be_visible()
    legend = {entry.code: entry for entry in catalogue.legend(server.workspace.store, CANADA)}
    assert press(page, card, str(legend[158].digit)) == expected[0]
    expect(card).to_have_attribute("data-sample", expected[1])
    saved(card)

    page.get_by_role("link", name="Back to the map").click()
    frame = painted(page, 240)
    expect(page.get_by_text("3 samples of 2019 in this area, 2 without a decision")).to_be_visible()
    expect(page.get_by_text(re.compile("In an area: 2 open of 3 samples"))).to_be_visible()
    with server.workspace.store.reading() as db:
        places = {
            row["name"]: (row["lon"], row["lat"])
            for row in db.execute("select s.name, t.lon, t.lat from sample s join site t on t.id = s.site")
        }
    near(made, frame)
    assert point_colour(frame, *places[expected[0]]) == rgb(legend[158].color), "it was relabelled"
    assert point_colour(frame, *places[expected[1]]) == rgb(legend[133].color)


def test_an_area_without_samples_cannot_be_queued_and_says_so(server, page: Page, made):
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 240)
    near(made, frame)
    drawn(page, frame, made)
    expect(page.get_by_text("No sample lies in this area.")).to_be_visible()
    expect(page.get_by_role("button", name="Queue these for verification")).to_be_disabled()
    expect(page.locator(IFRAME)).to_have_count(1)
    expect(page.get_by_text("Traceback")).to_have_count(0)
