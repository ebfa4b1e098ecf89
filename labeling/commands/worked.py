"""`python -m labeling worked`: what curators found in the cells of a run's confusion matrix, and the matrix under the labels of now."""

import click

from data import workspace as workspaces
from data.command import as_json, report
from labeling import worked
from labeling.worked import Matrices, Outcome

WIDEST = 24  # characters of a class in a printed matrix


@click.command("worked")
@click.option("--run", required=True, help="A finished run; python -m modeling runs lists them.")
@click.option("--truth", help="One cell: the class of the label that the run was judged against.")
@click.option("--predicted", help="One cell: the class that the model read.")
@as_json
def command(run: str, truth: str | None, predicted: str | None, as_json: bool) -> None:
    """Say whose errors the checked samples of a run's confusions were, the inventory's or the model's.

    A sample is checked where it was decided since the run. Without --truth and --predicted: all confusions, together and each that was
    begun.
    """
    if (truth is None) != (predicted is None):
        raise click.UsageError("A cell has two sides: give --truth and --predicted, or neither for all confusions.")
    store = workspaces.current().open().store
    if truth is not None and predicted is not None:
        found = {(truth, predicted): worked.outcome(store, run, truth, predicted)}
        total = found[truth, predicted]
    else:
        cells = worked.outcomes(store, run)
        found = {cell: each for cell, each in cells.items() if each.decided and cell[0] != cell[1]}
        total = worked.confused(cells)
    told = worked.matrices(store, run)
    figures = {"run": run, "total": total.as_json(), "cells": [_record(cell, each) for cell, each in found.items()]}
    report(figures | {"matrices": _figures(told)}, _text(run, total, found, told), as_json=as_json)


def _record(cell: tuple[str, str], outcome: Outcome) -> dict:
    return {"truth": cell[0], "predicted": cell[1]} | outcome.as_json()


def _figures(told: Matrices) -> dict:
    """Both matrices with their figures."""
    sides = {"before": told.before, "after": told.after}
    return {"classes": list(told.classes), "left_out": told.left_out} | {
        name: {
            "counts": counts.tolist(), "accuracy": worked.accuracy(counts).as_json(), "macro_f1": worked.macro_f1(counts),
        }
        for name, counts in sides.items()
    }  # fmt: skip


def _text(run: str, total: Outcome, found: dict[tuple[str, str], Outcome], told: Matrices) -> str:
    lines = [f"{run}: {total.decided:,} of {total.samples:,} samples checked"]
    for (truth, predicted), each in found.items():
        lines.append(
            f"  {truth} read as {predicted}: {each.decided:,} of {each.samples:,}: {each.kept} kept, {each.to_predicted} relabelled "
            f"as read, {each.to_other} to another, {each.rejected} rejected, {each.unsure} unsure"
        )
        lines += [f"    relabelled to {name}: {count:,}" for name, count in each.relabelled_to]
    lines.append(f"  the inventory's errors: {total.inventory_wrong} (95 % interval)")
    lines.append(f"  the model's errors: {total.model_wrong}")
    for title, counts in (("labels it was judged against", told.before), ("labels now in force", told.after)):
        lines.append(f"Under the {title}: accuracy {worked.accuracy(counts)}, macro-F1 {worked.macro_f1(counts):.3f}")
        lines += _matrix(told.classes, counts)
    if told.left_out:
        lines.append(f"  {told.left_out:,} samples have no class any more and are left out.")
    return "\n".join(lines)


def _matrix(classes: tuple[str, ...], counts) -> list[str]:
    """Rows = label, columns = predicted, in the same order."""
    width = min(WIDEST, max(map(len, classes)))
    return [
        f"  {name[:width]:{width}}" + "".join(f"{count:7,}" for count in row) for name, row in zip(classes, counts.tolist(), strict=True)
    ]
