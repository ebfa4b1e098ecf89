"""`python -m modeling study`: train everything that a study compares, one run after the other, and print its table."""

import sys

import click

from data import workspace as workspaces
from data.command import as_json, report
from data.workspace import Workspace
from modeling import config as settings
from modeling.studies import control, studydir, table
from modeling.studies.kinds import KINDS, Choices
from modeling.studies.studydir import StudyDir


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of metres. Give numbers, as in 750,2000.") from None


@click.command("study")
@click.argument("kind", required=False, metavar=f"[{'|'.join(KINDS)}]")
@click.option("--collection", help="What to learn from. Not needed with --resume.")
@click.option("--model", help="Of every run.  [ltae for series, pixelset for patches]")
@click.option("--models", help="Those that the study models compares, as ltae,forest.  [all that suit the collection]")
@click.option("--seeds", type=click.IntRange(1), default=None, help="How many times each variant is trained.  [1; 3 for labels]")
@click.option("--seed", type=click.IntRange(0), help="The first of them.  [0]")
@click.option("--folds", type=int, help="Predict every sample out of K folds; 0 = train, validation and test parts.  [5]")
@click.option("--split", help="As of python -m modeling train; the study splits compares several.  [random]")
@click.option("--block-side", "block_side_m", type=float, help="Side of a block in metres, of the split block.  [10000]")
@click.option("--sides", callback=_numbers, help="Block sides in metres that the study splits compares, as 750,2000.")
@click.option("--labels", type=click.Choice(settings.LABELS), help="The study labels compares all.  [inventory]")
@click.option("--inputs", help="As of python -m modeling train; the study indices compares several.  [land+indices]")
@click.option("--epochs", type=int, help="Passes over the training part.  [the model's own]")
@click.option("--patience", type=int, help="Epochs without a better validation metric before a run stops; 0 = never.")
@click.option("--device", type=click.Choice(settings.DEVICES), help="auto takes a GPU where there is one.  [auto]")
@click.option("--threads", type=int, help="Of the processor; 0 = what the model is fastest with.  [0]")
@click.option("--name", default="", help="Of the study.  [its collection, kind and time]")
@click.option("--resume", help="Go on with the study of this name: finished runs stay, failed ones are tried again.")
@click.option("--plan", is_flag=True, help="Say what would be trained, and train nothing.")
@click.option("--lock", type=int, hidden=True, help="File descriptor of the study's lock, held by the process that started this one.")
@as_json
def command(
    kind: str | None,
    collection: str | None,
    model: str | None,
    models: str | None,
    seeds: int | None,
    sides: tuple[float, ...],
    name: str,
    resume: str | None,
    plan: bool,
    lock: int | None,
    as_json: bool,
    **chosen: object,
) -> None:
    """Compare models, inputs, dates, splits or labels on a collection.

    \b
    indices  one model over RGB, NDVI, NDRE, EVI, GNDVI, NDVI45, OSAVI, PSRI and all bands
    dates    each month alone, pairs of months, and the first months of the season
    models   all models that suit the collection, each with its own settings
    splits   random by site, blocks of several sides, by region and by year
    labels   learning curves on the map's labels and on verified ones

    Every training is a run like any other. A study that was stopped goes on with --resume.
    """
    workspace = workspaces.current().open()
    if resume:
        # With a lock, the process that started this one has checked the study and holds it for us.
        study = control.resumable(workspace, resume) if lock is None else studydir.at(workspace, resume)
    elif kind and collection:
        given = {name: value for name, value in chosen.items() if value is not None}
        listed = tuple(part.strip() for part in models.split(",")) if models else ()
        choices = Choices(kind, collection, model or "", listed, seeds or 0, sides, given)
        if plan:
            _describe(workspace, choices, as_json)
            return
        study = control.create(workspace, choices, name)
    else:
        raise click.UsageError("Say what to compare, as in: study indices --collection NAME; or which study to go on with: --resume NAME.")
    _train(workspace, study, lock)
    tell(workspace, study, as_json=as_json)
    if control.status(workspace, study.name).state != "finished":
        sys.exit(1)


def tell(workspace: Workspace, study: StudyDir, *, as_json: bool) -> None:
    """Print the study's table."""
    content, found = study.content, table.rows(workspace, study)
    facts = {name: content[name] for name in ("kind", "collection", "notes")} | {"folder": str(study.path)}
    text = table.as_markdown(f"{study.name}: {table.title(content)}", found, content["notes"])
    state = control.status(workspace, study.name).state
    report({"study": study.name, "state": state} | facts | {"rows": table.records(found)}, text, as_json=as_json)


def _describe(workspace: Workspace, choices: Choices, as_json: bool) -> None:
    planned = control.plan(workspace, choices)
    variants = [variant for variant, _ in planned.variants]
    lines = [f"{len(variants)} variants, {len(planned.configs)} runs:", *(f"  {one.group or 'variant'}: {one.label}" for one in variants)]
    listed = [{"group": one.group, "variant": one.label, "settings": dict(one.settings)} for one in variants]
    figures = {"runs": len(planned.configs), "variants": listed, "notes": list(planned.notes)}
    report(figures, "\n".join([*lines, *planned.notes]), as_json=as_json)


def _train(workspace: Workspace, study: StudyDir, lock: int | None) -> None:
    from modeling.studies import training  # late: plotly and what trains

    training.train(workspace, study, lock)
