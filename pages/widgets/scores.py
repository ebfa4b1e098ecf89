"""Figures of a run as text and tables: headline with intervals, scores by class, the cells worth a look."""

import streamlit as st

from modeling.results import Results

MOST_CELLS = 3


def headline(found: Results, other: Results | None) -> None:
    """Accuracy, kappa and macro-F1 with 95 % intervals, beside what copying the nearest sample's label gives."""
    with st.container(horizontal=True):
        for title, own, compared in (
            ("Accuracy", found.scores.accuracy, other and other.scores.accuracy),
            ("Kappa", found.scores.kappa, other and other.scores.kappa),
            ("Macro-F1", found.scores.macro_f1, other and other.scores.macro_f1),
        ):
            delta = None if compared is None else f"{own.value - compared.value:+.3f} to the other run"
            st.metric(f"{title} ({own.low:.3f}–{own.high:.3f})", f"{own.value:.3f}", delta)
        st.metric(
            "Nearest sample copied",
            f"{found.neighbour.accuracy.value:.3f}",
            help="Accuracy without looking at any pixel: the leakage check.",
        )
        st.metric("Samples judged", f"{found.scores.samples:,}")
    judged = "the test part" if found.judged == "test" else "all folds, each sample by the model that never saw it"
    watched = f" · validation macro-F1 {found.validation.macro_f1}" if found.validation else ""
    st.caption(
        f"{found.config.model} on {found.config.labels} labels · judged on {judged} of {found.split} · 95 % intervals · "
        f"dataset version: event {found.last_event}, {found.content_hash[:8]} · {found.seconds:.0f} s on {found.device}{watched}"
    )
    if other and other.split != found.split:
        st.warning(
            f"The two runs were judged on different samples ({found.split} and {other.split}): their figures do not compare directly."
        )
    for note in found.notes:
        st.warning(note)


def worst_cells(found: Results) -> None:
    """Buttons for the largest confusions, for those who would rather not aim at a cell."""
    cells = found.confusions(MOST_CELLS)
    if not cells:
        st.success("No sample is confused with another class.")
        return
    st.markdown("##### Look at these")
    for truth, predicted, count in cells:
        label = f"{truth} read as {predicted}: {count}"
        st.button(
            label, key=f"results.worst.{truth}.{predicted}", icon=":material/arrow_forward:", on_click=open_cell, args=(truth, predicted)
        )


def open_cell(truth: str, predicted: str) -> None:
    """Ask for a cell's samples; the Results page leaves for Verify on its next run."""
    st.session_state["results.cell"] = (truth, predicted)


def per_class(found: Results, other: Results | None) -> None:
    """Precision, recall, F1 and support of every class; with another run, the difference in F1."""
    theirs = {row.name: row.f1 for row in other.scores.per_class} if other else {}
    rows = [
        {"Class": row.name, "Precision": row.precision, "Recall": row.recall, "F1": row.f1, "Samples": row.support}
        | ({"F1 −other": row.f1 - theirs[row.name] if row.name in theirs else None} if other else {})
        for row in found.scores.per_class
    ]
    st.dataframe(
        rows, hide_index=True, key="results.classes",
        column_config={name: st.column_config.NumberColumn(format="%.3f") for name in ("Precision", "Recall", "F1", "F1 −other")},
    )  # fmt: skip
