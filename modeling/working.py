"""A run at work in this process: its lock, its signals, and its last word whatever happens. Imports torch only to train."""

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType

from data.errors import CannotTrain, CropcheckError
from data.workspace import Workspace
from modeling import ranks, runs
from modeling.rundir import RunDir

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Cancelled(BaseException):
    """The process was told to stop. Not an Exception, so nothing on the way swallows it."""


def work(workspace: Workspace, run: RunDir, lock: int | None = None) -> None:
    """Train in this process, holding the run's lock, and leave its last word in the status whatever happens.

    In a run of several processes the first does so; the others leave their errors for it.

    Args:
        lock: file descriptor of the run's lock, where the process that started this one holds it for us.

    Raises:
        CannotTrain: another process is at work on the run; it was cancelled, its folder deleted or the disk full; or what its
            configuration asks for cannot be done.
        UnknownCollection, PixelsUnreadable: as `training.train`.
    """
    if not ranks.leads():
        _help(workspace, run)
        return
    if lock is not None:
        _lead(workspace, run)  # the lock came with the process and goes with it
        return
    with run.owned() as own:
        if own is None:
            raise CannotTrain(f"The run {run.name} is running already. Cancel it first, or wait for it.")
        (run.path / "cancelled").unlink(missing_ok=True)
        _lead(workspace, run)


def quiet_threads() -> None:
    """Effective only before torch is imported."""
    for name, value in runs.QUIET_THREADS.items():
        os.environ.setdefault(name, value)


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn the signals that ask a process to stop into Cancelled."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _train(workspace: Workspace, run: RunDir) -> None:
    quiet_threads()
    with stoppable(), redirect_stdout(sys.stderr):  # standard output is for figures alone
        from modeling import training

        training.train(workspace, run)


def _lead(workspace: Workspace, run: RunDir) -> None:
    try:
        (run.path / "pid").write_text(str(os.getpid()))
        _train(workspace, run)
    except BaseException as error:
        known = _known(run, error)
        if known is None:
            run.last_word("finished")  # it was all done when the signal came
            return
        if run.path.exists():
            cancelled = isinstance(known, WasCancelled)
            run.last_word("cancelled" if cancelled else "failed", "" if cancelled else _text(known))
        if known is error:
            raise
        raise known from (None if isinstance(known, WasCancelled) else error)
    finally:
        for left in run.path.glob("rank-*"):
            left.unlink(missing_ok=True)


class WasCancelled(CannotTrain):
    """Somebody asked the run to stop."""


def _known(run: RunDir, error: BaseException) -> BaseException | None:
    """What an error means for the run; None if it was all done."""
    go_on = f"go on with: python -m modeling train --run {run.name}"
    if isinstance(error, Cancelled) and run.read("results.json"):
        return None
    if not run.path.exists():
        error = CannotTrain(f"The folder {run.path} was deleted while the run was at work; nothing of it is left. Train again.")
    if isinstance(error, CropcheckError):
        return error
    fault = "" if run.asked_to_stop else _fault_of_another(run)
    if fault:
        return CannotTrain(f"{fault} What was saved is whole; {go_on}")
    if isinstance(error, OSError) and error.errno in FULL:
        return CannotTrain(f"The disk of {run.path} is full ({error.strerror}). What was saved is whole. Free some space, then {go_on}")
    if isinstance(error, Cancelled):
        return WasCancelled(f"The run {run.name} was cancelled. Resume it with: python -m modeling train --run {run.name}")
    return error


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, CropcheckError) else f"{type(error).__name__}: {error}"


def _help(workspace: Workspace, run: RunDir) -> None:
    """A process that does not lead: as long as it lives it holds a file locked, into which its error goes."""
    path = run.path / f"rank-{ranks.rank()}"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            _train(workspace, run)
        except Cancelled:
            path.unlink(missing_ok=True)
            raise CannotTrain(f"Process {ranks.rank()} of {run.name} was told to stop.") from None
        except BaseException as error:
            file.write(_text(error))
            raise
        path.unlink(missing_ok=True)


def _fault_of_another(run: RunDir) -> str:
    """Why another of the run's processes has failed, or that it is gone without a word; empty where none has."""
    for number in range(1, ranks.size()):
        path = run.path / f"rank-{number}"
        if path.exists() and (said := path.read_text()):
            return f"Process {number} of {ranks.size()} failed: {said}"
        if path.exists() and _is_free(path):
            return f"Process {number} of {ranks.size()} is gone without a word: killed, or out of memory."
    return ""


def _is_free(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _stop(number: int, frame: FrameType | None) -> None:
    raise Cancelled
