"""Results: the confusion matrix of a run, its scores by class, two runs side by side. A click on a cell opens its samples."""

import streamlit as st

from labeling.queues import Queue
from modeling import figures, runs
from pages.widgets import badges, chooser, resources, scores

collection = chooser.collection()
workspace = resources.workspace()
finished = [run.name for run in runs.listing(workspace) if run.state == "finished" and run.config.collection == collection.name]

badges.collection_badge(collection)
if not finished:
    st.info(f"No run on {collection.name} is finished yet. Train one first.", icon=":material/model_training:")
    if st.button("Train a model", type="primary", key="results.train"):
        st.switch_page("pages/train.py")
    st.stop()


def short(run: str) -> str:
    """A run's name without that of its collection, which is chosen above it."""
    return run.removeprefix(f"{collection.name}-")


asked = st.query_params.get("run")
if asked in finished and st.session_state.get("results.asked") != asked:
    st.session_state["results.run"] = st.session_state["results.asked"] = asked
with st.sidebar:
    name = st.selectbox("Run", finished, format_func=short, key="results.run")
    other = st.selectbox(
        "Compare with",
        [None, *(run for run in finished if run != name)],
        format_func=lambda run: short(run) if run else "no other run",
        key="results.other",
    )

if cell := st.session_state.pop("results.cell", None):
    queue = Queue("cell", (name, *cell))
    st.switch_page("pages/verify.py", query_params={"collection": collection.name, "queue": str(queue)})

found = runs.results(workspace, name)
compared = runs.results(workspace, other) if other else None
scores.headline(found, compared)


def clicked() -> None:
    """Open the cell that was clicked."""
    points = st.session_state["results.matrix"]["selection"]["points"]
    if points:
        scores.open_cell(*points[0]["customdata"][:2])


matrix, table = st.columns([3, 2], gap="large")
with matrix:
    st.plotly_chart(
        figures.confusion_figure(found), key="results.matrix", on_select=clicked, selection_mode="points",
        config={"displayModeBar": False},
    )  # fmt: skip
    st.caption("Rows: the label it was judged against. Columns: what the model read. A click on a cell opens its samples in Verify.")
with table:
    scores.worst_cells(found)
    scores.per_class(found, compared)
st.markdown("##### F1, precision and recall by class")
st.plotly_chart(figures.per_class_figure(found, compared), key="results.f1", config={"displayModeBar": False})
if compared:
    st.markdown(f"##### {short(other)}")
    st.plotly_chart(figures.confusion_figure(compared), key="results.matrix.other", config={"displayModeBar": False})
