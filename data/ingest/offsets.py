"""Whether a scene's files carry the 1000 of processing baseline 04.00: what the item says, held against the pixels. Pure NumPy.

Items are known to be wrong about it in both directions (github.com/Element84/earth-search, issues 66 and 71). What pixels can show:
where the 1000 is in, next to no clear pixel lies below it, because reflectance is hardly ever negative; and where it was left in by
mistake, the darkest clear pixels of a site lie about 1000 above those of its other scenes.
"""

from enum import Enum

import numpy as np

from data.ingest.providers import OFFSET

FEWEST = 50  # clear pixels below which nothing is concluded
FLOOR_PERCENT = 2  # the darkest clear pixels: this percentile
BELOW = 900  # DN; a floor below it cannot hold the 1000. Slightly negative reflectance is allowed for
JUMP = (700, 1400)  # DN; a floor that lies this much above the site's other floors is about 1000 above


class Verdict(Enum):
    """What the pixels say of an item's statement."""

    FITS = "fits"
    ABSENT = "the pixels do not hold the offset that the item says they hold"
    DOUBTFUL = "dark pixels lie about 1000 above those of the site's other scenes"


def floor(visible: np.ndarray, clear: np.ndarray) -> float | None:
    """The level of a patch's darkest clear pixels in a visible band.

    Args:
        visible: (h, w) DN as stored, 0 = no data.
        clear: (h, w) bool.

    Returns:
        DN, or None where too few pixels are clear.
    """
    seen = visible[clear & (visible > 0)]
    return float(np.percentile(seen, FLOOR_PERCENT)) if seen.size >= FEWEST else None


def verdicts(floors: list[float | None], said: list[bool]) -> list[Verdict]:
    """Judge the scenes of one site.

    Args:
        floors: per scene, DN as stored; None = cannot be told.
        said: per scene, whether its item says that the 1000 is in.
    """
    absent = [level is not None and offset and level < BELOW for level, offset in zip(floors, said, strict=True)]
    levels = [
        None if level is None else level - OFFSET * (offset and not missing)
        for level, offset, missing in zip(floors, said, absent, strict=True)
    ]
    return [Verdict.ABSENT if missing else _jump(levels, at) for at, missing in enumerate(absent)]


def _jump(levels: list[float | None], at: int) -> Verdict:
    others = [level for place, level in enumerate(levels) if place != at and level is not None]
    if levels[at] is None or len(others) < 2:
        return Verdict.FITS
    return Verdict.DOUBTFUL if JUMP[0] <= levels[at] - float(np.median(others)) <= JUMP[1] else Verdict.FITS


def harmonised(pixels: np.ndarray, offset: bool) -> np.ndarray:
    """DN (uint16, 0 = no data) -> reflectance x 10 000 (uint16, 0 = no data); reflectance of 0 and less becomes 1."""
    if not offset:
        return pixels
    return np.where(pixels > 0, np.maximum(pixels.astype(np.int32) - OFFSET, 1), 0).astype(np.uint16)
