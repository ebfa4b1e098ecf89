"""Scores on paper: F1, precision and recall by class, and confidence held against accuracy; and the same numbers as CSV."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from data import sheets
from data.prints import paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, LEFT = 6.0, 13.0  # mm
HEIGHT = 70.0  # mm, of the axes
TURN = 35.0


@dataclass(frozen=True)
class Score:
    """A class. low, high: 95 % interval of f1. color: official, #rrggbb."""

    name: str
    samples: int
    precision: float
    recall: float
    f1: float
    low: float
    high: float
    color: str


@dataclass(frozen=True)
class Bin:
    """Samples whose confidence lies above `low` and at most at `high`: their mean confidence, and the share that is right with its
    95 % interval."""

    low: float
    high: float
    samples: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


def scores_print(scores: Sequence[Score], *, title: str = "", facts: str = "", form: str = "png", dpi: int = paper.DPI) -> bytes:
    """Bars of F1 in the classes' colours with 95 % intervals, precision and recall as marks. form: "png" or "svg"."""
    return paper.written(lambda: _scores(scores, title, facts), form, dpi=dpi)


def scores_csv(scores: Sequence[Score]) -> str:
    """A line a class; fractions to six digits."""
    return _csv(Score, scores)


def reliability_print(bins: Sequence[Bin], *, title: str = "", facts: str = "", form: str = "png", dpi: int = paper.DPI) -> bytes:
    """Accuracy over confidence beside the line of a calibrated model; below, how many samples are how sure. form: "png" or "svg"."""
    return paper.written(lambda: _reliability(bins, title, facts), form, dpi=dpi)


def reliability_csv(bins: Sequence[Bin]) -> str:
    """A line a bin; fractions to six digits."""
    return _csv(Bin, bins)


def _csv(kind: type, rows: Sequence) -> str:
    shown = [{name: round(float(value), 6) if isinstance(value, float) else value for name, value in asdict(row).items()} for row in rows]
    return sheets.as_csv([one.name for one in fields(kind)], shown)


def _headed(title: str, facts: str, rest: float) -> tuple["Figure", "Axes", float]:
    """A sheet with its headings: figure, `paper.plain` axes over it, and where the rest (mm high) begins."""
    inner = paper.WIDTH - 2 * MARGIN
    headings = paper.wrapped(title, paper.LARGE, inner, bold=True) if title else []
    below = paper.wrapped(facts, paper.TYPE, inner) if facts else []
    top = MARGIN + len(headings) * paper.line_height(paper.LARGE) + len(below) * paper.line_height(paper.TYPE) + 2.0
    figure = paper.sheet(top + rest + MARGIN)
    sheet = paper.plain(figure, 0, 0, paper.WIDTH, top + rest + MARGIN)
    end = paper.text(sheet, MARGIN, MARGIN, headings, paper.LARGE, weight="bold")
    paper.text(sheet, MARGIN, end, below, color=paper.QUIET)
    return figure, sheet, top


def _scores(scores: Sequence[Score], title: str, facts: str) -> "Figure":
    labels = [f"{one.name} ({one.samples:,})" for one in scores]
    longest = max(paper.width_of(label, paper.TYPE) for label in labels)
    hanging = longest * 0.574 + 5.0 if longest > (paper.WIDTH - 2 * MARGIN - LEFT) / len(labels) - 2 else 5.0  # sin 35 degrees
    key = 6.0
    figure, _, top = _headed(title, facts, key + HEIGHT + hanging + 5.0)
    axes = paper.axes(figure, MARGIN + LEFT, top + key, paper.WIDTH - 2 * MARGIN - LEFT, HEIGHT)
    places = list(range(len(scores)))
    values = [one.f1 for one in scores]
    errors = [[one.f1 - one.low for one in scores], [one.high - one.f1 for one in scores]]
    axes.bar(
        places, values, 0.72, color=[one.color for one in scores], edgecolor=paper.FRAME, linewidth=0.6, label="F1, 95 % interval",
        yerr=errors, error_kw={"ecolor": "#444444", "elinewidth": 0.8, "capsize": 2.2},
    )  # fmt: skip
    for name, marker, shift in (("precision", "^", -0.12), ("recall", "D", 0.12)):
        marks = [getattr(one, name) for one in scores]
        axes.plot([at + shift for at in places], marks, linestyle="none", marker=marker, markersize=4, color="#333333", label=name)
    turned = hanging > 5.0
    axes.set_xticks(places, labels, **({"rotation": TURN, "ha": "right", "rotation_mode": "anchor"} if turned else {}))
    _plain(axes, "F1, precision, recall")
    axes.set_ylim(0, 1.05)
    axes.set_xlim(-0.6, len(scores) - 0.4)
    axes.set_xlabel("Class (samples judged)", fontsize=paper.TYPE)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=paper.TYPE, borderaxespad=0.3)
    return figure


def _reliability(bins: Sequence[Bin], title: str, facts: str) -> "Figure":
    key, counts, gap = 6.0, 20.0, 4.0
    width = paper.WIDTH - 2 * MARGIN - LEFT
    figure, _, top = _headed(title, facts, key + HEIGHT + gap + counts + 9.0)
    axes = paper.axes(figure, MARGIN + LEFT, top + key, width, HEIGHT)
    axes.plot([0, 1], [0, 1], color=paper.NEUTRAL, linestyle="dashed", linewidth=0.8, label="as sure as right")
    errors = [[one.accuracy - one.accuracy_low for one in bins], [one.accuracy_high - one.accuracy for one in bins]]
    axes.errorbar(
        [one.confidence for one in bins], [one.accuracy for one in bins], yerr=errors, color=paper.ACCURACY, linewidth=0.9, marker="o",
        markersize=4.5, ecolor="#444444", elinewidth=0.8, capsize=2.2, label="this run, 95 % interval",
    )  # fmt: skip
    _plain(axes, "Accuracy")
    axes.set_xlim(0, 1.01)
    axes.set_ylim(-0.03, 1.04)
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=paper.TYPE, borderaxespad=0.3)
    below = paper.axes(figure, MARGIN + LEFT, top + key + HEIGHT + gap, width, counts)
    below.bar(
        [(one.low + one.high) / 2 for one in bins], [one.samples for one in bins], [one.high - one.low for one in bins],
        color=paper.NEUTRAL, edgecolor="white", linewidth=0.6,
    )  # fmt: skip
    _plain(below, "Samples")
    below.set_xlim(0, 1.01)
    below.set_xlabel("Confidence: the highest of the probabilities", fontsize=paper.TYPE)
    return figure


def _plain(axes: "Axes", title: str) -> None:
    axes.set_ylabel(title, fontsize=paper.TYPE)
    axes.grid(axis="y", color=paper.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=paper.TYPE, length=2.2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
