"""A run's folder: the whole contract between the process that trains and everyone who watches. No torch; no processes.

runs/<name>/
    config.json     TrainConfig
    status.json     what the training process last said of itself, replaced whole
    metrics.jsonl   one line an epoch
    checkpoint.pt   the finished models, replaced whole after every part
    resume.pt       the model in training, to go on from after a kill; gone when the run is finished
    results.json    confusion matrices and figures, written when the run is finished
    out.log         what the process printed
    lock            held locked by the training process as long as it lives
    pid             its process number
    cancelled       there if someone asked it to stop
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from data.errors import UnknownRun
from modeling.config import TrainConfig

LOCK_SECONDS = 15.0  # a process that has said its last word may need seconds to leave; a watcher holds the lock for microseconds


@dataclass(frozen=True)
class Epoch:
    """One pass over the training part.

    part: which of the run's trainings it belongs to: "train", or the fold that is left out.
    epoch: from 1.
    val_loss, val_macro_f1: on the validation part; None where there is none.
    """

    part: str
    epoch: int
    loss: float
    val_loss: float | None
    val_macro_f1: float | None
    seconds: float


@dataclass(frozen=True)
class RunDir:
    """The folder of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def resume(self) -> Path:
        return self.path / "resume.pt"

    @property
    def log(self) -> Path:
        return self.path / "out.log"

    def config(self) -> TrainConfig:
        """The run's configuration.

        Raises:
            UnknownRun: the folder is gone or holds no run.
        """
        try:
            return TrainConfig.from_json((self.path / "config.json").read_text())
        except FileNotFoundError:
            raise UnknownRun(f"There is no run {self.name!r} in {self.path.parent}. List them with: python -m modeling runs") from None

    def write(self, name: str, content: dict) -> None:
        """Replace a JSON file of the run whole: a reader, or a crash, never meets half of it."""
        temporary = self.path / f"{name}.{os.getpid()}.partial"
        temporary.write_text(json.dumps(content, ensure_ascii=False, indent=2))
        temporary.replace(self.path / name)

    def read(self, name: str) -> dict:
        """A JSON file of the run; empty if it was never written."""
        path = self.path / name
        return json.loads(path.read_text()) if path.exists() else {}

    def say(self, state: str, **facts) -> None:
        """Write the status, keeping the facts said before."""
        self.write("status.json", self.read("status.json") | {"state": state} | facts)

    def epochs(self) -> list[Epoch]:
        """The epochs so far, in order. A line that a kill cut short is left out."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = path.read_text().split("\n")[:-1]
        return [Epoch(**json.loads(line)) for line in lines]

    def append(self, epoch: Epoch) -> None:
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(asdict(epoch)) + "\n")

    def keep(self, epochs: list[Epoch]) -> None:
        """Replace the record of epochs: those after the point that a resumed run goes on from are trained again."""
        temporary = self.path / "metrics.jsonl.partial"
        temporary.write_text("".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
        temporary.replace(self.path / "metrics.jsonl")

    @property
    def alive(self) -> bool:
        """Whether a training process lives: the kernel frees its lock at its end, whatever ended it."""
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def owned(self) -> Iterator[int | None]:
        """Hold the run's lock; gives its file descriptor to pass on to a child, or None if another process has it."""
        with (self.path / "lock").open("a") as file:
            yield file.fileno() if _locked(file.fileno()) else None


def _locked(descriptor: int) -> bool:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)


def at(runs: Path, name: str) -> RunDir:
    """The folder of the run called `name`.

    Raises:
        UnknownRun: there is none.
    """
    run = RunDir(runs / Path(name).name)
    if not (run.path / "config.json").exists():
        raise UnknownRun(f"There is no run {name!r} in {runs}. List them with: python -m modeling runs")
    return run
