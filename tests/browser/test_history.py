"""History as a person uses it: notes are read, not run; a backup is made, and restored after the word was typed."""

import getpass
import uuid
from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, expect

from data import backups, catalogue, versions
from labeling import decisions, team

FIELDS = "bavaria-2018"
HTML = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script> **bold**"


def say(server, *notes: str) -> None:
    sample = catalogue.sample_id(server.workspace.store, FIELDS, "D2-2018")
    events = [{"uid": str(uuid.uuid4()), "sample": sample, "action": "flag", "note": note} for note in notes]
    assert all(outcome.stored for outcome in decisions.record(server.workspace.store, FIELDS, "ann", events))


def tick(page: Page) -> None:
    """Tick the first row of the first table."""
    grid = page.get_by_test_id("stDataFrame").first
    expect(grid).to_be_visible()
    box = grid.bounding_box()
    page.mouse.click(box["x"] + 17, box["y"] + 52)


def test_a_note_with_html_is_read_whole_and_exported_as_text(server, page: Page, tmp_path):
    say(server, "=1+1", HTML)
    page.goto(f"{server.url}/history?collection={FIELDS}")
    expect(page.get_by_text("2 events", exact=True)).to_be_visible()
    tick(page)
    expect(page.get_by_text(HTML, exact=True)).to_be_visible()
    assert page.title() == "Cropcheck" and page.locator("img[src=x]").count() == 0
    with page.expect_download() as kept:
        page.get_by_role("button", name="All of them as CSV").click()
    kept.value.save_as(tmp_path / "events.csv")
    assert list(pd.read_csv(Path(tmp_path / "events.csv"))["note"]) == [HTML, "'=1+1"]


def test_a_backup_is_made_and_restored_in_the_browser(server, page: Page):
    team.add(server.workspace.store, getpass.getuser(), role="administrator")
    say(server, "before")
    before = versions.current(server.workspace.store, FIELDS)
    page.goto(f"{server.url}/history?collection={FIELDS}")
    page.get_by_text("Backups", exact=True).click()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("Made and checked")).to_be_visible()
    say(server, "after")
    tick(page)
    expect(page.get_by_text("1 events that the store has are not in it")).to_be_visible()
    page.get_by_role("textbox", name="Type the word restore to confirm").fill("restore")
    page.get_by_role("textbox", name="Type the word restore to confirm").press("Enter")
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Restored: 1 events.")).to_be_visible()
    assert versions.current(server.workspace.store, FIELDS) == before and len(backups.listing(server.workspace)) == 2
