"""The way into the app: its pages, and the road back through app.py where Streamlit ran a page without it."""

import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

ROOT = Path(__file__).resolve().parents[2]
INSIDE = "entry.inside"  # in the session's state while app.py runs a page


def navigation(*, menu: bool = True) -> StreamlitPage:
    """Set up the title and the pages, with their menu or without; the one that was asked for is to be run."""
    st.set_page_config(page_title="Cropcheck", page_icon=str(ROOT / "static" / "icon.png"), layout="wide")
    st.html(ROOT / "static" / "app.css")
    return st.navigation(
        [
            st.Page(ROOT / "pages" / "overview.py", title="Overview", icon=":material/dashboard:", default=True),
            st.Page(ROOT / "pages" / "data.py", title="Data", icon=":material/database:", url_path="data"),
            st.Page(ROOT / "pages" / "verify.py", title="Verify", icon=":material/task_alt:", url_path="verify"),
            st.Page(ROOT / "pages" / "wall.py", title="Wall", icon=":material/grid_view:", url_path="wall"),
            st.Page(ROOT / "pages" / "review.py", title="Review", icon=":material/gavel:", url_path="review"),
            st.Page(ROOT / "pages" / "explore.py", title="Explore", icon=":material/show_chart:", url_path="explore"),
            st.Page(ROOT / "pages" / "map.py", title="Map", icon=":material/map:", url_path="map"),
            st.Page(ROOT / "pages" / "train.py", title="Train", icon=":material/model_training:", url_path="train"),
            st.Page(ROOT / "pages" / "results.py", title="Results", icon=":material/grid_on:", url_path="results"),
            st.Page(ROOT / "pages" / "studies.py", title="Studies", icon=":material/science:", url_path="studies"),
            st.Page(ROOT / "pages" / "quality.py", title="Quality", icon=":material/verified:", url_path="quality"),
            st.Page(ROOT / "pages" / "team.py", title="Team", icon=":material/group:", url_path="team"),
            st.Page(ROOT / "pages" / "history.py", title="History", icon=":material/history:", url_path="history"),
        ],
        position="top" if menu else "hidden",
    )


@contextmanager
def inside_app() -> Iterator[None]:
    """Around a page that app.py runs."""
    st.session_state[INSIDE] = True
    try:
        yield
    finally:
        st.session_state.pop(INSIDE, None)


def through_app() -> None:
    """Run app.py, and the page through it, where Streamlit ran a page by itself; else do nothing.

    Until `st.navigation` was called once in a server's life, Streamlit takes the files of a folder `pages/` for pages of
    their own and runs them without app.py: nobody asked who is there, no navigation. A reload after the server's restart meets that.
    """
    if INSIDE not in st.session_state:
        runpy.run_path(str(ROOT / "app.py"))
        st.stop()
