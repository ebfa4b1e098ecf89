"""Runs side by side: a table of all, two held against each other on the same samples, and the BreizhCrops table."""

from collections.abc import Callable

import streamlit as st

from data.errors import CropcheckError
from data.workspace import Workspace
from modeling import figures, tables
from modeling.evaluation import Comparison
from modeling.results import Results
from pages.widgets import results_data, results_views, scores

FIGURES = ("Accuracy", "Kappa", "Macro-F1", "Average accuracy", "ECE", "Copied")


def compare(workspace: Workspace, names: list[str], found: Results, other: Results | None, short: Callable[[str], str]) -> None:
    """This run against the one that is chosen to compare with, and every finished run of the collection in one table."""
    if other:
        _against(workspace, found, other, short)
    else:
        text = "There is no other run yet: train one with another model, inputs or labels on the same split."
        st.info(text if len(names) == 1 else "Choose a run at “Compare with” in the sidebar to test it against this one.")
    st.markdown("##### All finished runs")
    marks = {found.run: " (this)"} | ({other.run: " (other)"} if other else {})
    _all_runs(workspace, names, marks, short)
    if other:
        with st.expander(f"Confusion matrix of {short(other.run)}"):
            st.plotly_chart(figures.confusion_figure(other), key="results.matrix.other", config=results_views.QUIET)


def _against(workspace: Workspace, found: Results, other: Results, short: Callable[[str], str]) -> None:
    try:
        tested = results_data.compared(workspace, found.run, other.run)
    except CropcheckError as error:
        st.warning(str(error))
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(figures.difference_figure(tested), key="results.difference", config=results_views.QUIET)
    with right:
        _test(tested, short)


def _all_runs(workspace: Workspace, names: list[str], shown: dict[str, str], short: Callable[[str], str]) -> None:
    table = tables.of_runs([results_data.results(workspace, name) for name in names])
    rows = [record | {"Run": short(record["Run"]) + shown.get(record["Run"], "")} for record in table.records()]
    st.dataframe(
        rows, hide_index=True, key="results.runs",
        column_config=dict.fromkeys(FIGURES, scores.DIGITS)
        | {
            "ECE": st.column_config.NumberColumn(format="%.3f", help=scores.ECE_HELP),
            "Average accuracy": st.column_config.NumberColumn("AA", format="%.3f", help=scores.AA_HELP),
            "Copied": st.column_config.NumberColumn(format="%.3f", help="Accuracy of copying the nearest sample learned from."),
        },
    )  # fmt: skip
    results_views.download("results.runs", "runs", table)


def _test(tested: Comparison, short: Callable[[str], str]) -> None:
    found = tested.paired
    surely = "The difference is more than chance gives." if found.p_value < 0.05 else "Chance alone gives such a difference."
    st.markdown(
        f"**{short(tested.first)}** against **{short(tested.second)}**, on {found.samples:,} samples:\n\n"
        f"- {found.only_first} samples only this run has right, {found.only_second} only the other\n"
        f"- McNemar's exact test: p = {found.p_value:.3g}. {surely}"
    )
    for remark in tested.remarks():
        st.warning(remark)


def breizhcrops(found: Results, other: Results | None, short: Callable[[str], str]) -> None:
    """The table of the BreizhCrops papers, of this run and the one compared with."""
    runs = [found, other] if other else [found]
    overall, classes = tables.breizhcrops(runs), tables.of_classes(runs)
    names = ("Accuracy", "Kappa", "Mean F1", "Mean precision", "Mean recall", "Precision", "Recall", "F1")
    config = dict.fromkeys(names, scores.DIGITS)
    for table, key in ((overall, "results.table.overall"), (classes, "results.table.classes")):
        rows = [record | {"Run": short(record["Run"])} for record in table.records()]
        st.dataframe(rows, hide_index=True, key=key, column_config=config)
    results_views.download("results.table", f"{found.run}-breizhcrops", tables.breizhcrops_in_one(runs))
    st.caption("Accuracy, kappa and the means over classes as in Rußwurm et al. 2020 (BreizhCrops, arXiv 1905.11893).")
