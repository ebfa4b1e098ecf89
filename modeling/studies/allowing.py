"""What a collection allows a study to compare, read from the store. No torch."""

import numpy as np

from data import catalogue, info
from data.errors import CannotTrain
from data.workspace import Workspace
from modeling import grouping, samples
from modeling.config import LABELS
from modeling.samples import UNLABELLED, Samples
from modeling.studies.kinds import Allowed

SIDES = (500.0, 750.0, 1_000.0, 1_500.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0, 200_000.0)  # of blocks, in metres


def read(workspace: Workspace, name: str) -> Allowed:
    """What the collection called `name` allows.

    Raises:
        UnknownCollection: no collection of that name.
        CannotTrain: it has no labels to learn from.
    """
    collection = catalogue.collection(workspace.store, name)
    known = samples.load(workspace.store, name, "inventory")
    labelled, refused = {"inventory": _count(known)}, {}
    for labels in LABELS[1:]:
        try:
            labelled[labels] = _count(samples.load(workspace.store, name, labels))
        except CannotTrain as error:
            refused[labels] = str(error)
    if not known.verified.any():
        labelled.pop("mixed", None)  # the same as the inventory's
    months = {int(row["month"][5:7]) for row in info.images_by_month(workspace.store, name) if row["quality"] != "bad" and row["images"]}
    here = known.truth != UNLABELLED
    return Allowed(
        collection.is_series, collection.bands, tuple(sorted(months)), tuple(sorted(set(known.regions[here].tolist()) - {None, ""})),
        tuple(sorted(set(known.years[here].tolist()))), len(np.unique(known.sites[here])), _blocks(known), len(known.classes),
        labelled, refused,
    )  # fmt: skip


def _count(known: Samples) -> int:
    return int((known.truth != UNLABELLED).sum())


def _blocks(known: Samples) -> dict[float, int]:
    """Side in metres -> blocks that hold labelled samples."""
    here = known.truth != UNLABELLED
    lon, lat = known.lon[here], known.lat[here]
    centre = float(known.lon.mean()), float(known.lat.mean())
    return {side: len(np.unique(grouping.blocks(lon, lat, side, centre), axis=0)) for side in SIDES}
