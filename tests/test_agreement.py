"""Agreement held against krippendorff, irrCAC and scikit-learn, on hand-made and random tables; its intervals against the truth."""

import json

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from labeling.trust import agreement, coefficients
from labeling.trust.agreement import table
from tests.conftest import ROOT

IRRCAC = json.loads((ROOT / "tests" / "data" / "agreement" / "irrcac.json").read_text())
QUICK = 50  # resamples, where intervals are not looked at


def of(rows: list[list[str | None]], **options):
    """Figures of a table: rows are units, columns raters, None is no answer."""
    said = [(unit, f"rater {column}", code) for unit, row in enumerate(rows) for column, code in enumerate(row) if code is not None]
    return agreement.measured(table(said, **options), resamples=QUICK)


def random_table(seed: int, *, raters: int = 3, missing: float = 0.0) -> list[list[str | None]]:
    draw = np.random.default_rng(seed)
    units, classes = draw.integers(2, 60), draw.integers(2, 7)
    truth = draw.integers(classes, size=(units, 1))
    answers = np.where(draw.random((units, raters)) < draw.random(), truth, draw.integers(classes, size=(units, raters)))
    return [[None if draw.random() < missing else str(code) for code in row] for row in answers]


def by_krippendorff(rows: list[list[str | None]]) -> float:
    data = np.array([[np.nan if code is None else float(code) for code in row] for row in rows]).T
    return krippendorff.alpha(data, level_of_measurement="nominal")


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("raters", [2, 3, 5])
@pytest.mark.parametrize("seed", range(10))
def test_alpha_is_that_of_the_package_krippendorff(seed, raters, missing):
    rows = random_table(seed, raters=raters, missing=missing)
    try:
        theirs = by_krippendorff(rows)
    except ValueError:
        pytest.skip("one class, or no pair of answers: the package refuses")
    ours = of(rows).alpha.value
    assert (ours is None and np.isnan(theirs)) or ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_kappa_of_a_pair_is_that_of_scikit_learn(seed):
    rows = random_table(seed, raters=2)
    first, second = zip(*rows, strict=True)
    (pair,) = of(rows).pairs
    assert pair.kappa.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)
    assert pair.raw.value == pytest.approx(np.mean([one == other for one, other in rows]), abs=1e-9)


def test_irrcac_agrees_on_all_of_its_tables():
    compared = 0
    for theirs in IRRCAC:
        if len({code for row in theirs["answers"] for code in row if code is not None}) == 1:
            continue  # irrCAC says 0 or 1 for Fleiss' kappa, 0 / 0
        ours = of(theirs["answers"])
        assert ours.raw.value == pytest.approx(theirs["raw"], abs=1e-9)
        assert ours.alpha.value == pytest.approx(theirs["krippendorff"], abs=1e-9)
        if all(code is not None for row in theirs["answers"] for code in row):
            assert ours.fleiss.value == pytest.approx(theirs["fleiss"], abs=1e-9)
            compared += 1
    assert compared > 50


@pytest.mark.parametrize("seed", range(10))
def test_a_class_is_held_against_the_rest_as_scikit_learn_and_krippendorff_do(seed):
    rows = random_table(seed, raters=2)
    for one in of(rows).classes:
        is_it = [[str(int(code == one.name)) for code in row] for row in rows]
        if len({code for row in is_it for code in row}) == 2:
            assert one.kappa.value == pytest.approx(cohen_kappa_score(*zip(*is_it, strict=True)), abs=1e-9)
            assert one.alpha.value == pytest.approx(by_krippendorff(is_it), abs=1e-9)


def test_cohens_kappa_of_all_is_the_first_answer_against_the_second():
    said = [(1, "Ada", "146"), (2, "Bo", "147"), (1, "Bo", "146"), (2, "Ada", "146"), (3, "Cy", "147"), (3, "Ada", "147"), (3, "Bo", "146")]
    found = agreement.measured(table(said), resamples=QUICK)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(["146", "147", "147"], ["146", "146", "147"]), abs=1e-9)
    assert (found.units, found.answers) == (3, 7)


def test_krippendorffs_own_example_with_missing_answers():
    # Krippendorff 2011, example C: four observers, twelve units, nominal; he gives alpha = 0.743.
    observers = (
        (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None), (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
        (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None), (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
    )  # fmt: skip
    rows = [[None if code is None else str(code) for code in unit] for unit in zip(*observers, strict=True)]
    assert of(rows).alpha.value == pytest.approx(0.743, abs=5e-4)


def test_fleiss_kappa_of_a_published_worked_example():
    # Ten subjects, fourteen raters, five categories: kappa = 0.210 (the worked example of Wikipedia's article "Fleiss' kappa").
    counts = (
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1), (7, 7, 0, 0, 0), (3, 2, 6, 3, 0),
        (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    )  # fmt: skip
    found = of([[str(kind) for kind, count in enumerate(subject) for _ in range(count)] for subject in counts])
    assert (found.fleiss_raters, found.fleiss_units) == (14, 10)
    assert found.fleiss.value == pytest.approx(0.210, abs=5e-4)


def test_perfect_agreement_is_one_and_has_no_interval_to_show():
    found = of([["146", "146"], ["147", "147"], ["146", "146"]])
    for figure in (found.raw, found.kappa, found.fleiss, found.alpha):
        assert figure.value == 1.0
        assert figure.low is None
        assert "resampling" in figure.reason


def test_two_who_never_agree_are_worse_than_chance():
    found = of([["146", "147"], ["147", "146"]] * 10)
    assert found.raw.value == 0
    assert found.kappa.value == -1.0
    assert found.alpha.value < 0


def test_a_single_class_leaves_kappa_and_alpha_undefined_and_says_why():
    found = of([["146", "146"]] * 5)
    assert found.raw.value == 1.0
    for figure in (found.kappa, found.fleiss, found.alpha, found.classes[0].kappa, found.pairs[0].kappa):
        assert figure.value is None
        assert "same class" in figure.reason


@pytest.mark.parametrize("rows", [[], [["146", None], ["147", None]]])
def test_without_two_answers_to_a_sample_nothing_is_defined(rows):
    found = of(rows)
    assert found.units == 0
    assert found.pairs == found.classes == ()
    for figure in (found.raw, found.kappa, found.fleiss, found.alpha):
        assert figure.value is None
        assert "two answers" in figure.reason


def test_fleiss_takes_the_samples_with_the_commonest_number_of_answers():
    found = of([["146", "146", None]] * 3 + [["146", "147", "147"]] * 5 + [["147", "147", "147"]])
    assert (found.fleiss_raters, found.fleiss_units, found.units) == (3, 6, 9)
    assert found.fleiss.value == of([["146", "147", "147"]] * 5 + [["147", "147", "147"]]).fleiss.value


def test_unsure_is_a_class_or_no_answer_at_all_as_wished():
    rows = [["146", "unsure"], ["147", "147"], ["146", "146"]]
    assert of(rows).raw.value == pytest.approx(2 / 3)
    found = of(rows, unsure="missing")
    assert (found.units, found.raw.value) == (2, 1.0)


def test_the_same_seed_gives_the_same_interval():
    said = table([(unit, f"rater {at}", code) for unit, row in enumerate(random_table(3)) for at, code in enumerate(row)])
    assert agreement.measured(said, seed=1) == agreement.measured(said, seed=1)
    assert agreement.measured(said, seed=1).alpha != agreement.measured(said, seed=2).alpha


def test_weak_classes_are_those_below_the_rule():
    rows = [["146", "147"]] * 6 + [["147", "146"]] * 5 + [["146", "146"]] * 5 + [["147", "147"]] * 5 + [["153", "153"]] * 10
    found = of(rows)
    assert {one.name for one in agreement.weak_classes(found, 0.6)} == {"146", "147"}
    assert agreement.weak_classes(found, -1) == []


def drawn_tables(count: int, units: int):
    """Tables of two raters who are right with 0.8 and 0.9, else name any class; with the true chance of each cell."""
    shares, classes = np.array([0.5, 0.3, 0.2]), 3
    says = [np.full((classes, classes), (1 - right) / classes) + np.eye(classes) * right for right in (0.8, 0.9)]
    chances = np.einsum("t,ta,tb->ab", shares, *says)
    draw = np.random.default_rng(7)
    for _ in range(count):
        cells = draw.choice(classes * classes, size=units, p=chances.ravel() / chances.sum())
        yield np.stack(np.divmod(cells, classes), axis=1), chances


def test_the_interval_holds_the_true_value_in_about_95_of_100_tables():
    held = {"kappa": 0, "alpha": 0}
    tables = 250
    for cells, chances in drawn_tables(tables, 200):
        expected = chances.sum(axis=0) @ chances.sum(axis=1)
        true_kappa = (np.trace(chances) - expected) / (1 - expected)
        mean = (chances.sum(axis=0) + chances.sum(axis=1)) / 2
        true_alpha = 1 - (1 - np.trace(chances)) / (1 - mean @ mean)
        said = [(unit, name, str(code)) for unit, row in enumerate(cells.tolist()) for name, code in zip("AB", row, strict=True)]
        found = agreement.measured(table(said), resamples=400)
        held["kappa"] += found.pairs[0].kappa.low <= true_kappa <= found.pairs[0].kappa.high
        held["alpha"] += found.alpha.low <= true_alpha <= found.alpha.high
    for name, count in held.items():
        assert 0.92 <= count / tables <= 0.98, (name, count / tables)


def test_a_resample_has_as_many_units_as_the_table():
    assert (coefficients.resampled(np.array([3, 4, 1]), seed=0, resamples=20).sum(axis=1) == 8).all()
