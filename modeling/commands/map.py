"""`python -m modeling map`: what a run predicts wall to wall over a season stack, as Cloud-Optimised GeoTIFFs."""

from pathlib import Path

import click

from data import workspace as workspaces
from data.command import allow_missing, as_json, finish, progress
from data.commands.ingest import Names
from data.commands.stack import Box
from data.mapped.folder import Map
from data.report import Report
from data.stacks import soundness
from data.stacks.opening import open_stack
from modeling import config as settings
from modeling.mapping import smoothing
from modeling.mapping.request import Request
from modeling.mapping.smoothing import Smoothing
from modeling.working import quiet_threads


@click.command("map")
@click.option("--run", required=True, help="A finished run of a model of single pixels; python -m modeling runs lists the runs.")
@click.option("--stack", help="Folder of a season stack: a GeoTIFF a date.")
@click.option("--box", type=Box(), help="Instead of --stack: fetch the imagery of this area, in degrees.")
@click.option("--imagery", default="", help="Of --box: a fetched collection, earth-search, ..., or a STAC API.  [the run's collection]")
@click.option("--year", type=int, help="Of the season of --box.  [the collection's latest]")
@click.option("--out", type=click.Path(path_type=Path), help="The map's folder.  [<workspace>/maps/<run>-<stack>]")
@click.option("--name", default="", help="What the workspace calls the map.  [the folder's name]")
@click.option("--title", default="", help="For people.  [the model and the stack]")
@click.option("--inventory", default="", help="An inventory raster that the map is held against.")
@click.option("--fields", default="", help="Polygons whose shares and confidence are worked out.")
@click.option("--smooth", type=click.Choice(smoothing.METHODS), default="none", show_default=True, help="By the pixels around.")
@click.option("--window", type=int, help="Side in pixels of the square that smooths.  [majority 5, bayes 9]")
@click.option("--smoothness", type=float, help="Of bayes: the higher, the smoother.  [20]")
@click.option("--neighbours-share", type=float, help="Of bayes: share of the window that a class's prior is taken from.  [0.5]")
@click.option("--bands", type=Names(), help="The files' bands in their order, as B02,B03, where these do not name them.")
@click.option("--level", type=click.Choice(("L1C", "L2A")), help="Of the stack, where the files do not tell.")
@click.option("--scale", type=float, help="Reflectance = stored value * scale + offset.  [as the files say, else 0.0001]")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=float, help="Stored value of pixels without data, where the files do not tell.")
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes; 0 = one a processor.")
@click.option("--scheduler", default="", help="Address of a Dask scheduler whose workers see the same folders, instead of --workers.")
@click.option(
    "--tile", type=click.IntRange(0), default=0, help="Side in pixels of what a worker does at once.  [512, less for long seasons]"
)
@click.option("--device", type=click.Choice(settings.DEVICES), default="cpu", show_default=True)
@as_json
@allow_missing
def command(
    run: str, stack: str | None, box: tuple[float, ...] | None, imagery: str, year: int | None, bands: tuple[str, ...] | None,
    level: str | None, scale: float | None, offset: float | None, nodata: float | None, smooth: str, window: int | None,
    smoothness: float | None, neighbours_share: float | None, as_json: bool, allow_missing: bool, **asked: object,
) -> None:  # fmt: skip
    """Predict every pixel of a season stack with a run, and write the map's rasters.

    The map is the same bit for bit whatever the tiles and the number of workers. A map that was stopped goes on with the same command.
    """
    workspace = workspaces.current().open()
    quiet_threads()
    outcome = Report()
    settled = Smoothing.of(smooth, window, smoothness, neighbours_share)
    if (stack is None) == (box is None):
        raise click.UsageError("Name the pixels that are mapped: the folder of a season stack with --stack, or an area with --box.")
    _fitting(
        box is not None,
        {"--imagery": imagery, "--year": year},
        {"--bands": bands, "--level": level, "--scale": scale, "--offset": offset, "--nodata": nodata},
    )
    from modeling.mapping import imagery as fetching
    from modeling.mapping.making import make

    if box is not None:
        with progress("Fetching", hidden=as_json) as tell:
            opened = fetching.gathered(workspace, run, box, imagery, year, outcome, tell)
    else:
        opened = open_stack(stack, bands=bands, level=level, scale=scale, offset=offset, nodata=nodata, report=outcome)
    soundness.check(opened, outcome)
    with progress("Mapping", hidden=as_json) as tell:
        made = make(workspace, Request(run=run, stack=opened, smoothing=settled, **asked), tell, outcome)  # type: ignore[arg-type]
    figures = {"map": made.name, "folder": str(made.path), "title": made.title, "rasters": list(made.rasters)} | dict(made.figures)
    finish(figures, _told(made), outcome, as_json=as_json, allow_missing=allow_missing)


def _fitting(fetched: bool, of_box: dict[str, object], of_stack: dict[str, object]) -> None:
    """Refuse options that would say nothing: those of --box with --stack, and the other way round."""
    needs, options = ("--stack", of_stack) if fetched else ("--box", of_box)
    idle = [name for name, value in options.items() if value not in (None, "")]
    if idle:
        raise click.UsageError(f"{', '.join(idle)} can only be given with {needs}.")


def _told(made: Map) -> str:
    """The figures for people."""
    found = made.figures
    lines = [f"{made.name}: {found['predicted']:,} of {found['pixels']:,} pixels predicted, in {made.path}"]
    ordered = sorted(found["classes"].items(), key=lambda entry: -entry[1]["pixels"])
    lines += [f"  {name}: {share['hectares']:,.1f} ha" for name, share in ordered if share["pixels"]]
    if "agreeing" in found:
        judged = found["agreeing"] + found["disagreeing"]
        share = f" ({found['agreeing'] / judged:.1%})" if judged else ""
        lines.append(f"  agrees with the inventory in {found['agreeing']:,} of {judged:,} pixels{share}")
    return "\n".join(lines)
