"""How much each label weighs in the loss: 1 where a curator verified it, else the probability that it is right. NumPy and the store only.

Rejected samples have no label, so they weigh nothing.
"""

import numpy as np

from data.errors import CannotTrain
from data.store import Store
from modeling.config import TrainConfig
from modeling.samples import UNLABELLED, Samples

RANKED = "select u.sample, u.given, u.probability from suspect u join run r on r.name = u.run where u.run = ? and r.collection = ?"
LEAST = 0.01  # a label that a model holds impossible still counts for something: the model may be wrong


def of_labels(store: Store, config: TrainConfig, known: Samples) -> np.ndarray:
    """(N,) float64 weight of each sample's label.

    A verified label weighs 1; another one what the run `config.doubts` holds it likely to be right, judged out of fold, or
    `config.unverified_weight` where no run is named or it did not judge this label. The inventory's own labels all weigh 1 without
    such a run.

    Raises:
        CannotTrain: that run has ranked no labels of the collection.
    """
    if config.labels == "inventory" and not config.doubts:
        return np.ones(len(known))
    weights = np.full(len(known), config.unverified_weight)
    if config.doubts:
        weights = np.where(np.isnan(likely := _likely(store, config, known)), weights, np.maximum(likely, LEAST))
    return np.where(known.verified & (config.labels != "inventory"), 1.0, weights)


def _likely(store: Store, config: TrainConfig, known: Samples) -> np.ndarray:
    """(N,) probability of each label by the ranking; NaN where it judged another label of the sample, or none."""
    with store.reading() as db:
        rows = {row["sample"]: row for row in db.execute(RANKED, [config.doubts, config.collection])}
    if not rows:
        raise CannotTrain(
            f"The run {config.doubts!r} has ranked no labels of {config.collection}. Rank them with: python -m modeling suspects "
            f"--collection {config.collection}"
        )
    names = [None if truth == UNLABELLED else known.classes[truth] for truth in known.truth]
    found = [rows.get(sample) for sample in known.ids.tolist()]
    return np.array([row["probability"] if row and row["given"] == name else np.nan for row, name in zip(found, names, strict=True)])
