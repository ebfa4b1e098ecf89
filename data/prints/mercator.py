"""EPSG:3857 on paper: where places lie, how long a metre on the ground is, and round numbers for scale bars and coordinates. Pure.

EPSG:3857 takes geodetic degrees for those of a sphere ("Popular Visualisation Pseudo Mercator", IOGP Guidance Note 7-2, method 1024):
x = a lon, y = a ln tan(pi / 4 + lat / 2). Along a parallel of the ellipsoid one metre on the ground is therefore
sqrt(1 - e2 sin2 lat) / cos lat metres of the map: twice as many at 60 degrees as at the equator, less 0.3 % of flattening.
"""

import math

import numpy as np

A = 6_378_137.0  # metres, WGS 84
E2 = 0.00669437999014
STEPS = tuple(digit * 10.0**power for power in range(-5, 2) for digit in (1, 2, 5))[:-1]  # degrees: 0.00001 ... 20
HIGHEST = 85.06  # degrees, where EPSG:3857 ends


def x_of(lon):
    """Degrees -> metres of EPSG:3857; beyond 180 it goes on, as Leaflet's map does."""
    return A * np.radians(lon)


def y_of(lat):
    """Degrees -> metres of EPSG:3857; clipped to where that ends."""
    return A * np.log(np.tan(np.pi / 4 + np.radians(np.clip(lat, -HIGHEST, HIGHEST)) / 2))


def lat_of(y: float) -> float:
    """Metres of EPSG:3857 -> degrees."""
    return math.degrees(2 * math.atan(math.exp(y / A)) - math.pi / 2)


def middle(south: float, north: float) -> float:
    """The latitude in the middle of a window of EPSG:3857, degrees."""
    return lat_of(float(y_of(south) + y_of(north)) / 2)


def stretch(lat: float) -> float:
    """Metres of EPSG:3857 along a parallel for one metre on the ground."""
    sine = math.sin(math.radians(lat))
    return math.sqrt(1 - E2 * sine * sine) / math.cos(math.radians(lat))


def round_length(longest: float) -> tuple[float, int]:
    """The longest of 1, 2, 5, 10, 20 ... metres that is not above `longest`, and in how many parts a scale bar shows it."""
    power = 10.0 ** math.floor(math.log10(longest))
    digit = max(digit for digit in (1, 2, 5) if digit * power <= longest * (1 + 1e-9))
    return digit * power, {1: 2, 2: 2, 5: 5}[digit]


def length(metres: float) -> str:
    """A round length in words: 500 m, 2 km."""
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def step(span: float, most: float) -> float:
    """The smallest round step in degrees of which at most `most` fit into `span` degrees."""
    return next((each for each in STEPS if span / each <= most), STEPS[-1])


def ticks(low: float, high: float, step: float) -> list[float]:
    """The multiples of `step` from low to high, degrees."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 6) for number in range(first, last + 1)]


def degrees(value: float, step: float, positive: str, negative: str) -> str:
    """A coordinate with as many digits as the step between two has: 11.25°E. Longitudes beyond 180 are counted on the other side."""
    value = (value + 180) % 360 - 180 if positive == "E" else value
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):.{digits}f}°{side}"
