"""Calibration against the published formula, scikit-learn, and models whose calibration is known."""

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from modeling.calibration import Calibration, calibration


def drawn(samples: int, seed: int, classes: int = 4, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Truths drawn from the probabilities themselves: a model that is right exactly as often as it says."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.normal(size=(samples, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (random.random((samples, 1)) > shares.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1), shares


def published(truth: np.ndarray, shares: np.ndarray, bins: int) -> float:
    """Guo et al. 2017, equations 2 and 3, as they stand there: bins ((m - 1) / M, m / M]."""
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    total = 0.0
    for m in range(1, bins + 1):
        members = (confidence > (m - 1) / bins) & (confidence <= m / bins)
        if members.any():
            total += members.mean() * abs(right[members].mean() - confidence[members].mean())
    return total


@pytest.mark.parametrize("bins", [10, 15])
def test_the_error_is_the_published_one(bins):
    truth, shares = drawn(700, seed=1)
    assert calibration(truth, shares, bins=bins).ece.value == pytest.approx(published(truth, shares, bins))


def test_the_curve_is_scikit_learns():
    truth, shares = drawn(500, seed=2)
    found = calibration(truth, shares, bins=10)
    accuracy, confidence = calibration_curve(shares.argmax(axis=1) == truth, shares.max(axis=1), n_bins=10)
    assert [row.accuracy.value for row in found.bins] == pytest.approx(list(accuracy))
    assert [row.confidence for row in found.bins] == pytest.approx(list(confidence))
    assert sum(row.samples for row in found.bins) == found.samples == 500


def test_the_brier_score_is_scikit_learns():
    truth, shares = drawn(300, seed=3)
    assert calibration(truth, shares).brier == pytest.approx(
        oracle.brier_score_loss(truth, shares, labels=range(4), scale_by_half=False), abs=1e-6
    )


def test_a_calibrated_model_stays_under_what_chance_gives_and_an_overconfident_one_does_not():
    honest = [calibration(*drawn(400, seed)) for seed in range(40)]
    assert sum(found.ece.value <= found.by_chance for found in honest) >= 34  # 38 expected
    assert sum(found.ece.low <= 0.005 for found in honest) >= 34  # the true error is 0
    truth, shares = drawn(400, seed=7)
    loud = shares**3 / (shares**3).sum(axis=1, keepdims=True)
    found = calibration(truth, loud)
    assert found.ece.low > found.by_chance / 2
    assert found.ece.value > found.by_chance
    assert found.confidence > found.accuracy


def test_the_interval_holds_the_figure_and_the_true_error():
    random = np.random.default_rng(11)
    held = 0
    for _ in range(40):  # confident at 0.9, right in 0.75 of cases: the error is 0.15
        truth = (random.random(400) > 0.75).astype(int)
        found = calibration(truth, np.tile([0.9, 0.1], (400, 1)))
        assert found.ece.low <= found.ece.value <= found.ece.high
        held += found.ece.low <= 0.15 <= found.ece.high
    assert held >= 34  # 38 expected


def test_certain_predictions_fall_into_the_last_bin():
    found = calibration(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert [(row.low, row.high, row.samples) for row in found.bins] == [(pytest.approx(14 / 15), 1.0, 2)]
    assert (found.ece.value, found.brier) == (0.0, 0.0)


def test_no_samples_have_no_calibration():
    assert calibration(np.zeros(0, dtype=int), np.zeros((0, 3))) is None


def test_calibration_is_read_as_it_was_written():
    found = calibration(*drawn(100, seed=5))
    assert Calibration.from_json(found.as_json()) == found
