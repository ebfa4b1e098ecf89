"""`python -m modeling`: train models, predict with them, and list the runs."""

from dataclasses import asdict

import click

from data import catalogue
from data import workspace as workspaces
from data.command import Group, as_json, report
from data.workspace import Workspace
from modeling import config as settings
from modeling import ranks, registry, rundir, runs, working
from modeling.config import TrainConfig
from modeling.rundir import RunDir

# Commands in modules of their own, imported when called: name -> module whose `command` it is.
LATE: dict[str, str] = {
    "areas": "modeling.commands.areas",
    "compare": "modeling.commands.compare",
    "map": "modeling.commands.map",
    "splits": "modeling.commands.splits",
    "suspects": "modeling.commands.suspects",
    "study": "modeling.commands.study",
    "studies": "modeling.commands.studies",
}


@click.group(cls=Group, late=LATE)
def main() -> None:
    """Train crop classifiers on the labels in a workspace, and predict with them.

    The workspace lies at CROPCHECK_HOME, by default in workspace/.
    """


@main.command()
@click.option("--collection", help="What to learn from. Not needed with --run.")
@click.option("--model", help=f"{', '.join(registry.MODELS)}.  [ltae for series, pixelset for patches]")
@click.option("--labels", type=click.Choice(settings.LABELS), help="The map's, only verified ones, or those in force.  [inventory]")
@click.option("--unverified-weight", type=float, help="Weight of a label in force that nobody verified, beside 1.  [0.85]")
@click.option("--doubts", help="A run that ranked label errors: an unverified label weighs what this run holds it likely to be right.")
@click.option("--limit", type=int, help="Learn from at most this many labelled samples; 0 = all.  [0]")
@click.option("--inputs", help="land, bands, indices, rgb, names of bands and indices, joined by +.  [land+indices]")
@click.option("--day-of-year/--no-day-of-year", default=None, help="Whether the model is told the day of year of each date.")
@click.option("--dates", type=click.Choice(settings.DATES), help="All dates, or only those of quality ok.")
@click.option("--months", help="Numbers joined by +, as 6+7; empty = all. For models of one image also best, or each.")
@click.option("--window", type=int, help="Side in pixels of the middle of a patch that image and sequence models see; 0 = all of it.")
@click.option("--split", help="random by site, block, region, year, or the name of a stored split.  [random]")
@click.option("--shares", help="Per cent of train, validation and test part.  [60/20/20]")
@click.option("--folds", type=int, help="Predict every sample out of K folds; 0 = train, validation and test parts.  [0]")
@click.option("--block-side", "block_side_m", type=float, help="Side of a block in metres.  [10000]")
@click.option("--held-out", help="Regions or years of the test part, joined by +; without it one fold for each.")
@click.option("--watched", help="Regions or years of the validation part, joined by +.")
@click.option("--seed", type=int, help="Of split, weights, batches and augmentation.  [0]")
@click.option("--epochs", type=int, help="Passes over the training part.")
@click.option("--patience", type=int, help="Epochs without a better validation metric before it stops; 0 = never.")
@click.option("--metric", type=click.Choice(settings.METRICS), help="Of the validation part, that chooses the best epoch.  [macro_f1]")
@click.option("--batch-size", type=int)
@click.option("--optimizer", type=click.Choice(settings.OPTIMIZERS))
@click.option("--learning-rate", type=float)
@click.option("--warmup", type=float, help="Share of the epochs in which the learning rate rises.")
@click.option("--decay", type=click.Choice(settings.DECAYS), help="Of the learning rate after the warm-up.  [cosine]")
@click.option("--weight-decay", type=float)
@click.option("--label-smoothing", type=float)
@click.option("--class-weights/--no-class-weights", default=None, help="Every class weighs the same in the loss.")
@click.option("--date-drop", type=float, help="Share of a season's dates hidden at random in every batch.")
@click.option("--date-shift", type=float, help="Standard deviation, in days, by which seasons are moved at random.")
@click.option("--noise", type=float, help="Standard deviation of the noise on standardised inputs.")
@click.option("--turns/--no-turns", default=None, help="Flip and turn patches at random.")
@click.option("--device", type=click.Choice(settings.DEVICES), help="auto takes a GPU where there is one.  [auto]")
@click.option("--memory", type=click.Choice(settings.MEMORY), help="All inputs on the device, or read batch by batch.  [auto]")
@click.option("--threads", type=int, help="Of the processor; 0 = what the model is fastest with.  [0]")
@click.option("--run", help="Go on with the run of this name, instead of starting a new one.")
@click.option("--lock", type=int, hidden=True, help="File descriptor of the run's lock, held by the process that started this one.")
@as_json
def train(collection: str | None, model: str | None, run: str | None, lock: int | None, as_json: bool, **chosen: object) -> None:
    """Train a model, predict every sample with it, and print its figures.

    Settings that are not given take the value that suits the model. The run can be watched on the Train page.
    """
    workspace = workspaces.current().open()
    working.quiet_threads()
    with ranks.joined():
        # Of several processes that torchrun started, the first makes the folder and the others hear of it.
        mine = _folder(workspace, collection, model, run, lock, chosen) if ranks.leads() else None
        folder = rundir.at(workspace.runs, ranks.told(mine and mine.name))
        working.work(workspace, folder, lock)
    if ranks.leads():
        found = runs.results(workspace, folder.name)
        report({"run": folder.name} | folder.read("results.json"), summary(found), as_json=as_json)


def _folder(workspace: Workspace, collection: str | None, model: str | None, run: str | None, lock: int | None, chosen: dict) -> RunDir:
    """The folder to work in: of the run to go on with, or a new one."""
    if run:
        # With a lock, the process that started this one has checked the run and holds it for us.
        return runs.resumable(workspace, run) if lock is None else rundir.at(workspace.runs, run)
    if not collection:
        raise click.UsageError("Say what to learn from with --collection, or which run to go on with with --run.")
    given = {name: value for name, value in chosen.items() if value is not None}
    model = model or registry.default(is_series=catalogue.collection(workspace.store, collection).is_series)
    return runs.create(workspace, TrainConfig.for_model(model, collection, **given))


@main.command()
@click.option("--run", required=True, help="A finished run; python -m modeling runs lists them.")
@click.option("--device", type=click.Choice(settings.DEVICES), default="auto", show_default=True)
@as_json
def predict(run: str, device: str, as_json: bool) -> None:
    """Predict every sample of the run's collection again, e.g. after new samples came in."""
    workspace = workspaces.current().open()
    rundir.at(workspace.runs, run)
    working.quiet_threads()
    from modeling import predict as prediction

    count = prediction.again(workspace, run, device=device)
    report({"run": run, "samples": count}, f"{run}: {count} samples predicted.", as_json=as_json)


@main.command("runs")
@as_json
def list_runs(as_json: bool) -> None:
    """List the runs, newest first."""
    found = runs.listing(workspaces.current().open())
    lines = [f"{run.name}  {run.state}  {run.config.labels} labels  {run.epochs_done}/{run.epochs_total} epochs" for run in found]
    rows = [asdict(run) for run in found]
    report({"runs": rows}, "\n".join(lines) or "No runs yet. Start one with: python -m modeling train --collection NAME", as_json=as_json)


def summary(found: runs.Results) -> str:
    """The figures for people."""
    lines = [
        f"{found.run}: {found.scores.samples} samples judged ({found.judged} of {found.split}), {found.seconds:.0f} s on {found.device}",
        f"  accuracy {found.scores.accuracy}, kappa {found.scores.kappa}, macro-F1 {found.scores.macro_f1} (95 % intervals)",
        f"  copying the nearest known sample: accuracy {found.neighbour.accuracy}, macro-F1 {found.neighbour.macro_f1}",
    ]
    for row in found.scores.per_class:
        lines.append(f"  {row.name}: precision {row.precision:.3f}, recall {row.recall:.3f}, F1 {row.f1:.3f}, {row.support} samples")
    return "\n".join(lines + [f"  {note}" for note in found.notes])


if __name__ == "__main__":
    main(prog_name="python -m modeling")
