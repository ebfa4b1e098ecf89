"""Commands of `python -m data` and `python -m labeling` as jobs that pages start, watch, cancel and resume.

A job is a child process and a folder (see `jobdir`). What is true of it is always worked out from the folder, so a page reload,
an app restart or a killed process loses nothing. Imports go on where they stopped, so resuming is to start the same command again.
"""

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from data import jobdir
from data.errors import CannotStart, WorkspaceError
from data.jobdir import JOB, LOCK, Folder
from data.workspace import CHECKOUT, Workspace

ACTIVE = ("queued", "running")
DONE = ("finished", "incomplete")


@dataclass(frozen=True)
class Job:
    """What is known of a job.

    argv: the command line after `python -m MODULE`.
    module: data, or the package whose command it is.
    makes: the collection that it makes or changes; None for plans and exports.
    state: queued, running, stopping, finished, incomplete (finished, with something left out), failed, cancelled, or lost (the process
        is gone without a word).
    message: why it failed; empty otherwise.
    done, total, what: progress as the command tells it; total is 0 before it says any.
    created, started, updated: ISO-8601 UTC; started is of the last start, updated empty before there is progress.
    seconds: that it has worked since its last start.
    seconds_left: None where it cannot be said yet, and when the job is over.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    makes: str | None
    state: str
    message: str
    done: int
    total: int
    what: str
    created: str
    started: str
    updated: str
    seconds: float
    seconds_left: float | None
    module: str = "data"

    @property
    def active(self) -> bool:
        return self.state in (*ACTIVE, "stopping")

    @property
    def share(self) -> float:
        """0..1 of the work done."""
        if self.state in DONE:
            return 1.0
        return min(1.0, self.done / self.total) if self.total else 0.0


def start(workspace: Workspace, argv: Sequence[str], title: str, *, makes: str | None = None, module: str = "data") -> str:
    """Start `python -m MODULE ARGV` in a process of its own and return the job's name at once.

    Args:
        title: for people.
        makes: the collection that it makes or changes; one job at a time may.
        module: data, or the package whose command it is.

    Raises:
        CannotStart: another job is at work on that collection.
        WorkspaceError: the job's folder cannot be written.
    """
    now = datetime.now(UTC)
    stem = re.sub(r"[^\w.-]+", "-", f"{argv[0]}-{makes or ''}".strip("-")) + f"-{now:%Y%m%d-%H%M%S}"
    with _starting(workspace):
        _refuse_second(workspace, makes)
        job = Folder(jobdir.make(workspace.jobs, stem))
        command = {"argv": list(argv), "title": title, "makes": makes, "module": module, "created": now.isoformat(timespec="seconds")}
        job.write("command.json", command)
        _start(workspace, job)
    return job.name


def resume(workspace: Workspace, name: str) -> None:
    """Start a job's command again: what it had finished stays, what was left out is tried again.

    Raises:
        UnknownJob: no job of that name.
        CannotStart: it is at work, or another job is on its collection.
    """
    job = jobdir.at(workspace.jobs, name)
    with _starting(workspace):
        _refuse_second(workspace, job.read("command.json")["makes"])
        _start(workspace, job)


def cancel(workspace: Workspace, name: str) -> None:
    """Ask a job to stop; asked a second time, end it at once. A job that is over is left as it is.

    Raises:
        UnknownJob: no job of that name.
    """
    job = jobdir.at(workspace.jobs, name)
    if job.alive:
        stop(job, signal.SIGKILL if job.asked_to_stop else signal.SIGTERM, os.killpg)


def status(workspace: Workspace, name: str) -> Job:
    """What is true of the job now.

    Raises:
        UnknownJob: no job of that name.
    """
    job = jobdir.at(workspace.jobs, name)
    command, said = job.read("command.json"), job.said()
    state = said["state"]
    if state in ACTIVE and job.asked_to_stop:
        state = "stopping"
    now, updated, started = datetime.now(UTC), said.get("updated", ""), said.get("started", "")
    left = said.get("seconds_left") if state == "running" else None
    until = now if state in (*ACTIVE, "stopping") else _time(said.get("ended") or updated or started, now)
    return Job(
        job.name, command["title"], tuple(command["argv"]), command["makes"], state, said.get("message", ""),
        said.get("done", 0), said.get("total", 0), said.get("what", ""), command["created"], started, updated,
        max(0.0, (until - _time(started, until)).total_seconds()),
        None if left is None else max(0.0, left - (now - _time(updated, now)).total_seconds()), command.get("module", "data"),
    )  # fmt: skip


def listing(workspace: Workspace) -> list[Job]:
    """All jobs, newest first."""
    found = [status(workspace, path.parent.name) for path in workspace.jobs.glob("*/command.json")]
    return sorted(found, key=lambda job: (job.created, job.name), reverse=True)


def result(workspace: Workspace, name: str) -> dict:
    """The figures that the job's command ended with; empty where it has not come to its end.

    Raises:
        UnknownJob: no job of that name.
    """
    return jobdir.at(workspace.jobs, name).read("report.json")


def log(workspace: Workspace, name: str) -> str:
    """What the job's process printed.

    Raises:
        UnknownJob: no job of that name.
    """
    return jobdir.at(workspace.jobs, name).printed()


def newest(workspace: Workspace, argv: Sequence[str]) -> Job | None:
    """The last job with exactly this command line."""
    return next((job for job in listing(workspace) if job.argv == tuple(argv)), None)


def command_line(job: Job) -> str:
    """What follows `python -m`, as a shell takes it."""
    return shlex.join([job.module, *job.argv])


def launch(workspace: Workspace, folder: Folder, lock: int, arguments: Sequence[str], environment: dict[str, str]) -> None:
    """Start a Python process for a job or run, in a session of its own; it inherits `lock`, so that there is no moment between here and
    its last breath in which it could be taken for lost.

    Args:
        lock: file descriptor of the folder's lock, held by the caller.
        arguments: of the Python interpreter.
        environment: in addition to this process's own and CROPCHECK_HOME.
    """
    for leftover in ("pid", "cancelled"):
        (folder.path / leftover).unlink(missing_ok=True)
    folder.say("queued", message="")
    with folder.log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=CHECKOUT, env=os.environ | environment | {"CROPCHECK_HOME": str(workspace.home)},
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, pass_fds=(lock,),
        )  # fmt: skip
    (folder.path / "pid").write_text(str(process.pid))
    threading.Thread(target=process.wait, daemon=True).start()  # takes note of its end, so that no zombie stays


def stop(folder: Folder, number: int = signal.SIGTERM, send=os.kill) -> None:
    """Note that the process of a living job or run is to stop, and send it a signal.

    Args:
        send: `os.kill` for the process alone, `os.killpg` for all that it started, too.
    """
    (folder.path / "cancelled").touch()  # before the signal: a process that dies of it at once is cancelled, not lost
    pid = folder.path / "pid"
    if pid.exists():
        try:
            send(int(pid.read_text()), number)
        except ProcessLookupError:
            return  # it ended by itself in between


def _start(workspace: Workspace, job: Folder) -> None:
    with job.owned() as lock:
        if lock is None:
            raise CannotStart(f"The job {job.name} is at work already. Cancel it first, or wait for it.")
        (job.path / "report.json").unlink(missing_ok=True)
        job.write("status.json", {"state": "queued", "started": jobdir.timestamp()})
        command = job.read("command.json")
        launch(workspace, job, lock, ["-m", command.get("module", "data"), *command["argv"]], {JOB: job.name, LOCK: str(lock)})


@contextmanager
def _starting(workspace: Workspace) -> Iterator[None]:
    """One start at a time in a workspace, so that two clicks at once do not both find the way free."""
    try:
        workspace.jobs.mkdir(parents=True, exist_ok=True)
        file = (workspace.jobs / "starting").open("a")
    except OSError as error:
        raise WorkspaceError(f"No job can be made in {workspace.jobs}: {error.strerror}. Make the folder writable.") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _refuse_second(workspace: Workspace, makes: str | None) -> None:
    other = next((job for job in listing(workspace) if job.active and makes and job.makes == makes), None)
    if other:
        raise CannotStart(f"The job {other.name} is at work on {makes} already. Wait for it, or cancel it on the Jobs tab.")


def _time(text: str, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(text) if text else otherwise
