"""A sample's pixels in their place on the map: which date of it is shown, its picture on that date and its outline."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from data import catalogue, display, packed, seasons, workspace
from data.catalogue import Collection
from data.mapped.pictures import Picture
from data.store import Store
from data.workspace import Workspace
from labeling import maps, points

IMAGES = """
select sample, slot, acquired, quality = 'ok' as clear from image_quality
where sample in (select value from json_each(?)) order by sample, slot
"""


@dataclass(frozen=True)
class Dated:
    """An image of a sample: its slot on the T axis of the pixels, and its date (ISO, or YYYY-MM of a composite)."""

    slot: int
    acquired: str


def greenest(store: Store, samples: Iterable[int]) -> dict[int, Dated]:
    """Of every sample the clear image with the highest median NDVI, else its first clear one, else its first.

    Samples without an image are left out.
    """
    numbers = list(samples)
    best = points.greenest_slots(store, numbers)
    ranked = {}
    for row in _images(store, numbers):
        rank = (row["slot"] != best.get(row["sample"]), not row["clear"], row["slot"])
        ranked[row["sample"]] = min(ranked.get(row["sample"], (rank, row["acquired"])), (rank, row["acquired"]))
    return {sample: Dated(rank[-1], acquired) for sample, (rank, acquired) in ranked.items()}


def in_bin(store: Store, collection: Collection, samples: Iterable[int], name: str) -> dict[int, Dated]:
    """Of every sample the image of a bin of the season; samples that have none are left out.

    Of several the clear ones come first, and of these the one nearest to the day that the bin is named by.

    Args:
        name: one of `data.seasons.bins(collection)`.
    """
    wanted, middle = seasons.bins(collection).index(name), seasons.when(name).day
    ranked = {}
    for row in _images(store, list(samples)):
        if seasons.bin_of(collection, row["slot"], row["acquired"]) == wanted:
            rank = (not row["clear"], abs(seasons.when(row["acquired"]).day - middle), row["slot"])
            ranked[row["sample"]] = min(ranked.get(row["sample"], (rank, row["acquired"])), (rank, row["acquired"]))
    return {sample: Dated(rank[-1], acquired) for sample, (rank, acquired) in ranked.items()}


def _images(store: Store, samples: list[int]) -> list:
    packed.materialise(workspace.of(store), samples)
    with store.reading() as db:
        return db.execute(IMAGES, [json.dumps(samples)]).fetchall()


def patch_picture(workspace: Workspace, sample: int, slot: int | None, view: str) -> tuple[Picture | None, dict]:
    """The picture of one date, and the patch's outline.

    Args:
        slot: index on the T axis of the pixels; None for the outline alone.
        view: a key of `data.display.VIEWS`.

    Returns:
        The picture, None where the date has no data; and the outline as a GeoJSON polygon in EPSG:4326.

    Raises:
        UnknownSample, PixelsUnreadable: see `data.catalogue.patch`.
    """
    patch = catalogue.patch(workspace, sample)
    height, width = patch.pixels.shape[-2:]
    outline = maps.footprint(patch.crs, patch.transform, height, width)
    if slot is None:
        return None, outline
    shown = display.rgba(patch.pixels[slot], patch.bands, view, patch.level)
    return (maps.picture(shown, patch.crs, patch.transform) if shown[..., 3].any() else None), outline


def thumbnail(workspace: Workspace, sample: int, slot: int, view: str) -> np.ndarray:
    """The picture of one date as it lies in the shard, (h, w, 4) uint8, alpha 0 = no data."""
    patch = catalogue.patch(workspace, sample)
    return display.rgba(patch.pixels[slot], patch.bands, view, patch.level)
