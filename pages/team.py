"""Team: who decides here and what they may do, the rules of the collection, and who is at work now."""

import streamlit as st

from pages.widgets import badges, chooser, identity, resources, team_curators, team_rules

collection = chooser.collection()
workspace = resources.workspace()
curator = st.session_state["curator"]
badges.collection_badge(collection)

people, rules = st.columns([3, 2], gap="large")
with people:
    team_curators.show(workspace, collection.name, curator)
    identity.invite()
with rules:
    team_rules.show(workspace.store, collection.name, curator)
