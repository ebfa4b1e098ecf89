"""The colours of a map's layers, for the screen, for the legend beside it and for exports alike. Pure NumPy; no I/O.

Classes have their legend's colours. Shares go from dark blue through grey to yellow (cividis: Nuñez, Anderton and Renslow 2018, even
steps of lightness that colour-blind people see too), so that doubt is dark; NDVI has the agronomists' brown to green; other indices have
viridis (van der Walt and Smith 2015). What agrees with the inventory is a pale green that steps back; what disagrees is a red, darker by
far, so that lightness tells them apart where hue does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data import display, indices
from data.mapped.folder import AGREES, DISAGREES

AGREEMENT = {AGREES: "#b9d4bd", DISAGREES: "#c01f2e"}
CIVIDIS = ("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958", "#fee838")
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
STEPS = 1_024  # colours that a ramp is shown in


@dataclass(frozen=True)
class Ramp:
    """Colours of a figure.

    unit: of the values, empty for an index. stops: (value, #rrggbb), ascending; between them each channel is linear.
    """

    unit: str
    stops: tuple[tuple[float, str], ...]

    @property
    def low(self) -> float:
        return self.stops[0][0]

    @property
    def high(self) -> float:
        return self.stops[-1][0]

    def colour(self, values: np.ndarray) -> np.ndarray:
        """(...) figures -> (..., 4) uint8; NaN is transparent, what lies beyond the ends has their colours."""
        at = np.linspace(self.low, self.high, STEPS)
        table = np.zeros((STEPS + 1, 4), dtype=np.uint8)  # the last row: nothing there
        known, shown = [value for value, _ in self.stops], np.array([rgb(color) for _, color in self.stops], dtype=np.float64)
        table[:STEPS, :3] = np.column_stack([np.interp(at, known, shown[:, channel]) for channel in range(3)]).round()
        table[:STEPS, 3] = 255
        missing = ~np.isfinite(values)
        within = np.clip(np.where(missing, self.low, values), self.low, self.high)
        steps = np.rint((within - self.low) * ((STEPS - 1) / (self.high - self.low)))
        return table[np.where(missing, STEPS, steps).astype(np.int64)]


def rgb(color: str) -> tuple[int, int, int]:
    """#rrggbb -> red, green, blue, 0..255."""
    red, green, blue = bytes.fromhex(color.lstrip("#"))
    return red, green, blue


def table(colours: Mapping[int, str]) -> np.ndarray:
    """(65536, 4) uint8 by uint16 code: opaque where `colours` has the code, else transparent."""
    found = np.zeros((2**16, 4), dtype=np.uint8)
    for code, color in colours.items():
        found[code] = (*rgb(color), 255)
    return found


def _even(low: float, high: float, colours: tuple[str, ...], unit: str = "") -> Ramp:
    return Ramp(unit, tuple((float(value), color) for value, color in zip(np.linspace(low, high, len(colours)), colours, strict=True)))


def share() -> Ramp:
    """Of probability and margin, 0..1."""
    return _even(0, 1, CIVIDIS, "probability")


def index(name: str) -> Ramp:
    """Of a vegetation index, over the range that shows crops well.

    Raises:
        UnknownIndex: there is none of that name.
    """
    found = indices.named(name)
    if found.name != "NDVI":
        return _even(found.low, found.high, VIRIDIS)
    shown = ["#{:02x}{:02x}{:02x}".format(*(int(channel) for channel in color)) for color in display.NDVI_COLOURS]
    return Ramp("", tuple(zip(display.NDVI_STOPS, shown, strict=True)))
