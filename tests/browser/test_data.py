"""The Data page as a person uses it: publish, import with a broken file, cancel, go on after a kill, leave for Verify."""

import os
import re
import shutil
import signal
import zipfile

import pyarrow.parquet as pq
from playwright.sync_api import Page, expect

from data import jobs
from tests.browser.test_loop import card, wait_for
from tests.conftest import ROOT

FIELDS = ROOT / "data" / "demo" / "bavaria_fields_2018"
LONG = 60_000  # ms; a command starts in a second or two, on a busy machine in many more


def section(page: Page, server, name: str) -> None:
    page.goto(f"{server.url}/data")
    page.get_by_role("radio", name=name).click()


def import_folder(page: Page, folder, name: str) -> None:
    page.get_by_role("combobox", name="From").click()
    page.get_by_role("option", name="GeoTIFF folder").click()
    page.get_by_role("textbox", name="Folder or file").fill(str(folder))
    page.get_by_role("textbox", name="Name of the new collection").fill(name)
    page.get_by_role("textbox", name="Name of the new collection").press("Tab")
    page.get_by_role("button", name="Start the import").click()


def test_a_collection_is_published_as_geoparquet_and_can_be_taken_along(server, page: Page, tmp_path):
    section(page, server, "Publish")
    expect(page.get_by_role("checkbox", name=re.compile("GeoParquet"))).to_be_checked()
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("GeoParquet · 20 samples")).to_be_visible(timeout=LONG)
    (file,) = server.workspace.exports.glob("bavaria-2018-*-geoparquet/*.parquet")
    assert pq.read_table(file).num_rows == 20
    with page.expect_download() as download:
        page.get_by_role("button", name="Download (zip)").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        assert f"{file.parent.name}/{file.name}" in packed.namelist()


def test_a_broken_image_is_named_and_the_rest_is_verified(server, page: Page, tmp_path):
    shutil.copytree(FIELDS, tmp_path / "fields")
    broken = sorted((tmp_path / "fields").rglob("*.tif"))[0]
    broken.write_bytes(broken.read_bytes()[:300])
    section(page, server, "Import files")
    import_folder(page, tmp_path / "fields", "mine")
    expect(page.get_by_text("finished, some left out")).to_be_visible(timeout=LONG)
    with page.expect_download() as download:
        page.get_by_role("button", name="The whole list").click()
    assert "left out" in download.value.path().read_text()
    page.get_by_role("button", name="Open in Verify").click()
    page.wait_for_url("**/verify?**")
    card(page)
    expect(page.get_by_role("combobox", name="Collection")).to_have_value("mine")


def test_a_job_is_cancelled_and_a_killed_one_goes_on_over_a_restart_of_the_app(server, page: Page):
    workspace = server.workspace
    name = jobs.start(workspace, ["simulate", "--samples", "3000", "--collection", "big"], "Simulate big", makes="big")
    section(page, server, "Jobs")
    expect(page.get_by_text(re.compile(r"of 3,000 · big"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=LONG)
    wait_for(lambda: jobs.status(workspace, name).state == "cancelled")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG)
    server.kill()
    server.start()
    assert jobs.status(workspace, name).active
    os.kill(int((workspace.jobs / name / "pid").read_text()), signal.SIGKILL)
    section(page, server, "Jobs")
    expect(page.get_by_text("gone without a word")).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=LONG)
    jobs.cancel(workspace, name)
    wait_for(lambda: not jobs.status(workspace, name).active)


def test_an_uploaded_sites_file_is_counted_and_its_faults_are_named(server, page: Page):
    text = "name,longitude,latitude\na,-97.1,49.8\nb,-97.2,49.9\nfar,500,3\n"
    section(page, server, "Get imagery")
    page.locator("input[type=file]").set_input_files({"name": "../sites.csv", "mimeType": "text/csv", "buffer": text.encode()})
    expect(page.get_by_role("heading", name="2 sites")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Plan")).to_be_disabled()
    (kept,) = server.workspace.uploads.rglob("*.csv")
    assert kept.read_text() == text


def test_the_data_page_fits_and_says_nothing_on_the_console(server, page: Page):
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/data")
    for name in ("Inventory labels", "Import files", "Publish", "Jobs", "Get imagery"):
        page.get_by_role("radio", name=name).click()
        page.wait_for_timeout(600)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [error for error in errors if "404" not in error] == []
