"""The Results page through Streamlit's own test harness, on real runs of the toy world."""

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from data.workspace import Workspace
from modeling import rundir, runs, training
from tests.conftest import ROOT, copy_workspace
from tests.modeling_world import config, decide, world
from tests.test_pages import texts

VIEWS = ("Matrix", "Classes", "Groups", "Calibration", "Compare", "Table")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with two runs on the same folds, and one on a test part."""
    workspace = world(Workspace(tmp_path_factory.mktemp("results") / "workspace").create())
    names = []
    for chosen in ({"folds": 3}, {"folds": 3, "inputs": "B02", "epochs": 2}, {"epochs": 2}):
        run = runs.create(workspace, config(threads=1, **chosen))
        training.train(workspace, rundir.at(workspace.runs, run.name))
        rundir.at(workspace.runs, run.name).say("finished")
        names.append(run.name)
    return workspace, names


@pytest.fixture
def own(trained, tmp_path, monkeypatch):
    """The same, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(trained[0].home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace, trained[1]


def opened(run: str, *, other: str | None = None, view: str = "Matrix") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["run"] = run
    app.run().switch_page("pages/results.py").run()
    app.selectbox(key="results.run").set_value(run)
    app.segmented_control(key="results.view").set_value(view).run()
    if other:
        app.selectbox(key="results.other").set_value(other).run()
    return app


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("both", [False, True])
def test_every_view_opens_alone_and_beside_another_run(own, view, both):
    _, (first, second, _) = own
    app = opened(first, other=second if both else None)
    app.segmented_control(key="results.view").set_value(view).run()
    assert not app.exception
    assert not app.error
    assert [metric.label for metric in app.metric] == [
        "Accuracy", "Kappa", "Macro-F1", "Average accuracy", "ECE", "Nearest copied", "Samples judged",
    ]  # fmt: skip


def test_the_headline_has_the_runs_figures_with_intervals(own):
    workspace, (name, *_) = own
    found, app = runs.results(workspace, name), opened(name)
    shown = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    for title, figure in (
        ("Kappa", found.scores.kappa),
        ("Average accuracy", found.scores.average_accuracy),
        ("ECE", found.calibration.ece),
    ):
        assert shown[title] == (f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}")
    assert "**ltae** on inventory labels · inputs: land bands and six indices · dates: all · split: random by site, 3 folds" in texts(app)


def test_choosing_another_run_shows_the_comparison_on_the_same_samples(own):
    _, (first, second, third) = own
    app = opened(first, other=second)
    assert app.segmented_control(key="results.view").value == "Compare"
    assert "on 36 samples" in texts(app)
    assert "McNemar's exact test: p = " in texts(app)
    app.selectbox(key="results.other").set_value(third).run()
    assert "samples judge only one of the two runs" in texts(app)


def test_groups_are_chosen_and_a_single_one_is_said(own):
    _, (name, *_) = own
    app = opened(name, view="Groups")
    assert "All judged samples are in one group: Toyland." in texts(app)
    app.segmented_control(key="results.by").set_value("part").run()
    assert list(app.dataframe[0].value["Part"]) == ["fold-0", "fold-1", "fold-2"]


def test_what_the_checks_of_a_cell_found_is_shown(own):
    workspace, (_, name, _) = own
    truth, predicted, _ = runs.results(workspace, name).confusions(1)[0]
    assert "None of the" in texts(opened(name))
    with workspace.store.reading() as db:
        rows = db.execute(
            "select s.name, s.inventory_code from prediction p join sample s on s.id = p.sample "
            "where p.run = ? and p.truth = ? and p.predicted = ? limit 2",
            [name, truth, predicted],
        ).fetchall()
    decide(workspace, rows[0]["name"], "agree", rows[0]["inventory_code"])
    decide(workspace, rows[1]["name"], "reject")
    app = opened(name)
    assert "the label was wrong in **1** (0 are what the model says), the model in **1**" in texts(app)
    assert "(2 checked)" in app.button(key=f"results.worst.{truth}.{predicted}").label


def test_a_run_trained_by_an_earlier_version_opens_with_its_calibration(own):
    workspace, (name, *_) = own
    path = workspace.runs / name / "results.json"
    content = json.loads(path.read_text())
    del content["calibration"]
    path.write_text(json.dumps(content))
    app = opened(name, view="Calibration")
    assert not app.exception
    assert "ECE" in [metric.label for metric in app.metric]


def test_a_run_deleted_under_the_page_leaves_the_others(own):
    workspace, (first, second, _) = own
    app = opened(first, other=second, view="Compare")
    shutil.rmtree(workspace.runs / first)
    app.run()
    assert not app.exception
    assert f"There is no run '{first}' in this workspace" in texts(app)
    assert app.selectbox(key="results.run").value != first
    for name in runs.listing(workspace):
        shutil.rmtree(workspace.runs / name.name)
    app.run()
    assert not app.exception
    assert "is finished yet. Train one first" in texts(app)
