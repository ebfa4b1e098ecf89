"""What a split leaks: how near its judged sites lie to those learned from, and how far one gets by copying the nearest one's label.

Neighbouring fields carry the same crop more often than not, and weather, soil and sowing dates are alike: a model judged next to what it
learned from looks better than it is elsewhere. NumPy; SciPy and pyproj late.
"""

from dataclasses import asdict, dataclass

import numpy as np

from modeling import metrics, splits
from modeling.grouping import ground
from modeling.samples import UNLABELLED, Samples

RADII_M = (640.0, 2_000.0, 10_000.0)  # side of a patch; a neighbouring farm; the same weather and soil
ALL = "all"


@dataclass(frozen=True)
class Leak:
    """Of one judged part, or of all of them.

    samples, sites: that are judged and labelled. same_site: how many of the sites are learned from, too, in another year.
    within: share of the sites with another site learned from within each of RADII_M, on the ground.
    accuracy, macro_f1: of copying the label of the nearest sample learned from; of as many samples as that is known for.
    """

    part: str
    samples: int
    sites: int
    same_site: int
    within: tuple[float, ...]
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Leakage:
    """What a split leaks, for labels at hand.

    confusion: (K, K) int64 of copying the nearest label, rows = truth, over all judged samples.
    total: of all judged parts; a site that is judged in several counts in each. parts: of each.
    """

    confusion: np.ndarray
    total: Leak
    parts: tuple[Leak, ...]

    def as_json(self) -> dict:
        """Without the confusion matrix, which stands beside the model's."""
        return {"radii_m": list(RADII_M), "total": asdict(self.total), "parts": [asdict(leak) for leak in self.parts]}

    @classmethod
    def from_json(cls, content: dict, confusion: np.ndarray) -> "Leakage":
        """What `as_json` wrote, and the confusion matrix that stood beside it."""
        leaks = [Leak(**leak | {"within": tuple(leak["within"])}) for leak in [content["total"], *content["parts"]]]
        return cls(confusion, leaks[0], tuple(leaks[1:]))

    def __str__(self) -> str:
        near = ", ".join(f"{share:.1%} within {radius / 1000:g} km" for share, radius in zip(self.total.within, RADII_M, strict=True))
        same = f"{self.total.same_site} of them learned from in another year; " if self.total.same_site else ""
        return (
            f"{self.total.sites} judged sites; {same}another site learned from lies near: {near}; copying the nearest label: "
            f"accuracy {self.total.accuracy:.3f}, macro-F1 {self.total.macro_f1:.3f}"
        )


@dataclass(frozen=True)
class _Found:
    """Of one judged part. near: (S,) metres from each judged site to the nearest other one that is learned from; inf = there is none."""

    samples: int
    same_site: int
    near: np.ndarray
    confusion: np.ndarray

    def leak(self, part: str) -> Leak:
        within = tuple(float((self.near <= radius).mean()) if len(self.near) else 0.0 for radius in RADII_M)
        figures = (float(figure(self.confusion)) if self.confusion.any() else 0.0 for figure in (metrics.accuracy, metrics.macro_f1))
        return Leak(part, self.samples, len(self.near), self.same_site, within, *figures)


def report(samples: Samples, parts: np.ndarray) -> Leakage:
    """What a split leaks: test against the training part, or every fold against the others.

    Args:
        parts: (N,) part of each sample, as in `splits.Split`. Samples without a label are left out.
    """
    places, labelled = ground(samples.lon, samples.lat), samples.truth != UNLABELLED
    found = {
        part: _found(samples, places, np.flatnonzero(labelled & (parts == part)), np.flatnonzero(labelled & np.isin(parts, taught)))
        for part, taught in splits.taught(parts).items()
    }
    every = list(found.values())
    confusion = sum((one.confusion for one in every), np.zeros((len(samples.classes),) * 2, dtype=np.int64))
    near = np.concatenate([one.near for one in every])
    total = _Found(sum(one.samples for one in every), sum(one.same_site for one in every), near, confusion)
    return Leakage(confusion, total.leak(ALL), tuple(one.leak(part) for part, one in found.items()))


def _found(samples: Samples, places: np.ndarray, judged: np.ndarray, taught: np.ndarray) -> _Found:
    from scipy.spatial import KDTree

    classes = len(samples.classes)
    sites, first = np.unique(samples.sites[judged], return_index=True)
    if not len(judged) or not len(taught):
        return _Found(len(judged), 0, np.full(len(sites), np.inf), np.zeros((classes, classes), dtype=np.int64))
    _, nearest = KDTree(places[taught]).query(places[judged])
    confusion = metrics.confusion(samples.truth[judged], samples.truth[taught][nearest], classes)
    known, where = np.unique(samples.sites[taught], return_index=True)
    apart, which = KDTree(places[taught][where]).query(places[judged][first], k=[1, 2])
    itself = np.append(known, -1)[which[:, 0]] == sites  # a second site that is missing has the number past the last
    return _Found(len(judged), int(np.isin(sites, known).sum()), np.where(itself, apart[:, 1], apart[:, 0]), confusion)
