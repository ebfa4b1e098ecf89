"""Figures of crop seasons, and of what became of a cell of a matrix. Builds plotly figures from records; reads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import plotly.graph_objects as go

from data import seasons
from data.indices import Index
from data.profiles import Curve, Envelope
from labeling.worked import Outcome

INK = "#2b332e"
GRID = "#e6eae3"
# Some official colours differ by a shade (barley and oat), so every median has its own marker too.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "hexagon", "x", "pentagon")
PICKED_COLOURS = ("#d6006e", "#0067b1", "#7a3db8", "#00838a", "#b34700", "#3d3d3d")  # none is a crop's official colour
HOVERS = {len("2019-06-15"): "%-d %B %Y", len("2019-06"): "%B %Y", len("06-15"): "around %-d %B", len("06"): "%B"}  # by form of bin
# Of the label's errors and the model's; purple and orange stay apart with every kind of colour vision (ColorBrewer PuOr).
KEPT, TO_PREDICTED, TO_OTHER, REJECTED, UNSURE, OPEN = "#e08214", "#542788", "#998ec3", "#d8daeb", "#c9cec9", "#f3f5f2"
HATCHES = ("", "/", "x", ".")  # of curators beyond the colours
FEWEST_DAYS = 9  # on the axis, so that a single day is no wall of colour
BAR_MS = 0.85 * 86_400_000  # a day's bar; left to itself, plotly draws the bar of a single day as a hair
MARKERS_STAY = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}  # a click fades no curve


@dataclass(frozen=True)
class Thin:
    """A sample's season as a thin line: its curve, its crop's colour and what the hover box says."""

    curve: Curve
    color: str
    text: str


def season_figure(
    index: Index, bins: tuple[str, ...], envelopes: list[Envelope], *, thin: list[Thin], picked: list[Curve], height: int
) -> go.Figure:
    """Median lines and 10-90 % bands in the crops' colours, with single samples over them.

    A click on a single sample's marker selects it: its `customdata` is [sample number]. Cloudy dates of the picked samples
    are hollow and off the line; of the thin ones they are left out. Interpolated dates are narrow diamonds. The axis shows the
    index's own range, widened where a drawn value lies outside.

    Args:
        bins: names of the K bins, as in `data.seasons.bins`; those without a year stand on an axis of months alone.
    """
    days = np.array([day.isoformat() for day in seasons.axis(bins)])
    dated = seasons.has_year(bins[0])
    figure = go.Figure()
    for envelope in envelopes:
        _add_band(figure, days, envelope)
    for line in thin:
        _add_line(figure, days, line.curve, color=line.color, text=line.text, strong=False)
    for at, envelope in enumerate(envelopes):
        _add_median(figure, days, envelope, SYMBOLS[at % len(SYMBOLS)])
    for at, curve in enumerate(picked):
        color = PICKED_COLOURS[at % len(PICKED_COLOURS)]
        _add_line(figure, days, curve, color=color, text="clear", strong=True)
        _add_cloudy(figure, days, curve, color=color)
    figure.update_layout(
        height=height, margin={"l": 10, "r": 10, "t": 8, "b": 8}, font={"size": 13}, plot_bgcolor="white", paper_bgcolor="white",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1, "x": 0, "traceorder": "normal", "itemsizing": "constant"},
        hoverlabel={"namelength": -1}, clickmode="event+select", dragmode="zoom",
        # With many thin lines a unified box would list them all, and a click would pick the first.
        hovermode="closest" if thin else "x unified",
    )  # fmt: skip
    figure.update_xaxes(
        title={"text": "date" if dated else "time of year", "standoff": 4}, gridcolor=GRID, hoverformat=HOVERS[len(bins[0])],
        tickformat="%-d %b\n%Y" if dated else "%b", dtick=None if dated else "M1", showline=True, linecolor="#aab3a6",
    )  # fmt: skip
    figure.update_yaxes(
        title=f"{index.name} (no unit)", range=_range(index, figure), gridcolor=GRID, zeroline=True, zerolinecolor="#aab3a6"
    )
    return figure


def _range(index: Index, figure: go.Figure) -> tuple[float, float]:
    """The same axis for every choice of crops, so that two looks compare; nothing drawn is cut off."""
    drawn = [value for trace in figure.data for value in trace.y if value is not None]
    return min([index.low, *(value - 0.02 for value in drawn)]), max([index.high, *(value + 0.02 for value in drawn)])


def _add_band(figure: go.Figure, days: np.ndarray, envelope: Envelope) -> None:
    x = days[envelope.bins]
    figure.add_scatter(
        x=[*x, *x[::-1]], y=np.round([*envelope.p10, *envelope.p90[::-1]], 4).tolist(), fill="toself", mode="lines",
        fillcolor=faded(envelope.crop.color, 0.33), line={"color": faded(INK, 0.35), "width": 0.6},
        hoverinfo="skip", showlegend=False, legendgroup=envelope.crop.name,
    )  # fmt: skip


def _add_median(figure: go.Figure, days: np.ndarray, envelope: Envelope, symbol: str) -> None:
    """The official colours include pale yellow: a dark casing under the line keeps it readable on white."""
    crop, x, y = envelope.crop, list(days[envelope.bins]), np.round(envelope.median, 4).tolist()
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": INK, "width": 5}, hoverinfo="skip", showlegend=False, legendgroup=crop.name)
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=f"{crop.name}, n = {envelope.samples:,}", legendgroup=crop.name,
        line={"color": crop.color, "width": 3},
        marker={"size": 9, "color": crop.color, "symbol": symbol, "line": {"color": INK, "width": 1}},
        text=[
            f"{low:.2f} … {high:.2f}, n = {n:,}" + (f", {filled:,} interpolated" if filled else "")
            for low, high, n, filled in zip(envelope.p10, envelope.p90, envelope.n, envelope.filled, strict=True)
        ],
        hovertemplate="<b>%{y:.2f}</b> (%{text})<extra>" + crop.name + "</extra>", **MARKERS_STAY,
    )  # fmt: skip


def _add_line(figure: go.Figure, days: np.ndarray, curve: Curve, *, color: str, text: str, strong: bool) -> None:
    seen = np.flatnonzero(curve.clear)
    figure.add_scatter(
        x=list(days[curve.bins[seen]]), y=np.round(curve.values[seen], 4).tolist(), mode="lines+markers", name=curve.name,
        customdata=[[curve.sample]] * len(seen), showlegend=strong, legendgroup=curve.name, opacity=1 if strong else 0.75,
        line={"color": color, "width": 3 if strong else 1}, marker={
            "size": 9 if strong else 5, "color": color,
            "symbol": ["diamond-tall" if filled else "circle" for filled in curve.interpolated[seen]],
        },
        text=[" interpolated" if filled else "" for filled in curve.interpolated[seen]],
        hovertemplate="<b>%{y:.2f}</b> " + text + "%{text}<extra>" + curve.name + "</extra>", **MARKERS_STAY,
    )  # fmt: skip


def _add_cloudy(figure: go.Figure, days: np.ndarray, curve: Curve, *, color: str) -> None:
    hidden = np.flatnonzero(~curve.clear)
    figure.add_scatter(
        x=list(days[curve.bins[hidden]]), y=np.round(curve.values[hidden], 4).tolist(), mode="markers", name=curve.name,
        customdata=[[curve.sample]] * len(hidden), showlegend=False, legendgroup=curve.name,
        marker={"size": 9, "color": "white", "line": {"color": color, "width": 2}},
        hovertemplate="<b>%{y:.2f}</b> cloudy or bad<extra>" + curve.name + "</extra>", **MARKERS_STAY,
    )  # fmt: skip


def pixel_figure(index: Index, days: Sequence[date], values: np.ndarray, *, shown: date | None, height: int) -> go.Figure:
    """A pixel's season as one line with its dates; missing dates are left out, and the line is broken there.

    Args:
        values: (T,) of the index, NaN = no data.
        shown: the date that the map shows, marked by a thin line.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[day.isoformat() for day in days], y=[None if np.isnan(value) else round(float(value), 4) for value in values],
        mode="lines+markers", line={"color": "#2f6f4f", "width": 2}, marker={"size": 6}, connectgaps=False,
        hovertemplate="%{x|%-d %b %Y}<br><b>%{y:.3f}</b><extra></extra>",
    )  # fmt: skip
    if shown is not None:
        figure.add_vline(x=shown.isoformat(), line={"color": "#d6006e", "width": 1})
    figure.update_layout(
        height=height, margin={"l": 4, "r": 4, "t": 4, "b": 4}, font={"size": 10}, plot_bgcolor="white", showlegend=False, dragmode=False
    )
    figure.update_xaxes(gridcolor=GRID, tickformat="%-d %b\n%Y", nticks=5, fixedrange=True, showline=True, linecolor="#aab3a6")
    figure.update_yaxes(
        title={"text": f"{index.name} (no unit)", "standoff": 2}, range=_range(index, figure), gridcolor=GRID, fixedrange=True
    )
    return figure


def faded(color: str, alpha: float) -> str:
    """'#rrggbb' as the CSS colour with this opacity."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def outcome_figure(outcome: Outcome) -> go.Figure:
    """A cell's samples as one stacked bar, by what curators found; a part without samples is left out. The numbers stand in the bar."""
    parts = (
        ("Kept", outcome.kept, KEPT), ("Relabelled as the model reads it", outcome.to_predicted, TO_PREDICTED),
        ("Relabelled to another", outcome.to_other, TO_OTHER), ("Rejected", outcome.rejected, REJECTED),
        ("Unsure", outcome.unsure, UNSURE), ("Open", outcome.open, OPEN),
    )  # fmt: skip
    figure = go.Figure()
    for name, count, color in parts:
        if count:
            figure.add_bar(
                y=[""], x=[count], name=name, orientation="h", text=[f"{count:,}"], textposition="inside", insidetextanchor="middle",
                textangle=0, marker={"color": color, "line": {"color": "#8a938c", "width": 0.5}},
                textfont={"size": 14, "color": "#ffffff" if color == TO_PREDICTED else INK},
                hovertemplate=f"{name}: %{{x}} of {outcome.samples:,}<extra></extra>",
            )  # fmt: skip
    figure.update_layout(
        barmode="stack", height=112, margin={"l": 0, "r": 0, "t": 0, "b": 0}, plot_bgcolor="white", dragmode=False,
        legend={"orientation": "h", "y": -0.1, "x": 0, "traceorder": "normal"}, showlegend=True, uniformtext={"minsize": 9, "mode": "hide"},
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[0, max(1, outcome.samples)], fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True)
    return figure


def days_figure(records: list[dict]) -> go.Figure:
    """Decisions by day (bars) and curator (the parts of a bar), from `labeling.history.per_day`."""
    figure = go.Figure()
    for at, curator in enumerate(sorted({record["curator"] for record in records}, key=str.casefold)):
        own = [record for record in records if record["curator"] == curator]
        name = curator.replace("<", "&lt;")  # plotly takes a few tags of HTML for its own
        hatch = HATCHES[at // len(PICKED_COLOURS) % len(HATCHES)]
        figure.add_bar(
            x=[record["day"] for record in own], y=[record["decisions"] for record in own], name=name, width=BAR_MS,
            marker={"color": PICKED_COLOURS[at % len(PICKED_COLOURS)], "pattern": {"shape": hatch}},
            hovertemplate=f"%{{x|%-d %B %Y}}<br>{name}: <b>%{{y}}</b> decisions<extra></extra>",
        )  # fmt: skip
    first, last = (date.fromisoformat(edge({record["day"] for record in records})) for edge in (min, max))
    beside = timedelta(days=max(1, (FEWEST_DAYS - (last - first).days) // 2))
    figure.update_layout(
        barmode="stack", height=260, margin={"l": 10, "r": 10, "t": 8, "b": 8}, font={"size": 13}, plot_bgcolor="white",
        paper_bgcolor="white", legend={"orientation": "h", "yanchor": "bottom", "y": 1, "x": 0}, showlegend=True, bargap=0.15,
    )  # fmt: skip
    figure.update_xaxes(
        type="date", range=[str(first - beside), str(last + beside)], tickformat="%-d %b\n%Y", gridcolor=GRID,
        dtick=86_400_000 if (last - first).days < 15 else None,
    )  # fmt: skip
    figure.update_yaxes(title="decisions", gridcolor=GRID, rangemode="tozero")
    return figure
