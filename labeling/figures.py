"""Figures of crop seasons, for the Explore page. Builds plotly figures from records; reads nothing."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from data.indices import Index
from data.profiles import Envelope

INK = "#2b332e"
GRID = "#e6eae3"
SINGLE_COLOURS = ("#d6006e", "#0067b1", "#7a3db8", "#00838a", "#b34700", "#3d3d3d")  # none is a crop's official colour


@dataclass(frozen=True)
class Single:
    """One sample's season. values: (T,) float32, NaN = not clear. chosen: drawn strongly, else as a thin line of its crop."""

    name: str
    text: str
    color: str
    values: np.ndarray
    chosen: bool


def season_figure(index: Index, dates: tuple[str, ...], envelopes: list[Envelope], singles: list[Single], *, height: int) -> go.Figure:
    """Median lines and 10-90 % bands in the crops' colours, with single samples over them.

    A click on a single sample's marker selects it: its `customdata` is [sample name].

    Args:
        dates: T slot names, ISO dates or months as YYYY-MM (drawn at the middle of the month).
    """
    days = [f"{date}-15" if len(date) == len("2019-06") else date for date in dates]
    figure = go.Figure()
    for envelope in envelopes:
        _add_band(figure, days, envelope)
    for single in singles:
        if not single.chosen:
            _add_single(figure, days, single, color=single.color, width=1)
    for envelope in envelopes:
        _add_median(figure, days, envelope)
    for at, single in enumerate(single for single in singles if single.chosen):
        _add_single(figure, days, single, color=SINGLE_COLOURS[at % len(SINGLE_COLOURS)], width=3)
    figure.update_layout(
        height=height, margin={"l": 10, "r": 10, "t": 8, "b": 8}, font={"size": 13}, plot_bgcolor="white", paper_bgcolor="white",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1, "x": 0, "traceorder": "normal", "itemsizing": "constant"},
        hoverlabel={"namelength": -1}, clickmode="event+select", dragmode="zoom",
        # With many thin lines a unified box would list them all, and a click would pick the first.
        hovermode="closest" if any(not single.chosen for single in singles) else "x unified",
    )  # fmt: skip
    figure.update_xaxes(
        title={"text": "date", "standoff": 4},
        gridcolor=GRID,
        tickformat="%-d %b\n%Y",
        hoverformat="%-d %B %Y",
        showline=True,
        linecolor="#aab3a6",
    )
    figure.update_yaxes(title=f"{index.name} (no unit)", gridcolor=GRID, zeroline=True, zerolinecolor="#aab3a6")
    return figure


def _add_band(figure: go.Figure, days: list[str], envelope: Envelope) -> None:
    seen = np.flatnonzero(envelope.n)
    figure.add_scatter(
        x=[*(days[slot] for slot in seen), *(days[slot] for slot in seen[::-1])],
        y=np.round([*envelope.p10[seen], *envelope.p90[seen[::-1]]], 4).tolist(),
        fill="toself", fillcolor=faded(envelope.crop.color, 0.33), line={"color": faded(INK, 0.35), "width": 0.6}, mode="lines",
        hoverinfo="skip", showlegend=False, legendgroup=envelope.crop.name,
    )  # fmt: skip


def _add_median(figure: go.Figure, days: list[str], envelope: Envelope) -> None:
    """The official colours include pale yellow: a dark casing under the line keeps it readable on white."""
    seen = np.flatnonzero(envelope.n)
    x, y = [days[slot] for slot in seen], np.round(envelope.median[seen], 4).tolist()
    name = f"{envelope.crop.name}, n = {envelope.samples:,}"
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": INK, "width": 5}, hoverinfo="skip", showlegend=False, legendgroup=envelope.crop.name
    )
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=name, legendgroup=envelope.crop.name, line={"color": envelope.crop.color, "width": 3},
        marker={"size": 8, "color": envelope.crop.color, "line": {"color": INK, "width": 1}},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        text=[f"{envelope.p10[slot]:.2f} … {envelope.p90[slot]:.2f}, n = {envelope.n[slot]:,}" for slot in seen],
        hovertemplate="<b>%{y:.2f}</b> (%{text})<extra>" + envelope.crop.name + "</extra>",
    )  # fmt: skip


def _add_single(figure: go.Figure, days: list[str], single: Single, *, color: str, width: int) -> None:
    seen = np.flatnonzero(np.isfinite(single.values))
    figure.add_scatter(
        x=[days[slot] for slot in seen], y=np.round(single.values[seen], 4).tolist(), mode="lines+markers", name=single.name,
        customdata=[[single.name]] * len(seen), showlegend=single.chosen, opacity=1 if single.chosen else 0.75,
        line={"color": color, "width": width}, marker={"size": 9 if single.chosen else 5, "color": color},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        hovertemplate="<b>%{y:.2f}</b> " + single.text + "<extra>" + single.name + "</extra>",
    )  # fmt: skip


def faded(color: str, alpha: float) -> str:
    """'#rrggbb' as the CSS colour with this opacity."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
