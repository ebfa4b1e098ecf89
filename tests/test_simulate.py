"""The simulated collection says what it promises: shares, seasons, places, and the same sample for the same seed."""

from collections import Counter
from dataclasses import asdict
from itertools import islice

import numpy as np
import pytest
from pyproj import Transformer

from data import aci, display, observing, screening, simulate
from data.bands import L2A_BANDS, REFLECTANCE_SCALE
from data.errors import BadInput
from data.indices import compute

CEREALS, GRASSES = {133, 136, 145, 146}, {110, 122}


@pytest.fixture(scope="module")
def first_240():
    return list(simulate.samples(240))


@pytest.fixture(scope="module")
def plans_2000():
    return list(simulate.plans(2000))


def test_the_legend_has_the_official_codes_names_and_colours():
    legend = {entry.code: entry for entry in aci.legend()}
    assert len(legend) == 72
    assert (legend[146].name, legend[146].name_fr, legend[146].color) == ("Spring Wheat", "Blé de printemps", "#92a55b")
    assert (legend[153].color, legend[230].learned, legend[230].digit) == ("#d6ff70", None, None)
    assert not [entry.name for entry in legend.values() if "_" in entry.name or not entry.name_fr]


def test_ten_crops_are_learned_and_each_has_its_digit_key():
    digits = {entry.learned: entry.digit for entry in aci.legend() if entry.learned}
    assert [digits[entry.name] for entry in aci.learned()] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert set(digits) == {entry.name for entry in aci.learned()}


def test_the_same_seed_gives_the_same_sample_whatever_is_asked_for_around_it():
    alone = list(simulate.samples(3, seed=7))
    among = list(islice(simulate.samples(50, seed=7), 3))
    other = list(simulate.samples(3, seed=8))
    for one, two, three in zip(alone, among, other, strict=True):
        assert np.array_equal(one.pixels, two.pixels) and np.array_equal(one.inventory, two.inventory)
        assert {**asdict(one), "pixels": 0, "inventory": 0} == {**asdict(two), "pixels": 0, "inventory": 0}
        assert not np.array_equal(one.pixels, three.pixels)


def test_every_site_and_year_comes_once_and_further_years_follow():
    plans = list(simulate.plans(10_000))
    assert len({(plan.site, plan.year) for plan in plans}) == len({plan.name for plan in plans}) == 10_000
    assert Counter(plan.year for plan in plans) == {2019: 4800, 2018: 4800, 2020: 400}


def test_more_samples_than_points_and_years_are_refused():
    with pytest.raises(BadInput, match="48,001 samples are more than the 4,800 sites x 10 years"):
        next(simulate.plans(48_001))


def test_classes_are_long_tailed_with_at_least_twelve_of_each_in_the_demo():
    counts = Counter(plan.crop for plan in simulate.plans(240))
    assert set(counts) == set(aci.CROPS)
    assert min(counts.values()) == 12 and max(counts.values()) == 42


def test_one_inventory_label_in_ten_is_wrong_and_only_among_look_alikes(plans_2000):
    wrong = [plan for plan in plans_2000 if plan.inventory_code != plan.crop]
    assert len(wrong) == 200
    assert all({plan.crop, plan.inventory_code} <= CEREALS or {plan.crop, plan.inventory_code} == GRASSES for plan in wrong)
    assert {plan.crop for plan in wrong} == CEREALS | GRASSES


def test_truth_names_every_sample_and_the_samples_do_not_hold_it(first_240):
    truth = simulate.truth(240)
    assert [sample.name for sample in first_240] == list(truth)
    mistaken = [sample for sample in first_240 if truth[sample.name] != sample.inventory_code]
    assert len(mistaken) == 24
    assert not [field for field in asdict(mistaken[0]) if "truth" in field or field == "crop"]


def test_months_are_missing_as_often_as_in_the_real_data(plans_2000):
    available = np.array([plan.available for plan in plans_2000])
    assert (~available.all(axis=1)).mean() == pytest.approx(0.74, abs=0.03)
    assert available.any(axis=1).all()
    # Shares of the 4,984 real sites with an image in June ... October 2019.
    assert available.mean(axis=0) == pytest.approx([0.487, 0.827, 0.819, 0.784, 0.767], abs=0.04)


def test_a_missing_month_is_all_zero_and_a_present_one_has_no_zero(first_240):
    for sample in first_240:
        assert sample.pixels.shape == (5, 12, 64, 64) and sample.pixels.dtype == np.uint16
        for month, acquired in zip(sample.pixels, sample.acquired, strict=True):
            assert (month.min() > 0) if acquired else (month.max() == 0)
        assert sample.pixels.max() <= 12_000


def test_the_patch_lies_where_the_ground_truth_point_lies(first_240):
    to_lonlat = Transformer.from_crs(first_240[0].crs, "EPSG:4326", always_xy=True)
    for sample in first_240[:20]:
        a, _, c, _, e, f = sample.transform
        assert to_lonlat.transform(c + 32 * a, f + 32 * e) == pytest.approx((sample.lon, sample.lat), abs=1e-7)
        assert sample.region == ("PE" if sample.lon > -70 else "ON")


def test_the_map_shows_the_inventory_code_on_the_whole_centre_field_in_cells_of_30_m(first_240):
    for sample in first_240:
        assert sample.inventory[32, 32] == sample.inventory_code
        assert observing.field_pixels(sample.inventory, sample.inventory_code, (64, 64))[29:35, 29:35].any()
        cells = sample.inventory[:63, :63].reshape(21, 3, 21, 3)
        assert (cells == cells[:, :1, :, :1]).all()
    assert np.median([len(np.unique(sample.inventory)) for sample in first_240]) >= 4


def test_each_crop_peaks_in_its_month(first_240):
    truth = simulate.truth(240)
    ndvi = {crop: [] for crop in aci.CROPS}
    for sample in first_240:
        bands = {band: sample.pixels[:, index, 30:35, 30:35] / REFLECTANCE_SCALE for index, band in enumerate(L2A_BANDS)}
        series = compute("NDVI", bands)
        series[~screening.clear_pixels(bands, "L2A")] = np.nan
        seen = np.array([acquired is not None for acquired in sample.acquired])
        values = np.full(5, np.nan)
        values[seen] = [np.median(date[np.isfinite(date)]) if np.isfinite(date).any() else np.nan for date in series[seen]]
        ndvi[truth[sample.name]].append(values)
    median = {crop: np.nanmedian(values, axis=0) for crop, values in ndvi.items()}
    peak = {crop: ("June", "July", "August", "September", "October")[int(np.nanargmax(values))] for crop, values in median.items()}
    assert peak[145] == "June" and peak[133] == "June"
    assert peak[136] in {"June", "July"} and peak[146] in {"June", "July"}
    assert peak[153] in {"June", "July"}
    assert (peak[147], peak[158]) == ("August", "August") and peak[177] in {"July", "August"}
    assert median[145][1] < median[133][1] - 0.1 < median[146][1] - 0.1  # winter wheat ripens first, spring wheat last
    assert np.nanmin(median[122]) > 0.5  # grass stays green to October


def test_canola_in_bloom_is_yellow():
    def yellow(crop):
        plan = next(plan for plan in simulate.plans(400) if plan.crop == crop and plan.available[1])
        sample = next(islice(simulate.samples(400), plan.number, None))
        red, green, blue = display.rgba(sample.pixels[1], L2A_BANDS, "true")[28:37, 28:37, :3].reshape(-1, 3).mean(axis=0)
        return (red + green) / 2 / blue

    assert yellow(153) > 1.5
    assert yellow(147) < 1.35


def test_some_images_keep_clouds_and_shadows(first_240):
    clear = []
    for sample in first_240:
        for month in sample.pixels[np.array([acquired is not None for acquired in sample.acquired])] / REFLECTANCE_SCALE:
            clear.append(screening.clear_pixels(dict(zip(L2A_BANDS, month, strict=True)), "L2A").mean())
    assert 0.02 < np.mean(np.array(clear) < screening.CLEAR_ENOUGH) < 0.15
    assert np.median(clear) > 0.98
