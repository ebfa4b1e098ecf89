"""Where an image stands in the season, for every kind of collection: the bins that seasons are compared in. NumPy; no I/O.

In an aligned collection slot i is the same date or month for every sample, so the slots are the bins. In the others every sample has
dates of its own; their bins are the 36 dekads of the calendar year, the ten-day periods that the World Meteorological Organization and
the FAO report by: days 1-10, 11-20 and 21 to the end of each month.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np

from data.catalogue import Collection

NOMINAL_YEAR = 2001  # of names without a year; not a leap year
MIDDLES = (5, 15, 25)  # the days that dekads are named by
DEKADS = tuple(f"{month:02d}-{day:02d}" for month in range(1, 13) for day in MIDDLES)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH_STARTS = np.cumsum([1, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])  # day of year of each 1st
_DEKAD_STARTS = (_MONTH_STARTS[:, None] + (0, 10, 20)).ravel()  # 36 days of year, not a leap year
_MIDDLE_OF_MONTH = 15


def bins(collection: Collection) -> tuple[str, ...]:
    """The bins' names: the slots' of an aligned collection, the middles (MM-DD) of the 36 dekads of any other."""
    return collection.slot_names if collection.aligned else DEKADS


def bin_of(collection: Collection, slot: int, acquired: str) -> int:
    """The index into `bins` of an image, by its slot and its date (ISO, or YYYY-MM: the middle of the month)."""
    if collection.aligned:
        return slot
    day = when(acquired).day
    return 3 * (when(acquired).month - 1) + min(2, (day - 1) // 10)


def bins_of(collection: Collection, slots: np.ndarray, days: np.ndarray, years: np.ndarray | int) -> np.ndarray:
    """The indices into `bins` of many images.

    Args:
        slots, days: integers of one shape; slot, and day of year from 1. A day below 1 (no image) gives bin 0.
        years: of the days, to know leap years by; an integer or of a shape that broadcasts to `slots`.

    Returns:
        int64 of that shape.
    """
    slots, days = np.asarray(slots, dtype=np.int64), np.asarray(days, dtype=np.int64)
    if collection.aligned:
        return slots
    years = np.asarray(years)
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    plain = days - (leap & (days >= 60))  # 29 February counts as the 28th, in the same dekad
    return np.maximum(np.searchsorted(_DEKAD_STARTS, plain, side="right") - 1, 0)


def when(name: str) -> date:
    """Where a slot, bin or acquisition stands on a time axis.

    Args:
        name: YYYY-MM-DD, YYYY-MM (the 15th), MM (the 15th) or MM-DD; without a year in the nominal, non-leap one.

    Raises:
        ValueError: it is none of these.
    """
    if not has_year(name):
        name = f"{NOMINAL_YEAR}-{name}"
    return date.fromisoformat(name if len(name) == len("2019-06-15") else f"{name}-{_MIDDLE_OF_MONTH}")


def has_year(name: str) -> bool:
    """Whether the name of a slot or bin begins with a year."""
    return len(name) >= len("2019-06")


def axis(names: Sequence[str]) -> tuple[date, ...]:
    """`when` of the names of a season in their order. Months without a year that fall back go on in the next one: 10 11 12 01."""
    dates: list[date] = []
    for name in names:
        day = when(name)
        if dates and not has_year(name):
            day = day.replace(year=dates[-1].year)
            if day < dates[-1]:
                day = day.replace(year=day.year + 1)
        dates.append(day)
    return tuple(dates)


def title(name: str) -> str:
    """A bin's name as a reader expects it: June for 06, 11-20 June for 06-15; a name with a year stays as it is."""
    if has_year(name):
        return name
    month, *day = name.split("-")
    if not day:
        return MONTHS[int(month) - 1]
    first = {"05": "1–10", "15": "11–20", "25": "21–end of"}.get(day[0], day[0].lstrip("0"))
    return f"{first} {MONTHS[int(month) - 1]}"
