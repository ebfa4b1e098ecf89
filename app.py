"""Cropcheck: verify crop labels of Sentinel-2 patches, train on what was verified, and check what the model doubts.

Runs before every page: title, navigation, curator. Start with `make run`.
"""

import getpass

import streamlit as st

from data.errors import CropcheckError
from pages.widgets import entry, resources

st.session_state.setdefault("curator", getpass.getuser())

page = entry.navigation()

with st.sidebar:
    st.text_input("Curator", key="curator", help="Your name, stored with every decision.", persist_state="session")

try:
    resources.workspace()
    page.run()
except CropcheckError as error:
    st.error(str(error), icon=":material/error:")
