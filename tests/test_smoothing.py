"""Smoothing of class probabilities, against the published formula worked out pixel by pixel."""

import math
import statistics

import numpy as np
import pytest

from data.errors import BadInput
from modeling.mapping.smoothing import Smoothing, halo, smoothed

BAYES = Smoothing("bayes", window=5, smoothness=10.0, neighbours_share=0.5)
MAJORITY = Smoothing("majority", window=3)
BOTH = pytest.mark.parametrize("settings", [BAYES, MAJORITY, Smoothing("bayes", 9), Smoothing("majority", 5)], ids=str)


def some_shares(seed: int = 0, classes: int = 4, height: int = 23, width: int = 17, gaps: float = 0.1) -> np.ndarray:
    """(K, h, w) float32 probabilities, noisy in fields, with pixels where nothing is predicted."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1.5, (classes, height, width)) + 3 * (np.arange(classes)[:, None, None] == np.arange(width) // 5)
    shares = np.exp(scores) / np.exp(scores).sum(axis=0)
    shares[:, rng.random((height, width)) < gaps] = np.nan
    return shares.astype(np.float32)


def padded(shares: np.ndarray, margin: int) -> np.ndarray:
    return np.pad(shares, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)


def _whole(shares: np.ndarray, settings: Smoothing) -> np.ndarray:
    """A raster smoothed in one tile."""
    return smoothed(padded(shares, halo(settings)), settings)


def _near(shares: np.ndarray, row: int, column: int, window: int) -> list[tuple[int, int]]:
    """The predicted pixels of a window that lie on the raster."""
    leg = window // 2
    places = [(i, j) for i in range(row - leg, row + leg + 1) for j in range(column - leg, column + leg + 1)]
    inside = [(i, j) for i, j in places if 0 <= i < shares.shape[1] and 0 <= j < shares.shape[2]]
    return [place for place in inside if not np.isnan(shares[(0, *place)])]


def _logit(value: float) -> float:
    value = min(max(value, 1e-4), 1 - 1e-4)
    return math.log(value / (1 - value))


def bayes_slowly(shares: np.ndarray, settings: Smoothing) -> np.ndarray:
    """The formula of Camara et al. 2024, a pixel and a class at a time."""
    result = np.full(shares.shape, np.nan)
    for row, column in np.ndindex(shares.shape[1:]):
        if np.isnan(shares[0, row, column]):
            continue
        near = _near(shares, row, column, settings.window)
        for number in range(len(shares)):
            x = _logit(float(shares[number, row, column]))
            logits = sorted((_logit(float(shares[(number, *place)])) for place in near), reverse=True)
            prior = logits[: math.ceil(settings.neighbours_share * len(logits))]
            if len(prior) > 1:
                m, v = statistics.fmean(prior), statistics.variance(prior)
                x = v / (v + settings.smoothness) * x + settings.smoothness / (v + settings.smoothness) * m
            result[number, row, column] = math.exp(x) / (1 + math.exp(x))
        result[:, row, column] /= result[:, row, column].sum()
    return result


def majority_slowly(shares: np.ndarray, settings: Smoothing) -> np.ndarray:
    result = shares.astype(np.float64)
    for row, column in np.ndindex(shares.shape[1:]):
        own = shares[:, row, column]
        if np.isnan(own[0]):
            continue
        near = _near(shares, row, column, settings.window)
        choices = [int(np.argmax(shares[:, i, j])) for i, j in near]
        winner = max(range(len(shares)), key=lambda number: (choices.count(number), own[number], -number))
        if winner != np.argmax(own):
            voters = [place for place, choice in zip(near, choices, strict=True) if choice == winner]
            result[:, row, column] = [
                statistics.fmean(float(shares[(number, *place)]) for place in voters) for number in range(len(shares))
            ]
    return result


@pytest.mark.parametrize("window, smoothness, share", [(3, 20.0, 0.5), (5, 2.0, 0.1), (7, 100.0, 1.0), (9, 20.0, 0.3)])
@pytest.mark.parametrize("gaps", [0.0, 0.3, 0.9])
def test_bayesian_smoothing_is_the_published_formula(window, smoothness, share, gaps):
    settings, shares = Smoothing("bayes", window, smoothness, share), some_shares(gaps=gaps)
    np.testing.assert_allclose(_whole(shares, settings), bayes_slowly(shares, settings), atol=1e-5)


@pytest.mark.parametrize("window", [3, 5, 9])
@pytest.mark.parametrize("gaps", [0.0, 0.3, 0.9])
def test_majority_is_that_of_the_votes_and_keeps_the_probabilities_of_the_voters(window, gaps):
    settings, shares = Smoothing("majority", window), some_shares(gaps=gaps)
    np.testing.assert_allclose(_whole(shares, settings), majority_slowly(shares, settings), atol=1e-6)


@BOTH
def test_every_pixel_is_the_same_bit_for_bit_whatever_the_tiles(settings):
    shares, margin = some_shares(height=40, width=33), halo(settings)
    around, whole = padded(shares, margin), _whole(shares, settings)
    for tall, wide in ((1, 1), (7, 33), (40, 3), (16, 16)):
        pieced = np.empty_like(whole)
        for top in range(0, 40, tall):
            for left in range(0, 33, wide):
                bottom, right = min(40, top + tall), min(33, left + wide)
                tile = around[:, top : bottom + 2 * margin, left : right + 2 * margin].copy()
                pieced[:, top:bottom, left:right] = smoothed(tile, settings)
        np.testing.assert_array_equal(pieced, whole)


@BOTH
def test_a_field_of_one_kind_stays_as_it_is(settings):
    shares = np.broadcast_to(np.array([0.2, 0.7, 0.1], dtype=np.float32)[:, None, None], (3, 20, 20)).copy()
    np.testing.assert_allclose(_whole(shares, settings), shares, atol=1e-6)


@BOTH
def test_single_pixels_of_another_class_are_removed(settings):
    shares = np.broadcast_to(np.array([0.7, 0.2, 0.1], dtype=np.float32)[:, None, None], (3, 30, 30)).copy()
    shares[:, 4::6, 4::6] = np.array([0.05, 0.9, 0.05], dtype=np.float32)[:, None, None]
    assert (shares.argmax(axis=0) == 1).sum() == 25
    assert (_whole(shares, settings).argmax(axis=0) == 0).all()


@BOTH
def test_probabilities_sum_to_one_and_gaps_stay_gaps(settings):
    shares = some_shares(gaps=0.3)
    found = _whole(shares, settings)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), np.isnan(shares))
    np.testing.assert_allclose(found.sum(axis=0)[~np.isnan(shares[0])], 1, atol=1e-5)


@BOTH
def test_a_pixel_alone_among_gaps_stays_as_it_is(settings):
    shares = np.full((3, 11, 11), np.nan, dtype=np.float32)
    shares[:, 5, 5] = (0.5, 0.3, 0.2)
    np.testing.assert_allclose(_whole(shares, settings)[:, 5, 5], (0.5, 0.3, 0.2), atol=1e-6)


@BOTH
def test_nothing_predicted_at_all_stays_nothing(settings):
    assert np.isnan(_whole(np.full((3, 5, 5), np.nan, dtype=np.float32), settings)).all()


def test_certain_pixels_give_finite_probabilities():
    shares = np.zeros((3, 9, 9), dtype=np.float32)
    shares[0] = 1
    shares[:, 4, 4] = (0, 1, 0)
    found = _whole(shares, BAYES)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=0) == 0).all()


def test_between_classes_with_as_many_votes_the_pixel_itself_decides():
    row = [(0.6, 0.3, 0.1), (0.1, 0.35, 0.55), (0.3, 0.6, 0.1)]
    shares = np.array([row], dtype=np.float32).transpose(2, 0, 1)
    assert _whole(shares, MAJORITY)[:, 0, 1].argmax() == 2  # three classes with a vote each: its own stands
    split = np.array([[(0.6, 0.3, 0.1), (0.2, 0.35, 0.45), (0.3, 0.6, 0.1)]] * 2, dtype=np.float32).transpose(2, 0, 1)
    split[:, 1, 1] = np.nan
    assert _whole(split, MAJORITY)[:, 0, 1].argmax() == 1  # two, two and its own one: class 1 is likelier to it than class 0


def test_the_higher_the_smoothness_the_more_the_neighbours_count():
    shares = np.broadcast_to(np.array([0.7, 0.2, 0.1], dtype=np.float32)[:, None, None], (3, 9, 9)).copy()
    shares[:, 4, 4] = (0.05, 0.9, 0.05)
    found = [_whole(shares, Smoothing("bayes", 5, smoothness))[1, 4, 4] for smoothness in (0.01, 1, 10, 100)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.5  # the other class has its mean wholly from its neighbours, that do not differ
    assert found[-1] < 0.3


def test_no_smoothing_needs_no_margin_and_changes_nothing():
    shares = some_shares()
    assert halo(Smoothing()) == 0
    np.testing.assert_array_equal(smoothed(shares, Smoothing()), shares)


def test_each_method_has_values_of_its_own_where_nothing_is_said():
    assert Smoothing.of("bayes") == Smoothing("bayes", 9, 20.0, 0.5)
    assert Smoothing.of("majority").window == 5
    assert Smoothing.of("bayes", window=7, smoothness=3.0).window == 7
    assert halo(Smoothing.of("majority", 7)) == 3


@pytest.mark.parametrize(
    "given, told",
    [
        ({"method": "mean"}, "no smoothing 'mean'.*none, majority, bayes"),
        ({"method": "bayes", "window": 4}, "window of 4 pixels.*odd number from 3"),
        ({"method": "majority", "window": 35}, "window of 35 pixels"),
        ({"method": "bayes", "smoothness": 0.0}, "smoothness of 0.0 is not a variance"),
        ({"method": "bayes", "smoothness": float("nan")}, "smoothness of nan"),
        ({"method": "bayes", "neighbours_share": 1.5}, "share of 1.5"),
        ({"method": "majority", "smoothness": 3.0}, "majority has no smoothness"),
        ({"method": "none", "window": 3}, "none has no window"),
    ],
)
def test_settings_that_cannot_smooth_are_named(given, told):
    with pytest.raises(BadInput, match=told):
        Smoothing.of(**given)
