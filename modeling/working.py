"""A run at work in this process: its lock, its signals, and its last word whatever happens. Imports torch only to train."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType

from data.errors import CannotTrain, CropcheckError
from data.workspace import Workspace
from modeling import runs
from modeling.rundir import RunDir


class Cancelled(BaseException):
    """The process was told to stop. Not an Exception, so nothing on the way swallows it."""


def work(workspace: Workspace, run: RunDir, lock: int | None = None) -> None:
    """Train in this process, holding the run's lock, and leave its last word in the status whatever happens.

    Args:
        lock: file descriptor of the run's lock, where the process that started this one holds it for us.

    Raises:
        CannotTrain: another process is at work on the run; it was cancelled; or what its configuration asks for cannot be done.
        UnknownCollection, PixelsUnreadable: as `training.train`.
    """
    if lock is not None:
        _train(workspace, run)  # the lock came with the process and goes with it
        return
    with run.owned() as own:
        if own is None:
            raise CannotTrain(f"The run {run.name} is running already. Cancel it first, or wait for it.")
        (run.path / "cancelled").unlink(missing_ok=True)
        _train(workspace, run)


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
    (run.path / "pid").write_text(str(os.getpid()))
    quiet_threads()
    try:
        with stoppable(), redirect_stdout(sys.stderr):  # standard output is for figures alone
            from modeling import training

            training.train(workspace, run)
    except Cancelled:
        if run.read("results.json"):  # it was all done when the signal came
            run.say("finished")
            return
        run.say("cancelled")
        raise CannotTrain(f"The run {run.name} was cancelled. Resume it with: python -m modeling train --run {run.name}") from None
    except CropcheckError as error:
        run.say("failed", message=str(error))
        raise
    except BaseException as error:
        run.say("failed", message=f"{type(error).__name__}: {error}")
        raise


def _stop(number: int, frame: FrameType | None) -> None:
    raise Cancelled
