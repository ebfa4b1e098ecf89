"""What lies inside the area that was drawn on the map: its samples and the map's pixels, and the way into somebody's queue."""

from typing import Any

import streamlit as st

from data.catalogue import Collection
from data.mapped.folder import Map


def panel(collection: Collection, made: Map | None, geometry: dict[str, Any] | None) -> None:
    """The area's figures and its two buttons. geometry: GeoJSON in EPSG:4326; None before anything is drawn."""
    if geometry is None:
        st.caption("Draw a rectangle or a polygon on the map to see what lies in it.")
