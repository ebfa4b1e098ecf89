"""What every export is made from: the samples of a collection as they were at one dataset version, with their pixels.

A format is a function `write(source, to, report, tell)` that writes `source` into the empty folder `to`. It must give the same bytes
for the same source: no clock, no random numbers, samples in the order of `Source.samples()`, fixed dates inside of zip files.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data import catalogue, versions
from data.catalogue import Collection, Patch
from data.importing import LearnedClass, LegendClass
from data.versions import Version
from data.workspace import Workspace

ONLY = ("all", "curated")  # every sample whatever its state, or only those that a curator agreed with or relabelled
STATES = ("agreed", "relabelled", "rejected", "unsure", "unverified")


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


@dataclass(frozen=True)
class Sample:
    """A site in one year, with its label at the version.

    lon, lat, polygon: EPSG:4326; polygon is a GeoJSON geometry or None.
    code: the crop in force; None for a rejected sample. state: one of STATES. curated: agreed or relabelled.
    curator, reason, note, decided_at: of the decision in force. reviewers: all whose decision is not undone, by name.
    opinions: how many decisions are not undone, second opinions among them.
    part: of the source's split; None = in no part.
    history: year -> the inventory's code at the site.
    height, width: the patch's true size. crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f.
    images: by slot; a slot without image is missing.
    """

    id: int
    name: str
    site: str
    lon: float
    lat: float
    region: str
    polygon: dict | None
    year: int
    inventory_code: int
    modal_code: int
    purity: float
    code: int | None
    state: str
    curated: bool
    flagged: bool
    curator: str | None
    reviewers: tuple[str, ...]
    reason: str | None
    note: str | None
    decided_at: str | None
    opinions: int
    part: str | None
    history: dict[int, int]
    height: int
    width: int
    crs: str
    transform: tuple[float, ...]
    images: tuple[Image, ...]

    @property
    def geometry(self) -> dict:
        """GeoJSON in EPSG:4326: the field, or the point where there is no field outline."""
        return self.polygon or {"type": "Point", "coordinates": [self.lon, self.lat]}


@dataclass(frozen=True)
class Source:
    """A collection at one version.

    count: how many samples `samples()` gives.
    legend: code -> its class, of all codes of the collection. classes: what models learn, in their fixed order.
    split: name of the stored split that `Sample.part` is of, or None.
    only: one of ONLY.
    """

    workspace: Workspace
    collection: Collection
    version: Version
    count: int
    legend: dict[int, LegendClass]
    classes: tuple[LearnedClass, ...]
    split: str | None
    only: str

    def samples(self) -> Iterator[Sample]:
        """The chosen samples by name, read from the catalogue a page at a time."""
        raise NotImplementedError

    def patch(self, sample: Sample) -> Patch:
        """The sample's pixels (T, B, h, w), series and inventory codes at its true size; see `catalogue.Patch`.

        Raises:
            PixelsUnreadable: its shard is missing or damaged.
        """
        raise NotImplementedError

    def scl(self, sample: Sample) -> np.ndarray | None:
        """(T, h, w) uint8 scene classification, 0 = no data; None where the collection has none."""
        raise NotImplementedError

    def learned(self, code: int | None) -> str | None:
        """Name of the class that models learn for a code; None where there is none."""
        raise NotImplementedError

    def record(self, sample: Sample) -> dict:
        """What every format says of a sample, in a fixed order under fixed names; JSON-ready, None = nothing to say.

        sample, site, lon, lat, region, year, inventory_code, inventory_name, inventory_name_fr, label_code, label_name,
        label_name_fr, learned_class, status, curated, flagged, reviewers (list), reason, note, decided_at, opinions, split, part,
        purity, modal_code, modal_name, history ({"2018": 146}), images, version, simulated.
        """
        raise NotImplementedError
