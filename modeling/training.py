"""A training run from its folder to its results: what is read, trained, predicted and written, in this order.

After a kill at any moment the same call goes on from the last saved epoch, and ends with the figures it would have had.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from data import catalogue
from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import checkpoint, estimators, inputs, machine, metrics, neighbour, pixels, predict, registry, results, samples, splits
from modeling.calibration import calibration
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.feeding import Feed
from modeling.fitting import Fit
from modeling.rundir import Epoch, RunDir
from modeling.samples import UNLABELLED, Samples
from modeling.splits import Split

KNOWN_ENOUGH = 0.9  # share of a channel's values, below which the reader is told
SAVE_SECONDS = 5.0  # at most this much training is lost to a kill


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


def train(workspace: Workspace, run: RunDir) -> None:
    """Train what the run's configuration says, and leave checkpoint, predictions and results.

    Raises:
        UnknownCollection, CannotTrain, PixelsUnreadable: what the configuration asks for cannot be done.
    """
    start, config = time.perf_counter(), run.config()
    device = machine.prepare(config)
    run.say("running", device=machine.described(device), message="")
    job = prepare(workspace, config, device)
    _record(workspace, run, job)
    stored, shares = learned(run, job)
    parts = np.where(job.usable, job.split.parts, predict.OUTSIDE)
    predict.store(workspace, run.name, job.known, predict.names_of(job.known), parts.tolist(), shares, job.feed.source.seen)
    run.write("results.json", _results(workspace, run, job, stored, shares, time.perf_counter() - start))
    run.resume.unlink(missing_ok=True)
    run.say("finished")


def learned(run: RunDir, job: Job) -> tuple[dict, np.ndarray]:
    """Train every lesson that the run's folder does not hold yet; give the checkpoint and (N, K) probabilities of every sample."""
    stored = _known_checkpoint(run, job)
    for lesson in job.lessons:
        if lesson.part not in stored["parts"]:
            stored["parts"][lesson.part] = _fitted(run, job, lesson)
            checkpoint.save(run.checkpoint, stored)
    return stored, predict.probabilities(stored, job.feed, job.split.parts)


def prepare(workspace: Workspace, config: TrainConfig, device: torch.device, known: Samples | None = None) -> Job:
    """Read labels, split and pixels. known: samples with other labels than the store's, for experiments."""
    known = samples.load(workspace.store, config.collection, config.labels) if known is None else known
    split = splits.stored(workspace.store, config, known)
    source = pixels.load(workspace, known, config)
    lessons = _lessons(config, known, split.parts, source.seen)
    feed = Feed(source, known.truth, _weights(config, known), device, config.memory)
    return Job(config, known, split, feed, known.content_hash(split.parts), lessons)


def _weights(config: TrainConfig, known: Samples) -> np.ndarray:
    """(N,) weight of each label in the loss."""
    return np.where(known.verified | (config.labels == "inventory"), 1.0, config.unverified_weight)


def _lessons(config: TrainConfig, known: Samples, parts: np.ndarray, seen: np.ndarray) -> tuple[Lesson, ...]:
    usable = (known.truth != UNLABELLED) & seen
    if config.folds:
        folds = [f"fold-{number}" for number in range(config.folds)]
        lessons = tuple(Lesson(fold, _limited(config, usable & (parts != fold)), np.array([], dtype=np.int64)) for fold in folds)
    else:
        lessons = (Lesson("train", _limited(config, usable & (parts == "train")), np.flatnonzero(usable & (parts == "validation"))),)
    for lesson in lessons:
        if len(np.unique(known.truth[lesson.teach])) < 2:
            raise CannotTrain(
                f"The training part of {splits.name_of(config)} holds {len(lesson.teach)} labelled samples of fewer than two classes. "
                "Verify more samples, or choose folds, the random split or smaller blocks."
            )
    return lessons


def _limited(config: TrainConfig, chosen: np.ndarray) -> np.ndarray:
    """Positions of the chosen samples, at most `config.limit` of them: fewer are always among more, whichever the limits."""
    positions = np.flatnonzero(chosen)
    if not config.limit:
        return positions
    order = np.random.default_rng(config.seed).permutation(len(chosen))
    return np.sort(order[np.isin(order, positions)][: config.limit])


def _record(workspace: Workspace, run: RunDir, job: Job) -> None:
    """The run's row in the store, with the dataset version that it learns from."""
    config = job.config
    with workspace.store.writing() as db:
        db["run"].upsert(
            {
                "name": run.name, "collection": config.collection, "model": config.model, "labels": config.labels, "split": job.split.id,
                "config": config.to_json(), "last_event": job.known.last_event, "content_hash": job.content_hash,
                "created": run.read("status.json").get("created", ""),
            },
            pk="name",
        )  # fmt: skip


def _known_checkpoint(run: RunDir, job: Job) -> dict:
    """The parts that were finished before a kill; none if the labels have changed since."""
    if run.checkpoint.exists():
        stored = checkpoint.load(run.checkpoint)
        if stored["content_hash"] == job.content_hash:
            return stored
    return checkpoint.content(job.config, job.known.classes, job.feed.source.bands, job.content_hash, {})


def _fitted(run: RunDir, job: Job, lesson: Lesson) -> dict:
    """Train one lesson, from the start or from where a kill left it, and return its state on the CPU."""
    earlier = [other.part for other in job.lessons[: job.lessons.index(lesson)]]
    if registry.named(job.config.model).estimator:
        return _estimated(run, job, lesson)
    # Every part has its own seed, so a resumed run draws the same numbers whichever parts were finished before.
    torch.manual_seed(job.config.seed * 1000 + len(earlier))
    model = Classifier(job.config, job.feed.source.bands, len(job.known.classes)).to(job.feed.device)
    fit = Fit(model, job.feed, torch.from_numpy(lesson.teach), torch.from_numpy(lesson.watch), job.config, len(job.known.classes))
    shares = model.features.known.tolist()
    inputs.check_known(model.features.channels, shares, job.config.inputs, job.config.collection)
    snapshot = _snapshot(run, job, lesson)
    if snapshot:
        fit.restore(snapshot)
    run.keep([epoch for epoch in run.epochs() if epoch.part in earlier or (epoch.part == lesson.part and epoch.epoch <= fit.epoch)])
    saved = -math.inf

    def note(epoch: Epoch) -> None:
        nonlocal saved
        run.append(epoch)
        print(_line(epoch, job.config), flush=True)
        if time.monotonic() - saved >= SAVE_SECONDS:
            facts = {"format": checkpoint.FORMAT, "part": lesson.part, "content_hash": job.content_hash}
            checkpoint.save(run.resume, facts | {"fit": fit.snapshot()})
            saved = time.monotonic()

    return {name: tensor.detach().cpu().clone() for name, tensor in fit.run(note, lesson.part).items()}


def _estimated(run: RunDir, job: Job, lesson: Lesson) -> dict:
    """Train scikit-learn's model in one go."""
    start = time.perf_counter()
    truth, weight = job.known.truth[lesson.teach], _weights(job.config, job.known)[lesson.teach]
    state, loss = estimators.fitted(job.config, job.feed.source, lesson.teach, truth, weight, len(job.known.classes))
    epoch = Epoch(lesson.part, 1, loss, seconds=time.perf_counter() - start)
    run.append(epoch)
    print(_line(epoch, job.config), flush=True)
    return state


def _snapshot(run: RunDir, job: Job, lesson: Lesson) -> dict | None:
    if not run.resume.exists():
        return None
    saved = checkpoint.load(run.resume)
    fits = (saved["part"], saved["content_hash"]) == (lesson.part, job.content_hash)
    return saved["fit"] if fits else None


def _line(epoch: Epoch, config: TrainConfig) -> str:
    watched = "" if epoch.val_loss is None else f", validation loss {epoch.val_loss:.3f}, macro-F1 {epoch.val_macro_f1:.3f}"
    return f"{epoch.part} epoch {epoch.epoch}/{config.epochs}: loss {epoch.loss:.3f}{watched} ({epoch.seconds:.1f} s)"


def _results(workspace: Workspace, run: RunDir, job: Job, stored: dict, shares: np.ndarray, seconds: float) -> dict:
    known, parts = job.known, job.split.parts
    folds = [lesson.part for lesson in job.lessons] if job.config.folds else []
    taught = {fold: [other for other in folds if other != fold] for fold in folds} or {"test": ["train"]}
    copied = neighbour.copied(known, parts, list(taught), taught)
    found = shares.argmax(axis=1)
    matrices = {
        "confusion": _counts(job, found, np.isin(parts, list(taught))),
        "validation": None if folds else _counts(job, found, parts == "validation"),
        "neighbour": _counts(job, copied, np.isin(parts, list(taught)) & (copied != UNLABELLED)),
    }
    colors = {entry.name: entry.color for entry in catalogue.learned(workspace.store, known.collection)}
    facts = {
        "run": run.name, "collection": known.collection, "model": job.config.model, "classes": list(known.classes),
        "colors": [colors[name] for name in known.classes], "judged": "folds" if folds else "test", "split": job.split.name,
        "last_event": known.last_event, "content_hash": job.content_hash, "device": run.read("status.json").get("device", ""),
        "seconds": round(seconds, 2), "notes": _notes(job, stored),
    }  # fmt: skip
    judged = np.isin(parts, list(taught)) & job.usable
    return results.to_json(facts, matrices, calibration(known.truth[judged], shares[judged]))


def _counts(job: Job, found: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    chosen = chosen & job.usable
    return metrics.confusion(job.known.truth[chosen], found[chosen], len(job.known.classes))


def _notes(job: Job, stored: dict) -> list[str]:
    """What the reader of the figures should know."""
    unseen = int(((job.known.truth != UNLABELLED) & ~job.feed.source.seen).sum())
    notes = [f"{unseen} labelled samples have no image in the chosen months: left out."] if unseen else []
    return notes + _notes_on_classes(job) + _notes_on_channels(job, stored)


def _notes_on_classes(job: Job) -> list[str]:
    """Classes that a training part lacks: the model of that part cannot know them."""
    notes = []
    for lesson in job.lessons:
        taught = set(job.known.truth[lesson.teach].tolist())
        lacking = [name for position, name in enumerate(job.known.classes) if position not in taught]
        if lacking:
            where = f"the model that leaves {lesson.part} out" if job.config.folds else "the model"
            notes.append(f"In this split {where} learned from no sample of {', '.join(lacking)}.")
    return notes


def _notes_on_channels(job: Job, stored: dict) -> list[str]:
    """Channels that are often missing."""
    known = [state["features.known"] for state in stored["parts"].values() if "features.known" in state]
    if not known:
        return []
    channels = inputs.channels(job.config.inputs, job.feed.source.bands)
    return [
        f"{channel.name} is missing in {1 - share:.0%} of what was learned from; the model takes it for average there."
        for channel, share in zip(channels, torch.stack(known).amin(dim=0).tolist(), strict=True)
        if share < KNOWN_ENOUGH
    ]
