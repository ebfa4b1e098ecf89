"""Batches reach the model whole and in order, from memory or from shards, and what waits for them is told."""

import time

import numpy as np
import pytest
import torch

from data.errors import CannotTrain
from modeling import machine, registry, runs, training
from modeling.feeding import Feed
from modeling.pixels import Pixels
from tests import modeling_world as toy

CPU = torch.device("cpu")


class Slow:
    """Rows that take a while to be read, as from a disk."""

    def __init__(self, rows: np.ndarray, seconds: float):
        self.rows, self.seconds, self.nbytes, self.dtype = rows, seconds, rows.nbytes, rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        return self.rows[index]


def source(values) -> Pixels:
    count = len(values)
    return Pixels(registry.SERIES, values, np.ones((count, 2), bool), np.full((count, 2), 100, np.float32), ("B02",))


def feed(values, memory: str = "auto") -> Feed:
    return Feed(source(values), np.arange(len(values)), np.ones(len(values)), CPU, memory)


def test_batches_come_in_the_order_asked_for_whether_resident_or_streamed():
    values = np.random.default_rng(0).integers(0, 2**16, (50, 2, 1)).astype(np.uint16)
    indices = torch.randperm(50).split(8)
    for memory in ("resident", "streamed"):
        batches = list(feed(values, memory).batches(indices))
        assert len(batches) == 7
        for index, batch in zip(indices, batches, strict=True):
            assert (batch.values.numpy().view(np.uint16) == values[index.numpy()]).all(), "all 16 bits arrive"
            assert (batch.truth == index).all()


def test_reading_runs_ahead_of_learning_and_only_the_rest_is_waited_for():
    """Reading takes 20 ms a batch, learning 40: after the first batch nothing is waited for. Without reading ahead it is 20 ms each."""
    slow = feed(Slow(np.zeros((64, 2, 1), np.uint16), 0.02), "streamed")
    for _ in slow.batches(torch.arange(64).split(4)):
        time.sleep(0.04)
    assert 0.015 < slow.waited < 0.16


def test_what_is_slower_than_learning_is_waited_for():
    slow = feed(Slow(np.zeros((32, 2, 1), np.uint16), 0.03), "streamed")
    list(slow.batches(torch.arange(32).split(4)))
    assert slow.waited > 0.2


def test_a_reader_that_fails_ends_the_batches_with_its_error():
    class Broken(Slow):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(feed(Broken(np.zeros((8, 2, 1), np.uint16), 0), "streamed").batches(torch.arange(8).split(4)))


def test_inputs_larger_than_the_memory_are_refused_as_resident_before_they_are_read():
    huge = Slow(np.broadcast_to(np.uint16(0), (2**40, 2, 1)), 0)
    with pytest.raises(CannotTrain, match=r"take 4398\.0 GB; \d+\.\d GB .* Train with the memory streamed"):
        Feed(source_without_copies(huge), np.zeros(1, np.int64), np.ones(1), CPU, "resident")


def source_without_copies(values) -> Pixels:
    return Pixels(registry.SERIES, values, np.ones((1, 2), bool), np.zeros((1, 2), np.float32), ("B02",))


@pytest.mark.parametrize("model", ["ltae", "pixelset", "lrcn", "resnet18"])
def test_resident_and_streamed_inputs_give_the_same_figures(empty, model):
    toy.world(empty, size=8)
    found = []
    for memory in ("resident", "streamed"):
        run = runs.create(empty, toy.config(model=model, epochs=2, memory=memory, threads=1))
        training.train(empty, run)
        with empty.store.reading() as db:
            query = "select sample, part, predicted, probabilities from prediction where run = ? order by sample"
            found.append([tuple(row) for row in db.execute(query, [run.name])])
    assert found[0] == found[1]
    assert len(found[0]) == 39


def test_the_run_tells_the_share_of_its_time_that_it_waited_for_data(empty):
    toy.world(empty)
    run = runs.create(empty, toy.config(epochs=3, memory="streamed"))
    training.train(empty, run)
    epochs = run.epochs()
    assert all(0 < epoch.waited < epoch.seconds for epoch in epochs)
    share = sum(epoch.waited for epoch in epochs) / sum(epoch.seconds for epoch in epochs)
    assert run.read("results.json")["waited_share"] == pytest.approx(share, abs=1e-4)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CannotTrain, match="no GPU that PyTorch can use here; train with the device cpu or auto"):
        machine.prepare(toy.config(device="cuda"))
    assert machine.prepare(toy.config(device="auto")) == CPU


def test_processes_that_share_a_machine_share_its_processors(monkeypatch):
    monkeypatch.setattr(machine, "processors", lambda: 8)
    assert machine.threads(toy.config(model="resnet18")) == 8
    for name, value in (("WORLD_SIZE", "4"), ("LOCAL_WORLD_SIZE", "4"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    assert machine.threads(toy.config(model="resnet18")) == 2
    assert machine.threads(toy.config(model="resnet18", threads=6)) == 2
