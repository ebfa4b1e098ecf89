"""Train: choose what to learn from and how, watch it learn, stop it, and see what ran before."""

import streamlit as st

from data import info
from data.errors import CropcheckError
from modeling import config as settings
from modeling import registry, runs
from modeling.config import TrainConfig
from pages.widgets import badges, chooser, resources, run_panel

LABELS = {
    "inventory": "Inventory: the map's own labels",
    "verified": "Verified only",
    "mixed": "In force: verified where there is a decision",
}
INPUTS = {"bands+indices": "All bands and six indices", "bands": "All bands", "indices": "Six indices"}
SPLITS = {"random": "Random by site", "block": "Spatial blocks"}
PARTS = {0: "60 / 20 / 20 %", 5: "5 folds", 10: "10 folds"}
LARGE_BLOCK_M, SMALL_BLOCK_M = 10_000, 750  # for collections over provinces, and over a few kilometres

collection = chooser.collection()
workspace = resources.workspace()
progress = info.progress(workspace.store, collection.name)
badges.collection_badge(collection)


def start() -> None:
    """Launch what the form describes; runs before the page is drawn again."""
    values = {key.removeprefix("train.set."): value for key, value in st.session_state.items() if key.startswith("train.set.")}
    model = values.pop("model")
    values["epochs"] = values.pop(f"epochs.{model}")
    chosen = {name: value for name, value in values.items() if not name.startswith("epochs.")}
    try:
        config = TrainConfig.for_model(
            model, collection.name, **chosen | {"block_side_m": float(chosen.get("block_side_m", LARGE_BLOCK_M))}
        )
        st.session_state["train.run"] = runs.launch(workspace, config)
    except CropcheckError as error:
        st.session_state["train.refused"] = str(error)


form, watch = st.columns([2, 3], gap="large")
with form:
    st.markdown("##### New run")
    model = st.selectbox("Model", list(registry.MODELS), format_func=lambda name: registry.MODELS[name].title, key="train.set.model")
    st.radio("Labels", list(LABELS), format_func=LABELS.get, key="train.set.labels")
    st.caption(
        f"{progress.agreed + progress.relabelled} of {progress.samples} samples are verified "
        f"({progress.relabelled} of them relabelled), {progress.rejected} rejected."
    )
    first, second = st.columns(2)
    first.selectbox("Inputs", settings.INPUTS, format_func=INPUTS.get, key="train.set.inputs")
    second.number_input("Epochs", 1, 1000, registry.MODELS[model].defaults["epochs"], key=f"train.set.epochs.{model}")
    split = first.selectbox("Split", settings.METHODS, format_func=SPLITS.get, key="train.set.split")
    second.selectbox(
        "Parts", list(PARTS), format_func=PARTS.get, key="train.set.folds",
        help="Train, validation and test part; or folds: every sample is judged by a model that never saw it.",
    )  # fmt: skip
    first.selectbox("Device", settings.DEVICES, key="train.set.device", help="auto: a GPU where there is one.")
    second.number_input("Seed", 0, 10_000, 0, key="train.set.seed")
    if split == "block":
        side = SMALL_BLOCK_M if collection.name.startswith("bavaria") else LARGE_BLOCK_M
        first.number_input("Block side (m)", 100, 200_000, side, step=250, key="train.set.block_side_m")
    st.button("Start training", type="primary", icon=":material/play_arrow:", key="train.start", on_click=start)
    if refused := st.session_state.pop("train.refused", None):
        st.error(refused)
    st.caption(registry.MODELS[model].paper)

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
