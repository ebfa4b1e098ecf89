"""Cropcheck: verify crop labels of Sentinel-2 patches, train on what was verified, and check what the model doubts.

Runs before every page: title, navigation, curator. Start with `make run`.
"""

import getpass
from pathlib import Path

import streamlit as st

from data.errors import CropcheckError
from pages.widgets import resources

st.set_page_config(page_title="Cropcheck", page_icon=str(Path(__file__).parent / "static" / "icon.png"), layout="wide")
st.html(Path(__file__).parent / "static" / "app.css")
st.session_state.setdefault("curator", getpass.getuser())

page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/dashboard:", default=True),
        st.Page("pages/verify.py", title="Verify", icon=":material/task_alt:", url_path="verify"),
        st.Page("pages/explore.py", title="Explore", icon=":material/show_chart:", url_path="explore"),
        st.Page("pages/map.py", title="Map", icon=":material/map:", url_path="map"),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:", url_path="train"),
        st.Page("pages/results.py", title="Results", icon=":material/grid_on:", url_path="results"),
    ],
    position="top",
)

with st.sidebar:
    st.text_input("Curator", key="curator", help="Your name, stored with every decision.", persist_state="session")

try:
    resources.workspace()
    page.run()
except CropcheckError as error:
    st.error(str(error), icon=":material/error:")
