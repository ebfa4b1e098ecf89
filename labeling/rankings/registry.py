"""The rankings by the kind of the queue that they make: title, what they are for, and what they can be asked with."""

from collections.abc import Callable
from dataclasses import dataclass

from data.errors import BadInput
from labeling.rankings import (
    area,
    audit,
    border,
    cell,
    disagrees,
    gaps,
    map_disagrees,
    mixed,
    outliers,
    purity,
    rotation,
    similar,
    suspects,
    unverified,
)
from labeling.rankings.common import DOUBTED, PREDICTED, Ranked


@dataclass(frozen=True)
class Kind:
    """One ranking.

    title: as the picker calls it. help: one sentence.
    ranked: (workspace, collection, *, limit, seed, **params) -> entries.
    params: what it can be asked with, beside limit and seed. needs: those of them without which it says nothing.
    run: the table that its run must have rows in, where it asks a run; see `common.run_of`.
    """

    title: str
    help: str
    ranked: Callable[..., list[Ranked]]
    params: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    run: str | None = None


KINDS = {
    "mixed": Kind("Mixed", "Several of the others in turn, by adjustable shares.", mixed.ranked, ("mix",)),
    "suspects": Kind(
        "Label errors first", "Labels that a run holds for wrong, by confident learning out of fold.", suspects.ranked,
        ("run", "decided"), run=DOUBTED,
    ),
    "disagrees": Kind(
        "Model disagrees", "What a run reads otherwise than the label, the surest reading first.", disagrees.ranked,
        ("run", "decided"), run=PREDICTED,
    ),
    "cell": Kind(
        "Confusion cell", "One cell of a run's confusion matrix, the surest reading first.", cell.ranked,
        ("run", "truth", "predicted", "decided"), ("truth", "predicted"), PREDICTED,
    ),
    "border": Kind(
        "Near the border", "Samples whose first two classes a run holds for nearly alike.", border.ranked,
        ("run", "measure", "decided"), run=PREDICTED,
    ),
    "outliers": Kind(
        "Envelope outliers", "Seasons far from the verified ones of their class.", outliers.ranked, ("index", "decided"),
    ),
    "rotation": Kind(
        "Rotation surprise", "Crops that seldom stand between those of the year before and after.", rotation.ranked, ("decided",),
    ),
    "purity": Kind("Low purity", "Patches of which little is the crop that the label names.", purity.ranked, ("decided",)),
    "gaps": Kind("Gaps", "Classes or regions of which the smallest share is verified.", gaps.ranked, ("by",)),
    "similar": Kind(
        "Similar to one", "The nearest neighbours of a sample in a model's embedding.", similar.ranked,
        ("sample", "run", "decided"), ("sample",), PREDICTED,
    ),
    "map": Kind(
        "Map disagrees", "What a finished map shows otherwise than the label, the surest first.", map_disagrees.ranked,
        ("map", "area", "decided"), ("map",),
    ),
    "area": Kind(
        "In an area", "What lies in a polygon that was drawn on the map, the most doubtful first.", area.ranked,
        ("area", "map", "run", "decided"), ("area",),
    ),
    "audit": Kind("Random audit", "Drawn at random: the only queue that estimates the inventory's error rate.", audit.ranked),
    "unverified": Kind("Without a decision, shuffled", "What nobody decided on.", unverified.ranked, ("order", "decided")),
}  # fmt: skip


def named(kind: str) -> Kind:
    """The ranking of that kind.

    Raises:
        BadInput: there is none.
    """
    if kind not in KINDS:
        raise BadInput(f"There is no ranking {kind!r}. Choose one of {', '.join(KINDS)}.")
    return KINDS[kind]
