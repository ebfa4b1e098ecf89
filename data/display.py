"""Pixels as pictures: fixed stretches, so that dates and samples compare by eye. Pure NumPy; no I/O."""

import numpy as np

from data import bands as sentinel2
from data import indices
from data.bands import NO_DATA, REFLECTANCE_SCALE

VIEWS = {"true": "True colour", "nir": "Near infrared", "ndvi": "NDVI", "swir": "Short-wave infrared"}
COMPOSITES = {"true": sentinel2.TRUE_COLOUR, "nir": sentinel2.NEAR_INFRARED, "swir": sentinel2.SHORT_WAVE}
# Reflectance shown as full brightness, for red, green and blue of each view; farmland seldom lies above (near infrared in grey may).
WHITE = {"true": (0.25, 0.22, 0.20), "nir": (0.50, 0.22, 0.22), "swir": (0.40, 0.50, 0.25), "grey": (0.30, 0.30, 0.30)}
# Path reflectance of red, green and blue at the top of the atmosphere, taken off for the eye by dark-object subtraction (Chavez
# 1988): the darkest 1 % of the 301 Bavarian parcels on four clear dates (0.050, 0.078, 0.085), less what green crops reflect.
HAZE = {"L1C": (0.025, 0.045, 0.065), "L2A": (0.0, 0.0, 0.0)}
GAMMA = 0.8
# Brown soil through yellow to dark green, NDVI -0.1 ... 1.0: the reading that agronomists know.
NDVI_STOPS = (-0.1, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0)
NDVI_COLOURS = np.array(
    [(94, 79, 162), (140, 96, 60), (208, 173, 109), (244, 236, 160), (140, 198, 92), (38, 132, 58), (0, 68, 27)], dtype=np.float32
)
GREY_OF = ("B04", "B03", "B02", "B08")  # what stands for the true colours where their bands are missing


def views(bands: tuple[str, ...]) -> dict[str, str]:
    """The views that data with these bands have, view -> title. The first one is always there: without B02, B03 and B04 it is grey."""
    shown = {view: title for view, title in VIEWS.items() if set(_needed(view)) <= set(bands)}
    return shown if "true" in shown else {"true": f"{_grey(bands)} in grey (no true colour)"} | shown


def _needed(view: str) -> tuple[str, ...]:
    return indices.INDICES["NDVI"].bands if view == "ndvi" else COMPOSITES[view]


def bands_of(bands: tuple[str, ...], view: str) -> tuple[str, ...]:
    """The bands among these that `rgba` reads for a view, each once; all that it needs, so that pictures can be made of them alone."""
    if view == "true" and not set(_needed(view)) <= set(bands):
        return (_grey(bands),)
    return tuple(band for band in bands if band in _needed(view))


def _grey(bands: tuple[str, ...]) -> str:
    return next((band for band in GREY_OF if band in bands), bands[0])


def rgba(pixels: np.ndarray, bands: tuple[str, ...], view: str, level: str = "L2A") -> np.ndarray:
    """One date as a picture.

    Args:
        pixels: (B, H, W) uint16 reflectance x 10 000, 0 = no data.
        view: a key of `VIEWS`.
        level: L1C or L2A.

    Returns:
        (H, W, 4) uint8; transparent where a band of the view has no data, or where `views` does not have it.
    """
    needed = _needed(view)
    if view == "true" and not set(needed) <= set(bands):
        view, needed = "grey", (_grey(bands),) * 3
    if not set(needed) <= set(bands):
        return np.zeros((*pixels.shape[-2:], 4), dtype=np.uint8)
    chosen = pixels[[bands.index(band) for band in needed]]
    has_data = (chosen != NO_DATA).all(axis=0)
    reflectance = chosen.astype(np.float32) / REFLECTANCE_SCALE
    colour = _ndvi_colour(reflectance, needed) if view == "ndvi" else _stretched(reflectance, view, level)
    return np.dstack([colour, np.where(has_data, 255, 0).astype(np.uint8)])


def _stretched(reflectance: np.ndarray, view: str, level: str) -> np.ndarray:
    """(3, H, W) reflectance -> (H, W, 3) uint8."""
    white = np.array(WHITE[view], dtype=np.float32)[:, None, None]
    haze = np.array(HAZE[level] if view == "true" else HAZE["L2A"], dtype=np.float32)[:, None, None]
    shown = np.clip((reflectance - haze) / white, 0, 1) ** GAMMA
    return (255 * shown).round().astype(np.uint8).transpose(1, 2, 0)


def _ndvi_colour(reflectance: np.ndarray, needed: tuple[str, ...]) -> np.ndarray:
    ndvi = np.nan_to_num(indices.compute("NDVI", dict(zip(needed, reflectance, strict=True))), nan=NDVI_STOPS[0])
    return np.dstack([np.interp(ndvi, NDVI_STOPS, NDVI_COLOURS[:, channel]) for channel in range(3)]).round().astype(np.uint8)
