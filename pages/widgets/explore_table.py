"""The samples behind the envelopes: picked by a click on a dot or in the table, drawn over the bands, opened in Verify."""

import itertools
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from data import indices, profiles
from data.catalogue import Collection
from data.prints import paper, season
from data.profiles import Curve, Envelope, Profiles
from labeling.figures import PICKED_COLOURS, Thin
from pages.widgets import takeaway
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


def actions(collection: Collection, chosen: list[Curve]) -> None:
    """What to do with the picked samples."""
    if not chosen:
        st.caption("Tick samples to draw them over the bands, or show single samples and click a dot.")
    elif st.button(f"Open {chosen[-1].name} in Verify", type="primary", icon=":material/task_alt:", width="stretch", key="explore.open"):
        st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": chosen[-1].name})
    if chosen:
        st.button(f"Clear {len(chosen)} picked", icon=":material/close:", key="explore.clear", on_click=_clear, args=(collection,))


def files(collection: Collection, choice: Choice, loaded: Profiles, drawn: list[Envelope], thin: list[Thin], chosen: list[Curve]) -> None:
    """The figure and its numbers, to take away."""
    colors = itertools.cycle(PICKED_COLOURS)
    where = choice.where
    facts = [
        collection.title, "label in force" if where.labels == "force" else "inventory label", where.region, where.year,
        "verified samples" if where.verified else None, None if where.interpolated else "no interpolated dates",
        "median and 10-90 % of clear dates", paper.SIMULATED[0] if collection.simulated else None,
    ]  # fmt: skip
    said = " · ".join(str(fact) for fact in facts if fact)
    draw = partial(
        season.profile_print, indices.named(choice.index), loaded.bins, drawn, thin=[(line.curve, line.color) for line in thin],
        picked=list(zip(chosen, colors, strict=False)), title=f"{choice.index} by crop", facts=said,
    )  # fmt: skip
    csv = partial(profiles.as_csv, loaded, drawn, [*(line.curve for line in thin), *chosen])
    takeaway.downloads(
        "explore.file", f"{collection.name}-{choice.index.lower()}-seasons", png=draw, svg=partial(draw, form="svg"), csv=csv
    )


def _clear(collection: Collection) -> None:
    picked(collection).clear()
    st.session_state["explore.round"] = st.session_state.get("explore.round", 0) + 1  # a new table has no row ticked
