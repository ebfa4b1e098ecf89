"""What the Explore page shows: index, grouping, label source, regions, years, verified only, crops."""

from dataclasses import dataclass

import streamlit as st

from data import indices
from data.catalogue import Collection
from data.profiles import Envelope, Member, Seasons
from data.store import Store
from labeling import places

CROPS_AT_FIRST = 5  # bands over each other; more are there on demand
SOURCES = {"label": "Label in force", "inventory": "Inventory"}


@dataclass(frozen=True)
class Filters:
    """The choices. regions, years: empty means all."""

    index: str
    by_code: bool
    source: str
    regions: tuple[str, ...]
    years: tuple[int, ...]
    verified: bool
    singles: bool

    def keep(self, member: Member) -> bool:
        return (
            (not self.regions or member.region in self.regions)
            and (not self.years or member.year in self.years)
            and (not self.verified or member.verified)
        )


def show(store: Store, collection: Collection) -> Filters:
    """Two rows of controls."""
    regions, years = places.regions_and_years(store, collection.name)
    here = collection.name
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = indices.available(collection.bands)
        index = st.selectbox(
            "Index", names, key="explore.index", width=130, help="; ".join(f"{n}: {indices.named(n).title}" for n in names)
        )
        by = st.segmented_control(
            "By", ["Classes", "Codes"], default="Classes", required=True, key="explore.by",
            help="Learned classes, or single codes of the legend.",
        )  # fmt: skip
        source = st.segmented_control(
            "Crop by", list(SOURCES), format_func=SOURCES.get, default="label", required=True, key="explore.source"
        )
        chosen = st.multiselect("Regions", regions, placeholder="All", key=f"explore.regions.{here}", width=190)
        only = st.multiselect("Years", years, placeholder="All", key=f"explore.years.{here}", width=130) if len(years) > 1 else []
        with st.container(width="content", gap="xsmall"):
            verified = st.toggle("Verified only", key="explore.verified")
            singles = st.toggle("Single samples", key="explore.singles", help="Every sample as a thin line; click a dot to pick it.")
    return Filters(index, by == "Codes", source, tuple(chosen), tuple(only), verified, singles)


def crops(collection: Collection, envelopes: list[Envelope]) -> list[Envelope]:
    """The crops to draw, the most frequent ones at first."""
    names = [each.crop.name for each in envelopes]
    chosen = st.pills(
        "Crops", names, selection_mode="multi", default=names[:CROPS_AT_FIRST], label_visibility="collapsed",
        key=f"explore.crops.{collection.name}.{hash(tuple(names))}",
    )  # fmt: skip
    return [each for each in envelopes if each.crop.name in (chosen or names[:1])]


def nothing(everything: Seasons, filters: Filters) -> None:
    """Why there is no curve, and the way out."""
    if not everything.members:
        st.info("This collection has no samples yet. Import it again with `python -m data init`.", icon=":material/inventory_2:")
    elif filters.verified and not any(member.verified for member in everything.members):
        st.info("No label of this collection is verified yet. Verify some, or turn 'Verified only' off.", icon=":material/task_alt:")
        st.page_link("pages/verify.py", label="Verify labels")
    else:
        st.info(
            "No sample with a clear date fits these filters. Choose more regions or years, or group by codes.", icon=":material/filter_alt:"
        )
