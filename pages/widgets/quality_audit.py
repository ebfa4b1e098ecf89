"""The inventory's error rate on the Quality page, from the random audit alone."""

import streamlit as st

from data.errors import CropcheckError
from data.workspace import Workspace
from labeling import worklists
from labeling.queues import Queue
from labeling.trust import audit, figures, tables
from labeling.trust.audit import MARGINS, Audit
from pages.widgets import quality_parts

GROUPS = {"Class": "classes", "Region": "regions"}


def show(workspace: Workspace, collection: str) -> None:
    """The rate and what it still takes, the figure by class or region, the table."""
    found = audit.estimate(workspace.store, collection)
    if not found.overall.wrong.of:
        _empty(workspace, collection)
        return
    _headline(found)
    with st.container(horizontal=True, vertical_alignment="center"):
        group = st.segmented_control("By", list(GROUPS), default="Class", required=True, key="quality.group", label_visibility="collapsed")
        if found.overall.more[min(MARGINS)]:
            offer(workspace, collection, "Go on with the audit")
    rates = getattr(found, GROUPS[group])
    left, right = st.columns([4, 5], gap="medium")
    with left:
        st.plotly_chart(figures.error_rates(rates, found.overall), key="quality.rates", config=quality_parts.QUIET)
    with right:
        quality_parts.table(
            "quality.rates_table", f"{collection}-error-rate-{group.lower()}", tables.rates(rates, group),
            percent=("Wrong", "At least", "At most"), hidden=("At least", "At most", "Wrong, of"),
        )  # fmt: skip
    st.caption(
        "Only the random audit counts: the part of the collection's fixed random order that was worked through, whichever queue a decision "
        "came from. Wrong: relabelled, or rejected as no cropland. 95 % Wilson intervals with finite-population correction. More for ±5 "
        "and ±2: samples that the audit has still to serve for an interval of so many points to either side."
    )


def _headline(found: Audit) -> None:
    rate = found.overall
    low, high = rate.wrong.interval
    with st.container(horizontal=True):
        st.metric(f"Labels that are wrong ({low:.1%}–{high:.1%})", f"{rate.wrong.value:.1%}", help=str(rate.wrong))
        st.metric(
            "If the undecidable are counted", f"{rate.lowest:.1%}–{rate.highest:.1%}",
            help=f"{rate.served - rate.wrong.of:,} of the audit's samples are undecided, or unsure, mixed or without a signal: the share "
            "of wrong ones if all of these were right, and if all were wrong.",
        )  # fmt: skip
        st.metric("Audited", f"{rate.answered:,} of {rate.served:,}", help=f"The queues reach as far as {found.asked:,}.")
        st.metric("More for ±5 points", f"{rate.more[0.05]:,}")
        st.metric("More for ±2 points", f"{rate.more[0.02]:,}")


def _empty(workspace: Workspace, collection: str) -> None:
    st.info(
        "The random audit is not begun yet. It is the only queue that may say how many of the inventory's labels are wrong: about 200 "
        "samples give the share to within ±5 points.",
        icon=":material/casino:",
    )
    offer(workspace, collection, "Begin the audit", primary=True)


def offer(workspace: Workspace, collection: str, label: str, *, primary: bool = False, key: str = "quality.audit") -> None:
    """A button that opens the newest audit in Verify, or makes one where none has anything left."""
    if st.button(label, type="primary" if primary else "secondary", icon=":material/arrow_forward:", key=key):
        made = worklists.newest(workspace.store, collection, "audit")
        try:
            if made is None or not made.open:
                made = worklists.make(workspace, collection, "audit", curator=st.session_state["curator"])
        except CropcheckError as error:
            st.error(str(error), icon=":material/block:")
        else:
            st.switch_page("pages/verify.py", query_params={"collection": collection, "queue": str(Queue("list", (str(made.id),)))})
