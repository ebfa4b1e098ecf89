"""A study as its page watches it: which one, how far it is, and what can be done with it."""

import streamlit as st

from data.catalogue import Collection
from data.errors import CropcheckError
from data.workspace import Workspace
from modeling.studies import control
from modeling.studies.control import StudyStatus
from modeling.studies.kinds import KINDS
from pages.widgets.data_job import duration

COLOURS = {
    "queued": "blue", "running": "blue", "finished": "green", "incomplete": "orange", "failed": "red", "cancelled": "gray",
    "lost": "orange",
}  # fmt: skip
STATES = {"incomplete": "finished, some failed"}
LOST = "Its process is gone without a word: killed, or the machine was restarted. Finished runs are whole; resume it to go on from there."
INCOMPLETE = "Some runs have no results; the table says why. Resume it to try them again: the others stay."


def guide(collection: Collection) -> None:
    """The empty state."""
    st.markdown("##### Nothing compared yet")
    lines = "\n".join(f"- **{kind.title}**: {kind.question}" for kind in KINDS.values())
    st.info(
        f"A study trains one run for each thing that it compares on {collection.name}, judges all on the same samples, and puts them into "
        f"one table and one figure.\n\n{lines}\n\nChoose one on the left. It works on when this page is closed, and its runs are listed "
        "under Train and Results like any other.",
        icon=":material/science:",
    )


def choose(known: list[StudyStatus]) -> StudyStatus:
    """The study that is looked at: the one that was started last, or another from the list."""
    by_name = {study.name: study for study in known}
    if st.session_state.get("studies.name") not in by_name:
        st.session_state["studies.name"] = known[0].name
    name = st.selectbox("Study", list(by_name), format_func=lambda name: _title(by_name[name]), key="studies.name")
    return by_name[name]


def _title(study: StudyStatus) -> str:
    return f"{KINDS[study.kind].title} · {study.name.removeprefix(f'{study.collection}-')}"


def watch(workspace: Workspace, study: StudyStatus) -> None:
    """State, progress and buttons, drawn again every second while it works."""
    st.fragment(_live, run_every="1s" if study.active else None)(workspace, study.name, (study.state, study.done, study.failed))


def _live(workspace: Workspace, name: str, shown: tuple[str, int, int]) -> None:
    study = control.status(workspace, name)
    if (study.state, study.done, study.failed) != shown:
        st.rerun()  # table and figure have changed, too
    st.progress(study.share, f":{COLOURS[study.state]}-badge[{STATES.get(study.state, study.state)}] {_line(study)}")
    if study.state == "failed":
        st.error(study.message or "It failed; the log says why.", icon=":material/error:")
    elif study.state in ("lost", "incomplete"):
        st.warning(LOST if study.state == "lost" else INCOMPLETE, icon=":material/rule:")
    _buttons(workspace, study)


def _line(study: StudyStatus) -> str:
    parts = [f"{study.done} of {study.total} runs"]
    if study.failed:
        parts.append(f"{study.failed} failed")
    if study.current:
        parts.append(f"training {study.current.removeprefix(f'{study.collection}-')}")
    if study.seconds_left is not None:
        parts.append(f"about {duration(study.seconds_left)} left")
    return " · ".join(parts)


def _buttons(workspace: Workspace, study: StudyStatus) -> None:
    if study.state != "finished":
        with st.container(horizontal=True):
            if study.active:
                st.button("Cancel", icon=":material/stop:", key="studies.cancel", on_click=control.cancel, args=(workspace, study.name))
            else:
                st.button("Resume", icon=":material/replay:", key="studies.resume", on_click=_resume, args=(workspace, study.name))
            if study.current and st.button("Watch the run", icon=":material/model_training:", key="studies.watch"):
                st.session_state["train.run"] = study.current
                st.switch_page("pages/train.py")
    if refused := st.session_state.pop("studies.not_resumed", None):
        st.error(refused, icon=":material/block:")


def _resume(workspace: Workspace, name: str) -> None:
    try:
        control.resume(workspace, name)
    except CropcheckError as error:
        st.session_state["studies.not_resumed"] = str(error)
