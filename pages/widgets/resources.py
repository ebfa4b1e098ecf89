"""Cached access to what the pages share. The only place where plain functions meet Streamlit's caches."""

import streamlit as st

from data import workspace as workspaces
from data.workspace import Workspace


def workspace() -> Workspace:
    """The current workspace, created or brought up to date at its first use by this server.

    Raises:
        WorkspaceError, StoreTooNew: see `data.workspace.Workspace.create`.
    """
    here = workspaces.current()
    return _created(here) if here.exists() else here.create()


@st.cache_resource
def _created(here: Workspace) -> Workspace:
    return here.create()
