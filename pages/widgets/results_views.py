"""The views of the Results page, one function each: matrix, classes, groups of samples, calibration."""

from functools import partial

import streamlit as st

from data import catalogue
from data.errors import CropcheckError
from data.prints import matrix as matrices
from data.prints import paper
from data.prints import scores as printed
from data.workspace import Workspace
from modeling import evaluation, figures, tables
from modeling.results import Results
from pages.widgets import results_data, scores, takeaway, worked_panel

QUIET = {"displayModeBar": False}
STRATA = {"region": "Region", "year": "Year", "month": "Month", "part": "Part of the split", "verified": "Verified or not"}


def matrix(workspace: Workspace, found: Results) -> None:
    """The confusion matrix, whose cells open their samples, and what was found in them."""
    checked = results_data.outcomes(workspace, found.run)
    left, right = st.columns([5, 4], gap="medium")
    with left:
        st.plotly_chart(figures.confusion_figure(found), key="results.matrix", on_select=_clicked, selection_mode="points", config=QUIET)
        st.caption("Rows: the label it was judged against. Columns: what the model read. A click on a cell opens its samples in Verify.")
    with right:
        scores.worst_cells(found, checked)
        worked_panel.in_short(checked)
        draw = partial(matrices.matrix_print, found.confusion, found.classes, title="Confusion matrix", facts=_facts(workspace, found))
        csv = partial(matrices.matrix_csv, found.confusion, found.classes)
        takeaway.downloads("results.matrix.file", f"{found.run}-matrix", png=draw, svg=partial(draw, form="svg"), csv=csv)


def _clicked() -> None:
    """Open the cell that was clicked."""
    points = st.session_state["results.matrix"]["selection"]["points"]
    if points:
        scores.open_cell(*points[0]["customdata"][:2])


def classes(workspace: Workspace, found: Results, other: Results | None) -> None:
    """F1, precision and recall of every class."""
    if len(found.classes) == 1 or sum(row.support > 0 for row in found.scores.per_class) == 1:
        st.info("All judged samples are of one class: precision, recall and F1 say little here.")
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(figures.per_class_figure(found, other), key="results.f1", config=QUIET)
        st.caption("Bars: F1 with 95 % bootstrap intervals, in the colours of the legend.")
    with right:
        scores.per_class(found, other)
        download("results.classes", f"{found.run}-classes", tables.of_classes([found]))
        rows = [
            printed.Score(row.name, row.support, row.precision, row.recall, row.f1, row.f1_interval.low, row.f1_interval.high, color)
            for row, color in zip(found.scores.per_class, found.colors, strict=True)
        ]
        draw = partial(printed.scores_print, rows, title="Scores by class", facts=_facts(workspace, found))
        csv = partial(printed.scores_csv, rows)
        takeaway.downloads("results.f1.file", f"{found.run}-scores", png=draw, svg=partial(draw, form="svg"), csv=csv)


def groups(workspace: Workspace, found: Results) -> None:
    """The scores by region, year, month of the image, part of the split, or whether a curator has verified the label."""
    offered = [name for name in STRATA if name != "month" or evaluation.sees_one_month(found.config)]
    stratum = st.segmented_control(
        "By", offered, default="region", required=True, format_func=STRATA.get, key="results.by", label_visibility="collapsed"
    )
    try:
        rows = results_data.strata(workspace, found.run, stratum)
    except CropcheckError as error:
        st.error(str(error))
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(figures.strata_figure(stratum, rows, found), key="results.strata", config=QUIET)
        if len(rows) == 1:
            st.caption(f"All judged samples are in one group: {tables.title_of(stratum, rows[0].name)}.")
    with right:
        table = tables.of_strata(stratum, rows)
        config = dict.fromkeys(table.columns[2:], scores.DIGITS)
        config["Average accuracy"] = st.column_config.NumberColumn("AA", format="%.3f", help=scores.AA_HELP)
        shown = [name for name in table.columns if " from" not in name and " to" not in name]
        st.dataframe(table.records(), hide_index=True, key="results.groups", column_config=config, column_order=shown)
        download("results.groups", f"{found.run}-{stratum}", table)
        st.caption(
            "Points with 95 % intervals. Kappa and macro-F1 are over the classes that occur in the group. "
            "Months are those of the one image that the model looks at; of models of whole seasons, `study dates` compares months."
        )


def calibration(workspace: Workspace, found: Results) -> None:
    """Whether the model is right as often as it says."""
    told = found.calibration
    if told is None:
        st.info("No sample is judged, so nothing can be said of the confidences.")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(figures.reliability_figure(told), key="results.reliability", config=QUIET)
    with right:
        gap = told.accuracy - told.confidence
        leaning = "less sure than it is right" if gap > 0 else "surer than it is right"
        if told.ece.value <= told.by_chance:
            verdict = "The error is no larger than chance gives a calibrated model: nothing speaks against these confidences."
        else:
            verdict = f"The error is larger than chance alone gives: on the whole the model is **{leaning}**."
        st.markdown(f"##### Expected calibration error {told.ece}")
        st.markdown(
            f"{verdict}\n\n"
            f"- mean confidence {told.confidence:.3f}, accuracy {told.accuracy:.3f}\n"
            f"- a calibrated model stays below {told.by_chance:.3f} in 95 of 100 such sets of samples\n"
            f"- Brier score {told.brier:.3f} (0 is best, 2 worst)"
        )
        st.caption("Points under the dashed line: surer than right. Whiskers: 95 % Wilson intervals. 15 equal bins, after Guo et al. 2017.")
        rows = [
            printed.Bin(row.low, row.high, row.samples, row.confidence, row.accuracy.value, row.accuracy.low, row.accuracy.high)
            for row in told.bins
        ]
        facts = f"Expected calibration error {told.ece} · {_facts(workspace, found)}"
        draw = partial(printed.reliability_print, rows, title="Calibration", facts=facts)
        csv = partial(printed.reliability_csv, rows)
        takeaway.downloads("results.reliability.file", f"{found.run}-calibration", png=draw, svg=partial(draw, form="svg"), csv=csv)


def _facts(workspace: Workspace, found: Results) -> str:
    """What stands under a print's title."""
    said = tables.words(found.config)
    judged = "the test part" if found.judged == "test" else "all folds"
    simulated = f" · {paper.SIMULATED[0]}" if catalogue.collection(workspace.store, found.config.collection).simulated else ""
    return (
        f"{found.run} · {said['Model']} on {said['Labels']} labels · split {said['Split']} · {found.scores.samples:,} samples of "
        f"{judged} · accuracy {found.scores.accuracy} · kappa {found.scores.kappa} · macro-F1 {found.scores.macro_f1} · "
        f"95 % intervals{simulated}"
    )


def download(key: str, stem: str, table: tables.Table) -> None:
    """The table as CSV and as Markdown."""
    with st.container(horizontal=True):
        st.download_button("CSV", table.csv(), f"{stem}.csv", "text/csv", icon=":material/download:", key=f"{key}.csv", on_click="ignore")
        st.download_button(
            "Markdown", table.markdown() + "\n", f"{stem}.md", "text/markdown", icon=":material/download:", key=f"{key}.md",
            on_click="ignore",
        )  # fmt: skip
