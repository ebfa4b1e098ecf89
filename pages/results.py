"""Results: how well a run does, by class, region and year, how sure it may be, and beside other runs. A cell opens its samples."""

import streamlit as st

from labeling.queues import Queue
from modeling import runs
from pages.widgets import badges, chooser, resources, results_compare, results_data, results_views, scores, suspects_panel, worked_panel

VIEWS = ("Matrix", "After checking", "Classes", "Groups", "Calibration", "Label errors", "Compare", "Table")
OF_TWO = ("Classes", "Compare", "Table")  # show another run beside this one

collection = chooser.collection()
workspace = resources.workspace()
known = runs.listing(workspace)
finished = [run.name for run in known if run.state == "finished" and run.config.collection == collection.name]

badges.collection_badge(collection)
asked = st.query_params.get("run")
if asked and asked not in [run.name for run in known]:
    st.warning(f"There is no run {asked!r} in this workspace: its folder was deleted or renamed.", icon=":material/search_off:")
elif asked and any(run.name == asked and run.config.collection == collection.name and run.state != "finished" for run in known):
    st.info(f"The run {asked} is not finished; the Train page shows how far it is.", icon=":material/hourglass_empty:")
if not finished:
    st.info(f"No run on {collection.name} is finished yet. Train one first.", icon=":material/model_training:")
    if st.button("Train a model", type="primary", key="results.train"):
        st.switch_page("pages/train.py")
    st.stop()


def short(run: str) -> str:
    """A run's name without that of its collection, which is chosen above it."""
    return run.removeprefix(f"{collection.name}-")


def to_comparison() -> None:
    """Show what was asked for when a run to compare with is chosen."""
    if st.session_state["results.other"] and st.session_state.get("results.view") not in OF_TWO:
        st.session_state["results.view"] = "Compare"


if asked in finished and st.session_state.get("results.asked") != asked:
    st.session_state["results.run"] = st.session_state["results.asked"] = asked
with st.sidebar:
    name = st.selectbox("Run", finished, format_func=short, key="results.run")
    other = st.selectbox(
        "Compare with",
        [None, *(run for run in finished if run != name)],
        format_func=lambda run: short(run) if run else "no other run",
        key="results.other",
        on_change=to_comparison,
    )

if cell := st.session_state.pop("results.cell", None):
    queue = Queue("cell", (name, *cell))
    st.switch_page("pages/verify.py", query_params={"collection": collection.name, "queue": str(queue)})

found = results_data.results(workspace, name)
compared = results_data.results(workspace, other) if other else None
scores.headline(found)
scores.words(found)
st.session_state.setdefault("results.view", VIEWS[0])
view = st.segmented_control("View", VIEWS, required=True, key="results.view", label_visibility="collapsed")
if view == "Matrix":
    results_views.matrix(workspace, found)
elif view == "After checking":
    worked_panel.panel(workspace, found)
elif view == "Classes":
    results_views.classes(workspace, found, compared)
elif view == "Groups":
    results_views.groups(workspace, found)
elif view == "Calibration":
    results_views.calibration(workspace, found)
elif view == "Label errors":
    suspects_panel.panel(workspace, name)
elif view == "Compare":
    results_compare.compare(workspace, finished, found, compared, short)
else:
    results_compare.breizhcrops(found, compared, short)
