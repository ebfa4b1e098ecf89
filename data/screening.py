"""Which pixels of an image are clear, where the source says nothing of clouds. Pure NumPy; no I/O.

Two thresholds on reflectance, deliberately plain: a curator sees every image and can overrule with one key. Bright blue is
cloud, haze or snow; dark near-infrared over farmland is shadow.
"""

import numpy as np

# On the four dates that are clear over all 20 Bavarian fields of 2018, the fields' medians of B02 reach 0.080 and those of B08 go
# down to 0.169. The atmosphere adds about 0.05 at the top: on their four clear dates, 90 % of the 301 parcels lie below 0.14.
CLOUD_BLUE = {"L2A": 0.12, "L1C": 0.17}
SHADOW_NIR = 0.10  # B08
# Scene classification of Sentinel-2 L2A (ESA, Level-2A Algorithm Theoretical Basis Document).
SCL_CLASSES = {
    0: "no data", 1: "saturated or defective", 2: "dark area", 3: "cloud shadow", 4: "vegetation", 5: "bare soil", 6: "water",
    7: "unclassified", 8: "cloud, medium probability", 9: "cloud, high probability", 10: "thin cirrus", 11: "snow or ice",
}  # fmt: skip
MASKED_SCL = (0, 1, 3, 8, 9, 10)  # the classes that hide the ground by default; 2 and 11 by choice
CLEAR_ENOUGH = 0.5  # an image that shows less of the field counts as cloudy, or as bad if pixels are missing


def clear_pixels(reflectance: dict[str, np.ndarray], level: str) -> np.ndarray:
    """Where the ground is seen.

    Args:
        reflectance: band name -> reflectance 0..1, NaN = no data, all of any one shape. What B02 and B08 would show is not looked
            for where the data lack that band.
        level: L1C or L2A.

    Returns:
        bool of the same shape; False where there is no data.
    """
    seen = [reflectance[band] for band in ("B02", "B08") if band in reflectance] or list(reflectance.values())[:1]
    clear = np.isfinite(seen).all(axis=0)
    if "B02" in reflectance:
        clear &= reflectance["B02"] < CLOUD_BLUE[level]
    if "B08" in reflectance:
        clear &= reflectance["B08"] >= SHADOW_NIR
    return clear


def quality(valid: float, clear: float) -> str:
    """ok, cloud or bad, from the shares 0..1 of a field's pixels that have data and that are clear."""
    if valid < CLEAR_ENOUGH:
        return "bad"
    return "ok" if clear >= CLEAR_ENOUGH else "cloud"
