"""One training of a run, called a lesson: from its folder's saved state to a finished model, noting every epoch on the way."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from modeling import checkpoint, estimators, inputs, ranks, registry
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.feeding import Feed
from modeling.fitting import Fit, NotANumber
from modeling.rundir import Epoch, RunDir
from modeling.samples import UNLABELLED, Samples
from modeling.splits import Split

SAVE_SECONDS = 5.0  # at most this much training is lost to a kill
TELL_SECONDS = 0.5  # at most two notes of progress a second
RESUME_FORMAT = 2  # of resume.pt; one of another version is passed over, and the lesson begins anew


@dataclass(frozen=True)
class Lesson:
    """One training of the run. part: "train", or the fold that is left out. teach, watch: positions in `Samples`."""

    part: str
    teach: np.ndarray
    watch: np.ndarray


@dataclass(frozen=True)
class Job:
    """Everything that a run works on."""

    config: TrainConfig
    known: Samples
    split: Split
    feed: Feed
    content_hash: str
    lessons: tuple[Lesson, ...]

    @property
    def usable(self) -> np.ndarray:
        """(N,) bool, samples that have a label and something to show."""
        return (self.known.truth != UNLABELLED) & self.feed.source.seen


class Diary:
    """What a lesson leaves in the run's folder: progress, epochs, the state to go on from. Only the leading process writes."""

    def __init__(self, run: RunDir, job: Job, lesson: Lesson):
        self.run, self.job, self.lesson = run, job, lesson
        self.facts = {"format": checkpoint.FORMAT, "resume": RESUME_FORMAT, "part": lesson.part, "content_hash": job.content_hash}
        self.saved = self.told = -math.inf
        self.began = time.monotonic()  # the epoch

    def fit(self, fit: Fit) -> dict:
        """Train to the end, from where a kill left it."""
        saved = self._saved()
        if saved:
            checkpoint.resume(fit, self.run.resume, saved)
        if ranks.leads():
            self.run.keep([epoch for epoch in self.run.epochs() if self._stays(epoch, fit.epoch)])
        self.began = time.monotonic()
        try:
            return fit.run(lambda epoch: self._note(epoch, fit), self.lesson.part)
        except NotANumber as error:
            kept = self._saved()
            what = f"the state after epoch {kept['epoch']} is kept in {self.run.resume}" if kept else "no epoch of it is kept"
            raise NotANumber(f"{error} Of {self.lesson.part}, {what}.") from error

    def tell(self, what: str, done: int, total: int) -> None:
        """Progress within an epoch, for those who watch."""
        now = time.monotonic()
        if ranks.leads() and now - self.told >= TELL_SECONDS:
            self.told = now
            self.run.tell(what, self.lesson.part, done, total, now - self.began)

    def _note(self, epoch: Epoch, fit: Fit) -> None:
        if not ranks.leads():
            return
        self.run.append(epoch)
        print(line(epoch, self.job.config), flush=True)
        if fit.halved:
            self.run.note(f"The memory was too small for a batch of {fit.config.batch_size} samples: trained with {fit.batch_size}.")
        if time.monotonic() - self.saved >= SAVE_SECONDS:
            checkpoint.save(self.run.resume, self.facts | {"fit": fit.snapshot()})
            self.saved = time.monotonic()
        self.began = time.monotonic()

    def _saved(self) -> dict | None:
        if not self.run.resume.exists():
            return None
        saved = checkpoint.read(self.run.resume)
        return saved.get("fit") if all(saved.get(key) == value for key, value in self.facts.items()) else None

    def _stays(self, epoch: Epoch, last: int) -> bool:
        """Whether an epoch is of a lesson that is over, or not after the state that this one goes on from."""
        order = [lesson.part for lesson in self.job.lessons]
        earlier = order[: order.index(self.lesson.part)]
        return epoch.part in earlier or (epoch.part == self.lesson.part and epoch.epoch <= last)


def learn(run: RunDir, job: Job, lesson: Lesson) -> dict:
    """Train one lesson, from the start or from where a kill left it, and return its state on the CPU.

    Raises:
        CannotTrain: a channel of which nothing is known; a loss that is no number; a memory that is too small.
    """
    if registry.named(job.config.model).estimator:
        return _estimated(run, job, lesson)
    number, classes, diary = job.lessons.index(lesson), len(job.known.classes), Diary(run, job, lesson)
    # Every lesson has its own seed, so a resumed run draws the same numbers whichever were finished before.
    torch.manual_seed(job.config.seed * 1000 + number)
    model = Classifier(job.config, job.feed.source.bands, classes).to(job.feed.device)
    teach, watch = torch.from_numpy(lesson.teach), torch.from_numpy(lesson.watch)
    fit = Fit(model, job.feed, teach, watch, job.config, classes, number=number, tell=diary.tell)
    inputs.check_known(model.features.channels, model.features.known.tolist(), job.config.inputs, job.config.collection)
    return {name: tensor.detach().cpu().clone() for name, tensor in diary.fit(fit).items()}


def _estimated(run: RunDir, job: Job, lesson: Lesson) -> dict:
    """Train scikit-learn's model in one go."""
    start = time.perf_counter()
    run.keep([epoch for epoch in run.epochs() if epoch.part != lesson.part])
    truth, weight = job.known.truth[lesson.teach], job.feed.weight.cpu().numpy()[lesson.teach]
    state, loss = estimators.fitted(job.config, job.feed.source, lesson.teach, truth, weight, len(job.known.classes))
    epoch = Epoch(lesson.part, 1, loss, seconds=time.perf_counter() - start)
    run.append(epoch)
    print(line(epoch, job.config), flush=True)
    return state


def line(epoch: Epoch, config: TrainConfig) -> str:
    """An epoch as the log says it."""
    watched = "" if epoch.val_loss is None else f", validation loss {epoch.val_loss:.3f}, macro-F1 {epoch.val_macro_f1:.3f}"
    waited = f", {epoch.waited / epoch.seconds:.0%} waiting for data" if epoch.waited else ""
    return f"{epoch.part} epoch {epoch.epoch}/{config.epochs}: loss {epoch.loss:.3f}{watched} ({epoch.seconds:.1f} s{waited})"
