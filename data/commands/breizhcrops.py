"""`python -m data import-breizhcrops`: BreizhCrops as the package `breizhcrops` downloads it."""

from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.importers import breizhcrops


@click.command()
@click.argument("root", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--year", "years", multiple=True, type=int, help="Only this year; may be given again. All by default.")
@click.option("--level", "levels", multiple=True, type=click.Choice(["L1C", "L2A"]), help="Only this processing level.")
@click.option("--region", "regions", multiple=True, help="Only this region, such as frh04; may be given again.")
@click.option("--collection", default=None, help="Name of the new collection, where one year and level is imported.")
@as_json
@allow_missing
def command(
    root: Path,
    years: tuple[int, ...],
    levels: tuple[str, ...],
    regions: tuple[str, ...],
    collection: str | None,
    as_json: bool,
    allow_missing: bool,
) -> None:
    """Import BreizhCrops from ROOT, the folder with classmapping.csv, codes.csv and 2017/L1C/frh01.h5 and so on.

    Every year and level becomes a collection of parcels. Run again after a kill, it goes on where it stopped.
    """
    workspace = workspaces.current().create()
    with progress("parcels", hidden=as_json) as tell:
        records, report = breizhcrops.import_breizhcrops(
            workspace, root, years=years, levels=levels, regions=regions, name=collection, progress=tell
        )
    lines = [
        f"{of['collection']}: {of['samples']} parcels ({', '.join(of['regions']) or 'no region'}), up to {of['dates']} dates"
        for of in records
    ]
    finish({"collections": records}, "\n".join(lines), report, as_json=as_json, allow_missing=allow_missing)
