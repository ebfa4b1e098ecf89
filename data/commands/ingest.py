"""`python -m data ingest`: from sites to a collection of Sentinel-2 patches."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from data import workspace as workspaces
from data.bands import L2A_BANDS
from data.command import Tell, allow_missing, as_json, finish, progress
from data.ingest.providers import PRESETS
from data.ingest.settings import RESAMPLING, Settings
from data.report import Report
from data.screening import MASKED_SCL
from data.workspace import Workspace


class Numbers(click.ParamType):
    """ "2018,2020" or "6-10" as a tuple of whole numbers."""

    name = "numbers"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        try:
            for piece in filter(None, value.split(",")):
                first, _, last = piece.partition("-")
                found += range(int(first), int(last or first) + 1)
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers; write for example 2018,2020 or 6-10", parameter, context)
        return tuple(found)


class Names(click.ParamType):
    """ "B02,B03" as a tuple of texts."""

    name = "names"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(piece.strip() for piece in value.split(",") if piece.strip())


class BandMap(click.ParamType):
    """A JSON file with an object of bands and asset keys."""

    name = "file"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        try:
            return {str(band): str(key) for band, key in json.loads(Path(value).read_text()).items()}
        except (OSError, ValueError, AttributeError) as error:
            self.fail(f'{value} is no band mapping ({error}); it is a JSON object as {{"B02": "blue", "SCL": "scl"}}', parameter, context)


@click.command("ingest")
@click.argument("sites", type=click.Path(exists=True, path_type=Path))
@click.option("--collection", required=True, help="Name of the new collection.")
@click.option("--title", default="", help="Its title on the pages.")
@click.option("--provider", default="earth-search", show_default=True, help=f"{', '.join(PRESETS)}, or the address of a STAC API.")
@click.option("--stac-collection", default="", help="Collection of the STAC API, where it is not sentinel-2-l2a.")
@click.option("--band-map", type=BandMap(), help="JSON object: band (and SCL) to asset key.")
@click.option("--years", type=Numbers(), default=(), help="For example 2019,2020 or 2017-2020.")
@click.option("--months", type=Numbers(), default="6-10", show_default=True, help="Months of each year.")
@click.option("--from", "start", default="", metavar="DAY", help="First day of one season, instead of years and months.")
@click.option("--to", "end", default="", metavar="DAY", help="Last day of it.")
@click.option("--size", default=64, show_default=True, help="Side of a patch, in pixels of 10 m.")
@click.option("--grid", default="utm", show_default=True, help="utm: each site's own zone; or a CRS in metres, as EPSG:3978.")
@click.option("--composites/--acquisitions", default=True, show_default=True, help="Monthly medians of clear pixels, or every date.")
@click.option("--bands", type=Names(), default=L2A_BANDS, show_default="all twelve", help="For example B02,B03,B04,B08.")
@click.option("--max-cloud", default=80.0, show_default=True, help="Per cent; cloudier scenes are not fetched.")
@click.option(
    "--mask", type=Numbers(), default=MASKED_SCL, show_default="0,1,3,8,9,10", help="Scene classes that hide the ground; add 2 or 11."
)
@click.option("--min-clear", default=0.05, show_default=True, help="Share of a patch that must be clear for an image to count.")
@click.option("--min-stack", default=0.0, show_default=True, help="Share of a pixel's observations that must be clear for a composite.")
@click.option("--resampling", default="nearest", show_default=True, type=click.Choice(RESAMPLING), help="Of 20 m and 60 m bands.")
@click.option("--drop-broken", is_flag=True, help="Make samples without their scenes that cannot be read.")
@click.option("--inventory", multiple=True, help="Inventory for the labels: raster or polygons; may be given several times.")
@click.option("--lon", help="Column of the longitude.")
@click.option("--lat", help="Column of the latitude.")
@click.option("--name-column", "name", help="Column of the sites' names.")
@click.option("--region-column", "region", help="Column of the region or province.")
@click.option("--crop-column", "crop", help="Column of the crop, as an inventory code or a name.")
@click.option("--year-column", "year", help="Column of the year that a site belongs to.")
@click.option("--layer", help="Layer of a sites file with several.")
@click.option("--sites-crs", "crs", help="CRS of a sites file that does not name its own, as EPSG:3978.")
@click.option("--scheduler", default="", help="Dask scheduler, as tcp://host:8786; by default threads of this machine.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be fetched, and stop.")
@as_json
@allow_missing
def command(
    sites: Path, title: str, provider: str, stac_collection: str, band_map: dict[str, str] | None, inventory: tuple[str, ...],
    scheduler: str, plan_only: bool, as_json: bool, allow_missing: bool, **options: Any,
) -> None:  # fmt: skip
    """Fetch Sentinel-2 patches for SITES (CSV, GeoPackage, GeoJSON, Shapefile, GeoParquet; points or polygons).

    The same command goes on where a kill, or a failing server, stopped it.
    """
    from data.ingest import planning, providers, running
    from data.ingest import sites as places

    settings = Settings(**{field.name: options.pop(field.name) for field in fields(Settings)}).check()
    source = providers.named(provider, collection=stac_collection, assets=band_map)
    workspace, outcome = workspaces.current().create(), Report()
    found, told = places.read(sites, **options)
    outcome.left_out += told.left_out
    outcome.remarks += told.remarks
    with progress(settings.collection, hidden=as_json) as tell:
        plan = planning.obtain(workspace, settings, source, found, outcome, tell)
        facts = planning.summary(plan, running.shard_size(plan))
        if not plan_only:
            running.run(workspace, plan, outcome, title=title, scheduler=scheduler, tell=tell)
            labelled = _label(workspace, settings.collection, inventory, outcome, tell) if inventory and outcome.done else None
    if plan_only:
        finish(facts, _described(facts), outcome, as_json=as_json, allow_missing=allow_missing)
        return
    figures = {"collection": settings.collection, "samples": outcome.done, "planned": facts, "inventory": labelled}
    said = f"{settings.collection}: {outcome.done} of {facts['samples']} samples."
    finish(figures, said, outcome, as_json=as_json, allow_missing=allow_missing)


def _label(workspace: Workspace, collection: str, sources: tuple[str, ...], outcome: Report, tell: Tell) -> dict:
    """Read the inventories for the samples that are there; what they leave out joins the report of the imagery."""
    from data.inventory.apply import apply

    told = Report()
    figures = apply(workspace, collection, sources, told, progress=tell)
    outcome.left_out += told.left_out
    outcome.remarks += told.remarks
    return figures


def _described(facts: dict) -> str:
    size = "unknown" if facts["bytes"] is None else f"about {facts['bytes'] / 1e6:,.0f} MB"
    time = "unknown" if facts["seconds"] is None else f"about {facts['seconds'] / 60:,.1f} min"
    lines = [
        f"{facts['samples']} samples of {facts['sites']} sites: {facts['images']} images from {facts['scenes']} scenes.",
        f"To fetch: {size}, {time} (estimated from one scene).",
        *(f"  {month['month']}  {month['scenes']:5} scenes over {month['samples']} samples" for month in facts["months"]),
    ]
    return "\n".join(lines)
