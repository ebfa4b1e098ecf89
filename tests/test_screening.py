"""Clouds and shadows are found where they are known to be, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.bands import REFLECTANCE_SCALE
from data.screening import CLOUD_BLUE, clear_pixels, quality

SLOVENIA = Path(__file__).parent / "data" / "slovenia_2015"


def clear_share(date: str) -> float:
    with rasterio.open(SLOVENIA / f"si_33N_{date}.tif") as image:
        bands = dict(zip(image.descriptions, image.read().astype(np.float32) / REFLECTANCE_SCALE, strict=True))
    return float(clear_pixels(bands, "L1C").mean())


@pytest.mark.parametrize("date", ["2015-07-11", "2015-08-30", "2015-09-09"])
def test_a_date_that_its_producer_calls_cloudless_is_clear(date):
    assert clear_share(date) > 0.99


def test_a_date_that_its_producer_calls_wholly_cloudy_is_not_clear():
    assert clear_share("2015-08-20") < 0.01


def test_a_thin_veil_through_which_fields_show_is_left_to_the_curator():
    # Its producer calls 31 July cloudy too, but the median blue is only 0.15: B10 would be needed, which L2A has not.
    assert 0.5 < clear_share("2015-07-31") < 0.99


def pixel(blue: float, nir: float, level: str = "L2A") -> bool:
    return bool(clear_pixels({"B02": np.array([blue]), "B08": np.array([nir])}, level)[0])


@pytest.mark.parametrize(
    ("blue", "nir", "seen"),
    [
        (0.03, 0.45, True),  # closed canopy
        (0.08, 0.20, True),  # bare soil
        (0.45, 0.50, False),  # opaque cloud
        (0.14, 0.42, False),  # thin cloud over a crop
        (0.03, 0.06, False),  # cloud shadow
        (np.nan, 0.40, False),  # no data
        (0.03, np.nan, False),
    ],
)
def test_what_counts_as_seen(blue, nir, seen):
    assert pixel(blue, nir) is seen


def test_the_atmosphere_of_l1c_is_allowed_for():
    assert pixel(0.15, 0.35, "L1C") and not pixel(0.15, 0.35, "L2A")


@given(
    values=arrays(np.float32, (2, 20), elements=st.one_of(st.just(np.float32(np.nan)), st.floats(0, 2, width=32))),
    level=st.sampled_from(sorted(CLOUD_BLUE)),
)
def test_more_blue_never_clears_a_pixel(values, level):
    blue, nir = values
    before = clear_pixels({"B02": blue, "B08": nir}, level)
    after = clear_pixels({"B02": blue + np.float32(0.05), "B08": nir}, level)
    assert not (after & ~before).any()


@pytest.mark.parametrize(
    ("valid", "clear", "expected"),
    [(1.0, 1.0, "ok"), (1.0, 0.5, "ok"), (1.0, 0.49, "cloud"), (0.5, 0.0, "cloud"), (0.49, 0.49, "bad"), (0.0, 0.0, "bad")],
)
def test_quality_of_an_image(valid, clear, expected):
    assert quality(valid, clear) == expected
