"""From the scenes of a patch to its images: mosaics of an overflight, clear pixels, monthly medians. Pure NumPy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Image:
    """One overflight over a patch.

    pixels: (B, h, w) uint16 reflectance x 10 000, 0 = no data.
    scl: (h, w) uint8 scene classification, 0 = no data.
    clear: (h, w) bool, the ground is seen.
    scenes: names of the scenes that it was put together from.
    """

    day: str
    pixels: np.ndarray
    scl: np.ndarray
    clear: np.ndarray
    scenes: tuple[str, ...]
    doubtful: bool = False

    @property
    def clear_share(self) -> float:
        """0..1 of all pixels of the patch."""
        return float(self.clear.mean())


def mosaic(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Put scenes of one overflight together: each pixel is the first scene's that has it in every band.

    Args:
        parts: (pixels (B, h, w), scl (h, w)) of each scene.

    Returns:
        pixels (B, h, w) and scl (h, w); 0 where no scene has every band.
    """
    pixels, scl = np.zeros_like(parts[0][0]), np.zeros_like(parts[0][1])
    empty = np.ones(scl.shape, dtype=bool)
    for part, classes in parts:
        taken = empty & (part > 0).all(axis=0)
        pixels[:, taken], scl[taken] = part[:, taken], classes[taken]
        empty &= ~taken
    return pixels, scl


def clear(pixels: np.ndarray, scl: np.ndarray, mask: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool: pixels with data whose class is not masked."""
    return (pixels > 0).all(axis=0) & ~np.isin(scl, mask)


def median(images: list[Image], min_stack: float) -> np.ndarray:
    """The composite of a month: per band and pixel the median of the clear observations.

    The median of an even number of observations is the mean of the middle two, rounded half to even.

    Args:
        images: K of them, all on one grid.
        min_stack: share 0..1 of a pixel's observations that must be clear.

    Returns:
        (B, h, w) uint16, 0 = no data.
    """
    seen = np.stack([image.clear for image in images])  # (K, h, w)
    there = np.stack([(image.pixels > 0).all(axis=0) for image in images])
    count = seen.sum(axis=0)
    enough = (count > 0) & (count >= min_stack * there.sum(axis=0))
    stack = np.stack([image.pixels for image in images])  # (K, B, h, w)
    stack = np.sort(np.where(seen[:, None], stack, np.iinfo(np.uint16).max), axis=0)
    lower = np.broadcast_to(np.maximum(count - 1, 0) // 2, stack.shape[1:])[None]
    upper = np.broadcast_to(np.minimum(count // 2, len(images) - 1), stack.shape[1:])[None]
    middle = np.take_along_axis(stack, lower, 0)[0].astype(np.uint32) + np.take_along_axis(stack, upper, 0)[0]
    rounded = middle // 2 + ((middle % 4) == 3)  # x.5 to the even neighbour
    return np.where(enough, rounded, 0).astype(np.uint16)
