"""Charts of runs, as plotly figures. The only place in modeling/ that knows plotly."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from modeling.results import Results
from modeling.rundir import Epoch

RIGHT, WRONG = "#2e7d32", "#c62828"  # the matrix's diagonal, and its errors
LOSS, VALIDATION = "#1f77b4", "#d95f02"  # distinguishable with every kind of colour vision (ColorBrewer)


def confusion_figure(results: Results) -> go.Figure:
    """The confusion matrix: rows = truth, columns = predicted, with counts and the share of the row.

    A click or selection gives one point with customdata [truth, predicted], both class names.
    """
    counts, names = results.confusion, results.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names)
    # Two colours in one picture: the diagonal positive, errors negative, each as dark as its share of the row.
    signed = np.where(np.eye(size, dtype=bool), shares, -shares)
    scale = [[0.0, WRONG], [0.5, "#ffffff"], [1.0, RIGHT]]
    figure = go.Figure(go.Heatmap(z=signed, zmin=-1, zmax=1, colorscale=scale, showscale=False, hoverinfo="skip", xgap=1, ygap=1))
    figure.add_trace(_cells(counts, shares, names))
    for row, column in zip(*np.nonzero(counts), strict=True):
        dark = shares[row, column] > 0.7
        text = f"<b>{counts[row, column]}</b><br>{shares[row, column]:.0%}"
        figure.add_annotation(x=column, y=row, text=text, showarrow=False, font={"size": 13, "color": "#ffffff" if dark else "#222222"})
    totals = counts.sum(axis=1)
    figure.update_xaxes(
        title="Predicted",
        showgrid=False,
        tickangle=-30,
        tickvals=list(range(size)),
        ticktext=list(names),
        side="bottom",
        constrain="domain",
    )
    figure.update_yaxes(
        title="Truth (label in use)", showgrid=False, tickvals=list(range(size)),
        ticktext=[f"{name} ({totals[row]})" for row, name in enumerate(names)],
        range=[size - 0.5, -0.5],
    )  # fmt: skip
    figure.update_layout(
        height=max(360, 120 + 44 * size), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
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
    """F1 of every class in its official colour, with precision and recall as marks; or beside that of `other`, hatched."""
    rows = results.scores.per_class
    names = [f"{row.name} ({row.support})" for row in rows]
    figure = go.Figure()
    figure.add_bar(
        x=names, y=[row.f1 for row in rows], name=f"F1, {results.run}", marker={"color": list(results.colors), "line": {"width": 1}},
        text=[f"{row.f1:.2f}" for row in rows], textposition="outside", cliponaxis=False,
    )  # fmt: skip
    if other:
        found = {row.name: row.f1 for row in other.scores.per_class}
        values = [found.get(row.name) for row in rows]
        figure.add_bar(
            x=names, y=values, name=f"F1, {other.run}", text=["" if value is None else f"{value:.2f}" for value in values],
            marker={"color": list(results.colors), "pattern": {"shape": "/"}, "line": {"width": 1}}, textposition="outside",
        )  # fmt: skip
    else:
        marks = (("precision", [row.precision for row in rows], "triangle-up"), ("recall", [row.recall for row in rows], "diamond"))
        for title, values, symbol in marks:
            figure.add_scatter(x=names, y=values, name=title, mode="markers", marker={"symbol": symbol, "size": 9, "color": "#333333"})
    figure.update_layout(
        height=360, margin={"l": 10, "r": 10, "t": 40, "b": 10}, legend={"orientation": "h", "y": 1.18}, barmode="group",
        xaxis={"title": "Class (samples judged)"}, yaxis={"title": "F1, precision, recall", "range": [0, 1.1]},
    )  # fmt: skip
    return figure


def _cells(counts: np.ndarray, shares: np.ndarray, names: Sequence[str]) -> go.Scatter:
    """Squares over the cells, all but transparent: a click on a heatmap gives no selection, one on a marker does."""
    rows, columns = (axis.ravel() for axis in np.indices(counts.shape))
    return go.Scatter(
        x=columns, y=rows, mode="markers", marker={"symbol": "square", "size": 34, "opacity": 0.01, "color": "#ffffff"},
        selected={"marker": {"opacity": 0.3}}, unselected={"marker": {"opacity": 0.01}},
        customdata=[[names[row], names[column]] for row, column in zip(rows, columns, strict=True)],
        text=[f"{counts[row, column]} samples, {shares[row, column]:.1%} of the row" for row, column in zip(rows, columns, strict=True)],
        hovertemplate="truth: %{customdata[0]}<br>predicted: %{customdata[1]}<br>%{text}<extra></extra>",
    )  # fmt: skip
