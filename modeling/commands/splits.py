"""`python -m modeling splits`: the stored splits of a collection, what each leaks, and their members as a file for others."""

import csv
from pathlib import Path

import click
import numpy as np

from data import info
from data import workspace as workspaces
from data.command import as_json, report
from data.errors import BadInput
from data.workspace import Workspace
from modeling import config as settings
from modeling import leakage, samples, splits
from modeling.config import TrainConfig
from modeling.leakage import Leakage
from modeling.samples import UNLABELLED, Samples
from modeling.splits import Split


@click.command("splits")
@click.option("--collection", required=True)
@click.option("--name", help="Only this stored split.")
@click.option("--make", is_flag=True, help="Make the split that the next options say, and store it; one that is there stays as it is.")
@click.option("--split", type=click.Choice(settings.METHODS), default=TrainConfig.split, show_default=True)
@click.option("--shares", default=TrainConfig.shares, show_default=True, help="Per cent of train, validation and test part.")
@click.option("--folds", default=TrainConfig.folds, show_default=True, help="K folds instead of three parts.")
@click.option("--block-side", "block_side_m", default=TrainConfig.block_side_m, show_default=True, help="Side of a block in metres.")
@click.option("--held-out", default="", help="Regions or years of the test part, joined by +; without it one fold for each.")
@click.option("--watched", default="", help="Regions or years of the validation part, joined by +.")
@click.option("--seed", default=TrainConfig.seed, show_default=True)
@click.option("--labels", type=click.Choice(settings.LABELS), default=TrainConfig.labels, show_default=True, help="That are counted.")
@click.option("--export", "to", type=click.Path(dir_okay=False, path_type=Path), help="Write the members of one split as a CSV file.")
@as_json
def command(
    collection: str, name: str | None, make: bool, labels: str, to: Path | None, as_json: bool, **chosen: object
) -> None:  # fmt: skip
    """List the stored splits of a collection: samples and classes by part, and what the split leaks."""
    workspace = workspaces.current().open()
    known = samples.load(workspace.store, collection, labels)
    if make and name:
        raise click.UsageError("Give --make or --name, not both: the name of a new split follows from its settings.")
    wanted = TrainConfig.for_model(TrainConfig.model, collection, **chosen) if make else None
    found = [splits.stored(workspace.store, one, known) for one in ([wanted] if wanted else _stored(workspace, collection, name))]
    if to:
        if len(found) != 1:
            raise BadInput(f"{collection} has {len(found)} stored splits; say with --name which one goes to {to}.")
        export(workspace, known, found[0], to)
    described = [(split.name, contents(known, split), leakage.report(known, split.parts)) for split in found]
    figures = [{"name": name, "parts": parts, "leakage": leaks.as_json()} for name, parts, leaks in described]
    text = "\n\n".join(_shown(*one) for one in described) or f"{collection} has no stored split yet. Make one with --make."
    report({"collection": collection, "splits": figures}, text, as_json=as_json)


def contents(known: Samples, split: Split) -> dict[str, dict]:
    """Of each part: samples, labelled samples by class, and sites."""
    result = {}
    for part in np.unique(split.parts).tolist():
        mine = split.parts == part
        counted = np.bincount(known.truth[mine & (known.truth != UNLABELLED)], minlength=len(known.classes))
        classes = dict(zip(known.classes, counted.tolist(), strict=True))
        result[part] = {"samples": int(mine.sum()), "sites": len(np.unique(known.sites[mine])), "classes": classes}
    return result


def export(workspace: Workspace, known: Samples, split: Split, to: Path) -> None:
    """Write sample, site, year, region, lon, lat (EPSG:4326), label and part of every sample; label is empty where there is none.

    Raises:
        BadInput: the file cannot be written.
    """
    with workspace.store.reading() as db:
        sites = dict(map(tuple, db.execute("select id, name from site where collection = ?", [known.collection])))
    rows = zip(
        known.names, [sites[site] for site in known.sites.tolist()], known.years.tolist(), known.regions.tolist(), known.lon.tolist(),
        known.lat.tolist(), ["" if truth == UNLABELLED else known.classes[truth] for truth in known.truth.tolist()],
        split.parts.tolist(), strict=True,
    )  # fmt: skip
    try:
        with to.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["sample", "site", "year", "region", "lon", "lat", "label", "part"])
            writer.writerows(rows)
    except OSError as error:
        raise BadInput(f"{to} cannot be written: {error.strerror}. Choose another file.") from error


def _stored(workspace: Workspace, collection: str, name: str | None) -> list[TrainConfig]:
    """Settings that ask for the stored splits, or for the one that is named."""
    names = info.splits(workspace.store, collection)
    if name and name not in names:
        raise BadInput(f"{collection} has no split {name!r}. It has: {', '.join(names) or 'none; --make makes one'}.")
    return [TrainConfig(collection, split=one) for one in names if name in (None, one)]


def _shown(name: str, parts: dict[str, dict], leaks: Leakage) -> str:
    lines = [name]
    for part, held in parts.items():
        classes = ", ".join(f"{crop} {number}" for crop, number in held["classes"].items())
        lines.append(f"  {part}: {held['samples']} samples of {held['sites']} sites ({classes})")
    return "\n".join([*lines, f"  {leaks}"])
