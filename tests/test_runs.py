"""Runs as real child processes: they finish, stop when asked, are found lost when killed, and go on as if nothing had happened."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from data import shards
from data.errors import CannotTrain, UnknownRun
from data.workspace import Workspace
from labeling import queues
from labeling.queues import Queue
from modeling import figures, lessons, predict, rundir, runs, training
from modeling.rundir import RunDir
from tests import modeling_world as toy

PATIENCE = 120  # seconds; a start takes about three, on a busy machine many more


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty)


def wait(workspace: Workspace, name: str, until) -> runs.RunStatus:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = runs.status(workspace, name)
        if until(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"{found}\n{runs.log(workspace, name)}")


def wait_over(workspace: Workspace, name: str) -> runs.RunStatus:
    return wait(workspace, name, lambda found: not found.active)


def in_process(workspace: Workspace, **chosen) -> RunDir:
    """A run trained here and now."""
    run = runs.create(workspace, toy.config(**chosen))
    training.train(workspace, run)
    return run


def stored(workspace: Workspace, run: str) -> list[tuple]:
    with workspace.store.reading() as db:
        columns = "sample, part, truth, predicted, probabilities"
        return [tuple(row) for row in db.execute(f"select {columns} from prediction where run = ? order by sample", [run])]


def test_a_launched_run_finishes_and_leaves_everything_whole(empty):
    world = toy.world(empty, {146: 40, 153: 40, 158: 40, 50: 3})
    name = runs.launch(world, toy.config(epochs=25))
    assert runs.status(world, name).active
    found = wait_over(world, name)
    assert (found.state, found.share, found.message) == ("finished", 1.0, "")
    results = runs.results(world, name)
    assert results.classes == ("wheat", "canola", "soybean")
    assert results.confusion.sum() == results.scores.samples
    assert results.scores.accuracy.value > 0.7, "the toy crops are easy to tell apart"
    assert results.validation is not None
    assert len(runs.progress(world, name)) == found.epochs_done
    assert len(stored(world, name)) == 123, "every sample of the collection is predicted"
    assert not list((world.runs / name).glob("*.partial"))
    assert not (world.runs / name / "resume.pt").exists()
    with world.store.reading() as db:
        row = db.execute("select * from run").fetchone()
        assert (row["name"], row["content_hash"], row["last_event"]) == (name, results.content_hash, 0)
    assert [run.name for run in runs.listing(world)] == [name]
    with pytest.raises(CannotTrain, match="is finished"):
        runs.resume(world, name)


def test_a_cancelled_run_says_so_and_can_be_resumed(world):
    name = runs.launch(world, toy.config(epochs=3_000, folds=3))
    wait(world, name, lambda found: found.epochs_done > 3)
    runs.cancel(world, name)
    assert wait_over(world, name).state == "cancelled"
    with pytest.raises(UnknownRun, match="has no results: it is cancelled"):
        runs.results(world, name)
    run = RunDir(world.runs / name)
    run.write("config.json", json.loads(run.config().with_(epochs=4).to_json()))
    runs.resume(world, name)
    assert wait_over(world, name).state == "finished"


def test_a_run_cancelled_before_it_began_is_cancelled(world):
    name = runs.launch(world, toy.config(epochs=3_000))
    runs.cancel(world, name)
    assert wait_over(world, name).state == "cancelled"
    runs.cancel(world, name)
    assert runs.status(world, name).state == "cancelled"


def test_a_killed_run_is_lost_and_ends_with_the_same_figures_when_resumed(world):
    whole = in_process(world, folds=3, epochs=200)
    name = runs.launch(world, toy.config(folds=3, epochs=200))
    wait(world, name, lambda found: found.part == "fold-1")
    os.kill(int((world.runs / name / "pid").read_text()), signal.SIGKILL)
    assert wait_over(world, name).state == "lost"
    runs.resume(world, name)
    assert wait_over(world, name).state == "finished"
    assert stored(world, name) == stored(world, whole.name)
    assert [(epoch.part, epoch.epoch) for epoch in runs.progress(world, name)] == [
        (f"fold-{fold}", epoch) for fold in range(3) for epoch in range(1, 201)
    ]


class Killed(BaseException):
    """What stands for kill -9 where a test must choose the moment to the line."""


@pytest.mark.parametrize("moment", [1, 5, 8, 9, 16])
def test_training_goes_on_exactly_from_a_kill_at_any_epoch(world, monkeypatch, moment):
    whole = in_process(world, folds=2)
    monkeypatch.setattr(lessons, "SAVE_SECONDS", 0.0)
    run = runs.create(world, toy.config(folds=2))
    seen = []

    def line(epoch, config):
        seen.append(epoch)
        if len(seen) == moment:
            raise Killed
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(lessons, "line", line)
        with pytest.raises(Killed):
            training.train(world, run)
    assert runs.status(world, run.name).state == "lost"
    training.train(world, run)
    assert stored(world, run.name) == stored(world, whole.name)
    assert len(runs.progress(world, run.name)) == 16


def test_the_same_seed_and_labels_give_the_same_figures_and_another_seed_others(world):
    first, second, other = in_process(world), in_process(world), in_process(world, seed=1)
    assert stored(world, first.name) == stored(world, second.name)
    one, two = (runs.results(world, run.name) for run in (first, second))
    assert one.content_hash == two.content_hash
    assert (one.confusion == two.confusion).all()
    assert stored(world, first.name) != stored(world, other.name)


def test_predictions_of_folds_come_from_the_model_that_never_saw_them(world):
    name = in_process(world, folds=3, epochs=20).name
    parts = {part for _, part, *_ in stored(world, name)}
    assert parts == {"fold-0", "fold-1", "fold-2", "outside"}
    results = runs.results(world, name)
    assert results.judged == "folds"
    assert results.confusion.sum() == 36
    for row in stored(world, name):
        assert sum(json.loads(row[-1])) == pytest.approx(1, abs=1e-3)
        assert (row[2] is None) == (row[1] == "outside")


def test_the_queue_of_a_cell_holds_exactly_the_samples_that_the_matrix_counts(world):
    name = in_process(world, epochs=3).name
    results = runs.results(world, name)
    for row, truth in enumerate(results.classes):
        for column, predicted in enumerate(results.classes):
            cell = Queue("cell", (name, truth, predicted))
            assert queues.count(world.store, results.config.collection, cell)["samples"] == results.confusion[row, column]


def test_resnet_trains_on_patches(empty):
    toy.world(empty, size=8)
    results = runs.results(empty, in_process(empty, model="resnet18", epochs=4, batch_size=16, threads=1).name)
    assert results.scores.samples == 8
    assert results.config.dates == "clear"


def test_a_run_that_cannot_read_its_pixels_fails_with_the_reason(world):
    run = runs.create(world, toy.config())
    shards.path_of(world.shards(toy.NAME), "0000", ".series").unlink()
    runs.resume(world, run.name)
    found = wait_over(world, run.name)
    assert found.state == "failed"
    assert "0000.series.npy is missing. Restore it from a backup" in found.message
    assert "Traceback" not in runs.log(world, run.name)


def test_a_run_that_is_running_is_not_started_twice(world):
    run = runs.create(world, toy.config())
    with run.owned() as lock:
        assert lock is not None
        assert run.alive
        with pytest.raises(CannotTrain, match="is running already"):
            runs.resume(world, run.name)
    assert not run.alive


def test_predicting_again_changes_nothing_but_adds_new_samples(world):
    name = in_process(world).name
    before = stored(world, name)
    assert predict.again(world, name) == 39
    assert stored(world, name) == before


def test_predicting_with_an_unfinished_run_says_so(world):
    run = runs.create(world, toy.config())
    with pytest.raises(CannotTrain, match="is not finished, so it cannot predict"):
        predict.again(world, run.name)


def test_an_unknown_run_is_refused_whatever_its_name(world):
    for name in ("nothing", "../../etc", ""):
        with pytest.raises(UnknownRun, match="no run"):
            runs.status(world, name)


def test_a_line_cut_short_by_a_kill_is_left_out(world):
    run = in_process(world, epochs=3)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"part": "train", "ep')
    assert [epoch.epoch for epoch in run.epochs()] == [1, 2, 3]


def test_early_stopping_keeps_the_best_epoch(world):
    run = in_process(world, epochs=60, patience=4)
    watched = [epoch.val_macro_f1 for epoch in run.epochs()]
    assert len(watched) < 60
    assert runs.results(world, run.name).validation.macro_f1.value == pytest.approx(max(watched))
    assert watched[-5] == pytest.approx(max(watched)), "four epochs without a better one, then it stops"


def test_the_neighbour_check_copies_the_nearest_label(world):
    """Crops take turns along the grid, so the nearest neighbour never has the same one."""
    results = runs.results(world, in_process(world, folds=3, epochs=2).name)
    assert results.neighbour.samples == 36
    assert results.neighbour.accuracy.value < 0.5


def test_charts_show_what_they_are_given(world):
    run = in_process(world, epochs=4)
    results = runs.results(world, run.name)
    matrix = figures.confusion_figure(results)
    cells = next(trace for trace in matrix.data if trace.type == "scatter")
    assert [list(cell) for cell in cells.customdata][:2] == [["wheat", "wheat"], ["wheat", "canola"]]
    assert cells.hoverinfo != "skip"
    assert (matrix.layout.xaxis.title.text, matrix.layout.yaxis.title.text) == ("Predicted", "Truth (label in use)")
    assert len(figures.training_curves(run.epochs()).data) == 3
    assert list(figures.per_class_figure(results, results).data[0].marker.color) == list(toy.COLORS)
    assert np.array(matrix.data[0].z).shape == (3, 3)


def test_watching_a_run_imports_no_torch():
    source = Path(rundir.__file__).read_text() + Path(runs.__file__).read_text()
    assert "import torch" not in source
