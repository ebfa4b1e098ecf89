"""`python -m labeling versions`: freeze dataset versions, list them, compare two, and check that a frozen one still holds."""

import getpass
import sys
from dataclasses import asdict
from pathlib import Path

import click

from data import differences, named_versions, versions
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.named_versions import Named

collection_option = click.option("--collection", required=True)


@click.group("versions", cls=Group)
def command() -> None:
    """Dataset versions: what a collection said at one event. Names of frozen ones work wherever a version is asked for."""


@command.command("list")
@collection_option
@as_json
def list_command(collection: str, as_json: bool) -> None:
    """The version as it is now, and the frozen ones."""
    store = workspaces.current().open().store
    now, known = versions.current(store, collection), named_versions.listing(store, collection)
    lines = [f"now: {now}", *(_line(named) for named in known)]
    if not known:
        lines.append(f"None is frozen yet. Freeze this one with: python -m labeling versions freeze NAME --collection {collection}")
    report({"collection": collection, "now": now.whole, "versions": [_record(named) for named in known]}, "\n".join(lines), as_json=as_json)


@command.command()
@click.argument("name")
@collection_option
@click.option("--curator", default=getpass.getuser, help="Who freezes it.  [your login]")
@click.option("--note", help="What for.")
@click.option("--version", help="An earlier version, as an export or a run names it; by default the current one.")
@as_json
def freeze(name: str, collection: str, curator: str, note: str | None, version: str | None, as_json: bool) -> None:
    """Give the collection's version the name NAME, for good."""
    store = workspaces.current().open().store
    made = named_versions.freeze(store, collection, name, curator=curator, note=note, version=version)
    report({"collection": collection} | _record(made), f"Frozen: {_line(made)}", as_json=as_json)


@command.command()
@click.argument("name")
@collection_option
@as_json
def check(name: str, collection: str, as_json: bool) -> None:
    """Work out the hash of the frozen version NAME anew; ends with status 1 where it is another."""
    found = named_versions.check(workspaces.current().open().store, collection, name)
    text = f"{found.named.name} holds: {found.found}" if found.holds else (
        f"{found.named.name} does not hold: it was frozen as {found.named.version}, and for its event {collection} now says {found.found}. "
        "Samples or inventory labels were changed since, or the store is another: a backup of that time has what was frozen."
    )  # fmt: skip
    figures = {"collection": collection, "holds": found.holds, "found": found.found.whole} | _record(found.named)
    report(figures, text, as_json=as_json)
    if not found.holds:
        sys.exit(1)


@command.command()
@click.argument("before")
@click.argument("after", required=False)
@collection_option
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the samples that differ to a file."
)
@as_json
def diff(before: str, after: str | None, collection: str, csv_file: Path | None, as_json: bool) -> None:
    """What differs between the versions BEFORE and AFTER, names or as an export writes them; without AFTER the current one."""
    store = workspaces.current().open().store
    found = differences.between(store, collection, before, after)
    names = differences.crops(store, collection)
    if csv_file:
        csv_file.write_bytes(differences.table(found, names).encode())
    pairs = [{"before": one, "after": other, "samples": count} for one, other, count in found.by_pair]
    figures = {
        "before": found.before.whole, "after": found.after.whole, "samples": found.samples, "differ": len(found.changes),
        "by_kind": found.by_kind, "by_pair": pairs, "changes": [asdict(change) for change in found.changes],
    }  # fmt: skip
    lines = [f"{found.before} -> {found.after}: {len(found.changes):,} of {found.samples:,} samples differ"]
    lines += [f"  {kind}: {count:,}" for kind, count in found.by_kind.items()]
    lines += [f"  {names[one]} -> {names[other]}: {count:,}" for one, other, count in found.by_pair]
    report({"collection": collection} | figures, "\n".join(lines), as_json=as_json)


def _line(named: Named) -> str:
    return f"{named.name}  {named.version}  frozen {named.created} by {named.curator}" + (f"  {named.note}" if named.note else "")


def _record(named: Named) -> dict:
    return asdict(named) | {"version": named.version.whole}
