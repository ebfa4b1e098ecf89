"""Queues on the Quality page: how often the label was in fact wrong, by the reason for which the sample was served."""

import streamlit as st

from data.workspace import Workspace
from labeling.trust import figures, reasons, tables
from pages.widgets import quality_parts


def show(workspace: Workspace, collection: str) -> None:
    """The figure and the table; without any decision, how to come by some."""
    by_run = st.session_state.get("quality.by_run", False)
    found = reasons.precisions(workspace.store, collection, by_run=by_run)
    if not found:
        quality_parts.nothing_yet(
            "Nobody has decided here yet. Every decision keeps the reason for which its sample was served; here stands how often the label "
            "was in fact wrong.",
            ":material/format_list_numbered:", collection, label="Verify labels", queue=None, key="quality.queues_verify",
        )  # fmt: skip
        return
    st.toggle("Tell runs apart", key="quality.by_run")
    left, right = st.columns(2, gap="large")
    with left:
        if any(one.wrong.of for one in found):
            st.plotly_chart(figures.precisions(found), key="quality.precisions", config=quality_parts.QUIET)
        else:
            st.info("All decisions so far are unsure or rejections that do not judge the label.", icon=":material/help:")
    with right:
        quality_parts.table("quality.queues", f"{collection}-reasons", tables.precisions(found), percent=("Wrong",))
    st.caption(
        "A sample counts once a reason, with the first look that was given for it; controls, second looks and repeats do not count. Wrong: "
        "relabelled, or rejected as no cropland; where a reviewer settled it, by the settlement. 95 % Wilson intervals."
    )
