"""A finished run of a configuration on today's labels: the one that is there, or one that is trained now. Imports torch only to train."""

from data.workspace import Workspace
from modeling import rundir, runs, samples, splits, working
from modeling.config import TrainConfig
from modeling.runs import RunStatus


def trained(workspace: Workspace, config: TrainConfig) -> str:
    """The name of a finished run of `config` on the labels of today, trained in this process where there is none.

    A run that a kill, a cancellation or a failure has stopped goes on.

    Raises:
        UnknownCollection, CannotTrain, PixelsUnreadable: as `runs.create` and `working.work`.
    """
    same = [run for run in runs.listing(workspace) if run.config == config]
    finished = [run for run in same if run.state == "finished" and _is_of_today(workspace, run)]
    if finished:
        return finished[0].name
    stopped = [run for run in same if run.state != "finished"]
    folder = runs.resumable(workspace, stopped[0].name) if stopped else runs.create(workspace, config)
    working.work(workspace, folder)
    return folder.name


def _is_of_today(workspace: Workspace, run: RunStatus) -> bool:
    """Whether the run learned from the labels that are in force now, in the same split."""
    known = samples.load(workspace.store, run.config.collection, run.config.labels)
    parts = splits.stored(workspace.store, run.config, known).parts
    learned = rundir.at(workspace.runs, run.name).read("results.json")
    return learned.get("content_hash") == known.content_hash(parts)
