"""Predictions for every sample of a collection, with all probabilities, into the table `prediction`; and where a network places it."""

import json
from pathlib import Path

import numpy as np
import torch

from data import catalogue, embeddings
from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import checkpoint, estimators, machine, pixels, registry, rundir, samples, splits
from modeling.feeding import Feed
from modeling.fitting import Tell, embedded, scores, untold
from modeling.rundir import RunDir
from modeling.samples import UNLABELLED, Samples

OUTSIDE = splits.OUTSIDE  # part of a sample that the run neither learned from nor is judged by, or that has no truth


def probabilities(stored: dict, feed: Feed, parts: np.ndarray, tell: Tell = untold) -> np.ndarray:
    """Class probabilities of every sample, out of fold where the run has folds.

    Args:
        stored: a checkpoint's content.
        parts: (N,) part of each sample in the run's split. A sample of a fold is predicted by the model that left that fold out; one
            that is in no fold by all models, of which the mean is taken.

    Returns:
        (N, K) float32; rows sum to 1.

    Raises:
        CannotTrain: the checkpoint is of other bands than the collection has.
    """
    checkpoint.check_bands(stored, feed.source.bands)
    result = np.zeros((len(parts), len(stored["classes"])), dtype=np.float32)
    strays = ~np.isin(parts, list(stored["parts"]))
    for part in stored["parts"]:
        index = np.flatnonzero(strays | (parts == part))
        if len(index):
            result[index] += _shares(stored, part, feed, index, tell)
    result[strays] /= len(stored["parts"])
    return result


def _shares(stored: dict, part: str, feed: Feed, index: np.ndarray, tell: Tell) -> np.ndarray:
    config = checkpoint.config_of(stored)
    if registry.named(config.model).estimator:
        return estimators.probabilities(stored["parts"][part], config, feed.source, index, len(stored["classes"]))
    model = checkpoint.classifier(stored, part).to(feed.device)
    return scores(model, feed, torch.from_numpy(index), tell).softmax(dim=1).cpu().numpy()


def place(run: RunDir, stored: dict, feed: Feed, samples: np.ndarray, tell: Tell = untold) -> None:
    """Write the run's embedding (`data.embeddings`): what the last layer of its network is given of every sample that it sees.

    Vectors of two networks are not comparable. So in a run with folds all are of its first network, those too that it learned from,
    whose vectors its labels have drawn towards their class. That does for finding look-alikes, and for nothing else: figures,
    suspects and weights read the out-of-fold probabilities, never these. Trees have no such layer, and no file.

    Args:
        samples: (N,) sample numbers, in the order of `feed`.
    """
    config = checkpoint.config_of(stored)
    if registry.named(config.model).estimator:
        return
    model = checkpoint.classifier(stored, next(iter(stored["parts"]))).to(feed.device)
    seen = np.flatnonzero(feed.source.seen)
    vectors = embedded(model, feed, torch.from_numpy(seen), tell)
    embeddings.write(run.path, samples[seen], vectors.cpu().numpy())


def store(
    workspace: Workspace, run: str, known: Samples, truth: list[str | None], parts: list[str], shares: np.ndarray, seen: np.ndarray
) -> None:
    """Replace the run's predictions, all at once.

    Args:
        seen: (N,) bool, whether the model was shown anything of the sample; of others nothing is predicted.
        truth: (N,) class name each sample is judged against, or None.
        parts: (N,) part of each sample; OUTSIDE where it has no truth.
        shares: (N, K) probabilities in the order of `known.classes`.
    """
    best = shares.argmax(axis=1)
    rows = [
        (
            run, int(sample), parts[row], truth[row], known.classes[best[row]], round(float(shares[row, best[row]]), 5),
            json.dumps([round(float(share), 5) for share in shares[row]]),
        )
        for row, sample in enumerate(known.ids) if seen[row]
    ]  # fmt: skip
    with workspace.store.writing() as db:
        db.execute("delete from prediction where run = ?", [run])
        db.conn.executemany(
            "insert into prediction (run, sample, part, truth, predicted, probability, probabilities) values (?, ?, ?, ?, ?, ?, ?)", rows
        )


def again(workspace: Workspace, name: str, *, device: str = "auto") -> int:
    """Predict every sample of the run's collection with its checkpoint, and return how many there are.

    What the run was judged by stays: a sample keeps its part and truth, and one that has come in since is outside.

    Raises:
        UnknownRun: no run of that name.
        CannotTrain: it is not finished, or its checkpoint is missing or damaged.
        PixelsUnreadable: a shard is missing or damaged.
    """
    run = rundir.at(workspace.runs, name)
    config = run.config().with_(device=device)
    if not run.read("results.json"):
        raise CannotTrain(f"The run {name} is not finished, so it cannot predict. Wait for it, or resume it.")
    stored = checkpoint.load(Path(run.checkpoint))
    checkpoint.check_run(stored, config)
    checkpoint.check_classes(stored, tuple(entry.name for entry in catalogue.learned(workspace.store, config.collection)))
    known = samples.everything(workspace.store, config.collection, tuple(stored["classes"]))
    with workspace.store.reading() as db:
        before = {row["sample"]: row for row in db.execute("select sample, part, truth from prediction where run = ?", [name])}
    checkpoint.check_parts(stored, needed={row["part"] for row in before.values() if row["part"].startswith(splits.FOLD)})
    source = pixels.load(workspace, known, config)
    feed = Feed(source, known.truth, np.ones(len(known)), machine.prepare(config), config.memory)
    shares = probabilities(stored, feed, splits.stored(workspace.store, config, known).parts)
    parts = [before[sample]["part"] if sample in before else OUTSIDE for sample in known.ids.tolist()]
    truth = [before[sample]["truth"] if sample in before else None for sample in known.ids.tolist()]
    place(run, stored, feed, known.ids)
    store(workspace, name, known, truth, parts, shares, source.seen)
    return int(source.seen.sum())


def names_of(known: Samples) -> list[str | None]:
    """(N,) the class name of each sample's truth, None where it has none."""
    return [None if truth == UNLABELLED else known.classes[truth] for truth in known.truth]
