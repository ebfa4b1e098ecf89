"""How simulated crops look through a season: cover by day of year, and spectra from cover. Pure NumPy; no I/O.

A field is a mixture of four surfaces: green canopy, straw (senescent leaves and stubble), flowers and bare soil. Calendars are those of
southern Ontario, from the crop reports and field guides of OMAFRA (Agronomy Guide for Field Crops, Publication 811), rounded; spectra are
rounded from published Sentinel-2 signatures of crops, soils, straw, forest and water. They make plausible pictures, not measurements.
"""

from dataclasses import dataclass

import numpy as np

from data.bands import L2A_BANDS

# Reflectance 0..1 in L2A_BANDS' order: B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12.
_TABLE = {
    "green": (0.024, 0.029, 0.062, 0.030, 0.095, 0.310, 0.395, 0.425, 0.440, 0.440, 0.205, 0.095),
    "straw": (0.062, 0.076, 0.118, 0.165, 0.205, 0.245, 0.270, 0.295, 0.315, 0.320, 0.350, 0.245),
    "flowers": (0.030, 0.036, 0.165, 0.150, 0.210, 0.340, 0.405, 0.430, 0.445, 0.440, 0.215, 0.105),
    "soil": (0.058, 0.070, 0.095, 0.125, 0.145, 0.160, 0.173, 0.188, 0.202, 0.208, 0.270, 0.235),
    "grass": (0.032, 0.040, 0.073, 0.058, 0.115, 0.230, 0.275, 0.300, 0.315, 0.320, 0.235, 0.135),
    "broadleaf": (0.020, 0.024, 0.043, 0.022, 0.075, 0.265, 0.350, 0.375, 0.395, 0.395, 0.185, 0.080),
    "autumn": (0.028, 0.034, 0.070, 0.085, 0.130, 0.205, 0.235, 0.260, 0.280, 0.285, 0.230, 0.125),
    "wetland": (0.026, 0.032, 0.052, 0.042, 0.080, 0.165, 0.195, 0.215, 0.225, 0.230, 0.150, 0.075),
    "water": (0.040, 0.046, 0.048, 0.033, 0.027, 0.022, 0.020, 0.018, 0.016, 0.014, 0.009, 0.006),
    "built": (0.088, 0.100, 0.116, 0.130, 0.145, 0.165, 0.175, 0.190, 0.195, 0.195, 0.215, 0.180),
    "cloud": (0.46, 0.45, 0.45, 0.46, 0.47, 0.49, 0.50, 0.51, 0.52, 0.50, 0.40, 0.32),
}
SPECTRA = {name: np.array(values, dtype=np.float32) for name, values in _TABLE.items()}

# What a surface that is no field is made of in summer and, from the end of September, in autumn; by ACI code.
COVERS = {
    20: ("water", "water"),
    34: ("built", "built"),
    80: ("wetland", "autumn"),
    220: ("broadleaf", "autumn"),
    230: ("broadleaf", "broadleaf"),
}
LEAF_FALL = 275  # day of year at which half of the broadleaf canopy has turned


@dataclass(frozen=True)
class Calendar:
    """One crop's season in southern Ontario.

    cover: green cover of a closed canopy, 0..1.
    green_up, ripe: day of year at which the canopy is half grown, and half senescent.
    growing, ripening: steepness of the two, days from 27 % to 73 %.
    harvest: day of year at which straw gives way to stubble and soil; None where nothing is threshed.
    flowering: (day, days) of a bloom that colours the canopy, or None.
    cuts: days of hay cuts or heavy grazing.
    litter: share of dead leaves under the canopy, 0..1.
    nir, swir, edge: the canopy's reflectance in B06-B09, B11-B12 and B05, relative to the mean of crops.
    """

    cover: float
    green_up: float
    growing: float
    ripe: float
    ripening: float
    harvest: float | None = None
    flowering: tuple[float, float] | None = None
    cuts: tuple[float, ...] = ()
    litter: float = 0.0
    nir: float = 1.0
    swir: float = 1.0
    edge: float = 1.0


CALENDARS = {
    133: Calendar(0.88, 147, 9, 195, 9, harvest=212, nir=0.97, swir=1.05, edge=1.10),
    136: Calendar(0.86, 156, 9, 211, 10, harvest=229, nir=1.12, swir=0.88, edge=1.02),
    145: Calendar(0.92, 118, 12, 184, 8, harvest=203, nir=0.96, swir=0.98, edge=0.97),
    146: Calendar(0.87, 152, 9, 215, 9, harvest=232, nir=0.95, swir=1.06, edge=0.94),
    147: Calendar(0.90, 177, 9, 259, 12, harvest=296, nir=0.92, swir=0.90, edge=0.93),
    153: Calendar(0.90, 161, 8, 220, 10, harvest=240, flowering=(194, 14), nir=1.04, swir=0.88, edge=1.05),
    158: Calendar(0.93, 187, 8, 257, 8, harvest=279, nir=1.20, swir=1.05, edge=1.10),
    177: Calendar(0.89, 175, 8, 249, 8, harvest=267, nir=1.02, swir=0.82, edge=1.00),
    122: Calendar(0.85, 116, 12, 310, 14, cuts=(165, 211, 252), litter=0.10, nir=0.97, swir=1.02),
    110: Calendar(0.72, 128, 14, 268, 32, litter=0.22, nir=0.92, swir=1.10),
}

CUT_DEPTH, REGROWTH_DAYS = 0.62, 13.0  # share of the cover that a cut takes, and the time it takes to come back by two thirds
STUBBLE, STUBBLE_DAYS = 0.55, 45.0  # share of straw right after harvest, and how long it stays on the ground

_GROUPS = np.array(
    [{"B05": 1, "B11": 3, "B12": 3}.get(band, 2 if band in {"B06", "B07", "B08", "B8A", "B09"} else 0) for band in L2A_BANDS]
)


def surfaces(calendar: Calendar, days: np.ndarray, *, vigour: float = 1.0, catch_crop: float = 0.0) -> dict[str, np.ndarray]:
    """Shares of green canopy, straw, flowers and soil on each day.

    Args:
        calendar: the crop.
        days: (T,) day of year as the crop feels it: subtract a late sowing or a cold spring.
        vigour: factor on the closed canopy.
        catch_crop: green cover 0..1 that follows harvest (volunteers, cover crop), reached about a month and a half later.

    Returns:
        (T,) arrays "green", "straw", "flowers" and "soil", each 0..1, adding up to 1.
    """
    full = min(calendar.cover * vigour, 0.97)
    grown = full * _rise(days, calendar.green_up, calendar.growing)
    green = grown * (1 - _rise(days, calendar.ripe, calendar.ripening))
    for cut in calendar.cuts:
        green = green * (1 - CUT_DEPTH * np.exp(-np.maximum(days - cut, 0) / REGROWTH_DAYS) * _rise(days, cut, 1))
    straw = (grown - green) * (0.9 if not calendar.cuts else 0.3) + calendar.litter * (1 - grown)
    if calendar.harvest is not None:
        stubble = STUBBLE * full * np.exp(-np.maximum(days - calendar.harvest, 0) / STUBBLE_DAYS)
        threshed = _rise(days, calendar.harvest, 2)
        straw = straw * (1 - threshed) + stubble * threshed
        green = np.maximum(green, catch_crop * _rise(days, calendar.harvest + 35, 9))
    straw = np.minimum(straw, 1 - green)
    flowers = np.zeros_like(green)
    if calendar.flowering is not None:
        day, width = calendar.flowering
        flowers = green * 0.75 * np.exp(-0.5 * ((days - day) / width) ** 2)
    return {"green": green - flowers, "straw": straw, "flowers": flowers, "soil": 1 - green - straw}


def canopy(calendar: Calendar) -> np.ndarray:
    """(B,) reflectance of the crop's closed green canopy."""
    return SPECTRA["green"] * np.array([1.0, calendar.edge, calendar.nir, calendar.swir], dtype=np.float32)[_GROUPS]


def other_cover(code: int, days: np.ndarray) -> np.ndarray:
    """(T, B) reflectance of what is no field: water, buildings and roads, wetland, woods, by ACI code."""
    summer, autumn = COVERS[code]
    turned = _rise(days, LEAF_FALL, 8)[:, None]
    return (SPECTRA[summer] * (1 - turned) + SPECTRA[autumn] * turned).astype(np.float32)


def _rise(days: np.ndarray, middle: float, scale: float) -> np.ndarray:
    """Logistic from 0 to 1 with its middle at `middle`."""
    return 1 / (1 + np.exp((middle - days) / scale))
