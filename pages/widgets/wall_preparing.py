"""What comes before a wall: its figures are worked out from the pixels once, at once where they are few, else by a job that this shows."""

import streamlit as st

from data import jobs
from data.catalogue import Collection
from data.workspace import Workspace
from labeling import suspicion
from pages.widgets import data_job

FORM = "wall"
FEW = 3_000  # images that are not worth a job: they take about a second


def show(workspace: Workspace, collection: Collection) -> None:
    """Nothing where all is ready; else the job and a button for it, and the end of the page unless some images are ready."""
    state = suspicion.state(workspace.store, collection.name)
    if not state.ready and state.images <= FEW:
        with st.spinner(f"Looking at {state.images:,} images"):
            state = suspicion.prepare(workspace, collection.name)
    if state.ready:
        return
    argv = ("wall", "--collection", collection.name)
    job = jobs.newest(workspace, argv)
    active = job is not None and job.active
    if not active:
        _offer(workspace, collection, state, list(argv))
    if job and (active or job.state not in jobs.DONE):
        data_job.watch(workspace, job)
    data_job.refusal(FORM)
    if active or not state.known:
        st.stop()


def _offer(workspace: Workspace, collection: Collection, state: suspicion.State, argv: list[str]) -> None:
    left = state.images - state.known
    text = (
        f"{left:,} of {state.images:,} images are new to the wall: their brightness, missing pixels and outlier scores are worked out "
        "from the pixels once, and nobody has to wait for it here."
        if left
        else "The outlier scores of this collection are not worked out to the end."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        title = f"Prepare the wall of {collection.name}"
        st.button(
            "Prepare the wall", type="primary", icon=":material/grid_view:", key="wall.prepare",
            on_click=data_job.begin, args=(workspace, FORM, argv, title, None, "labeling"),
        )  # fmt: skip
        st.markdown(text)
