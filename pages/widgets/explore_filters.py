"""What the Explore page shows: index, grouping, label source, region, year, verified only, crops."""

from dataclasses import dataclass

import streamlit as st

from data import indices
from data.catalogue import Collection
from data.profiles import Envelope, Filter, Profiles
from data.store import Store
from labeling import places

CROPS_AT_FIRST = 5  # bands over each other; more are there on demand
GROUPINGS = {"class": "Classes", "code": "Codes"}
SOURCES = {"force": "Label in force", "inventory": "Inventory"}


@dataclass(frozen=True)
class Choice:
    """by: a key of `GROUPINGS`. singles: whether every sample is drawn as a thin line."""

    index: str
    by: str
    where: Filter
    singles: bool


def show(store: Store, collection: Collection) -> Choice:
    """One row of controls."""
    regions, years = places.regions_and_years(store, collection.name)
    here = collection.name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = indices.available(collection.bands)
        titles = "; ".join(f"{name}: {indices.named(name).title}" for name in names)
        index = st.selectbox("Index", names, key="explore.index", width=120, help=titles)
        by = st.segmented_control(
            "By", list(GROUPINGS), format_func=GROUPINGS.get, default="class", required=True, key="explore.by",
            help="Learned classes, or single codes of the legend.",
        )  # fmt: skip
        labels = st.segmented_control(
            "Crop by", list(SOURCES), format_func=SOURCES.get, default="force", required=True, key="explore.labels"
        )
        region = st.selectbox("Region", regions, index=None, placeholder="All", key=f"explore.region.{here}", width=170)
        year = st.selectbox("Year", years, index=None, placeholder="All", key=f"explore.year.{here}", width=110) if len(years) > 1 else None
        with st.container(width="content", gap="xsmall"):
            verified = st.toggle("Verified only", key="explore.verified")
            singles = st.toggle("Single samples", key="explore.singles", help="Every sample as a thin line; click a dot to pick it.")
        filled = True
        if places.has_interpolated(store, here):  # elsewhere the switch would do nothing
            filled = st.toggle(
                "Interpolated dates", value=True, key=f"explore.filled.{here}",
                help="Dates that the source filled in between clear ones. Off: they leave medians and bands; on a single sample's "
                "curve they stay, as narrow diamonds.",
            )  # fmt: skip
    return Choice(index, by, Filter(labels, region, year, verified, filled), singles)


def crops(collection: Collection, envelopes: list[Envelope]) -> list[Envelope]:
    """The crops to draw, the most frequent ones at first."""
    names = [each.crop.name for each in envelopes]
    chosen = st.pills(
        "Crops", names, selection_mode="multi", default=names[:CROPS_AT_FIRST], label_visibility="collapsed",
        key=f"explore.crops.{collection.name}.{'|'.join(sorted(names))}",
    )  # fmt: skip
    return [each for each in envelopes if each.crop.name in (chosen or names[:1])]


def no_index(collection: Collection) -> None:
    """Why there can be no curve, and the way out."""
    st.info(
        f"This collection has the bands {', '.join(collection.bands)}: no vegetation index can be computed from these, so there are no "
        "seasons to compare. Import it with near-infrared (B08), or look at its pictures.",
        icon=":material/filter_alt:",
    )
    st.page_link("pages/verify.py", label="Look at the pictures")


def nothing(loaded: Profiles, choice: Choice) -> None:
    """Why there is no curve, and the way out."""
    if not len(loaded.samples):
        st.info("This collection has no samples yet. Import it again with `python -m data init`.", icon=":material/inventory_2:")
    elif choice.where.verified and not loaded.verified.any():
        st.info("No label of this collection is verified yet. Verify some, or turn 'Verified only' off.", icon=":material/task_alt:")
        st.page_link("pages/verify.py", label="Verify labels")
    elif not loaded.codes.any():
        st.info("No sample has a label yet. Group by codes to see the season of all, or give them labels.", icon=":material/label_off:")
        st.page_link("pages/data.py", label="Labels from an inventory")
        st.page_link("pages/verify.py", label="Labels by hand")
    else:
        st.info(
            "No sample with a clear date fits these filters. Choose all regions or years, or group by codes.", icon=":material/filter_alt:"
        )
