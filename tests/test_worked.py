"""After a cell was worked through: whose errors it held; intervals and matrices against scipy and scikit-learn."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest
from sklearn import metrics as oracle
from streamlit.testing.v1 import AppTest

from data.errors import BadInput, UnknownRun
from data.workspace import Workspace
from labeling import worked
from labeling.__main__ import main
from labeling.worked import Outcome
from modeling import runs, training
from tests import modeling_world as toy
from tests.conftest import ROOT, copy_workspace
from tests.test_pages import texts

CODES = {"wheat": 146, "canola": 153, "soybean": 158}
SHRUBLAND = 50  # in the legend, but in no class


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The toy collection, and a run that confuses its crops: it learned from one dull band."""
    workspace = toy.world(Workspace(tmp_path_factory.mktemp("worked") / "workspace").create())
    run = runs.create(workspace, toy.config(folds=3, inputs="B02", epochs=2))
    training.train(workspace, run)
    return workspace, run.name


@pytest.fixture
def own(trained, tmp_path, monkeypatch):
    """The same, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(trained[0].home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace, trained[1]


@pytest.fixture
def cell(own):
    """The run's largest confusion: (label, predicted, names of its samples)."""
    workspace, run = own
    truth, predicted, count = runs.results(workspace, run).confusions(1)[0]
    assert count >= 6, "the run is meant to be poor"
    with workspace.store.reading() as db:
        rows = db.execute(
            "select s.name from prediction p join sample s on s.id = p.sample where p.run = ? and p.truth = ? and p.predicted = ?",
            [run, truth, predicted],
        ).fetchall()
    return truth, predicted, [row["name"] for row in rows]


def third(truth: str, predicted: str) -> str:
    return next(crop for crop in CODES if crop not in (truth, predicted))


def work_through(workspace: Workspace, cell) -> None:
    """One of each: kept, relabelled as read, to the third crop, to one without a class, rejected, unsure."""
    truth, predicted, names = cell
    toy.decide(workspace, names[0], "agree", CODES[truth])
    toy.decide(workspace, names[1], "relabel", CODES[predicted])
    toy.decide(workspace, names[2], "relabel", CODES[third(truth, predicted)])
    toy.decide(workspace, names[3], "relabel", SHRUBLAND)
    toy.decide(workspace, names[4], "reject")
    toy.decide(workspace, names[5], "unsure")


def judged(workspace: Workspace, run: str) -> list:
    """(label now, predicted) of the judged samples, worked out here from the table: the oracle of the matrices."""
    with workspace.store.reading() as db:
        return [
            tuple(row)
            for row in db.execute(
                """select (select learned from legend_class g where g.collection = 'toy' and g.code = l.code), p.predicted, p.truth
                from prediction p join label l on l.sample = p.sample where p.run = ? and p.part like 'fold-%'""",
                [run],
            )
        ]


# One cell


def test_nothing_is_found_before_anybody_has_decided(own, cell):
    workspace, run = own
    found = worked.outcome(workspace.store, run, *cell[:2])
    assert found == Outcome(samples=len(cell[2]))
    assert (found.open, found.decided, found.inventory_wrong.value) == (len(cell[2]), 0, None)
    assert not worked.matrices(workspace.store, run).changed


def test_every_verdict_is_an_error_of_the_inventory_or_the_model_or_both(own, cell):
    workspace, run = own
    truth, predicted, names = cell
    work_through(workspace, cell)
    other = third(truth, predicted)
    found = worked.outcome(workspace.store, run, truth, predicted)
    assert (found.kept, found.to_predicted, found.to_other, found.rejected, found.unsure) == (1, 1, 2, 1, 1)
    assert found.relabelled_to == tuple((name, 1) for name in sorted(["shrubland", other, predicted]))
    assert (found.decided, found.judged, found.open) == (6, 5, len(names) - 6)
    assert (found.inventory_wrong.hits, found.inventory_wrong.of) == (4, 5)
    assert (found.model_wrong.hits, found.model_wrong.of) == (3, 5), "kept, and the two of which both were wrong"
    interval = binomtest(4, 5).proportion_ci(method="wilson")
    assert found.inventory_wrong.interval == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_the_newest_decision_counts_and_one_taken_back_does_not(own, cell):
    workspace, run = own
    truth, predicted, names = cell
    toy.decide(workspace, names[0], "agree", CODES[truth])
    toy.decide(workspace, names[0], "relabel", CODES[predicted])
    assert worked.outcome(workspace.store, run, truth, predicted).to_predicted == 1
    with workspace.store.writing() as db:
        for row in db.execute("select id, sample from event").fetchall():
            db.execute(
                "insert into event (uid, sample, curator, action, stands, at, undo_of) values (?, ?, 'ada', 'undo', 1, '2026', ?)",
                [f"undo-{row['id']}", row["sample"], row["id"]],
            )
    assert worked.outcome(workspace.store, run, truth, predicted) == Outcome(samples=len(names))


def test_what_was_decided_before_the_run_is_open_as_in_its_queue(own, cell):
    workspace, run = own
    truth, predicted, names = cell
    toy.decide(workspace, names[0], "agree", CODES[truth])
    with workspace.store.writing() as db:
        db.execute("update run set last_event = (select max(id) from event) where name = ?", [run])
    toy.decide(workspace, names[1], "agree", CODES[truth])
    found = worked.outcome(workspace.store, run, truth, predicted)
    assert (found.kept, found.open) == (1, len(names) - 1)


def test_on_the_diagonal_what_is_kept_is_nobodys_error(own):
    workspace, run = own
    with workspace.store.reading() as db:
        rows = db.execute(
            "select s.name, p.truth from prediction p join sample s on s.id = p.sample where p.run = ? and p.truth = p.predicted", [run]
        ).fetchall()
    truth = rows[0]["truth"]
    same = [row["name"] for row in rows if row["truth"] == truth]
    toy.decide(workspace, same[0], "agree", CODES[truth])
    toy.decide(workspace, same[1], "relabel", CODES[next(crop for crop in CODES if crop != truth)])
    found = worked.outcome(workspace.store, run, truth, truth)
    assert (found.kept, found.to_other, found.inventory_wrong.hits, found.model_wrong.hits) == (1, 1, 1, 1)
    assert worked.confused(worked.outcomes(workspace.store, run)).decided == 0


def test_cells_add_up_to_all_confusions(own, cell):
    workspace, run = own
    work_through(workspace, cell)
    found = worked.outcomes(workspace.store, run)
    counts = runs.results(workspace, run).confusion
    assert sum(each.samples for each in found.values()) == counts.sum()
    total = worked.confused(found)
    assert total.samples == counts.sum() - np.trace(counts)
    assert (total.decided, dict(total.relabelled_to)["shrubland"]) == (6, 1)


def test_an_unknown_run_and_an_empty_cell_are_told(own):
    workspace, run = own
    with pytest.raises(UnknownRun, match="no run 'nothing' that is judged"):
        worked.outcomes(workspace.store, "nothing")
    with pytest.raises(UnknownRun, match="no run 'nothing' that is judged"):
        worked.matrices(workspace.store, "nothing")
    with pytest.raises(BadInput, match="no sample labelled rye that it reads as wheat"):
        worked.outcome(workspace.store, run, "rye", "wheat")


# Both matrices


def test_both_matrices_and_their_figures_are_those_of_scikit_learn(own, cell):
    workspace, run = own
    work_through(workspace, cell)
    told = worked.matrices(workspace.store, run)
    rows = judged(workspace, run)
    here = [row for row in rows if row[0] is not None]
    assert told.left_out == len(rows) - len(here) == 2, "the rejected one, and the one that is shrubland now"
    for counts, truth, predicted in (
        (told.before, [row[2] for row in rows], [row[1] for row in rows]),
        (told.after, [row[0] for row in here], [row[1] for row in here]),
    ):
        np.testing.assert_array_equal(counts, oracle.confusion_matrix(truth, predicted, labels=list(told.classes)))
        assert worked.accuracy(counts).value == pytest.approx(oracle.accuracy_score(truth, predicted))
        assert worked.macro_f1(counts) == pytest.approx(oracle.f1_score(truth, predicted, average="macro"))
    np.testing.assert_array_equal(told.before, runs.results(workspace, run).confusion)


def test_figures_of_an_empty_matrix_are_nothing_rather_than_a_fault():
    assert worked.accuracy(np.zeros((2, 2), int)).value is None
    assert worked.macro_f1(np.zeros((2, 2), int)) == 0


# The command


def called(*arguments: str):
    return CliRunner().invoke(main, ["worked", *arguments])


def test_the_command_tells_all_confusions_or_one_cell(own, cell):
    workspace, run = own
    work_through(workspace, cell)
    truth, predicted, names = cell
    everything = json.loads(called("--run", run, "--json").output)
    (begun,) = everything["cells"]
    assert (begun["truth"], begun["predicted"], begun["decided"]) == (truth, predicted, 6)
    assert everything["total"]["inventory_wrong"]["hits"] == 4
    assert everything["matrices"]["before"]["counts"] == runs.results(workspace, run).confusion.tolist()
    one = json.loads(called("--run", run, "--truth", truth, "--predicted", predicted, "--json").output)
    assert one["total"] == {key: value for key, value in begun.items() if key not in ("truth", "predicted")}
    text = called("--run", run).output
    assert f"{truth} read as {predicted}: 6 of {len(names)}: 1 kept, 1 relabelled as read, 2 to another, 1 rejected, 1 unsure" in text
    assert "the inventory's errors: 4 of 5 = 80.0%" in text


def test_the_command_says_what_it_cannot_do(own):
    assert "no run 'nothing'" in called("--run", "nothing").output
    assert "A cell has two sides" in called("--run", own[1], "--truth", "wheat").output


# The view of the Results page


def opened(run: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["run"] = run
    app.run().switch_page("pages/results.py").run()
    app.selectbox(key="results.run").set_value(run)
    return app.segmented_control(key="results.view").set_value("After checking").run()


def test_the_view_says_what_to_do_before_anything_is_checked(own):
    app = opened(own[1])
    assert not app.exception
    assert "Open a cell of the matrix, decide on its samples, and come back." in texts(app)


def test_the_view_shows_the_cell_and_both_matrices(own, cell):
    workspace, run = own
    work_through(workspace, cell)
    app = opened(run)
    assert not app.exception
    app.selectbox(key="worked.cell").set_value(cell[:2]).run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["The inventory's errors"], shown["The model's errors"]) == ("4 of 5 = 80%", "3 of 5 = 60%")
    assert shown["Open"] == str(len(cell[2]) - 6)
    assert "Under the labels now in force" in texts(app)
    assert "2 have none any more" in texts(app)
