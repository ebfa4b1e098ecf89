"""The whole loop as a person walks it: verify, train, read the matrix, click its worst cell, land in that queue."""

import os
import re
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from labeling import decisions
from modeling import runs
from modeling.config import TrainConfig

PARCELS = "bavaria-parcels-2018"


def wait_for(reached, seconds: float = 90.0):
    """The first true value of `reached()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := reached():
            return value
        time.sleep(0.1)
    raise AssertionError(f"not reached within {seconds} s")


def trained(workspace, **settings) -> str:
    """The name of a short run with folds, finished."""
    name = runs.launch(workspace, TrainConfig.for_model("ltae", PARCELS, **{"folds": 3, "epochs": 4} | settings))
    wait_for(lambda: not runs.status(workspace, name).active)
    assert runs.status(workspace, name).state == "finished", runs.log(workspace, name)
    return name


def card(page: Page):
    """The card, once it shows a sample."""
    shown = page.locator(".card")
    expect(shown).to_have_attribute("data-sample", re.compile(".+"))
    return shown


def test_from_the_overview_through_training_to_the_queue_of_the_worst_cell(server, page: Page):
    page.goto(f"{server.url}/?collection={PARCELS}")
    page.get_by_role("button", name="Verify labels").click()
    card(page)
    for key in ("a", "a", "2"):
        before = card(page).get_attribute("data-sample")
        page.keyboard.press(key)
        expect(page.locator(".card")).not_to_have_attribute("data-sample", before)
    wait_for(lambda: decisions.tally(server.workspace.store, PARCELS)["decided"] == 3)

    page.get_by_role("link", name="Train").click()
    page.get_by_text("How it learns").click()
    page.get_by_role("spinbutton", name="Epochs").fill("5")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Read the results").click(timeout=90_000)
    expect(page.get_by_text("Look at these")).to_be_visible()

    name = runs.listing(server.workspace)[0].name
    truth, predicted, count = runs.results(server.workspace, name).confusions(1)[0]
    page.get_by_role("button", name=f"{truth} read as {predicted}: {count}").click()
    page.wait_for_url("**/verify?**")
    card(page)
    expect(page.locator(".place")).to_contain_text(f"1 of {count}")
    assert page.locator(".card").get_attribute("data-sample") in members(server.workspace, name, truth, predicted)


def members(workspace, run: str, truth: str, predicted: str) -> set[str]:
    """Names of the samples in a cell, read straight from the predictions."""
    with workspace.store.reading() as db:
        rows = db.execute(
            """select s.name from prediction p join sample s on s.id = p.sample
            where p.run = ? and p.truth = ? and p.predicted = ? and p.part not in ('train', 'validation', 'outside')""",
            [run, truth, predicted],
        )
        return {row["name"] for row in rows}


def test_a_click_on_a_cell_of_the_matrix_opens_exactly_its_samples(server, page: Page):
    name = trained(server.workspace)
    found = runs.results(server.workspace, name)
    truth, predicted, count = found.confusions(1)[0]
    page.goto(f"{server.url}/results?collection={PARCELS}&run={name}")
    text = page.locator(".js-plotly-plot .annotation-text", has_text=f"{count}").first
    text.wait_for()
    row, column = found.classes.index(truth), found.classes.index(predicted)
    place = page.evaluate(
        """([row, column]) => {
            const plot = document.querySelector('.js-plotly-plot'), layout = plot._fullLayout, box = plot.getBoundingClientRect();
            return [box.x + layout._size.l + layout.xaxis.d2p(column), box.y + layout._size.t + layout.yaxis.d2p(row)];
        }""",
        [row, column],
    )
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_url("**/verify?**")
    card(page)
    expect(page.locator(".place")).to_contain_text(f"1 of {count}")
    seen = set()
    for _ in range(count):
        seen.add(card(page).get_attribute("data-sample"))
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
    assert seen == members(server.workspace, name, truth, predicted)


def test_training_goes_on_over_a_page_reload_and_a_restart_of_the_app(server, page: Page):
    name = runs.launch(server.workspace, TrainConfig.for_model("ltae", PARCELS, epochs=5000, patience=0))
    page.goto(f"{server.url}/train?collection={PARCELS}")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    wait_for(lambda: runs.status(server.workspace, name).epochs_done > 0)
    server.kill()
    server.start()
    assert runs.status(server.workspace, name).state == "running"
    page.goto(f"{server.url}/train?collection={PARCELS}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("cancelled", exact=True).first).to_be_visible()
    wait_for(lambda: runs.status(server.workspace, name).state == "cancelled")


def test_a_killed_training_process_is_reported_lost_and_can_be_resumed(server, page: Page):
    name = runs.launch(server.workspace, TrainConfig.for_model("ltae", PARCELS, epochs=300, patience=0))
    wait_for(lambda: runs.status(server.workspace, name).epochs_done > 3)
    os.kill(int((server.workspace.runs / name / "pid").read_text()), signal.SIGKILL)
    page.goto(f"{server.url}/train?collection={PARCELS}")
    expect(page.get_by_text("Its process is gone without a word")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    runs.cancel(server.workspace, name)


def test_training_on_verified_labels_without_any_is_refused_with_the_way_out(server, page: Page):
    page.goto(f"{server.url}/train?collection={PARCELS}")
    page.get_by_text("Verified only").click()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("has a verified label in a learned class yet. Verify some first")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["", "verify", "review", "wall", "explore", "map", "train", "results", "studies", "quality", "team", "history"]
)
def test_every_page_opens_as_the_first_one_of_a_server_without_a_console_error(server, page: Page, path):
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/{path}?collection=canada-simulated-2019")
    expect(page.get_by_text("simulated").first).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()
    page.wait_for_timeout(1500)
    # Streamlit asks for two of its own addresses below the page's at every deep link, and gets two harmless 404s.
    assert [error for error in errors if "404" not in error] == []
