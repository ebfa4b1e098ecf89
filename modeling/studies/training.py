"""A study at work in this process: its runs one after the other. Imports torch only to train."""

import os
import sys
import time
import traceback

from data.errors import CannotTrain, CropcheckError
from data.workspace import Workspace
from modeling import rundir, runs, working
from modeling.rundir import RunDir
from modeling.studies import control, figures, table
from modeling.studies.studydir import GONE, StudyDir
from modeling.working import Cancelled

WATCH_SECONDS = 0.5  # between two looks at a run that another process trains


def train(workspace: Workspace, study: StudyDir, lock: int | None = None) -> None:
    """Train every run of the study that is not finished, holding the study's lock, and leave table, figure and last word.

    A run that fails does not stop the others.

    Args:
        lock: file descriptor of the study's lock, where the process that started this one holds it for us.

    Raises:
        CannotTrain: another process is at work on the study, or it was cancelled.
    """
    if lock is not None:
        _train(workspace, study)  # the lock came with the process and goes with it
        return
    with study.owned() as own:
        if own is None:
            raise control.running(study)
        (study.path / "cancelled").unlink(missing_ok=True)
        _train(workspace, study)


def _train(workspace: Workspace, study: StudyDir) -> None:
    (study.path / "pid").write_text(str(os.getpid()))
    study.say("running", message="")
    try:
        with working.stoppable():
            states = _all(workspace, study)
    except Cancelled:
        study.say("cancelled")
        raise CannotTrain(f"The study {study.name} was cancelled. Go on with it: python -m modeling study --resume {study.name}") from None
    except BaseException as error:
        study.say("failed", message=str(error) if isinstance(error, CropcheckError) else f"{type(error).__name__}: {error}")
        raise
    study.say("finished" if set(states) == {"finished"} else "incomplete")


def _all(workspace: Workspace, study: StudyDir) -> list[str]:
    """Train what is not finished; the state of every training."""
    trainings, states = study.trainings(), []
    for number, training in enumerate(trainings):
        print(f"{study.name}: run {number + 1} of {len(trainings)}", file=sys.stderr, flush=True)
        if training.state(workspace)[0] != "finished":
            _one(workspace, study, number)
        states.append(study.trainings()[number].state(workspace)[0])
        table.write(workspace, study)
    figures.write(workspace, study)
    return states


def _one(workspace: Workspace, study: StudyDir, number: int) -> None:
    """Train one run, from the start or from where it stopped. Whatever ends it is told in its own folder, or in the study's."""
    run = None
    try:
        run = _run(workspace, study, number)
        while run.alive:  # somebody resumed it on the Train page
            time.sleep(WATCH_SECONDS)
        if run.said()["state"] != "finished":
            working.work(workspace, run)
    except Exception as error:
        if run is None:
            study.note(number, message=str(error))
        elif study.trainings()[number].state(workspace)[0] == "cancelled" and (study.asked_to_stop or not run.asked_to_stop):
            raise Cancelled from error
        if not isinstance(error, CropcheckError):
            traceback.print_exc()
        print(f"{study.name}: run {number + 1} has no results: {error}", file=sys.stderr, flush=True)


def _run(workspace: Workspace, study: StudyDir, number: int) -> RunDir:
    """The run of a training; a new one where it has none, or where its folder is gone."""
    training = study.trainings()[number]
    if training.run and training.state(workspace)[0] != GONE:
        return rundir.at(workspace.runs, training.run)
    run = runs.create(workspace, training.config)
    study.note(number, run=run.name)
    return run
