"""`python -m data import-geotiff`: folders of GeoTIFFs, NetCDF and Zarr cubes."""

from pathlib import Path
from typing import Any

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.importers import described, folder
from data.importers.described import Options
from data.screening import MASKED_SCL


def _listed(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _classes(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        raise click.BadParameter("give class numbers, as in 0,1,3,8,9,10") from None


@click.command("import-geotiff")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--collection", help="Name of the new collection; by default as collection.json says, else the folder's name.")
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="By default manifest.csv or index.csv.")
@click.option("--pattern", help="Read the file names instead of a manifest, as in {sample}_{date}_{crop}.")
@click.option("--title", help="For people.")
@click.option("--bands", callback=_listed, help="In the order of the files, where these do not name their bands: B02,B03,B04,B08.")
@click.option("--level", type=click.Choice(["L1C", "L2A"]), help="Top of atmosphere or surface reflectance.")
@click.option("--licence", help="Of the imagery and labels.")
@click.option("--attribution", help="Whom to name.")
@click.option("--legend", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV with code and name; else Canada's.")
@click.option("--region", help="Of samples whose row has none.")
@click.option("--site", help="Name of the site of a single cube; by default the file's.")
@click.option("--crs", help="Of files that have none, as EPSG:32631.")
@click.option("--scale", type=float, help="Stored value x scale = reflectance 0..1; by default as the files say.")
@click.option("--nodata", type=float, help="The stored value that says no data; by default as the files say.")
@click.option(
    "--mask", "masked", default=",".join(map(str, MASKED_SCL)), show_default=True, callback=_classes, help="SCL classes that hide."
)
@click.option(
    "--labels", type=click.Choice(["exported", "inventory"]), default="exported", show_default=True,
    help="Of an export: whether the exported or the inventory's label becomes the inventory label.",
)  # fmt: skip
@as_json
@allow_missing
def command(
    path: Path, collection: str | None, manifest: Path | None, pattern: str | None, as_json: bool, allow_missing: bool, **told: Any
) -> None:
    """Import PATH: a folder of multi-band GeoTIFFs with a manifest, or NetCDF or Zarr cubes."""
    name = collection or described.name_of(path)
    planned = folder.plan(path, Options(name=name, **told), file=manifest, pattern=pattern)
    with progress(name, hidden=as_json) as tell:
        outcome = folder.run(workspaces.current().create(), planned, tell)
    spec = planned.spec
    figures = {
        "collection": name, "samples": outcome.done, "dates": len(spec.slots), "aligned": spec.aligned, "bands": list(spec.bands),
        "height": spec.height, "width": spec.width,
    }  # fmt: skip
    text = (
        f"{name}: {outcome.done} of {len(planned.names)} samples, {len(spec.slots)} dates, {len(spec.bands)} bands, "
        f"{spec.height} x {spec.width} px"
    )
    finish(figures, text, outcome, as_json=as_json, allow_missing=allow_missing)
