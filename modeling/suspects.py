"""Labels that are likely wrong: out-of-fold probabilities ranked by confident learning, stored for the queues. Imports no torch.

Confident learning: Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70,
arXiv 1911.00068; the scores: Kuan and Mueller 2022, Model-agnostic label quality scoring to detect real-world label errors. Both by
cleanlab. Probabilities count only of samples that the model did not learn from: a model remembers the labels that it was taught.
"""

import json
from dataclasses import dataclass

import numpy as np

from data.errors import CannotTrain, UnknownRun
from data.store import Store
from data.workspace import Workspace
from modeling import metrics, rundir, runs
from modeling.metrics import Interval

METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
DEFAULT_METHOD = "self_confidence"
SIDES_M = (10_000.0, 2_000.0, 750.0)  # of blocks, for collections that span a country, a district, a few kilometres
BLOCKS_A_FOLD = 3
METRES_A_DEGREE = 111_320.0  # of latitude

JUDGED = """
select sample, truth, probabilities from prediction where run = ? and truth is not null and (part = 'test' or part like 'fold-%')
"""
CHECKED = """
select u.rank, d.action, c.learned is u.given as holds
from suspect u join sample s on s.id = u.sample join current_decision d on d.sample = u.sample join label l on l.sample = u.sample
left join legend_class c on c.collection = s.collection and c.code = l.code
where u.run = ? and d.event > (select last_event from run where name = u.run)
"""


@dataclass(frozen=True)
class Ranking:
    """How doubtful n labels are. Arrays are (n,), in the order of the labels.

    order: int64 positions, the label most likely wrong first; of equal ones the earlier first.
    quality: float64 0..1, low = likely wrong.
    suggested: int64 class that the model holds likeliest, which can be the label's own.
    probability: float64, of the label's own class.
    counted: bool, among those that confident learning counts as errors.
    """

    order: np.ndarray
    quality: np.ndarray
    suggested: np.ndarray
    probability: np.ndarray
    counted: np.ndarray


@dataclass(frozen=True)
class Judged:
    """The labelled samples of a run that it did not learn from, n in the order of their numbers.

    truth: (n,) int64 positions in `classes`. shares: (n, K) float64 probabilities.
    """

    run: str
    model: str
    folds: bool
    classes: tuple[str, ...]
    ids: np.ndarray
    truth: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class Summary:
    """What the ranking of a run holds.

    counted: labels that confident learning counts as errors. share: of all ranked; the interval is of the sampling alone.
    pairs: (given, suggested, labels) of the counted ones, the most frequent first.
    """

    run: str
    samples: int
    counted: int
    share: Interval
    pairs: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Checked:
    """What curators decided on a run's suspects since the run.

    wrong: the label is another one now, or the sample was rejected. right: it holds. unsure: nobody can say; counted in neither.
    precision: share of wrong ones among wrong and right, with its Wilson interval.
    deepest: the rank of the least doubtful one that was checked; 0 where none was.
    """

    wrong: int
    right: int
    unsure: int
    precision: Interval
    deepest: int


def rank(truth: np.ndarray, shares: np.ndarray, method: str = DEFAULT_METHOD, *, adjusted: bool = False) -> Ranking:
    """Rank labels by how little a model that never saw them believes them.

    Args:
        truth: (n,) int64 label of each sample, 0 ... K - 1.
        shares: (n, K) probabilities out of fold; rows sum to 1.
        method: one of METHODS, cleanlab's label quality score.
        adjusted: take off each class's mean confidence first, so that classes the model is unsure of are not all doubted.

    Raises:
        CannotTrain: no such method, or labels of fewer than two classes.
    """
    from cleanlab.filter import find_label_issues  # late: two seconds
    from cleanlab.rank import get_label_quality_scores

    if method not in METHODS:
        raise CannotTrain(f"There is no ranking {method!r}; choose one of {', '.join(METHODS)}.")
    if len(np.unique(truth)) < 2:
        raise CannotTrain(f"The {len(truth)} labels to rank hold fewer than two classes: nothing can be mistaken for anything.")
    shares = np.clip(np.asarray(shares, dtype=np.float64), 0, 1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    quality = get_label_quality_scores(truth, shares, method=method, adjust_pred_probs=adjusted)
    counted = find_label_issues(truth, shares, n_jobs=1)
    given = shares[np.arange(len(truth)), truth]
    return Ranking(np.argsort(quality, kind="stable"), quality, shares.argmax(axis=1), given, counted)


def pooled(shares: list[np.ndarray]) -> np.ndarray:
    """The mean of several models' (n, K) probabilities (a linear opinion pool: Stone 1961): what one model gets wrong, others mend."""
    return np.mean(np.stack(shares), axis=0, dtype=np.float64)


def block_side(lon: np.ndarray, lat: np.ndarray, folds: int) -> float:
    """The largest side in metres, of SIDES_M, with which places (EPSG:4326) fill enough blocks for that many folds; else the smallest.

    Near places look alike: the larger a block, the less a fold's model knows of the ground next to the samples that it judges.
    """
    metres = np.stack([lon * np.cos(np.radians(lat.mean())), lat], axis=1) * METRES_A_DEGREE
    for side in SIDES_M:
        if len(np.unique(np.floor(metres / side), axis=0)) >= BLOCKS_A_FOLD * folds:
            return side
    return SIDES_M[-1]


def judged(workspace: Workspace, name: str) -> Judged:
    """The predictions of a finished run on labelled samples that it did not learn from.

    Raises:
        UnknownRun: no run of that name, or it is not finished.
        CannotTrain: it has no such predictions.
    """
    found = runs.results(workspace, name)
    with workspace.store.reading() as db:
        rows = db.execute(f"{JUDGED} order by sample", [name]).fetchall()
    if not rows:
        raise CannotTrain(
            f"The run {name} has no predictions on labelled samples that it did not learn from. Train one with --folds, or again."
        )
    position = {label: index for index, label in enumerate(found.classes)}
    return Judged(
        name, found.config.model, bool(found.config.folds), found.classes, np.array([row["sample"] for row in rows]),
        np.array([position[row["truth"]] for row in rows]), np.array([json.loads(row["probabilities"]) for row in rows]),
    )  # fmt: skip


def together(parts: list[Judged]) -> Judged:
    """Several runs as one, under the first one's name: the samples that all of them judge, with pooled probabilities.

    Raises:
        CannotTrain: the runs learned from other classes or labels, or judge no sample in common.
    """
    first = parts[0]
    for other in parts[1:]:
        if other.classes != first.classes:
            raise CannotTrain(
                f"The runs {first.run} and {other.run} know other classes ({', '.join(first.classes)}; {', '.join(other.classes)}). "
                "Rank runs on the same collection and labels together."
            )
    common = first.ids
    for other in parts[1:]:
        common = np.intersect1d(common, other.ids)
    if not len(common):
        raise CannotTrain(f"The runs {', '.join(part.run for part in parts)} judge no sample in common: give them the same folds.")
    rows = [np.searchsorted(part.ids, common) for part in parts]
    truth = first.truth[rows[0]]
    for part, at in zip(parts, rows, strict=True):
        if (part.truth[at] != truth).any():
            raise CannotTrain(f"The runs {first.run} and {part.run} learned from other labels. Train both on the labels of today.")
    shares = pooled([part.shares[at] for part, at in zip(parts, rows, strict=True)])
    models = " + ".join(dict.fromkeys(part.model for part in parts))
    return Judged(first.run, models, all(part.folds for part in parts), first.classes, common, truth, shares)


def search(workspace: Workspace, names: list[str], method: str = DEFAULT_METHOD) -> Summary:
    """Rank the labels that finished runs judged, and replace the suspects of the first of them, all at once.

    Raises:
        UnknownRun: a run that there is not, or that is not finished.
        CannotTrain: as `judged`, `together` and `rank`.
    """
    found = together([judged(workspace, name) for name in dict.fromkeys(names)])
    ranking = rank(found.truth, found.shares, method)
    with workspace.store.writing() as db:
        db.execute("delete from suspect where run = ?", [found.run])
        db.conn.executemany(
            "insert into suspect (run, sample, rank, given, suggested, quality, probability, counted, reason) values (?,?,?,?,?,?,?,?,?)",
            [_row(found, ranking, place, int(at)) for place, at in enumerate(ranking.order, start=1)],
        )
    return summary(workspace.store, found.run)


def _row(found: Judged, ranking: Ranking, place: int, at: int) -> tuple:
    given, suggested = found.classes[found.truth[at]], found.classes[ranking.suggested[at]]
    return (
        found.run, int(found.ids[at]), place, given, suggested, round(float(ranking.quality[at]), 6),
        round(float(ranking.probability[at]), 5), int(ranking.counted[at]), _reason(found, ranking, place, at),
    )  # fmt: skip


def _reason(found: Judged, ranking: Ranking, place: int, at: int) -> str:
    given, suggested = int(found.truth[at]), int(ranking.suggested[at])
    told = f"Label {found.classes[given]} {ranking.probability[at]:.2f}, "
    if suggested == given:
        told += f"{found.model} agrees"
    else:
        told += f"{found.model} {found.classes[suggested]} {found.shares[at, suggested]:.2f}"
    where = "out of fold" if found.folds else "not learned from"
    nth = "" if place == 1 else f"{ordinal(place)} "
    return f"{told}, {where}; {nth}most doubtful of {len(found.ids):,}"


def ordinal(number: int) -> str:
    """1 -> 1st, 12 -> 12th, 1022 -> 1,022nd."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def summary(store: Store, run: str) -> Summary:
    """What the stored ranking of a run holds.

    Raises:
        UnknownRun: its labels are not ranked.
    """
    with store.reading() as db:
        samples, counted = db.execute("select count(*), coalesce(sum(counted), 0) from suspect where run = ?", [run]).fetchone()
        pairs = db.execute(
            """select given, suggested, count(*) as n from suspect where run = ? and counted = 1
            group by given, suggested order by n desc, given, suggested""",
            [run],
        ).fetchall()
    if not samples:
        raise UnknownRun(f"The labels of run {run!r} are not ranked. Rank them with: python -m modeling suspects --run {run}")
    return Summary(run, samples, counted, metrics.wilson(counted, samples), tuple(map(tuple, pairs)))


def top(store: Store, run: str, count: int) -> list[dict]:
    """The `count` most doubtful labels of a run: rank, name of the sample, given, suggested, probability, quality, counted, reason."""
    with store.reading() as db:
        rows = db.execute(
            """select u.rank, s.name as sample, u.given, u.suggested, u.probability, u.quality, u.counted, u.reason
            from suspect u join sample s on s.id = u.sample where u.run = ? order by u.rank limit ?""",
            [run, count],
        ).fetchall()
    return [dict(row) | {"counted": bool(row["counted"])} for row in rows]


def ranked(workspace: Workspace, name: str) -> bool:
    """Whether the run's labels are ranked.

    Raises:
        UnknownRun: no run of that name.
    """
    rundir.at(workspace.runs, name)
    with workspace.store.reading() as db:
        return db.execute("select 1 from suspect where run = ? limit 1", [name]).fetchone() is not None


def rankable(store: Store, run: str) -> bool:
    """Whether the run has predictions on labelled samples that it did not learn from."""
    with store.reading() as db:
        return db.execute(f"{JUDGED} limit 1", [run]).fetchone() is not None


def checked(store: Store, run: str) -> Checked:
    """What was decided on the run's suspects after it was trained."""
    with store.reading() as db:
        rows = db.execute(CHECKED, [run]).fetchall()
    sure = [row for row in rows if row["action"] != "unsure"]
    wrong = sum(not row["holds"] for row in sure)
    deepest = max((row["rank"] for row in rows), default=0)
    return Checked(wrong, len(sure) - wrong, len(rows) - len(sure), metrics.wilson(wrong, len(sure)), deepest)
