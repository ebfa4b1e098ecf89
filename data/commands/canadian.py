"""`python -m data import-canadian`: the Canadian Cropland Dataset as published."""

from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.importers import canadian
from data.report import Report


@click.command("import-canadian")
@click.argument("folder", metavar="PATH", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--collection", help="Name of the new collection; by default canada-<year or years>.")
@click.option(
    "--points", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with Point_ID, Longitude, Latitude: where the points of PNG pictures lie.",
)  # fmt: skip
@allow_missing
@as_json
def command(folder: Path, collection: str | None, points: Path | None, allow_missing: bool, as_json: bool) -> None:
    """Import the Canadian Cropland Dataset from PATH: its zips of TIFs, its trees of PNG pictures, or both."""
    workspace = workspaces.current().create()
    report = Report()
    with progress("import-canadian", hidden=as_json) as tell:
        spec = canadian.import_folder(workspace, folder, report, collection=collection, points=points, progress=tell)
    figures = {"collection": spec.name, "samples": report.done, "split": spec.split or None}
    finish(figures, f"{spec.name}: {report.done} samples", report, as_json=as_json, allow_missing=allow_missing)
