"""History: what was said, sample by sample and day by day; frozen versions and what differs between two; backups of the store."""

import streamlit as st

from labeling import history
from pages.widgets import badges, chooser, history_backups, history_days, history_events, history_samples, history_versions, resources

SECTIONS = {
    "Events": history_events.show,
    "Samples": history_samples.show,
    "Days": history_days.show,
    "Versions": history_versions.show,
    "Backups": history_backups.show,
}

collection = chooser.collection()
workspace = resources.workspace()
badges.collection_badge(collection)
st.session_state.setdefault("history.section", next(iter(SECTIONS)))
section = st.segmented_control("Section", list(SECTIONS), required=True, key="history.section", label_visibility="collapsed")
SECTIONS[section](workspace, collection, history.viewer(workspace.store, st.session_state["curator"].strip()))
