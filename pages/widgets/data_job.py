"""A job as pages show it: live progress, what can be done with it, what it left out, and the list of all."""

import re
from collections.abc import Callable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from data import catalogue, jobs
from data.errors import CropcheckError
from data.jobs import Job
from data.workspace import Workspace
from pages.widgets import data_report

COLOURS = {
    "queued": "blue", "running": "blue", "stopping": "orange", "finished": "green", "incomplete": "orange", "failed": "red",
    "cancelled": "gray", "lost": "orange",
}  # fmt: skip
STATES = {"incomplete": "finished, some left out"}
LOST = "Its process is gone without a word: killed, or the machine was restarted. What it had finished is whole; resume it to go on."
INCOMPLETE = "What could be read is there; what was left out is listed below. Mend what can be mended and try again: the rest stays."


def columns(widths: Sequence[int] | int = (2, 3)) -> tuple[DeltaGenerator, DeltaGenerator]:
    """A form on the left, and on the right what comes of it, which stays in view while the form is scrolled."""
    form, watch = st.columns(widths, gap="large")
    return form, watch.container(key="data-watch")


def begin(workspace: Workspace, form: str, argv: Sequence[str], title: str, makes: str | None = None, module: str = "data") -> None:
    """Start a job from a form, which then shows it; where it is refused, `refusal` says why. To be called before the page is drawn."""
    try:
        st.session_state[f"{form}.job"] = jobs.start(workspace, argv, title, makes=makes, module=module)
    except CropcheckError as error:
        refuse(form, error)


def refuse(form: str, error: CropcheckError) -> None:
    st.session_state[f"{form}.refused"] = str(error)


def refusal(form: str) -> None:
    """Why the last start from this form was refused, once."""
    if refused := st.session_state.pop(f"{form}.refused", None):
        st.error(refused, icon=":material/block:")


def watched(workspace: Workspace, form: str, belongs: Callable[[Job], bool], guide: str) -> Job | None:
    """Show the job that was started from a form, or else the last one that belongs there, or else a word of guidance."""
    known = {job.name: job for job in jobs.listing(workspace) if belongs(job)}
    job = known.get(st.session_state.get(f"{form}.job")) or next(iter(known.values()), None)
    if job is None:
        st.info(guide, icon=":material/lightbulb:")
        return None
    watch(workspace, job)
    return job


def watch(workspace: Workspace, job: Job) -> None:
    """The job, drawn again every second while it works."""
    st.fragment(_live, run_every="1s" if job.active else None)(workspace, job.name, job.active)


def _live(workspace: Workspace, name: str, was_active: bool) -> None:
    job = jobs.status(workspace, name)
    if job.active != was_active:
        st.rerun()
    st.markdown(f"##### {_plain(job.title)} :{COLOURS[job.state]}-badge[{STATES.get(job.state, job.state)}]")
    st.progress(job.share, _line(job))
    _word(job)
    said = jobs.result(workspace, name)
    _buttons(workspace, job, said)
    data_report.figures(said)
    data_report.problems(said.get("report", {}), job.name, key=f"job.{job.name}")
    with st.expander("Command and log"):
        st.code(f"python -m {jobs.command_line(job)}", language="bash", wrap_lines=True)
        st.code(jobs.log(workspace, name)[-4000:] or "Nothing printed yet.", language=None, wrap_lines=True)


def _plain(text: str) -> str:
    """Text in which Markdown finds nothing."""
    return re.sub(r"([\\`*_{}\[\]<>#:$~|])", r"\\\1", text)


def _line(job: Job) -> str:
    counted = f"{job.done:,} of {job.total:,}" if job.total else "starting" if job.active else ""
    left = f"about {duration(job.seconds_left)} left" if job.seconds_left is not None else ""
    what = job.what if job.state not in jobs.DONE else ""
    return " · ".join(part for part in (counted, what, duration(job.seconds), left) if part)


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _word(job: Job) -> None:
    if job.state == "failed":
        st.error(job.message or "It failed; the log says why.", icon=":material/error:")
    elif job.state == "lost":
        st.warning(LOST, icon=":material/link_off:")
    elif job.state == "incomplete":
        st.warning(INCOMPLETE, icon=":material/rule:")


def _buttons(workspace: Workspace, job: Job, said: dict) -> None:
    with st.container(horizontal=True):
        if job.active:
            label = "End at once" if job.state == "stopping" else "Cancel"
            st.button(label, icon=":material/stop:", key=f"job.cancel.{job.name}", on_click=jobs.cancel, args=(workspace, job.name))
        elif job.state in jobs.DONE and job.makes:
            _open(workspace, _made(job, said))
        if not job.active and job.state != "finished":
            label = "Try again what was left out" if job.state == "incomplete" else "Resume"
            st.button(label, icon=":material/replay:", key=f"job.resume.{job.name}", on_click=_resume, args=(workspace, job.name))
    refusal(job.name)


def _made(job: Job, said: dict) -> list[str]:
    """The collections that a job has made or changed."""
    return [record["collection"] for record in said.get("collections", [])] or [said.get("collection", job.makes)]


def _open(workspace: Workspace, names: list[str]) -> None:
    there = {one.name for one in catalogue.collections(workspace.store)}
    for name in filter(there.__contains__, names):
        label = "Open in Verify" if len(names) == 1 else f"Open {name} in Verify"
        kind = "primary" if name == names[0] else "secondary"
        if st.button(label, type=kind, icon=":material/task_alt:", key=f"job.verify.{name}"):
            st.switch_page("pages/verify.py", query_params={"collection": name})


def _resume(workspace: Workspace, name: str) -> None:
    try:
        jobs.resume(workspace, name)
    except CropcheckError as error:
        refuse(name, error)


def show(workspace: Workspace) -> None:
    """All jobs, newest first; a selected row is watched."""
    known = jobs.listing(workspace)
    if not known:
        st.info("No job was started from here yet. Imports, plans and exports will be listed here.", icon=":material/checklist:")
        return
    chosen = _table(known)
    watch(workspace, chosen)


def _table(known: list[Job]) -> Job:
    rows = [
        {
            "Job": job.title, "State": STATES.get(job.state, job.state), "Done": round(job.share, 2), "Collection": job.makes or "",
            "Started": job.started or job.created, "Took": duration(job.seconds),
        }
        for job in known
    ]  # fmt: skip
    event = st.dataframe(
        rows, hide_index=True, key="data.jobs", on_select="rerun", selection_mode="single-row", height=min(248, 38 + 35 * len(rows)),
        column_config={
            "Job": st.column_config.TextColumn(width="large"),
            "Done": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent", width="small"),
            "Started": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss"),
        },
    )  # fmt: skip
    chosen = event["selection"]["rows"]
    return known[chosen[0]] if chosen and chosen[0] < len(known) else known[0]
