"""Data: get imagery for sites, add inventory labels, import published data sets and folders, publish what was curated."""

import streamlit as st

from pages.widgets import data_imports, data_ingest, data_inventory, data_job, data_publish, entry, resources

SECTIONS = {
    "Get imagery": data_ingest.show, "Inventory labels": data_inventory.show, "Import files": data_imports.show,
    "Publish": data_publish.show, "Jobs": data_job.show,
}  # fmt: skip

entry.through_app()
section = st.segmented_control(
    "Section", list(SECTIONS), default="Get imagery", required=True, key="data.section", label_visibility="collapsed",
    persist_state="session",
)  # fmt: skip
SECTIONS[section](resources.workspace())
