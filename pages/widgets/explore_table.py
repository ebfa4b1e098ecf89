"""The samples behind the envelopes: picked by a click on a dot or in the table, drawn over the bands, opened in Verify."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from data.catalogue import Collection
from data.profiles import Crop, Seasons, crop_of
from labeling.figures import Single
from labeling.points import STATES
from pages.widgets.explore_filters import Filters

HEIGHT = 345  # px


def picked(collection: Collection) -> list[str]:
    """Names of the picked samples, in the order of picking."""
    return st.session_state.setdefault(f"explore.picked.{collection.name}", [])


def click(collection: Collection) -> None:
    """Pick, or put back, the sample whose dot was clicked in the chart."""
    event = st.session_state[f"explore.chart.{collection.name}"]
    names = [point["customdata"][0] for point in event["selection"]["points"] if point.get("customdata")]
    kept = picked(collection)
    for name in names[:1]:
        kept.remove(name) if name in kept else kept.append(name)


def thin_lines(shown: Seasons, crops: Mapping[int, Crop], source: str, chosen: list[str], *, at_most: int) -> tuple[list[Single], bool]:
    """Up to `at_most` samples as thin lines of their crop's colour, spread evenly; and whether these are all."""
    rows = np.linspace(0, len(shown.members) - 1, min(at_most, len(shown.members))).round().astype(int)
    lines = []
    for row in rows:
        member = shown.members[row]
        crop = crop_of(member, crops, source=source)
        if member.name not in chosen:
            lines.append(Single(member.name, f"{crop.name}, {member.region}", crop.color, shown.values[row], chosen=False))
    return lines, at_most >= len(shown.members)


def chosen_lines(everything: Seasons, chosen: list[str]) -> list[Single]:
    """The picked samples as strong lines."""
    rows = {member.name: row for row, member in enumerate(everything.members)}
    return [
        Single(name, everything.members[rows[name]].region, "", everything.values[rows[name]], chosen=True)
        for name in chosen if name in rows
    ]  # fmt: skip


def actions(collection: Collection, chosen: list[str], figure_csv: str, index: str) -> None:
    """What to do with the picked samples and with the figure."""
    if chosen and st.button(
        f"Open {chosen[-1]} in Verify", type="primary", icon=":material/task_alt:", width="stretch", key="explore.open"
    ):
        st.switch_page("pages/verify.py", query_params={"collection": collection.name, "sample": chosen[-1]})
    if not chosen:
        st.caption("Tick samples to draw them over the bands, or show single samples and click a dot.")
    with st.container(horizontal=True):
        if chosen:
            st.button(f"Clear {len(chosen)} picked", icon=":material/close:", key="explore.clear", on_click=_clear, args=(chosen,))
        st.download_button(
            "Figure data (CSV)", figure_csv, file_name=f"{collection.name}-{index.lower()}-seasons.csv", mime="text/csv",
            icon=":material/download:", key="explore.csv",
        )  # fmt: skip


def _clear(chosen: list[str]) -> None:
    chosen.clear()
    st.session_state["explore.cleared"] = st.session_state.get("explore.cleared", 0) + 1  # a new table has no row ticked


def show(collection: Collection, shown: Seasons, off: np.ndarray, crops: Mapping[int, Crop], filters: Filters) -> None:
    """The samples of the drawn crops, the least typical first; ticking a row picks it."""
    order = sorted(range(len(shown.members)), key=lambda row: -np.nan_to_num(off[row], nan=-1))
    members = [shown.members[row] for row in order]
    table = [
        {
            "Sample": member.name, "Crop": crop_of(member, crops, source=filters.source).name, "Off median": float(off[row]),
            "Clear dates": int(np.isfinite(shown.values[row]).sum()), "State": STATES[member.state][0], "Region": member.region,
            "Year": str(member.year),
        }
        for row, member in zip(order, members, strict=True)
    ]  # fmt: skip
    key = f"explore.table.{collection.name}.{st.session_state.get('explore.cleared', 0)}.{hash((filters, tuple(order)))}"
    st.session_state.setdefault(f"{key}.before", [])

    def tick() -> None:
        now, before = st.session_state[key]["selection"]["rows"], st.session_state[f"{key}.before"]
        added, gone = [members[row].name for row in now if row not in before], [members[row].name for row in before if row not in now]
        kept = picked(collection)
        kept[:] = [name for name in kept if name not in [*added, *gone]] + added
        st.session_state[f"{key}.before"] = list(now)

    st.dataframe(
        table, key=key, height=HEIGHT, hide_index=True, on_select=tick, selection_mode="multi-row",
        column_config={
            "Off median": st.column_config.NumberColumn(
                format="%.3f", help="Mean distance from the crop's median over the sample's clear dates: the least typical come first."
            )
        },
    )  # fmt: skip
