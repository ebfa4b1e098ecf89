"""The samples behind the envelopes: picked by a click on a dot or in the table, drawn over the bands, opened in Verify."""

import numpy as np
import pandas as pd
import streamlit as st

from data import profiles
from data.catalogue import Collection
from data.profiles import Curve, Envelope, Profiles
from labeling.figures import Thin
from pages.widgets.explore_filters import Choice

HEIGHT = 315  # px
COLUMNS = {
    "name": "Sample", "off": "Off median", "crop": "Crop", "dates": "Clear dates", "state": "State", "region": "Region", "year": "Year",
}  # fmt: skip


def picked(collection: Collection) -> list[int]:
    """Numbers of the picked samples, in the order of picking."""
    return st.session_state.setdefault(f"explore.picked.{collection.name}", [])


def click(collection: Collection) -> None:
    """Pick, or put back, the sample whose dot was clicked in the chart."""
    event = st.session_state[f"explore.chart.{collection.name}"]
    numbers = [point["customdata"][0] for point in event["selection"]["points"] if point.get("customdata")]
    kept = picked(collection)
    for number in numbers[:1]:
        kept.remove(number) if number in kept else kept.append(number)


def thin_lines(loaded: Profiles, drawn: list[Envelope], listing: dict, chosen: list[int], *, at_most: int) -> list[Thin]:
    """Up to `at_most` of the listed samples as thin lines of their crop's colour, spread evenly over the list."""
    colors = {each.crop.name: each.crop.color for each in drawn}
    rows = np.linspace(0, len(listing["number"]) - 1, min(at_most, len(listing["number"]))).round().astype(int)
    return [
        Thin(profiles.curve(loaded, int(listing["number"][row])), colors[listing["crop"][row]], str(listing["crop"][row]))
        for row in rows
        if listing["number"][row] not in chosen
    ]


def show(collection: Collection, listing: dict, choice: Choice) -> None:
    """The samples of the drawn crops, the least typical first; ticking a row picks it."""
    numbers = [int(number) for number in listing["number"]]
    round_ = st.session_state.get("explore.round", 0)
    key = f"explore.table.{collection.name}.{round_}.{hash((choice, tuple(numbers)))}"
    before, first = f"{key}.before", f"{key}.first"
    # A new order of samples, after another index or filter, is a new table: it opens with what is picked already ticked.
    ticked = st.session_state.setdefault(first, [row for row, number in enumerate(numbers) if number in picked(collection)])

    def tick() -> None:
        now, was, kept = st.session_state[key]["selection"]["rows"], st.session_state.get(before, ticked), picked(collection)
        changed = {numbers[row] for row in set(now) ^ set(was)}
        kept[:] = [number for number in kept if number not in changed] + [numbers[row] for row in now if row not in was]
        st.session_state[before] = list(now)

    st.dataframe(
        pd.DataFrame({title: listing[name] for name, title in COLUMNS.items()}), key=key, height=HEIGHT, hide_index=True,
        on_select=tick, selection_mode="multi-row", selection_default={"selection": {"rows": ticked}},
        column_config={
            "Off median": st.column_config.NumberColumn(
                format="%.3f", help="Mean distance from the crop's median over the sample's clear dates: the least typical come first."
            ),
            "Year": st.column_config.NumberColumn(format="%d"),
        },
    )  # fmt: skip


def actions(collection: Collection, chosen: list[Curve], figure_csv: str, index: str) -> None:
    """What to do with the picked samples and with the figure."""
    if not chosen:
        st.caption("Tick samples to draw them over the bands, or show single samples and click a dot.")
    elif st.button(f"Open {chosen[-1].name} in Verify", type="primary", icon=":material/task_alt:", width="stretch", key="explore.open"):
        st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": chosen[-1].name})
    with st.container(horizontal=True):
        if chosen:
            st.button(f"Clear {len(chosen)} picked", icon=":material/close:", key="explore.clear", on_click=_clear, args=(collection,))
        st.download_button(
            "Figure data (CSV)", figure_csv, file_name=f"{collection.name}-{index.lower()}-seasons.csv", mime="text/csv",
            icon=":material/download:", key="explore.csv",
        )  # fmt: skip


def _clear(collection: Collection) -> None:
    picked(collection).clear()
    st.session_state["explore.round"] = st.session_state.get("explore.round", 0) + 1  # a new table has no row ticked
