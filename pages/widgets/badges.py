"""Small marks that mean the same on every page."""

import streamlit as st

from data.catalogue import Collection


def collection_badge(collection: Collection) -> None:
    """The collection's title, with the word "simulated" wherever its imagery is."""
    simulated = " :orange-badge[:material/science: simulated imagery]" if collection.simulated else ""
    st.markdown(f"**{collection.title}**{simulated}")
