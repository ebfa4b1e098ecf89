"""`python -m labeling queue`: make, list, read and drop stored queues."""

from dataclasses import asdict
from pathlib import Path

import click

from data import catalogue
from data import workspace as workspaces
from data.command import as_json, report
from data.errors import BadInput
from labeling import worklists
from labeling.rankings import border, gaps, unverified
from labeling.rankings.registry import KINDS
from labeling.worklists import Worklist


@click.group("queue")
def command() -> None:
    """Queues that are worked out once and stored: their order stays while curators work through them."""


@command.command(epilog="\b\nKIND is one of:\n" + "\n".join(f"  {kind:11s} {entry.help}" for kind, entry in KINDS.items()))
@click.argument("kind", metavar="KIND")
@click.option("--collection", required=True)
@click.option("--run", help="suspects, disagrees, cell, border, similar, area: the run to ask; by default the newest that has an answer.")
@click.option("--sample", help="similar: the sample's name, or its number.")
@click.option("--truth", help="cell: the class that the run was judged against.")
@click.option("--predicted", help="cell: the class that the run read.")
@click.option("--map", help="map, area: the name of a finished map.")
@click.option("--area", metavar="FILE", help="area, map: GeoJSON with the polygon, in EPSG:4326.")
@click.option("--measure", metavar="|".join(border.MEASURES), help="border: of nearness.  [default: margin]")
@click.option("--index", help="outliers: one vegetation index; by default all that the bands allow.")
@click.option("--by", metavar="|".join(gaps.GROUPINGS), help="gaps: in what.  [default: class]")
@click.option("--order", metavar="|".join(unverified.ORDERS), help="unverified: in which order.  [default: shuffled]")
@click.option("--mix", multiple=True, metavar="KIND=SHARE", help="mixed: a part and its share; by default the collection's rules.")
@click.option("--decided", is_flag=True, default=None, help="List samples that have a decision, too.")
@click.option("--limit", default=10_000, show_default=True, help="How many samples at most.")
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same.")
@click.option("--curator", help="Who asks for it.")
@as_json
def make(kind: str, collection: str, mix: tuple[str, ...], limit: int, seed: int, curator: str | None, as_json: bool, **params) -> None:
    """Rank a collection's samples and store the first as a queue."""
    workspace = workspaces.current().open()
    params["mix"] = dict(_share(one) for one in mix) if mix else None
    params["area"] = _text(params["area"]) if params["area"] else None
    made = worklists.make(workspace, collection, kind, params, curator=curator, limit=limit, seed=seed)
    kinds = worklists.kinds(workspace.store, made.id)
    lines = [_line(made), *(f"  {count:,} {KINDS[part].title}" for part, count in kinds.items() if len(kinds) > 1)]
    lines.append(f"Open it on the page Verify, at ?collection={collection}&queue=list:{made.id}")
    report(asdict(made) | {"kinds": kinds}, "\n".join(lines), as_json=as_json)


def _share(text: str) -> tuple[str, float]:
    kind, _, share = text.partition("=")
    try:
        return kind, float(share)
    except ValueError:
        raise BadInput(f"A part of a mixed queue is given as KIND=SHARE, for example outliers=0.2, not {text!r}.") from None


def _text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The area {path} cannot be read: {error}. Give a GeoJSON file with a polygon.") from error


@command.command("list")
@click.option("--collection", help="One collection; by default all.")
@as_json
def listed(collection: str | None, as_json: bool) -> None:
    """List the stored queues, the newest first."""
    store = workspaces.current().open().store
    chosen = [catalogue.collection(store, collection)] if collection else catalogue.collections(store)
    found = [one for entry in chosen for one in worklists.listing(store, entry.name)]
    text = "\n".join(map(_line, found)) or "No stored queues yet. Make one with: python -m labeling queue make mixed --collection NAME"
    report({"queues": [asdict(one) for one in found]}, text, as_json=as_json)


@command.command()
@click.argument("number", type=int, metavar="ID")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many entries.")
@click.option("--after", default=0, type=click.IntRange(0), help="Only those after this rank.")
@click.option("--open", "only_open", is_flag=True, help="Only those that nobody decided on since.")
@as_json
def show(number: int, limit: int, after: int, only_open: bool, as_json: bool) -> None:
    """List a stored queue's entries with their reasons."""
    store = workspaces.current().open().store
    found = worklists.get(store, number)
    entries = worklists.entries(store, number, after=after, limit=limit, only_open=only_open)
    lines = [f"{one['rank']:6d}  {'open' if one['open'] else 'done'}  {one['name']}  {one['kind']}: {one['reason']}" for one in entries]
    report(asdict(found) | {"listed": entries}, "\n".join([_line(found), *lines]), as_json=as_json)


@command.command()
@click.argument("number", type=int, metavar="ID")
@as_json
def drop(number: int, as_json: bool) -> None:
    """Forget a stored queue; what was decided from it stays."""
    store = workspaces.current().open().store
    found = worklists.get(store, number)
    worklists.drop(store, number)
    report({"dropped": number}, f"Dropped {_line(found)}", as_json=as_json)


def _line(found: Worklist) -> str:
    by = f" by {found.curator}" if found.curator else ""
    return f"{found.id}  {found.collection}: {found.title}, {found.entries:,} samples, {found.open:,} open, made {found.made}{by}"
