"""`python -m labeling history`: find events again, export them, take them back, and see to decisions that were refused."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from data import catalogue
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.store import Store
from labeling import decisions, history, refused
from labeling.history import EVERYBODY, Filters

collection_option = click.option("--collection", required=True)
day_type = click.DateTime(["%Y-%m-%d"])


def filtered(function: Callable) -> Callable:
    """The options that choose events."""
    for option in reversed((
        collection_option,
        click.option("--sample", help="Its name, or its number."),
        click.option("--curator"),
        click.option("--from", "first_day", type=day_type, help="First day, of UTC."),
        click.option("--to", "last_day", type=day_type, help="Last day, of UTC."),
        click.option("--action", type=click.Choice(list(decisions.ACTIONS))),
        click.option("--kind", help="Of the queue it was served from, as audit."),
        click.option("--look", help="first, second, control, repeat or adjudication."),
        click.option("--words", default="", help="That are in the note."),
        click.option("--undone/--not-undone", default=None, help="Only those taken back, or only the others."),
        click.option("--since", type=int, help="The number of the first event."),
    )):  # fmt: skip
        function = option(function)
    return function


def chosen(store: Store, given: dict) -> tuple[str, Filters]:
    """Collection and filters of the options.

    Raises:
        UnknownCollection, UnknownSample: there is none.
    """
    collection = catalogue.collection(store, given.pop("collection")).name
    days = {key: given[key] and given[key].date() for key in ("first_day", "last_day")}
    number = catalogue.sample_id(store, collection, given["sample"]) if given["sample"] else None
    return collection, Filters(**given | days | {"sample": number})


@click.group("history", cls=Group)
def command() -> None:
    """Every event, by sample, curator, day and more. `python -m labeling events` lists them plainly."""


@command.command()
@filtered
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write them to a file, too.")
@as_json
def find(csv_file: Path | None, as_json: bool, **given) -> None:
    """Count the events chosen, show the newest hundred, and write them all to a file."""
    store = workspaces.current().open().store
    collection, filters = chosen(store, given)
    if csv_file:
        csv_file.write_bytes(history.table(store, collection, filters, EVERYBODY).encode())
    count, newest = history.count(store, collection, filters, EVERYBODY), history.events(store, collection, filters, EVERYBODY)
    lines = [f"{count:,} events", *(_line(event) for event in newest)]
    report({"collection": collection, "count": count, "newest": newest}, "\n".join(lines), as_json=as_json)


@command.command()
@filtered
@click.option("--by", required=True, help="The administrator who does it.")
@click.option("--note", default="", help="Why; kept with each undo.")
@click.option("--yes", is_flag=True, help="Do it; without it only say what would be done.")
@as_json
def take_back(by: str, note: str, yes: bool, as_json: bool, **given) -> None:
    """Undo all events chosen, whosever they are: a curator's day, or all since an event. Undoes are events; nothing is lost."""
    store = workspaces.current().open().store
    collection, filters = chosen(store, given)
    planned = history.plan(store, collection, filters)
    text = f"{len(planned.uids):,} events on {planned.samples:,} samples; {planned.labels:,} labels in force would change."
    figures = {"collection": collection, "done": 0, "refused": []} | asdict(planned)
    if yes:
        outcomes = history.take_back(store, collection, planned.uids, by=by, note=note)
        failed = [outcome.error for outcome in outcomes if not outcome.stored]
        figures |= {"done": len(outcomes) - len(failed), "refused": failed}
        text = "\n".join([f"Taken back: {figures['done']:,} events.", *failed])
    report(figures, text if yes else f"{text} Do it with --yes.", as_json=as_json)


@command.command("refused")
@click.option("--collection")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write them to a file, too.")
@click.option("--again", metavar="UID", help="Try to store this one now.")
@click.option("--drop", metavar="UID", help="Remove this one for good.")
@click.option("--by", default="", help="--drop: the administrator who does it.")
@as_json
def refused_command(collection: str | None, csv_file: Path | None, again: str | None, drop: str | None, by: str, as_json: bool) -> None:
    """Decisions that could not be stored as events, kept whole."""
    store = workspaces.current().open().store
    told = []
    if again:
        outcome = refused.try_again(store, again)
        told.append(f"{again}: {'stored' if outcome.stored else outcome.error}")
    if drop:
        refused.drop(store, drop, by=by)
        told.append(f"{drop}: dropped")
    if csv_file:
        csv_file.write_bytes(refused.table(store, collection).encode())
    found = refused.listing(store, collection)
    lines = [f"{one.uid}  {one.at}  {one.curator}  {one.said.get('name')}  {one.said.get('action')}  {one.error}" for one in found]
    report({"refused": [asdict(one) for one in found]}, "\n".join([*told, *lines]) or "No decision was refused.", as_json=as_json)


def _line(event: dict) -> str:
    words = [str(event[key]) for key in ("id", "at", "name", "curator", "action", "new", "reason", "note") if event[key] is not None]
    return "  ".join(words) + ("  (undone)" if event["undone"] else "")
