"""How far curators agree with each other, and with themselves: raw agreement, Cohen's and Fleiss' kappa, Krippendorff's alpha.

What counts as an answer is said once, in `ANSWERS`: the newest word of each curator on a sample that was given without knowing the
others': second looks, which are blind, and first looks, also those that came late, unless the card showed another's decision. Answers
to controls and the settling of conflicts are not opinions on a label in that sense. A curator's second word on a sample of their own
(`repeat`) is held against their own one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from data import catalogue
from data.store import Store
from labeling import looks, policy
from labeling.trust import coefficients
from labeling.trust.coefficients import Coefficient

UNSURE, REJECTED = "unsure", "rejected"
MISSING = -1
LEAST_UNITS = 10  # samples of a class, before it is called weak

ANSWERS = """
select v.sample, v.curator, v.verdict from verdict v join event e on e.id = v.event left join event s on s.uid = e.seen
where v.collection = ? and (v.look = 'second'
    or (v.look = 'first' and (v.blind or s.id is null or s.curator = v.curator collate nocase)))
order by v.event
"""

REPEATS = """
select r.sample, r.curator, r.verdict, (
    select o.verdict from verdict o where o.sample = r.sample and o.curator = r.curator collate nocase
        and o.look in ('first', 'second') and o.event < r.event order by o.event desc limit 1) as before
from verdict r where r.collection = ? and r.look = 'repeat' order by r.event
"""


@dataclass(frozen=True)
class Ratings:
    """A table of answers.

    units: (N,) sample numbers; curators: M names; classes: K of codes as text, 'rejected', 'unsure'.
    answers: (N, M) positions in `classes`; -1 where a curator gave none.
    order: (N, M) 0 for the first who answered, then 1 and so on; -1 where a curator gave none.
    """

    units: np.ndarray
    curators: tuple[str, ...]
    classes: tuple[str, ...]
    answers: np.ndarray
    order: np.ndarray


@dataclass(frozen=True)
class Pair:
    """Two curators. units: samples that both answered."""

    first: str
    second: str
    units: int
    raw: Coefficient
    kappa: Coefficient


@dataclass(frozen=True)
class ClassAgreement:
    """One class against all others. units: samples that somebody gave it. kappa: Cohen's, of the first answer and the second."""

    name: str
    units: int
    kappa: Coefficient
    alpha: Coefficient


@dataclass(frozen=True)
class SelfAgreement:
    """A curator's answers against their own earlier ones."""

    curator: str
    units: int
    raw: Coefficient
    kappa: Coefficient


@dataclass(frozen=True)
class Agreement:
    """All figures of a table of answers.

    units: samples with at least two answers; answers: how many these have.
    kappa: Cohen's, of the first answer and the second, whoever gave them.
    fleiss: Fleiss' kappa, of the `fleiss_units` samples that have the commonest number of answers, `fleiss_raters`.
    alpha: Krippendorff's, nominal, of all units.
    """

    units: int
    answers: int
    raw: Coefficient
    kappa: Coefficient
    fleiss: Coefficient
    fleiss_units: int
    fleiss_raters: int
    alpha: Coefficient
    classes: tuple[ClassAgreement, ...]
    pairs: tuple[Pair, ...]


def ratings(store: Store, collection: str, *, unsure: str = "category") -> Ratings:
    """The collection's answers, of the samples that at least two curators answered.

    Args:
        unsure: "category" or "missing": whether 'unsure' is an answer like another.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        rows = [tuple(row) for row in db.execute(ANSWERS, [collection])]
    newest = {}
    for sample, curator, verdict in rows:
        newest.pop((sample, curator.casefold()), None)
        newest[sample, curator.casefold()] = (curator, verdict)
    return table([(sample, curator, verdict) for (sample, _), (curator, verdict) in newest.items()], unsure=unsure)


def table(rows: Sequence[tuple[int, str, str]], *, unsure: str = "category") -> Ratings:
    """(unit, curator, class) in the order in which they were said, one a unit and curator -> a table of the units with two or more."""
    kept = [row for row in rows if unsure == "category" or row[2] != UNSURE]
    units, counts = np.unique([row[0] for row in kept], return_counts=True) if kept else (np.empty(0, np.int64), np.empty(0, np.int64))
    units = units[counts > 1]
    kept = [row for row, there in zip(kept, np.isin([row[0] for row in kept], units), strict=True) if there]
    curators, classes = sorted({row[1] for row in kept}, key=str.casefold), sorted({row[2] for row in kept}, key=_by_code)
    place, column, code = ({name: at for at, name in enumerate(names)} for names in (units.tolist(), curators, classes))
    answers = np.full((len(units), len(curators)), MISSING)
    order, said = answers.copy(), np.zeros(len(units), dtype=np.int64)
    for unit, curator, verdict in kept:
        at = place[unit]
        answers[at, column[curator]], order[at, column[curator]] = code[verdict], said[at]
        said[at] += 1
    return Ratings(units, tuple(curators), tuple(classes), answers, order)


def measured(found: Ratings, *, seed: int = 0, resamples: int = coefficients.RESAMPLES) -> Agreement:
    """All figures, each with the interval of a bootstrap that draws whole samples."""
    again = partial(coefficients.resampled, seed=seed, resamples=resamples)
    counts, weights = _patterns(_counted(found.answers, len(found.classes)))
    drawn = again(weights)
    cells = _first_two(found)
    raters, alike, alike_weights = _commonest(counts, weights)
    return Agreement(
        len(found.units), int((found.answers != MISSING).sum()),
        coefficients.coefficient(partial(coefficients.raw_agreement, counts=counts), weights, drawn, unless=coefficients.NOTHING),
        _cohen(cells, len(found.classes), again),
        coefficients.coefficient(
            partial(coefficients.fleiss_kappa, counts=alike), alike_weights, again(alike_weights), unless=coefficients.ONE_CLASS
        ),
        int(alike_weights.sum()), raters,
        coefficients.coefficient(partial(coefficients.alpha, counts=counts), weights, drawn, unless=coefficients.ONE_CLASS),
        tuple(_of_class(found, at, counts, weights, drawn, cells, again) for at in range(len(found.classes))),
        tuple(_pair(found, *columns, again) for columns in combinations(range(len(found.curators)), 2) if _shared(found, *columns).any()),
    )  # fmt: skip


def with_self(
    store: Store, collection: str, *, unsure: str = "category", seed: int = 0, resamples: int = coefficients.RESAMPLES
) -> list[SelfAgreement]:
    """How far each curator agrees with their own earlier answers, by name; only those who were asked again.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        rows = [tuple(row) for row in db.execute(REPEATS, [collection])]
    newest = {(sample, curator): (before, verdict) for sample, curator, verdict, before in rows if before is not None}
    by_curator: dict[str, list[tuple[str, str]]] = {}
    for (_, curator), answers in newest.items():
        if unsure == "category" or UNSURE not in answers:
            by_curator.setdefault(curator, []).append(answers)
    again = partial(coefficients.resampled, seed=seed, resamples=resamples)
    return [_self(curator, answers, again) for curator, answers in sorted(by_curator.items(), key=lambda item: item[0].casefold())]


def weak_classes(found: Agreement, least: float) -> list[ClassAgreement]:
    """The classes whose Cohen's kappa is below `least`, the weakest first; not those undefined or on fewer than `LEAST_UNITS` samples."""
    weak = [one for one in found.classes if one.units >= LEAST_UNITS and one.kappa.value is not None and one.kappa.value < least]
    return sorted(weak, key=lambda one: one.kappa.value)


def ask_again(store: Store, collection: str, found: Agreement) -> int:
    """Send all samples with the label of a crop that is weak by the collection's rules to a second curator; returns how many more."""
    weak = weak_classes(found, policy.read(store, collection).least_agreement)
    codes = [int(one.name) for one in weak if one.name.isdecimal()]
    return looks.ask_for_classes(store, collection, codes) if codes else 0


def _by_code(verdict: str) -> tuple[bool, int, str]:
    """Codes by number, then 'rejected', then 'unsure'."""
    return (not verdict.isdecimal(), int(verdict) if verdict.isdecimal() else 0, verdict)


def _counted(answers: np.ndarray, classes: int) -> np.ndarray:
    """(N, M) answers -> (N, K) how many gave each class."""
    return (answers[:, :, None] == np.arange(classes)).sum(axis=1)


def _patterns(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) -> the different rows (P, C), and how often each occurs (P,)."""
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    return np.unique(rows, axis=0, return_counts=True)


def _first_two(found: Ratings) -> np.ndarray:
    """(N, 2): the first answer to each unit and the second."""
    return np.stack([np.where(found.order == place, found.answers, MISSING).max(axis=1, initial=MISSING) for place in (0, 1)], axis=1)


def _commonest(counts: np.ndarray, weights: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """The number of answers that most units have (the higher of two that are as common), and the patterns and weights with it."""
    answers = counts.sum(axis=1).astype(np.int64)
    if not len(answers):
        return 0, counts, weights
    units = np.bincount(answers, weights=weights)
    raters = int(np.flatnonzero(units == units.max())[-1])
    return raters, counts[answers == raters], weights[answers == raters]


def _cohen(cells: np.ndarray, classes: int, again) -> Coefficient:
    cells, weights = _patterns(cells)
    figure = partial(coefficients.cohen_kappa, cells=cells, classes=classes)
    return coefficients.coefficient(figure, weights, again(weights), unless=coefficients.ONE_CLASS)


def _of_class(found: Ratings, at: int, counts, weights, drawn, cells: np.ndarray, again) -> ClassAgreement:
    against = np.stack([counts[:, at], counts.sum(axis=1) - counts[:, at]], axis=1)
    return ClassAgreement(
        found.classes[at], int(weights[counts[:, at] > 0].sum()), _cohen((cells == at).astype(np.int64), 2, again),
        coefficients.coefficient(partial(coefficients.alpha, counts=against), weights, drawn, unless=coefficients.ONE_CLASS),
    )  # fmt: skip


def _shared(found: Ratings, first: int, second: int) -> np.ndarray:
    """(N,) whether both curators answered the unit."""
    return (found.answers[:, [first, second]] != MISSING).all(axis=1)


def _pair(found: Ratings, first: int, second: int, again) -> Pair:
    cells = found.answers[_shared(found, first, second)][:, [first, second]]
    raw, kappa = _raw_and_kappa(cells, len(found.classes), again)
    return Pair(found.curators[first], found.curators[second], len(cells), raw, kappa)


def _self(curator: str, answers: list[tuple[str, str]], again) -> SelfAgreement:
    classes = {name: at for at, name in enumerate(sorted({name for pair in answers for name in pair}))}
    cells = np.array([[classes[name] for name in pair] for pair in answers])
    raw, kappa = _raw_and_kappa(cells, len(classes), again)
    return SelfAgreement(curator, len(cells), raw, kappa)


def _raw_and_kappa(cells: np.ndarray, classes: int, again) -> tuple[Coefficient, Coefficient]:
    """Of (N, 2) answers of two raters."""
    counts, weights = _patterns(_counted(cells, classes))
    figure = partial(coefficients.raw_agreement, counts=counts)
    return coefficients.coefficient(figure, weights, again(weights), unless=coefficients.NOTHING), _cohen(cells, classes, again)
