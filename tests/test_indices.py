"""Indices against figures that others computed: spyndex, Canadian field pixels, and an NDVI shipped with its images."""

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
import spyndex
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data.bands import L2A_BANDS, REFLECTANCE_SCALE
from data.errors import UnknownIndex
from data.indices import INDICES, available, compute, named

DATA = Path(__file__).parent / "data"
SLOVENIA = sorted((DATA / "slovenia_2015").glob("si_33N_*.tif"))

# spyndex's names of the bands, and of the index where it differs; NDVI45 it does not have.
BAND_OF = {"B": "B02", "G": "B03", "R": "B04", "RE1": "B05", "RE2": "B06", "N": "B08"}
SPYNDEX_NAME = {"NDRE": "NDREI"}
EVI_CONSTANTS = {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0}

digital_numbers = arrays(np.uint16, (4, 4), elements=st.integers(0, 65_535))


def canada_pixels() -> dict[str, np.ndarray]:
    with (DATA / "canada_pixels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}


def canada_bands() -> dict[str, np.ndarray]:
    pixels = canada_pixels()
    return {f"B{name[1:]:0>2}": values for name, values in pixels.items() if name.startswith("B")}


@pytest.mark.parametrize("name", [name for name in INDICES if name != "NDVI45"])
def test_index_equals_spyndex_on_canadian_pixels(name):
    bands = canada_bands()
    theirs_name = SPYNDEX_NAME.get(name, name)
    needed = spyndex.indices[theirs_name].bands
    parameters = {band: bands[BAND_OF[band]] for band in needed if band in BAND_OF}
    parameters |= {key: value for key, value in EVI_CONSTANTS.items() if key in needed}
    theirs = spyndex.computeIndex(theirs_name, params=parameters)
    np.testing.assert_allclose(compute(name, bands), theirs, atol=1e-6, rtol=0)


def test_ndvi45_is_the_normalised_difference_of_b05_and_b04():
    bands = canada_bands()
    theirs = spyndex.computeIndex("NDVI", params={"N": bands["B05"], "R": bands["B04"]})
    np.testing.assert_allclose(compute("NDVI45", bands), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["NDVI", "PSRI"])
def test_index_equals_what_agriculture_canada_computed(name):
    np.testing.assert_allclose(compute(name, canada_bands()), canada_pixels()[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("path", SLOVENIA, ids=lambda path: path.stem[-10:])
def test_ndvi_equals_the_producers_reference(path):
    with rasterio.open(path) as image, rasterio.open(path.with_name(f"reference_ndvi_{path.stem[-10:]}.tif")) as reference:
        assert image.transform == reference.transform and image.crs == reference.crs
        bands = dict(zip(image.descriptions, image.read().astype(np.float32) / REFLECTANCE_SCALE, strict=True))
        theirs = reference.read(1)
    ours = compute("NDVI", bands)
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert both.all()
    assert np.abs(ours - theirs).max() <= 1e-6


def test_five_dates_of_slovenia_are_compared():
    assert len(SLOVENIA) == 5


@pytest.mark.parametrize("name", ["NDVI", "NDRE", "GNDVI", "NDVI45", "NDWI"])
@given(values=arrays(np.float32, (2, 3, 3), elements=st.floats(0, 2, width=32)))
def test_a_normalised_difference_of_reflectance_lies_within_one_or_is_nan(name, values):
    result = compute(name, dict(zip(named(name).bands, values, strict=True)))
    assert result.dtype == np.float32 and result.shape == (3, 3)
    assert (np.isnan(result) | ((result >= -1) & (result <= 1))).all()
    assert np.isnan(result[values.sum(axis=0) == 0]).all()


@given(nir=digital_numbers, red=digital_numbers)
def test_digital_numbers_never_wrap_round(nir, red):
    ours = compute("NDVI", {"B08": nir, "B04": red})
    exact = np.array([(n - r) / (n + r) if n + r else np.nan for n, r in zip(nir.ravel().tolist(), red.ravel().tolist(), strict=True)])
    np.testing.assert_allclose(ours.ravel(), exact, atol=1e-6)


@given(values=arrays(np.float64, (len(L2A_BANDS), 5), elements=st.one_of(st.just(np.nan), st.integers(0, 15_000).map(lambda dn: dn / 1e4))))
def test_no_index_is_ever_infinite_and_a_missing_band_makes_nan(values):
    bands = dict(zip(L2A_BANDS, values, strict=True))
    for name, index in INDICES.items():
        result = compute(name, bands)
        assert not np.isinf(result).any()
        missing = np.isnan([bands[band] for band in index.bands]).any(axis=0)
        assert np.isnan(result[missing]).all()


def test_names_are_found_whatever_their_case_and_others_are_refused_with_the_list():
    assert named("ndvi") is INDICES["NDVI"]
    with pytest.raises(UnknownIndex, match="no index 'NDXI'; choose one of NDVI, NDRE, EVI"):
        named("NDXI")


def test_missing_bands_are_named():
    with pytest.raises(UnknownIndex, match="NDRE needs B05, which the data lack; they have B08"):
        compute("NDRE", {"B08": np.ones(3)})


def test_only_indices_whose_bands_are_there_are_available():
    assert available(("B02", "B03", "B04", "B08")) == ["NDVI", "EVI", "GNDVI", "OSAVI", "NDWI"]
    assert available(L2A_BANDS) == list(INDICES)
