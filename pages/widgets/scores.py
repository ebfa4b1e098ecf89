"""Figures of a run as text and tables: headline with intervals, the cells worth a look, scores by class."""

import streamlit as st

from labeling.worked import Outcome
from modeling import tables
from modeling.leakage import RADII_M, Leakage
from modeling.metrics import Interval
from modeling.results import Results

MOST_CELLS = 4
DIGITS = st.column_config.NumberColumn(format="%.3f")
ECE_HELP = "Expected calibration error: the mean distance between how sure the model is and how often it is right. Lower is better."
AA_HELP = "Average accuracy: mean recall of the classes, so that a rare class counts as much as a frequent one."


def headline(found: Results) -> None:
    """Accuracy, kappa, macro-F1, average accuracy and calibration with 95 % intervals, beside copying the nearest sample's label."""
    with st.container(horizontal=True):
        _metric("Accuracy", found.scores.accuracy, "Share of the judged samples that the model reads as their label says.")
        _metric("Kappa", found.scores.kappa, "Cohen's kappa: agreement beyond chance.")
        _metric("Macro-F1", found.scores.macro_f1, "Mean F1 of the classes.")
        _metric("Average accuracy", found.scores.average_accuracy, AA_HELP)
        if found.calibration:
            _metric("ECE", found.calibration.ece, ECE_HELP)
        copied = "Accuracy of copying the label of the nearest sample learned from, without looking at any pixel: the leakage check."
        _metric("Nearest copied", found.neighbour.accuracy, copied)
        st.metric("Samples judged", f"{found.scores.samples:,}")


def _metric(title: str, figure: Interval, explained: str) -> None:
    st.metric(title, f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}", delta_color="off", delta_arrow="off", help=explained)


def words(found: Results) -> None:
    """What the run is and what it is judged by, and what the reader should know."""
    said = tables.words(found.config)
    judged = "the test part" if found.judged == "test" else "all folds, each sample by the model that never saw it"
    watched = f" · validation macro-F1 {found.validation.macro_f1}" if found.validation else ""
    leaks = f"  \n**Leakage:** {_leaks(found.leakage)}" if found.leakage else ""
    st.caption(
        f"**{said['Model']}** on {said['Labels']} labels · inputs: {said['Inputs']} · dates: {said['Dates']} · split: {said['Split']} · "
        f"judged on {judged}{watched} · 95 % intervals · dataset version: event {found.last_event}, {found.content_hash[:8]} · "
        f"{found.seconds:.0f} s on {found.device}{leaks}"
    )
    if found.notes:
        st.warning("\n".join(f"- {note}" for note in found.notes) if len(found.notes) > 1 else found.notes[0])


def _leaks(leakage: Leakage) -> str:
    total = leakage.total
    near = ", ".join(f"{radius / 1000:g} km of {share:.0%}" for radius, share in zip(RADII_M, total.within, strict=True))
    same = f" · {total.same_site:,} of them are learned from in another year" if total.same_site else ""
    return (
        f"another site learned from lies within {near} of the {total.sites:,} judged sites{same} · copying the nearest label: "
        f"macro-F1 {total.macro_f1:.3f}"
    )


def worst_cells(found: Results, checked: dict[tuple[str, str], Outcome]) -> None:
    """Buttons for the largest confusions, for those who would rather not aim at a cell; of each how many are decided since the run."""
    cells = found.confusions(MOST_CELLS)
    if not cells:
        st.success("No sample is confused with another class.")
        return
    st.markdown("##### Look at these")
    for truth, predicted, count in cells:
        done = checked[truth, predicted].decided if (truth, predicted) in checked else 0
        label = f"{truth} read as {predicted}: {count}" + (f" ({done} checked)" if done else "")
        st.button(
            label, key=f"results.worst.{truth}.{predicted}", icon=":material/arrow_forward:", on_click=open_cell, args=(truth, predicted)
        )


def open_cell(truth: str, predicted: str) -> None:
    """Ask for a cell's samples; the Results page leaves for Verify on its next run."""
    st.session_state["results.cell"] = (truth, predicted)


def per_class(found: Results, other: Results | None) -> None:
    """Precision, recall, F1 and support of every class with intervals, or beside another run's F1."""
    theirs = {row.name: row.f1 for row in other.scores.per_class} if other else {}
    rows = [
        {"Class": row.name, "Samples": row.support, "Precision": row.precision, "Recall": row.recall, "F1": row.f1}
        | ({"F1 of the other": theirs.get(row.name)} if other else {"F1, 95 %": f"{row.f1_interval.low:.3f}–{row.f1_interval.high:.3f}"})
        for row in found.scores.per_class
    ]
    names = ("Precision", "Recall", "F1", "F1 of the other")
    st.dataframe(rows, hide_index=True, key="results.classes", column_config=dict.fromkeys(names, DIGITS))
