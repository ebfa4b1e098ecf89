"""A new run's map beside an older one: what changed, in hectares from class to class."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from data import sheets
from data.errors import CropcheckError
from data.mapped import changes, figures, folder
from data.mapped.changes import Changes
from data.mapped.folder import Map

QUIET = {"displayModeBar": False}
COLUMNS = ("before", "now", "hectares", "pixels", "changed")


def panel(made: Map, others: Sequence[Map]) -> None:
    """What changed from one of the others, which are older, to this map."""
    if not others:
        st.info(
            "There is no older map to compare with yet. Verify what this one disagrees with, train again, and make a map with the new run: "
            "choose that one above, and what changed is shown here.",
            icon=":material/compare:",
        )
        return
    titles = {one.name: f"{one.title} · {one.run} · {one.made[:10]}" for one in others}
    name = st.selectbox("Compare with", list(titles), format_func=titles.get, key=f"map.changes.{made.name}")
    other = next(one for one in others if one.name == name)
    try:
        found = _between(str(other.path), other.made, str(made.path), made.made)
    except CropcheckError as error:
        st.warning(str(error), icon=":material/compare:")
        return
    _headline(found)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("###### Hectares from class to class")
        st.plotly_chart(figures.changes_figure(found), key="map.changes.matrix", config=QUIET)
    with right:
        st.markdown("###### Gained and lost")
        if found.changed:
            st.plotly_chart(figures.gains_figure(found), key="map.changes.gains", config=QUIET)
        else:
            st.caption("Nothing changed: both maps say the same everywhere.")
    _take_away(made, other, found)


@st.cache_data(max_entries=16, show_spinner="Comparing the maps")
def _between(old: str, old_made: str, new: str, new_made: str) -> Changes:
    """Of the maps in two folders that were made at those times; a finished map never changes."""
    return changes.between(folder.load(Path(old)), folder.load(Path(new)))


def _headline(found: Changes) -> None:
    moved = found.total * found.changed
    with st.container(horizontal=True):
        st.metric("Changed", f"{found.changed:.1%}", help="Of the ground where both maps predict, the share whose class differs.")
        st.metric("Of other class now", f"{moved:,.1f} ha", help=f"Of {found.total:,.1f} ha where both predict.")
        st.metric("Predicted only now", f"{found.only_new:,.1f} ha")
        st.metric("No longer predicted", f"{found.only_old:,.1f} ha", help="Within the newer map's grid.")


def _take_away(made: Map, other: Map, found: Changes) -> None:
    rows = [
        {
            "before": before.name, "now": now.name, "hectares": float(found.hectares[row, column]),
            "pixels": int(found.pixels[row, column]), "changed": bool(not found.same[row, column]),
        }
        for row, before in enumerate(found.rows)
        for column, now in enumerate(found.columns)
        if found.pixels[row, column]
    ]  # fmt: skip
    st.download_button(
        "CSV", sheets.as_csv(COLUMNS, rows), f"{made.name}-changes-since-{other.name}.csv", "text/csv", icon=":material/download:",
        key="map.changes.csv", on_click="ignore",
    )  # fmt: skip
