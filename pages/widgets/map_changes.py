"""A new run's map beside an older one: what changed, in hectares from class to class."""

from collections.abc import Sequence

import streamlit as st

from data.mapped.folder import Map


def panel(made: Map, others: Sequence[Map]) -> None:
    """What changed from one of the others to this map."""
    if not others:
        st.info("There is no other map of this ground yet to compare with.", icon=":material/compare:")
