"""A small workspace with every kind of collection that an import can make.

The pixels are those of the twenty real fields in `data/demo`, as they are or cut smaller; years, inventory rasters, histories and the
dates of free seasons are made up, so that each kind has what makes it different.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from data import aci, demo, screening
from data.bands import L2A_BANDS, REFLECTANCE_SCALE
from data.importing import CollectionSpec, NewSample, import_collection
from data.workspace import Workspace

MONTHLY, FREE, UNLABELLED, COLOURS = "months-2017-2020", "dates-2019", "unlabelled-2018", "colours-2018"
YEARS = (2017, 2018, 2019, 2020)
MONTHS = ("03", "04", "05", "06", "07")
CODES = (146, 133, 153, 158)  # spring wheat, barley, canola, soybean
FOREIGN = 999  # a code that the published legend lacks
UNHEARD = 997  # one that only rasters have, so that no legend class is made for it
DATES = 40  # most in a free season
SIDE = 32  # px of its patches


def make(home: Path) -> Workspace:
    """A workspace with these collections, at `home`."""
    workspace = Workspace(home).create()
    import_collection(workspace, monthly_spec(), monthly())
    import_collection(workspace, free_spec(), free())
    import_collection(workspace, unlabelled_spec(), unlabelled())
    import_collection(workspace, colours_spec(), colours())
    return workspace


@cache
def _fields() -> tuple[NewSample, ...]:
    plan = demo.fields()
    return tuple(replace(field, quality=(), sources=(), field=None, clear=None) for field in plan.make(list(plan.names))[0])


def _spec(name: str, title: str, slots: tuple[str, ...], side: tuple[int, int], **more) -> CollectionSpec:
    return CollectionSpec(
        name, title, L2A_BANDS, "L2A", slots, *side, simulated=True, licence="MIT", attribution=demo.COPERNICUS,
        legend=aci.legend(), learned=aci.learned(), **more,
    )  # fmt: skip


def monthly_spec() -> CollectionSpec:
    """`months-2017-2020`: aligned monthly composites, sites with several years, inventory rasters and rotations."""
    return _spec(MONTHLY, "Monthly composites of four years", MONTHS, (66, 50), composites=True)


def monthly() -> Iterator[NewSample]:
    """Six sites with a sample in each of four years. The raster of every fourth is mostly of a code outside the legend."""
    for place, field in enumerate(_fields()[:6]):
        for turn, year in enumerate(YEARS):
            slots = [_of_month(field, month, turn) for month in MONTHS]
            slots[turn] = None if place % 3 == 0 else slots[turn]  # a month without a composite
            pixels = np.stack([np.zeros_like(field.pixels[0]) if slot is None else field.pixels[slot] for slot in slots])
            code = CODES[(place + turn) % 4]
            raster = np.where((field.pixels > 0).any(axis=(0, 1)), code, UNHEARD if turn == 3 else 34).astype(np.uint16)
            yield replace(
                field, name=f"{field.site}-{year}", year=year, inventory_code=code, pixels=pixels, inventory=raster, polygon=None,
                acquired=tuple(None if slot is None else f"{year}-{month}" for slot, month in zip(slots, MONTHS, strict=True)),
                interpolated=(False,) * len(MONTHS), history=_rotation(place),
            )  # fmt: skip


def _of_month(field: NewSample, month: str, turn: int) -> int:
    """The slot of one of the field's acquisitions in a month: another one each year, where there are several."""
    found = [slot for slot, day in enumerate(field.acquired) if day and day[5:7] == month]
    return found[turn % len(found)]


def _rotation(place: int) -> dict[int, int]:
    """Seven years of inventory: one year without a label, one with a code outside the legend."""
    return {year: {2015: FOREIGN, 2021: 0}.get(year, CODES[(place + year - YEARS[0]) % 4]) for year in range(2015, 2022)}


def free_spec() -> CollectionSpec:
    """`dates-2019`: every acquisition, other dates for every sample, clouds as they come."""
    slots = tuple(str(number + 1) for number in range(DATES))
    return _spec(FREE, "Every acquisition, dates of its own for each sample", slots, (SIDE, SIDE), composites=False, aligned=False)


def free() -> Iterator[NewSample]:
    """Twelve samples of 29 to 40 dates, each the real image nearest in the season; about every third date is a real cloudy one."""
    for place, field in enumerate(_fields()[:12]):
        days = [date(2019, 3, 2) + timedelta(days=place % 5 + 5 * step) for step in range(DATES - place)]
        cut = _square(field.pixels)
        is_clear = [_is_clear(pixels) for pixels in cut]
        clear, cloudy = ([slot for slot, day in enumerate(field.acquired) if day and is_clear[slot] == wanted] for wanted in (True, False))
        pixels = np.zeros((DATES, *cut.shape[1:]), np.uint16)
        for slot, day in enumerate(days):
            clouded = cloudy and (slot * 7 + place) % 10 < 3
            pixels[slot] = cut[_nearest(field, cloudy if clouded else clear, day)]
        rest = DATES - len(days)
        yield replace(
            field, name=f"{field.site}-2019", year=2019, inventory_code=CODES[place % 4], pixels=pixels, polygon=None, inventory=None,
            acquired=(*(day.isoformat() for day in days), *(None,) * rest), interpolated=(False,) * DATES,
        )  # fmt: skip


def _is_clear(pixels: np.ndarray) -> bool:
    """Whether most of the field (B, h, w) is seen."""
    bands = dict(zip(L2A_BANDS, pixels[:, (pixels > 0).all(axis=0)] / REFLECTANCE_SCALE, strict=True))
    return bool(bands["B02"].size and screening.clear_pixels(bands, "L2A").mean() >= screening.CLEAR_ENOUGH)


def _nearest(field: NewSample, slots: list[int], day: date) -> int:
    """The slot whose date is nearest in the season."""
    return min(slots, key=lambda slot: abs(date.fromisoformat(field.acquired[slot]).replace(year=day.year) - day))


def _square(pixels: np.ndarray) -> np.ndarray:
    """The middle SIDE x SIDE pixels, filled with no data where the field is smaller."""
    height, width = pixels.shape[-2:]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    cut = pixels[..., top : top + SIDE, left : left + SIDE]
    return np.pad(cut, [(0, 0), (0, 0), (0, SIDE - cut.shape[-2]), (0, SIDE - cut.shape[-1])])


def unlabelled_spec() -> CollectionSpec:
    """`unlabelled-2018`: samples whose inventory code is not known, some of them with a rotation, beside labelled ones."""
    return replace(
        demo.fields().spec, name=UNLABELLED, title="Fields without an inventory label", simulated=True, legend=aci.legend(),
        learned=aci.learned(), origin={},
    )  # fmt: skip


def unlabelled() -> Iterator[NewSample]:
    """Ten fields: the first six without a label, every second of these with a rotation; then two labelled ones and two of code 999."""
    for place, field in enumerate(_fields()[:10]):
        code = 0 if place < 6 else FOREIGN if place >= 8 else CODES[place % 4]
        yield replace(field, inventory_code=code, history=_rotation(place) if place % 2 == 0 else None)


def colours_spec() -> CollectionSpec:
    """`colours-2018`: bands for a picture in true colour and nothing else, as PNG files have."""
    return replace(unlabelled_spec(), name=COLOURS, title="Pictures in true colour", bands=("B04", "B03", "B02"))


def colours() -> Iterator[NewSample]:
    """Four fields; every pixel with data is clear."""
    for place, field in enumerate(_fields()[:4]):
        pixels = field.pixels[:, [L2A_BANDS.index(band) for band in colours_spec().bands]]
        yield replace(field, inventory_code=CODES[place], pixels=pixels, clear=(pixels > 0).all(axis=1))
