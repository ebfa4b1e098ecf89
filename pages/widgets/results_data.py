"""What the Results page reads, kept until a run, its predictions or a decision can have changed it."""

from dataclasses import replace

import streamlit as st

from data import profiles
from data.workspace import Workspace
from labeling import worked
from labeling.worked import Matrices, Outcome
from modeling import evaluation, runs
from modeling.evaluation import Comparison, Judged, Stratum
from modeling.results import Results

Stamp = tuple[int, tuple]  # when results.json was written, and the state of decisions and samples


def results(workspace: Workspace, run: str) -> Results:
    """The figures of a finished run; its calibration is worked out from the predictions where an earlier version trained it.

    Raises:
        UnknownRun: no run of that name, or it is not finished.
    """
    return _results(workspace, run, _written(workspace, run))


@st.cache_data(max_entries=500, show_spinner=False)
def _results(workspace: Workspace, run: str, written: int) -> Results:
    found = runs.results(workspace, run)
    return found if found.calibration else replace(found, calibration=evaluation.judged(workspace, run).calibration())


def strata(workspace: Workspace, run: str, stratum: str) -> list[Stratum]:
    """The run's scores in every group.

    Raises:
        CropcheckError: as `evaluation.by` and `evaluation.with_months`.
    """
    return _strata(workspace, run, stratum, _stamp(workspace, run))


@st.cache_data(max_entries=100, show_spinner="Grouping the samples")
def _strata(workspace: Workspace, run: str, stratum: str, stamp: Stamp) -> list[Stratum]:
    of = _judged(workspace, run, stamp)
    return evaluation.by(evaluation.with_months(workspace, of) if stratum == "month" else of, stratum)


def compared(workspace: Workspace, run: str, other: str) -> Comparison:
    """The two runs on the samples that judge both.

    Raises:
        BadInput: there are none.
    """
    return _compared(workspace, run, other, _stamp(workspace, run), _stamp(workspace, other))


@st.cache_data(max_entries=100, show_spinner="Comparing the runs")
def _compared(workspace: Workspace, run: str, other: str, stamp: Stamp, other_stamp: Stamp) -> Comparison:
    return evaluation.paired(_judged(workspace, run, stamp), _judged(workspace, other, other_stamp))


def outcomes(workspace: Workspace, run: str) -> dict[tuple[str, str], Outcome]:
    """What curators have found so far in every cell of the run's matrix: (label, predicted) -> counts.

    Raises:
        UnknownRun: as `worked.outcomes`.
    """
    return _outcomes(workspace, run, _stamp(workspace, run))


@st.cache_data(max_entries=50, show_spinner=False)
def _outcomes(workspace: Workspace, run: str, stamp: Stamp) -> dict[tuple[str, str], Outcome]:
    return worked.outcomes(workspace.store, run)


def matrices(workspace: Workspace, run: str) -> Matrices:
    """The run's matrix under the old labels and under those of now.

    Raises:
        UnknownRun: as `worked.matrices`.
    """
    return _matrices(workspace, run, _stamp(workspace, run))


@st.cache_data(max_entries=50, show_spinner=False)
def _matrices(workspace: Workspace, run: str, stamp: Stamp) -> Matrices:
    return worked.matrices(workspace.store, run)


@st.cache_resource(max_entries=4, show_spinner="Reading the predictions")
def _judged(workspace: Workspace, run: str, stamp: Stamp) -> Judged:
    return evaluation.judged(workspace, run)


def _stamp(workspace: Workspace, run: str) -> Stamp:
    return _written(workspace, run), profiles.version(workspace.store)


def _written(workspace: Workspace, run: str) -> int:
    path = workspace.runs / run / "results.json"
    return path.stat().st_mtime_ns if path.exists() else 0
