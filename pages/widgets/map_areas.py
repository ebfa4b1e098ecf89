"""Areas by crop and region, as mapped and adjusted for the errors that the audit found."""

import streamlit as st

from data.catalogue import Collection
from data.mapped.folder import Map


def panel(collection: Collection, made: Map | None) -> None:
    """Figure, table and file; where no audit is there, the way to it."""
    if made is None:
        st.info("There is no map of this collection yet.", icon=":material/map:")
