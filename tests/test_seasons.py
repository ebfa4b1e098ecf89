"""Every kind of date finds its place in the season: slots where all samples share them, else ten-day periods."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from data import seasons
from data.catalogue import Collection

ALIGNED = Collection(
    "months", "Months", ("B04", "B08"), "L2A", 5, ("06", "07", "08", "09", "10"), 64, 64, True, False, "", "", True, False, "", {}
)  # fmt: skip
LOOSE = replace(ALIGNED, name="dates", slots=60, slot_names=tuple(map(str, range(1, 61))), composites=False, aligned=False)


def test_the_bins_of_an_aligned_collection_are_its_slots():
    assert seasons.bins(ALIGNED) == ALIGNED.slot_names
    assert seasons.bin_of(ALIGNED, 3, "2019-09") == 3
    slots = np.array([[0, 4], [2, 1]])
    np.testing.assert_array_equal(seasons.bins_of(ALIGNED, slots, np.full((2, 2), 200), 2019), slots)


def test_the_bins_of_other_collections_are_the_36_dekads_of_the_year():
    names = seasons.bins(LOOSE)
    assert len(names) == 36
    assert names[:4] == ("01-05", "01-15", "01-25", "02-05")
    assert names[-1] == "12-25"


@pytest.mark.parametrize("year", [1900, 2000, 2017, 2018, 2019, 2020])
def test_every_day_of_a_year_lies_in_the_dekad_that_the_calendar_says(year):
    days = [date(year, 1, 1) + timedelta(days=after) for after in range(366 if date(year, 12, 31).timetuple().tm_yday == 366 else 365)]
    expected = [3 * (day.month - 1) + (0 if day.day <= 10 else 1 if day.day <= 20 else 2) for day in days]
    assert [seasons.bin_of(LOOSE, 7, day.isoformat()) for day in days] == expected
    numbers = np.array([day.timetuple().tm_yday for day in days])
    np.testing.assert_array_equal(seasons.bins_of(LOOSE, np.zeros_like(numbers), numbers, year), expected)
    np.testing.assert_array_equal(seasons.bins_of(LOOSE, np.zeros_like(numbers), numbers, np.full_like(numbers, year)), expected)


def test_a_month_lies_in_its_middle_dekad_and_a_missing_image_in_the_first_bin():
    assert seasons.bins(LOOSE)[seasons.bin_of(LOOSE, 0, "2019-06")] == "06-15"
    assert seasons.bins_of(LOOSE, np.array([0]), np.array([0]), 2019).tolist() == [0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2019-06-05", date(2019, 6, 5)), ("2019-06", date(2019, 6, 15)), ("06", date(seasons.NOMINAL_YEAR, 6, 15)),
        ("06-05", date(seasons.NOMINAL_YEAR, 6, 5)), ("2020-02-29", date(2020, 2, 29)),
    ],
)  # fmt: skip
def test_every_form_of_date_has_its_place_on_the_axis(name, expected):
    assert seasons.when(name) == expected


def test_what_is_no_date_has_no_place():
    with pytest.raises(ValueError, match="month must be in"):
        seasons.when("17")


def test_every_dekad_is_named_by_a_day_inside_it():
    assert [seasons.bin_of(LOOSE, 0, seasons.when(name).isoformat()) for name in seasons.DEKADS] == list(range(36))


def test_months_that_go_on_over_new_year_stay_in_their_order():
    assert seasons.axis(("10", "11", "12", "01")) == (date(2001, 10, 15), date(2001, 11, 15), date(2001, 12, 15), date(2002, 1, 15))
    assert seasons.axis(("2020-11", "2021-02")) == (date(2020, 11, 15), date(2021, 2, 15))
    assert list(seasons.axis(seasons.DEKADS)) == sorted(seasons.axis(seasons.DEKADS))


def test_bins_are_called_as_people_call_them():
    assert [seasons.title(name) for name in ("06", "06-05", "06-25", "2019-06", "2019-06-05")] == [
        "June", "1–10 June", "21–end of June", "2019-06", "2019-06-05",
    ]  # fmt: skip
