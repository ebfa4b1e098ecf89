"""Hundreds of images as one picture: the sprite that a page of the wall is painted from. NumPy and Pillow.

Tiles have one size and stand in rows, COLUMNS to a row, each at the upper left of a cell of whole 8 x 8 pixel blocks, so that JPEG lets
no tile bleed into the next. Pixels without data are hatched: black would pass for water or shadow.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from data import display, shards
from data.bands import NO_DATA
from data.catalogue import Collection
from data.errors import BadInput, PixelsUnreadable
from data.workspace import Workspace

COLUMNS = 24
SIZES = (64, 96, 128)  # px that a tile is shown at
BLOCK = 8  # px of a JPEG block
QUALITY = 85  # of the JPEG; 4:4:4, as thin fields lose their colour otherwise
AT_ONCE = 64  # tiles rendered together: their numbers stay in the processor's cache
HATCH = ((236, 214, 228), (200, 150, 184))  # of pixels without data
GROUND = (243, 245, 241)  # outside of a patch that is smaller than the others, and behind the last tile

LOCATED = """
select i.id, i.slot, s.shard, s.shard_row, s.height, s.width from json_each(?) w cross join image i on i.id = w.value
cross join sample s on s.id = i.sample where s.collection = ?
"""  # cross: in that order; SQLite would rather begin with all samples of the collection


@dataclass(frozen=True)
class Sprite:
    """address: a JPEG as data address. columns: tiles a row; width, height: px of a tile in it; pitch_x, pitch_y: px from tile to tile.

    problems: why some tiles are empty: their shards cannot be read, or the images are not there any more.
    """

    address: str
    columns: int
    width: int
    height: int
    pitch_x: int
    pitch_y: int
    problems: tuple[str, ...]


def sprite(workspace: Workspace, collection: Collection, images: Sequence[int], view: str, size: int) -> Sprite:
    """The images' thumbnails in their order, at most `size` px long and never larger than the patches themselves.

    Args:
        images: numbers; those that are not the collection's leave an empty tile.
        view: one of `data.display.views` for the collection's bands.
        size: one of SIZES.

    Raises:
        BadInput: there is no such view or size.
    """
    if view not in display.views(collection.bands) or size not in SIZES:
        raise BadInput(f"The wall has no view {view!r} at {size!r} px. Choose true or nir and one of {', '.join(map(str, SIZES))}.")
    tiles, problems = _tiles(workspace, collection, images, view)
    longest = max(collection.height, collection.width)
    if longest > size:
        shape = [max(1, round(side * size / longest)) for side in (collection.width, collection.height)]
        tiles = np.stack([np.asarray(Image.fromarray(tile).resize(shape, Image.Resampling.BOX)) for tile in tiles])
    height, width = tiles.shape[1:3]
    picture = _mosaic(tiles)
    return Sprite(_address(picture), COLUMNS, width, height, _whole(width), _whole(height), tuple(problems))


def _tiles(workspace: Workspace, collection: Collection, images: Sequence[int], view: str) -> tuple[np.ndarray, list[str]]:
    """(n, H, W, 3) uint8 of the images, and what went wrong."""
    places = {image: place for place, image in enumerate(images)}
    with workspace.store.reading() as db:
        rows = db.execute(LOCATED, [_json(images), collection.name]).fetchall()
    tiles = np.full((max(1, len(images)), collection.height, collection.width, 3), GROUND, dtype=np.uint8)
    problems = [] if len(rows) == len(places) else [f"{len(places) - len(rows)} images are not in {collection.name} any more."]
    by_shard: dict[str, list[Any]] = {}
    for row in rows:
        by_shard.setdefault(row["shard"], []).append(row)
    for shard, found in by_shard.items():
        try:
            array = _opened(workspace, collection, shard, found)
        except PixelsUnreadable as error:
            problems.append(str(error))
            continue
        for start in range(0, len(found), AT_ONCE):
            part = found[start : start + AT_ONCE]
            tiles[[places[row["id"]] for row in part]] = _rendered(array, part, collection, view)
    return tiles, problems


def _json(images: Sequence[int]) -> str:
    return f"[{', '.join(str(int(image)) for image in images)}]"


def _opened(workspace: Workspace, collection: Collection, shard: str, rows: list) -> np.ndarray:
    path = shards.path_of(workspace.shards(collection.name), shard)
    array = shards.open_map(path)
    expected = (collection.slots, len(collection.bands), collection.height, collection.width)
    if array.shape[1:] != expected or max(row["shard_row"] for row in rows) >= len(array):
        raise PixelsUnreadable(
            f"{path} holds an array of shape {array.shape}; the catalogue expects patches of {expected}. "
            "Restore the file from a backup, or import the collection again into a new workspace."
        )
    return array


def _rendered(array: np.ndarray, rows: list, collection: Collection, view: str) -> np.ndarray:
    """(n, H, W, 3) uint8 of images of one shard, drawn as one tall picture."""
    bands = display.bands_of(collection.bands, view)
    at, slots = (np.array([row[key] for row in rows])[:, None] for key in ("shard_row", "slot"))
    pixels = array[at, slots, [collection.bands.index(band) for band in bands]]  # (n, b, H, W)
    count, _, height, width = pixels.shape
    tall = pixels.transpose(1, 0, 2, 3).reshape(len(bands), count * height, width)
    picture = display.rgba(tall, bands, view, collection.level).reshape(count, height, width, 4)
    there = (pixels != NO_DATA).all(axis=1)
    tiles = np.where(there[..., None], picture[..., :3], _hatched(height, width))
    for tile, row in zip(tiles, rows, strict=True):
        tile[row["height"] :], tile[:, row["width"] :] = GROUND, GROUND
    return tiles


def _hatched(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 of diagonal stripes."""
    stripes = (np.add.outer(np.arange(height), np.arange(width)) // 4) % 2
    return np.array(HATCH, dtype=np.uint8)[stripes]


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) tiles as one (rows * pitch, COLUMNS * pitch, 3) picture; a cell's rest repeats its tile's edge."""
    count, height, width, _ = tiles.shape
    rows = -(-count // COLUMNS)
    gap = ((0, rows * COLUMNS - count), (0, _whole(height) - height), (0, _whole(width) - width), (0, 0))
    cells = np.pad(tiles, gap, mode="edge").reshape(rows, COLUMNS, _whole(height), _whole(width), 3)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * _whole(height), COLUMNS * _whole(width), 3)


def _whole(pixels: int) -> int:
    return -(-pixels // BLOCK) * BLOCK


def _address(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
