"""Jobs as real child processes: they finish, stop when asked, are found lost when killed, and go on as if nothing had happened."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from data import info, jobdir, jobs
from data.errors import CannotStart, UnknownJob
from data.workspace import Workspace
from tests.conftest import ROOT

PATIENCE = 60  # seconds; a start takes about one, on a busy machine many more
NAME = "simulated"


def simulate(workspace: Workspace, samples: int, collection: str = NAME) -> str:
    argv = ["simulate", "--samples", str(samples), "--collection", collection]
    return jobs.start(workspace, argv, f"Simulate {collection}", makes=collection)


def wait(workspace: Workspace, name: str, until) -> jobs.Job:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = jobs.status(workspace, name)
        if until(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{found}\n{jobs.log(workspace, name)}")


def wait_over(workspace: Workspace, name: str) -> jobs.Job:
    return wait(workspace, name, lambda job: not job.active)


def contents(workspace: Workspace, collection: str) -> tuple[list, list]:
    """The collection's rows without their numbers, and the bytes of its pixels."""
    with sqlite3.connect(workspace.store.path) as db:
        rows = db.execute(
            """select s.name, s.shard, s.shard_row, i.slot, i.acquired, i.clear, x.name, x.mean from sample s
            join image i on i.sample = s.id join index_stat x on x.image = i.id where s.collection = ? order by 1, 4, 7""",
            [collection],
        ).fetchall()
    return rows, [(path.name, path.read_bytes()) for path in sorted(workspace.shards(collection).iterdir())]


def test_a_job_finishes_and_leaves_its_figures(empty):
    name = simulate(empty, 12)
    assert jobs.status(empty, name).active
    job = wait_over(empty, name)
    assert (job.state, job.share, job.message, job.makes) == ("finished", 1.0, "", NAME)
    assert (job.done, job.total, job.what) == (12, 12, NAME)
    assert jobs.result(empty, name)["collections"][0]["samples"] == 12
    assert f"{NAME}: 12 samples" in jobs.log(empty, name)
    assert [found.name for found in jobs.listing(empty)] == [name]
    assert not list((empty.jobs / name).glob("*.partial"))


def test_a_cancelled_job_says_so_and_goes_on_when_resumed(empty):
    name = simulate(empty, 600)
    running = wait(empty, name, lambda job: job.done > 5)
    assert running.state == "running"
    assert running.seconds_left is None or running.seconds_left > 0
    jobs.cancel(empty, name)
    assert jobs.status(empty, name).state in ("stopping", "cancelled")
    assert wait_over(empty, name).state == "cancelled"
    assert jobs.result(empty, name) == {}
    assert "Traceback" not in jobs.log(empty, name)
    jobs.cancel(empty, name)
    jobs.resume(empty, name)
    assert jobs.status(empty, name).active
    jobs.cancel(empty, name)
    assert wait_over(empty, name).state == "cancelled"


def test_a_killed_job_is_lost_and_the_collection_is_whole_when_resumed(empty):
    wait_over(empty, simulate(empty, 130, "whole"))
    name = simulate(empty, 130)
    wait(empty, name, lambda job: job.done > 5)
    os.kill(int((empty.jobs / name / "pid").read_text()), signal.SIGKILL)
    assert wait_over(empty, name).state == "lost"
    jobs.resume(empty, name)
    assert wait_over(empty, name).state == "finished"
    assert info.progress(empty.store, NAME).samples == 130
    assert contents(empty, NAME)[1] == contents(empty, "whole")[1]
    assert [row[1:] for row in contents(empty, NAME)[0]] == [row[1:] for row in contents(empty, "whole")[0]]


def test_a_second_job_on_the_same_collection_is_refused_with_the_name_of_the_first(empty):
    name = simulate(empty, 600)
    with pytest.raises(CannotStart, match=rf"{name} is at work on {NAME} already"):
        simulate(empty, 600)
    with pytest.raises(CannotStart, match="at work"):
        jobs.resume(empty, name)
    other = simulate(empty, 3, "other")
    assert wait_over(empty, other).state == "finished"
    jobs.cancel(empty, name)
    wait_over(empty, name)
    assert len(jobs.listing(empty)) == 2


def test_a_job_that_cannot_work_fails_with_the_reason(empty):
    name = jobs.start(empty, ["profile", "--collection", "nowhere"], "Profile")
    job = wait_over(empty, name)
    assert (job.state, job.makes) == ("failed", None)
    assert "nowhere" in job.message
    assert "Traceback" not in jobs.log(empty, name)


def test_a_command_line_that_is_wrong_fails_with_the_reason(empty):
    job = wait_over(empty, jobs.start(empty, ["simulate", "--samples", "many"], "Simulate"))
    assert job.state == "failed"
    assert "'many' is not a valid integer" in job.message


def test_a_cancelled_job_does_not_wait_for_its_threads(empty):
    folder = jobdir.Folder(jobdir.make(empty.jobs, "waiting"))
    folder.write("command.json", {"argv": [], "title": "", "makes": None, "created": "2026-01-01T00:00:00+00:00"})
    script = """
import time
from concurrent.futures import ThreadPoolExecutor
from data import command
command.GRACE_SECONDS = 3
main = command.Group("main")
@main.command()
def wait():
    with ThreadPoolExecutor(1) as pool, command.progress("waiting", hidden=True) as tell:
        tell(1, 2, "waiting")
        pool.submit(time.sleep, 60).result()
main(["wait"])
"""
    with folder.owned() as lock:
        jobs.launch(empty, folder, lock, ["-c", script], {jobdir.JOB: "waiting", jobdir.LOCK: str(lock)})
    wait(empty, "waiting", lambda job: job.done == 1)
    jobs.cancel(empty, "waiting")
    assert jobs.status(empty, "waiting").state == "stopping"
    assert wait_over(empty, "waiting").state == "cancelled"


def test_a_child_that_outlives_a_killed_job_does_not_pass_for_it(empty):
    """What a pool of processes leaves behind when the one that made it is killed."""
    folder = jobdir.Folder(jobdir.make(empty.jobs, "forked"))
    folder.write("command.json", {"argv": [], "title": "", "makes": None, "created": "2026-01-01T00:00:00+00:00"})
    script = (
        "import os, time; from data import jobdir; jobdir.keep_to_itself(); child = os.fork(); "
        "child and print(child, flush=True); time.sleep(60)"
    )
    with folder.owned() as lock:
        environment = os.environ | {jobdir.JOB: "forked", jobdir.LOCK: str(lock)}
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, pass_fds=(lock,), stdout=subprocess.PIPE, text=True
        )
    child = int(process.stdout.readline())
    try:
        assert folder.alive
        process.kill()
        process.wait()
        assert not folder.alive
        assert folder.said()["state"] == "lost"
    finally:
        os.kill(child, signal.SIGKILL)


def test_progress_is_told_a_few_times_a_second_with_the_time_left(empty, monkeypatch):
    folder = jobdir.Folder(jobdir.make(empty.jobs, "told"))
    folder.write("command.json", {"argv": [], "title": "", "makes": None, "created": "2026-01-01T00:00:00+00:00"})
    monkeypatch.setenv(jobdir.JOB, "told")
    clock = iter([100.0, 100.1, 110.0, 110.1, 111.0])
    monkeypatch.setattr(jobdir.time, "monotonic", lambda: next(clock))
    written = []
    monkeypatch.setattr(jobdir.Folder, "say", lambda self, state, **facts: written.append(facts))
    tell = jobdir.teller()
    for done in (40, 41, 50, 51, 100):
        tell(done, 100, f"sample {done}")
    assert [(facts["done"], facts["what"], facts["seconds_left"]) for facts in written] == [
        (40, "sample 40", None), (50, "sample 50", 50.0), (100, "sample 100", 0.0),
    ]  # fmt: skip


def test_an_unknown_job_is_refused_whatever_its_name(empty):
    for name in ("nothing", "../../etc", ""):
        with pytest.raises(UnknownJob, match="no job"):
            jobs.status(empty, name)


def test_a_collection_name_with_slashes_makes_no_other_folder(empty):
    name = jobs.start(empty, ["profile", "--collection", "../../x"], "Profile", makes="../../x")
    assert (empty.jobs / name).parent == empty.jobs
    assert json.loads((empty.jobs / name / "command.json").read_text())["argv"] == ["profile", "--collection", "../../x"]
    wait_over(empty, name)
