"""A run's folder: the whole contract between the process that trains and everyone who watches. No torch; no processes.

runs/<name>/
    config.json     TrainConfig
    status.json     what the training process last said of itself, replaced whole
    metrics.jsonl   one line an epoch
    checkpoint.pt   the finished models, replaced whole after every part
    resume.pt       the model in training, to go on from after a kill; gone when the run is finished
    embedding.npy   of a network: where it places every sample, see `data.embeddings`
    results.json    confusion matrices and figures, written when the run is finished
    out.log         what the process printed
    lock            held locked by the training process as long as it lives
    pid             its process number
    cancelled       there if someone asked it to stop
    rank-1 ...      of a run of several processes: each but the first holds its file locked as long as it lives, and leaves its error
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from data.errors import UnknownRun
from data.jobdir import Folder
from modeling.config import TrainConfig


@dataclass(frozen=True)
class Epoch:
    """One pass over the training part.

    part: which of the run's trainings it belongs to: "train", or the fold that is left out.
    epoch: from 1.
    val_loss, val_macro_f1, val_accuracy, val_kappa: on the validation part; None where there is none.
    waited: how many of the seconds the device waited for data.
    """

    part: str
    epoch: int
    loss: float
    seconds: float
    waited: float = 0.0
    val_loss: float | None = None
    val_macro_f1: float | None = None
    val_accuracy: float | None = None
    val_kappa: float | None = None


class RunDir(Folder):
    """The folder of one run."""

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def resume(self) -> Path:
        return self.path / "resume.pt"

    def config(self) -> TrainConfig:
        """The run's configuration.

        Raises:
            UnknownRun: the folder is gone or holds no run.
        """
        try:
            return TrainConfig.from_json((self.path / "config.json").read_text())
        except FileNotFoundError:
            raise unknown(self.name, self.path.parent) from None

    def epochs(self) -> list[Epoch]:
        """The epochs so far, in order. A line that a kill cut short is left out."""
        try:
            lines = (self.path / "metrics.jsonl").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [Epoch(**json.loads(line)) for line in lines]

    def append(self, epoch: Epoch) -> None:
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(asdict(epoch)) + "\n")

    def keep(self, epochs: list[Epoch]) -> None:
        """Replace the record of epochs: those after the point that a resumed run goes on from are trained again."""
        temporary = self.path / "metrics.jsonl.partial"
        temporary.write_text("".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
        temporary.replace(self.path / "metrics.jsonl")

    def tell(self, what: str, part: str, done: int, total: int, seconds: float) -> None:
        """Say how far it is within an epoch.

        what: reading, learning, judging or predicting. done, total: samples. seconds: that the epoch has taken so far.
        """
        self.say("running", doing={"what": what, "part": part, "done": done, "total": total, "seconds": round(seconds, 3)})

    @property
    def notes(self) -> list[str]:
        """What the reader of the run's figures should know of how it was trained."""
        return self.read("status.json").get("notes", [])

    def note(self, text: str) -> None:
        """Add to the notes, once."""
        if text not in self.notes:
            self.say("running", notes=[*self.notes, text])
            print(text, flush=True)

    def last_word(self, state: str, message: str = "") -> None:
        """Say how it ended, also where the disk is full: then in the room that the words before have taken."""
        try:
            self.say(state, message=message)
        except OSError:
            with suppress(OSError), (self.path / "status.json").open("r+") as file:  # not even that: then it is found lost
                said = json.loads(file.read()) | {"state": state, "message": message}
                file.seek(0)
                file.write(json.dumps(said))
                file.truncate()


def at(runs: Path, name: str) -> RunDir:
    """The folder of the run called `name`.

    Raises:
        UnknownRun: there is none.
    """
    run = RunDir(runs / Path(name).name)
    if not (run.path / "config.json").exists():
        raise unknown(name, runs)
    return run


def unknown(name: str, runs: Path) -> UnknownRun:
    """What is said of a run that is not there, or not any more."""
    return UnknownRun(f"There is no run {name!r} in {runs}. List them with: python -m modeling runs")
