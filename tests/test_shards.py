"""Shards are whole or absent, and a damaged one says so with a way out."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from data import catalogue, shards, simulate
from data.errors import PixelsUnreadable
from data.importing import import_collection

ROOT = Path(__file__).resolve().parent.parent
WAY_OUT = "Restore .* from a backup, or import the collection again"

# Writes 8 MB arrays, each filled with its own number, over one shard until it is killed.
WRITER = """
import itertools, sys
from pathlib import Path
import numpy as np
from data import shards
for number in itertools.count():
    shards.write(Path(sys.argv[1]), np.full((4, 1_000_000), number % 60_000, dtype=np.uint16))
    print(number, flush=True)
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    shards.write(shards.path_of(tmp_path, "0000"), np.arange(3 * 2 * 4 * 5 * 5, dtype=np.uint16).reshape(3, 2, 4, 5, 5))
    return tmp_path


@settings(max_examples=30)
@given(array=arrays(np.uint16, array_shapes(min_dims=2, max_dims=5, max_side=4)))
def test_what_is_written_is_read_back_row_by_row(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("shards")
    for kind in shards.KINDS:
        shards.write(shards.path_of(folder, "0000", kind), array)
        for row in range(len(array)):
            read = shards.read_row(folder, "0000", row, kind)
            assert read.dtype == np.uint16 and np.array_equal(read, array[row])


def test_the_kinds_of_a_shard_do_not_overwrite_each_other(tmp_path):
    for value, kind in enumerate(shards.KINDS):
        shards.write(shards.path_of(tmp_path, "0000", kind), np.full((1, 1), value))
    assert [int(shards.read_row(tmp_path, "0000", 0, kind)[0]) for kind in shards.KINDS] == list(range(len(shards.KINDS)))


def test_a_row_is_a_copy_that_may_be_changed(folder):
    row = shards.read_row(folder, "0000", 0)
    row[:] = 7
    assert shards.read_row(folder, "0000", 0).max() != 7


def test_a_map_cannot_be_written_through(folder):
    with pytest.raises(ValueError, match="read-only"):
        shards.open_map(shards.path_of(folder, "0000"))[0] = 1


def test_a_missing_shard_is_named_with_the_way_out(tmp_path):
    with pytest.raises(PixelsUnreadable, match=f"0042.npy is missing. {WAY_OUT}"):
        shards.read_row(tmp_path, "0042", 0)


@pytest.mark.parametrize("length", [0, 5, 60, 127, 200, -2])
def test_a_shard_cut_short_anywhere_is_refused_with_the_way_out(folder, length):
    path = shards.path_of(folder, "0000")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PixelsUnreadable, match=f"0000.npy cannot be read: .*{WAY_OUT}"):
        shards.read_row(folder, "0000", 0)


def test_a_file_that_is_no_shard_is_refused_and_nothing_in_it_is_run(folder):
    path = shards.path_of(folder, "0000")
    np.save(path, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(PixelsUnreadable, match=WAY_OUT):
        shards.read_row(folder, "0000", 0)
    path.write_text("no array at all")
    with pytest.raises(PixelsUnreadable, match=WAY_OUT):
        shards.read_row(folder, "0000", 0)


def test_a_shard_with_fewer_samples_than_the_catalogue_says_is_refused(folder):
    with pytest.raises(PixelsUnreadable, match=f"holds 3 samples, but the catalogue expects one at row 3. {WAY_OUT}"):
        shards.read_row(folder, "0000", 3)


def test_a_shard_of_another_shape_than_the_catalogue_says_is_refused(empty):
    import_collection(empty, simulate.spec(), simulate.samples(3))
    path = shards.path_of(empty.shards(simulate.NAME), "0000")
    assert catalogue.patch(empty, 1).pixels.shape == (5, 12, 64, 64)
    shards.write(path, np.zeros((3, 5, 12, 32, 32), dtype=np.uint16))
    with pytest.raises(PixelsUnreadable, match=r"shape \(5, 12, 32, 32\); the catalogue expects \(5, 12, 64, 64\)"):
        catalogue.patch(empty, 1)


def test_a_writer_killed_at_any_moment_leaves_no_half_file(tmp_path):
    path = shards.path_of(tmp_path, "0000")
    for attempt in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()  # one whole shard is there; from now on it is being replaced
        time.sleep(0.013 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        array = shards.open_map(path)
        assert array.shape == (4, 1_000_000)
        assert (array == array[0, 0]).all()
    shards.write(path, np.ones((1, 1)))  # what a killed writer left behind is in nobody's way
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0000.npy"]


def test_a_writer_killed_before_its_first_shard_is_whole_leaves_none(tmp_path):
    path, partial = shards.path_of(tmp_path, "0000"), tmp_path / "0000.partial"
    script = WRITER.replace("(4, 1_000_000)", "(100, 1_000_000)")  # 200 MB: long enough to be met half-way
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (partial.exists() and partial.stat().st_size > 0):
        assert writer.poll() is None
        time.sleep(0.002)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert not path.exists()
    with pytest.raises(PixelsUnreadable, match="is missing"):
        shards.open_map(path)
