"""The search field above the map: a site, a region or coordinates."""

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.mapped.folder import Map
from labeling import finding
from labeling.finding import Hit
from pages.widgets import resources

MISSED = ":material/search_off:"  # told in a toast, which moves nothing


def search(collection: Collection, made: Map | None) -> tuple[float, float, str] | None:
    """Where to go, as lon, lat in EPSG:4326 and a name; None while nothing is typed or found."""
    text = st.text_input(
        "Search", key=f"map.search.{collection.name}", placeholder="Site, region or 43.51, -80.5", label_visibility="collapsed",
        icon=":material/search:",
    )  # fmt: skip
    try:
        hits = finding.find(resources.workspace().store, collection.name, text)
    except CropcheckError as error:
        st.toast(str(error), icon=MISSED)
        return None
    if not hits:
        if text.strip():
            st.toast(
                f"Nothing in {collection.title} is called so. Type a site, a region, or latitude and longitude.",
                icon=MISSED,
            )
        return None
    chosen = hits[0] if len(hits) == 1 else _choice(collection, text, hits)
    return (chosen.lon, chosen.lat, chosen.name) if chosen else None


def _choice(collection: Collection, text: str, hits: list[Hit]) -> Hit:
    """One of several, the best at first."""
    titles = [f"{hit.name} · {hit.detail}" for hit in hits]
    at = st.selectbox(
        "Found", range(len(hits)), format_func=titles.__getitem__, key=f"map.search.hit.{collection.name}.{text}",
        label_visibility="collapsed",
    )  # fmt: skip
    return hits[at]
