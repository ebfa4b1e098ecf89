"""Explore: the season of a vegetation index by crop, as median and 10-90 % band, with single samples over them."""

import streamlit as st

from data import indices, profiles
from labeling import figures
from pages.widgets import badges, chooser, entry, explore_filters, explore_table, resources

HEIGHT = 470  # px; with the controls above, it fits a screen of 768
AT_ONCE = 300  # thin lines; more hide each other and slow the browser down


@st.cache_data(max_entries=16, show_spinner=False)
def seasons(home: str, collection_name: str, index: str, version: tuple[int, int]) -> profiles.Profiles:
    """Kept until a decision or an import can have changed them: `version` stands for that."""
    return profiles.load(resources.workspace().store, collection_name, index)


entry.through_app()
collection = chooser.collection()
workspace = resources.workspace()
store = workspace.store
badges.collection_badge(collection)

if not indices.available(collection.bands):
    explore_filters.no_index(collection)
    st.stop()
choice = explore_filters.show(store, collection)
loaded = seasons(str(workspace.home), collection.name, choice.index, profiles.version(store))
envelopes = profiles.envelopes(loaded, profiles.crops(store, collection.name, choice.by), choice.where)
if not envelopes:
    explore_filters.nothing(loaded, choice)
    st.stop()

drawn = explore_filters.crops(collection, envelopes)
picked = explore_table.picked(collection)
curves = [curve for number in picked if (curve := profiles.curve(loaded, number))]
listing = profiles.listing(loaded, drawn, choice.where, st.session_state.get("explore.find", ""))
thin = explore_table.thin_lines(loaded, drawn, listing, picked, at_most=AT_ONCE) if choice.singles else []

left, right = st.columns([2.1, 1])
with left:
    chart = figures.season_figure(indices.named(choice.index), loaded.bins, drawn, thin=thin, picked=curves, height=HEIGHT)
    st.plotly_chart(
        chart, key=f"explore.chart.{collection.name}", on_select=lambda: explore_table.click(collection), selection_mode="points",
        config={"displayModeBar": False},  # it would cover the legend
    )  # fmt: skip
    if choice.singles and len(listing["number"]) > AT_ONCE:
        st.caption(f"{AT_ONCE} of {len(listing['number']):,} samples are drawn; filter further to see the others.")
with right:
    st.text_input("Find", placeholder="Find a sample, region or state", key="explore.find", label_visibility="collapsed")
    explore_table.show(collection, listing, choice)
    with st.container(horizontal=True, vertical_alignment="center"):
        explore_table.actions(collection, curves)
        explore_table.files(collection, choice, loaded, drawn, thin, curves)
