"""`python -m data export`."""

from dataclasses import asdict
from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.exports.formats import FORMATS
from data.exports.source import ONLY
from data.exports.whole import export
from data.report import Report

FORMAT_HELP = "; ".join(f"{entry.name}: {entry.about}" for entry in FORMATS.values())


@click.command("export")
@click.option("--collection", required=True)
@click.option(
    "--to", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the export; of one a format if several."
)
@click.option(
    "--format", "names", required=True, multiple=True, type=click.Choice(list(FORMATS)), help=f"May be given again. {FORMAT_HELP}"
)
@click.option("--version", help="An earlier dataset version, as an export names it; by default the current one.")
@click.option("--split", help="Stored split whose parts are named; by default the published one of the collection.")
@click.option("--only", type=click.Choice(ONLY), default="all", show_default=True, help="curated: agreed or relabelled samples only.")
@click.option("--overwrite", is_flag=True, help="Replace another export in the same folder.")
@as_json
@allow_missing
def command(
    collection: str, to: Path, names: tuple[str, ...], version: str | None, split: str | None, only: str, overwrite: bool,
    as_json: bool, allow_missing: bool,
) -> None:  # fmt: skip
    """Write a collection, at one dataset version, in formats that other tools open."""
    workspace = workspaces.current().open()
    whole, done = Report(), []
    for name in dict.fromkeys(names):
        report, folder = Report(), to if len(set(names)) == 1 else to / name
        with progress(name, hidden=as_json) as tell:
            made = export(
                workspace, collection, folder, name, report=report, tell=tell,
                version=version, split=split, only=only, overwrite=overwrite,
            )  # fmt: skip
        version = made.version  # the formats of one call hold one version, whatever curators say meanwhile
        done.append(made)
        whole.left_out += report.left_out
        whole.remarks += report.remarks
        whole.done = report.done
    figures = {"collection": collection, "version": version, "exports": [asdict(made) | {"to": str(made.to)} for made in done]}
    finish(figures, "\n".join(map(_line, done)), whole, as_json=as_json, allow_missing=allow_missing)


def _line(made) -> str:
    what = "" if made.made else "is there already: "
    return f"{made.to} {what}{made.version} as {made.format}, {made.samples} samples, {made.files} files, {made.bytes / 1e6:.1f} MB"
