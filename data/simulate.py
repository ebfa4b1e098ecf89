"""The demo collection `canada-simulated-2019`: what is said of every sample, and the way from there to pixels.

Real are the positions (4,807 ground-truth points of Agriculture and Agri-Food Canada, Ontario and Prince Edward Island), the crop
seen at most of them in 2023, the inventory's codes, names and colours, and how often which months are missing (counted over 4,984
sites of the Canadian Cropland Dataset, 2019). Everything else is made up: parcels, neighbouring crops, sowing dates, spectra, clouds,
and which inventory labels are wrong. Oat and grassland have no ground-truth points and the rare crops too few, so other points stand in
for them: of the first 240 samples, 24 carry another crop than the real one. Neighbouring sites do not share a landscape.

Samples come in blocks of 40 with fixed numbers of each crop and 4 wrong labels, so that any multiple of 40 has exact shares; sample i
depends on the seed and on i alone. A season has 3.69 images on average: 21,310 samples make about 78,536 images.

How hard it is: a random forest (300 trees, 5-fold, clear field means and NDVI, (B08-B11)/(B08+B11), missing months filled with the mean)
on the first 2,400 samples reaches accuracy 0.87 against the truth, and 0.86 if it learned from the inventory labels.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data import aci, render
from data.bands import L2A_BANDS
from data.errors import BadInput
from data.importing import CollectionSpec, NewSample

if TYPE_CHECKING:
    from pyproj import Transformer

NAME = "canada-simulated-2019"
POINTS_FILE = Path(__file__).parent / "demo" / "canada_aci_groundtruth_2023_on_pe.csv"
CRS = "EPSG:3978"  # NAD83 / Canada Atlas Lambert, as in the Canadian Cropland Dataset
MONTHS = ("06", "07", "08", "09", "10")
YEARS = (2019, 2018, 2020, 2017, 2021, 2022, 2023, 2024, 2016, 2025)  # every point once a year, in this order

# Samples of each crop in a block of 40: long-tailed, and at 240 samples the rarest has 12.
SHARES = {147: 7, 158: 6, 145: 5, 177: 4, 133: 4, 146: 4, 153: 3, 122: 3, 136: 2, 110: 2}
BLOCK = sum(SHARES.values())
ROUND = 120  # blocks a year: 4,800 of the 4,807 points
WRONG = BLOCK // 10
CONFUSED = ((133, 136, 145, 146), (110, 122))  # the inventory takes these for each other, as the real one does

# Which of June ... October have an image, and at how many of the 4,984 sites of 2019 that was so (the rarest patterns left out).
AVAILABILITY = {
    "11111": 1272, "01111": 576, "01110": 568, "00111": 363, "11101": 323, "11011": 291, "01101": 289, "01100": 221, "10111": 198,
    "01011": 188, "00011": 182, "11110": 175, "11001": 98, "00110": 50, "01000": 43, "01001": 36, "00100": 26, "10000": 18, "11100": 17,
    "10010": 17, "01010": 12, "11010": 10,
}  # fmt: skip

# Independent streams of one seed.
_BLOCKS, _PLACES, _SAMPLE = 1, 2, 3


@dataclass(frozen=True)
class Plan:
    """All there is to say of a sample before its pixels are drawn.

    crop: the true code; the app and the models never see it.
    inventory_code: what the simulated inventory says.
    available: June ... October, whether there is an image.
    """

    number: int
    site: str
    lon: float
    lat: float
    region: str
    year: int
    crop: int
    inventory_code: int
    available: tuple[bool, ...]

    @property
    def name(self) -> str:
        return f"{self.site}-{self.year}"


def spec(name: str = NAME) -> CollectionSpec:
    """The collection that `samples` belong to; another name for a scale test of its own."""
    return CollectionSpec(
        name=name,
        title="Canada, simulated 2019" if name == NAME else f"Canada, simulated ({name})",
        bands=L2A_BANDS,
        level="L2A",
        slots=tuple(f"2019-{month}" for month in MONTHS),
        height=render.SIZE,
        width=render.SIZE,
        composites=True,
        simulated=True,
        licence="Open Government Licence - Canada (points and legend); the imagery is simulated",
        attribution="Points and legend: Agriculture and Agri-Food Canada, Annual Crop Inventory. Imagery: simulated, not Sentinel-2 data",
        legend=aci.legend(),
        learned=aci.learned(),
    )


def samples(n: int, *, seed: int = 0) -> Iterator[NewSample]:
    """The first `n` samples with their pixels, one at a time."""
    return (drawn(plan, seed=seed) for plan in plans(n, seed=seed))


def drawn(plan: Plan, *, seed: int = 0) -> NewSample:
    """The planned sample with its pixels."""
    x, y = _projection().transform(plan.lon, plan.lat)
    scene = render.scene(
        crop=plan.crop,
        inventory_code=plan.inventory_code,
        year=plan.year,
        region=plan.region,
        available=plan.available,
        site_rng=np.random.default_rng([seed, _PLACES, int(plan.site[-4:])]),
        rng=np.random.default_rng([seed, _SAMPLE, plan.number]),
    )
    half = render.SIZE * render.PIXEL_M / 2
    return NewSample(
        name=plan.name,
        site=plan.site,
        lon=plan.lon,
        lat=plan.lat,
        region=plan.region,
        year=plan.year,
        inventory_code=plan.inventory_code,
        pixels=scene.pixels,
        acquired=tuple(f"{plan.year}-{month}" if seen else None for month, seen in zip(MONTHS, plan.available, strict=True)),
        interpolated=(False,) * len(MONTHS),
        crs=CRS,
        transform=(render.PIXEL_M, 0.0, x - half, 0.0, -render.PIXEL_M, y + half),
        inventory=scene.inventory,
    )


@cache
def _projection() -> "Transformer":
    """From EPSG:4326 to the collection's CRS."""
    from pyproj import Transformer  # late: reading plans needs no projections

    return Transformer.from_crs("EPSG:4326", CRS, always_xy=True)


def truth(n: int, *, seed: int = 0) -> dict[str, int]:
    """Name -> true code of the first `n` samples. Keep it where neither the app nor the models read."""
    return {plan.name: plan.crop for plan in plans(n, seed=seed)}


def plans(n: int, *, seed: int = 0) -> Iterator[Plan]:
    """What is said of the first `n` samples; no pixels are drawn.

    Raises:
        BadInput: more samples than points and years.
    """
    if n > BLOCK * ROUND * len(YEARS):
        raise BadInput(
            f"{n:,} samples are more than the {BLOCK * ROUND:,} sites x {len(YEARS)} years there are to simulate. "
            f"Ask for at most {BLOCK * ROUND * len(YEARS):,}."
        )
    points = _points()
    patterns = [tuple(mark == "1" for mark in pattern) for pattern in AVAILABILITY]
    weights = np.array(list(AVAILABILITY.values()), dtype=np.float64)
    for number in range(n):
        year, position = divmod(number, BLOCK * ROUND)
        crops, codes, places = _round(seed, year)
        point = points[places[position]]
        pattern = np.random.default_rng([seed, _SAMPLE, number, 0]).choice(len(patterns), p=weights / weights.sum())
        yield Plan(
            number=number,
            site=f"{point.region}-{places[position]:04d}",
            lon=point.lon,
            lat=point.lat,
            region=point.region,
            year=YEARS[year],
            crop=int(crops[position]),
            inventory_code=int(codes[position]),
            available=patterns[pattern],
        )


@dataclass(frozen=True)
class _Point:
    lon: float
    lat: float
    region: str
    crop: int


@cache
def _points() -> tuple[_Point, ...]:
    with POINTS_FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(_Point(float(row["lon"]), float(row["lat"]), row["province"], int(row["aci_code"])) for row in rows)


@lru_cache(maxsize=8)
def _round(seed: int, year: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True crops, inventory codes and point numbers of one year's 4,800 samples."""
    blocks = [_block(np.random.default_rng([seed, _BLOCKS, year, block])) for block in range(ROUND)]
    crops, codes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return crops, codes, _places(crops, np.random.default_rng([seed, _PLACES, year, 0]))


def _block(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True crops and inventory codes of 40 samples; the two differ in 4."""
    crops = rng.permutation(np.repeat(list(SHARES), list(SHARES.values())))
    codes = crops.copy()
    mistakable = np.flatnonzero(np.isin(crops, sum(CONFUSED, ())))
    for position in rng.choice(mistakable, WRONG, replace=False):
        group = next(group for group in CONFUSED if crops[position] in group)
        codes[position] = rng.choice([code for code in group if code != crops[position]])
    return crops, codes


def _places(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A point for every sample, each at most once: one where that crop really grew as long as there are any."""
    grown = np.array([point.crop for point in _points()])
    places = np.full(len(crops), -1)
    for crop in np.unique(crops):
        wanted, there = np.flatnonzero(crops == crop), rng.permutation(np.flatnonzero(grown == crop))
        count = min(len(wanted), len(there))
        places[wanted[:count]] = there[:count]
    left = rng.permutation(np.setdiff1d(np.arange(len(grown)), places))
    places[places < 0] = left[: (places < 0).sum()]
    return places
