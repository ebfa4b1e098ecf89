"""How much of each crop there is on a map, by region, with what the random audit says of the map's errors.

What a map's pixels add up to is biased by its mistakes. The audited samples say how often each class is which: `estimates` turns both
into unbiased areas with intervals. They speak of the ground that the collection's samples stand for; docs/areas.md says what that means.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from data.mapped import ground
from data.mapped.folder import Map
from data.report import Report
from data.store import Store
from data.workspace import Workspace
from modeling.mapping import audited, regions
from modeling.mapping.audited import OTHER, UNTOLD, Reference
from modeling.mapping.estimates import Estimates, Figure, estimate, joined
from modeling.mapping.regions import Regions

OTHER_NAME, OTHER_FR, OTHER_COLOR = "other", "autre", "#9a9a9a"
FEW = 30  # samples below which intervals are too short more often than they should be
SMALL_PART = 0.5  # of the mapped area, that the samples lie on
UNEVEN = 0.25  # of the samples, that would have to be of other mapped classes to be spread as the area is

RUN = "select s.method from run r join split s on s.id = r.split where r.name = ?"


@dataclass(frozen=True)
class ClassArea:
    """A class, or what is none of the map's.

    mapped: hectares that the map gives it; None where they are not known, as of what the map does not know.
    area: hectares as estimated; share: 0..1 of the whole. users, producers: accuracies 0..1. None where the samples do not tell.
    called, found: reference samples that the map calls so, and that are so.
    joined: its stratum had too few samples, and was joined with others.
    """

    name: str
    name_fr: str
    color: str
    mapped: float | None
    area: Figure | None
    share: Figure | None
    users: Figure | None
    producers: Figure | None
    called: int
    found: int
    joined: bool


@dataclass(frozen=True)
class Region:
    """A part of the map, or all of it.

    hectares: that are mapped; None where they are not known. samples: in the reference; right: of them. overall: accuracy 0..1.
    counts: samples, rows by the map's class, columns by the truth, "other" last.
    """

    name: str
    hectares: float | None
    samples: int
    right: int
    overall: Figure | None
    classes: tuple[ClassArea, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Areas:
    """The areas of a map, ready for JSON by `as_json`.

    on_map: the collection's samples with an inventory label that lie on it. reference: those that the estimates are made from.
    learned: audited samples on the map that were left out, or with `learned_too` were not, because the run learned from them.
    untold: audited samples on the map of which nobody can say what grows there. elsewhere: audited samples that are not on the map.
    regions: where `from_file`, with hectares; else those that the samples' sites name, without.
    warnings: sentences, the weightiest first.
    """

    map: str
    run: str
    collection: str
    years: tuple[int, ...]
    on_map: int
    reference: int
    learned: int
    learned_too: bool
    untold: int
    elsewhere: int
    whole: Region
    regions: tuple[Region, ...]
    from_file: bool
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def of_map(
    workspace: Workspace, made: Map, source: Path | str | None = None, column: str | None = None, *, learned_too: bool = False,
    outcome: Report | None = None,
) -> Areas:  # fmt: skip
    """The areas of a map's classes, whole and by region.

    Args:
        source: a file of polygons that are regions, and column that names them; without, the sites' own regions.
        learned_too: count samples that the run learned from: more of them, but the map is at its best there.
        outcome: told of regions that are left out.

    Raises:
        BadInput: as `regions.read` and `regions.hectares`.
    """
    given = regions.read(source, column, made, outcome or Report()) if source else None
    found = audited.reference(workspace.store, made)
    told = found.counts & (found.truth != UNTOLD)
    used = told if learned_too else told & ~found.learned
    mapped, by_region = regions.hectares(made, given)
    whole = _region(made, made.title, found, used, mapped)
    parts = _from_file(made, found, used, given, by_region) if given else _named(made, found, used)
    learned = int((told & found.learned).sum())
    return Areas(
        made.name, made.run, made.collection, tuple(sorted({day.year for day in made.stack.dates})), len(found.lon), int(used.sum()),
        learned, learned_too, int((found.counts & (found.truth == UNTOLD)).sum()), found.elsewhere, whole, parts, given is not None,
        tuple(_warnings(workspace.store, made, found, whole, learned, learned_too)),
    )  # fmt: skip


def _from_file(made: Map, found: Reference, used: np.ndarray, given: Regions, mapped: np.ndarray) -> tuple[Region, ...]:
    inside = given.holding(made, found.lon, found.lat)
    return tuple(_region(made, name, found, used & inside[:, at], mapped[at]) for at, name in enumerate(given.names))


def _named(made: Map, found: Reference, used: np.ndarray) -> tuple[Region, ...]:
    names = sorted(set(found.regions[used].tolist()) - {""})
    return tuple(_region(made, name, found, used & (found.regions == name), None) for name in names)


def _region(made: Map, name: str, found: Reference, used: np.ndarray, mapped: np.ndarray | None) -> Region:
    counts = _counts(found.mapped[used], found.truth[used], len(made.classes))
    alone = mapped is None  # then the map's classes cannot be strata
    weights = np.ones(len(made.classes)) if alone else mapped
    estimates = estimate(counts, weights, np.zeros(len(weights), dtype=np.int64) if alone else joined(counts, weights))
    classes = _classes(made, counts, mapped, estimates)
    if counts.sum() < FEW and not any(figure and figure.low is not None for entry in classes for figure in (entry.area, entry.share)):
        classes = tuple(replace(entry, area=None, share=None) for entry in classes)  # of a few samples alike: it would pass for a finding
    return Region(
        name, None if mapped is None else float(mapped.sum()), int(counts.sum()), int(np.diagonal(counts).sum()), estimates.overall,
        classes, tuple(map(tuple, counts.tolist())),
    )  # fmt: skip


def _counts(mapped: np.ndarray, truth: np.ndarray, known: int) -> np.ndarray:
    """(K, K + 1) samples by the map's class and the truth, "other" last."""
    counts = np.zeros((known, known + 1), dtype=np.int64)
    np.add.at(counts, (mapped, np.where(truth == OTHER, known, truth)), 1)
    return counts


def _classes(made: Map, counts: np.ndarray, mapped: np.ndarray | None, estimates: Estimates) -> tuple[ClassArea, ...]:
    known = len(made.classes)
    names = [(entry.name, entry.name_fr, entry.color) for entry in made.classes] + [(OTHER_NAME, OTHER_FR, OTHER_COLOR)]
    together = [mapped is not None and estimates.strata.count(number) > 1 for number in estimates.strata] + [False]
    return tuple(
        ClassArea(
            *names[at], None if mapped is None or at == known else float(mapped[at]), None if mapped is None else estimates.areas[at],
            estimates.shares[at], None if at == known else estimates.users[at], None if at == known else estimates.producers[at],
            0 if at == known else int(counts[at].sum()), int(counts[:, at].sum()), together[at],
        )
        for at in range(known + 1)
    )  # fmt: skip


def _warnings(store: Store, made: Map, found: Reference, whole: Region, learned: int, learned_too: bool) -> list[str]:
    with store.reading() as db:
        row = db.execute(RUN, [made.run]).fetchone()
    told = [_nothing(made, found, learned)] if not whole.samples else []
    if row is None:
        told.append(f"The run {made.run} is not in this workspace: samples that it learned from cannot be left out.")
    if learned and learned_too:
        told.append(f"The run learned from {learned:,} of the {whole.samples:,} samples: the map may look better than it is.")
    elif learned and whole.samples and row and row["method"] != "random":
        told.append(f"The run held samples back by {row['method']}, not at random: the estimates speak of those places.")
    if 0 < whole.samples < FEW:
        counting = "1 sample counts" if whole.samples == 1 else f"{whole.samples} samples count"
        told.append(f"Only {counting}: intervals are rough. A longer audit mends that: {_longer(made)}")
    share = _share_of_ground(found, whole)
    if whole.samples and share < SMALL_PART:
        told.append(f"The collection's samples lie on {share:.0%} of the mapped area. The estimates speak of that part.")
    if whole.samples and _unevenness(found, whole) > UNEVEN:
        told.append(
            "The collection's samples are spread over the map's classes otherwise than the area is. The estimates hold if those of a "
            "mapped class are like the rest of what is mapped so."
        )
    together = [entry.name for entry in whole.classes if entry.joined and entry.mapped]
    if whole.samples and together:
        told.append(
            f"Too few samples are where the map has one of {', '.join(together)}: these are one stratum, and less is known of each."
        )
    return told


def _nothing(made: Map, found: Reference, learned: int) -> str:
    """Why there is no sample, and what to do."""
    if not found.asked:
        return (
            f"The random audit of {made.collection} has not begun, so nothing is known of the map's errors. It can tell by the "
            f"{len(found.mapped):,} of the collection's samples that lie on the map. Begin it: {_longer(made)}"
        )
    if learned:
        return (
            f"The run learned from all {learned:,} audited samples on the map. Make a longer audit ({_longer(made)}), train with a test "
            "part and without folds, or count them all the same (--learned-too)."
        )
    if found.elsewhere and not found.counts.any():
        return (
            f"None of the {found.elsewhere:,} audited samples of {made.collection} lies on the map in its years. Make a longer audit "
            f"({_longer(made)}), or a map of the place and years of the samples."
        )
    here = int(found.counts.sum())
    if here:
        return (
            f"Of the audited samples of {made.collection}, {found.elsewhere:,} lie elsewhere and nobody could judge the {here:,} on the "
            f"map, where {len(found.mapped):,} of the collection's samples lie. Decide more samples of the audit's queue in Verify."
        )
    return (
        f"The random audit of {made.collection} has not come far enough to count: too many of the first samples of its order have no "
        "decision. Decide the samples of its queue in Verify, the first ones first."
    )


def _longer(made: Map) -> str:
    return f"python -m labeling queue make audit --collection {made.collection}"


def _share_of_ground(found: Reference, whole: Region) -> float:
    """Roughly how much of the mapped area the collection's samples lie on: their convex hull, of the ground."""
    if not whole.hectares:
        return 1.0
    x, y = Transformer.from_crs(4326, ground.EQUAL_AREA, always_xy=True).transform(found.lon, found.lat)
    return float(shapely.MultiPoint(np.stack([x, y], axis=1)).convex_hull.area / ground.HECTARE / whole.hectares)


def _unevenness(found: Reference, whole: Region) -> float:
    """The share of the collection's samples that would have to be of another mapped class to be spread as the area is."""
    mapped = np.array([entry.mapped for entry in whole.classes[:-1]])
    of_samples = np.bincount(found.mapped, minlength=len(mapped)) / len(found.mapped)
    return float(np.abs(of_samples - mapped / mapped.sum()).sum() / 2)
