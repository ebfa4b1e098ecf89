"""Curators on the Quality page: controls, time, warnings. Reviewers see everybody's figures, a curator their own."""

import streamlit as st

from data.workspace import Workspace
from labeling.trust import controls, figures, tables
from pages.widgets import plain, quality_parts


def show(workspace: Workspace, collection: str) -> None:
    """Warnings, the figure of false accepts, the table; without any decision, how to come by some."""
    everybody = controls.records(workspace.store, collection)
    found = controls.visible(workspace.store, everybody, st.session_state["curator"])
    if not found:
        _empty(collection, others=bool(everybody))
        return
    for one in found:
        if one.warnings:
            st.warning(f"**{plain.escaped(one.curator)}**. {' '.join(one.warnings)}", icon=":material/warning:")
    if any(one.false_accepts.of for one in found):
        st.plotly_chart(figures.false_accepts(found), key="quality.accepts", config=quality_parts.QUIET)
    else:
        st.info(
            "No control with a wrong label is answered yet. They are mixed into the queues by the rule *control share* on the page Team.",
            icon=":material/quiz:",
        )
    _tables(collection, found)
    if len(found) < len(everybody):
        st.caption("You see your own figures. Reviewers and administrators see everybody's.")
    st.caption(
        "Controls are samples whose label is known, half of them shown with a wrong one. False accepts: agreed with a wrong one. False "
        "alarms: relabelled or rejected a right one. Time: from card painted to key pressed. Intervals: 95 %, Wilson."
    )


def _empty(collection: str, *, others: bool) -> None:
    text = (
        "You have decided nothing here yet. Reviewers and administrators see everybody's figures." if others
        else "Nobody has decided here yet: time per decision and answers to controls come with the work in Verify."
    )  # fmt: skip
    quality_parts.nothing_yet(text, ":material/person:", collection, label="Verify labels", queue=None, key="quality.verify")


def _tables(collection: str, found: list[controls.Record]) -> None:
    quality_parts.table(
        "quality.curators", f"{collection}-curators", tables.curators(found), percent=("False accepts", "False alarms", "Agrees"),
        hidden=("False alarms, of", "False alarms, 95 %", "p10 s", "p90 s"),
    )  # fmt: skip
    paces = tables.paces(found)
    if paces:
        with st.expander("Time by kind of queue"):
            quality_parts.table("quality.paces", f"{collection}-time", paces)
