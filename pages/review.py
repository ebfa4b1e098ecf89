"""Review: second looks that are due, conflicts with all answers, what reviewers settled, and what they said of one's own work."""

import streamlit as st

from labeling import reviews, team
from pages.widgets import badges, chooser, inbox, resources, review_panel

CONFLICTS, SECOND, SETTLED, TO_YOU = VIEWS = ("Conflicts", "Second looks", "Settled", "To you")

collection = chooser.collection()
workspace = resources.workspace()
curator = st.session_state["curator"].strip()
badges.collection_badge(collection)

counts = reviews.counts(workspace.store, collection.name, curator)
new = reviews.unread(workspace.store, curator)
review_panel.headline(counts, new)

asked = st.query_params.get("view")
if asked in VIEWS and st.session_state.get("review.asked") != asked:
    st.session_state["review.view"] = st.session_state["review.asked"] = asked
st.session_state.setdefault("review.view", TO_YOU if new else CONFLICTS)
view = st.segmented_control("View", VIEWS, required=True, key="review.view", label_visibility="collapsed")
if view == CONFLICTS:
    review_panel.conflicts(workspace, collection, counts, team.find(workspace.store, curator))
elif view == SECOND:
    review_panel.second_looks(collection, counts)
elif view == SETTLED:
    review_panel.settled(workspace, collection)
else:
    inbox.show(workspace, curator)
