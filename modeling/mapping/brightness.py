"""Whether the reflectance of a stack is like what a run learned from. A wrong scale that still gives possible values is seen here alone."""

from collections.abc import Mapping
from itertools import product

import numpy as np

from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.report import Report
from data.stacks.stack import Stack
from modeling import checkpoint, inputs

TIMES = 5.0  # that every band must be brighter, or every band darker, to be remarked
WINDOWS, SIDE_PX = 3, 32  # a side of the lattice of windows that is looked at, and of one of them


def learned(stored: dict) -> dict[str, float]:
    """Band -> mean reflectance of the training part, of the bands that are channels by themselves; nothing of trees, which keep none."""
    states = [state for state in stored["parts"].values() if "features.mean" in state]
    if not states:
        return {}
    channels = inputs.channels(checkpoint.config_of(stored).inputs, tuple(stored["bands"]))
    means = np.mean([state["features.mean"].numpy() for state in states], axis=0)
    return {channel.name: float(mean) for channel, mean in zip(channels, means, strict=True) if channel.formula is None and mean > 0}


def remark(stack: Stack, means: Mapping[str, float], remarks: Report) -> None:
    """Remark on a stack whose bands are all far brighter, or all far darker, than their means in what the run learned from.

    Raises:
        BadInput: a file cannot be read.
    """
    found = {band: values for band, values in _medians(stack, tuple(means)).items() if np.isfinite(values)}
    times = np.array([found[band] / means[band] for band in found])
    if times.size and ((times < 1 / TIMES).all() or (times > TIMES).all()):
        told = ", ".join(f"{band} {found[band]:.2g} beside {means[band]:.2g}" for band in found)
        fact = f"medians beside the run's means: {told}. If the files' scale is another than {stack.scale:g}, say it with --scale"
        remarks.remark("reflectance unlike what the run learned from", stack.source, fact)


def _medians(stack: Stack, bands: tuple[str, ...]) -> dict[str, float]:
    """Median reflectance of each band over all dates, in a few windows; NaN without data."""
    if not bands:
        return {}
    high, wide = min(SIDE_PX, stack.height), min(SIDE_PX, stack.width)
    lattice = np.linspace(0, 1, WINDOWS)
    places = {(round(down * (stack.height - high)), round(right * (stack.width - wide))) for down, right in product(lattice, lattice)}
    seen = np.concatenate(
        [stack.read(*place, high, wide, bands).swapaxes(0, 1).reshape(len(bands), -1) for place in sorted(places)], axis=1
    )
    values = [band[band != NO_DATA] / REFLECTANCE_SCALE for band in seen]
    return {name: float(np.median(of_band)) if of_band.size else np.nan for name, of_band in zip(bands, values, strict=True)}
