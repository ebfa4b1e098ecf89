"""Cropcheck: verify crop labels of Sentinel-2 patches, train on what was verified, and check what the model doubts.

Runs before every page: who is at the screen, title, navigation. Start with `make run`.
"""

import streamlit as st

from data.errors import CropcheckError
from pages.widgets import entry, identity, resources

instead = identity.barrier()
page = entry.navigation(menu=instead is None)

try:
    if instead:
        instead()
    else:
        identity.sidebar(resources.workspace().store)
        with entry.inside_app():
            page.run()
except CropcheckError as error:
    st.error(str(error), icon=":material/error:")
