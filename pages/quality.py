"""Quality: what can be said of the labels and of the people: agreement, curators, the inventory's error rate, and the queues."""

import streamlit as st

from pages.widgets import badges, chooser, quality_agreement, quality_audit, quality_curators, quality_queues, resources

SECTIONS = {
    "Agreement": quality_agreement.show,
    "Curators": quality_curators.show,
    "Inventory error rate": quality_audit.show,
    "Queues": quality_queues.show,
}

collection = chooser.collection()
workspace = resources.workspace()
badges.collection_badge(collection)
st.session_state.setdefault("quality.section", next(iter(SECTIONS)))
section = st.segmented_control("Section", list(SECTIONS), required=True, key="quality.section", label_visibility="collapsed")
SECTIONS[section](workspace, collection.name)
