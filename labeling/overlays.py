"""A sample's pixels in their place on the map: its picture on one date and its outline."""

import numpy as np

from data import catalogue, display
from data.workspace import Workspace
from labeling import maps
from labeling.maps import Picture


def patch_picture(workspace: Workspace, sample: int, slot: int, view: str) -> tuple[Picture | None, dict]:
    """The picture of one date, and the patch's outline.

    Args:
        slot: index on the T axis of the pixels.
        view: a key of `data.display.VIEWS`.

    Returns:
        The picture, None where the date has no data; and the outline as a GeoJSON polygon in EPSG:4326.

    Raises:
        UnknownSample, PixelsUnreadable: see `data.catalogue.patch`.
    """
    patch = catalogue.patch(workspace, sample)
    height, width = patch.pixels.shape[-2:]
    outline = maps.footprint(patch.crs, patch.transform, height, width)
    shown = display.rgba(patch.pixels[slot], patch.bands, view, patch.level)
    return (maps.picture(shown, patch.crs, patch.transform) if shown[..., 3].any() else None), outline


def thumbnail(workspace: Workspace, sample: int, slot: int, view: str) -> np.ndarray:
    """The picture of one date as it lies in the shard, (h, w, 4) uint8, alpha 0 = no data."""
    patch = catalogue.patch(workspace, sample)
    return display.rgba(patch.pixels[slot], patch.bands, view, patch.level)
