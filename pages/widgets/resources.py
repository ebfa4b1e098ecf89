"""Cached access to what the pages share. The only place where plain functions meet Streamlit's caches."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from data import versions as dataset_versions
from data import workspace as workspaces
from data.versions import Listed
from data.workspace import Workspace
from labeling import team
from labeling.team import Activity
from labeling.trust import agreement as measuring
from labeling.trust.agreement import Agreement, SelfAgreement
from modeling.studies import allowing, studydir, table
from modeling.studies.kinds import Allowed
from modeling.studies.table import Row

SITE_OPTIONS = {  # option of `python -m data ingest` -> argument of `data.ingest.sites.read`
    "name-column": "name", "region-column": "region", "crop-column": "crop", "year-column": "year", "sites-crs": "crs",
    "layer": "layer", "lon": "lon", "lat": "lat",
}  # fmt: skip


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


@st.cache_data(ttl=5, show_spinner="Working out the dataset versions")
def versions(workspace: Workspace, collection: str) -> list[Listed]:
    """The collection's versions, a few seconds old at most: their hashes are of the whole collection."""
    return dataset_versions.listing(workspace.store, collection)


@st.cache_data(ttl=10, show_spinner="Looking what the collection allows")
def study_allowed(workspace: Workspace, collection: str) -> Allowed:
    """What a collection allows a study to compare, a few seconds old at most.

    Raises:
        CannotTrain: as `modeling.studies.allowing.read`.
    """
    return allowing.read(workspace, collection)


def study_rows(workspace: Workspace, study: str) -> list[Row]:
    """The table of a study, worked out anew when one of its runs changes its state.

    Raises:
        UnknownStudy: no study of that name.
    """
    states = [(training.run, *training.state(workspace)) for training in studydir.at(workspace, study).trainings()]
    return _study_rows(workspace, study, tuple(states))


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def _study_rows(workspace: Workspace, study: str, states: tuple[tuple[str, str, str], ...]) -> list[Row]:
    return table.rows(workspace, studydir.at(workspace, study))


@dataclass(frozen=True)
class Sites:
    """A sites file as a page shows it. lons, lats: EPSG:4326. report: as `Report.as_json` gives it."""

    names: list[str]
    lons: list[float]
    lats: list[float]
    report: dict

    @property
    def count(self) -> int:
        return len(self.names)


def sites(path: str, columns: dict[str, str]) -> Sites:
    """The sites of a file, read again when it changes.

    Raises:
        BadInput: as `data.ingest.sites.read`.
    """
    changed = Path(path).stat().st_mtime_ns if Path(path).exists() else 0
    return _sites(path, changed, tuple(sorted(columns.items())))


@st.cache_data(max_entries=8, show_spinner="Reading the sites")
def _sites(path: str, changed: int, columns: tuple[tuple[str, str], ...]) -> Sites:
    from data.ingest import sites as places  # late: geopandas takes a second that only this needs

    found, report = places.read(Path(path), **{SITE_OPTIONS[name]: value for name, value in columns if value})
    return Sites([site.name for site in found], [site.lon for site in found], [site.lat for site in found], report.as_json())


@st.cache_data(ttl=10, max_entries=32, show_spinner="Measuring agreement")
def agreement(workspace: Workspace, collection: str, unsure: str) -> tuple[Agreement, list[SelfAgreement]]:
    """How far curators agree with each other and with themselves, a few seconds old at most: a bootstrap each."""
    answers = measuring.ratings(workspace.store, collection, unsure=unsure)
    return measuring.measured(answers), measuring.with_self(workspace.store, collection, unsure=unsure)


@st.cache_data(ttl=60, show_spinner="Counting the decisions")
def activity(workspace: Workspace) -> dict[str, Activity]:
    """What each curator did, a minute old at most: it reads every event."""
    return team.activity(workspace.store)
