"""A training run from its folder to its results: what is read, trained, predicted and written, in this order.

After a kill at any moment the same call goes on from the last saved epoch, and ends with the figures it would have had.
"""

import time

import numpy as np
import torch

from data import catalogue
from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import checkpoint, inputs, leakage, machine, metrics, pixels, predict, ranks, registry, results, samples, splits, weights
from modeling.calibration import calibration
from modeling.config import TrainConfig
from modeling.feeding import Feed
from modeling.lessons import Diary, Job, Lesson, learn
from modeling.rundir import Epoch, RunDir
from modeling.samples import UNLABELLED, Samples

KNOWN_ENOUGH = 0.9  # share of a channel's values, below which the reader is told


def train(workspace: Workspace, run: RunDir) -> None:
    """Train what the run's configuration says, and leave checkpoint, predictions and results.

    Raises:
        UnknownCollection, CannotTrain, PixelsUnreadable: what the configuration asks for cannot be done.
    """
    start, config = time.perf_counter(), run.config()
    device = machine.prepare(config)
    if not ranks.leads():
        _help(workspace, run, device)
        return
    run.say("running", device=machine.described(device), message="")
    job = prepare(workspace, config, device)
    ranks.told(job.content_hash)
    run.say("running", parts=len(job.lessons))
    _record(workspace, run, job)
    stored, shares = learned(run, job)
    predict.place(run, stored, job.feed, job.known.ids, Diary(run, job, job.lessons[-1]).tell)
    parts = np.where(job.usable, job.split.parts, predict.OUTSIDE)
    predict.store(workspace, run.name, job.known, predict.names_of(job.known), parts.tolist(), shares, job.feed.source.seen)
    run.write("results.json", _results(workspace, run, job, stored, shares, time.perf_counter() - start))
    run.resume.unlink(missing_ok=True)
    run.say("finished")


def learned(run: RunDir, job: Job) -> tuple[dict, np.ndarray]:
    """Train every lesson that the run's folder does not hold yet; give the checkpoint and (N, K) probabilities of every sample."""
    stored = _taught(run, job)
    return stored, predict.probabilities(stored, job.feed, job.split.parts, Diary(run, job, job.lessons[-1]).tell)


def _taught(run: RunDir, job: Job) -> dict:
    stored = _known_checkpoint(run, job)
    for lesson in job.lessons:
        if lesson.part not in stored["parts"]:
            stored["parts"][lesson.part] = learn(run, job, lesson)
            if ranks.leads():
                checkpoint.save(run.checkpoint, stored)
    return stored


def _help(workspace: Workspace, run: RunDir, device: torch.device) -> None:
    """What a process does that does not lead: read the same, once the first has made the split, and learn its share of every batch."""
    wanted = ranks.told(None)
    job = prepare(workspace, run.config(), device)
    if job.content_hash != wanted:
        raise CannotTrain(f"The labels of {job.known.collection} changed while the processes of {run.name} started. Resume the run.")
    if not registry.named(job.config.model).estimator:
        _taught(run, job)


def prepare(workspace: Workspace, config: TrainConfig, device: torch.device, known: Samples | None = None) -> Job:
    """Read labels, split and pixels. known: samples with other labels than the store's, for experiments."""
    known = samples.load(workspace.store, config.collection, config.labels) if known is None else known
    split = splits.stored(workspace.store, config, known)
    source = pixels.load(workspace, known, config)
    lessons = _lessons(config, known, split.parts, source.seen)
    feed = Feed(source, known.truth, weights.of_labels(workspace.store, config, known), device, config.memory)
    return Job(config, known, split, feed, known.content_hash(split.parts), lessons)


def _lessons(config: TrainConfig, known: Samples, parts: np.ndarray, seen: np.ndarray) -> tuple[Lesson, ...]:
    usable = (known.truth != UNLABELLED) & seen
    if not (usable & np.isin(parts, list(splits.taught(parts)))).any():
        raise CannotTrain(
            f"The split {splits.name_of(config)} leaves no labelled sample with an image to judge by. Verify more samples, or choose "
            "another split."
        )
    lessons = tuple(
        Lesson(
            part if part != splits.TEST else splits.TRAIN,
            _limited(config, usable & np.isin(parts, taught)),
            np.flatnonzero(usable & (parts == splits.VALIDATION)),
        )
        for part, taught in splits.taught(parts).items()
    )
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
            checkpoint.check_job(stored, job.config, job.feed.source.bands, job.known.classes, [lesson.part for lesson in job.lessons])
            return stored
    return checkpoint.content(job.config, job.known.classes, job.feed.source.bands, job.content_hash, {})


def _results(workspace: Workspace, run: RunDir, job: Job, stored: dict, shares: np.ndarray, seconds: float) -> dict:
    known, parts = job.known, job.split.parts
    folds, taught = splits.folds_of(parts), splits.taught(parts)
    leaks = leakage.report(known, np.where(job.usable, parts, splits.OUTSIDE))
    found = shares.argmax(axis=1)
    matrices = {
        "confusion": _counts(job, found, np.isin(parts, list(taught))),
        "validation": _counts(job, found, watched) if (watched := job.usable & (parts == splits.VALIDATION)).any() else None,
        "neighbour": leaks.confusion,
    }
    colors = {entry.name: entry.color for entry in catalogue.learned(workspace.store, known.collection)}
    facts = {
        "run": run.name, "collection": known.collection, "model": job.config.model, "classes": list(known.classes),
        "colors": [colors[name] for name in known.classes], "judged": "folds" if folds else "test", "split": job.split.name,
        "last_event": known.last_event, "content_hash": job.content_hash, "device": run.read("status.json").get("device", ""),
        "seconds": round(seconds, 2), "notes": _notes(job, stored) + run.notes,
        "waited_share": _waited(run.epochs()), "leakage": leaks.as_json(),
    }  # fmt: skip
    judged = np.isin(parts, list(taught)) & job.usable
    return results.to_json(facts, matrices, calibration(known.truth[judged], shares[judged]))


def _waited(epochs: list[Epoch]) -> float:
    """The share of the training time in which the device waited for data."""
    return round(sum(epoch.waited for epoch in epochs) / max(1e-9, sum(epoch.seconds for epoch in epochs)), 4)


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
            where = f"the model that leaves {lesson.part} out" if lesson.part != splits.TRAIN else "the model"
            notes.append(f"In this split {where} learned from no sample of {', '.join(lacking)}.")
    return notes


def _notes_on_channels(job: Job, stored: dict) -> list[str]:
    """Channels that are often missing."""
    known = [state["features.known"] for state in stored["parts"].values() if "features.known" in state]
    if not known:
        return []
    channels = inputs.channels(job.config.inputs, job.feed.source.bands)
    estimator = registry.named(job.config.model).estimator
    there = "the trees read it between the dates at which it is known" if estimator else "the model takes it for average there"
    return [
        f"{channel.name} is missing in {1 - share:.0%} of what was learned from; {there}."
        for channel, share in zip(channels, torch.stack(known).amin(dim=0).tolist(), strict=True)
        if share < KNOWN_ENOUGH
    ]
