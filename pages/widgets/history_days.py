"""Days: decisions by day and curator as a figure, and one curator's day in figures."""

from datetime import UTC, datetime

import streamlit as st

from data.catalogue import Collection
from data.workspace import Workspace
from labeling import figures, history
from labeling.history import Viewer


def show(workspace: Workspace, collection: Collection, who: Viewer) -> None:
    records = history.per_day(workspace.store, collection.name)
    if not records:
        st.info("Nothing was decided in this collection yet. Verify some labels: their days appear here.", icon=":material/history:")
        return
    st.plotly_chart(figures.days_figure(records), key="history.days", config={"displayModeBar": False})
    left, right, _ = st.columns([1, 1, 2])
    known = history.choices(workspace.store, collection.name)["curator"]
    curator = left.selectbox("Curator", known, index=known.index(who.name) if who.name in known else 0, key="history.day_of")
    day = right.date_input("Day (UTC)", datetime.now(UTC).date(), key="history.day")
    found = history.day(workspace.store, collection.name, curator, day, who)
    if not found.events:
        st.caption("No events on that day.")
        return
    with st.container(horizontal=True):
        st.metric("Events", f"{found.events:,}")
        for action, count in found.by_action.items():
            st.metric(action.capitalize(), f"{count:,}")
        st.metric("Samples", f"{found.samples:,}")
        st.metric("Taken back", f"{found.undone:,}")
        st.metric("From – to (UTC)", f"{found.first[11:16]} – {found.last[11:16]}")
        if found.seconds is not None:
            st.metric("Median decision", f"{found.seconds:.1f} s", help="From the card painted to the key pressed.")
