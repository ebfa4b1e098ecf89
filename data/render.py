"""Pixels of a simulated sample: fields and their seasons seen by a simulated Sentinel-2. Pure NumPy; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from data import phenology
from data.bands import L2A_BANDS, REFLECTANCE_SCALE
from data.phenology import CALENDARS, SPECTRA
from data.scenery import FIELD, PIXEL_M, SIZE, Scenery, scenery, smooth_noise

DAYS = np.array([166.0, 196.0, 227.0, 258.0, 288.0], dtype=np.float32)  # the middle of June ... October
# What grows next door, roughly as in each province's inventory.
NEIGHBOURS = {
    "ON": {147: 0.27, 158: 0.25, 145: 0.14, 122: 0.16, 110: 0.05, 133: 0.03, 136: 0.03, 146: 0.03, 153: 0.02, 177: 0.02},
    "PE": {177: 0.24, 133: 0.15, 122: 0.20, 158: 0.12, 146: 0.08, 110: 0.07, 136: 0.05, 145: 0.05, 147: 0.03, 153: 0.01},
}
LATER = {"ON": 0.0, "PE": 5.0}  # days that a province's spring lags behind southern Ontario
CLOUDY = 0.10  # share of the composites in which some cloud is left
MAP_CELL = 3  # pixels; an ACI cell is 30 m

# Metres that each band resolves. Coarser bands come resampled to 10 m by nearest neighbour, hence in blocks.
_RESOLUTION = {"B01": 60, "B09": 60, "B02": 10, "B03": 10, "B04": 10, "B08": 10}
_RESOLVES = np.array([_RESOLUTION.get(band, 20) for band in L2A_BANDS])


@dataclass(frozen=True)
class Scene:
    """pixels: (5, 12, 64, 64) uint16 reflectance x 10 000, 0 = month missing. inventory: (64, 64) uint16 codes."""

    pixels: np.ndarray
    inventory: np.ndarray


def scene(
    *,
    crop: int,
    inventory_code: int,
    year: int,
    region: str,
    available: tuple[bool, ...],
    site_rng: np.random.Generator,
    rng: np.random.Generator,
) -> Scene:
    """Draw one sample.

    Args:
        crop: the true code of the centre field.
        inventory_code: the code that the inventory raster shows for it.
        available: June ... October; a missing month is left 0.
        site_rng: lays out the parcels, the same every year.
        rng: everything else.
    """
    land = scenery(site_rng)
    codes = _grown(land, crop, region, rng)
    dates = np.flatnonzero(available)
    late = LATER[region] + np.random.default_rng([year]).normal(0, 3)
    reflectance = _ground(land, codes, DAYS[dates] + rng.normal(0, 2, len(dates)) - late, rng)
    _add_atmosphere(reflectance, rng)
    for date in np.flatnonzero(rng.random(len(dates)) < CLOUDY):
        _add_clouds(reflectance[date], rng)
    pixels = np.zeros((len(DAYS), len(L2A_BANDS), SIZE, SIZE), dtype=np.uint16)
    pixels[dates] = np.clip(_seen(reflectance, rng) * REFLECTANCE_SCALE, 1, 12_000)  # 0 would say that there is no data
    return Scene(pixels, _inventory(land, [inventory_code, *codes[1:]]))


@dataclass(frozen=True)
class Landscape:
    """pixels: (5, 12, H, W) uint16 reflectance x 10 000. truth, inventory: (H, W) uint16 codes, the latter in cells of 30 m."""

    pixels: np.ndarray
    truth: np.ndarray
    inventory: np.ndarray


def landscape(side: int, *, region: str, year: int, mistaken: Mapping[int, int], seed: int) -> Landscape:
    """Draw `side` x `side` squares of 640 m without clouds, under one atmosphere.

    Fields end at the squares' edges, as they do at the roads of a survey grid.

    Args:
        mistaken: code -> the code that the inventory shows for it in one square of five.
    """
    rng = np.random.default_rng([seed, year])
    late = LATER[region] + np.random.default_rng([year]).normal(0, 3)
    days = DAYS + rng.normal(0, 2, len(DAYS)) - late
    total = side * SIZE
    reflectance = np.empty((len(DAYS), len(L2A_BANDS), total, total), dtype=np.float32)
    truth, inventory = np.empty((total, total), dtype=np.uint16), np.empty((total, total), dtype=np.uint16)
    for row, column in np.ndindex(side, side):
        here = np.s_[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
        land = scenery(rng)
        codes = _grown(land, int(rng.choice(list(NEIGHBOURS[region]), p=list(NEIGHBOURS[region].values()))), region, rng)
        shown = [mistaken.get(code, code) for code in codes] if rng.random() < 0.2 else codes
        reflectance[:, :, *here] = _ground(land, codes, days, rng)
        truth[here], inventory[here] = np.array(codes, dtype=np.uint16)[land.parcel], _inventory(land, shown)
    _add_atmosphere(reflectance, rng)
    pixels = np.empty(reflectance.shape, dtype=np.uint16)
    for row, column in np.ndindex(side, side):
        here = np.s_[:, :, row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
        pixels[here] = np.clip(_seen(reflectance[here], rng) * REFLECTANCE_SCALE, 1, 12_000)
    return Landscape(pixels, truth, inventory)


def _grown(land: Scenery, crop: int, region: str, rng: np.random.Generator) -> list[int]:
    """The code of every parcel this year."""
    crops, weights = list(NEIGHBOURS[region]), list(NEIGHBOURS[region].values())
    drawn = rng.choice(crops, len(land.kinds), p=weights)
    neighbours = [int(grown) if kind == FIELD else kind for kind, grown in zip(land.kinds[1:], drawn[1:], strict=True)]
    return [crop, *neighbours]


def _ground(land: Scenery, codes: list[int], days: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(T, B, 64, 64) float32 reflectance of the land on `days`."""
    means, by_vigour, by_soil = (np.zeros((len(days), len(L2A_BANDS), len(codes)), dtype=np.float32) for _ in range(3))
    for index, code in enumerate(codes):
        if land.kinds[index] == FIELD:
            means[..., index], by_vigour[..., index], by_soil[..., index] = _field(code, days, rng)
        else:
            means[..., index] = phenology.other_cover(code, days) * rng.normal(1, 0.06)
            by_vigour[..., index] = by_soil[..., index] = means[..., index] * 0.07
    coarse, medium, fine = smooth_noise(rng, 5)[0], smooth_noise(rng, 12)[0], rng.standard_normal((SIZE, SIZE), dtype=np.float32)
    vigour = 0.6 * coarse + 0.6 * medium + 0.3 * fine + 0.25 * land.rows - 1.6 * land.headland
    soil = 0.8 * smooth_noise(rng, 8)[0] + 0.4 * medium + 0.3 * fine + 0.2 * land.rows
    reflectance = means[..., land.parcel] + by_vigour[..., land.parcel] * vigour + by_soil[..., land.parcel] * soil
    for edge, hedged in ((_grass(days), False), (phenology.other_cover(220, days), True)):
        share = land.margin * (land.hedged == hedged)
        reflectance += share * (edge[..., None, None] - reflectance)
    return reflectance


def _field(code: int, days: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T, B) mean reflectance of one field, its change with a deviation of vigour, and with one of soil brightness."""
    calendar = CALENDARS[code]
    days = days - rng.normal(0, 4)  # sown early or late
    vigour = np.clip(rng.normal(1, 0.09), 0.6, 1.1)
    catch_crop = rng.uniform(0.2, 0.75) * (rng.random() < (0.55 if code in {133, 136, 145, 146} else 0.2))
    shares = phenology.surfaces(calendar, days, vigour=vigour, catch_crop=catch_crop)
    wobble = 1 + rng.standard_normal(len(L2A_BANDS), dtype=np.float32) * 0.02
    surfaces = {
        "green": phenology.canopy(calendar) * wobble * rng.normal(1, 0.05),
        "straw": SPECTRA["straw"] * rng.normal(1, 0.07),
        "flowers": SPECTRA["flowers"],
        "soil": SPECTRA["soil"] * np.exp(rng.normal(0, 0.16)),
    }
    mean = sum(shares[name][:, None] * surfaces[name] for name in surfaces)
    # Vigour trades canopy against what lies below it, most where the canopy is neither absent nor closed.
    open_canopy = (shares["green"] * (1.15 - shares["green"]))[:, None]
    by_vigour = 0.32 * open_canopy * (surfaces["green"] - surfaces["soil"]) + 0.025 * mean
    by_soil = 0.13 * shares["soil"][:, None] * surfaces["soil"] + 0.05 * shares["straw"][:, None] * surfaces["straw"]
    return mean, by_vigour, by_soil


def _grass(days: np.ndarray) -> np.ndarray:
    """(T, B) reflectance of the strips between fields."""
    return np.broadcast_to(SPECTRA["grass"], (len(days), len(L2A_BANDS)))


def _add_atmosphere(reflectance: np.ndarray, rng: np.random.Generator) -> None:
    """Sun and view angle (all bands of a date alike) and what the correction left of haze (blue most)."""
    dates = len(reflectance)
    reflectance *= rng.normal(1, 0.04, (dates, 1, 1, 1)).astype(np.float32)
    blue_most = np.array([0.010, 0.007, 0.005, 0.004, 0.003] + [0.002] * 7, dtype=np.float32)
    reflectance += rng.exponential(0.6, (dates, 1)).astype(np.float32)[..., None, None] * blue_most[:, None, None]


def _add_clouds(reflectance: np.ndarray, rng: np.random.Generator) -> None:
    """Lay soft clouds, and their shadows to the north, over one date (B, 64, 64)."""
    field = (smooth_noise(rng, 3)[0] + 0.35 * smooth_noise(rng, 10)[0]) / 1.06
    thickness = np.clip((field - rng.normal(0.4, 0.9)) / 0.5, 0, 1)
    opacity = thickness * thickness * (3 - 2 * thickness) * rng.uniform(0.5, 1.0)
    north, west = rng.integers(8, 22), rng.integers(2, 10)
    shadow = np.roll(opacity, (-north, -west), axis=(0, 1))
    reflectance *= 1 - 0.6 * shadow
    reflectance += opacity * (SPECTRA["cloud"][:, None, None] * rng.uniform(0.85, 1.2) - reflectance)


def _seen(reflectance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the sensor makes of it: noise, and each band's resolution (10, 20 or 60 m)."""
    noise = rng.standard_normal(reflectance.shape, dtype=np.float32)
    noise *= 0.02
    noise += 1
    reflectance = reflectance * noise
    for metres in (10, 20, 60):
        bands = np.flatnonzero(metres == _RESOLVES)
        optics = _optics(metres)
        reflectance[:, bands] = optics @ reflectance[:, bands] @ optics.T
    return reflectance


@cache
def _optics(metres: int) -> np.ndarray:
    """(64, 64) weights by which pixels of one axis mix into what a band of that resolution shows."""
    position = np.arange(SIZE) * PIXEL_M
    footprint = position // metres * metres + (metres - PIXEL_M) / 2
    weights = np.exp(-0.5 * ((position[None, :] - footprint[:, None]) / (0.42 * metres + 1.5)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _inventory(land: Scenery, codes: list[int]) -> np.ndarray:
    """The raster of codes in cells of 30 m, taken at each cell's centre."""
    nearest = np.minimum(np.arange(SIZE) // MAP_CELL * MAP_CELL + MAP_CELL // 2, SIZE - 1)
    return np.array(codes, dtype=np.uint16)[land.parcel[np.ix_(nearest, nearest)]]
