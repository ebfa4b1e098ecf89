"""What the checks of a run's confusions found, on the Results page: whose errors they were, and the matrix under the labels of now."""

from dataclasses import replace

import streamlit as st

from data.workspace import Workspace
from labeling import worked
from labeling.figures import outcome_figure
from labeling.trust.shares import Share
from labeling.worked import Matrices, Outcome
from modeling import figures
from modeling.results import Results
from pages.widgets import results_data, scores

Cell = tuple[str, str]
ALL: Cell = ("", "")  # every confusion together
QUIET = {"displayModeBar": False}


def in_short(found: dict[Cell, Outcome]) -> None:
    """Of the confused samples that curators have decided on since the run: how many were errors of the label, how many of the model."""
    total = worked.confused(found)
    if not total.samples:
        return
    st.markdown("##### What the checks found")
    if not total.decided:
        st.caption(f"None of the {total.samples:,} confused samples has been decided on yet. Open a cell, decide, and come back.")
        return
    unsure = f"; {total.unsure} unsure" if total.unsure else ""
    st.markdown(
        f"**{total.decided:,}** of {total.samples:,} confused samples are checked: the label was wrong in "
        f"**{total.inventory_wrong.hits}** ({total.to_predicted} are what the model says), the model in "
        f"**{total.model_wrong.hits}**{unsure}."
    )
    st.button("Whose errors, cell by cell", key="worked.open", icon=":material/arrow_forward:", on_click=_to_panel)


def _to_panel() -> None:
    st.session_state["results.view"] = "After checking"


def panel(workspace: Workspace, found: Results) -> None:
    """One cell, or all confusions together: what became of its samples; and the matrix under the old labels and those of now."""
    cells = results_data.outcomes(workspace, found.run)
    total = worked.confused(cells)
    begun = sorted((cell for cell, each in cells.items() if each.decided), key=lambda cell: (cell[0] == cell[1], -cells[cell].decided))
    if not begun:
        text = "No sample that judges this run has been decided on since. Open a cell of the matrix, decide on its samples, and come back."
        st.info(text, icon=":material/rule:")
        return
    options = ([ALL] if total.decided else []) + begun
    if st.session_state.get("worked.cell") not in options:
        st.session_state["worked.cell"] = options[0]
    cell = st.selectbox(
        "Cell", options, key="worked.cell", width=520,
        format_func=lambda cell: _title(cell, total if cell == ALL else cells[cell]),
    )  # fmt: skip
    _outcome(cell, total if cell == ALL else cells[cell])
    _side_by_side(results_data.matrices(workspace, found.run), found)


def _title(cell: Cell, outcome: Outcome) -> str:
    name = "All confusions" if cell == ALL else f"{cell[0]} read as {cell[1]}"
    return f"{name}: {outcome.decided:,} of {outcome.samples:,} checked"


def _outcome(cell: Cell, outcome: Outcome) -> None:
    st.plotly_chart(outcome_figure(outcome), key="worked.bar", config=QUIET)
    with st.container(horizontal=True):
        _metric(
            "The inventory's errors",
            outcome.inventory_wrong,
            "Of the samples with a verdict, those relabelled to another class or rejected.",
        )
        wrong = (
            "Of the samples with a verdict, those whose class is now another than the model read. Where both erred, a sample is in both."
        )
        _metric("The model's errors", outcome.model_wrong, wrong)
        st.metric("Open", f"{outcome.open:,}", help="Not decided since the run.")
        if cell != ALL and outcome.open:
            st.button("Check the open ones", key="worked.check", icon=":material/arrow_forward:", on_click=scores.open_cell, args=cell)
    if outcome.relabelled_to:
        st.caption("Relabelled to: " + ", ".join(f"{name} ({count:,})" for name, count in outcome.relabelled_to) + ".")


def _metric(title: str, share: Share, explained: str) -> None:
    low, high = share.interval
    value = f"{share.hits:,} of {share.of:,}" + (f" = {share.value:.0%}" if share.of else "")
    between = f"{low:.0%}–{high:.0%}" if share.of else None
    st.metric(title, value, between, delta_color="off", delta_arrow="off", help=f"{explained} With a 95 % Wilson interval.")


def _side_by_side(told: Matrices, found: Results) -> None:
    """Both matrices over the same classes, with accuracy and macro-F1."""
    if not told.changed:
        st.caption("The labels in force now are those that the run was judged against: its matrix stays as it is.")
        return
    titles = ("Under the labels it was judged against", "Under the labels now in force")
    for column, title, counts, name in zip(
        st.columns(2, gap="medium"), titles, (told.before, told.after), ("before", "after"), strict=True
    ):
        with column:
            st.markdown(f"##### {title}")
            accuracy = worked.accuracy(counts)
            low, high = accuracy.interval
            with st.container(horizontal=True):
                st.metric("Accuracy", f"{accuracy.value or 0:.3f}", f"{low:.3f}–{high:.3f}", delta_color="off", delta_arrow="off")
                st.metric("Macro-F1", f"{worked.macro_f1(counts):.3f}")
                st.metric("Samples", f"{accuracy.of:,}")
            shown = replace(found, classes=told.classes, confusion=counts)
            st.plotly_chart(figures.confusion_figure(shown), key=f"worked.matrix.{name}", config=QUIET)
    gone = f" {told.left_out:,} have none any more (rejected, or a crop that no model learns) and are left out." if told.left_out else ""
    st.caption(
        f"The same predictions, none made anew; on the right each sample counts with the class of its label now.{gone} Checked samples "
        "were chosen by what the model reads: the right matrix flatters it until the other cells are checked too."
    )
