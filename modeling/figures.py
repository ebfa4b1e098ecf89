"""Charts of runs, as plotly figures. The only place in modeling/ that knows plotly."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from data.prints.paper import ACCURACY, NEUTRAL, RIGHT, WRONG
from modeling.calibration import Calibration
from modeling.evaluation import Comparison, Stratum
from modeling.metrics import Interval
from modeling.results import Results
from modeling.rundir import Epoch
from modeling.tables import title_of

LOSS, VALIDATION = "#1f77b4", "#d95f02"  # distinguishable with every kind of colour vision (ColorBrewer)
MACRO_F1 = "#d95f02"
ROOMY = 7  # classes at most, for which a matrix has large cells; of more, all rows still fit a screen of 768
LINE = {"color": NEUTRAL, "dash": "dash", "width": 1}


def confusion_figure(results: Results) -> go.Figure:
    """The confusion matrix: rows = truth, columns = predicted, with counts and the share of the row.

    A click or selection gives one point with customdata [truth, predicted], both class names.
    """
    counts, names = results.confusion, results.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names)
    row_height, font = (44, 13) if size <= ROOMY else (31, 11)
    # Two colours in one picture: the diagonal positive, errors negative, each as dark as its share of the row.
    signed = np.where(np.eye(size, dtype=bool), shares, -shares)
    scale = [[0.0, WRONG], [0.5, "#ffffff"], [1.0, RIGHT]]
    figure = go.Figure(go.Heatmap(z=signed, zmin=-1, zmax=1, colorscale=scale, showscale=False, hoverinfo="skip", xgap=1, ygap=1))
    figure.add_trace(_cells(counts, shares, names, row_height - 10))
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = shares[row, column] > 0.7
        text = f"<b>{counts[row, column]}</b><br>{shares[row, column]:.0%}"
        figure.add_annotation(x=column, y=row, text=text, showarrow=False, font={"size": font, "color": "#ffffff" if dark else "#222222"})
    totals = counts.sum(axis=1)
    figure.update_xaxes(
        title="Predicted",
        showgrid=False,
        zeroline=False,
        tickangle=-30,
        tickvals=list(range(size)),
        ticktext=list(names),
        side="bottom",
        constrain="domain",
    )
    figure.update_yaxes(
        title="Truth (label in use)", showgrid=False, zeroline=False, tickvals=list(range(size)),
        ticktext=[f"{name} ({totals[row]})" for row, name in enumerate(names)],
        range=[size - 0.5, -0.5],
    )  # fmt: skip
    figure.update_layout(
        height=max(360, 120 + row_height * size), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
        clickmode="event+select", dragmode=False,
        hovermode="closest", hoverdistance=-1,  # the whole cell answers, not only the square in its middle
    )  # fmt: skip
    return figure


def training_curves(epochs: Sequence[Epoch]) -> go.Figure:
    """Loss by epoch, one line a training part, and on a second axis the validation macro-F1 where there is a validation part."""
    figure = go.Figure()
    parts = list(dict.fromkeys(epoch.part for epoch in epochs))
    for part in parts:
        rows = [epoch for epoch in epochs if epoch.part == part]
        steps = [epoch.epoch for epoch in rows]
        several = f", {part}" if len(parts) > 1 else ""
        figure.add_scatter(
            x=steps, y=[row.loss for row in rows], name=f"training loss{several}", mode="lines", line={"color": LOSS},
            opacity=1.0 if part == parts[-1] else 0.35,
        )  # fmt: skip
        if rows[0].val_loss is not None:
            figure.add_scatter(x=steps, y=[row.val_loss for row in rows], name="validation loss", mode="lines", line={"color": VALIDATION})
            figure.add_scatter(
                x=steps, y=[row.val_macro_f1 for row in rows], name="validation macro-F1", mode="lines+markers", yaxis="y2",
                line={"color": VALIDATION, "dash": "dot"}, marker={"size": 4},
            )  # fmt: skip
    figure.update_layout(
        height=320, margin={"l": 10, "r": 10, "t": 30, "b": 10}, hovermode="x unified", legend={"orientation": "h", "y": 1.15},
        xaxis={"title": "Epoch"}, yaxis={"title": "Loss", "rangemode": "tozero"},
        yaxis2={
            "title": "Macro-F1", "overlaying": "y", "side": "right", "range": [0, 1.02], "showgrid": False,
            "tickmode": "linear", "dtick": 0.2,
        },
    )  # fmt: skip
    return figure


def per_class_figure(results: Results, other: Results | None = None) -> go.Figure:
    """F1 of every class in its official colour, with its 95 % interval, and precision and recall as marks; or beside that of `other`,
    hatched."""
    rows = results.scores.per_class
    names = [f"{row.name} ({row.support})" for row in rows]
    figure = go.Figure()
    figure.add_bar(
        x=names, y=[row.f1 for row in rows], name="F1" if other is None else "F1 of this run",
        marker={"color": list(results.colors), "line": {"width": 1, "color": "#5b655e"}},
        error_y=_whiskers([row.f1_interval for row in rows]), hovertemplate="%{x}<br>F1 %{y:.3f}<extra></extra>",
    )  # fmt: skip
    if other:
        found = {row.name: row for row in other.scores.per_class}
        known = [(name, found[row.name]) for name, row in zip(names, rows, strict=True) if row.name in found]
        colors = [color for color, row in zip(results.colors, rows, strict=True) if row.name in found]
        figure.add_bar(
            x=[name for name, _ in known], y=[row.f1 for _, row in known], name="F1 of the other run",
            marker={"color": colors, "pattern": {"shape": "/"}, "line": {"width": 1, "color": "#5b655e"}},
            error_y=_whiskers([row.f1_interval for _, row in known]), hovertemplate="%{x}<br>F1 %{y:.3f}<extra></extra>",
        )  # fmt: skip
    else:
        marks = (("precision", [row.precision for row in rows], "triangle-up"), ("recall", [row.recall for row in rows], "diamond"))
        for title, values, symbol in marks:
            figure.add_scatter(
                x=names, y=values, name=title, mode="markers", marker={"symbol": symbol, "size": 9, "color": "#333333"},
                hovertemplate=f"%{{x}}<br>{title} %{{y:.3f}}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(
        height=340, margin={"l": 10, "r": 10, "t": 40, "b": 10}, legend={"orientation": "h", "y": 1.18}, barmode="group",
        xaxis={"title": "Class (samples judged)", "tickangle": -30}, yaxis={"title": "F1, precision, recall", "range": [0, 1.05]},
    )  # fmt: skip
    return figure


def reliability_figure(told: Calibration) -> go.Figure:
    """Accuracy over confidence with 95 % intervals beside the line of a calibrated model; below, how many samples are how sure."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=LINE, name="as sure as right", hoverinfo="skip")
    figure.add_scatter(
        x=[row.confidence for row in told.bins], y=[row.accuracy.value for row in told.bins], mode="lines+markers", name="this run",
        line={"color": ACCURACY, "width": 1}, marker={"size": 8}, error_y=_whiskers([row.accuracy for row in told.bins]),
        customdata=[row.samples for row in told.bins],
        hovertemplate="confidence %{x:.3f}<br>accuracy %{y:.3f}<br>%{customdata} samples<extra></extra>",
    )  # fmt: skip
    figure.add_bar(
        x=[(row.low + row.high) / 2 for row in told.bins], y=[row.samples for row in told.bins], yaxis="y2", showlegend=False,
        width=[row.high - row.low for row in told.bins], marker={"color": NEUTRAL, "line": {"color": "#ffffff", "width": 1}},
        customdata=[f"{row.low:.2f}–{row.high:.2f}" for row in told.bins],
        hovertemplate="confidence %{customdata}<br>%{y} samples<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=420, margin={"l": 10, "r": 10, "t": 30, "b": 10}, legend={"orientation": "h", "y": 1.1},
        xaxis={"title": "Confidence: the highest of the probabilities", "range": [0, 1.01], "anchor": "y2"},
        yaxis={"title": "Accuracy", "range": [-0.03, 1.04], "domain": [0.3, 1], "zeroline": False},
        yaxis2={"title": "Samples", "domain": [0, 0.22], "rangemode": "tozero"},
    )  # fmt: skip
    return figure


def strata_figure(stratum: str, groups: Sequence[Stratum], overall: Results) -> go.Figure:
    """Accuracy and macro-F1 of every group with 95 % intervals; dashed, those of all samples together."""
    names = [f"{title_of(stratum, group.name)} ({group.scores.samples:,})" for group in groups]
    figure = go.Figure()
    for title, color, figures, whole, shift in (
        ("accuracy", ACCURACY, [group.scores.accuracy for group in groups], overall.scores.accuracy, -0.12),
        ("macro-F1", MACRO_F1, [group.scores.macro_f1 for group in groups], overall.scores.macro_f1, 0.12),
    ):
        figure.add_scatter(
            x=[one.value for one in figures], y=[at + shift for at in range(len(names))], mode="markers", name=title,
            marker={"size": 9, "color": color}, error_x=_whiskers(figures, color),
            customdata=[[name, f"{one.low:.3f}–{one.high:.3f}"] for name, one in zip(names, figures, strict=True)],
            hovertemplate=f"%{{customdata[0]}}<br>{title} %{{x:.3f}} (%{{customdata[1]}})<extra></extra>",
        )  # fmt: skip
        figure.add_vline(x=whole.value, line={"color": color, "dash": "dash", "width": 1})
    lowest = min(min(group.scores.accuracy.low, group.scores.macro_f1.low) for group in groups)
    figure.update_layout(
        height=130 + 36 * max(2, len(names)), margin={"l": 10, "r": 10, "t": 30, "b": 10}, legend={"orientation": "h", "y": 1.15},
        xaxis={"title": "Accuracy, macro-F1 (dashed: all samples)", "range": [max(0.0, math.floor(lowest * 10 - 0.3) / 10) - 0.02, 1.02]},
        yaxis={
            "tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.5, -0.5], "showgrid": False,
            "zeroline": False,
        },
    )  # fmt: skip
    return figure


def difference_figure(compared: Comparison) -> go.Figure:
    """The difference of two runs in accuracy and macro-F1, with 95 % intervals: one that leaves out zero is a difference."""
    figures = (compared.paired.accuracy, compared.paired.macro_f1)
    figure = go.Figure()
    figure.add_vline(x=0, line=LINE)
    figure.add_scatter(
        x=[one.value for one in figures], y=["accuracy", "macro-F1"], mode="markers", error_x=_whiskers(figures),
        marker={"size": 10, "color": [ACCURACY, MACRO_F1]}, showlegend=False,
        customdata=[f"{one.low:+.3f} to {one.high:+.3f}" for one in figures], hovertemplate="%{x:+.3f} (%{customdata})<extra></extra>",
    )  # fmt: skip
    reach = 1.15 * max(0.02, *(max(abs(one.low), abs(one.high)) for one in figures))
    figure.update_layout(
        height=170, margin={"l": 10, "r": 10, "t": 10, "b": 10}, yaxis={"range": [1.5, -0.5], "showgrid": False},
        xaxis={"title": "Difference: right of the line, this run is better", "range": [-reach, reach], "tickformat": "+.2f"},
    )  # fmt: skip
    return figure


def _whiskers(figures: Sequence[Interval], color: str = "#444444") -> dict:
    """Error bars from intervals, which need not be symmetric."""
    return {
        "type": "data", "symmetric": False, "array": [one.high - one.value for one in figures],
        "arrayminus": [one.value - one.low for one in figures], "thickness": 1.2, "width": 4, "color": color,
    }  # fmt: skip


def _cells(counts: np.ndarray, shares: np.ndarray, names: Sequence[str], side: int) -> go.Scatter:
    """Squares over the cells, all but transparent: a click on a heatmap gives no selection, one on a marker does."""
    rows, columns = (axis.ravel() for axis in np.indices(counts.shape))
    return go.Scatter(
        x=columns, y=rows, mode="markers", marker={"symbol": "square", "size": side, "opacity": 0.01, "color": "#ffffff"},
        selected={"marker": {"opacity": 0.3}}, unselected={"marker": {"opacity": 0.01}},
        customdata=[[names[row], names[column]] for row, column in zip(rows, columns, strict=True)],
        text=[f"{counts[row, column]} samples, {shares[row, column]:.1%} of the row" for row, column in zip(rows, columns, strict=True)],
        hovertemplate="truth: %{customdata[0]}<br>predicted: %{customdata[1]}<br>%{text}<extra></extra>",
    )  # fmt: skip
