"""The form of a new study: what it compares, with which model, how it is judged, and how many runs that makes."""

from typing import Any

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.workspace import Workspace
from modeling import config as settings
from modeling import registry
from modeling.studies import control, kinds
from modeling.studies.kinds import KINDS, LABELS, MODELS, SPLITS, Choices
from pages.widgets import resources

PARTS = {"5 folds": {"folds": 5}, "10 folds": {"folds": 10}, "60/20/20": {"folds": 0}}
SPLIT_NAMES = {"random": "Random", "block": "Blocks"}
LABEL_NAMES = {"inventory": "Inventory", "verified": "Verified only", "mixed": "In force"}


def show(workspace: Workspace, collection: Collection) -> None:
    """The form, and what a start comes to: a study in a process of its own, or why it cannot be."""
    st.markdown("##### New study")
    kind = st.selectbox("Compare", list(KINDS), format_func=lambda name: KINDS[name].title, key="studies.kind")
    st.caption(KINDS[kind].question)
    models = _models(kind, collection)
    seeds, shared = _settings(kind)
    choices = Choices(kind, collection.name, **models, seeds=seeds, settings=shared)
    refused = _estimate(workspace, choices)
    st.button(
        "Start the study", type="primary", icon=":material/play_arrow:", key="studies.start", disabled=bool(refused),
        on_click=_start, args=(workspace, choices),
    )  # fmt: skip
    if error := st.session_state.pop("studies.refused", None):
        st.error(error, icon=":material/block:")


def _models(kind: str, collection: Collection) -> dict[str, Any]:
    names = registry.suited(is_series=collection.is_series)

    def title(name: str) -> str:
        return registry.MODELS[name].title

    if kind != MODELS:
        return {"model": st.selectbox("Model", names, format_func=title, key=f"studies.model.{collection.is_series}")}
    chosen = st.multiselect("Models", names, format_func=title, key=f"studies.models.{collection.is_series}", placeholder="All that suit")
    return {"models": tuple(chosen)}


def _settings(kind: str) -> tuple[int, dict[str, Any]]:
    """How many seeds, and the settings of training that every run shares."""
    first, second = st.columns(2)
    found = dict(PARTS[first.selectbox(
        "Parts", list(PARTS), key="studies.parts",
        help="Folds: every sample is judged by a model that never saw it. 60/20/20: the test part is judged.",
    )])  # fmt: skip
    seeds = second.number_input(
        "Seeds", 1, 20, 3 if kind == LABELS else 1, key=f"studies.seeds.{kind}",
        help="How many times each is trained, from other initial weights and on another split.",
    )  # fmt: skip
    first, second = st.columns(2)
    if kind != LABELS:
        found["labels"] = first.selectbox("Labels", settings.LABELS, format_func=LABEL_NAMES.get, key="studies.labels")
    epochs = second.number_input("Epochs", 1, 5000, None, key="studies.epochs", placeholder="auto", help="Empty: the model's own number.")
    found |= {"epochs": epochs} if epochs else {}
    return seeds, found | (_split() if kind != SPLITS else {})


def _split() -> dict[str, Any]:
    first, second = st.columns(2)
    split = first.selectbox("Split", list(SPLIT_NAMES), format_func=SPLIT_NAMES.get, key="studies.split")
    if split != "block":
        return {"split": split}
    return {"split": split, "block_side_m": float(second.number_input("Side (m)", 100, 200_000, 750, step=250, key="studies.block_side_m"))}


def _estimate(workspace: Workspace, choices: Choices) -> str:
    """Say how many runs it makes and what is left out; gives why it cannot be started."""
    try:
        planned = kinds.plan(choices, resources.study_allowed(workspace, choices.collection))
    except CropcheckError as error:
        st.warning(str(error), icon=":material/block:")
        return str(error)
    runs, folds = len(planned.configs), choices.settings["folds"]
    each = f", each of {folds} trainings" if folds else ""
    each += f" of {choices.settings['epochs']} epochs" if "epochs" in choices.settings else ""
    st.markdown(f"**{len(planned.variants)} variants, {runs} runs**{each}, one after the other.")
    for note in planned.notes:
        st.caption(note)
    return ""


def _start(workspace: Workspace, choices: Choices) -> None:
    """Launch it; runs before the page is drawn again."""
    try:
        st.session_state["studies.name"] = control.launch(workspace, choices)
    except CropcheckError as error:
        st.session_state["studies.refused"] = str(error)
