"""Figures of what a workspace holds, for the Overview page. Builds plotly figures from records; reads nothing."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from data.info import Progress

QUALITY_COLOURS = {"ok": "#2f6f4f", "cloud": "#a9b8c6", "bad": "#c0563f"}
QUALITY_TITLES = {"ok": "Clear", "cloud": "Cloudy", "bad": "Missing or bad pixels"}
STATE_COLOURS = {
    "agreed": "#2f6f4f", "relabelled": "#d98e04", "rejected": "#b5452f", "unsure": "#7c6bb0", "unverified": "#dfe4dc",
}  # fmt: skip
LAYOUT = {
    "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
    "font": {"size": 13},
    "plot_bgcolor": "white",
    "paper_bgcolor": "white",
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "title": None, "traceorder": "normal"},
    "hoverlabel": {"namelength": -1},
}
GRID = "#e6eae3"


def crops_figure(records: list[dict], *, at_most: int = 14) -> go.Figure:
    """Samples by inventory label (bars, official colours) and region (the parts of a bar).

    Args:
        records: from `data.info.crops_by_region`.
        at_most: bars shown; the rarer crops are summed up in one.
    """
    totals: dict[str, int] = {}
    for record in records:
        totals[record["crop"]] = totals.get(record["crop"], 0) + record["samples"]
    crops = sorted(totals, key=totals.get, reverse=True)
    shown = crops[:at_most] if len(crops) > at_most + 1 else crops
    rest = f"{len(crops) - len(shown)} other crops"
    figure = go.Figure()
    for record in records:
        crop = record["crop"]
        figure.add_bar(
            y=[crop if crop in shown else rest], x=[record["samples"]], orientation="h", showlegend=False,
            marker={"color": record["color"], "line": {"color": "#5b655e", "width": 0.6}} if crop in shown else {"color": "#c9cfc6"},
            hovertemplate=f"{crop} ({record['code']})<br>{record['region']}: %{{x}} samples<extra></extra>",
        )  # fmt: skip
    order = [*shown, *([rest] if len(shown) < len(crops) else [])]
    figure.update_layout(**LAYOUT, barmode="stack", height=max(180, 40 + 23 * len(order)))
    figure.update_yaxes(categoryorder="array", categoryarray=order[::-1], automargin=True, ticksuffix="  ")
    figure.update_xaxes(title="samples", gridcolor=GRID)
    return figure


def months_figure(records: list[dict]) -> go.Figure:
    """Images by month and quality in force, from `data.info.images_by_month`."""
    figure = go.Figure()
    for quality, title in QUALITY_TITLES.items():
        of_quality = [record for record in records if record["quality"] == quality]
        figure.add_bar(
            x=[record["month"] for record in of_quality], y=[record["images"] for record in of_quality], name=title,
            marker_color=QUALITY_COLOURS[quality], hovertemplate="%{x}: %{y} images<extra>" + title + "</extra>",
        )  # fmt: skip
    figure.update_layout(**LAYOUT, barmode="stack", height=280)
    figure.update_xaxes(type="category", categoryorder="category ascending", title="month")
    figure.update_yaxes(title="images", gridcolor=GRID)
    return figure


def progress_figure(progress: Progress) -> go.Figure:
    """One bar from nothing to everything verified."""
    counts = {state: getattr(progress, state) for state in ("agreed", "relabelled", "rejected", "unsure")}
    counts["unverified"] = progress.samples - progress.decided
    figure = go.Figure()
    for state, count in counts.items():
        figure.add_bar(
            y=[""], x=[count], orientation="h", name=f"{state} {count}", marker_color=STATE_COLOURS[state],
            hovertemplate=f"{state}: {count} samples<extra></extra>",
        )  # fmt: skip
    figure.update_layout(**LAYOUT, barmode="stack", height=92, bargap=0.2)
    figure.update_xaxes(visible=False, range=[0, max(1, progress.samples)])
    figure.update_yaxes(visible=False)
    return figure


def places_figure(lons: Sequence[float], lats: Sequence[float], names: Sequence[str]) -> go.Figure:
    """Where sites are, in EPSG:4326, degrees; as wide and as high as they lie on the ground. Needs no map from the internet."""
    kind = go.Scattergl if len(lons) > 2_000 else go.Scatter
    marker = {"size": 6, "color": "#2f6f4f", "opacity": 0.6}
    hover = "%{text}<br>%{y:.4f} N, %{x:.4f} E<extra></extra>"
    figure = go.Figure(kind(x=list(lons), y=list(lats), text=list(names), mode="markers", marker=marker, hovertemplate=hover))
    middle = math.radians((min(lats) + max(lats)) / 2)
    figure.update_layout(**LAYOUT, height=210)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, ticksuffix="°", scaleanchor="x", scaleratio=1 / max(0.1, math.cos(middle)))
    figure.update_xaxes(gridcolor=GRID, zeroline=False, ticksuffix="°")
    return figure


def availability_figure(months: list[dict]) -> go.Figure:
    """Scenes by month of a planned ingest: records of month (YYYY-MM), scenes, samples (that have any in that month)."""
    figure = go.Figure()
    figure.add_bar(
        x=[record["month"] for record in months], y=[record["scenes"] for record in months],
        customdata=[record["samples"] for record in months], marker_color="#2f6f4f",
        hovertemplate="%{x}: %{y} scenes over %{customdata} samples<extra></extra>",
    )  # fmt: skip
    figure.update_layout(**LAYOUT, height=170, bargap=0.3)
    figure.update_xaxes(type="category", categoryorder="category ascending")
    figure.update_yaxes(title="scenes", gridcolor=GRID)
    return figure
