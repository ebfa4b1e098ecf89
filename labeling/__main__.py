"""`python -m labeling`: what curators decided, and deciding without a browser."""

import getpass
import uuid

import click

from data import catalogue, info
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.errors import BadDecision
from labeling import cards, decisions

ACTIONS = ("agree", "relabel", "reject", "unsure", "flag", "undo")


@click.group(cls=Group)
def main() -> None:
    """Read and make decisions on crop labels. The workspace lies at CROPCHECK_HOME, by default in workspace/."""


@main.command()
@click.option("--collection", help="One collection; by default all.")
@as_json
def stats(collection: str | None, as_json: bool) -> None:
    """Say how far each collection is verified."""
    store = workspaces.current().open().store
    chosen = [catalogue.collection(store, collection)] if collection else catalogue.collections(store)
    records = [{"collection": entry.name} | vars(info.progress(store, entry.name)) for entry in chosen]
    lines = [
        f"{entry['collection']}: {entry['decided']} of {entry['samples']} decided ({entry['agreed']} agreed, "
        f"{entry['relabelled']} relabelled, {entry['rejected']} rejected, {entry['unsure']} unsure), {entry['flagged']} flagged"
        for entry in records
    ]
    text = "\n".join(lines) or "No collections yet. Make the demo collections with: python -m data init"
    report({"collections": records}, text, as_json=as_json)


@main.command()
@click.option("--collection", required=True)
@as_json
def events(collection: str, as_json: bool) -> None:
    """List every event of a collection, oldest first."""
    found = decisions.events(workspaces.current().open().store, collection)
    lines = [
        "  ".join(str(event[key]) for key in ("at", "name", "curator", "action", "new", "reason", "note") if event[key] is not None)
        + ("" if event["stands"] else "  (second opinion)")
        for event in found
    ]
    report({"collection": collection, "events": found}, "\n".join(lines) or f"No events in {collection} yet.", as_json=as_json)


@main.command()
@click.option("--collection", required=True)
@click.option("--sample", required=True, help="Its name, or its number.")
@click.option("--curator", default=getpass.getuser, show_default="the user of this machine")
@click.option("--action", required=True, type=click.Choice(ACTIONS), help="undo takes back the curator's newest event on the sample.")
@click.option("--crop", type=int, help="relabel: the code of the crop it is.")
@click.option("--reason", type=click.Choice(tuple(decisions.REASONS)), help="reject: why.")
@click.option("--note", help="Anything worth keeping.")
@as_json
def decide(
    collection: str, sample: str, curator: str, action: str, crop: int | None, reason: str | None, note: str | None, as_json: bool
) -> None:
    """Decide on one sample. The decision in force counts as seen, so this one replaces it."""
    store = workspaces.current().open().store
    catalogue.collection(store, collection)
    number = catalogue.sample_id(store, collection, sample)
    event = {"uid": str(uuid.uuid4()), "sample": number, "action": action, "note": note, "queue": "command line"}
    event |= {"code": crop, "reason": reason if action == "reject" else None, "seen": _seen(store, number)}
    if action == "undo":
        event["undo_of"] = _newest(store, collection, curator, number, sample)
    outcome = decisions.record(store, collection, curator, [event])[0]
    if not outcome.stored:
        raise BadDecision(outcome.error)
    state = cards.states(store, [number])[number]
    figures = {"uid": outcome.uid, "collection": collection, "sample": sample, "stands": outcome.stands} | state
    report(figures, f"Stored: {curator} on {sample} of {collection}: {action}.", as_json=as_json)


def _seen(store, sample: int) -> str | None:
    in_force = cards.states(store, [sample])[sample]["decision"]
    return in_force and in_force["uid"]


def _newest(store, collection: str, curator: str, sample: int, name: str) -> str:
    """The uid of the curator's newest event on the sample that is not undone."""
    own = decisions.recent(store, collection, curator, 1, sample=sample)
    if not own:
        raise BadDecision(f"{curator} has nothing on {name} to undo. See: python -m labeling events --collection {collection}")
    return own[0]["uid"]


if __name__ == "__main__":
    main(prog_name="python -m labeling")
