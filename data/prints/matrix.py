"""A confusion matrix on paper: rows = truth, columns = predicted, with counts and shares of the row; and the same numbers as CSV."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data import sheets
from data.prints import paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 6.0  # mm
CELL = (9.0, 16.0)  # mm; where the narrowest do not fit the sheet, it is wider
CELL_HEIGHT = (7.0, 9.5)
PLAIN = 6.2  # points, of counts in narrow cells
TRUTH = ("Truth (label in use)", "Truth")  # the first that fits beside the rows
TURN = 35.0  # degrees, of the columns' names
DARK = 0.7  # share of the row from which a cell's text is white
COLUMNS = ("truth", "predicted", "samples", "share_of_truth")


def matrix_print(
    counts: np.ndarray, names: Sequence[str], *, title: str = "", facts: str = "", form: str = "png", dpi: int = paper.DPI
) -> bytes:
    """The matrix as the Results page draws it: the diagonal green, errors red, each as dark as its share of the row.

    Args:
        counts: (K, K) integers, rows = truth.
        names: K classes.
        form: "png" or "svg".
    """
    return paper.written(lambda: _draw(np.asarray(counts), names, title, facts), form, dpi=dpi)


def matrix_csv(counts: np.ndarray, names: Sequence[str]) -> str:
    """A line a cell, row by row: truth, predicted, samples, share_of_truth (0..1 to six digits, empty where no sample is of the class)."""
    rows = []
    for row, truth in enumerate(names):
        total = int(counts[row].sum())
        for column, predicted in enumerate(names):
            share = round(float(counts[row][column] / total), 6) if total else None
            rows.append(dict(zip(COLUMNS, (truth, predicted, int(counts[row][column]), share), strict=True)))
    return sheets.as_csv(COLUMNS, rows)


def shares_of(counts: np.ndarray) -> np.ndarray:
    """(K, K) shares of the row, 0 where it is empty."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _draw(counts: np.ndarray, names: Sequence[str], title: str, facts: str) -> "Figure":
    size = len(names)
    labels = [f"{name} ({total:,})" for name, total in zip(names, counts.sum(axis=1), strict=True)]
    beside = MARGIN + paper.line_height(paper.TYPE) + 1.5 + max(paper.width_of(label, paper.TYPE) for label in labels) + 1.5
    narrowest = max(CELL[0], paper.width_of(f"{counts.max()}", PLAIN, bold=True) + 1.5)
    cell = min(max(CELL[1], narrowest), max(narrowest, (paper.WIDTH - MARGIN - beside) / size))
    tall = CELL_HEIGHT[1] if cell > 12 else CELL_HEIGHT[0]
    longest = max(paper.width_of(name, paper.TYPE) for name in names)
    hanging = longest * np.sin(np.radians(TURN)) + paper.line_height(paper.TYPE) * np.cos(np.radians(TURN)) + 1.5
    width = max(paper.WIDTH, beside + size * cell + MARGIN)
    headings = paper.wrapped(title, paper.LARGE, width - 2 * MARGIN, bold=True) if title else []
    below = paper.wrapped(facts, paper.TYPE, width - 2 * MARGIN) if facts else []
    top = MARGIN + len(headings) * paper.line_height(paper.LARGE) + len(below) * paper.line_height(paper.TYPE) + 3.0
    figure = paper.sheet(top + size * tall + hanging + paper.line_height(paper.TYPE) + MARGIN, width)
    sheet = paper.plain(figure, 0, 0, width, figure.get_size_inches()[1] / paper.MM)
    end = paper.text(sheet, MARGIN, MARGIN, headings, paper.LARGE, weight="bold")
    paper.text(sheet, MARGIN, end, below, color=paper.QUIET)
    _cells(sheet, counts, beside, top, cell, tall)
    _names(sheet, names, labels, beside, top, cell, tall)
    foot = top + size * tall + hanging
    sheet.text(beside + size * cell / 2, foot, "Predicted", fontsize=paper.TYPE, ha="center", va="top", weight="bold")
    said = next((words for words in TRUTH if paper.width_of(words, paper.TYPE, bold=True) <= size * tall), TRUTH[-1])
    sheet.text(MARGIN, top + size * tall / 2, said, fontsize=paper.TYPE, rotation=90, ha="left", va="center", weight="bold")
    return figure


def _cells(sheet: "Axes", counts: np.ndarray, left: float, top: float, cell: float, tall: float) -> None:
    from matplotlib.patches import Rectangle

    shares = shares_of(counts)
    font = paper.TYPE if cell > 12 else PLAIN
    for row, column in np.ndindex(*counts.shape):
        x, y, share = left + column * cell, top + row * tall, shares[row, column]
        fill = _mixed(paper.RIGHT if row == column else paper.WRONG, share)
        sheet.add_patch(Rectangle((x, y), cell, tall, facecolor=fill, edgecolor=paper.GRID, linewidth=0.5))
        if counts[row, column]:
            ink = "#ffffff" if share > DARK else "#222222"
            middle = y + tall / 2
            sheet.text(
                x + cell / 2, middle - 0.1, f"{counts[row, column]}", fontsize=font, ha="center", va="bottom", color=ink, weight="bold"
            )
            sheet.text(x + cell / 2, middle + 0.3, f"{share:.0%}", fontsize=font - 0.7, ha="center", va="top", color=ink)


def _names(sheet: "Axes", names: Sequence[str], labels: Sequence[str], left: float, top: float, cell: float, tall: float) -> None:
    for at, (name, label) in enumerate(zip(names, labels, strict=True)):
        sheet.text(left - 1.5, top + (at + 0.5) * tall, label, fontsize=paper.TYPE, ha="right", va="center")
        sheet.text(
            left + (at + 0.5) * cell + 1.0, top + len(names) * tall + 1.2, name, fontsize=paper.TYPE, ha="right", va="top", rotation=TURN,
            rotation_mode="anchor",
        )  # fmt: skip


def _mixed(color: str, share: float) -> str:
    """White at 0, the colour at 1."""
    channels = (round(255 + (int(color[at : at + 2], 16) - 255) * share) for at in (1, 3, 5))
    return "#{:02x}{:02x}{:02x}".format(*channels)
