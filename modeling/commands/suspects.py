"""`python -m modeling suspects`: the labels that models hold for wrong, ranked for the queues; and how well that finds flipped ones."""

from dataclasses import asdict

import click
import numpy as np

from data import workspace as workspaces
from data.command import as_json, progress, report
from data.errors import BadInput
from data.workspace import Workspace
from modeling import config as settings
from modeling import injection, registry, reuse, runs, samples, suspects
from modeling.config import TrainConfig
from modeling.injection import Experiment, Found
from modeling.working import quiet_threads

MODELS = ("forest", "forest", "forest", "ltae")  # the best of those measured in docs/suspects.md
FIGURES = {
    "precision_at_wrong": "precision among as many as are wrong", "precision_at_100": "precision at 100",
    "precision_at_5": "precision at 5 %", "recall_at_10": "recall at 10 %", "auroc": "AUROC",
    "counted_precision": "precision of those counted",
}  # fmt: skip


@click.command("suspects")
@click.option("--collection", help="Whose labels to rank. Not needed with --run.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help=f"What judges; repeatable, the same model in other folds.  [{' '.join(MODELS)}]",
)
@click.option("--run", "names", multiple=True, help="Finished runs that judge, instead of models to train; repeatable.")
@click.option("--labels", type=click.Choice(settings.LABELS), default="mixed", show_default=True, help="The labels that are doubted.")
@click.option("--split", default="block", show_default=True, help="How folds are made: block, random, region, year.")
@click.option("--block-side", type=float, help="Side of a block in metres.  [10000, less for a small collection]")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", type=click.Choice(settings.DEVICES), default="auto", show_default=True)
@click.option("--method", type=click.Choice(suspects.METHODS), default=suspects.DEFAULT_METHOD, show_default=True, help="What ranks.")
@click.option("--top", type=click.IntRange(0), default=20, show_default=True, help="How many of the most doubtful labels to print.")
@click.option("--inject", type=float, help="Flip this share of the labels in memory, and say how well the flipped ones are found.")
@click.option("--shape", type=click.Choice(injection.SHAPES), help="similar: flips go along the models' confusions.  [uniform]")
@click.option("--draws", type=click.IntRange(1), help="How often labels are flipped anew.  [3]")
@as_json
def command(
    collection: str | None, models: tuple[str, ...], names: tuple[str, ...], method: str, top: int, inject: float | None,
    shape: str | None, draws: int | None, as_json: bool, **chosen: object,
) -> None:  # fmt: skip
    """Rank a collection's labels by how little models that never saw them believe them, and store the ranking for Verify.

    The models are trained as ordinary runs, out of spatial folds; a run that is there already is taken. The first run carries the ranking:
    the queue suspects:RUN.

    With --inject nothing is stored: labels are flipped in memory, and the ranking is judged by them. --run then gives the confusions
    along which labels of shape similar are flipped.
    """
    if inject is None and (shape or draws):
        raise click.UsageError("--shape and --draws say how labels are flipped: give --inject, too, as in --inject 0.15.")
    workspace = workspaces.current().open()
    quiet_threads()
    if inject is not None:
        configs = configurations(workspace, _named(collection), models or MODELS, **chosen)
        experiment = Experiment(configs, inject, shape or "uniform", draws or 3, method)
        _inject(workspace, experiment, names, as_json=as_json)
        return
    if names and models:
        raise BadInput("Give models to train with --model, or finished runs with --run, not both.")
    if not names:
        configs = configurations(workspace, _named(collection), models or MODELS, **chosen)
        names = tuple(reuse.trained(workspace, config) for config in configs)
    found = suspects.search(workspace, list(names), method)
    listed = suspects.top(workspace.store, found.run, top)
    figures = asdict(found) | {"runs": list(names), "method": method, "queue": f"suspects:{found.run}", "top": listed}
    report(figures, _told(found, names, listed), as_json=as_json)


def configurations(
    workspace: Workspace, collection: str, models: tuple[str, ...], *, block_side: float | None, seed: int, **chosen: object
) -> tuple[TrainConfig, ...]:
    """How each model is trained; one that is named again has the next seed, and so other folds.

    Trees learn without class weights: of a label that is flipped into a rare class, they would be surer than of any other.

    Args:
        block_side: of a block in metres; None: as `suspects.block_side` says.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain: as `samples.load` and `TrainConfig.for_model`.
    """
    known = samples.load(workspace.store, collection, str(chosen["labels"]))
    side = block_side or suspects.block_side(known.lon, known.lat, int(str(chosen["folds"])))
    fixed = chosen | {"block_side_m": side}
    return tuple(
        TrainConfig.for_model(
            model, collection, seed=seed + models[:at].count(model), class_weights=not registry.named(model).estimator, **fixed
        )
        for at, model in enumerate(models)
    )  # fmt: skip


def _named(collection: str | None) -> str:
    if collection is None:
        raise click.UsageError("Say whose labels to rank with --collection, or which finished runs judge with --run.")
    return collection


def _told(found: suspects.Summary, names: tuple[str, ...], listed: list[dict]) -> str:
    share = found.share
    lines = [
        f"{found.run}: {found.samples:,} labels ranked" + (f" by {len(names)} runs ({', '.join(names)})" if len(names) > 1 else ""),
        f"  {found.counted:,} are counted as errors: {share.value:.1%} ({share.low:.1%}–{share.high:.1%}, of the sampling alone)",
    ]
    lines += [f"  {count:4,}  {given} that may be {suggested}" for given, suggested, count in found.pairs]
    lines += [f"  {row['rank']:4,}  {row['sample']}: {row['reason']}" for row in listed]
    return "\n".join([*lines, f"  Check them in Verify: queue suspects:{found.run}"])


def _inject(workspace: Workspace, experiment: Experiment, names: tuple[str, ...], *, as_json: bool) -> None:
    if len(names) > 1:
        raise BadInput(f"The confusions are taken from one run; {len(names)} are given: {', '.join(names)}. Give one --run.")
    if names and experiment.shape != "similar":
        raise BadInput("With --inject, --run gives the confusions of --shape similar. Give that, too, or leave --run out.")
    confusion = runs.results(workspace, names[0]).confusion if names else None
    with progress("Training on flipped labels", hidden=as_json) as tell:
        found = injection.run(workspace, experiment, confusion, tell)
    means = mean(found)
    models = [config.model for config in experiment.configs]
    figures = {
        "collection": experiment.configs[0].collection, "models": models, "method": experiment.method, "share": experiment.share,
        "shape": experiment.shape, "draws": [asdict(draw) for draw in found], "mean": means,
    }  # fmt: skip
    report(figures, _table(experiment, found, means), as_json=as_json)


def _table(experiment: Experiment, found: list[Found], means: dict[str, float | None]) -> str:
    models = " + ".join(config.model for config in experiment.configs)
    flips = f"{experiment.share:.0%} {experiment.shape} flips, {found[0].wrong:,} of {found[0].samples:,} labels"
    lines = [f"{flips}; {models}, {experiment.method}"]
    lines.append(" " * 40 + "".join(f"{f'draw {number}':>9}" for number in range(1, len(found) + 1)) + f"{'mean':>9}")
    for key, name in FIGURES.items():
        values = [*(getattr(draw, key) for draw in found), means[key]]
        lines.append(f"  {name:38}" + "".join(f"{_number(value):>9}" for value in values))
    return "\n".join(lines)


def mean(found: list[Found]) -> dict[str, float | None]:
    """Every figure's mean over the draws; None where a draw has none."""
    values = {key: [getattr(draw, key) for draw in found] for key in FIGURES}
    return {key: None if None in each else float(np.mean(each)) for key, each in values.items()}


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
