"""What is in a workspace: its collections, legends, samples and their pixels. Reads only."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data import shards
from data.bands import reflectance
from data.errors import PixelsUnreadable, UnknownCollection, UnknownSample
from data.importing import LearnedClass, LegendClass
from data.store import Store
from data.workspace import Workspace


@dataclass(frozen=True)
class Collection:
    """A data set with one band list, patch size, number of dates and legend; see `data.importing.CollectionSpec`.

    packed: the rows of images and their statistics are written when a sample is first looked at.
    side: version of the shards' series and inventory files.
    """

    name: str
    title: str
    bands: tuple[str, ...]
    level: str
    slots: int
    slot_names: tuple[str, ...]
    height: int
    width: int
    composites: bool
    simulated: bool
    licence: str
    attribution: str
    aligned: bool
    packed: bool
    side: str
    origin: dict

    @property
    def is_series(self) -> bool:
        """Whether a patch is a single mean value per date and band."""
        return self.height == self.width == 1


@dataclass(frozen=True)
class Patch:
    """The pixels of a sample.

    pixels: (T, B, h, w) uint16 reflectance x 10 000, 0 = no data, at the sample's true size.
    series: (T, B) float32 reflectance 0..1, the field's mean; NaN where the date is missing.
    inventory: (h, w) uint16 codes, 0 = none; or None where the collection has no inventory raster.
    crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f.
    """

    sample: int
    pixels: np.ndarray
    series: np.ndarray
    inventory: np.ndarray | None
    bands: tuple[str, ...]
    level: str
    crs: str
    transform: tuple[float, ...]


def collections(store: Store) -> list[Collection]:
    """All collections, by name."""
    with store.reading() as db:
        return [_collection(row) for row in db.execute("select * from collection order by name")]


def collection(store: Store, name: str) -> Collection:
    """The collection called `name`.

    Raises:
        UnknownCollection: there is none.
    """
    known = collections(store)
    for entry in known:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in known) or "none yet: run python -m data init"
    raise UnknownCollection(f"There is no collection {name!r} in this workspace. It has: {names}.")


def _collection(row) -> Collection:
    values = {key: row[key] for key in row.keys()}
    lists = {key: tuple(json.loads(values[key])) for key in ("bands", "slot_names")}
    flags = {key: bool(values[key]) for key in ("composites", "simulated", "aligned", "packed")}
    return Collection(**values | lists | flags | {"origin": json.loads(values["origin"])})


def legend(store: Store, collection: str) -> list[LegendClass]:
    """The codes of the collection's inventory, by code."""
    with store.reading() as db:
        rows = db.execute(
            "select code, name, name_fr, color, learned, digit from legend_class where collection = ? order by code", [collection]
        )
        return [LegendClass(*row) for row in rows]


def learned(store: Store, collection: str) -> list[LearnedClass]:
    """The classes that models learn, in their fixed order."""
    with store.reading() as db:
        rows = db.execute("select name, name_fr, color from learned_class where collection = ? order by position", [collection])
        return [LearnedClass(*row) for row in rows]


def sample_id(store: Store, collection_name: str, name: str) -> int:
    """The number of the sample with this name, or with this number, in the collection.

    Raises:
        UnknownCollection, UnknownSample: there is none.
    """
    with store.reading() as db:
        row = db.execute(
            "select id from sample where collection = ? and (name = ? or cast(id as text) = ?) order by name = ? desc",
            [collection_name, name, name, name],
        ).fetchone()
        example = db.execute("select name from sample where collection = ? limit 1", [collection_name]).fetchone()
    if row:
        return row["id"]
    collection(store, collection_name)
    hint = f"for example {example['name']!r}" if example else "which is empty"
    raise UnknownSample(f"There is no sample {name!r} in {collection_name}. Give a sample's name, {hint}, or its number.")


def patch(workspace: Workspace, sample: int) -> Patch:
    """The pixels of a sample, read from its shard.

    Raises:
        UnknownSample: no sample of that number.
        PixelsUnreadable: its shard is missing, damaged or of another shape than the catalogue says.
    """
    row = _located(workspace, sample)
    try:
        return _patch(workspace, row)
    except PixelsUnreadable:
        now = _located(workspace, sample)
        if now["side"] == row["side"]:
            raise
        return _patch(workspace, now)  # an inventory was read in between, and the files of the side before are gone


def _located(workspace: Workspace, sample: int):
    with workspace.store.reading() as db:
        row = db.execute(
            """select s.*, c.bands, c.level, c.slots, c.side, c.packed, c.height as full_height, c.width as full_width
            from sample s join collection c on c.name = s.collection where s.id = ?""",
            [sample],
        ).fetchone()
    if row is None:
        raise UnknownSample(f"There is no sample number {sample} in this workspace.")
    return row


def _patch(workspace: Workspace, row) -> Patch:
    folder, shard, at = workspace.shards(row["collection"]), row["shard"], row["shard_row"]
    bands = tuple(json.loads(row["bands"]))
    pixels = shards.read_row(folder, shard, at)
    if row["packed"]:
        pixels = np.pad(pixels, [(0, max(0, row["slots"] - len(pixels))), *[(0, 0)] * 3])  # a shard is as long as its longest series
    expected = (row["slots"], len(bands), row["full_height"], row["full_width"])
    if pixels.shape != expected:
        raise PixelsUnreadable(
            f"{shards.path_of(folder, shard)} holds patches of shape {pixels.shape}; the catalogue expects {expected}. "
            "Restore the file from a backup, or import the collection again into a new workspace."
        )
    height, width = row["height"], row["width"]
    series = reflectance(pixels[..., 0, 0]) if row["packed"] else shards.read_row(folder, shard, at, ".series", row["side"])
    return Patch(
        row["id"], pixels[..., :height, :width], series,
        _inventory(folder, row), bands, row["level"], row["crs"], tuple(json.loads(row["transform"])),
    )  # fmt: skip


def _inventory(folder: Path, row) -> np.ndarray | None:
    if not shards.path_of(folder, row["shard"], ".inventory", row["side"]).exists():
        return None
    return shards.read_row(folder, row["shard"], row["shard_row"], ".inventory", row["side"])[: row["height"], : row["width"]]
