"""The Verify card as a Streamlit component: passes messages between the card in the browser and `labeling.serving`."""

import uuid
from pathlib import Path

import streamlit as st

from data.errors import CropcheckError
from data.workspace import Workspace
from labeling import serving
from labeling.queues import Queue
from pages.widgets import identity

HERE = Path(__file__).parent
SCRIPTS = ("unsaved.js", "paint.js", "view.js", "keys.js", "card.js")
KEY = "verify.card"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "cropcheck.card", html=_read("card.html"), css=_read("card.css"), js="\n".join(_read(name) for name in SCRIPTS)
)


@st.fragment
def show(workspace: Workspace, collection: str, queue: Queue, start: int | None, curator: str) -> None:
    """The card of `start` and of what follows it in the queue; runs again at every message of the card, the page does not."""
    message = (st.session_state.get(KEY) or {}).get("client")
    try:
        said, waiting = identity.vouched(workspace.store, curator, message)
        answer = serving.answer(workspace, collection, curator, queue, start, said, holder=_holder())
        answer["failure"] = answer["failure"] or waiting
    except CropcheckError as error:
        if message is None:
            raise
        answer = {"n": message["n"], "failure": str(error), "cards": []}  # the card keeps its decisions and tries again
    if answer["cards"] and "error" in answer["cards"][0]:
        st.error(answer["cards"][0]["error"], icon=":material/error:")
    _component(key=KEY, data=answer, on_client_change=lambda: None)


def _holder() -> str:
    """Names this browser tab: Streamlit has a session for each."""
    return st.session_state.setdefault("verify.holder", uuid.uuid4().hex)
