"""The season of an index on paper: medians and 10-90 % bands by crop, single samples over them, on an axis of dates."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from data import seasons
from data.indices import Index
from data.prints import paper
from data.profiles import Curve, Envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 6.0  # mm
LEFT, BELOW = 12.0, 11.0  # mm, for the axes' numbers and titles
HEIGHT = 88.0  # mm, of the axes
MARKERS = ("o", "s", "D", "^", "P", "*", "v", "h", "X", "p")  # of the medians, as on the Explore page: some official colours are near
FEW_BINS = 14  # that are named one by one where they fit
LABEL_MM = 13.0  # between two dates, at least


def profile_print(
    index: Index, bins: Sequence[str], envelopes: Sequence[Envelope], *, thin: Sequence[tuple[Curve, str]] = (),
    picked: Sequence[tuple[Curve, str]] = (), title: str = "", facts: str = "", form: str = "png", dpi: int = paper.DPI,
) -> bytes:  # fmt: skip
    """What the Explore page draws; its numbers are those of `data.profiles.as_csv`.

    Args:
        bins: names of the K bins, as in `data.seasons.bins`.
        thin, picked: single samples and their colours, #rrggbb. Cloudy dates of the picked ones are hollow and off the line; of the thin
            ones they are left out.
        form: "png" or "svg".
    """
    return paper.written(lambda: _draw(index, bins, envelopes, thin, picked, title, facts), form, dpi=dpi)


def _draw(index, bins, envelopes, thin, picked, title: str, facts: str) -> "Figure":
    inner = paper.WIDTH - 2 * MARGIN
    headings = paper.wrapped(title, paper.LARGE, inner, bold=True) if title else []
    below = paper.wrapped(facts, paper.TYPE, inner) if facts else []
    top = MARGIN + len(headings) * paper.line_height(paper.LARGE) + len(below) * paper.line_height(paper.TYPE) + 2.0
    entries = len(envelopes) + len(picked)
    names = [f"{one.crop.name}, n = {one.samples:,}" for one in envelopes] + [curve.name for curve, _ in picked]
    columns = max(1, min(entries, int(inner / (max((paper.width_of(name, paper.TYPE) for name in names), default=1.0) + 17))))
    rows = -(-entries // columns)
    figure = paper.sheet(top + HEIGHT + BELOW + rows * 4.4 + MARGIN)
    tall = figure.get_size_inches()[1] / paper.MM
    sheet = paper.plain(figure, 0, 0, paper.WIDTH, tall)
    end = paper.text(sheet, MARGIN, MARGIN, headings, paper.LARGE, weight="bold")
    paper.text(sheet, MARGIN, end, below, color=paper.QUIET)
    axes = paper.axes(figure, MARGIN + LEFT, top, inner - LEFT, HEIGHT)
    days = seasons.axis(bins)
    handles = _drawn(axes, _numbers(days), envelopes, thin, picked)
    _scaled(axes, index, days, bins, inner - LEFT)
    figure.legend(
        handles, names, loc="lower left", bbox_to_anchor=(MARGIN / paper.WIDTH, (MARGIN - 1) / tall), ncols=columns, frameon=False,
        fontsize=paper.TYPE, borderaxespad=0, handlelength=2.6, columnspacing=1.6, labelspacing=0.5,
    )  # fmt: skip
    return figure


def _drawn(axes: "Axes", x: np.ndarray, envelopes, thin, picked) -> list:
    """Bands first, then medians, then samples; one handle for the legend a crop and a picked sample."""
    for one in envelopes:
        band = axes.fill_between(x[one.bins], one.p10, one.p90, facecolor=one.crop.color, alpha=0.33, linewidth=0)
        band.set_zorder(1)
        for edge in (one.p10, one.p90):
            axes.plot(x[one.bins], edge, color=paper.INK, alpha=0.35, linewidth=0.4, zorder=1.5)
    for curve, color in thin:
        seen = np.flatnonzero(curve.clear)
        axes.plot(x[curve.bins[seen]], curve.values[seen], color=color, linewidth=0.6, marker="o", markersize=1.6, alpha=0.75, zorder=2)
    handles = []
    for one, marker in zip(envelopes, (MARKERS[at % len(MARKERS)] for at in range(len(envelopes))), strict=True):
        axes.plot(x[one.bins], one.median, color=paper.INK, linewidth=2.6, zorder=3)  # the official colours include pale yellow
        handles += axes.plot(
            x[one.bins], one.median, color=one.crop.color, linewidth=1.7, marker=marker, markersize=5, markeredgecolor=paper.INK,
            markeredgewidth=0.6, zorder=4,
        )  # fmt: skip
    return handles + [_sample(axes, x, curve, color) for curve, color in picked]


def _sample(axes: "Axes", x: np.ndarray, curve: Curve, color: str):
    seen, hidden = np.flatnonzero(curve.clear), np.flatnonzero(~curve.clear)
    (line,) = axes.plot(x[curve.bins[seen]], curve.values[seen], color=color, linewidth=1.5, marker="o", markersize=4, zorder=5)
    axes.plot(
        x[curve.bins[hidden]], curve.values[hidden], linestyle="none", marker="o", markersize=4, markerfacecolor="white",
        markeredgecolor=color, markeredgewidth=1.1, zorder=5,
    )  # fmt: skip
    return line


def _scaled(axes: "Axes", index: Index, days: Sequence[date], bins: Sequence[str], width: float) -> None:
    """The index's own range, wider where a drawn value lies outside; named dates below."""
    drawn = [value for line in axes.get_lines() for value in np.asarray(line.get_ydata()) if np.isfinite(value)]
    axes.set_ylim(min([index.low, *(value - 0.02 for value in drawn)]), max([index.high, *(value + 0.02 for value in drawn)]))
    x = _numbers(days)
    edge = max(2.0, 0.02 * (x[-1] - x[0]))
    axes.set_xlim(x[0] - edge, x[-1] + edge)
    places, labels = _dates(days, bins, width)
    axes.set_xticks(places, labels)
    axes.set_xlabel("date" if seasons.has_year(bins[0]) else "time of year", fontsize=paper.TYPE)
    axes.set_ylabel(f"{index.name} (no unit)", fontsize=paper.TYPE)
    axes.grid(color=paper.GRID, linewidth=0.6)
    axes.axhline(0, color="#aab3a6", linewidth=0.6, zorder=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=paper.SMALL, length=2.2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _numbers(days: Sequence[date]) -> np.ndarray:
    return np.array([day.toordinal() for day in days], dtype=np.float64)


def _dates(days: Sequence[date], bins: Sequence[str], width: float) -> tuple[list[int], list[str]]:
    """Where the axis is named: at each of a few bins, else at the first of months; the year below the first of each."""
    dated, days_told = seasons.has_year(bins[0]), len(bins[0]) in (len("2019-06-15"), len("06-15"))
    span = max(1, (days[-1] - days[0]).days)
    gap = min((after - before).days for before, after in pairwise(days)) if len(days) > 1 else span
    single = len(days) <= FEW_BINS and gap / span * width >= LABEL_MM
    named = list(days) if single else _firsts(days[0], days[-1], max(1, round(LABEL_MM / (width * 30.4 / span) + 0.5)))
    labels, year = [], None
    for day in named:
        month = seasons.MONTHS[day.month - 1][:3]
        label = f"{day.day} {month}" if single and days_told else month
        labels.append(f"{label}\n{day.year}" if dated and day.year != year else label)
        year = day.year
    return [day.toordinal() for day in named], labels


def _firsts(first: date, last: date, every: int) -> list[date]:
    """The first days of each `every`-th month between two dates."""
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    days = [date(month // 12, month % 12 + 1, 1) for month in months if month % every == 0]
    return [day for day in days if first <= day <= last] or [first]
