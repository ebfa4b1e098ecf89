"""The map in a real browser: drawn without the internet, quick with thousands of points, a click away from Verify."""

import re
import time

import pytest
from playwright.sync_api import Frame, Page, expect

CANADA, PARCELS = "canada-simulated-2019", "bavaria-parcels-2018"


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
    box = page.locator("iframe[title*='folium']").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.click(*middle)


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
    expect(page.locator("table.map-legend")).to_contain_text("Soybean (158)")
    expect(page.locator("table.map-legend")).to_contain_text("Pomme de terre")
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


def test_near_by_a_patch_shows_its_picture_in_place_and_a_click_leads_to_verify(server, page: Page, lone):
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
    page.get_by_text("Prediction", exact=True).click()
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


def test_six_thousand_points_are_drawn_and_answer_a_click(server, page: Page):
    spread(server.workspace, CANADA, 6_633)
    page.goto(f"{server.url}/map?collection={CANADA}")
    frame = painted(page, 6_633)
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
            lon, lat = -60 + 0.05 * (number % 80), 38 + 0.05 * (number // 80)
            site = db.execute(
                "insert into site (collection, name, lon, lat, region) values (?, ?, ?, ?, 'ON') returning id",
                [collection, f"copy-{number}", lon, lat],
            ).fetchone()["id"]
            own = {"id": None, "site": site, "name": f"COPY-{number}", "shard": "copies", "shard_row": number}
            db["sample"].insert(first | own)
