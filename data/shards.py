"""Immutable shards of pixels: plain NumPy files, written whole or not at all, read through memory maps.

A shard `0000` of a collection is a few files in `patches/<collection>/`; the series and inventory files of another side version than
the first ('') carry it in their names, as `0000.series.3f5a01c2b7d9.npy`, and `collection.side` says which version is in force:

    0000.npy            (N, T, B, H, W) uint16, reflectance x 10 000, 0 = no data or missing date
    0000.series.npy     (N, T, B) float32, mean reflectance 0..1 of the field's clear pixels, NaN = missing date
    0000.inventory.npy  (N, H, W) uint16, the inventory's code of every pixel, 0 = none
    0000.scl.npy        (N, T, H, W) uint8, the scene classification of every pixel (Sentinel-2 L2A), 0 = no data

A shard of a packed collection (see `data.packed`) has its own T, at most the collection's, no series, and two files more:

    0000.dates.npy      (N, T) uint16, date of the image as days since 1970-01-01, 0 = none
    0000.quality.npy    (N, T) uint8, 0 = no image, 1 ok, 2 cloud, 3 bad, as at import
"""

import os
from pathlib import Path

import numpy as np

from data.errors import PixelsUnreadable

KINDS = ("", ".series", ".inventory", ".scl", ".dates", ".quality")
SIDE_KINDS = (".series", ".inventory")  # what changes when an inventory is read for a collection


def path_of(folder: Path, shard: str, kind: str = "", side: str = "") -> Path:
    """The file of `shard` in `folder`; kind is one of KINDS, side the collection's (it counts for SIDE_KINDS only)."""
    version = f".{side}" if side and kind in SIDE_KINDS else ""
    return folder / f"{shard}{kind}{version}.npy"


def write(path: Path, array: np.ndarray) -> None:
    """Write `array` to `path` so that a reader, or a crash, never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def open_map(path: Path) -> np.ndarray:
    """A read-only memory map of a shard file.

    Raises:
        PixelsUnreadable: the file is missing, cut short or no NumPy file.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise PixelsUnreadable(
            f"The pixel file {path} is missing. Restore it from a backup, or import the collection again into a new workspace."
        ) from None
    except (OSError, ValueError, EOFError) as error:
        raise PixelsUnreadable(
            f"The pixel file {path} cannot be read: {error}. Restore it from a backup, or import the collection again into a new workspace."
        ) from error


def read_row(folder: Path, shard: str, row: int, kind: str = "", side: str = "") -> np.ndarray:
    """One sample's array, copied into memory: (T, B, H, W), (T, B) or (H, W) by kind.

    Raises:
        PixelsUnreadable: the file is missing or damaged, or has no such row.
    """
    path = path_of(folder, shard, kind, side)
    array = open_map(path)
    if row >= len(array):
        raise PixelsUnreadable(
            f"The pixel file {path} holds {len(array)} samples, but the catalogue expects one at row {row}. "
            "Restore it from a backup, or import the collection again into a new workspace."
        )
    return np.array(array[row])
