"""Making a map from the page: run, stack, inventory and fields, and the job that makes it."""

import streamlit as st

from data.catalogue import Collection


def form(collection: Collection) -> None:
    """The form, and what a start comes to."""
    st.caption(f"Maps of runs on {collection.name} are made with: python -m modeling map")
