"""What every export is made from: the samples of a collection as they were at one dataset version, with their pixels.

A format is a function `write(source, to, report, tell)` that writes `source` into the empty folder `to`. It must give the same bytes
for the same source: no clock, no random numbers, samples in the order of `Source.samples()`, fixed dates inside of zip files.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from sqlite3 import Row

import numpy as np
from sqlite_utils import Database

from data import catalogue, shards, versions
from data.catalogue import Collection, Patch
from data.errors import BadInput
from data.exports import images
from data.exports.images import Image, Marks
from data.importing import LearnedClass, LegendClass
from data.versions import Version
from data.workspace import Workspace

ONLY = ("all", "curated")  # every sample whatever its state, or only those that a curator agreed with or relabelled
STATES = ("agreed", "relabelled", "rejected", "unsure", "unverified")
COLUMNS = (
    "sample", "site", "lon", "lat", "region", "year", "inventory_code", "inventory_name", "inventory_name_fr", "label_code", "label_name",
    "label_name_fr", "learned_class", "status", "curated", "flagged", "reviewers", "reason", "note", "decided_at", "opinions", "split",
    "part", "purity", "modal_code", "modal_name", "history", "images", "version", "simulated",
)  # fmt: skip
PAGE = 500  # samples that are read from the catalogue at a time

SAMPLES = f"""
select l.*, s.*, t.name as site_name, t.lon, t.lat, t.region, t.polygon, m.part, l.flagged as flagged_then
from ({versions.LABELS_AT}) l join sample s on s.id = l.sample join site t on t.id = s.site
left join split_member m on m.sample = s.id and m.split = (select id from split where collection = :collection and name = :split)
order by l.name
"""
OPINIONS = """
select e.sample, e.curator from event e
where e.sample in (select value from json_each(:samples)) and e.id <= :event
  and e.action in ('agree', 'relabel', 'reject', 'unsure')
  and not exists (select 1 from event u where u.undo_of = e.id and u.id <= :event)
order by e.sample
"""
HISTORY = """
select s.id as sample, h.year, h.code from sample s join aci_history h on h.site = s.site
where s.id in (select value from json_each(?)) order by s.id, h.year
"""
IMAGES = """
select i.* from image i where i.sample in (select value from json_each(?)) order by i.sample, i.slot
"""


@dataclass(frozen=True)
class Sample:
    """A site in one year, with its label at the version.

    lon, lat, polygon: EPSG:4326; polygon is a GeoJSON geometry or None.
    code: the crop in force; None for a rejected sample. state: one of STATES. curated: agreed or relabelled.
    curator, reason, note, decided_at: of the decision in force. reviewers: all whose decision is not undone, by name.
    opinions: how many decisions are not undone, second opinions among them.
    part: of the source's split; None = in no part.
    history: year -> the inventory's code at the site.
    shard, shard_row: where its pixels lie. height, width: the patch's true size.
    crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f.
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
    shard: str
    shard_row: int
    height: int
    width: int
    crs: str
    transform: tuple[float, ...]
    images: Sequence[Image]

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
    marks: sample name -> slot -> quality, where curators marked an image by the version.
    """

    workspace: Workspace
    collection: Collection
    version: Version
    count: int
    legend: dict[int, LegendClass]
    classes: tuple[LearnedClass, ...]
    split: str | None
    only: str
    marks: Marks = field(repr=False)

    def samples(self) -> Iterator[Sample]:
        """The chosen samples by name, read from the catalogue a page at a time."""
        after = ""
        while page := self._page(after):
            after = page[-1].name
            yield from (sample for sample in page if sample.curated or self.only == "all")

    def patch(self, sample: Sample) -> Patch:
        """The sample's pixels (T, B, h, w), series and inventory codes at its true size; see `catalogue.Patch`.

        Raises:
            PixelsUnreadable: its shard is missing or damaged.
        """
        return catalogue.patch(self.workspace, sample.id)

    def scl(self, sample: Sample) -> np.ndarray | None:
        """(T, h, w) uint8 scene classification, 0 = no data; None where the collection has none.

        Raises:
            PixelsUnreadable: its file is damaged.
        """
        folder = self.workspace.shards(self.collection.name)
        if not shards.path_of(folder, sample.shard, ".scl").exists():
            return None
        return shards.read_row(folder, sample.shard, sample.shard_row, ".scl")[:, : sample.height, : sample.width]

    def learned(self, code: int | None) -> str | None:
        """Name of the class that models learn for a code; None where there is none."""
        return self.legend[code].learned if code in self.legend else None

    def record(self, sample: Sample) -> dict:
        """What every format says of a sample, as COLUMNS in their order; JSON-ready, None = nothing to say.

        Names of codes come in English and in French; `learned_class` is the class that models learn for the label; `status` is one of
        STATES; `reviewers` is a list; `history` maps a year, as text, to a code; `images` is how many there are.
        """
        inventory, label, modal = (self.legend.get(code) for code in (sample.inventory_code, sample.code, sample.modal_code))
        return dict(zip(COLUMNS, (
            sample.name, sample.site, sample.lon, sample.lat, sample.region, sample.year,
            sample.inventory_code, inventory and inventory.name, inventory and inventory.name_fr,
            sample.code, label and label.name, label and label.name_fr, label and label.learned,
            sample.state, sample.curated, sample.flagged, list(sample.reviewers), sample.reason, sample.note, sample.decided_at,
            sample.opinions, self.split, sample.part, sample.purity, sample.modal_code, modal and modal.name,
            {str(year): code for year, code in sample.history.items()}, len(sample.images), str(self.version), self.collection.simulated,
        ), strict=True))  # fmt: skip

    def _page(self, after: str) -> list[Sample]:
        """The next samples by name, whatever their state."""
        name, event = self.collection.name, self.version.event
        with self.workspace.store.reading() as db:
            rows = db.execute(SAMPLES, versions.page(name, event, after=after, count=PAGE) | {"split": self.split}).fetchall()
            numbers = json.dumps([row["sample"] for row in rows])
            opinions = _by_sample(db.execute(OPINIONS, {"samples": numbers, "event": event}))
            history = _by_sample(db.execute(HISTORY, [numbers]))
            stored = None if self.collection.packed else _by_sample(db.execute(IMAGES, [numbers]))
        shown = self._images(rows, stored)
        return [
            self._sample(row, opinions.get(row["sample"], []), history.get(row["sample"], []), of_sample)
            for row, of_sample in zip(rows, shown, strict=True)
        ]

    def _images(self, rows: list[Row], stored: dict[int, list[Row]] | None) -> Sequence[Sequence[Image]]:
        if stored is None:
            return images.of_shards(self.workspace.shards(self.collection.name), rows, self.marks)
        return [images.of_rows(stored.get(row["sample"], []), self.marks.get(row["name"], {})) for row in rows]

    def _sample(self, row: Row, opinions: list[Row], history: list[Row], shown: Sequence[Image]) -> Sample:
        return Sample(
            id=row["sample"], name=row["name"], site=row["site_name"], lon=row["lon"], lat=row["lat"], region=row["region"],
            polygon=json.loads(row["polygon"]) if row["polygon"] else None, year=row["year"], inventory_code=row["inventory_code"],
            modal_code=row["modal_code"], purity=row["purity"], code=row["code"], state=row["state"], curated=bool(row["verified"]),
            flagged=bool(row["flagged_then"]), curator=row["curator"], reviewers=tuple(sorted({said["curator"] for said in opinions})),
            reason=row["reason"], note=row["note"], decided_at=row["at"], opinions=len(opinions), part=row["part"],
            history={told["year"]: told["code"] for told in history}, shard=row["shard"], shard_row=row["shard_row"],
            height=row["height"], width=row["width"], crs=row["crs"], transform=tuple(json.loads(row["transform"])),
            images=shown,
        )  # fmt: skip


def open_source(
    workspace: Workspace, collection: str, *, version: str | None = None, split: str | None = None, only: str = "all"
) -> Source:
    """The collection at a version.

    Args:
        version: as `str(Version)` writes it; None = the current one.
        split: name of a stored split; None = the published one of the collection, where it has one.
        only: one of ONLY.

    Raises:
        UnknownCollection: there is none of that name.
        BadInput: the version cannot be made again, there is no such split, or no sample is left to export.
    """
    store = workspace.store
    known = catalogue.collection(store, collection)
    if only not in ONLY:
        raise BadInput(f"{only!r} is no choice of samples; choose one of {', '.join(ONLY)}.")
    found = versions.resolve(store, collection, version)
    with store.reading() as db:
        chosen, count, marks = _split(db, collection, split), _count(db, found, only), versions.marks(db, collection, found.event)
    if not count:
        raise BadInput(f"{found} has no {'curated ' if only == 'curated' else ''}samples to export. Verify some first, or export all.")
    legend = {entry.code: entry for entry in catalogue.legend(store, collection)}
    return Source(workspace, known, found, count, legend, tuple(catalogue.learned(store, collection)), chosen, only, marks)


def _split(db: Database, collection: str, name: str | None) -> str | None:
    rows = db.execute("select name, method from split where collection = ? order by id", [collection]).fetchall()
    names = [row["name"] for row in rows]
    if name is None:
        return next((row["name"] for row in rows if row["method"] == "given"), None)
    if name not in names:
        raise BadInput(f"{collection} has no split {name!r}. It has: {', '.join(names) or 'none; training makes them'}.")
    return name


def _count(db: Database, version: Version, only: str) -> int:
    if only == "all":
        return db.execute("select count(*) from sample where collection = ?", [version.collection]).fetchone()[0]
    labels = f"select count(*) from ({versions.LABELS_AT}) where verified"
    return db.execute(labels, versions.page(version.collection, version.event)).fetchone()[0]


def _by_sample(rows: Iterable[Row]) -> dict[int, list[Row]]:
    return {sample: list(group) for sample, group in groupby(rows, key=itemgetter("sample"))}
