"""A training run as pages show it: live progress, the list of runs, a short label."""

from contextlib import suppress

import streamlit as st

from data.errors import CropcheckError, UnknownRun
from data.workspace import Workspace
from modeling import figures, registry, runs, tables
from modeling.runs import RunStatus
from pages.widgets import results_data

COLOURS = {"queued": "blue", "running": "blue", "finished": "green", "failed": "red", "cancelled": "gray", "lost": "orange"}
LOST = (
    "Its process is gone without a word: killed, or the machine was restarted. What it had saved is whole; resume it to go on from there."
)


def live(workspace: Workspace, name: str) -> None:
    """The run now: state, progress, curves, and what can be done with it. Meant to be drawn again every second while it works."""
    try:
        _draw(workspace, runs.status(workspace, name))
    except UnknownRun as error:  # its folder was deleted meanwhile
        st.warning(str(error), icon=":material/delete:")


def _draw(workspace: Workspace, run: RunStatus) -> None:
    if st.session_state.get("train.active", run.active) != run.active:
        st.session_state["train.active"] = run.active
        st.rerun()
    st.session_state["train.active"] = run.active
    st.markdown(f"##### {run.name} :{COLOURS[run.state]}-badge[{run.state}]")
    st.progress(run.share, _line(run))
    _state(workspace, run)
    if refused := st.session_state.pop("train.refused", None):
        st.error(refused)
    for note in run.notes:
        st.info(note)
    epochs = runs.progress(workspace, run.name)
    if epochs and not registry.named(run.config.model).estimator:
        st.plotly_chart(figures.training_curves(epochs), key="train.curves", config={"displayModeBar": False})
    with st.expander("Log"):
        st.code(runs.log(workspace, run.name)[-4000:] or "Nothing printed yet.", language=None)


def _line(run: RunStatus) -> str:
    part = f" of {run.part}" if run.part.startswith("fold") else ""
    best = f" · best validation macro-F1 {run.best_macro_f1:.3f}" if run.best_macro_f1 is not None else ""
    left = f" · about {_duration(run.seconds_left)} left" if run.seconds_left is not None else ""
    device = f" · {run.device}" if run.device else ""
    doing = f" · {run.doing} {run.samples_done:,} of {run.samples_total:,} samples" if run.active and run.doing else ""
    done = f"{run.epochs_done} of {run.epochs_total} " + ("trainings" if registry.named(run.config.model).estimator else "epochs")
    return f"{done}{part}{doing}{best}{left}{device}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _state(workspace: Workspace, run: RunStatus) -> None:
    if run.state == "failed":
        st.error(run.message or "It failed; the log says why.")
    elif run.state == "lost":
        st.warning(LOST)
    with st.container(horizontal=True):
        if run.active:
            st.button("Cancel", icon=":material/stop:", key="train.cancel", on_click=_cancel, args=(workspace, run.name))
        elif run.state == "finished":
            if st.button("Read the results", type="primary", icon=":material/grid_on:", key="train.results"):
                st.switch_page("pages/results.py", query_params={"run": run.name})
        else:
            st.button("Resume", icon=":material/replay:", key="train.resume", on_click=_resume, args=(workspace, run.name))


def _cancel(workspace: Workspace, name: str) -> None:
    with suppress(UnknownRun):  # deleted: the panel says so
        runs.cancel(workspace, name)


def _resume(workspace: Workspace, name: str) -> None:
    st.session_state["train.run"] = name
    st.session_state.pop("train.active", None)
    try:
        runs.resume(workspace, name)
    except CropcheckError as error:
        st.session_state["train.refused"] = str(error)


def table(workspace: Workspace, known: list[RunStatus]) -> None:
    """The runs, newest first; a selected row is watched."""
    rows = [
        {
            "Run": run.name, "State": run.state, "Model": run.config.model, "Labels": run.config.labels,
            "Inputs": run.config.inputs, "Split": tables.split_in_words(run.config), "Epochs": f"{run.epochs_done} / {run.epochs_total}",
            "Started": run.created,
        } | _scores(workspace, run)
        for run in known
    ]  # fmt: skip
    event = st.dataframe(
        rows, hide_index=True, key="train.table", on_select="rerun", selection_mode="single-row",
        column_config={"Accuracy": st.column_config.NumberColumn(format="%.3f"), "Macro-F1": st.column_config.NumberColumn(format="%.3f")},
    )  # fmt: skip
    chosen = event["selection"]["rows"]
    if chosen and known[chosen[0]].name != st.session_state.get("train.run"):
        st.session_state["train.run"] = known[chosen[0]].name
        st.session_state.pop("train.active", None)
        st.rerun()


def _scores(workspace: Workspace, run: RunStatus) -> dict[str, float | None]:
    if run.state != "finished":
        return {"Accuracy": None, "Macro-F1": None}
    scores = results_data.results(workspace, run.name).scores
    return {"Accuracy": scores.accuracy.value, "Macro-F1": scores.macro_f1.value}
