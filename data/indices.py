"""Vegetation indices of Sentinel-2 reflectance. Pure NumPy; no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import UnknownIndex


@dataclass(frozen=True)
class Index:
    """A vegetation index.

    bands: the band names that `formula` takes, in its order.
    low, high: the axis range that shows crops well; values may lie outside.
    source: where the formula is published.
    """

    name: str
    title: str
    bands: tuple[str, ...]
    formula: Callable[..., np.ndarray]
    low: float
    high: float
    source: str


def _normalised(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a - b) / (a + b)


INDICES: dict[str, Index] = {
    index.name: index
    for index in (
        Index("NDVI", "Normalised difference vegetation index", ("B08", "B04"), _normalised, -0.1, 1.0, "Rouse et al. 1974"),
        Index("NDRE", "Normalised difference red edge", ("B08", "B05"), _normalised, -0.1, 0.8, "Barnes et al. 2000"),
        Index(
            "EVI", "Enhanced vegetation index", ("B08", "B04", "B02"),
            lambda nir, red, blue: 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1), -0.1, 1.0, "Huete et al. 2002",
        ),
        Index("GNDVI", "Green NDVI", ("B08", "B03"), _normalised, -0.1, 1.0, "Gitelson et al. 1996"),
        Index("NDVI45", "NDVI of B05 and B04", ("B05", "B04"), _normalised, -0.1, 0.7, "Delegido et al. 2011"),
        Index(
            "OSAVI", "Optimised soil-adjusted vegetation index", ("B08", "B04"),
            lambda nir, red: (nir - red) / (nir + red + 0.16), -0.1, 0.9, "Rondeaux et al. 1996",
        ),
        Index(
            "PSRI", "Plant senescence reflectance index", ("B04", "B02", "B06"),
            lambda red, blue, edge: (red - blue) / edge, -0.2, 0.5, "Merzlyak et al. 1999",
        ),
        Index("NDWI", "Normalised difference water index", ("B03", "B08"), _normalised, -0.9, 0.3, "McFeeters 1996"),
    )
}  # fmt: skip


def named(name: str) -> Index:
    """The index called `name`.

    Raises:
        UnknownIndex: there is none.
    """
    try:
        return INDICES[name.upper()]
    except KeyError:
        raise UnknownIndex(f"There is no index {name!r}; choose one of {', '.join(INDICES)}.") from None


def available(bands: tuple[str, ...]) -> list[str]:
    """Names of the indices that can be computed from `bands`."""
    return [index.name for index in INDICES.values() if set(index.bands) <= set(bands)]


def compute(name: str, reflectance: Mapping[str, np.ndarray]) -> np.ndarray:
    """The index `name` from bands by name.

    Args:
        reflectance: band name -> reflectance 0..1 (not digital numbers), all of one shape, NaN = missing.

    Returns:
        float32 of the same shape; NaN where a band is NaN or the denominator is zero.

    Raises:
        UnknownIndex: no index of that name, or a band of it is not in `reflectance`.
    """
    index = named(name)
    missing = [band for band in index.bands if band not in reflectance]
    if missing:
        raise UnknownIndex(f"{index.name} needs {', '.join(missing)}, which the data lack; they have {', '.join(reflectance)}.")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = index.formula(*(np.asarray(reflectance[band], dtype=np.float64) for band in index.bands))
        values = np.asarray(values, dtype=np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))
