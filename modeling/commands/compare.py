"""`python -m modeling compare`: the figures of finished runs, of one in full or of several side by side."""

from dataclasses import asdict

import click

from data import workspace as workspaces
from data.command import as_json, report
from data.errors import BadInput
from data.workspace import Workspace
from modeling import evaluation, runs, tables
from modeling.evaluation import Comparison, Judged, Stratum
from modeling.metrics import Interval
from modeling.results import Results
from modeling.tables import Table

STRATA = ("region", "year", "month", "part", "verified")


@click.command("compare")
@click.argument("names", metavar="RUN [RUN ...]", nargs=-1, required=True)
@click.option("--by", type=click.Choice(STRATA), help="Also the scores of every region, year and so on. month: of models of one image.")
@click.option("--table", type=click.Choice(["breizhcrops"]), help="Nothing but this table: overall, then by class.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one table as comma-separated values: of the runs, of --by, or of --table.")
@as_json
def command(names: tuple[str, ...], by: str | None, table: str | None, as_csv: bool, as_json: bool) -> None:
    """Print the figures of finished runs; of several, every one is also held against the first, on the samples that judge both.

    python -m modeling runs lists the runs.
    """
    if len(set(names)) < len(names):
        raise BadInput(f"A run is named twice among {', '.join(names)}. Name every run once.")
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both.")
    workspace = workspaces.current().open()
    found = [runs.results(workspace, name) for name in names]
    if table:
        _breizhcrops(found, as_csv=as_csv, as_json=as_json)
        return
    judged = [evaluation.judged(workspace, name) for name in names] if by or len(names) > 1 else []
    strata = {of.run: _strata(workspace, of, by) for of in judged} if by else {}
    compared = [evaluation.paired(judged[0], other) for other in judged[1:]]
    if as_csv:
        click.echo(_of_strata(by, strata).csv() if by else tables.of_runs(found).csv(), nl=False)
        return
    figures = {
        "runs": [_figures(run) for run in found],
        "compared": [asdict(one) | {"remarks": one.remarks()} for one in compared],
        "by": {name: [asdict(one) for one in rows] for name, rows in strata.items()},
    }
    text = "\n\n".join([_shown(found), *map(_tested, compared), *([_of_strata(by, strata).markdown()] if by else [])])
    report(figures, text, as_json=as_json)


def _breizhcrops(found: list[Results], *, as_csv: bool, as_json: bool) -> None:
    if as_csv:
        click.echo(tables.breizhcrops_in_one(found).csv(), nl=False)
        return
    overall, classes = tables.breizhcrops(found), tables.of_classes(found)
    figures = {"overall": overall.records(), "classes": classes.records()}
    report(figures, f"{overall.markdown()}\n\n{classes.markdown()}", as_json=as_json)


def _strata(workspace: Workspace, of: Judged, stratum: str) -> list[Stratum]:
    return evaluation.by(evaluation.with_months(workspace, of) if stratum == "month" else of, stratum)


def _of_strata(stratum: str, found: dict[str, list[Stratum]]) -> Table:
    """One table of all runs."""
    each = {name: tables.of_strata(stratum, rows) for name, rows in found.items()}
    columns = ("Run", *next(iter(each.values())).columns)
    return Table(columns, tuple((name, *row) for name, table in each.items() for row in table.rows))


def _figures(run: Results) -> dict:
    return {
        "run": run.run, "config": asdict(run.config), "judged": run.judged, "split": run.split, "classes": run.classes,
        "confusion": run.confusion.tolist(), "scores": asdict(run.scores), "copied": asdict(run.neighbour),
        "calibration": run.calibration and run.calibration.as_json(), "leakage": run.leakage and run.leakage.as_json(),
        "notes": run.notes, "seconds": run.seconds,
        "content_hash": run.content_hash, "last_event": run.last_event,
    }  # fmt: skip


def _shown(found: list[Results]) -> str:
    if len(found) > 1:
        return tables.of_runs(found).markdown()
    (run,) = found
    scores = run.scores
    lines = [
        f"{run.run}: {scores.samples} samples judged ({run.judged} of {run.split})",
        *(f"  {name.lower()}: {text}" for name, text in tables.words(run.config).items()),
        *(f"  {title} {value}" for title, value in _headline(run).items()),
        *(f"  {note}" for note in run.notes),
    ]
    return "\n".join([*lines, "", tables.of_classes(found).markdown()])


def _headline(run: Results) -> dict[str, str]:
    """The figures of a run with their 95 % intervals."""
    scores, told = run.scores, run.calibration
    figures = {
        "accuracy": scores.accuracy, "kappa": scores.kappa, "average accuracy": scores.average_accuracy,
        "macro precision": scores.macro_precision, "macro recall": scores.macro_recall, "macro-F1": scores.macro_f1,
    }  # fmt: skip
    shown = {title: str(figure) for title, figure in figures.items()}
    if told:
        shown["expected calibration error"] = f"{told.ece}; up to {told.by_chance:.3f} by chance"
        shown["Brier score"] = f"{told.brier:.3f}"
    shown["accuracy of copying the nearest sample"] = str(run.neighbour.accuracy)
    return shown | ({"leakage:": str(run.leakage)} if run.leakage else {})


def _tested(one: Comparison) -> str:
    found = one.paired
    lines = [
        f"{one.first} against {one.second}, on {found.samples} samples:",
        f"  accuracy {_difference(found.accuracy)}, macro-F1 {_difference(found.macro_f1)} (95 % intervals)",
        f"  right alone: {found.only_first} and {found.only_second} samples; McNemar's exact test p = {found.p_value:.3g}",
        *(f"  {remark}" for remark in one.remarks()),
    ]
    return "\n".join(lines)


def _difference(figure: Interval) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"
