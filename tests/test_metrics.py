"""Metrics against scikit-learn and published formulas."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from modeling import metrics

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80)


def counts_of(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth, found = np.array(pairs).T
    return truth, found, metrics.confusion(truth, found, 5)


@given(PAIRS)
def test_the_confusion_matrix_has_rows_of_truth_and_sums_to_the_samples(pairs):
    truth, found, counts = counts_of(pairs)
    assert (counts == oracle.confusion_matrix(truth, found, labels=range(5))).all()
    assert counts.sum() == len(pairs)


@given(PAIRS)
def test_accuracy_kappa_and_macro_f1_are_scikit_learns(pairs):
    truth, found, counts = counts_of(pairs)
    assert metrics.accuracy(counts) == pytest.approx(oracle.accuracy_score(truth, found))
    assert metrics.macro_f1(counts) == pytest.approx(oracle.f1_score(truth, found, average="macro", zero_division=0))
    if len(set(truth) | set(found)) > 1:  # of a single class scikit-learn's kappa is undefined; ours is 0
        assert metrics.kappa(counts) == pytest.approx(oracle.cohen_kappa_score(truth, found))


@given(PAIRS)
def test_precision_recall_and_f1_of_every_class_are_scikit_learns(pairs):
    truth, found, counts = counts_of(pairs)
    expected = oracle.precision_recall_fscore_support(truth, found, labels=range(5), zero_division=0)
    for ours, theirs in zip(metrics.per_class(counts), expected, strict=False):
        np.testing.assert_allclose(ours, theirs)


@settings(max_examples=20)
@given(PAIRS)
def test_every_figure_lies_within_its_interval(pairs):
    found = metrics.scores(counts_of(pairs)[2], tuple("abcde"))
    assert found.accuracy.low - 1e-9 <= found.accuracy.value <= found.accuracy.high + 1e-9
    assert found.macro_f1.low <= found.macro_f1.high


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (15, 148, 0.0624, 0.1605)],  # Newcombe 1998, table I and p. 861, method 3
)
def test_the_wilson_interval_is_the_published_one(right, total, low, high):
    found = metrics.wilson(right, total)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_the_bootstrap_of_accuracy_agrees_with_the_wilson_interval():
    counts = np.array([[180, 20], [30, 170]])
    wilson = metrics.wilson(350, 400)
    again = metrics.accuracy(metrics._resampled(counts, seed=1))
    assert np.percentile(again, (2.5, 97.5)) == pytest.approx((wilson.low, wilson.high), abs=0.01)


def test_no_samples_give_zeros_and_no_warning():
    found = metrics.scores(np.zeros((3, 3), dtype=int), ("a", "b", "c"))
    assert (found.samples, found.accuracy.value, found.macro_f1.value, found.kappa.value) == (0, 0.0, 0.0, 0.0)


@given(PAIRS)
def test_average_accuracy_macro_precision_and_macro_recall_are_scikit_learns(pairs):
    truth, found, counts = counts_of(pairs)
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(truth, found, average="macro", zero_division=0)
    assert metrics.macro(counts) == pytest.approx((precision, recall, f1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes that occur on one side only
        assert metrics.average_accuracy(counts) == pytest.approx(oracle.balanced_accuracy_score(truth, found))


def test_the_bootstrap_on_the_matrix_is_that_on_the_samples():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 300)
    found = np.where(random.random(300) < 0.8, truth, random.integers(0, 3, 300))
    again = [random.integers(0, 300, 300) for _ in range(1000)]
    slow = [oracle.f1_score(truth[rows], found[rows], average="macro") for rows in again]
    quick = metrics.scores(metrics.confusion(truth, found, 3), tuple("abc")).macro_f1
    assert (quick.low, quick.high) == pytest.approx(np.percentile(slow, (2.5, 97.5)), abs=0.012)


def test_a_class_has_wilson_intervals_of_precision_and_recall():
    row = metrics.scores(np.array([[81, 182], [10, 5]]), ("a", "b")).per_class[0]
    assert (row.recall_interval.low, row.recall_interval.high) == pytest.approx((0.2553, 0.3662), abs=6e-5)  # Newcombe 1998
    assert row.precision_interval.value == row.precision == pytest.approx(81 / 91)
    assert row.f1_interval.low < row.f1 < row.f1_interval.high


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 6), (3, 9), (12, 5), (40, 41), (7, 7), (0, 0)])
def test_mcnemars_p_value_is_the_binomial_tail_twice(only_first, only_second):
    both, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(both, k) for k in range(fewer + 1)) / 2**both
    assert metrics.mcnemar(only_first, only_second) == pytest.approx(min(1.0, 2 * tail))


def test_a_paired_comparison_counts_what_only_one_side_has_right():
    truth = np.array([0, 0, 1, 1, 2, 2])
    first, second = np.array([0, 0, 1, 0, 2, 2]), np.array([0, 1, 1, 1, 0, 1])
    found = metrics.paired(truth, first, second, 3)
    assert (found.samples, found.only_first, found.only_second, found.p_value) == (6, 3, 1, pytest.approx(0.625))
    assert found.accuracy.value == pytest.approx(5 / 6 - 3 / 6)
    assert found.macro_f1.value == pytest.approx(
        oracle.f1_score(truth, first, average="macro") - oracle.f1_score(truth, second, average="macro", zero_division=0)
    )


def test_the_paired_interval_is_that_of_drawing_whole_samples():
    random = np.random.default_rng(5)
    truth = random.integers(0, 4, 400)
    first, second = (np.where(random.random(400) < share, truth, random.integers(0, 4, 400)) for share in (0.85, 0.7))
    slow = []
    for _ in range(600):
        rows = random.integers(0, 400, 400)
        slow.append(
            oracle.f1_score(truth[rows], first[rows], average="macro") - oracle.f1_score(truth[rows], second[rows], average="macro")
        )
    found = metrics.paired(truth, first, second, 4).macro_f1
    assert (found.low, found.high) == pytest.approx(np.percentile(slow, (2.5, 97.5)), abs=0.015)


def test_predictions_do_not_differ_from_themselves():
    truth, found = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    same = metrics.paired(truth, found, found, 2)
    assert (same.only_first, same.only_second, same.p_value) == (0, 0, 1.0)
    assert (same.macro_f1.low, same.macro_f1.value, same.macro_f1.high) == (0.0, 0.0, 0.0)
