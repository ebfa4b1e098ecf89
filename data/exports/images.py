"""The images of exported samples, from the catalogue or, for packed collections, from the shards."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from sqlite3 import Row

import numpy as np

from data import packed, shards

Marks = dict[str, dict[int, str]]  # sample name -> slot -> quality that a curator gave


@dataclass(frozen=True)
class Image:
    """One acquisition, or one monthly composite, of a sample.

    slot: index on the T axis of the pixels.
    acquired: ISO date, or YYYY-MM of a composite. day: of the year; of the middle of the month for a composite.
    clear: share of the sample's pixels that are clear, 0..1.
    quality: ok, cloud or bad, as in force at the version. sources: names of the scenes it was made of.
    """

    slot: int
    acquired: str
    day: int
    clear: float
    interpolated: bool
    quality: str
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PackedImages(Sequence):
    """The images of a sample of a packed collection, made when they are asked for; all arrays are (T,), as long as the shard's.

    mask: whether there is an image. dates: yyyymmdd, 0 = no image. days: of the year, 0 = no image.
    quality: positions in `packed.QUALITIES`. clear: 0..1.
    """

    mask: np.ndarray
    dates: np.ndarray
    days: np.ndarray
    quality: np.ndarray
    clear: np.ndarray

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))

    def __getitem__(self, number):
        return tuple(self)[number]

    def __iter__(self) -> Iterator[Image]:
        for slot in map(int, np.flatnonzero(self.mask)):
            quality, date = packed.QUALITIES[self.quality[slot]], f"{self.dates[slot]:08d}"
            yield Image(slot, f"{date[:4]}-{date[4:6]}-{date[6:]}", int(self.days[slot]), float(self.clear[slot]), False, quality, ())


def of_rows(rows: list[Row], marked: dict[int, str]) -> tuple[Image, ...]:
    """Rows of the table `image`, all of one sample, and what curators marked of them by their slots."""
    return tuple(
        Image(
            row["slot"], row["acquired"], row["day"], row["clear"], bool(row["interpolated"]),
            marked.get(row["slot"], row["quality"]), tuple(json.loads(row["source"])),
        )
        for row in rows
    )  # fmt: skip


def of_shards(folder: Path, rows: list[Row], marks: Marks) -> list[PackedImages]:
    """The images of samples of a packed collection whose shards lie in `folder`.

    Raises:
        PixelsUnreadable: a shard's dates or qualities are missing or damaged.
    """
    found = []
    for shard, group in groupby(rows, key=itemgetter("shard")):
        members = list(group)
        at = [row["shard_row"] for row in members]
        dates, quality = (shards.open_map(shards.path_of(folder, shard, kind))[at] for kind in (".dates", ".quality"))
        clear = (quality == packed.OK).astype(np.float32)
        for number, row in enumerate(members):
            for slot, said in marks.get(row["name"], {}).items():
                quality[number, slot] = packed.QUALITIES.index(said)
        columns = (dates > 0, _yyyymmdd(dates), packed.day_of_year(dates), quality, clear)
        found += [PackedImages(*values) for values in zip(*columns, strict=True)]
    return found


def _yyyymmdd(dates: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 -> int32; 0 stays 0."""
    days = dates.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64)  # since January 1970
    number = (1970 + month // 12) * 10_000 + (month % 12 + 1) * 100 + (days - months).astype(np.int64) + 1
    return np.where(dates > 0, number, 0).astype(np.int32)
