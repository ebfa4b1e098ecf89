"""Figures of trust: points with 95 % intervals, one row a class, curator, region or reason. Builds plotly figures; reads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from labeling.trust.agreement import ClassAgreement
from labeling.trust.audit import Rate
from labeling.trust.controls import Record
from labeling.trust.reasons import Precision, title

INK, LINE = "#2b332e", "#8a938c"
FIRST, SECOND = "#1f77b4", "#d95f02"  # distinguishable with every kind of colour vision (ColorBrewer)
MOST_ROWS = 24  # a figure keeps to one screen; the table has the rest


@dataclass(frozen=True)
class Point:
    """A row's figure. low, high: None where there is no interval. text: what the hover box says under the name."""

    name: str
    value: float
    low: float | None
    high: float | None
    text: str


def class_agreement(classes: Sequence[ClassAgreement], names: dict[str, str], *, least: float) -> go.Figure:
    """Cohen's kappa and Krippendorff's alpha of every class against the rest; dashed, the kappa below which all go to a second curator."""
    rows = sorted((one for one in classes if one.kappa.value is not None), key=lambda one: one.kappa.value)
    figure = go.Figure()
    for name, color, shift, key in (("Cohen's kappa", FIRST, -0.14, "kappa"), ("Krippendorff's alpha", SECOND, 0.14, "alpha")):
        found = [(one, getattr(one, key)) for one in rows]
        labels = [f"{names.get(one.name, one.name)} ({one.units:,})" for one in rows]
        points = [
            Point(label, of.value, of.low, of.high, str(of)) for label, (_, of) in zip(labels, found, strict=True) if of.value is not None
        ]
        _add(figure, points, labels, color=color, name=name, shift=shift)
    figure.add_vline(x=least, line={"color": LINE, "dash": "dash", "width": 1})
    lowest = min([0.0, *(one.kappa.low for one in rows if one.kappa.low is not None)])
    return _laid_out(figure, f"Agreement beyond chance (dashed: {least:g}, below it all go to a second curator)", [lowest - 0.03, 1.03])


def error_rates(rates: Sequence[Rate], overall: Rate) -> go.Figure:
    """The share of wrong labels of every group that was looked at, in its colour; dashed, that of all."""
    seen = [rate for rate in rates if rate.wrong.of]
    figure = go.Figure()
    labels = [f"{rate.name} ({rate.wrong.of:,} of {rate.population:,})" for rate in seen]
    points = [Point(label, rate.wrong.value, *rate.wrong.interval, str(rate.wrong)) for label, rate in zip(labels, seen, strict=True)]
    _add(figure, points, labels, color=[rate.color or FIRST for rate in seen])
    if overall.wrong.of:
        figure.add_vline(x=overall.wrong.value, line={"color": LINE, "dash": "dash", "width": 1})
    return _laid_out(figure, "Wrong labels (dashed: all groups together)", _to_end(points), percent=True)


def precisions(found: Sequence[Precision]) -> go.Figure:
    """How often the label was in fact wrong, by the reason for which the sample was served."""
    seen = [one for one in found if one.wrong.of]
    labels = [f"{title(one.kind)}{f', {one.run}' if one.run else ''} ({one.wrong.of:,})" for one in seen]
    figure = go.Figure()
    points = [Point(label, one.wrong.value, *one.wrong.interval, str(one.wrong)) for label, one in zip(labels, seen, strict=True)]
    _add(figure, points, labels, color=FIRST)
    return _laid_out(figure, "Labels that were in fact wrong", _to_end(points), percent=True)


def false_accepts(records: Sequence[Record]) -> go.Figure:
    """How often each curator agreed with a label that was wrong on purpose."""
    seen = [record for record in records if record.false_accepts.of]
    labels = [f"{record.curator} ({record.false_accepts.of:,})" for record in seen]
    shares = [record.false_accepts for record in seen]
    points = [Point(label, share.value, *share.interval, str(share)) for label, share in zip(labels, shares, strict=True)]
    figure = go.Figure()
    _add(figure, points, labels, color=FIRST)
    return _laid_out(figure, "Agreed with a label that was wrong on purpose", [-0.02, 1.02], percent=True)


def _add(
    figure: go.Figure, points: Sequence[Point], labels: Sequence[str], *, color: str | list[str], name: str = "", shift: float = 0.0
) -> None:
    """Points in the order of `labels`, from above; no more than fit a screen."""
    places = {label: at for at, label in enumerate(labels[:MOST_ROWS])}
    shown = [point for point in points if point.name in places]
    figure.add_scatter(
        x=[point.value for point in shown], y=[places[point.name] + shift for point in shown], mode="markers", name=name,
        showlegend=bool(name), cliponaxis=False,
        marker={"size": 10, "color": color if isinstance(color, str) else color[: len(shown)], "line": {"width": 1, "color": INK}},
        error_x={
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 4, "color": color if isinstance(color, str) else INK,
            "array": [(point.high - point.value) if point.high is not None else 0 for point in shown],
            "arrayminus": [(point.value - point.low) if point.low is not None else 0 for point in shown],
        },
        customdata=[[point.name, point.text] for point in shown], hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(places.values()), ticktext=list(places), range=[len(places) - 0.5, -0.5], showgrid=False, zeroline=False,
        automargin=True,
    )  # fmt: skip


def _to_end(points: Sequence[Point]) -> list[float]:
    """From 0 to the end of the longest whisker, at least 20 %."""
    return [-0.02, min(1.02, 1.05 * max([0.2, *(point.high for point in points if point.high is not None)]))]


def _laid_out(figure: go.Figure, text: str, reach: list[float], *, percent: bool = False) -> go.Figure:
    rows = len(figure.layout.yaxis.tickvals or ())
    figure.update_layout(
        height=110 + 30 * max(2, rows), margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
        xaxis={"title": text, "range": reach, "tickformat": ".0%" if percent else ".1f"},
    )  # fmt: skip
    return figure
