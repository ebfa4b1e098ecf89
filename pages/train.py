"""Train: choose what to learn from and how, watch it learn, stop it, and see what ran before."""

import streamlit as st

from data.errors import CropcheckError
from modeling import registry, runs
from modeling.config import TrainConfig
from pages.widgets import badges, chooser, resources, run_panel, train_form

collection = chooser.collection()
workspace = resources.workspace()
badges.collection_badge(collection)


def start(chosen: train_form.Settings) -> None:
    """Launch what the form describes, and watch it."""
    try:
        st.session_state["train.run"] = runs.launch(workspace, TrainConfig.for_model(chosen.pop("model"), collection.name, **chosen))
        st.session_state.pop("train.active", None)
    except CropcheckError as error:
        st.error(str(error))


form, watch = st.columns([2, 3], gap="large")
with form:
    st.markdown("##### New run")
    chosen = train_form.show(workspace.store, collection)
    paper = registry.MODELS[chosen["model"]].paper
    if st.button("Start training", type="primary", icon=":material/play_arrow:", key="train.start"):
        start(chosen)
    st.caption(paper)

known = [run for run in runs.listing(workspace) if run.config.collection == collection.name]
with watch:
    watched = next((run for run in known if run.name == st.session_state.get("train.run")), known[0] if known else None)
    if watched is None:
        st.markdown("##### Progress")
        st.info(
            "No run on this collection yet. Start one on the left: the default takes well under a minute.", icon=":material/model_training:"
        )
    else:
        st.fragment(run_panel.live, run_every="1s" if watched.active else None)(workspace, watched.name)

if known:
    st.markdown("##### Runs on this collection")
    run_panel.table(workspace, known)
