"""The engine under a run: processes that share it, figures that repeat, and what happens when something gives way."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from data.errors import CannotTrain, UnknownRun, WorkspaceError
from data.workspace import CHECKOUT, Workspace
from modeling import checkpoint, lessons, runs, training, working
from modeling.__main__ import main
from modeling.fitting import NotANumber, TooLarge
from modeling.models.ltae import LTAE
from modeling.rundir import RunDir
from tests import modeling_world as toy
from tests import two_processes
from tests.test_runs import in_process, stored, wait, wait_over


@pytest.fixture
def world(empty) -> Workspace:
    return toy.world(empty)


# Several processes


def torchrun(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def train_together(workspace: Workspace, *arguments: str) -> tuple[subprocess.Popen, str]:
    """A run of two processes that has learned three epochs, and its name."""
    process = torchrun("modeling", "train", "--device", "cpu", *arguments)
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        found = [run for run in runs.listing(workspace) if run.epochs_done >= 3]
        if found:
            return process, found[0].name
        time.sleep(0.1)
    process.kill()
    raise AssertionError(process.communicate()[0])


def process_of_rank(parent: subprocess.Popen, rank: int) -> int:
    """Its number: torchrun's child with that rank in its environment."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"PPid:\t{parent.pid}\n" in (path / "status").read_text()
            if mine and f"\0RANK={rank}\0".encode() in b"\0" + (path / "environ").read_bytes():
                return int(path.name)
        except OSError:
            continue  # it ended in this moment
    raise AssertionError(f"no process of rank {rank}")


def test_the_gradient_of_a_batch_shared_by_two_processes_is_that_of_the_whole_batch(tmp_path):
    process = torchrun("tests.two_processes", str(tmp_path / "found.pt"))
    printed = process.communicate(timeout=180)[0]
    assert process.returncode == 0, printed
    alone, together = two_processes.gradients(), torch.load(tmp_path / "found.pt")
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        assert torch.allclose(together[name], value, rtol=1e-5, atol=1e-6), name
    assert alone["net.layers.0.weight"].abs().max() > 1e-3, "there is something to compare"


def test_two_processes_make_one_run_and_go_on_with_it_after_one_of_them_was_killed(empty):
    world = toy.world(empty, {146: 40, 153: 40, 158: 40, 50: 3})
    process, name = train_together(world, "--collection", toy.NAME, "--epochs", "3000", "--patience", "0", "--seed", "3")
    os.kill(process_of_rank(process, 1), signal.SIGKILL)
    printed = process.communicate(timeout=120)[0]
    assert process.returncode == 1
    found = runs.status(world, name)
    assert (found.state, len(runs.listing(world))) == ("failed", 1), printed
    assert "Process 1 of 2 is gone without a word" in found.message
    assert found.device == "2 x CPU, 1 thread"
    run = RunDir(world.runs / name)
    run.write("config.json", changed(run, epochs=max(25, found.epochs_done + 3)))
    again = torchrun("--", "modeling", "train", "--run", name)  # torchrun has an option --run-path, and would take ours for it
    printed = again.communicate(timeout=120)[0]
    assert again.returncode == 0, printed
    assert runs.status(world, name).state == "finished"
    assert runs.results(world, name).validation.accuracy.value > 0.7
    assert len(stored(world, name)) == 123
    assert not list(run.path.glob("rank-*")) and not list(run.path.glob("*.partial"))


def changed(run: RunDir, **changes) -> dict:
    return json.loads(run.config().with_(**changes).to_json())


def test_cancelling_stops_all_processes(world):
    process, name = train_together(world, "--collection", toy.NAME, "--epochs", "3000", "--patience", "0")
    other = process_of_rank(process, 1)
    runs.cancel(world, name)
    process.communicate(timeout=120)
    assert runs.status(world, name).state == "cancelled"
    assert not Path(f"/proc/{other}").exists()


# The same figures again


KINDS = [
    {"model": "ltae", "warmup": 0.4, "patience": 2, "date_shift": 3.0, "limit": 15},
    {"model": "ltae", "memory": "streamed", "optimizer": "adam", "folds": 2},
    {"model": "pixelset", "class_weights": False},
    {"model": "tempcnn", "label_smoothing": 0.0, "decay": "none"},
    {"model": "transformer"},
    {"model": "lstm"},
    {"model": "lrcn", "memory": "streamed"},
    {"model": "resnet18", "months": "each", "batch_size": 8, "limit": 8, "epochs": 3},
]


@pytest.mark.parametrize("chosen", KINDS, ids=lambda chosen: "-".join(str(value) for value in chosen.values()))
def test_every_kind_of_model_goes_on_bit_for_bit_from_a_kill(empty, monkeypatch, chosen):
    toy.world(empty, size=6)
    chosen = {"epochs": 4, "threads": 1} | chosen
    whole = in_process(empty, **chosen)
    monkeypatch.setattr(lessons, "SAVE_SECONDS", 0.0)
    run = runs.create(empty, toy.config(**chosen))
    seen = []

    def killed(epoch, config):
        seen.append(epoch)
        if len(seen) == 3:  # the second epoch is saved, the third is not
            raise KeyboardInterrupt
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(lessons, "line", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(empty, run)
    assert checkpoint.read(run.resume)["fit"]["epoch"] == 2
    training.train(empty, run)
    assert stored(empty, run.name) == stored(empty, whole.name)
    assert [epoch.loss for epoch in run.epochs()] == [epoch.loss for epoch in whole.epochs()]


@pytest.mark.parametrize("moment", ["_record", "learned", "predict.store", "_results", "checkpoint.save"])
def test_a_kill_between_the_steps_of_a_run_costs_nothing(world, monkeypatch, moment):
    whole = in_process(world, epochs=2)
    run = runs.create(world, toy.config(epochs=2))

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"modeling.training.{moment}", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(world, run)
    assert runs.status(world, run.name).state == "lost"
    training.train(world, run)
    assert stored(world, run.name) == stored(world, whole.name)


# A loss that is no number


class Spoiled(LTAE):
    """After some batches its scores are no numbers any more."""

    good = 0

    def forward(self, x, present, days):
        logits = super().forward(x, present, days)
        if self.training:
            Spoiled.good -= 1
        return logits * float("nan") if self.training and Spoiled.good < 0 else logits


def test_a_loss_that_is_no_number_ends_the_run_with_the_batch_and_keeps_the_last_good_epoch(world, monkeypatch):
    monkeypatch.setattr("modeling.models.ltae.LTAE", Spoiled)
    monkeypatch.setattr(lessons, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Spoiled, "good", 7)  # 21 samples are 3 batches: two epochs and a batch
    run = runs.create(world, toy.config(batch_size=8))
    with pytest.raises(NotANumber):
        working.work(world, run)
    found = runs.status(world, run.name)
    assert found.state == "failed"
    assert "The loss became nan in epoch 3, batch 2 of 3." in found.message
    assert f"the state after epoch 2 is kept in {run.resume}" in found.message
    kept = checkpoint.read(run.resume)["fit"]
    assert kept["epoch"] == 2
    assert all(torch.isfinite(value).all() for value in kept["model"].values() if value.is_floating_point())
    monkeypatch.setattr(Spoiled, "good", 10**9)
    training.train(world, run)
    assert runs.status(world, run.name).state == "finished", "it goes on from what was kept"


class Bursting(LTAE):
    """A finite loss with a gradient that is none."""

    def forward(self, x, present, days):
        logits = super().forward(x, present, days)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: gradient * float("nan"))
        return logits


def test_a_weight_that_is_no_number_is_never_kept(world, monkeypatch):
    monkeypatch.setattr("modeling.models.ltae.LTAE", Bursting)
    monkeypatch.setattr(lessons, "SAVE_SECONDS", 0.0)
    run = runs.create(world, toy.config(batch_size=64, epochs=2))  # one batch an epoch: its loss is finite
    with pytest.raises(NotANumber, match=r"after the last batch of epoch 1.*no epoch of it is kept"):
        training.train(world, run)
    assert not run.resume.exists() and not run.epochs()


# A memory that is too small


class Crowded(LTAE):
    """Learns from a few samples at once, and predicts a few."""

    learns = predicts = 10**9

    def forward(self, x, present, days):
        if len(x) > (Crowded.learns if self.training else Crowded.predicts):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().forward(x, present, days)


@pytest.fixture
def crowded(monkeypatch):
    monkeypatch.setattr("modeling.models.ltae.LTAE", Crowded)
    return lambda **limits: [monkeypatch.setattr(Crowded, name, value) for name, value in limits.items()]


def test_a_batch_too_large_for_the_memory_is_halved_once_and_told(world, crowded, capsys):
    crowded(learns=8)
    run = in_process(world, batch_size=16, epochs=3)
    note = "The memory was too small for a batch of 16 samples: trained with 8."
    assert runs.status(world, run.name).notes == (note,)
    assert note in runs.results(world, run.name).notes
    assert note in capsys.readouterr().out
    assert len(run.epochs()) == 3


def test_where_half_the_batch_is_too_large_as_well_the_run_says_what_to_do(world, crowded):
    crowded(learns=4)
    run = runs.create(world, toy.config(batch_size=16))
    with pytest.raises(TooLarge, match=r"too small for a batch of half of 16 samples .*Train with a batch size of 2"):
        training.train(world, run)


def test_prediction_takes_as_few_samples_at_once_as_the_memory_needs(world, crowded, monkeypatch):
    whole = in_process(world, epochs=2, threads=1)
    crowded(predicts=3)
    run = in_process(world, epochs=2, threads=1)
    assert [row[:4] for row in stored(world, run.name)] == [row[:4] for row in stored(world, whole.name)]
    crowded(predicts=0)
    with pytest.raises(TooLarge, match="too small to predict a single sample"):
        training.train(world, runs.create(world, toy.config(epochs=2)))


# A disk that is full, and a folder that is gone


def refused_by_a_full_disk(*_):
    """/dev/full is the system's own full disk: whatever is written to it ends with ENOSPC."""
    Path("/dev/full").write_text("an epoch")


FILES = ["resume.partial", "checkpoint.partial", f"results.json.{os.getpid()}.partial", "metrics.jsonl"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.split(".")[0])
def test_a_full_disk_ends_the_run_with_the_reason_and_it_goes_on_when_there_is_room(world, monkeypatch, file):
    whole = in_process(world, epochs=3)
    monkeypatch.setattr(lessons, "SAVE_SECONDS", 0.0)
    run = runs.create(world, toy.config(epochs=3))
    with monkeypatch.context() as patch:
        if file == "metrics.jsonl":  # is read as well, and /dev/full never ends
            patch.setattr(RunDir, "append", refused_by_a_full_disk)
        else:
            (run.path / file).symlink_to("/dev/full")
        with pytest.raises(CannotTrain, match=r"The disk of .* is full \(No space left on device\). What was saved is whole. Free"):
            working.work(world, run)
    found = runs.status(world, run.name)
    assert (found.state, "is full" in found.message) == ("failed", True)
    (run.path / file).unlink(missing_ok=True)
    working.work(world, run)
    assert runs.status(world, run.name).state == "finished"
    assert stored(world, run.name) == stored(world, whole.name)


def test_where_not_even_the_last_word_fits_on_the_disk_it_takes_the_room_of_those_before(world):
    run = runs.create(world, toy.config())
    (run.path / f"status.json.{os.getpid()}.partial").symlink_to("/dev/full")
    run.last_word("failed", "The disk is full.")
    assert (run.read("status.json")["state"], run.read("status.json")["message"]) == ("failed", "The disk is full.")


def test_a_full_database_ends_the_run_with_the_reason(world, monkeypatch):
    run = runs.create(world, toy.config(epochs=1))

    def full(*_):
        with world.store.writing() as db:
            db.execute("pragma max_page_count = 1")  # SQLite's own limit: no page can be added
            db.execute("create table big as select zeroblob(1000000)")

    monkeypatch.setattr("modeling.predict.store", full)
    with pytest.raises(WorkspaceError, match="database or disk is full"):
        working.work(world, run)
    assert "database or disk is full" in runs.status(world, run.name).message


def test_a_run_cannot_be_made_on_a_full_disk(world, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunDir, "write", full)
    with pytest.raises(WorkspaceError, match=r"No space left on device\. Make the folder writable, or free some space"):
        runs.launch(world, toy.config())
    assert runs.listing(world) == []


def test_a_folder_deleted_while_its_run_is_at_work_is_told_and_nothing_of_it_comes_back(world):
    kept = in_process(world, epochs=2)
    run = runs.create(world, toy.config(epochs=3_000, patience=0))
    process = subprocess.Popen(
        [sys.executable, "-m", "modeling", "train", "--run", run.name], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
    )
    wait(world, run.name, lambda found: found.epochs_done > 2)
    deleted = run.path.rename(run.path.with_name("deleted"))
    shutil.rmtree(deleted)
    printed = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "was deleted while the run was at work; nothing of it is left. Train again." in printed
    assert "Traceback" not in printed
    assert not run.path.exists() and not deleted.exists()
    assert [found.name for found in runs.listing(world)] == [kept.name]
    with pytest.raises(UnknownRun, match="no run"):
        runs.status(world, run.name)
    assert len(stored(world, kept.name)) == 39


def test_a_run_deleted_between_two_looks_at_its_folder_is_unknown(world, monkeypatch):
    run = in_process(world, epochs=1)

    def gone(self):
        shutil.rmtree(self.path)
        raise FileNotFoundError

    monkeypatch.setattr(RunDir, "said", gone)
    assert runs.listing(world) == []
    with pytest.raises(UnknownRun, match="no run"):
        runs.status(world, run.name)


# Progress within an epoch


class Slow(LTAE):
    def forward(self, x, present, days):
        time.sleep(0.02 if self.training else 0)
        return super().forward(x, present, days)


def test_an_epoch_tells_how_far_it_is_and_how_long_it_will_take(world, monkeypatch):
    monkeypatch.setattr("modeling.models.ltae.LTAE", Slow)
    monkeypatch.setattr(lessons, "TELL_SECONDS", 0.0)
    run = runs.create(world, toy.config(epochs=2, batch_size=8))
    seen = []
    tell = RunDir.tell

    def watched(self, *what):
        tell(self, *what)
        with self.owned():  # as its own process holds it
            seen.append(runs.status(world, self.name))

    monkeypatch.setattr(RunDir, "tell", watched)
    training.train(world, run)
    assert {found.doing for found in seen} == {"reading", "learning", "judging", "predicting"}
    learning = [found for found in seen if found.doing == "learning"]
    assert [found.samples_done for found in learning] == [8, 16, 21] * 2
    assert [found.share for found in learning] == pytest.approx([8 / 42, 16 / 42, 21 / 42, 29 / 42, 37 / 42, 1])
    assert learning[0].epochs_done == 0 and learning[0].seconds_left > 0.08, "five batches of 20 ms are left"
    shares = [found.share for found in seen if found.doing != "predicting"]
    assert shares == sorted(shares), "progress never goes back"
    assert runs.status(world, run.name).doing == ""


def test_progress_is_written_at_most_twice_a_second(world, monkeypatch):
    written = []
    monkeypatch.setattr(RunDir, "tell", lambda run, what, *rest: written.append(time.monotonic()) if what != "predicting" else None)
    in_process(world, epochs=20)
    assert all(after - before >= 0.4 for before, after in pairwise(written))


def test_a_batch_larger_than_the_training_part_is_learned_whole(world):
    result = CliRunner().invoke(main, ["train", "--collection", toy.NAME, "--epochs", "1", "--batch-size", "500", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert wait_over(world, runs.listing(world)[0].name).state == "finished"
