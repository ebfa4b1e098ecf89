"""Metrics against scikit-learn and published formulas."""

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
