"""The lie of the simulated land: parcels of a 640 m square, fields among roads, woods and streams. Pure NumPy; no I/O.

A site keeps its parcels from year to year; only the crops change.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

SIZE = 64  # pixels a side
PIXEL_M = 10.0
CLEARANCE_M = 45.0  # the sample's own field reaches at least this far from the centre: 30 m codes must not cut it off
FIELD = 0  # kind of a parcel whose crop is drawn anew each year; other kinds are ACI codes

_AXIS = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) * PIXEL_M


@dataclass(frozen=True)
class Scenery:
    """Parcels of one site.

    parcel: (64, 64) uint8, index into `kinds`; the centre lies in parcel 0, which is a field.
    kinds: FIELD, or the ACI code of what the parcel is instead.
    margin: (64, 64) float32 0..1, share of grass strip or hedge at a parcel's edge.
    hedged: (64, 64) bool, where the margin is a hedge and not grass.
    headland: (64, 64) float32 0..1, 1 on the turning ground along a field's edge.
    rows: (64, 64) float32 -1..1, the pattern of drill rows and tramlines.
    """

    parcel: np.ndarray
    kinds: tuple[int, ...]
    margin: np.ndarray
    hedged: np.ndarray
    headland: np.ndarray
    rows: np.ndarray


def smooth_noise(rng: np.random.Generator, cells: int, count: int = 1) -> np.ndarray:
    """(count, 64, 64) float32 of mean 0 and standard deviation about 1, varying over 640 m / `cells`."""
    stretch = _stretch(cells)
    return stretch @ rng.standard_normal((count, cells + 3, cells + 3), dtype=np.float32) @ stretch.T


def scenery(rng: np.random.Generator) -> Scenery:
    """Lay out one site: a road or none, rectangular fields on its bearing, woodlots, yards, a stream."""
    along, across = _bearing(rng)
    rectangles = _rectangles(rng)
    kinds = [FIELD]
    parcel = np.full((SIZE, SIZE), len(rectangles), dtype=np.uint8)  # whatever no rectangle covers is the road between them
    margin, headland, rows = (np.zeros((SIZE, SIZE), dtype=np.float32) for _ in range(3))
    hedged = np.zeros((SIZE, SIZE), dtype=bool)
    ragged = smooth_noise(rng, 9)[0] * 9.0  # metres by which woods and water stray over straight lines
    for index, (west, east, south, north) in enumerate(rectangles):
        kind = FIELD if index == 0 else int(rng.choice([FIELD, 220, 230, 80], p=[0.88, 0.06, 0.04, 0.02]))
        edge = np.minimum(np.minimum(along - west, east - along), np.minimum(across - south, north - across))
        inside = edge >= 0
        parcel[inside if kind == FIELD else edge + np.maximum(ragged, 0) >= 0] = index
        hedge = rng.random() < 0.2
        width = rng.uniform(10, 16) if hedge else rng.uniform(3, 8)
        if kind == FIELD:
            margin[inside] = np.clip(1 - edge[inside] / width, 0, 1)
            hedged[inside] = hedge
            headland[inside] = np.clip(2 - edge[inside] / 12, 0, 1)
            down_the_long_side = along if east - west < north - south else across
            rows[inside] = np.sin(down_the_long_side[inside] * (2 * np.pi / rng.uniform(24, 48)))
        if index:
            kinds.append(kind)
    kinds.append(34)
    water, bank = _water(rng, along, across, ragged)
    parcel[bank], parcel[water] = len(kinds), len(kinds) + 1
    kinds += [80, 20]
    margin[bank] = 0
    return Scenery(parcel, tuple(kinds), margin, hedged, headland, rows)


def _bearing(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Metres from the centre along and across the survey grid, (64, 64) each."""
    angle = np.float32(rng.normal(0.35, 0.12) + rng.choice([0, np.pi / 2]))
    column, row = np.meshgrid(_AXIS, _AXIS)
    return column * np.cos(angle) + row * np.sin(angle), row * np.cos(angle) - column * np.sin(angle)


def _rectangles(rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """Rectangles (west, east, south, north) in metres from the centre, the one around it first."""
    blocks = [(-480.0, 480.0, -480.0, 480.0)]
    if rng.random() < 0.6:
        side = rng.choice([-1, 1]) * rng.uniform(80, 300)
        gap = rng.uniform(8, 13)
        blocks = [(-480.0, side - gap / 2, -480.0, 480.0), (side + gap / 2, 480.0, -480.0, 480.0)]
    leaves = [leaf for block in blocks for leaf in _split(rng, block)]
    return sorted(leaves, key=lambda leaf: not (leaf[0] <= 0 <= leaf[1] and leaf[2] <= 0 <= leaf[3]))


def _split(rng: np.random.Generator, block: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    """Halve `block` until its parts are fields of 3 to 14 ha."""
    west, east, south, north = block
    width, height = east - west, north - south
    if width * height < rng.uniform(3e4, 14e4):
        return [block]
    upright = rng.random() < width / (width + height * 0.7)  # long fields are wanted: cut across the longer side, mostly
    low, high = (west, east) if upright else (south, north)
    cut = low + (high - low) * rng.uniform(0.3, 0.7)
    other_low, other_high = (south, north) if upright else (west, east)
    if other_low < CLEARANCE_M and other_high > -CLEARANCE_M and abs(cut) < CLEARANCE_M:
        cut = np.copysign(CLEARANCE_M + rng.uniform(0, 60), cut)
    if min(cut - low, high - cut) < 50:
        return [block]
    first, second = (
        ((west, cut, south, north), (cut, east, south, north)) if upright else ((west, east, south, cut), (west, east, cut, north))
    )
    return _split(rng, first) + _split(rng, second)


def _water(rng: np.random.Generator, along: np.ndarray, across: np.ndarray, ragged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a stream or a pond lies, and where its banks do, (64, 64) bool each; most sites have neither, none has it near the centre."""
    draw = rng.random()
    if draw < 0.14:
        offset = rng.choice([-1, 1]) * rng.uniform(130, 280)
        distance = np.abs(across - offset - 35 * np.sin(along / rng.uniform(50, 90)) - ragged)
        return distance < 7, distance < rng.uniform(18, 32)
    if draw < 0.22:
        east, north = rng.choice([-1, 1], 2) * rng.uniform(120, 270, 2)
        distance = np.hypot(along - east, across - north) + ragged
        return distance < rng.uniform(18, 45), distance < 60
    nowhere = np.zeros((SIZE, SIZE), dtype=bool)
    return nowhere, nowhere


@cache
def _stretch(cells: int) -> np.ndarray:
    """(64, cells + 3) float32: cubic B-spline weights from coarse cells to pixels, scaled to keep the deviation near 1."""
    position = np.arange(SIZE) * (cells / SIZE)
    left = position.astype(int)
    t = position - left
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    matrix = np.zeros((SIZE, cells + 3), dtype=np.float32)
    for offset in range(4):
        matrix[np.arange(SIZE), left + offset] = weights[:, offset]
    return matrix / np.sqrt((weights**2).sum(axis=1).mean()).astype(np.float32)
