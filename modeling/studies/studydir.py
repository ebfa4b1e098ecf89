"""A study's folder: what it compares, and which run is which. No torch; no processes.

studies/<name>/
    study.json      kind, collection, model, choices, notes, variants, and the configuration and run of each training
    status.json     what the process last said of itself, replaced whole
    table.csv       one row a variant, written after every run; table.md is the same for people
    figure.html     the figure of each score, to be opened without the app
    out.log, lock, pid, cancelled: as in every folder of a process (`data.jobdir`)

Trainings are ordinary runs in runs/, so they are watched, resumed and read like any other.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.errors import UnknownRun, UnknownStudy
from data.jobdir import Folder
from data.workspace import Workspace
from modeling import rundir
from modeling.config import TrainConfig
from modeling.studies.kinds import Plan, Variant

CONTENT = "study.json"
WAITING, GONE = "waiting", "deleted"


@dataclass(frozen=True)
class Training:
    """One configuration of a study.

    run: its run's name; empty before it is begun.
    message: why no run could be made; empty otherwise.
    """

    config: TrainConfig
    run: str = ""
    message: str = ""

    def state(self, workspace: Workspace) -> tuple[str, str]:
        """What is true now, as the run's state and message: waiting before it is begun, deleted where its folder is gone."""
        if not self.run:
            return ("failed", self.message) if self.message else (WAITING, "")
        try:
            said = rundir.at(workspace.runs, self.run).said()
        except (UnknownRun, FileNotFoundError):  # the latter: deleted in this moment
            return GONE, f"The run {self.run} is gone. Resume the study to train it again."
        return said["state"], said.get("message", "") if said["state"] == "failed" else ""


class StudyDir(Folder):
    """The folder of one study."""

    def plan(self, plan: Plan, created: str) -> None:
        """Write what the study compares."""
        configs = plan.configs
        choices = asdict(plan.choices)
        self.write(CONTENT, {
            "kind": plan.choices.kind, "collection": plan.choices.collection, "created": created, "choices": choices,
            "notes": list(plan.notes),
            "variants": [
                {"label": variant.label, "group": variant.group, "at": variant.at, "settings": dict(variant.settings),
                 "trainings": [configs.index(config) for config in own]}
                for variant, own in plan.variants
            ],
            "trainings": [{"config": json.loads(config.to_json()), "run": "", "message": ""} for config in configs],
        })  # fmt: skip

    @property
    def content(self) -> dict:
        return self.read(CONTENT)

    def trainings(self) -> list[Training]:
        """All configurations, in the order in which they are trained."""
        entries = self.content["trainings"]
        return [Training(TrainConfig.from_json(json.dumps(entry["config"])), entry["run"], entry["message"]) for entry in entries]

    def variants(self) -> Iterator[tuple[Variant, list[int]]]:
        """Each variant with the positions of its trainings, one a seed."""
        for entry in self.content["variants"]:
            yield Variant(entry["label"], entry["settings"], entry["group"], entry["at"]), entry["trainings"]

    def note(self, number: int, *, run: str = "", message: str = "") -> Training:
        """Keep the run of a training, or why it could not be made."""
        content = self.content
        content["trainings"][number] |= {"run": run, "message": message}
        self.write(CONTENT, content)
        return replace(self.trainings()[number], run=run, message=message)


def at(workspace: Workspace, name: str) -> StudyDir:
    """The folder of the study called `name`.

    Raises:
        UnknownStudy: there is none.
    """
    study = StudyDir(workspace.studies / Path(name).name)
    if not (study.path / CONTENT).exists():
        raise UnknownStudy(f"There is no study {name!r} in {workspace.studies}. List them with: python -m modeling studies")
    return study
