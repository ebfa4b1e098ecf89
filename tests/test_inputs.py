"""The text that says which channels a model is shown."""

import numpy as np
import pytest
import spyndex

from data.errors import CannotTrain
from modeling import inputs
from modeling.config import TrainConfig

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")


def names(text: str, bands: tuple[str, ...] = BANDS) -> list[str]:
    return [channel.name for channel in inputs.channels(text, bands)]


def test_bands_are_those_of_the_collection_in_its_order():
    assert names("bands") == list(BANDS)
    assert names("bands", ("B08", "B04")) == ["B08", "B04"]


def test_bands_for_the_atmosphere_are_no_land_bands():
    assert names("land", (*BANDS, "B10")) == ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    assert names("land", ("NDVI",)) == ["NDVI"]
    assert names("land", ("B01", "B09")) == ["B01", "B09"]


def test_groups_bands_and_indices_are_joined_each_once_in_the_order_of_the_text():
    assert names("rgb") == ["B04", "B03", "B02"]
    assert names("rgb+B08+NDVI") == ["B04", "B03", "B02", "B08", "NDVI"]
    assert names("NDVI, ndre ,b08, NDVI") == ["NDVI", "NDRE", "B08"]
    assert names("bands+indices") == [*BANDS, "NDVI", "NDMI", "NDTI", "NDRE8A", "MNDWI", "PSRI"]


def test_indices_that_lack_a_band_are_left_out_of_the_group():
    assert names("indices", ("B03", "B04", "B08", "B11")) == ["NDVI", "NDMI", "MNDWI"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B10", "'B10', which is no band of the collection and no index; choose from land, bands, indices, rgb, B01"),
        ("bands+NDXI", "'NDXI', which is no band"),
        ("", "'', which is no band"),
    ],
)
def test_an_unknown_name_is_told_with_those_there_are(text, message):
    with pytest.raises(CannotTrain, match=message):
        inputs.channels(text, BANDS)


def test_an_index_whose_band_the_collection_lacks_is_refused_by_name():
    with pytest.raises(CannotTrain, match="hold NDRE, which needs B05; the collection has B04, B08"):
        inputs.channels("NDRE", ("B04", "B08"))
    with pytest.raises(CannotTrain, match="name no channel that can be made of B01"):
        inputs.channels("indices", ("B01",))


def test_the_index_channels_are_the_published_formulas():
    reflectance = dict(zip(BANDS, np.random.default_rng(0).uniform(0.02, 0.6, (12, 200)), strict=True))
    ours = {channel.name: channel.formula(*(reflectance[band] for band in channel.bands)) for channel in inputs.channels("indices", BANDS)}
    letters = {"N": "B08", "R": "B04", "G": "B03", "B": "B02", "S1": "B11", "S2": "B12", "RE2": "B06"}
    given = {letter: reflectance[band] for letter, band in letters.items()}
    # What is NDTI here (tillage) is NBR2 there: the same two bands.
    for name, theirs in {"NDVI": "NDVI", "NDMI": "NDMI", "NDTI": "NBR2", "MNDWI": "MNDWI", "PSRI": "PSRI"}.items():
        np.testing.assert_allclose(ours[name], spyndex.computeIndex(theirs, given), rtol=1e-6)


def test_months_are_numbers_or_for_models_of_one_image_best_or_each():
    assert TrainConfig.for_model("ltae", "x", months="7+6+7").month_numbers == (6, 7)
    assert TrainConfig.for_model("ltae", "x").month_numbers == ()
    assert TrainConfig.for_model("resnet18", "x").months == "best"
    for wrong in ("13", "June", "6,7", "0"):
        with pytest.raises(CannotTrain, match=f"The months are '{wrong}'; give numbers from 1 to 12 joined by +"):
            TrainConfig.for_model("ltae", "x", months=wrong)
    with pytest.raises(CannotTrain, match="The months are 'each', but ltae looks at whole seasons"):
        TrainConfig.for_model("ltae", "x", months="each")
