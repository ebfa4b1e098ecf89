"""Studies: compare inputs, dates, models, splits or labels on a collection; watch the runs, read table and figure."""

import streamlit as st

from modeling.studies import control
from pages.widgets import badges, chooser, resources, studies_form, studies_panel, studies_table

collection = chooser.collection()
workspace = resources.workspace()
badges.collection_badge(collection)

form, watch = st.columns([2, 5], gap="large")
with form:
    studies_form.show(workspace, collection)

known = [study for study in control.listing(workspace) if study.collection == collection.name]
with watch:
    if not known:
        studies_panel.guide(collection)
        st.stop()
    study = studies_panel.choose(known)
    studies_panel.watch(workspace, study)
    rows = resources.study_rows(workspace, study.name)
    studies_table.figure(study, rows)
studies_table.show(workspace, study, rows)
