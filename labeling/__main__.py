"""`python -m labeling`: how far collections are verified, what curators said, and deciding without a browser."""

import uuid

import click

from data import catalogue, info
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.errors import BadDecision, BadInput
from data.store import Store
from labeling import cards, decisions

# What an action needs beside a sample and a curator; given with any other action, it is a mistake.
NEEDS = {"relabel": ("crop",), "reject": ("reason",), "quality": ("date", "quality")}

LATE: dict[str, str] = {  # command -> module whose `command` it is, imported when it is called
    "reasons": "labeling.commands.reasons",
    "audit": "labeling.commands.audit",
    "trust": "labeling.commands.trust",
    "agreement": "labeling.commands.agreement",
    "backup": "labeling.commands.backup",
    "restore": "labeling.commands.restore",
    "versions": "labeling.commands.versions",
    "history": "labeling.commands.history",
    "curators": "labeling.commands.curators",
    "rules": "labeling.commands.rules",
    "wall": "labeling.commands.wall",
    "queue": "labeling.commands.queue",
    "worked": "labeling.commands.worked",
}


@click.group(cls=Group, late=LATE)
def main() -> None:
    """Read and make decisions on crop labels. The workspace lies at CROPCHECK_HOME, by default in workspace/."""


@main.command()
@click.option("--collection", help="One collection; by default all.")
@as_json
def stats(collection: str | None, as_json: bool) -> None:
    """Say how far collections are verified, and by whom."""
    store = workspaces.current().open().store
    chosen = [catalogue.collection(store, collection)] if collection else catalogue.collections(store)
    records = [
        {"collection": entry.name} | vars(info.progress(store, entry.name)) | {"curators": decisions.curators(store, entry.name)}
        for entry in chosen
    ]
    lines = []
    for entry in records:
        lines.append(
            f"{entry['collection']}: {entry['decided']} of {entry['samples']} decided ({entry['agreed']} agreed, "
            f"{entry['relabelled']} relabelled, {entry['rejected']} rejected, {entry['unsure']} unsure), {entry['flagged']} flagged"
        )
        lines += [
            f"  {who['curator']}: {who['decisions']} decisions, {who['second_opinions']} second opinions" for who in entry["curators"]
        ]
    text = "\n".join(lines) or "No collections yet. Make the demo collections with: python -m data init"
    report({"collections": records}, text, as_json=as_json)


@main.command()
@click.option("--collection", required=True)
@click.option("--sample", help="Only those on one sample: its name, or its number.")
@click.option("--curator", help="Only those of one curator.")
@click.option("--limit", type=click.IntRange(1), help="Only the newest so many.")
@as_json
def events(collection: str, sample: str | None, curator: str | None, limit: int | None, as_json: bool) -> None:
    """List what curators said, oldest first; nothing is ever removed from it."""
    store = workspaces.current().open().store
    number = catalogue.sample_id(store, collection, sample) if sample else None
    found = decisions.events(store, collection, sample=number, curator=curator, limit=limit)
    lines = [_line(event) for event in found]
    report({"collection": collection, "events": found}, "\n".join(lines) or f"No such events in {collection}.", as_json=as_json)


def _line(event: dict) -> str:
    marks = [mark for mark, holds in (("undone", event["undone"]), ("second opinion", not event["stands"])) if holds]
    words = [str(event[key]) for key in ("at", "name", "curator", "action", "new", "reason", "note") if event[key] is not None]
    return "  ".join(words) + (f"  ({', '.join(marks)})" if marks else "")


@main.command()
@click.option("--collection", required=True)
@click.option("--sample", required=True, help="Its name, or its number.")
@click.option("--curator", required=True, help="Who decides.")
@click.option(
    "--action", required=True, metavar="|".join(decisions.ACTIONS), help="undo takes back the curator's newest event on the sample."
)
@click.option("--crop", type=int, help="relabel: the code of the crop it is.")
@click.option("--reason", metavar="|".join(decisions.REASONS), help="reject: why.")
@click.option("--date", help="quality: of the image of this date (or month of a composite, YYYY-MM).")
@click.option("--quality", metavar="|".join(decisions.QUALITIES), help="quality: what that image is.")
@click.option("--note", help="Anything worth keeping.")
@as_json
def decide(collection: str, sample: str, curator: str, action: str, note: str | None, as_json: bool, **given) -> None:
    """Decide on one sample. The decision in force counts as seen, so this one replaces it."""
    store = workspaces.current().open().store
    number = catalogue.sample_id(store, collection, sample)
    before = cards.states(store, [number])[number]["decision"]
    event = {"uid": str(uuid.uuid4()), "sample": number, "action": action, "note": note, "queue": "command line"}
    event |= {"seen": before and before["uid"]} | _wanted(store, number, action, given)
    if action == "undo":
        event["undo_of"] = _newest(store, collection, curator, number)
    outcome = decisions.record(store, collection, curator, [event])[0]
    if not outcome.stored:
        raise BadDecision(outcome.error)
    state = cards.states(store, [number])[number]
    figures = {"uid": outcome.uid, "collection": collection, "sample": sample, "action": action, "stands": outcome.stands}
    text = f"Stored: {curator} on {sample} of {collection}: {action}."
    if not outcome.stands:
        text += " Another decision came in between and stays in force; this one is kept as a second opinion."
    report(figures | state, text, as_json=as_json)


def _wanted(store: Store, sample: int, action: str, given: dict) -> dict:
    """The options that the action needs, as fields of an event.

    Raises:
        BadInput: one is missing, or belongs to another action.
        BadDecision: the sample has no image of that date.
    """
    for option, value in given.items():
        owner = next(name for name, options in NEEDS.items() if option in options)
        if value is None and owner == action:
            raise BadInput(f"--action {action} needs --{option}. See: python -m labeling decide --help")
        if value is not None and owner != action:
            raise BadInput(f"--{option} goes with --action {owner}, not with {action}. Leave it out, or change the action.")
    image = None if action != "quality" else decisions.image_on(store, sample, given["date"])
    return {"code": given["crop"], "reason": given["reason"], "quality": given["quality"], "image": image}


def _newest(store: Store, collection: str, curator: str, sample: int) -> str:
    """The uid of the curator's newest event on the sample that is not undone."""
    own = decisions.recent(store, collection, curator, 1, sample=sample)
    if not own:
        raise BadDecision(f"{curator} has nothing on this sample to undo. See: python -m labeling events --collection {collection}")
    return own[0]["uid"]


if __name__ == "__main__":
    main(prog_name="python -m labeling")
