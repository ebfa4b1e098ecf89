"""Studies as pages and commands see them: plan, make, start, watch, cancel, resume. Imports no torch.

What is true of a study is always worked out from its folder and its runs, so a page reload, an app restart or a killed process loses
nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from data import jobdir, jobs
from data.errors import CannotTrain, WorkspaceError
from data.workspace import Workspace
from modeling import runs
from modeling.runs import ACTIVE, QUIET_THREADS
from modeling.studies import allowing, kinds, studydir
from modeling.studies.kinds import Choices, Plan
from modeling.studies.studydir import StudyDir

DONE = ("finished", "incomplete")


@dataclass(frozen=True)
class StudyStatus:
    """What is known of a study.

    state: queued, running, finished, incomplete (all runs tried, some failed), failed, cancelled or lost (the process is gone without
        a word).
    message: why it failed; empty otherwise.
    total, done, failed: runs in all, finished, and failed.
    current: the run that is trained now; empty where there is none.
    share: 0..1 of the work done, the current run's epochs with it.
    seconds_left: None until a run is over, and when the study is.
    """

    name: str
    kind: str
    collection: str
    state: str
    message: str
    created: str
    total: int
    done: int
    failed: int
    current: str
    share: float
    seconds_left: float | None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def plan(workspace: Workspace, choices: Choices) -> Plan:
    """What a study would compare; makes nothing.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain: as `allowing.read` and `kinds.plan`.
    """
    kinds.named(choices.kind)
    return kinds.plan(choices, allowing.read(workspace, choices.collection))


def create(workspace: Workspace, choices: Choices, name: str = "") -> StudyDir:
    """Make the folder of a new study.

    Args:
        name: of the study; empty = of its collection, kind and time.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain: as `plan`; or there is a study of that name.
        WorkspaceError: the folder cannot be written.
    """
    planned, now = plan(workspace, choices), datetime.now(UTC)
    _check(workspace, name)
    try:
        study = StudyDir(jobdir.make(workspace.studies, name or f"{choices.collection}-{choices.kind}-{now:%Y%m%d-%H%M%S}"))
        study.write("status.json", {"state": "queued"})
        study.plan(planned, now.isoformat(timespec="seconds"))
    except OSError as error:
        raise WorkspaceError(f"No study can be made in {workspace.studies}: {error.strerror}. Make the folder writable.") from error
    return study


def launch(workspace: Workspace, choices: Choices, name: str = "") -> str:
    """Start a study in a process of its own and return its name at once.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain, WorkspaceError: as `create`.
    """
    study = create(workspace, choices, name)
    _start(workspace, study)
    return study.name


def resume(workspace: Workspace, name: str) -> None:
    """Start a study again: finished runs stay, broken ones go on from their last epoch, failed ones are tried again.

    Raises:
        UnknownStudy: no study of that name.
        CannotTrain: it is running, or finished.
    """
    _start(workspace, resumable(workspace, name))


def resumable(workspace: Workspace, name: str) -> StudyDir:
    """The folder of a study that can go on.

    Raises:
        UnknownStudy: no study of that name.
        CannotTrain: it is running, or finished.
    """
    study = studydir.at(workspace, name)
    if study.alive:
        raise running(study)
    if status(workspace, name).state == "finished":
        raise CannotTrain(f"The study {study.name} is finished. Read it with: python -m modeling studies {study.name}")
    return study


def running(study: StudyDir) -> CannotTrain:
    return CannotTrain(f"The study {study.name} is running already. Cancel it first, or wait for it.")


def cancel(workspace: Workspace, name: str) -> None:
    """Ask a study to stop; its run does so within a batch. A study that is over is left as it is.

    Raises:
        UnknownStudy: no study of that name.
    """
    study = studydir.at(workspace, name)
    if study.alive:
        jobs.stop(study)


def status(workspace: Workspace, name: str) -> StudyStatus:
    """What is true of the study now.

    Raises:
        UnknownStudy: no study of that name.
    """
    study = studydir.at(workspace, name)
    said, content, trainings = study.said(), study.content, study.trainings()
    states = [training.state(workspace)[0] for training in trainings]
    done, state, total = states.count("finished"), said["state"], len(trainings)
    if state in DONE:  # a run of it may have been resumed, or deleted, by itself
        state = "finished" if done == total else "incomplete"
    at_work = next((training.run for training, found in zip(trainings, states, strict=True) if found in ACTIVE), "")
    current = runs.status(workspace, at_work) if at_work and state in ACTIVE else None
    part = current.share if current else 0.0
    return StudyStatus(
        study.name, content["kind"], content["collection"], state, said.get("message", "") if state == "failed" else "",
        content["created"], total, done, states.count("failed"), current.name if current else "",
        1.0 if state in DONE else min(1.0, (done + states.count("failed") + part) / total),
        _seconds_left(workspace, [training.run for training, found in zip(trainings, states, strict=True) if found == "finished"],
                      sum(found not in ("finished", "failed") for found in states) - part) if state == "running" else None,
    )  # fmt: skip


def listing(workspace: Workspace) -> list[StudyStatus]:
    """All studies, newest first."""
    found = [status(workspace, path.parent.name) for path in workspace.studies.glob(f"*/{studydir.CONTENT}")]
    return sorted(found, key=lambda study: (study.created, study.name), reverse=True)


def log(workspace: Workspace, name: str) -> str:
    """What the study's process printed; empty for one in a terminal.

    Raises:
        UnknownStudy: no study of that name.
    """
    return studydir.at(workspace, name).printed()


def _check(workspace: Workspace, name: str) -> None:
    if name and not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise CannotTrain(f"A study cannot be called {name!r}: a name is letters, digits, - _ and . only.")
    if name and (workspace.studies / name).exists():
        raise CannotTrain(
            f"There is a study {name} already. Choose another name, or go on with it: python -m modeling study --resume {name}"
        )


def _start(workspace: Workspace, study: StudyDir) -> None:
    with study.owned() as lock:
        if lock is None:
            raise running(study)
        arguments = ["-m", "modeling", "study", "--resume", study.name, "--lock", str(lock)]
        jobs.launch(workspace, study, lock, arguments, QUIET_THREADS)


def _seconds_left(workspace: Workspace, finished: list[str], left: float) -> float | None:
    """As long as the finished runs took on average, for each that is left."""
    if not finished:
        return None
    return left * sum(runs.results(workspace, name).seconds for name in finished) / len(finished)
