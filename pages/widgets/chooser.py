"""The choice of collection, the same in every page's sidebar and kept from page to page."""

import streamlit as st

from data import catalogue, setup
from data.catalogue import Collection
from pages.widgets import entry, resources


def collection() -> Collection:
    """The collection that the user works on; without any, an empty state and the end of the page."""
    entry.through_app()
    known = {one.name: one for one in catalogue.collections(resources.workspace().store)}
    if not known:
        _offer_demo()
        st.stop()
    _adopt_address(list(known))
    with st.sidebar:
        name = st.selectbox("Collection", list(known), key="collection", persist_state="session")
    st.session_state["collection.address"] = st.query_params["collection"] = name
    return known[name]


def _adopt_address(known: list[str]) -> None:
    """Choose what the address names, if it was changed from outside and not by the choice itself."""
    asked = st.query_params.get("collection")
    if asked and asked not in known:
        st.warning(f"There is no collection {asked!r} in this workspace. It has: {', '.join(known)}.", icon=":material/search_off:")
    elif asked and asked != st.session_state.get("collection.address"):
        st.session_state["collection"] = asked
    chosen = st.session_state.get("collection")
    # Set even where it is the same: a choice that came from an address is forgotten when a fragment switches to another page.
    st.session_state["collection"] = chosen if chosen in known else known[0]


def _offer_demo() -> None:
    """The empty state: what a workspace without collections can do."""
    st.info(
        "There are no collections in this workspace yet. Make the three demo collections here, or with `python -m data init`; "
        "the Data page gets imagery for your own sites and imports your files.",
        icon=":material/inventory_2:",
    )
    with st.container(horizontal=True):
        demo = st.button("Make the demo collections", type="primary", icon=":material/download:", key="chooser.demo")
        if st.button("Bring your own data", icon=":material/database:", key="chooser.data"):
            st.switch_page("pages/data.py")
    if demo:
        bar = st.progress(0.0)
        setup.make_demo(resources.workspace(), lambda name, done, total: bar.progress(done / total, f"{name}: {done} of {total} samples"))
        st.rerun()
