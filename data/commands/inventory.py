"""`python -m data inventory`: codes, purity and history from inventory rasters and polygon layers."""

from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.inventory.apply import apply
from data.inventory.legends import ACI, FILE
from data.inventory.sources import Options
from data.report import Report

SHOWN = 10  # codes that the text gives


def _legend(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text not in (None, ACI, FILE) and not Path(text).is_file():
        raise click.BadParameter(f"there is no file {text}. Give {ACI}, {FILE} or a CSV with code and name.")
    return text


@click.command("inventory")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--collection", required=True)
@click.option("--year", type=click.IntRange(1900, 2100), help="Of all sources; by default as their file names say.")
@click.option("--class-column", "column", help="Of a polygon layer: the column with the class, as codes or names.")
@click.option(
    "--legend", callback=_legend, metavar="aci|file|CSV",
    help="What codes are called that the collection's legend lacks; by default Canada's inventory's, if the files have its colours.",
)  # fmt: skip
@click.option("--no-label", type=click.IntRange(0, 65_535), multiple=True, help="One more code that is no label, as 81 of the CDL.")
@as_json
@allow_missing
def command(
    sources: tuple[str, ...],
    collection: str,
    year: int | None,
    column: str | None,
    legend: str | None,
    no_label: tuple[int, ...],
    as_json: bool,
    allow_missing: bool,
) -> None:
    """Look up every sample of a collection on crop inventories.

    SOURCE is an inventory raster, a polygon layer (GeoPackage, GeoJSON, Shapefile, GeoParquet), a zip of one, or the http(s) URL of one.
    Those of a sample's own year give its code, modal code, purity and the codes of its patch; all together give the history.
    """
    report = Report()
    with progress(collection, hidden=as_json) as tell:
        figures = apply(
            workspaces.current().open(), collection, sources, report,
            options=Options(year, column, frozenset(no_label)), legend=legend, progress=tell,
        )  # fmt: skip
    years = ", ".join(map(str, figures["years"]))
    lines = [
        f"{collection}: {figures['samples']} samples on the inventory of their year (read: {years}), {figures['labelled']} newly labelled"
    ]
    lines += [f"  {entry['samples']:7,}  {entry['code']:5}  {entry['name']}" for entry in figures["codes"][:SHOWN]]
    finish(figures, "\n".join(lines), report, as_json=as_json, allow_missing=allow_missing)
