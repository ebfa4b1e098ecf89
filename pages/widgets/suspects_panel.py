"""The labels that a run doubts, on the Results page: rank them, open them in Verify, and how many of the checked ones were wrong."""

import streamlit as st

from data.errors import CropcheckError
from data.workspace import Workspace
from labeling.queues import Queue
from modeling import runs, suspects
from modeling.suspects import Checked, Summary

MOST_PAIRS, MOST_LABELS = 6, 8


def panel(workspace: Workspace, run: str) -> None:
    """What the run's ranking holds and what came of it; where its labels are not ranked, a button that ranks them."""
    st.markdown("##### Labels that may be wrong")
    if not suspects.ranked(workspace, run):
        _offer(workspace, run)
        return
    found = suspects.summary(workspace.store, run)
    _headline(found, suspects.checked(workspace.store, run))
    with st.container(horizontal=True):
        if st.button("Check the most doubtful labels", type="primary", icon=":material/arrow_forward:", key="suspects.open"):
            queue = Queue("suspects", (run,))
            collection = runs.status(workspace, run).config.collection
            st.switch_page("pages/verify.py", query_params={"collection": collection, "queue": str(queue)})
        if st.button("Rank again", icon=":material/refresh:", key="suspects.again", help="By this run alone."):
            _rank(workspace, run)
    listed, pairs = st.columns([3, 2], gap="large")
    with listed:
        _most_doubtful(workspace, run)
    with pairs:
        _pairs(found)


def _offer(workspace: Workspace, run: str) -> None:
    if not suspects.rankable(workspace.store, run):
        st.caption("This run has no predictions on labels that it did not learn from. A run with folds judges all labels.")
        return
    st.caption(
        "A label that a model which never saw it holds for unlikely may be wrong. Ranking takes a few seconds; the queue then opens in "
        "Verify."
    )
    if st.button("Rank the labels", icon=":material/sort:", key="suspects.rank"):
        _rank(workspace, run)


def _rank(workspace: Workspace, run: str) -> None:
    try:
        with st.spinner("Ranking the labels"):
            suspects.search(workspace, [run])
    except CropcheckError as error:
        st.error(str(error), icon=":material/block:")
    else:
        st.rerun()


def _headline(found: Summary, checked: Checked) -> None:
    share = found.share
    with st.container(horizontal=True):
        st.metric("Labels ranked", f"{found.samples:,}")
        st.metric(
            f"Counted as errors ({share.low:.1%}–{share.high:.1%})", f"{found.counted:,} = {share.value:.1%}",
            help="By confident learning. The interval is of the sampling alone: the count itself can be off, see docs/suspects.md.",
        )  # fmt: skip
        if checked.wrong + checked.right:
            seen = checked.precision
            st.metric(
                f"Of the checked ones wrong ({seen.low:.2f}–{seen.high:.2f})", f"{checked.wrong} of {checked.wrong + checked.right}",
                help="Relabelled or rejected since the run; the others hold. With a 95 % interval.",
            )  # fmt: skip
    if checked.deepest:
        unsure = f", {checked.unsure} unsure" if checked.unsure else ""
        st.caption(f"Checked since the run: {checked.wrong} wrong, {checked.right} right{unsure}; down to rank {checked.deepest:,}.")


def _most_doubtful(workspace: Workspace, run: str) -> None:
    rows = [
        {"": row["rank"], "Sample": row["sample"], "Label": row["given"], "Model": row["suggested"], "Probability": row["probability"]}
        for row in suspects.top(workspace.store, run, MOST_LABELS)
    ]
    shown = st.column_config.NumberColumn(format="%.3f", help="Of the label, by a model that never saw it.")
    st.dataframe(rows, hide_index=True, key="suspects.top", column_config={"Probability": shown})


def _pairs(found: Summary) -> None:
    if found.pairs:
        rows = [{"Label": given, "May be": suggested, "Counted": count} for given, suggested, count in found.pairs[:MOST_PAIRS]]
        st.dataframe(rows, hide_index=True, key="suspects.pairs")
