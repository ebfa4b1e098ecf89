"""Publish: a collection at one dataset version, in formats that other tools open."""

import streamlit as st

from data import catalogue, info, uploads, versions
from data.errors import CropcheckError
from data.exports.formats import FORMATS, Format
from data.versions import Listed
from data.workspace import Workspace
from pages.widgets import data_job, resources

CHOICES = {"all": "All samples", "curated": "Curated: agreed or relabelled"}
GUIDE = "Choose a collection and formats on the left. An export names its dataset version, and the same version gives the same files again."


def show(workspace: Workspace) -> None:
    known = [one.name for one in catalogue.collections(workspace.store)]
    form, watch = data_job.columns(2)
    with form:
        st.markdown("##### Publish a collection")
        if not known:
            st.info("There is no collection to publish yet: get imagery or import files first.", icon=":material/inventory_2:")
            return
        name = st.selectbox("Collection", known, key="publish.collection", persist_state="session")
        formats = [entry.name for entry in FORMATS.values() if _ticked(entry)]
        first, second = st.columns(2)
        first.selectbox("Samples", list(CHOICES), format_func=CHOICES.get, key="publish.only", persist_state="session")
        splits = ["", *info.splits(workspace.store, name)]
        second.selectbox("Split", splits, format_func=lambda split: split or "The published one", key="publish.split")
        listed = resources.versions(workspace, name)
        st.selectbox("Version", range(len(listed)), format_func=lambda number: _spelled(listed, number), key="publish.version")
        st.button(
            "Publish", type="primary", icon=":material/publish:", key="publish.start", disabled=not formats,
            on_click=_publish, args=(workspace, name, formats),
        )  # fmt: skip
        data_job.refusal("publish")
    with watch:
        data_job.watched(workspace, "publish", lambda job: job.argv[0] == "export", GUIDE)


def _ticked(entry: Format) -> bool:
    label = f"**{entry.title}** :small[{entry.about}]"
    return st.checkbox(label, entry.name == "geoparquet", key=f"publish.{entry.name}", wrap=True, persist_state="session")


def _spelled(listed: list[Listed], number: int) -> str:
    """The first version is the current one."""
    version, runs, names = listed[number].version, listed[number].runs, listed[number].names
    learned = f" · learned by {runs[0]}" if runs else ""
    frozen = f" · {', '.join(names)}" if names else ""
    return f"{'As it is now' if number == 0 else f'As of event {version.event}'}{frozen} · {version.hash[:12]}{learned}"


def _publish(workspace: Workspace, collection: str, formats: list[str]) -> None:
    """Start the export; runs before the page is drawn again. The version is named, so that a resumed export holds the same."""
    number, only, split = (st.session_state[f"publish.{key}"] for key in ("version", "only", "split"))
    try:
        listed = resources.versions(workspace, collection)
        version = listed[number].version if number else versions.current(workspace.store, collection)
        argv = arguments(workspace, collection, formats, str(version), only, split)
        titles = ", ".join(FORMATS[name].title for name in formats)
        data_job.begin(workspace, "publish", argv, f"{collection} as {titles}")
    except CropcheckError as error:
        data_job.refuse("publish", error)


def arguments(workspace: Workspace, collection: str, formats: list[str], version: str, only: str = "all", split: str = "") -> list[str]:
    """The command line of an export into the workspace, in a folder that is named by all that its content depends on."""
    parts = [version, *([only] if only != "all" else []), *([split] if split else []), *(formats if len(formats) == 1 else [])]
    to = workspace.exports / uploads.safe_name("-".join(parts).replace("@", "-"))
    options = [f"--collection={collection}", f"--to={to}", *(f"--format={name}" for name in formats), f"--version={version}", "--overwrite"]
    return ["export", *options, f"--only={only}", *([f"--split={split}"] if split else [])]
