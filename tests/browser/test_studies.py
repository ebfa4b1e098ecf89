"""A study as a person does it: choose what to compare, start it, read its table, open a run of it."""

import csv
from pathlib import Path

from playwright.sync_api import Page, expect

from modeling import runs
from modeling.studies import control, studydir, table
from tests.browser.test_loop import PARCELS, wait_for

PATIENCE = 60_000  # ms; a busy machine draws slowly


def test_a_study_is_started_watched_and_read_on_its_page(server, page: Page, tmp_path):
    page.goto(f"{server.url}/studies?collection={PARCELS}")
    expect(page.get_by_text("Nothing compared yet")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("combobox", name="Compare").click()
    page.get_by_role("option", name="Splits").click()
    expect(page.get_by_text("How much of the accuracy is left at other places").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("4 variants, 4 runs")).to_be_visible(timeout=PATIENCE)
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    expect(page.get_by_text("each of 5 trainings of 2 epochs")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Start the study").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=PATIENCE)
    (study,) = wait_for(lambda: control.listing(server.workspace))
    assert study.kind == "splits"
    wait_for(lambda: control.status(server.workspace, study.name).state == "finished", seconds=240)
    expect(page.get_by_text(f"{study.total} of {study.total} runs")).to_be_visible(timeout=PATIENCE)

    rows = table.rows(server.workspace, studydir.at(server.workspace, study.name))
    expect(page.locator(".js-plotly-plot .ytitle", has_text="Accuracy").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".js-plotly-plot .xtick text").first).to_contain_text("random", timeout=PATIENCE)
    expect(page.locator(".js-plotly-plot .bartext").first).to_have_text(f"{rows[0].scores['accuracy'].value:.3f}", timeout=PATIENCE)
    page.get_by_text("Macro-F1", exact=True).first.click()
    expect(page.locator(".js-plotly-plot .ytitle", has_text="Macro-F1")).to_be_visible(timeout=PATIENCE)

    with page.expect_download() as kept:
        page.get_by_role("button", name="Table as CSV").click()
    kept.value.save_as(tmp_path / "table.csv")
    with Path(tmp_path / "table.csv").open() as file:
        assert [line["variant"] for line in csv.DictReader(file)] == [row.variant.label for row in rows]

    grid = page.get_by_test_id("stDataFrame").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    page.mouse.click(box["x"] + 17, box["y"] + 52)  # the box that selects the first row
    page.get_by_role("button", name="Open random by site in Results").click()
    page.wait_for_url("**/results?**")
    expect(page.get_by_text(f"{runs.results(server.workspace, rows[0].runs[0]).scores.accuracy.value:.3f}").first).to_be_visible(
        timeout=PATIENCE
    )
