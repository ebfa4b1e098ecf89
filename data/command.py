"""What the three command lines share: errors as text, figures as JSON, progress, reports, commands imported when called.

Where a command was started as a job (`jobs`), its folder hears of its progress and of its end, too.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from data import jobdir
from data.errors import CropcheckError
from data.jobdir import Folder
from data.report import Report

GRACE_SECONDS = 5  # that a cancelled job has for clearing up; imports go on from any kill
Tell = Callable[[int, int, str], None]  # steps done, steps in all, what is being done


class Group(click.Group):
    """A click group that ends a `CropcheckError` with its message and exit status 1, without a traceback.

    Args:
        late: name of a command -> module whose `command` it is; imported when the command is called or listed.
    """

    def __init__(self, *args: Any, late: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.late = late or {}

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *self.late])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in self.late:
            return import_module(self.late[name]).command
        return super().get_command(context, name)

    def invoke(self, context: click.Context) -> Any:
        with _at_work():
            try:
                return super().invoke(context)
            except CropcheckError as error:
                raise click.ClickException(str(error)) from error


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
allow_missing = click.option("--allow-missing", is_flag=True, help="End with status 0 even when something was left out.")


def report(figures: dict, text: str, *, as_json: bool) -> None:
    """Print `figures` as one JSON object, or `text` for people: a command's last word."""
    click.echo(json.dumps(figures, ensure_ascii=False) if as_json else text)
    job = jobdir.mine()
    if job:
        job.write("report.json", figures)
        _end(job, "incomplete" if figures.get("report", {}).get("left_out") else "finished")


@contextmanager
def progress(label: str, *, hidden: bool) -> Iterator[Tell]:
    """A progress bar for long work; the function that it gives is told steps done, steps in all and what is being done."""
    note = jobdir.teller()
    with click.progressbar(length=1, label=label, hidden=hidden, item_show_func=lambda what: what, file=sys.stderr) as bar:

        def tell(done: int, total: int, what: str = "") -> None:
            note(done, total, what)
            bar.length = max(1, total)
            bar.update(done - bar.pos, what)

        yield tell


def finish(figures: dict, text: str, outcome: Report, *, as_json: bool, allow_missing: bool) -> None:
    """Print figures and report; end with status 1 when something was left out, unless that is allowed."""
    report(figures | {"report": outcome.as_json()}, f"{text}\n{outcome.text()}".rstrip(), as_json=as_json)
    if outcome.left_out and not allow_missing:
        sys.exit(1)


class Cancelled(BaseException):
    """The job was told to stop. Not an Exception, so nothing on the way swallows it."""


@contextmanager
def _at_work() -> Iterator[None]:
    """Around a command: where it is a job, its folder holds its state, and its last word whatever happens."""
    job = jobdir.mine()
    if job is None:
        yield
        return
    jobdir.keep_to_itself()
    signal.signal(signal.SIGTERM, _stop)
    job.say("running")
    try:
        yield
        _end(job, "finished")
    except BaseException as error:
        asked = job.asked_to_stop
        _end(job, "cancelled" if asked else "failed", message="" if asked else _told(error))
        if isinstance(error, Cancelled):
            sys.exit(1)
        raise


def _stop(number: int, frame: object) -> None:
    signal.alarm(GRACE_SECONDS)  # ends the process where threads that still read keep it waiting
    raise Cancelled


def _end(job: Folder, state: str, message: str = "") -> None:
    """Note how the job ended, unless its command has said so itself."""
    if job.read("status.json")["state"] not in jobdir.OVER:
        job.say(state, message=message, ended=jobdir.timestamp())


def _told(error: BaseException) -> str:
    return error.format_message() if isinstance(error, click.ClickException) else f"{type(error).__name__}: {error}"
