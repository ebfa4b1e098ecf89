"""`python -m data`: make, fill and describe a workspace."""

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from data import catalogue, demo, info, profiles, simulate
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.errors import BadInput
from data.importing import CollectionSpec, NewSample, import_collection
from data.workspace import Workspace

DEMO_SAMPLES = 240


@click.group(cls=Group)
def main() -> None:
    """Make, fill and describe a workspace. It lies at CROPCHECK_HOME, by default in workspace/."""


@main.command()
@as_json
def init(as_json: bool) -> None:
    """Create the workspace with the three demo collections; what is there already is left alone."""
    workspace = workspaces.current().create()
    _import(workspace, demo.fields_spec(), demo.fields, 20, as_json)
    _import(workspace, demo.parcels_spec(), demo.parcels, 301, as_json)
    _simulate(workspace, simulate.NAME, DEMO_SAMPLES, 0, as_json)
    _describe(workspace, as_json)


@main.command("simulate")
@click.option("--samples", default=DEMO_SAMPLES, show_default=True, type=click.IntRange(1), help="How many samples.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same pixels.")
@click.option("--collection", default=simulate.NAME, show_default=True, help="Name of the new collection.")
@as_json
def simulate_command(samples: int, seed: int, collection: str, as_json: bool) -> None:
    """Make a collection of SIMULATED imagery at real Canadian points."""
    workspace = workspaces.current().create()
    _simulate(workspace, collection, samples, seed, as_json)
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


def _simulate(workspace: Workspace, name: str, samples: int, seed: int, quiet: bool) -> None:
    _keep_truth(workspace.home / "truth" / f"{name}.csv", simulate.truth(samples, seed=seed))
    _import(workspace, simulate.spec(name), lambda: simulate.samples(samples, seed=seed), samples, quiet)


def _keep_truth(path: Path, truth: dict[str, int]) -> None:
    """Write the true crops where neither the app nor the models read them.

    Raises:
        BadInput: the file is there with other crops, so the collection was made with another seed or size.
    """
    text = "sample,code\n" + "".join(f"{sample},{code}\n" for sample, code in truth.items())
    if path.exists() and path.read_text() != text:
        raise BadInput(f"{path.stem} is already there, made with another seed or number of samples. Choose another --collection.")
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(text)
    temporary.replace(path)


def _import(workspace: Workspace, spec: CollectionSpec, samples: Callable[[], Iterable[NewSample]], total: int, quiet: bool) -> None:
    """Import a collection that is not complete yet, with a progress bar unless `quiet`."""
    if info.progress(workspace.store, spec.name).samples == total:
        return
    with click.progressbar(length=total, label=spec.name, hidden=quiet) as bar:

        def ticking() -> Iterable[NewSample]:
            for sample in samples():
                bar.update(1)
                yield sample

        import_collection(workspace, spec, ticking())


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
