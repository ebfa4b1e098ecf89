"""A folder that a working process and everyone who watches it share: the whole contract between them. No processes are started here.

jobs/<name>/
    command.json    {"argv", "title", "makes", "module", "created"}: what `python -m MODULE` is asked, and the collection that it makes
                    or changes
    status.json     what the process last said of itself, replaced whole: state, done, total, what, seconds_left, started, updated,
                    ended, message
    report.json     the figures and the report that the command ended with, as its --json prints them
    out.log         what the process printed
    lock            held locked by the process as long as it lives
    pid             its process number
    cancelled       there if someone asked it to stop

Training runs are such folders too, with more in them (`modeling.rundir`).
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data import workspace as workspaces
from data.errors import UnknownJob

LOCK_SECONDS = 15.0  # a process that has said its last word may need seconds to leave; a watcher holds the lock for microseconds
TELL_SECONDS = 0.25  # at most four notes of progress a second
JOB, LOCK = "CROPCHECK_JOB", "CROPCHECK_LOCK"  # in the environment of a job's process: its name, the file descriptor of its lock
OVER = ("finished", "incomplete", "failed", "cancelled")  # a process in one of these states has said its last word


@dataclass(frozen=True)
class Folder:
    """The folder of one job or run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def log(self) -> Path:
        return self.path / "out.log"

    def write(self, name: str, content: dict) -> None:
        """Replace a JSON file of the folder whole: a reader, or a crash, never meets half of it."""
        temporary = self.path / f"{name}.{os.getpid()}.partial"
        try:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=2))
            temporary.replace(self.path / name)
        except OSError:
            temporary.unlink(missing_ok=True)  # the disk is full: nothing half stays
            raise

    def read(self, name: str) -> dict:
        """A JSON file of the folder; empty if it was never written."""
        path = self.path / name
        return json.loads(path.read_text()) if path.exists() else {}

    def say(self, state: str, **facts) -> None:
        """Write the status, keeping the facts said before."""
        self.write("status.json", self.read("status.json") | {"state": state} | facts)

    def printed(self) -> str:
        """What the process printed; empty for one in a terminal."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def alive(self) -> bool:
        """Whether a process works here: the kernel frees its lock at its end, whatever ended it."""
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def said(self) -> dict:
        """The status as it is true now: a process that is gone without a last word is "cancelled" if it was asked to stop, else "lost"."""
        alive = self.alive  # first: a process that ends in between has said its last word by then
        said = {"state": "queued"} | self.read("status.json")
        if said["state"] not in OVER and not alive:
            said["state"] = "cancelled" if self.asked_to_stop else "lost"
        return said

    @property
    def asked_to_stop(self) -> bool:
        return (self.path / "cancelled").exists()

    @contextmanager
    def owned(self) -> Iterator[int | None]:
        """Hold the folder's lock; gives its file descriptor to pass on to a child, or None if another process has it."""
        with (self.path / "lock").open("a") as file:
            yield file.fileno() if _locked(file.fileno()) else None


def make(parent: Path, stem: str) -> Path:
    """A new folder in `parent`, called `stem` or `stem`-2, `stem`-3 and so on.

    Raises:
        OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        return path


def at(jobs: Path, name: str) -> Folder:
    """The folder of the job called `name`.

    Raises:
        UnknownJob: there is none.
    """
    job = Folder(jobs / Path(name).name)
    if not (job.path / "command.json").exists():
        raise UnknownJob(f"There is no job {name!r} in {jobs}. The Data page lists them.")
    return job


def mine() -> Folder | None:
    """The folder of the job that this process is; None in a terminal."""
    name = os.environ.get(JOB)
    return at(workspaces.current().jobs, name) if name else None


def keep_to_itself() -> None:
    """Keep this job's lock and its way to stop from the processes that it forks: one that outlives it would pass for it."""
    lock = int(os.environ[LOCK])
    os.set_inheritable(lock, False)

    def forget() -> None:
        os.close(lock)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    os.register_at_fork(after_in_child=forget)


def teller() -> Callable[[int, int, str], None]:
    """What to tell progress to (steps done, steps in all, what is being done): it goes to this process's job, if it is one."""
    job = mine()
    if job is None:
        return lambda done, total, what="": None
    first: tuple[int, int, float] | None = None  # where this process began to count: steps in all, steps done, when
    told = 0.0

    def tell(done: int, total: int, what: str = "") -> None:
        nonlocal first, told
        now = time.monotonic()
        if first is None or first[0] != total or done < first[1]:
            first = (total, done, now)
        elif done < total and now - told < TELL_SECONDS:
            return
        told = now
        steps = done - first[1]
        left = (total - done) * (now - first[2]) / steps if steps else None
        job.say("running", done=done, total=total, what=what, seconds_left=left, updated=timestamp())

    return tell


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _locked(descriptor: int) -> bool:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
