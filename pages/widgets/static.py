"""Where the browser finds the files of static/."""

import streamlit as st


def url() -> str:
    """The address of static/, behind the base path that the server may have been given."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}/app/static" if base else "/app/static"
