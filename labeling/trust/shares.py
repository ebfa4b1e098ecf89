"""Shares with their 95 % intervals: the one way in which this package turns a count into a figure. Pure; no I/O.

Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22:209) asks which true shares would not be surprised by the count. Where
the samples are drawn from a finite population without putting them back, the variance is smaller by (N - n) / (N - 1) (Cochran
1977, Sampling Techniques, section 2.6): the same formula then with n (N - 1) / (N - n) samples in place of n.
"""

import math
from dataclasses import dataclass
from typing import Any

CONFIDENCE_Z = 1.959964  # standard normal quantile of 0.975: 95 % intervals


@dataclass(frozen=True)
class Share:
    """`hits` of `of`. population: how many there are to draw from, or None where that is without end."""

    hits: int
    of: int
    population: float | None = None

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; 0 to 1 of nothing."""
        return wilson(self.hits, self.of, self.population)

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        low, high = self.interval
        return (high - low) / 2

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {"hits": self.hits, "of": self.of, "share": self.value, "low": low, "high": high}

    def __str__(self) -> str:
        if not self.of:
            return "none yet"
        low, high = self.interval
        return f"{self.hits:,} of {self.of:,} = {self.value:.1%} ({low:.1%}–{high:.1%})"


def wilson(hits: float, of: float, population: float | None = None) -> tuple[float, float]:
    """The 95 % Wilson score interval of `hits` of `of`, of a population of that size where it is given; (0, 1) of nothing.

    Once the whole population is known there is nothing to estimate: the interval is the share itself.
    """
    if of <= 0:
        return 0.0, 1.0
    share = hits / of
    if population is not None:
        if of >= population:
            return share, share
        of = of * (population - 1) / (population - of)
    z2 = CONFIDENCE_Z**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = CONFIDENCE_Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def needed(share: float, margin: float, population: int) -> int:
    """The fewest samples, drawn from `population`, at which the interval of that share is no wider than `margin` to either side."""
    low, high = 1, max(1, population)
    while low < high:
        middle = (low + high) // 2
        bottom, top = wilson(share * middle, middle, population)
        low, high = (low, middle) if (top - bottom) / 2 <= margin else (middle + 1, high)
    return low
