"""Every page through Streamlit's own test harness: empty, full, and with a broken workspace."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from data import info
from modeling import runs
from modeling.config import TrainConfig
from tests.conftest import ROOT
from tests.kinds_world import COLOURS, FREE, MONTHLY, UNLABELLED

PAGES = ("overview", "verify", "review", "wall", "explore", "map", "train", "results", "studies", "quality", "team", "history")


def opened(page: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    return app if page == "overview" else app.switch_page(f"pages/{page}.py").run()


def texts(app: AppTest) -> str:
    shown = [*app.info, *app.warning, *app.error, *app.markdown, *app.caption, *app.success]
    return "\n".join(element.value for element in shown)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_any_collection_says_what_to_do(empty, page):
    app = opened(page)
    assert not app.exception
    assert "python -m data init" in texts(app)


@pytest.mark.parametrize("collection", ["bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_every_demo_collection(demo, page, collection):
    app = opened(page)
    app.selectbox(key="collection").set_value(collection).run()
    assert not app.exception
    assert not app.error
    if collection.startswith("canada") and page != "results":
        assert "simulated" in texts(app)


@pytest.mark.parametrize("collection", [FREE, MONTHLY, UNLABELLED, COLOURS])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_on_every_kind_of_collection(kinds, page, collection):
    app = opened(page)
    app.selectbox(key="collection").set_value(collection).run()
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_a_database_from_a_newer_version_is_refused_with_a_way_out(demo, page):
    with sqlite3.connect(demo.store.path) as db:
        db.execute("insert into _sqlite_migrations (migration_set, name, applied_at) values ('cropcheck', 'of_tomorrow', '2030')")
    app = opened("overview")
    assert not app.exception
    assert "written by a newer Cropcheck" in texts(app)
    assert "of_tomorrow" in texts(app)


def test_a_workspace_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CROPCHECK_HOME", str(tmp_path / "file" / "workspace"))
    app = opened("overview")
    assert not app.exception
    assert "cannot be written" in texts(app)
    assert str(tmp_path / "file" / "workspace") in texts(app)


def test_the_overview_counts_what_was_imported_and_leads_on(demo):
    app = opened("overview")
    app.selectbox(key="collection").set_value("bavaria-2018").run()
    values = {metric.label: metric.value for metric in app.metric}
    assert (values["Samples"], values["Images"], values["Dates × bands"]) == ("20", "262", "14 × 12")
    assert app.button(key="overview.next").label == "Verify labels"
    assert "20 labels wait" in texts(app)


@pytest.mark.parametrize("page", ["verify", "train"])
def test_a_collection_whose_pixels_are_gone_says_so(demo_home, tmp_path, monkeypatch, page):
    from tests.conftest import copy_workspace

    workspace = copy_workspace(demo_home, tmp_path / "workspace")
    (workspace.home / "patches").unlink()
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    app = opened(page)
    assert not app.exception
    if page == "verify":
        assert "is missing. Restore it from a backup" in texts(app)


def test_the_working_directory_does_not_matter(demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(os.getcwd()) == tmp_path
    assert not opened("overview").exception


def test_the_collection_chosen_stays_chosen_on_the_next_page(demo):
    app = opened("verify")
    app.selectbox(key="collection").set_value("canada-simulated-2019").run()
    app.switch_page("pages/train.py").run()
    assert app.selectbox(key="collection").value == "canada-simulated-2019"


def test_an_address_with_an_unknown_collection_is_answered_with_the_known_ones(demo):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["collection"] = "peru-1999"
    app.run()
    assert not app.exception
    assert "There is no collection 'peru-1999' in this workspace. It has: bavaria-2018" in texts(app)


def test_the_empty_state_makes_the_demo_collections(empty):
    app = opened("overview")
    app.button(key="chooser.demo").click().run(timeout=120)
    assert not app.exception
    assert [entry["collection"] for entry in info.describe(empty.store)] == [
        "bavaria-2018",
        "bavaria-parcels-2018",
        "canada-simulated-2019",
    ]
    assert app.selectbox(key="collection").value == "bavaria-2018"


def test_the_overview_counts_what_has_no_label(kinds):
    app = opened("overview")
    for collection, count in ((UNLABELLED, ["6"]), (FREE, [])):
        app.selectbox(key="collection").set_value(collection).run()
        assert [metric.value for metric in app.metric if metric.label == "No label"] == count
    assert [metric.value for metric in app.metric if metric.label == "Dates × bands"] == ["≤ 40 × 12"]


def test_the_map_shows_one_year_where_samples_of_several_lie_on_each_other(kinds):
    app = opened("map")
    app.selectbox(key="collection").set_value(MONTHLY).run()
    assert app.selectbox(key=f"map.year.{MONTHLY}").options == ["2017", "2018", "2019", "2020"]
    shown = []
    for year in (None, 2019):
        app.selectbox(key=f"map.year.{MONTHLY}").set_value(year).run()
        shown.append(next(caption.value for caption in app.caption if "in their places" in caption.value).split(".")[0])
    assert not app.exception
    assert shown == ["24 samples in their places", "6 samples in their places"]
    app.selectbox(key="collection").set_value(FREE).run()
    assert not [box for box in app.selectbox if box.label == "Year"]


def test_explore_says_where_labels_come_from_when_there_are_none(kinds):
    with kinds.store.writing() as db:
        db.execute("update sample set inventory_code = 0 where collection = ?", [UNLABELLED])
    app = opened("explore")
    app.selectbox(key="collection").set_value(UNLABELLED).run()
    assert "No sample has a label yet" in app.info[0].value


@pytest.mark.parametrize("button", ["train.resume", None])
def test_a_run_whose_folder_is_deleted_under_the_page_is_told_without_a_traceback(demo, button):
    run = runs.create(demo, TrainConfig.for_model("ltae", "bavaria-parcels-2018"))
    app = opened("train")
    app.selectbox(key="collection").set_value("bavaria-parcels-2018").run()
    assert run.name in texts(app)
    shutil.rmtree(run.path)
    if button:
        app.button(key=button).click()
    app.run()
    assert not app.exception
    assert run.name not in "".join(element.value for element in app.markdown)
    app.switch_page("pages/results.py").run()
    assert not app.exception
