"""Wall: screen hundreds of images at once, the likely bad ones first, and accept the rest."""

import streamlit as st

from data.errors import BadInput
from labeling import suspicion, wall_serving
from pages.widgets import badges, chooser, resources, wall, wall_preparing

# The wall needs the whole screen, and must not fade while the server is busy: it works ahead of it.
STYLE = """<style>
.stMainBlockContainer { padding: 4.2rem 1.2rem 0 1.2rem; max-width: none; }
.stElementContainer[data-stale="true"] { opacity: 1 !important; }
</style>"""

collection = chooser.collection()
workspace = resources.workspace()

with st.sidebar:
    badges.collection_badge(collection)
    st.caption("Every button names its key. **?** lists them all.")

try:
    suspicion.require_pictures(collection)
except BadInput as error:
    st.info(str(error), icon=":material/grid_off:")
    st.stop()

if not st.session_state["curator"].strip():
    st.info("Enter your name as curator in the sidebar: it is stored with every mark.", icon=":material/person:")
    st.stop()

wall_preparing.show(workspace, collection)

# An address names a page of one collection; it is no page of the collection that was chosen after it.
asked = st.query_params.to_dict() if st.session_state.get("wall.collection") in (None, collection.name) else {}
st.session_state["wall.collection"] = collection.name
try:
    start = wall_serving.checked(workspace.store, *wall_serving.asked(collection.name, asked))
except BadInput as error:
    st.warning(str(error), icon=":material/search_off:")
    start = wall_serving.asked(collection.name, {})

st.html(STYLE)
wall.show(workspace, collection.name, start, st.session_state["curator"].strip())
