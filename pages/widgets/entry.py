"""The way into the app that leads through app.py, whatever address was opened first."""

import runpy
from pathlib import Path

import streamlit as st

APP = Path(__file__).resolve().parents[2] / "app.py"


def through_app() -> None:
    """Run app.py, and the page through it, where Streamlit ran a page by itself; else do nothing.

    Until `st.navigation` was called once in a server's life, Streamlit takes the files of a folder `pages/` for pages of
    their own and runs them without app.py: no curator, no navigation. A reload after the server's restart meets that.
    """
    if "curator" not in st.session_state:
        runpy.run_path(str(APP))
        st.stop()
