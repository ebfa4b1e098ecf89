"""The shares of the mixed queue: sliders for the next list, and a button that makes them the collection's rule."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.workspace import Workspace
from labeling import policy, team
from labeling.rankings.registry import KINDS

STEP = 5  # per cent
COLUMNS = 3


def show(workspace: Workspace, collection: Collection) -> Callable[[], dict[str, Any]]:
    """The sliders, in a popover; returns what gives the mix that they stand at, as parameters of the queue."""
    keys = {kind: f"verify.share.{collection.name}.{kind}" for kind in policy.MIXABLE}
    _sliders(workspace, collection, keys)
    return lambda: {"mix": _standing(keys)}


@st.fragment
def _sliders(workspace: Workspace, collection: Collection, keys: dict[str, str]) -> None:
    """They run again alone: the card beside them stays as it is."""
    rule = policy.read(workspace.store, collection.name).mix
    whole = sum(rule.values())
    with st.popover("Shares", icon=":material/tune:", width="stretch", key="verify.shares"):
        st.caption("How much of the mixed queue each kind is. They need not sum to 100; what has nothing gives its share to the others.")
        columns = st.columns(COLUMNS)
        for place, (kind, key) in enumerate(keys.items()):
            columns[place % COLUMNS].slider(
                KINDS[kind].title, 0, 100, round(100 * rule.get(kind, 0) / whole), STEP, key=key, format="%d", help=KINDS[kind].help
            )
        st.button(
            "Save as the team's rule", icon=":material/save:", key="verify.shares.save", on_click=_save, args=(workspace, collection, keys)
        )
        told = st.session_state.pop("verify.shares.told", None)
        if told:
            (st.error if told[0] else st.success)(told[1])


def _standing(keys: dict[str, str]) -> dict[str, float]:
    """Kind -> 0..1, of the sliders that stand above 0."""
    return {kind: st.session_state[key] / 100 for kind, key in keys.items() if st.session_state.get(key)}


def _save(workspace: Workspace, collection: Collection, keys: dict[str, str]) -> None:
    """Put the shares in force, if the curator may; what came of it is told in the popover."""
    try:
        team.require(workspace.store, st.session_state.get("curator", ""), "administrator")
        policy.write(workspace.store, collection.name, replace(policy.read(workspace.store, collection.name), mix=_standing(keys)))
        st.session_state["verify.shares.told"] = (False, "Saved. The next list is dealt by these shares.")
    except CropcheckError as error:
        st.session_state["verify.shares.told"] = (True, str(error))
