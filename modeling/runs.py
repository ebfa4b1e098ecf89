"""Training runs as pages and commands see them: start, watch, cancel, resume, read. Imports no torch.

A run is a child process and a folder (see `rundir`). What is true of it is always worked out from the folder, so a page reload,
an app restart or a killed process loses nothing.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from data import jobdir, jobs
from data.errors import CannotTrain, UnknownRun, WorkspaceError
from data.workspace import Workspace
from modeling import results as evaluation
from modeling import rundir, samples, splits, weights
from modeling.config import TrainConfig
from modeling.results import Results
from modeling.rundir import Epoch, RunDir

ACTIVE = ("queued", "running")
# Sleeping instead of spinning threads: on a busy two-core machine the default lost a factor of four.
QUIET_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run.

    state: queued, running, finished, failed, cancelled or lost (the process is gone without a word).
    message: why it failed; empty otherwise.
    part: what is being trained: "train", or the fold left out.
    epochs_done, epochs_total: over all parts; early stopping may end a part sooner.
    best_macro_f1: the best of the validation part so far; None where there is none.
    seconds_left: None until something of an epoch is learned, and when the run is over. Early stopping may end it sooner.
    doing: reading, learning, judging or predicting; empty before that, and when the run is over.
    samples_done, samples_total: of what it is doing.
    part_done: 0..1 of the epoch that is being learned.
    notes: what the reader of its figures should know of how it was trained.
    """

    name: str
    state: str
    message: str
    config: TrainConfig
    created: str
    device: str
    part: str
    epochs_done: int
    epochs_total: int
    best_macro_f1: float | None
    seconds_left: float | None
    doing: str = ""
    samples_done: int = 0
    samples_total: int = 0
    part_done: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def share(self) -> float:
        """0..1 of the work done."""
        return 1.0 if self.state == "finished" else min(1.0, (self.epochs_done + self.part_done) / self.epochs_total)


def create(workspace: Workspace, config: TrainConfig) -> RunDir:
    """Make the folder of a new run, after a check that there is something to learn from, and that it can be split.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain: as `samples.load`, `splits.check` and `weights.of_labels` say.
        WorkspaceError: the folder cannot be written.
    """
    known = samples.load(workspace.store, config.collection, config.labels)
    splits.check(workspace.store, config, known)
    weights.of_labels(workspace.store, config, known)
    now = datetime.now(UTC)
    stem = f"{config.collection}-{config.model}-{now:%Y%m%d-%H%M%S}"
    try:
        run = RunDir(jobdir.make(workspace.runs, stem))
        run.write("status.json", {"state": "queued", "created": now.isoformat(timespec="seconds")})
        run.write("config.json", json.loads(config.to_json()))
    except OSError as error:
        raise _unwritable(workspace, error) from error
    return run


def launch(workspace: Workspace, config: TrainConfig) -> str:
    """Start training in a process of its own and return the run's name at once.

    Raises:
        UnknownCollection, UnknownModel, CannotTrain, WorkspaceError: as `create`.
    """
    run = create(workspace, config)
    _start(workspace, run)
    return run.name


def resume(workspace: Workspace, name: str) -> None:
    """Start a lost, failed or cancelled run again, from the last epoch that was saved.

    Raises:
        UnknownRun: no run of that name.
        CannotTrain: it is running, or finished.
    """
    _start(workspace, resumable(workspace, name))


def resumable(workspace: Workspace, name: str) -> RunDir:
    """The folder of a run that can go on.

    Raises:
        UnknownRun: no run of that name.
        CannotTrain: it is running, or finished.
    """
    run, found = rundir.at(workspace.runs, name), status(workspace, name)
    if found.active and run.alive:
        raise _running(run)
    if found.state == "finished":
        raise CannotTrain(
            f"The run {found.name} is finished. Start a new one, or predict with: python -m modeling predict --run {found.name}"
        )
    return run


def cancel(workspace: Workspace, name: str) -> None:
    """Ask a run to stop; it does so within a batch. A run that is over is left as it is.

    Raises:
        UnknownRun: no run of that name.
    """
    run = rundir.at(workspace.runs, name)
    if run.alive:
        jobs.stop(run)


def status(workspace: Workspace, name: str) -> RunStatus:
    """What is true of the run now.

    Raises:
        UnknownRun: no run of that name.
    """
    run = rundir.at(workspace.runs, name)
    try:
        said = run.said()
    except FileNotFoundError:
        raise rundir.unknown(name, workspace.runs) from None  # deleted since the line above
    config, epochs = run.config(), run.epochs()
    total = said.get("parts", max(1, config.folds)) * config.epochs
    doing = said.get("doing", {}) if said["state"] == "running" else {}
    part_done = _part_done(doing)
    watched = [epoch.val_macro_f1 for epoch in epochs if epoch.val_macro_f1 is not None]
    return RunStatus(
        run.name, said["state"], said.get("message", ""), config, said.get("created", ""), said.get("device", ""),
        doing.get("part") or (epochs[-1].part if epochs else ""), len(epochs), total, max(watched, default=None),
        _seconds_left(epochs, total, part_done, doing.get("seconds", 0.0)) if said["state"] == "running" else None,
        doing.get("what", ""), doing.get("done", 0), doing.get("total", 0), part_done, tuple(said.get("notes", ())),
    )  # fmt: skip


def _part_done(doing: dict) -> float:
    if doing.get("what") == "learning":
        return doing["done"] / doing["total"]
    return 1.0 if doing.get("what") == "judging" else 0.0


def listing(workspace: Workspace) -> list[RunStatus]:
    """All runs, newest first."""
    found = []
    for path in workspace.runs.glob("*/config.json"):
        with suppress(UnknownRun):  # deleted in this moment
            found.append(status(workspace, path.parent.name))
    return sorted(found, key=lambda run: (run.created, run.name), reverse=True)


def progress(workspace: Workspace, name: str) -> list[Epoch]:
    """The epochs so far, in order.

    Raises:
        UnknownRun: no run of that name.
    """
    return rundir.at(workspace.runs, name).epochs()


def log(workspace: Workspace, name: str) -> str:
    """What the run's process printed; empty for a run in a terminal.

    Raises:
        UnknownRun: no run of that name.
    """
    return rundir.at(workspace.runs, name).printed()


def results(workspace: Workspace, name: str) -> Results:
    """The figures of a finished run.

    Raises:
        UnknownRun: no run of that name, or it is not finished.
    """
    run = rundir.at(workspace.runs, name)
    content = run.read("results.json")
    if not content:
        state = status(workspace, name).state
        raise UnknownRun(f"The run {name} has no results: it is {state}. Wait for it, resume it, or choose a finished run.")
    return evaluation.from_json(content, name, run.config())


def _start(workspace: Workspace, run: RunDir) -> None:
    with run.owned() as lock:
        if lock is None:
            raise _running(run)
        try:
            jobs.launch(workspace, run, lock, ["-m", "modeling", "train", "--run", run.name, "--lock", str(lock)], QUIET_THREADS)
        except OSError as error:
            raise _unwritable(workspace, error) from error


def _unwritable(workspace: Workspace, error: OSError) -> WorkspaceError:
    return WorkspaceError(f"Nothing can be written to {workspace.runs}: {error.strerror}. Make the folder writable, or free some space.")


def _running(run: RunDir) -> CannotTrain:
    return CannotTrain(f"The run {run.name} is running already. Cancel it first, or wait for it.")


def _seconds_left(epochs: list[Epoch], total: int, part_done: float, seconds: float) -> float | None:
    """By the last epochs; in the first by what is done of it.

    seconds: that the epoch at work has taken so far.
    """
    if not epochs and not part_done:
        return None
    recent = [epoch.seconds for epoch in epochs[-20:]] or [seconds / part_done]
    return (total - len(epochs) - part_done) * sum(recent) / len(recent)
