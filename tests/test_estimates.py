"""Areas and accuracies from counts: the published example, the equations written out, and random samples of a known ground."""

import math

import numpy as np
import pytest

from modeling.mapping.estimates import estimate, joined

# Olofsson et al. 2014, section 5: deforestation, forest gain, stable forest, stable non-forest; pixels of 30 m.
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_the_worked_example_of_olofsson_comes_out_as_published():
    found = estimate(COUNTS, PIXELS * 0.09)
    assert [round(area.value) for area in found.areas] == [21_158, 11_686, 285_770, 581_386]
    assert [round(1.96 * area.error) for area in found.areas] == [6_158, 3_756, 15_510, 16_282]
    assert [round(user.value, 2) for user in found.users] == [0.88, 0.73, 0.93, 0.96]
    assert [round(1.96 * user.error, 2) for user in found.users] == [0.07, 0.10, 0.04, 0.02]
    assert [round(producer.value, 2) for producer in found.producers] == [0.75, 0.85, 0.93, 0.96]
    assert [round(1.96 * producer.error, 2) for producer in found.producers] == [0.21, 0.25, 0.03, 0.02]
    assert round(found.overall.value, 3) == 0.947
    assert round(1.96 * found.overall.error, 2) == 0.02
    assert found.areas[1].low == pytest.approx(11_686 - 3_756, abs=1)


def _slowly(counts: np.ndarray, mapped: np.ndarray) -> dict[str, np.ndarray]:
    """Equations 1 to 11 of the paper, term by term, for strata of two samples or more."""
    known, truths = counts.shape
    size, share = counts.sum(axis=1), mapped / mapped.sum()
    p = [[share[i] * counts[i, j] / size[i] for j in range(truths)] for i in range(known)]
    column = [sum(p[i][j] for i in range(known)) for j in range(truths)]
    error = [
        math.sqrt(sum(share[i] ** 2 * (counts[i, j] / size[i]) * (1 - counts[i, j] / size[i]) / (size[i] - 1) for i in range(known)))
        for j in range(truths)
    ]
    producers, producers_error = [], []
    for j in range(known):
        accuracy = p[j][j] / column[j]
        user = counts[j, j] / size[j]
        whole = sum(mapped[i] * counts[i, j] / size[i] for i in range(known))
        first = mapped[j] ** 2 * (1 - accuracy) ** 2 * user * (1 - user) / (size[j] - 1)
        others = [i for i in range(known) if i != j]
        rest = sum(mapped[i] ** 2 * counts[i, j] / size[i] * (1 - counts[i, j] / size[i]) / (size[i] - 1) for i in others)
        producers.append(accuracy)
        producers_error.append(math.sqrt((first + accuracy**2 * rest) / whole**2))
    return {"shares": column, "errors": error, "producers": producers, "producers_errors": producers_error}


@pytest.mark.parametrize("seed", range(5))
def test_estimates_are_those_of_the_equations_written_out(seed):
    rng = np.random.default_rng(seed)
    known = 3 + seed % 3
    counts = rng.integers(0, 40, (known, known + 1)) + 60 * np.eye(known, known + 1, dtype=int)
    mapped = rng.uniform(1, 1_000, known)
    found, wanted = estimate(counts, mapped), _slowly(counts, mapped)
    assert [share.value for share in found.shares] == pytest.approx(wanted["shares"])
    assert [share.error for share in found.shares] == pytest.approx(wanted["errors"])
    assert [area.value for area in found.areas] == pytest.approx([share * mapped.sum() for share in wanted["shares"]])
    assert [producer.value for producer in found.producers] == pytest.approx(wanted["producers"])
    assert [producer.error for producer in found.producers] == pytest.approx(wanted["producers_errors"])
    assert sum(area.value for area in found.areas) == pytest.approx(mapped.sum())


# What the map says (rows) and what grows there (columns, the last: nothing that the map knows), as shares of the ground.
GROUND = np.array([[0.30, 0.03, 0.01, 0.02], [0.04, 0.38, 0.02, 0.02], [0.01, 0.02, 0.14, 0.01]])


def _drawn(rng: np.random.Generator, ground: np.ndarray, size: int) -> np.ndarray:
    return rng.multinomial(size, ground.ravel() / ground.sum()).reshape(ground.shape)


@pytest.mark.parametrize("size", [100, 400])
def test_intervals_of_random_samples_hold_the_truth_as_often_as_they_say_and_areas_are_unbiased(size):
    rng, mapped, truth = np.random.default_rng(3), GROUND.sum(axis=1) * 1_000, GROUND.sum(axis=0) * 1_000
    held, areas_found, right = [], [], []
    for _ in range(1_000):
        found = estimate(_drawn(rng, GROUND, size), mapped)
        held.append([area.error is None or area.low <= true <= area.high for area, true in zip(found.areas, truth, strict=True)])
        right.append(found.overall.low <= np.diagonal(GROUND).sum() <= found.overall.high)
        areas_found.append([area.value for area in found.areas])
    assert np.mean(held, axis=0)[:3] == pytest.approx(0.95, abs=0.03)
    assert np.mean(held, axis=0)[3] > (0.91 if size == 400 else 0.84)  # five of a hundred: too short where few were met
    assert np.mean(right) == pytest.approx(0.95, abs=0.03)
    of_mean = np.std(areas_found, axis=0) / math.sqrt(1_000)
    assert (np.abs(np.mean(areas_found, axis=0) - truth) < 4 * of_mean).all()


def test_strata_with_too_few_samples_are_joined_and_the_areas_stay_nearly_unbiased():
    rare = np.array([[0.60, 0.03, 0.00, 0.01], [0.04, 0.28, 0.01, 0.01], [0.004, 0.002, 0.01, 0.004]])
    rng, mapped, truth = np.random.default_rng(4), rare.sum(axis=1) * 1_000, rare.sum(axis=0) * 1_000
    assert joined(_drawn(rng, rare, 60), mapped).tolist() == [0, 1, 1]  # one of the third is expected
    assert joined(_drawn(rng, rare, 600), mapped).tolist() == [0, 1, 2]
    drawn = [_drawn(rng, rare, 60) for _ in range(1_500)]
    found = [estimate(counts, mapped, joined(counts, mapped)) for counts in drawn]
    values = np.array([[area.value for area in one.areas] for one in found])
    assert (np.abs(values.mean(axis=0) - truth) < 0.2 * values.std(axis=0)).all()  # of a standard error
    assert all(area.error is None for one in found for area in one.areas if area.value == 0)
    assert np.mean([one.overall.error is not None for one in found]) > 0.95


def test_where_no_sample_differs_there_is_no_interval_rather_than_one_of_length_nought():
    found = estimate([[20, 0, 0], [0, 30, 0]], [100.0, 80.0])
    assert [(area.value, area.error, area.low) for area in found.areas] == [(100, None, None), (80, None, None), (0, None, None)]
    assert (found.overall.value, found.overall.high) == (1, None)


def test_a_class_without_samples_has_no_accuracy_but_areas_are_estimated():
    counts, mapped = np.array([[20, 2, 0], [1, 15, 0], [0, 0, 0]]), np.array([100.0, 80.0, 5.0])
    assert estimate(counts, mapped).areas == (None, None, None)  # of a stratum of its own nothing is known
    assert joined(counts, mapped).tolist() == [0, 1, 1]
    found = estimate(counts, mapped, joined(counts, mapped))
    assert found.users[2] is None
    assert found.producers[2] is None  # none was found, either
    assert found.overall.error > 0
    assert (found.areas[2].value, found.areas[2].error) == (0, None)
    assert sum(area.value for area in found.areas) == pytest.approx(185)


def test_a_single_stratum_gives_the_shares_of_a_simple_random_sample():
    counts = np.array([[12, 3, 1], [2, 9, 0]])
    found = estimate(counts, np.ones(2), np.zeros(2, dtype=int))
    shares = counts.sum(axis=0) / 27
    assert [share.value for share in found.shares] == pytest.approx(shares)
    assert [share.error for share in found.shares] == pytest.approx(np.sqrt(shares * (1 - shares) / 26))
    assert [producer.value for producer in found.producers] == pytest.approx([12 / 14, 9 / 12])
    # of a share of a random number of samples: sqrt(p (1 - p) / n) nearly
    assert found.producers[1].error == pytest.approx(math.sqrt(0.75 * 0.25 / 12), rel=0.03)


def test_one_sample_gives_a_value_without_an_interval_and_none_gives_nothing():
    one = estimate([[1, 0], [0, 0]], [3.0, 1.0], joined([[1, 0], [0, 0]], [3.0, 1.0]))
    assert (one.areas[0].value, one.areas[0].error, one.areas[0].low) == (4, None, None)
    none = estimate([[0, 0], [0, 0]], [3.0, 1.0])
    assert none.areas == none.shares == none.users == none.producers == (None, None)
    assert none.overall is None
    assert estimate([[3, 0], [0, 4]], [0.0, 0.0]).areas == (None, None)


@pytest.mark.parametrize(
    ("size", "mapped", "strata"),
    [
        ((50, 50, 50), (10.0, 10.0, 10.0), [0, 1, 2]),
        ((50, 0, 50), (10.0, 0.0, 10.0), [0, 1, 2]),  # a class that the map does not have
        ((50, 4, 50), (10.0, 0.0, 10.0), [0, 0, 2]),  # samples' fields have a class that no pixel on the map is of
        ((94, 3, 3), (100.0, 3.0, 3.0), [0, 1, 1]),  # enough together
        ((60, 8, 60), (100.0, 0.01, 100.0), [0, 1, 2]),  # small, but well sampled
        ((90, 3, 50), (100.0, 1.0, 50.0), [0, 1, 1]),
        ((1, 1, 1), (1.0, 1.0, 1.0), [0, 0, 0]),
        ((30, 1, 30), (10.0, 10.0, 20.0), [0, 0, 2]),
    ],
)
def test_what_is_joined_has_samples_enough(size, mapped, strata):
    assert joined(np.diag(size), mapped).tolist() == strata


def test_intervals_of_shares_end_at_nought_and_one():
    found = estimate([[30, 1], [0, 30]], [100.0, 1.0])
    assert found.shares[0].high == 1
    assert found.shares[1].low == 0
