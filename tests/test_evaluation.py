"""What a run's predictions say, on real runs of the toy world: judged samples, groups, pairs of runs, checked cells, tables, command."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn import metrics as oracle

from data.errors import BadInput, UnknownRun
from data.workspace import Workspace
from modeling import evaluation, rundir, runs, tables, training
from modeling.__main__ import main
from tests.conftest import copy_workspace
from tests.modeling_world import config, decide, world


def finished(workspace: Workspace, **chosen) -> str:
    """The name of a run that was trained in this process."""
    run = runs.create(workspace, config(**chosen))
    training.train(workspace, rundir.at(workspace.runs, run.name))
    return run.name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with two runs on the same three folds, of which the second sees only the blue band, and one on a test part."""
    workspace = world(Workspace(tmp_path_factory.mktemp("evaluation") / "workspace").create())
    with workspace.store.writing() as db:
        db.execute("update site set region = case when id % 3 = 0 then 'Westland' else 'Toyland' end")
    names = [
        finished(workspace, folds=3, threads=1),
        finished(workspace, folds=3, threads=1, epochs=2, inputs="B02"),
        finished(workspace, threads=1, epochs=2),
    ]
    return workspace, names


@pytest.fixture
def own(trained, tmp_path, monkeypatch):
    """The same, to be written to, named by CROPCHECK_HOME."""
    workspace = copy_workspace(trained[0].home, tmp_path / "workspace")
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    return workspace, trained[1]


def invoked(*words: str):
    return CliRunner().invoke(main, ["compare", *words])


def test_the_judged_samples_give_the_runs_matrix(trained):
    workspace, names = trained
    for name in names:
        judged, found = evaluation.judged(workspace, name), runs.results(workspace, name)
        counts = oracle.confusion_matrix(judged.truth, judged.predicted, labels=range(len(judged.classes)))
        assert (counts == found.confusion).all()
        assert len(judged) == found.scores.samples
        assert (judged.shares.argmax(axis=1) == judged.predicted).all()


def test_the_calibration_of_the_stored_predictions_is_the_runs_own(trained):
    workspace, (name, *_) = trained
    stored, found = evaluation.judged(workspace, name).calibration(), runs.results(workspace, name).calibration
    assert stored.ece.value == pytest.approx(found.ece.value, abs=1e-4)
    assert stored.brier == pytest.approx(found.brier, abs=1e-4)
    assert stored.accuracy == found.accuracy == pytest.approx(runs.results(workspace, name).scores.accuracy.value)


def test_predictions_are_read_in_pieces_of_any_size(trained, monkeypatch):
    workspace, (name, *_) = trained
    whole = evaluation.judged(workspace, name)
    monkeypatch.setattr(evaluation, "CHUNK", 7)
    pieces = evaluation.judged(workspace, name)
    np.testing.assert_array_equal(whole.shares, pieces.shares)
    np.testing.assert_array_equal(whole.ids, pieces.ids)


@pytest.mark.parametrize("stratum", ["region", "year", "part", "verified"])
def test_groups_share_the_judged_samples_out_and_score_each_alone(trained, stratum):
    workspace, (_, name, _) = trained
    judged = evaluation.judged(workspace, name)
    groups = evaluation.by(judged, stratum)
    assert [group.name for group in groups] == sorted({str(value) for value in judged.strata[stratum]})
    assert sum(group.scores.samples for group in groups) == len(judged)
    for group in groups:
        rows = judged.strata[stratum].astype(str) == group.name
        truth, predicted = judged.truth[rows], judged.predicted[rows]
        assert group.scores.accuracy.value == pytest.approx(oracle.accuracy_score(truth, predicted))
        assert group.scores.macro_f1.value == pytest.approx(oracle.f1_score(truth, predicted, average="macro", zero_division=0))


def test_the_regions_are_those_of_the_sites(trained):
    workspace, (name, *_) = trained
    groups = evaluation.by(evaluation.judged(workspace, name), "region")
    assert {group.name: group.scores.samples for group in groups} == {"Toyland": 24, "Westland": 12}


def test_a_group_that_is_not_there_is_refused_with_those_that_are(trained):
    workspace, (name, *_) = trained
    with pytest.raises(BadInput, match="by 'month'; choose one of region, year, part, verified"):
        evaluation.by(evaluation.judged(workspace, name), "month")


def test_a_model_of_whole_seasons_has_no_month(trained):
    workspace, (name, *_) = trained
    with pytest.raises(BadInput, match=r"ltae looks at several dates.*study dates"):
        evaluation.with_months(workspace, evaluation.judged(workspace, name))


def test_the_month_is_that_of_the_image_the_model_looked_at(empty):
    workspace = world(empty, size=32)
    name = finished(workspace, model="resnet18", epochs=1, months="best", threads=1)
    judged = evaluation.with_months(workspace, evaluation.judged(workspace, name))
    greenest = {"wheat": 6, "canola": 7, "soybean": 8}  # when its near-infrared is highest, in tests.modeling_world
    for truth, month in zip(judged.truth, judged.strata["month"], strict=True):
        assert month == greenest[judged.classes[truth]]
    assert [group.name for group in evaluation.by(judged, "month")] == ["6", "7", "8"]
    assert tables.of_strata("month", evaluation.by(judged, "month")).rows[0][0] == "June"


def test_two_runs_are_compared_on_the_samples_of_both(trained):
    workspace, (good, poor, part) = trained
    first, second, third = (evaluation.judged(workspace, name) for name in (good, poor, part))
    both = evaluation.paired(first, second)
    right, other = first.predicted == first.truth, second.predicted == second.truth
    assert (both.paired.only_first, both.paired.only_second) == ((right & ~other).sum(), (other & ~right).sum())
    assert both.paired.accuracy.value == pytest.approx(right.mean() - other.mean())
    assert both.paired.p_value < 0.05
    assert both.remarks() == []
    against = evaluation.paired(first, third)
    assert against.paired.samples == len(third)
    assert against.remarks() == [f"{36 - len(third)} samples judge only one of the two runs; the test is on the {len(third)} of both."]


def test_samples_judged_against_other_labels_are_left_out_of_the_comparison(own):
    workspace, (name, *_) = own
    decide(workspace, "S000-2020", "relabel", 153)
    later = finished(workspace, folds=3, threads=1, epochs=1, labels="mixed")
    found = evaluation.paired(evaluation.judged(workspace, name), evaluation.judged(workspace, later))
    assert (found.differing, found.paired.samples) == (1, 35)
    assert "1 samples are left out: the two runs are judged against different labels there." in found.remarks()


def test_runs_with_different_classes_are_compared_by_the_names_of_classes(own):
    workspace, (name, *_) = own
    for number in range(0, 39):
        with workspace.store.reading() as db:
            code = db.execute("select inventory_code from sample where name = ?", [f"S{number:03d}-2020"]).fetchone()[0]
        if code == 146:
            decide(workspace, f"S{number:03d}-2020", "reject")
    later = finished(workspace, folds=3, threads=1, epochs=1, labels="mixed")
    second = evaluation.judged(workspace, later)
    assert second.classes == ("canola", "soybean")
    found = evaluation.paired(evaluation.judged(workspace, name), second)
    assert (found.paired.samples, found.differing, found.left_out) == (24, 0, 12)


def test_runs_without_a_sample_in_common_cannot_be_compared(trained):
    workspace, (name, *_) = trained
    judged = evaluation.judged(workspace, name)
    halves = [
        evaluation.Judged(
            judged.run, judged.config, judged.classes, judged.ids[rows], judged.truth[rows], judged.predicted[rows], judged.shares[rows], {}
        )
        for rows in (slice(0, 18), slice(18, 36))
    ]
    with pytest.raises(BadInput, match=r"they cannot be compared\. Train one of them on the split of the other"):
        evaluation.paired(*halves)


def test_results_of_an_earlier_version_are_read(own):
    workspace, (name, *_) = own
    path = workspace.runs / name / "results.json"
    content = json.loads(path.read_text())
    del content["calibration"]
    path.write_text(json.dumps(content))
    found = runs.results(workspace, name)
    assert found.calibration is None
    assert found.scores.average_accuracy.value > 0
    assert invoked(name).exit_code == 0


def test_the_breizhcrops_table_has_the_figures_of_the_paper(trained):
    workspace, names = trained
    table = tables.breizhcrops([runs.results(workspace, name) for name in names[:2]])
    for record, name in zip(table.records(), names, strict=False):
        judged = evaluation.judged(workspace, name)
        precision, recall, f1, _ = oracle.precision_recall_fscore_support(judged.truth, judged.predicted, average="macro", zero_division=0)
        assert record["Kappa"] == pytest.approx(oracle.cohen_kappa_score(judged.truth, judged.predicted))
        assert (record["Mean precision"], record["Mean recall"], record["Mean F1"]) == pytest.approx((precision, recall, f1))
        assert (record["Split"], record["Samples"]) == ("random by site, 3 folds, seed 0", 36)
    classes = tables.of_classes([runs.results(workspace, names[0])]).records()
    assert [(record["Class"], record["Samples"]) for record in classes] == [("wheat", 12), ("canola", 12), ("soybean", 12)]


def test_a_table_is_written_as_markdown_and_csv():
    table = tables.Table(("Run", "F1", "Samples"), (("a|b", 0.12345678, 3), ("c, d", None, 4)))
    assert table.markdown().splitlines() == ["| Run | F1 | Samples |", "| --- | ---: | ---: |", "| a\\|b | 0.123 | 3 |", "| c, d |  | 4 |"]
    assert list(csv.reader(io.StringIO(table.csv()))) == [["Run", "F1", "Samples"], ["a|b", "0.123457", "3"], ["c, d", "", "4"]]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"Inputs": "land bands and six indices", "Dates": "all", "Split": "random by site, 60/20/20, seed 0"}),
        ({"inputs": "rgb", "months": "7+6"}, {"Inputs": "red, green and blue", "Dates": "June and July"}),
        ({"inputs": "B04+NDVI", "dates": "clear"}, {"Inputs": "B04, NDVI", "Dates": "all, clear ones"}),
        ({"model": "resnet18"}, {"Dates": "the best"}),
        ({"model": "resnet18", "months": "8"}, {"Dates": "best of August"}),
        ({"model": "resnet18", "months": "each"}, {"Dates": "each in turn, clear ones"}),
        ({"split": "block", "block_side_m": 750.0, "folds": 5}, {"Split": "blocks of 750 m, 5 folds, seed 0"}),
        ({"split": "region"}, {"Split": "by region, one fold each, seed 0"}),
        ({"split": "region", "held_out": "frh04"}, {"Split": "by region, frh04 held out, seed 0"}),
        ({"labels": "mixed", "limit": 100}, {"Labels": "mixed, at most 100"}),
    ],
)
def test_a_run_is_told_in_words(chosen, expected):
    words = tables.words(config(**chosen))
    assert {name: words[name] for name in expected} == expected


def test_the_command_prints_one_run_in_full(own):
    _, (name, *_) = own
    shown = invoked(name, "--by", "region")
    assert shown.exit_code == 0, shown.output
    for part in ("average accuracy", "macro precision", "expected calibration error", "copying the nearest", "| Toyland | 24 |", "soybean"):
        assert part in shown.output


def test_the_command_holds_several_runs_against_the_first(own):
    _, names = own
    shown = invoked(*names)
    assert f"{names[0]} against {names[1]}, on 36 samples" in shown.output
    assert "McNemar's exact test p = " in shown.output
    content = json.loads(invoked(*names, "--by", "year", "--json").output)
    assert [run["run"] for run in content["runs"]] == names
    assert [one["second"] for one in content["compared"]] == names[1:]
    assert {name: len(groups) for name, groups in content["by"].items()} == dict.fromkeys(names, 1)


def test_the_commands_csv_is_read_by_pandas(own):
    import pandas as pd

    _, names = own
    overall = pd.read_csv(io.StringIO(invoked(*names[:2], "--table", "breizhcrops", "--csv").output))
    assert list(overall["Class"]) == ["all", "all", *["wheat", "canola", "soybean"] * 2]
    groups = pd.read_csv(io.StringIO(invoked(*names[:2], "--by", "region", "--csv").output))
    assert list(groups["Samples"]) == [24, 12, 24, 12]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{0}", "{0}"], "is named twice"),
        (["nothing"], "There is no run 'nothing'"),
        (["{0}", "--by", "month"], "looks at several dates"),
        (["{0}", "--csv", "--json"], "not both"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(own, words, message):
    _, names = own
    shown = invoked(*(word.format(*names) for word in words))
    assert shown.exit_code != 0
    assert message in shown.output
    assert "Traceback" not in shown.output


def test_a_run_whose_folder_is_gone_is_unknown(own):
    workspace, (name, *_) = own
    shutil.rmtree(workspace.runs / name)
    with pytest.raises(UnknownRun, match="There is no run"):
        evaluation.judged(workspace, name)
