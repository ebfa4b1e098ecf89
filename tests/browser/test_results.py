"""The Results page in a real browser: every view at 1366 x 768, two runs compared, what came of a cell's queue."""

import re

from playwright.sync_api import Page, expect

from labeling import decisions
from modeling import runs
from tests.browser.test_loop import PARCELS, card, trained, wait_for

VIEWS = {
    "Classes": "F1, precision, recall", "Groups": "Accuracy, macro-F1 (dashed: all samples)",
    "Calibration": "Confidence: the highest of the probabilities", "Matrix": "Truth (label in use)",
}  # fmt: skip


def view(page: Page, name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("radio", name=name, exact=True).click()


def test_every_view_draws_its_chart_within_the_width_of_the_screen(server, page: Page):
    name = trained(server.workspace)
    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    for title, axis in VIEWS.items():
        view(page, title)
        expect(page.locator(".js-plotly-plot").get_by_text(axis)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    view(page, "Groups")
    page.get_by_role("radio", name="Part of the split").click()
    expect(page.locator(".js-plotly-plot").get_by_text(re.compile(r"fold-2 \(\d+\)"))).to_be_visible()
    view(page, "Table")
    expect(page.get_by_text("Rußwurm et al. 2020")).to_be_visible()
    expect(page.get_by_role("radio", name="Part of the split")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    assert download.value.path().read_text().startswith("Run,Model,Labels,Split,Class,Accuracy,Kappa,F1,Precision,Recall,Samples\n")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_two_runs_are_compared_on_the_same_samples(server, page: Page):
    first, second = trained(server.workspace), trained(server.workspace, epochs=1, inputs="B02")
    page.goto(f"{server.url}/results?collection={PARCELS}&run={first}")
    page.get_by_role("combobox", name=re.compile("Compare with")).click()
    page.get_by_role("option", name=second.removeprefix(f"{PARCELS}-"), exact=True).click()
    expect(page.get_by_text("McNemar's exact test")).to_be_visible()
    expect(page.get_by_text("samples only this run has right")).to_be_visible()
    expect(page.locator(".js-plotly-plot").get_by_text("Difference: right of the line, this run is better")).to_be_visible()
    view(page, "Classes")
    expect(page.locator(".js-plotly-plot").get_by_text("F1 of the other run")).to_be_visible()


def test_after_the_queue_of_a_cell_the_page_says_whose_errors_they_were(server, page: Page):
    name = trained(server.workspace)
    truth, predicted, count = runs.results(server.workspace, name).confusions(1)[0]
    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    page.get_by_role("button", name=f"{truth} read as {predicted}: {count}").click()
    page.wait_for_url("**/verify?**")
    card(page)
    page.keyboard.press("a")
    wait_for(lambda: decisions.tally(server.workspace.store, PARCELS)["decided"] == 1)
    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    expect(page.get_by_text(re.compile(r"confused samples are checked"))).to_contain_text("the model in 1")
    page.get_by_role("button", name="Whose errors, cell by cell").click()
    expect(page.locator(".js-plotly-plot .legendtext", has_text="Kept")).to_be_visible()
    expect(page.get_by_text("1 of 1 = 100%")).to_be_visible()
    expect(page.get_by_text("its matrix stays as it is")).to_be_visible()
