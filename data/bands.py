"""Sentinel-2's bands: their order in every collection, and what the stored numbers mean. Pure; no I/O."""

import numpy as np

REFLECTANCE_SCALE = 10_000  # Sentinel-2 digital number -> reflectance 0..1 (ESA, Sentinel-2 Products Specification Document)
NO_DATA = 0  # in pixels and in inventory rasters

L2A_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")  # L2A drops B10
L1C_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")

# Three bands a view, as (red, green, blue) of the screen.
TRUE_COLOUR = ("B04", "B03", "B02")
NEAR_INFRARED = ("B08", "B04", "B03")
SHORT_WAVE = ("B12", "B8A", "B04")


def reflectance(pixels: np.ndarray) -> np.ndarray:
    """Stored pixels as float32 reflectance 0..1, NaN = no data."""
    values = pixels.astype(np.float32) / np.float32(REFLECTANCE_SCALE)
    values[pixels == NO_DATA] = np.nan
    return values
