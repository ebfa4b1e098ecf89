"""A map's layers as pictures for the screen: the view's part of a raster, warped to Web Mercator, in its legend's colours.

A picture costs what the screen has pixels, whatever the raster has (see `warped`). Codes and figures are shown by the nearest pixel, so
that every colour on the screen is one of the raster's own. What colours mean is in `legends`.
"""

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from data import display, indices
from data.bands import reflectance
from data.errors import BadInput
from data.mapped import colours, folder, legends, warped
from data.mapped.folder import Map
from data.mapped.legends import CHANGED, legend
from data.mapped.warped import Frame, View

__all__ = ["Picture", "View", "layers", "legend", "picture"]

FAST = 1  # zlib's level: pictures go to the curator's own browser
TITLES = {
    folder.CROP: "Prediction", folder.SECOND: "Second choice", folder.INVENTORY: "Inventory",
    folder.AGREEMENT: "Agreement with the inventory",
    folder.PROBABILITY: "Probability of the prediction", folder.MARGIN: "Margin over the second choice",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A PNG with transparency, its rows and columns along EPSG:3857, and the latitudes and longitudes of its outer edges."""

    png: bytes
    south: float
    west: float
    north: float
    east: float


def layers(made: Map, other: Map | None = None) -> dict[str, str]:
    """The layers that a map has, layer -> title: its rasters, what changed since `other`, and views and indices of its stack."""
    found = {layer: title for layer, title in TITLES.items() if layer in made.rasters}
    if other is not None:
        found[CHANGED] = f"Changed since {other.title}"
    found |= display.views(made.stack.bands)
    return found | {name: indices.INDICES[name].title for name in indices.available(made.stack.bands) if name != "NDVI"}


def picture(
    made: Map, layer: str, view: View, *, date: str | None = None, hidden: Collection[str] = (), other: Map | None = None
) -> Picture | None:
    """A layer as the screen shows it.

    Args:
        layer: a key of `layers`; "NDVI" is the view "ndvi".
        date: the name of a layer of the map's stack, for views and indices.
        hidden: names of classes, or of the legend's other entries, that are left transparent. A hidden class is so on all layers of
            the map: its pixels' probability and agreement are not shown either.
        other: an older map, for "changed".

    Returns:
        The picture of the part of the view that the map covers; None where nothing would be seen: the map lies elsewhere, the stack lacks
        the date, or there are no data.

    Raises:
        BadInput: the map has no such layer, a file is gone or cut short, or the view takes in too much of a raster without overviews.
    """
    stack = made.stack
    right, bottom = stack.affine * (stack.width, stack.height)
    left, top = stack.affine * (0, 0)
    within = warped.cut(warped.frame(view), stack.crs, (left, bottom, right, top))
    if within is None:
        return None
    if layer in TITLES:
        rgba = _of_map(made, layer, within, frozenset(hidden))
    elif layer == CHANGED:
        rgba = _changed(made, other, within, frozenset(hidden))
    else:
        rgba = _of_stack(made, layer, within, date)
    return None if rgba is None or not rgba[..., 3].any() else Picture(_png(rgba), *within.corners)


def codes(made: Map, raster: str, within: Frame) -> np.ndarray:
    """(h, w) uint16 of a raster of the map on a grid of the screen, 0 = nothing."""
    return warped.read(made.raster(raster), [1], within, nodata=0, dtype="uint16", way_out=warped.again(made))[0]


def _of_map(made: Map, layer: str, within: Frame, hidden: frozenset[str]) -> np.ndarray:
    if layer in (folder.PROBABILITY, folder.MARGIN):
        figures = warped.read(made.raster(layer), [1], within, nodata=np.nan, dtype="float32", way_out=warped.again(made))[0]
        return _without(colours.share().colour(figures), made, within, hidden)
    rgba = colours.table(_shown(made, layer, hidden))[codes(made, layer, within)]
    return _without(rgba, made, within, hidden) if layer == folder.AGREEMENT else rgba


def _shown(made: Map, layer: str, hidden: frozenset[str]) -> dict[int, str]:
    """Code -> colour of what a coded layer shows."""
    found, classes = legends.by_code(made, layer), {} if layer == folder.AGREEMENT else made.by_code()
    names = {code: {entry.name, classes[code].name if code in classes else entry.name} for code, entry in found.items()}
    return {code: entry.colour for code, entry in found.items() if not names[code] & hidden}


def _without(rgba: np.ndarray, made: Map, within: Frame, hidden: frozenset[str]) -> np.ndarray:
    """The picture, transparent where the prediction is a hidden class."""
    gone = [entry.code for entry in made.classes if entry.name in hidden]
    if gone:
        rgba[np.isin(codes(made, folder.CROP, within), gone)] = 0
    return rgba


def _changed(made: Map, other: Map | None, within: Frame, hidden: frozenset[str]) -> np.ndarray:
    """The new class where both maps predict one and they differ; on the other map's grid the nearest pixel is taken."""
    if other is None:
        raise BadInput("What changed is seen against another map: name the older one.")
    new, old = codes(made, folder.CROP, within), codes(other, folder.CROP, within)
    same = np.zeros(2**16, dtype=np.uint16)
    for before, now in legends.same(other, made).items():
        same[before] = now
    differs = (new > 0) & (old > 0) & (same[old] != new)
    return np.where(differs[..., None], colours.table(_shown(made, folder.CROP, hidden))[new], np.uint8(0))


def _of_stack(made: Map, layer: str, within: Frame, date: str | None) -> np.ndarray | None:
    """A view or an index of a date; None where the stack lacks it."""
    stack = made.stack
    layer = "ndvi" if layer == "NDVI" else layer
    if layer not in layers(made):
        raise BadInput(f"The map {made.name} has no layer {layer!r}. It has {', '.join(layers(made))}.")
    entry = next((entry for entry in stack.layers if entry.name == date), None)
    if entry is None:
        return None
    bands = display.bands_of(stack.bands, layer) if layer in display.VIEWS else indices.named(layer).bands
    stored = warped.read(
        entry.path, [entry.bands[stack.bands.index(band)] for band in bands], within, nodata=stack.nodata, dtype="float32",
        way_out=warped.FETCH,
    )  # fmt: skip
    pixels = stack.numbers(stored)
    return _paint(layer)(pixels, tuple(bands), stack.level or "L2A")


def _paint(layer: str) -> Callable[[np.ndarray, tuple[str, ...], str], np.ndarray]:
    if layer in display.VIEWS:
        return lambda pixels, bands, level: display.rgba(pixels, bands, layer, level)
    return lambda pixels, bands, level: colours.index(layer).colour(
        indices.compute(layer, dict(zip(bands, reflectance(pixels), strict=True)))
    )


def _png(rgba: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgba), "RGBA").save(file, "PNG", compress_level=FAST)
    return file.getvalue()
