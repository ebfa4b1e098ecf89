"""The one thing to do next in the loop: verify, train, read the matrix, verify what it points at."""

import streamlit as st

from data.catalogue import Collection
from data.info import Progress
from data.workspace import Workspace
from labeling import queues, reviews
from labeling.queues import Queue
from modeling import runs

ENOUGH_VERIFIED = 20


def show(workspace: Workspace, collection: Collection, progress: Progress) -> None:
    """One sentence with one button, from the state of the collection."""
    trained = [run for run in runs.listing(workspace) if run.config.collection == collection.name and run.state == "finished"]
    here = {"collection": collection.name}
    if progress.decided < min(ENOUGH_VERIFIED, progress.samples) and not trained:
        text, page, label = (
            f"{progress.samples - progress.decided:,} labels wait for a curator. One key decides and goes on to the next field.",
            "pages/verify.py", "Verify labels",
        )  # fmt: skip
        here["queue"] = "unverified"
    elif not trained:
        text, page, label = "Enough is verified to train a first model on it.", "pages/train.py", "Train a model"
    else:
        text, page, label = (
            f"Run {trained[0].name} is finished: its confusion matrix shows which labels to look at next.",
            "pages/results.py", "Read the confusion matrix",
        )  # fmt: skip
        here = {"run": trained[0].name}
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(label, type="primary", key="overview.next", icon=":material/arrow_forward:"):
            st.switch_page(page, query_params=here)
        st.markdown(text)
    _team(workspace, collection)


def _team(workspace: Workspace, collection: Collection) -> None:
    """What others wait for: second looks and conflicts that the curator may take; nothing where there is none."""
    curator = st.session_state["curator"]
    found = reviews.counts(workspace.store, collection.name, curator)
    waiting = {
        "second": ("Give a second look", f"{found.for_you:,} decisions of others wait for a second look."),
        "conflicts": ("Settle conflicts", f"In {found.states.get('conflict', 0):,} samples two curators differ."),
    }
    for kind, (label, text) in waiting.items():
        if queues.following(workspace.store, collection.name, Queue(kind), None, 1, curator=curator):
            with st.container(horizontal=True, vertical_alignment="center"):
                if st.button(label, key=f"overview.{kind}", icon=":material/group:"):
                    st.switch_page("pages/verify.py", query_params={"collection": collection.name, "queue": kind})
                st.markdown(text)
