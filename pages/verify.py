"""Verify: look at one field after another, say with one key what grows there, and go on."""

import streamlit as st

from data import catalogue
from data.errors import UnknownSample
from labeling import serving
from pages.widgets import badges, card, chooser, inbox, queue_chooser, resources

# The card needs the whole screen, and must not fade while the server is busy: it works ahead of it.
STYLE = """<style>
.stMainBlockContainer { padding: 4.2rem 1.2rem 0 1.2rem; }
.stElementContainer[data-stale="true"] { opacity: 1 !important; }
</style>"""

workspace = resources.workspace()
asked = st.query_params.get("sample")
collection = chooser.collection()
queue = queue_chooser.queue(workspace, collection)

with st.sidebar:
    badges.collection_badge(collection)
    st.caption("Every button names its key. **?** lists them all.")
    inbox.badge(workspace, st.session_state["curator"].strip())
    if st.query_params.get("from") == "map":
        st.page_link("pages/map.py", label="Back to the map", icon=":material/map:")

sample = None
if asked:
    try:
        sample = catalogue.sample_id(workspace.store, collection.name, asked)
    except UnknownSample as error:
        st.warning(str(error), icon=":material/search_off:")

if not st.session_state["curator"].strip():
    st.info("Enter your name as curator in the sidebar: it is stored with every decision.", icon=":material/person:")
    st.stop()

st.html(STYLE)
start = serving.start_of(workspace, collection.name, queue, sample)
card.show(workspace, collection.name, queue, start, st.session_state["curator"].strip())
