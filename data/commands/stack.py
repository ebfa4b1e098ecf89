"""`python -m data stack`: season stacks from folders of GeoTIFFs or from a STAC API, and what is in one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from data import workspace as workspaces
from data.bands import L2A_BANDS
from data.command import allow_missing, as_json, finish, progress
from data.commands.ingest import BandMap, Names, Numbers
from data.errors import BadInput
from data.ingest import providers
from data.ingest.providers import PRESETS
from data.ingest.settings import RESAMPLING, Settings
from data.report import Report
from data.screening import MASKED_SCL
from data.stacks import areas, gathering, regridding, soundness
from data.stacks.gathering import Request
from data.stacks.opening import open_stack
from data.stacks.stack import Stack
from data.workspace import Workspace


class Box(click.ParamType):
    """ "W,S,E,N" as four numbers."""

    name = "W,S,E,N"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[float, ...]:
        try:
            west, south, east, north = map(float, value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no box; write west,south,east,north in degrees, as -80.6,43.4,-80.4,43.6", parameter, context)
        return west, south, east, north


@click.command("stack")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make.  [default: stacks/<name> in the workspace]")
@click.option("--name", help="Name of the stack.  [default: of SOURCE, the collection or the provider]")
@click.option("--check", is_flag=True, help="Only say what is in SOURCE.")
@click.option("--like", type=click.Path(path_type=Path), help="Raster whose grid the files of SOURCE get.")
@click.option("--crs", help="CRS that they get, with --resolution.")
@click.option("--resolution", type=float, help="Side of a pixel in the unit of --crs.")
@click.option("--resampling", type=click.Choice(RESAMPLING), help="Of pixels on another grid.  [default: nearest, or the collection's]")
@click.option("--bands", type=Names(), help="Of SOURCE, in their order, where the files do not name them; or those to fetch.")
@click.option("--level", type=click.Choice(("L1C", "L2A"), case_sensitive=False), help="Where the files do not say.")
@click.option("--scale", type=float, help="Stored value x scale + offset = reflectance 0..1.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=float, help="Stored value that says no data.")
@click.option("--stac", metavar="PROVIDER", help=f"Fetch from {', '.join(PRESETS)}, or the address of a STAC API.")
@click.option("--stac-collection", default="", help="Collection of the STAC API, where it is not sentinel-2-l2a.")
@click.option("--band-map", type=BandMap(), help="JSON object: band (and SCL) to asset key.")
@click.option("--collection", help="Fetch as this ingested collection was: same provider, bands, months, masks.")
@click.option("--box", type=Box(), help="Area to fetch, in degrees.  [default: that of the collection's sites]")
@click.option("--year", type=int, help="Of the season.  [default: the collection's latest]")
@click.option("--months", type=Numbers(), help="Months of the year.  [default: 6-10, or the collection's]")
@click.option("--from", "start", metavar="DAY", help="First day of the season, instead of year and months.")
@click.option("--to", "end", metavar="DAY", help="Last day of it.")
@click.option("--grid", help="utm: the zone of the box's middle; or a CRS in metres.  [default: utm, or the collection's]")
@click.option("--composites/--acquisitions", default=None, help="Monthly medians of clear pixels, or every date.  [default: composites]")
@click.option("--max-cloud", type=float, help="Per cent; cloudier scenes are not fetched.  [default: 80, or the collection's]")
@click.option("--mask", type=Numbers(), help="Scene classes that hide the ground.  [default: 0,1,3,8,9,10, or the collection's]")
@click.option("--min-stack", type=float, help="Share of a pixel's observations that must be clear for a composite.")
@click.option("--drop-broken", is_flag=True, default=None, help="Leave out scenes that cannot be read.")
@as_json
@allow_missing
def command(source: Path | None, check: bool, as_json: bool, allow_missing: bool, **options: Any) -> None:
    """Make a season stack of SOURCE, a folder of GeoTIFFs with a file a date; or fetch one (--stac or --collection).

    A stack is the same ground on several dates: what `python -m modeling map` predicts over. The same command goes on where a kill, or a
    failing server, stopped it.
    """
    outcome = Report()
    told = {key: options[key] for key in ("bands", "level", "scale", "offset", "nodata")}
    if [source is not None, options["stac"] is not None, options["collection"] is not None].count(True) != 1:
        raise BadInput("Name one source of the stack: a folder of GeoTIFFs, --stac PROVIDER with --box, or --collection NAME.")
    if check and source is None:
        raise BadInput("--check looks at a folder of GeoTIFFs. Name it.")
    if check:
        stack = open_stack(source, report=outcome, **told)
        where = str(source)
    else:
        workspace = workspaces.current().create()
        request = None if source else _request(workspace, options)
        out = options["out"] or workspace.home / "stacks" / _name(source, options, request)
        with progress(out.name, hidden=as_json) as tell:
            if request:
                stack = gathering.gather(request, out, outcome, tell)
            else:
                grid = {key: options[key] for key in ("like", "crs", "resolution")}
                stack = regridding.regrid(source, out, outcome, **grid, resampling=options["resampling"] or "nearest", **told, tell=tell)
        where = str(out)
    soundness.check(stack, outcome)
    finish(_figures(stack, where), _described(stack, where), outcome, as_json=as_json, allow_missing=allow_missing)


def _name(source: Path | None, options: dict, request: Request | None) -> str:
    """Of the stack's folder, where none is given."""
    by_source = source.resolve().name if source else options["collection"] or f"{request.provider.name}-{request.settings.seasons[0].year}"
    return re.sub(r"[^\w.-]+", "-", options["name"] or by_source).strip("-.") or "stack"


def _request(workspace: Workspace, options: dict) -> Request:
    """What is to be fetched.

    Raises:
        BadInput: the area or season is not told, or makes no sense.
    """
    wanted = ("bands", "months", "start", "end", "composites", "max_cloud", "mask", "min_stack", "resampling", "drop_broken")
    given = {key: options[key] for key in wanted if options[key] is not None}
    if options["collection"]:
        days = {"years": ()} if options["start"] else {}
        request = gathering.like_collection(
            workspace, options["collection"], year=options["year"], box=options["box"], grid=options["grid"]
        )
        return replace(request, settings=replace(request.settings, **given | days))
    if options["box"] is None:
        raise BadInput("Say which area to fetch: --box west,south,east,north in degrees.")
    if options["year"] is None and not options["start"]:
        raise BadInput("Say which season to fetch: --year 2021, with --months 6-10, or --from DAY and --to DAY.")
    years = () if options["start"] else (options["year"],)
    defaults = {"bands": L2A_BANDS, "mask": MASKED_SCL}
    settings = Settings("stack", **defaults | given, years=years)
    provider = providers.named(options["stac"], collection=options["stac_collection"], assets=options["band_map"])
    return gathering.Request(settings, provider, areas.of_box(options["box"], options["grid"] or "utm"))


def _figures(stack: Stack, where: str) -> dict:
    return {
        "stack": where, "dates": [layer.name for layer in stack.layers], "bands": list(stack.bands), "level": stack.level,
        "crs": stack.crs, "transform": list(stack.transform), "height": stack.height, "width": stack.width, "scale": stack.scale,
        "offset": stack.offset, "nodata": stack.nodata, "simulated": stack.simulated,
    }  # fmt: skip


def _described(stack: Stack, where: str) -> str:
    crs = stack.crs if len(stack.crs) < 20 else stack.crs[:20] + "..."
    return "\n".join((
        f"{where}: {len(stack.layers)} dates, {len(stack.bands)} bands, {stack.height:,} x {stack.width:,} px"
        + ("  SIMULATED imagery" if stack.simulated else ""),
        f"  dates    {' '.join(layer.name for layer in stack.layers)}",
        f"  bands    {' '.join(stack.bands)}  {stack.level or '(level unknown)'}",
        f"  grid     {crs}, {abs(stack.transform[0]):g} x {abs(stack.transform[4]):g}, upper left "
        f"{stack.transform[2]:.10g}, {stack.transform[5]:.10g}",
        f"  values   stored x {stack.scale:g} + {stack.offset:g} = reflectance; no data: {'NaN' if stack.nodata is None else stack.nodata}",
    ))  # fmt: skip
