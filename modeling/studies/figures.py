"""A study as a figure: bars, the season's months, or a learning curve. Plotly only; see also `modeling.figures`."""

from collections.abc import Sequence

import plotly.graph_objects as go
import plotly.io

from data.workspace import Workspace
from modeling.studies import kinds, table
from modeling.studies.kinds import DATES, FIRST_MONTHS, LABELS, ONE_MONTH, SPLITS, TWO_MONTHS
from modeling.studies.studydir import StudyDir
from modeling.studies.table import SCORES, Row, Score

BAR, LINE = "#1f77b4", "#1f77b4"
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77")  # distinguishable with every kind of colour vision (ColorBrewer)
MARK = "#333333"
WRITTEN = ("accuracy", "macro_f1")  # scores of figure.html


def figure(kind: str, rows: Sequence[Row], score: str = "accuracy") -> go.Figure:
    """The figure of a study's rows that have figures; rows without are left out.

    Args:
        score: a name of `table.SCORES`. Error bars are 95 % intervals.
    """
    known = [row for row in rows if row.scores]
    made = go.Figure()
    if kind == DATES:
        _season(made, known, score)
    elif kind == LABELS:
        _curves(made, known, score)
    else:
        _bars(made, known, score, nearest=kind == SPLITS)
    on_verified = kind == LABELS and _all_checked(known)
    made.update_yaxes(title=SCORES[score] + (" on verified samples" if on_verified else ""), range=[0, 1.03])
    made.update_layout(
        height=360, margin={"l": 10, "r": 10, "t": 40, "b": 10}, legend={"orientation": "h", "y": 1.14},
        xaxis_title=kinds.named(kind).axis,
    )  # fmt: skip
    return made


def write(workspace: Workspace, study: StudyDir) -> None:
    """Write figure.html into the study's folder: a page that needs nothing else, with accuracy and macro-F1."""
    found, content = table.rows(workspace, study), study.content
    drawn = [figure(content["kind"], found, score) for score in WRITTEN]
    parts = [plotly.io.to_html(one, full_html=False, include_plotlyjs=number == 0) for number, one in enumerate(drawn)]
    title = table.title(content)
    temporary = study.path / "figure.html.partial"
    temporary.write_text(f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{"".join(parts)}')
    temporary.replace(study.path / "figure.html")


def _bars(made: go.Figure, rows: Sequence[Row], score: str, *, nearest: bool) -> None:
    names, scores = [row.variant.label for row in rows], [row.scores[score] for row in rows]
    made.add_bar(
        x=names, y=[one.value for one in scores], error_y=_error(scores), marker_color=BAR, name=SCORES[score],
        text=[f"{one.value:.3f}" for one in scores], textposition="inside", insidetextanchor="start",
    )  # fmt: skip
    made.update_xaxes(tickvals=names, ticktext=[name.replace(" ", "<br>") for name in names])
    if any(row.seeds > 1 for row in rows):
        marks = [(name, value) for name, one in zip(names, scores, strict=True) for value in (one.least, one.most)]
        made.add_scatter(
            x=[name for name, _ in marks], y=[value for _, value in marks], mode="markers", name="lowest and highest seed",
            marker={"symbol": "line-ew-open", "size": 14, "color": MARK},
        )  # fmt: skip
    if nearest and score == "accuracy":
        made.add_scatter(
            x=names, y=[row.nearest for row in rows], mode="markers", name="nearest known sample copied",
            marker={"symbol": "diamond", "size": 11, "color": COLOURS[1]},
        )  # fmt: skip
    sourced = [row for row in rows if row.published]
    if sourced and score in WRITTEN:
        values = [row.published.accuracy if score == "accuracy" else sum(row.published.macro_f1) / 2 for row in sourced]
        made.add_scatter(
            x=[row.variant.label for row in sourced], y=values, mode="markers", name="published, on other data",
            marker={"symbol": "star-open", "size": 11, "color": COLOURS[1]}, text=[str(row.published) for row in sourced],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip


def _season(made: go.Figure, rows: Sequence[Row], score: str) -> None:
    """First months as a line; a month alone, or two, as points at the month in which they are known."""
    styles = (
        (FIRST_MONTHS, "all months up to here", "lines+markers", "circle", COLOURS[0]),
        (ONE_MONTH, "this month alone", "markers", "diamond", COLOURS[1]),
        (TWO_MONTHS, "two months, the later here", "markers", "cross-thin-open", COLOURS[2]),
    )
    for group, title, mode, symbol, colour in styles:
        own = [row for row in rows if row.variant.group == group]
        scores = [row.scores[score] for row in own]
        made.add_scatter(
            x=[row.variant.at for row in own], y=[one.value for one in scores], mode=mode, name=title,
            error_y=_error(scores) if group == FIRST_MONTHS else None, line={"color": colour},
            marker={"symbol": symbol, "size": 9, "color": colour}, text=[row.variant.label for row in own],
            hovertemplate="%{text}: %{y:.3f}<extra></extra>",
        )  # fmt: skip
    months = sorted({int(row.variant.at) for row in rows})
    made.update_xaxes(tickvals=months, ticktext=[kinds.short(month) for month in months])


def _curves(made: go.Figure, rows: Sequence[Row], score: str) -> None:
    """A line a kind of labels, over a logarithmic number of samples; on the verified samples where all rows have those."""
    checked = _all_checked(rows)
    for colour, labels in zip(COLOURS, dict.fromkeys(row.variant.group for row in rows), strict=False):
        own = sorted((row for row in rows if row.variant.group == labels), key=lambda row: row.variant.at)
        scores = [(row.on_verified if checked else row.scores)[score] for row in own]
        made.add_scatter(
            x=[row.variant.at for row in own], y=[one.value for one in scores], error_y=_error(scores), mode="lines+markers",
            name=f"{labels} labels", line={"color": colour}, text=[row.variant.label for row in own],
            hovertemplate="%{text}: %{y:.3f}<extra></extra>",
        )  # fmt: skip
    numbers = sorted({row.variant.at for row in rows})
    made.update_xaxes(type="log", tickvals=numbers, ticktext=[f"{number:,.0f}" for number in numbers])


def _all_checked(rows: Sequence[Row]) -> bool:
    return bool(rows) and all(row.on_verified for row in rows)


def _error(scores: Sequence[Score]) -> dict:
    """95 % intervals."""
    return {
        "type": "data", "symmetric": False, "color": MARK, "thickness": 1,
        "array": [max(0.0, one.high - one.value) for one in scores],
        "arrayminus": [max(0.0, one.value - one.low) for one in scores],
    }  # fmt: skip
