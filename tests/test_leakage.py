"""What a split leaks, against distances on the ellipsoid by pyproj and a nearest-neighbour classifier by scikit-learn."""

import json

import numpy as np
import pytest
from pyproj import Geod
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier

from modeling import leakage
from modeling.samples import UNLABELLED, Samples

EARTH = Geod(ellps="WGS84")


def made(count: int, *, seed: int = 0, width: float = 0.4, sites: np.ndarray | None = None) -> Samples:
    """Labelled samples in a square of `width` degrees; those of one site lie at one place."""
    random = np.random.default_rng(seed)
    sites = np.arange(count) if sites is None else sites
    lon, lat = random.uniform(-100, -100 + width, count)[sites], random.uniform(50, 50 + width, count)[sites]
    truth, zeros = random.integers(0, 3, count), np.zeros(count)
    return Samples(
        "made", ("a", "b", "c"), np.arange(count), tuple(map(str, range(count))), sites, zeros.astype(str), zeros, lon, lat, (), zeros,
        truth, truth, zeros, zeros, 0,
    )  # fmt: skip


def distances(samples: Samples, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) metres on the ellipsoid."""
    first, second = np.meshgrid(one, other, indexing="ij")
    return EARTH.inv(samples.lon[first], samples.lat[first], samples.lon[second], samples.lat[second])[2]


def test_shares_of_near_sites_are_those_of_distances_on_the_ellipsoid():
    samples = made(300)
    parts = np.random.default_rng(1).choice(["train", "validation", "test"], 300)
    leak = leakage.report(samples, parts).total
    nearest = distances(samples, np.flatnonzero(parts == "test"), np.flatnonzero(parts == "train")).min(axis=1)
    assert leak.within == pytest.approx([(nearest <= radius).mean() for radius in (640, 2_000, 10_000)])
    assert 0 < leak.within[0] < leak.within[1] < leak.within[2]


def test_copying_the_nearest_label_is_scikit_learns_nearest_neighbour():
    samples = made(300, width=0.01)
    parts = np.random.default_rng(2).choice(["fold-0", "fold-1", "fold-2"], 300)
    copied = np.zeros(300, dtype=int)
    for fold in ("fold-0", "fold-1", "fold-2"):
        places = np.radians(np.stack([samples.lat, samples.lon], axis=1))
        oracle = KNeighborsClassifier(1, metric="haversine").fit(places[parts != fold], samples.truth[parts != fold])
        copied[parts == fold] = oracle.predict(places[parts == fold])
    found = leakage.report(samples, parts)
    assert found.total.accuracy == pytest.approx(accuracy_score(samples.truth, copied), abs=0.01)  # a sphere orders a few pairs otherwise
    assert found.total.macro_f1 == pytest.approx(f1_score(samples.truth, copied, average="macro"), abs=0.01)
    assert [leak.part for leak in found.parts] == ["fold-0", "fold-1", "fold-2"]
    assert found.confusion.sum() == 300


def test_a_site_that_is_learned_from_in_another_year_is_counted_apart():
    samples = made(80, sites=np.arange(80) % 40)
    years = np.where(np.arange(80) < 40, "fold-2019", "fold-2020")
    found = leakage.report(samples, years)
    assert [(leak.sites, leak.same_site) for leak in found.parts] == [(40, 40), (40, 40)]
    between = distances(samples, np.arange(40), np.arange(40)) + np.diag(np.full(40, np.inf))
    assert found.parts[0].within == pytest.approx([(between.min(axis=1) <= radius).mean() for radius in leakage.RADII_M])
    assert "80 of them learned from in another year" in str(found)


def test_samples_without_a_label_and_outside_of_the_split_neither_judge_nor_teach():
    samples = made(60)
    parts = np.array(["train", "test", "outside"] * 20)
    samples.truth[:30] = UNLABELLED
    found = leakage.report(samples, parts)
    assert (found.total.samples, found.confusion.sum()) == (10, 10)


def test_nothing_near_and_nothing_learned_from_leak_nothing():
    samples = made(20, width=40.0)
    parts = np.array(["train"] * 1 + ["test"] * 19)
    assert leakage.report(samples, parts).total.within[0] == 0
    none = leakage.report(samples, np.array(["test"] * 20)).total
    assert (none.within, none.accuracy, none.sites) == ((0, 0, 0), 0, 20)


def test_what_is_written_is_read_again():
    found = leakage.report(made(50), np.array(["fold-0", "fold-1"] * 25))
    again = leakage.Leakage.from_json(json.loads(json.dumps(found.as_json())), found.confusion)
    assert (again.total, again.parts) == (found.total, found.parts)
