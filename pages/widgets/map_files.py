"""Where the browser fetches what a map shows: bytes go to Streamlit's media storage, so that a rerun sends addresses alone."""

import base64
import hashlib

import streamlit as st
from streamlit import runtime


def address(content: bytes, kind: str) -> str:
    """The address of bytes of a media type; the same for the same bytes, so that the browser fetches them once.

    Kept as long as the session's pages name it. Without a server, as in tests of pages alone, the bytes are in the address itself.
    """
    if not runtime.exists():
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    place = f"map.{hashlib.sha1(content).hexdigest()}"
    stored = runtime.get_instance().media_file_mgr.add(content, kind, place)
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{stored}" if base else stored
