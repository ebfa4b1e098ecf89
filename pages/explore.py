"""Explore: the season of a vegetation index by crop, as median and 10-90 % band, with single samples over them."""

import streamlit as st

from data import indices, profiles
from labeling import figures
from pages.widgets import badges, chooser, entry, explore_filters, explore_table, resources

HEIGHT = 430  # px; with the controls above, it fits a screen of 768
AT_ONCE = 300  # thin lines; more hide each other and slow the browser down

entry.through_app()
collection = chooser.collection()
store = resources.workspace().store
badges.collection_badge(collection)

filters = explore_filters.show(store, collection)
everything = profiles.seasons(store, collection.name, filters.index)
found = everything.where(filters.keep)
crops = profiles.codes(store, collection.name) if filters.by_code else profiles.classes(store, collection.name)
envelopes = profiles.envelopes(found, crops, source=filters.source)
if not envelopes:
    explore_filters.nothing(everything, filters)
    st.stop()

drawn = explore_filters.crops(collection, envelopes)
shown = found.where(lambda member: profiles.crop_of(member, crops, source=filters.source) in [each.crop for each in drawn])
off = profiles.off_median(shown, drawn, crops, source=filters.source)
picked = explore_table.picked(collection)

thin, everyone = explore_table.thin_lines(shown, crops, filters.source, picked, at_most=AT_ONCE if filters.singles else 0)
chosen = explore_table.chosen_lines(everything, picked)

left, right = st.columns([2.1, 1])
with left:
    chart = figures.season_figure(indices.named(filters.index), everything.dates, drawn, [*thin, *chosen], height=HEIGHT)
    st.plotly_chart(
        chart, key=f"explore.chart.{collection.name}", on_select=lambda: explore_table.click(collection), selection_mode="points",
        config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
    )  # fmt: skip
    if filters.singles and not everyone:
        st.caption(f"{AT_ONCE} of {len(shown.members):,} samples are drawn; filter further to see the others.")
with right:
    explore_table.show(collection, shown, off, crops, filters)
    figure_csv = profiles.as_csv(everything, drawn, [line.name for line in [*thin, *chosen]])
    explore_table.actions(collection, picked, figure_csv, filters.index)
