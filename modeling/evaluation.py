"""What a finished run's predictions say beyond its matrix: by region, year and month, and against another run.

Reads the table `prediction`, of it only what the run is judged by: samples that its models never learned from. No torch.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.errors import BadInput
from data.workspace import Workspace
from modeling import metrics, pixels, registry, runs, samples
from modeling.calibration import Calibration, calibration
from modeling.config import EACH, TrainConfig
from modeling.metrics import Paired, Scores

CHUNK = 20_000  # predictions read at once
IS_JUDGED = "p.run = ? and p.truth is not null and (p.part = 'test' or p.part like 'fold-%')"
JUDGED = f"""
select p.sample, p.truth, p.predicted, p.probabilities, t.region, s.year, p.part, l.verified
from prediction p join sample s on s.id = p.sample join site t on t.id = s.site join label l on l.sample = s.id
where {IS_JUDGED} order by p.sample
"""
VERIFIED = {0: "not verified", 1: "verified"}


@dataclass(frozen=True)
class Judged:
    """The samples that a run is judged by, in the order of their numbers.

    ids: (N,) int64 sample numbers. truth, predicted: (N,) int64 positions in `classes`.
    shares: (N, K) float32 probabilities, as they were stored: rounded to five digits.
    strata: what samples can be grouped by -> (N,) their group: region, year, part (of the split), verified (now), and month where
        `with_months` was asked.
    """

    run: str
    config: TrainConfig
    classes: tuple[str, ...]
    ids: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    shares: np.ndarray
    strata: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)

    def calibration(self) -> Calibration | None:
        """Whether the run is right as often as it says; None without samples."""
        return calibration(self.truth, self.shares)


@dataclass(frozen=True)
class Stratum:
    """One group of the judged samples, such as a region, and how well the run does there."""

    name: str
    scores: Scores


@dataclass(frozen=True)
class Comparison:
    """Two runs on the samples that judge both, and whose truth is the same for both.

    left_out: samples that judge only one of them. differing: samples that both are judged by, but against different labels.
    """

    first: str
    second: str
    paired: Paired
    left_out: int
    differing: int

    def remarks(self) -> list[str]:
        """What the reader should know before believing the figures."""
        found = []
        if self.left_out:
            found.append(f"{self.left_out} samples judge only one of the two runs; the test is on the {self.paired.samples} of both.")
        if self.differing:
            found.append(f"{self.differing} samples are left out: the two runs are judged against different labels there.")
        return found


def judged(workspace: Workspace, run: str) -> Judged:
    """What a finished run is judged by.

    Raises:
        UnknownRun: no run of that name, or it is not finished.
    """
    found = runs.results(workspace, run)
    with workspace.store.reading() as db:
        db.conn.row_factory = None
        chunks = list(_chunks(db.execute(JUDGED, [run]), found.classes))
    ids, truth, predicted, shares, *groups = [np.concatenate(column) for column in zip(*chunks, strict=True)]
    return Judged(
        run, found.config, found.classes, ids, truth, predicted, shares,
        dict(zip(("region", "year", "part", "verified"), groups, strict=True)),
    )  # fmt: skip


def _chunks(cursor, classes: tuple[str, ...]) -> Iterator[tuple[np.ndarray, ...]]:
    """Columns of CHUNK rows at a time; one chunk at least, if an empty one."""
    position = {name: at for at, name in enumerate(classes)}
    rows = cursor.fetchmany(CHUNK)
    while True:
        ids, truth, predicted, shares, region, year, part, verified = zip(*rows, strict=True) if rows else [()] * 8
        yield (
            np.array(ids, dtype=np.int64),
            np.array([position[name] for name in truth], dtype=np.int64),
            np.array([position[name] for name in predicted], dtype=np.int64),
            np.array(json.loads(f"[{','.join(shares)}]"), dtype=np.float32).reshape(len(ids), len(classes)),
            np.array(region, dtype=object), np.array(year, dtype=np.int64), np.array(part, dtype=object),
            np.array([VERIFIED[value] for value in verified], dtype=object),
        )  # fmt: skip
        rows = cursor.fetchmany(CHUNK)
        if not rows:
            return


def sees_one_month(config: TrainConfig) -> bool:
    """Whether the run's model looks at one image of a sample, so that the sample has a month."""
    return registry.named(config.model).kind == registry.IMAGE and config.months != EACH


def with_months(workspace: Workspace, of: Judged) -> Judged:
    """The same with the stratum `month`, 1 ... 12: of the image that the model looks at, by what is known of the images now.

    Raises:
        BadInput: the model looks at several dates of a sample.
        PixelsUnreadable: a shard is missing or damaged.
    """
    if not sees_one_month(of.config):
        raise BadInput(
            f"{of.run} has no month: its model {of.config.model} looks at several dates of a sample. "
            "Train on single months instead: python -m modeling study dates"
        )
    known = samples.everything(workspace.store, of.config.collection, of.classes)
    days = pixels.load(workspace, known, of.config).days[:, 0]
    rows = np.searchsorted(known.ids, of.ids)
    new_year = (known.years[rows] - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    months = (new_year + (days[rows].astype(np.int64) - 1)).astype("datetime64[M]").astype(np.int64) % 12 + 1
    return replace(of, strata=of.strata | {"month": months})


def by(of: Judged, stratum: str) -> list[Stratum]:
    """The scores of every group, in the order of their names, e.g. of every region.

    Raises:
        BadInput: the samples cannot be grouped by that.
    """
    if stratum not in of.strata:
        raise BadInput(f"The samples of {of.run} cannot be grouped by {stratum!r}; choose one of {', '.join(of.strata)}.")
    group, names = pd.factorize(of.strata[stratum], sort=True)
    size = len(of.classes)
    cells = (group * size + of.truth) * size + of.predicted
    counts = np.bincount(cells, minlength=len(names) * size * size).reshape(len(names), size, size)
    return [Stratum(str(name), metrics.scores(matrix, of.classes)) for name, matrix in zip(names, counts, strict=True)]


def paired(first: Judged, second: Judged) -> Comparison:
    """Hold two runs against each other on the samples that judge both, class by class name.

    Raises:
        BadInput: no sample judges both.
    """
    _, ours, theirs = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
    names = list(dict.fromkeys([*first.classes, *second.classes]))
    here, there = (np.array([names.index(name) for name in of.classes], dtype=np.int64) for of in (first, second))
    truth, same = here[first.truth[ours]], here[first.truth[ours]] == there[second.truth[theirs]]
    if not same.any():
        raise BadInput(
            f"No sample with the same label judges both {first.run} (split {first.config.split}) and {second.run} (split "
            f"{second.config.split}): they cannot be compared. Train one of them on the split of the other."
        )
    found = metrics.paired(truth[same], here[first.predicted[ours]][same], there[second.predicted[theirs]][same], len(names))
    left_out = len(first) + len(second) - 2 * len(ours)
    return Comparison(first.run, second.run, found, left_out, int((~same).sum()))
