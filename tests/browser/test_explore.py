"""The Explore page in a real browser: curves are drawn, a click on a dot picks its sample, and it opens in Verify."""

import re

import pytest
from playwright.sync_api import Page, expect

CURVES = "document.querySelector('.js-plotly-plot')?.data?.filter(trace => trace.customdata).length"
DOT = """() => {
    const plot = document.querySelector('.js-plotly-plot');
    const trace = plot.data.find(each => each.customdata && each.x.length);
    const frame = plot.querySelector('.nsewdrag').getBoundingClientRect(), at = plot._fullLayout;
    return [frame.x + at.xaxis.d2p(trace.x[0]), frame.y + at.yaxis.d2p(trace.y[0])];
}"""


def open_explore(server, page: Page, collection: str) -> None:
    page.goto(f"{server.url}/explore?collection={collection}")
    expect(page.locator(".js-plotly-plot .scatterlayer .trace").first).to_be_attached(timeout=30_000)


@pytest.mark.parametrize(
    ("collection", "crop"),
    [("bavaria-2018", "winter wheat, n = 14"), ("bavaria-parcels-2018", "grassland, n = "), ("canada-simulated-2019", "Corn, n = ")],
)
def test_every_collection_has_curves_with_their_number_of_samples(server, page: Page, collection, crop):
    open_explore(server, page, collection)
    expect(page.locator(".legendtext").filter(has_text=re.compile(crop, re.IGNORECASE)).first).to_be_visible()
    expect(page.locator(".ytitle")).to_contain_text("NDVI")


def test_a_click_on_a_dot_picks_its_sample_and_opens_it_in_verify(server, page: Page):
    open_explore(server, page, "canada-simulated-2019")
    page.get_by_text("Single samples", exact=True).click()
    page.wait_for_function(f"{CURVES} > 100")
    page.wait_for_timeout(500)
    x, y = page.evaluate(DOT)
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    page.mouse.click(x, y)
    button = page.get_by_role("button", name=re.compile("Open .* in Verify"))
    expect(button).to_be_visible()
    name = button.inner_text().split("Open ")[1].split(" in Verify")[0]
    button.click()
    page.wait_for_url(re.compile(rf"/verify\?.*sample={name}"))


def test_another_index_is_drawn_on_its_own_axis(server, page: Page):
    open_explore(server, page, "bavaria-2018")
    page.locator(".st-key-explore\\.index input, .st-key-explore-index input").first.click()
    page.get_by_role("option", name="NDWI").click()
    expect(page.get_by_text("NDWI (no unit)")).to_be_visible()
    expect(page.get_by_text("NDVI (no unit)")).to_have_count(0)


def test_verified_only_without_a_verified_label_says_what_to_do(server, page: Page):
    open_explore(server, page, "bavaria-2018")
    page.get_by_text("Verified only", exact=True).click()
    expect(page.get_by_text("No label of this collection is verified yet")).to_be_visible()


def test_the_figures_numbers_can_be_taken_along(server, page: Page):
    open_explore(server, page, "bavaria-2018")
    page.get_by_role("button", name="Take away").click()
    with page.expect_download() as download:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="CSV").click()
    text = download.value.path().read_text()
    assert download.value.suggested_filename == "bavaria-2018-ndvi-seasons.csv"
    assert text.startswith("kind,name,index,date") and "crop,winter wheat,NDVI,2018-06-16" in text


def test_picked_samples_stay_picked_and_ticked_when_the_table_is_ordered_anew(server, page: Page):
    open_explore(server, page, "bavaria-parcels-2018")
    curves = page.locator(".legendtext").filter(has_text=re.compile("^parcel-"))
    tick_first_row(page)
    expect(curves).to_have_count(1)
    name = curves.first.text_content()
    page.get_by_placeholder("Find a sample, region or state").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    expect(curves).to_have_text([name])
    tick_first_row(page)
    expect(curves).to_have_count(0)


def tick_first_row(page: Page) -> None:
    """The table is a canvas: its check boxes are at a fixed place under the header."""
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    page.wait_for_timeout(1500)
    table.click(position={"x": 18, "y": 53})
