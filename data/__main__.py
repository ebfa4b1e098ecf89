"""`python -m data`: make, fill and describe a workspace."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from data import catalogue, info, jobdir, profiles, setup, simulate
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.workspace import Workspace

LATE = {
    "ingest": "data.commands.ingest",
    "inventory": "data.commands.inventory",
    "stack": "data.commands.stack",
    "import-canadian": "data.commands.canadian",
    "import-breizhcrops": "data.commands.breizhcrops",
    "import-geotiff": "data.commands.geotiff",
    "export": "data.commands.export",
    "simulate-landscape": "data.commands.simulate_landscape",
}


@click.group(cls=Group, late=LATE)
def main() -> None:
    """Make, fill and describe a workspace. It lies at CROPCHECK_HOME, by default in workspace/."""


@main.command()
@as_json
def init(as_json: bool) -> None:
    """Create the workspace with the three demo collections; what is there already is left alone."""
    workspace = workspaces.current().create()
    with _bars(as_json) as progress:
        setup.make_demo(workspace, progress)
    _describe(workspace, as_json)


@main.command("simulate")
@click.option("--samples", default=setup.DEMO_SAMPLES, show_default=True, type=click.IntRange(1), help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same pixels.")
@click.option("--collection", default=simulate.NAME, show_default=True, help="Name of the new collection.")
@as_json
def simulate_command(samples: int, seed: int, collection: str, as_json: bool) -> None:
    """Make a collection of SIMULATED imagery at real Canadian points."""
    workspace = workspaces.current().create()
    with _bars(as_json) as progress:
        setup.make_simulated(workspace, collection, samples, seed=seed, progress=progress)
    _describe(workspace, as_json)


@main.command("info")
@as_json
def info_command(as_json: bool) -> None:
    """Say what the workspace holds."""
    _describe(workspaces.current().open(), as_json)


@main.command()
@click.option("--collection", required=True)
@click.option("--index", default="NDVI", show_default=True, help="NDVI, NDRE, EVI, GNDVI, NDVI45, OSAVI, PSRI or NDWI.")
@as_json
def profile(collection: str, index: str, as_json: bool) -> None:
    """Print an index's season by crop: median and 10-90 % range of the clear images."""
    workspace = workspaces.current().open()
    figures = profiles.by_crop(workspace.store, catalogue.collection(workspace.store, collection).name, index)
    lines = [f"{figures['index']} in {collection}, median (10 % ... 90 %) of the clear images"]
    for crop in figures["crops"]:
        lines.append(f"\n{crop['name']}, {crop['samples']} samples")
        lines += [
            f"  {when['date']}  {when['median']:6.3f}  ({when['p10']:.3f} ... {when['p90']:.3f})  n = {when['n']}" for when in crop["dates"]
        ]
    report(figures, "\n".join(lines), as_json=as_json)


@contextmanager
def _bars(hidden: bool) -> Iterator[setup.Progress]:
    """A progress bar for each collection in turn."""
    with ExitStack() as stack:
        shown: dict[str, Any] = {}
        note = jobdir.teller()

        def tell(collection: str, done: int, total: int) -> None:
            note(done, total, collection)
            if collection not in shown:
                shown[collection] = stack.enter_context(click.progressbar(length=total, label=collection, hidden=hidden))
            shown[collection].update(1)

        yield tell


def _describe(workspace: Workspace, as_json: bool) -> None:
    collections = info.describe(workspace.store)
    lines = [f"Workspace {workspace.home}"]
    for entry in collections:
        simulated = "  SIMULATED imagery" if entry["simulated"] else ""
        lines.append(
            f"  {entry['collection']}: {entry['samples']} samples, {entry['images']} images, {entry['dates']} dates, "
            f"{entry['bands']} bands, {entry['height']} x {entry['width']} px{simulated}"
        )
    if not collections:
        lines.append("  No collections yet. Make the demo collections with: python -m data init")
    report({"workspace": str(workspace.home), "collections": collections}, "\n".join(lines), as_json=as_json)


if __name__ == "__main__":
    main(prog_name="python -m data")
