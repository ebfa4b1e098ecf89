"""After a cell of a run's confusion matrix was worked through: whose errors its samples were, and the matrix under the labels of now.

A sample counts as checked where it was decided since the run, as in the cell's queue; everything else in it is open. Reads only.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import BadInput, UnknownRun
from data.store import Store
from labeling.queues import JUDGED
from labeling.trust.shares import Share

# The class of the label in force; null: rejected, or a crop that no model learns.
NOW = """
join label l on l.sample = s.id
left join legend_class g on g.collection = s.collection and g.code = l.code and g.code <> 0
"""
CHECKED = f"""
select p.truth, p.predicted, l.state, g.learned, l.code, count(*) as n
from run r join sample s on s.collection = r.collection and s.decision > r.last_event
join prediction p on p.run = r.name and p.sample = s.id {NOW}
where r.name = ? and p.truth is not null and {JUDGED} group by p.truth, p.predicted, l.state, g.learned, l.code
"""
CELLS = f"""
select p.truth, p.predicted, g.learned as now, count(*) as n from prediction p join sample s on s.id = p.sample {NOW}
where p.run = ? and p.truth is not null and {JUDGED} group by p.truth, p.predicted, g.learned
"""
SIZES = f"select p.truth, p.predicted, count(*) as n from prediction p where p.run = ? and p.truth is not null and {JUDGED} group by 1, 2"


@dataclass(frozen=True)
class Outcome:
    """What curators found in one cell of the matrix, or in several together.

    samples: in the cell. kept: the label holds, or is another code of the same class. to_predicted: relabelled to the class that the
    model read; to_other: to another. rejected: no crop to be labelled. unsure: looked at, without a verdict.
    misread: of the kept and relabelled, those whose class is now another than the model read.
    relabelled_to: class, or name of the crop where no model learns it -> samples relabelled to it, the most frequent first.
    """

    samples: int = 0
    kept: int = 0
    to_predicted: int = 0
    to_other: int = 0
    rejected: int = 0
    unsure: int = 0
    misread: int = 0
    relabelled_to: tuple[tuple[str, int], ...] = ()

    @property
    def decided(self) -> int:
        return self.judged + self.unsure

    @property
    def open(self) -> int:
        return self.samples - self.decided

    @property
    def judged(self) -> int:
        """Decided with a verdict."""
        return self.kept + self.to_predicted + self.to_other + self.rejected

    @property
    def inventory_wrong(self) -> Share:
        """The share of the judged whose label, which the run was judged against, did not hold: relabelled or rejected."""
        return Share(self.to_predicted + self.to_other + self.rejected, self.judged)

    @property
    def model_wrong(self) -> Share:
        """The share of the judged that the model misread, whatever the label said. A rejected sample has no crop to be misread."""
        return Share(self.misread, self.judged)

    def __add__(self, other: "Outcome") -> "Outcome":
        counts = Counter(dict(self.relabelled_to)) + Counter(dict(other.relabelled_to))
        return Outcome(
            self.samples + other.samples, self.kept + other.kept, self.to_predicted + other.to_predicted, self.to_other + other.to_other,
            self.rejected + other.rejected, self.unsure + other.unsure, self.misread + other.misread, _ordered(counts),
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples, "open": self.open, "decided": self.decided, "kept": self.kept,
            "relabelled_to_predicted": self.to_predicted, "relabelled_to_other": self.to_other,
            "relabelled_to": dict(self.relabelled_to), "rejected": self.rejected, "unsure": self.unsure,
            "inventory_wrong": self.inventory_wrong.as_json(), "model_wrong": self.model_wrong.as_json(),
        }  # fmt: skip


@dataclass(frozen=True)
class Matrices:
    """A run's confusion matrix by the labels it was judged against, and by those in force now.

    classes: (K,) those that occur in one of them, in the collection's order. before, after: (K, K) int64, rows = label, columns =
    predicted, on the judged samples; `after` without those that have no class any more. left_out: how many these are.
    """

    classes: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    left_out: int

    @property
    def changed(self) -> bool:
        return bool((self.before != self.after).any())


def outcomes(store: Store, run: str) -> dict[tuple[str, str], Outcome]:
    """(label, predicted) -> what was found in it: every cell that holds samples, the diagonal too, in the order of the classes.

    Raises:
        UnknownRun: no run of that name, or none of its samples are judged.
    """
    with store.reading() as db:
        sizes = {(row["truth"], row["predicted"]): row["n"] for row in db.execute(SIZES, [run])}
        checked = db.execute(CHECKED, [run]).fetchall()
        crops = dict(
            tuple(row)
            for row in db.execute(
                "select g.code, g.name from legend_class g join run r on r.collection = g.collection where r.name = ?", [run]
            )
        )
    if not sizes:
        raise UnknownRun(f"There is no run {run!r} that is judged on any sample. List the runs with: python -m modeling runs")
    found = {cell: Outcome(samples=size) for cell, size in sizes.items()}
    for row in checked:
        found[row["truth"], row["predicted"]] += _one(row, crops)
    return found


def outcome(store: Store, run: str, truth: str, predicted: str) -> Outcome:
    """What was found in one cell.

    Raises:
        UnknownRun: as `outcomes`.
        BadInput: the cell holds no sample.
    """
    found = outcomes(store, run)
    if (truth, predicted) not in found:
        raise BadInput(f"The run {run} has no sample labelled {truth} that it reads as {predicted}. Its cells are on the page Results.")
    return found[truth, predicted]


def confused(found: dict[tuple[str, str], Outcome]) -> Outcome:
    """All cells off the diagonal together."""
    return sum((each for (truth, predicted), each in found.items() if truth != predicted), Outcome())


def _one(row, crops: dict[int, str]) -> Outcome:
    """The outcome of samples that ended alike, without the size of their cell."""
    n, state, learned = row["n"], row["state"], row["learned"]
    if state in ("rejected", "unsure"):
        return Outcome(**{state: n})
    misread = 0 if learned == row["predicted"] else n
    if learned == row["truth"]:
        return Outcome(kept=n, misread=misread)
    to = ((learned or crops[row["code"]], n),)
    return Outcome(to_other=n, misread=n, relabelled_to=to) if misread else Outcome(to_predicted=n, relabelled_to=to)


def _ordered(counts: Counter) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def matrices(store: Store, run: str) -> Matrices:
    """The run's matrix under the old labels and under those of now.

    Raises:
        UnknownRun: no run of that name, or none of its samples are judged.
    """
    with store.reading() as db:
        cells = db.execute(CELLS, [run]).fetchall()
        order = [
            row["name"]
            for row in db.execute(
                "select c.name from learned_class c join run r on r.collection = c.collection where r.name = ? order by c.position", [run]
            )
        ]
    if not cells:
        raise UnknownRun(f"There is no run {run!r} that is judged on any sample. List the runs with: python -m modeling runs")
    occurring = {row[key] for row in cells for key in ("truth", "predicted", "now")}
    classes = tuple(name for name in order if name in occurring)
    at = {name: position for position, name in enumerate(classes)}
    before, after = np.zeros((2, len(classes), len(classes)), dtype=np.int64)
    for row in cells:
        before[at[row["truth"]], at[row["predicted"]]] += row["n"]
        if row["now"] is not None:
            after[at[row["now"]], at[row["predicted"]]] += row["n"]
    return Matrices(classes, before, after, int(before.sum() - after.sum()))


def accuracy(counts: np.ndarray) -> Share:
    """The share of a matrix' samples that lie on its diagonal."""
    return Share(int(np.trace(counts)), int(counts.sum()))


def macro_f1(counts: np.ndarray) -> float:
    """The mean F1 of the classes that occur in a matrix (rows = label, columns = predicted); 0 of none.

    F1 of a class: 2 x right / (labelled so + predicted so).
    """
    named = counts.sum(axis=0) + counts.sum(axis=1)
    occurs = named > 0
    return float((2 * np.diagonal(counts)[occurs] / named[occurs]).mean()) if occurs.any() else 0.0
