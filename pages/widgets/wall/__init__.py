"""The wall as a Streamlit component: passes messages between the tiles in the browser and `labeling.wall_serving`."""

from pathlib import Path

import streamlit as st

from data.errors import CropcheckError
from data.workspace import Workspace
from labeling import wall_serving
from labeling.wall import Wall
from pages.widgets import identity

HERE = Path(__file__).parent
SCRIPTS = ("../card/unsaved.js", "tiles.js", "keys.js", "marks.js", "wall.js")  # what is not saved yet is kept as the card keeps it
KEY = "wall.component"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "cropcheck.wall", html=_read("wall.html"), css=_read("wall.css"), js="\n".join(_read(name) for name in SCRIPTS)
)


@st.fragment
def show(workspace: Workspace, collection: str, start: tuple[Wall, int], curator: str) -> None:
    """The wall from the page that `start` names on; runs again at every message of the wall, the page around it does not."""
    message = (st.session_state.get(KEY) or {}).get("client")
    try:
        said, waiting = identity.vouched(workspace.store, curator, message)
        answer = wall_serving.answer(workspace, collection, curator, start, said)
        answer["failure"] = answer["failure"] or waiting
    except CropcheckError as error:
        if message is None:
            raise
        answer = {"n": message["n"], "failure": str(error)}  # the wall keeps what was said and tries again
    _component(key=KEY, data=answer, on_client_change=lambda: None)
