"""Figures of what maps say: of an area, of what changed between two, and of adjusted areas. Builds plotly figures; reads nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from data.figures import GRID, LAYOUT
from data.mapped.changes import Changes
from data.mapped.values import Profile

INK, EDGE, LINE = "#2b332e", "#5b655e", "#2f6f4f"
PATTERNS = ("", "/", ".")  # of the sources: several bars in one crop's colour
GAINED, LOST = "#2166ac", "#b2182b"  # ColorBrewer RdBu: apart with every kind of colour vision
MAPPED = "#c9cec9"
ROW, FRAME = 13, 34  # px of a bar, and of what is round the bars
CHANGED = [[0.0, "#ffffff"], [1.0, "#b2182b"]]
MOST_CELLS = 400  # of a matrix with numbers in its cells


@dataclass(frozen=True)
class ClassShares:
    """A class in several sources. shares: source -> 0..1; hovers: source -> what the hover box says of it."""

    name: str
    color: str
    shares: Mapping[str, float]
    hovers: Mapping[str, str]


def shares_figure(classes: Sequence[ClassShares], sources: Sequence[str]) -> go.Figure:
    """Bars of each class's share by source, in the class's colour: the first source plain, the second hatched, the third dotted."""
    names = [one.name for one in classes]
    figure = go.Figure()
    for source, pattern in zip(sources, PATTERNS, strict=False):
        values = [one.shares.get(source, 0.0) for one in classes]
        figure.add_bar(
            y=names, x=values, name=source, orientation="h", text=[f"{value:.0%}" if value else "" for value in values],
            textposition="outside", textfont={"size": 10}, cliponaxis=False, showlegend=False,
            marker={
                "color": [one.color for one in classes], "line": {"color": EDGE, "width": 0.6},
                "pattern": {"shape": pattern, "fgcolor": INK, "fgopacity": 0.55, "size": 5},
            },
            customdata=[one.hovers.get(source, "none") for one in classes],
            hovertemplate="%{y}<br>" + source + ": %{customdata}<extra></extra>",
        )  # fmt: skip
    most = max((share for one in classes for share in one.shares.values()), default=1.0)
    figure.update_layout(
        LAYOUT, height=FRAME + (ROW * len(sources) + 6) * len(classes), margin={"l": 0, "r": 4, "t": 4, "b": 4}, barmode="group",
        bargap=0.22, bargroupgap=0.05, dragmode=False, font={"size": 12},
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[0, 1.18 * most], fixedrange=True)
    # A group's first source stands on top.
    figure.update_yaxes(automargin=True, fixedrange=True, range=[len(classes) - 0.5, -0.5], ticks="", categoryorder="array",
                        categoryarray=names)  # fmt: skip
    return figure


def profile_figure(profile: Profile, *, of: str = "px", height: int = 170) -> go.Figure:
    """An index through the season: mean and median, with the band between the quartiles; dates without data are left out.

    Args:
        of: what the profile counts.
    """
    seen = np.flatnonzero(profile.pixels > 0)
    days = [profile.dates[at].isoformat() for at in seen]
    low, median, high, mean = (
        np.round(values[seen], 4).tolist() for values in (profile.low, profile.median, profile.high, profile.mean)
    )  # fmt: skip
    figure = go.Figure()
    figure.add_scatter(
        x=[*days, *days[::-1]], y=[*low, *high[::-1]], fill="toself", mode="lines", fillcolor="rgba(47,111,79,0.22)",
        line={"width": 0}, hoverinfo="skip", name="quartiles",
    )  # fmt: skip
    figure.add_scatter(
        x=days, y=mean, mode="lines+markers", name="mean", line={"color": LINE, "width": 2}, marker={"size": 6},
        customdata=[[*spread, int(n)] for *spread, n in zip(low, median, high, profile.pixels[seen], strict=True)],
        hovertemplate="%{x|%-d %b %Y}<br><b>%{y:.2f}</b>, median %{customdata[1]:.2f}<br>quartiles %{customdata[0]:.2f} … "
        "%{customdata[2]:.2f}<br>%{customdata[3]:,} " + of + "<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(x=days, y=median, mode="lines", name="median", line={"color": INK, "width": 1, "dash": "dot"}, hoverinfo="skip")
    figure.update_layout(LAYOUT, height=height, margin={"l": 4, "r": 6, "t": 22, "b": 4}, font={"size": 11}, dragmode=False)
    figure.update_xaxes(type="date", tickformat="%-d %b", gridcolor=GRID, fixedrange=True, nticks=5)
    figure.update_yaxes(title={"text": profile.index, "standoff": 2}, gridcolor=GRID, fixedrange=True, automargin=True)
    return figure


def changes_figure(changes: Changes) -> go.Figure:
    """Hectares class to class: rows the older map, columns the newer one; what stayed is white, what changed the redder the more."""
    moved = np.where(changes.same, np.nan, changes.hectares)
    rows, columns = [entry.name for entry in changes.rows], [entry.name for entry in changes.columns]
    shares = changes.hectares / np.maximum(changes.hectares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    figure = go.Figure(
        go.Heatmap(
            z=moved, x=columns, y=rows, colorscale=CHANGED, zmin=0, showscale=False, xgap=1, ygap=1, hoverongaps=True,
            text=_cells(changes) if changes.hectares.size <= MOST_CELLS else None,
            texttemplate="%{text}" if changes.hectares.size <= MOST_CELLS else None, textfont={"size": 11},
            customdata=np.stack([changes.hectares, shares], axis=-1),
            hovertemplate="%{y} → %{x}<br>%{customdata[0]:,.2f} ha, %{customdata[1]:.1%} of what was %{y}<extra></extra>",
        )
    )  # fmt: skip
    for row, column in zip(*np.nonzero(changes.same), strict=True):  # Heatmap writes nothing where there is no colour
        figure.add_annotation(
            x=columns[column], y=rows[row], text=f"<b>{hectares(changes.hectares[row, column])}</b>", showarrow=False,
            font={"size": 11, "color": "#68736c"},
        )  # fmt: skip
    figure.update_layout(LAYOUT, height=90 + 27 * len(rows), margin={"l": 4, "r": 4, "t": 8, "b": 4}, dragmode=False, font={"size": 12})
    figure.update_xaxes(title="Now", side="bottom", tickangle=-30, showgrid=False, fixedrange=True, automargin=True)
    figure.update_yaxes(title="Before", autorange="reversed", showgrid=False, fixedrange=True, automargin=True)
    return figure


def _cells(changes: Changes) -> list[list[str]]:
    """What stands in the coloured cells."""
    pairs = zip(changes.hectares, changes.same, strict=True)
    return [["" if stayed else hectares(value) for value, stayed in zip(*pair, strict=True)] for pair in pairs]


def hectares(value: float) -> str:
    """As a cell has it; nothing where there is none."""
    if not value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 0.1 else "<0.1"


def gains_figure(changes: Changes) -> go.Figure:
    """Hectares that each class gained (to the right) and lost (to the left); classes without either are left out."""
    gains, losses = changes.gains(), changes.losses()
    names = [name for name in dict.fromkeys([*losses, *gains]) if gains.get(name) or losses.get(name)]
    names.sort(key=lambda name: gains.get(name, 0) - losses.get(name, 0))
    figure = go.Figure()
    for title, values, sign, color in (("Lost", losses, -1, LOST), ("Gained", gains, 1, GAINED)):
        shown = [values.get(name, 0.0) for name in names]
        figure.add_bar(
            y=names, x=[sign * value for value in shown], name=title, orientation="h", marker={"color": color}, customdata=shown,
            hovertemplate="%{y}<br>" + title.lower() + " %{customdata:,.2f} ha<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        LAYOUT, height=90 + 27 * len(names), margin={"l": 4, "r": 4, "t": 8, "b": 4}, barmode="relative", dragmode=False, bargap=0.3
    )
    figure.update_xaxes(title="hectares", gridcolor=GRID, zerolinecolor=EDGE, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    return figure


@dataclass(frozen=True)
class AreaBar:
    """A class's hectares as mapped and as adjusted for the map's errors, low and high of its interval; NaN where nothing is known."""

    name: str
    color: str
    mapped: float
    adjusted: float
    low: float
    high: float


def areas_figure(bars: Sequence[AreaBar]) -> go.Figure:
    """Hectares by class: as mapped (grey), and adjusted (the class's colour) with whiskers for the 95 % interval; no legend says so."""
    names = [bar.name for bar in bars]
    figure = go.Figure()
    figure.add_bar(
        x=names, y=[bar.mapped for bar in bars], name="As mapped", marker={"color": MAPPED, "line": {"color": EDGE, "width": 0.6}},
        hovertemplate="%{x}<br>as mapped %{y:,.1f} ha<extra></extra>",
    )  # fmt: skip
    adjusted = [None if np.isnan(bar.adjusted) else bar.adjusted for bar in bars]
    figure.add_bar(
        x=names, y=adjusted, name="Adjusted, with 95 % interval",
        marker={"color": [bar.color for bar in bars], "line": {"color": EDGE, "width": 0.6}},
        error_y={
            "type": "data", "symmetric": False, "color": INK, "thickness": 1.4, "width": 4,
            "array": [_whisker(bar.high - bar.adjusted) for bar in bars], "arrayminus": [_whisker(bar.adjusted - bar.low) for bar in bars],
        },
        customdata=[[bar.low, bar.high] for bar in bars],
        hovertemplate="%{x}<br>adjusted %{y:,.1f} ha (%{customdata[0]:,.1f} … %{customdata[1]:,.1f})<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        LAYOUT, height=370, margin={"l": 4, "r": 4, "t": 8, "b": 4}, barmode="group", bargap=0.25, dragmode=False, showlegend=False
    )
    figure.update_xaxes(tickangle=-30, automargin=True, fixedrange=True)
    figure.update_yaxes(title="hectares", gridcolor=GRID, rangemode="tozero", fixedrange=True, automargin=True)
    return figure


def _whisker(length: float) -> float:
    return 0.0 if np.isnan(length) else max(0.0, length)
