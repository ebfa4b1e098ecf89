"""The one way into a workspace: from samples with pixels to shards, statistics and catalogue rows.

Every importer (demo, simulation, folders, services) describes its collection as a `CollectionSpec`, plans its samples by name in a
fixed order, and makes them a shard at a time (`import_planned`). The files of a shard are written whole first, then one transaction
adds its rows, so a killed import leaves only whole shards, and running it again goes on where it stopped, to the same collection.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice

import numpy as np
from sqlite_utils import Database

from data import observing, screening, shards
from data.errors import BadInput
from data.report import Report
from data.workspace import Workspace

SHARD_BYTES = 256 * 2**20  # large enough to map well, small enough to hold while it is made


@dataclass(frozen=True)
class LegendClass:
    """A code of the inventory.

    color: #rrggbb, the inventory's official colour where it has one.
    learned: name of the class that models learn for it, or None to leave it out of training.
    digit: the key 0..9 that relabels to it, or None.
    """

    code: int
    name: str
    name_fr: str
    color: str
    learned: str | None = None
    digit: int | None = None

    @property
    def title(self) -> str:
        """The name with its code, where the name does not tell it already."""
        return self.name if self.code == 0 or str(self.code) in self.name.split() else f"{self.name} ({self.code})"


@dataclass(frozen=True)
class LearnedClass:
    """A class that models learn: one or more legend codes."""

    name: str
    name_fr: str
    color: str


@dataclass(frozen=True)
class CollectionSpec:
    """What all samples of a collection share.

    level: L1C (top of atmosphere) or L2A (surface reflectance).
    slots: names of the T slots of a season: ISO dates; YYYY-MM for monthly composites, or MM where samples are of several years;
        "1" ... "T" where the dates differ from sample to sample (not aligned).
    height, width: room for the largest patch, in pixels.
    aligned: whether slot i is the same date or month for every sample; else it is the i-th image of the sample in time order.
    packed: the rows of images and their statistics are written when a sample is first looked at; see `data.packed`.
    origin: JSON-ready; what the collection was made of and how. Importing again must say the same.
    split: name of the published split that the samples' parts belong to; empty if there is none.
    """

    name: str
    title: str
    bands: tuple[str, ...]
    level: str
    slots: tuple[str, ...]
    height: int
    width: int
    composites: bool
    simulated: bool
    licence: str
    attribution: str
    legend: tuple[LegendClass, ...]
    learned: tuple[LearnedClass, ...]
    aligned: bool = True
    packed: bool = False
    origin: dict = field(default_factory=dict)
    split: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True)
class NewSample:
    """A site in one year, with its pixels.

    pixels: (T, B, h, w) uint16 reflectance x 10 000, 0 = no data; a missing slot is all 0.
    acquired: per slot the ISO date (or YYYY-MM), or None where there is no image.
    interpolated: per slot, whether the provider made the values from neighbouring dates.
    inventory_code: the map's code at the centre; 0 = none known.
    crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f of the affine transform.
    inventory: (h, w) uint16 codes of the inventory, 0 = none; or None where there is no raster.
    polygon: the field as GeoJSON geometry in EPSG:4326, or None.
    field: (h, w) bool, the pixels that the series is taken from; None = see `field_pixels`.
    clear: (T, h, w) bool, where the source says that the ground is seen; None = screened by reflectance.
    scl: (T, h, w) uint8 scene classification (Sentinel-2 L2A), 0 = no data; or None.
    quality: per slot ok, cloud or bad as the source says, None = as screened; empty where nothing is said.
    sources: per slot the names of the scenes that the image was made of; empty where nothing is said.
    history: year -> the inventory's code at the site.
    part: of the spec's split; None = in no part.
    """

    name: str
    site: str
    lon: float
    lat: float
    region: str
    year: int
    inventory_code: int
    pixels: np.ndarray
    acquired: tuple[str | None, ...]
    interpolated: tuple[bool, ...]
    crs: str
    transform: tuple[float, float, float, float, float, float]
    inventory: np.ndarray | None = None
    polygon: dict | None = None
    field: np.ndarray | None = None
    clear: np.ndarray | None = None
    scl: np.ndarray | None = None
    quality: tuple[str | None, ...] = ()
    sources: tuple[tuple[str, ...], ...] = ()
    history: dict[int, int] | None = None
    part: str | None = None


def check_name(collection: str) -> None:
    """See that a name can be a collection's: it names folders and files too.

    Raises:
        BadInput: it cannot.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", collection):
        raise BadInput(f"{collection!r} cannot be a collection's name. Take up to 100 letters, digits, hyphens, dots and underscores.")


NO_LABEL = LegendClass(0, "No label", "Sans étiquette", "#c8c8c8")  # of samples whose inventory code is not known
UNKNOWN_COLOUR = "#9a9a9a"


def import_collection(
    workspace: Workspace,
    spec: CollectionSpec,
    samples: Iterable[NewSample],
    *,
    shard_size: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Import all `samples` into `workspace`, going on after the shards that are already there.

    For samples that cost little to make; `import_planned` skips the making of those that are there.

    Args:
        samples: in a fixed order, the same at every call for the same collection.
        shard_size: samples a shard; by default as many as make about 256 MB.
        progress: called with the number of samples done after every shard.

    Returns:
        How many samples the collection has now.

    Raises:
        BadInput: a sample does not fit the collection; whole shards before it stay.
    """
    present = begin(workspace, spec)
    done = 0
    for number, batch in enumerate(_batches(samples, shard_size or samples_a_shard(spec))):
        shard = f"{number:04d}"
        if shard not in present:
            _import_shard(workspace, spec, shard, batch)
        elif present[shard] != len(batch):
            raise BadInput(
                f"{spec.name} is already there with {sum(present.values())} samples, and a collection never changes. "
                "Import under another name or into another workspace."
            )
        done += len(batch)
        progress(done)
    return done


def import_planned(
    workspace: Workspace,
    spec: CollectionSpec,
    names: Sequence[str],
    make: Callable[[list[str]], tuple[list[NewSample], Report]],
    report: Report,
    *,
    pool: Executor | None = None,
    ahead: int = 2,
    shard_size: int | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Import the samples called `names`, made a shard at a time; those that are there already are not made again.

    A name that `make` leaves out is tried again when the same import is run again; it then goes to a shard of its own.

    Args:
        names: all samples of the import, in a fixed order, the same at every call. Nothing that takes reading is needed for them.
        make: names of a shard -> its samples in that order, without those that cannot be made, and a report of these. Runs in `pool`
            where one is given, so it must not touch the store.
        report: is filled with the reports of `make`; its `done` becomes the number of these samples in the collection.
        pool: where `make` runs, `ahead` shards in front of the one that is being written; by default in this thread.
        shard_size: samples a shard; by default as many as make about 256 MB.
        progress: told after every shard: samples done, samples in all, and the collection's name.

    Raises:
        BadInput: there is another collection of that name, or a sample does not fit; whole shards before it stay.
    """
    begin(workspace, spec)
    pending = _pending(workspace, spec, list(names), shard_size or samples_a_shard(spec))
    done = len(names) - sum(len(missing) for _, missing in pending)
    progress(done, len(names), spec.name)
    for (shard, missing), (batch, told) in zip(pending, _made(pending, make, pool, ahead), strict=True):
        if batch:
            _import_shard(workspace, spec, shard, batch)
        report.left_out += told.left_out
        report.remarks += told.remarks
        done += len(missing)
        progress(done, len(names), spec.name)
    _report_result(workspace, spec, names, report)


def samples_a_shard(spec: CollectionSpec) -> int:
    """As many as make about 256 MB, at most 2,000."""
    per_sample = len(spec.slots) * len(spec.bands) * spec.height * spec.width * 2
    return max(1, min(2_000, SHARD_BYTES // max(1, per_sample)))


def begin(workspace: Workspace, spec: CollectionSpec) -> dict[str, int]:
    """Check that the collection is not there yet, or is the same; gives its shards with their numbers of samples.

    Raises:
        BadInput: there is another collection of that name.
    """
    with workspace.store.reading() as db:
        _known(db, spec)
        return dict(map(tuple, db.execute("select shard, count(*) from sample where collection = ? group by shard", [spec.name])))


def _pending(workspace: Workspace, spec: CollectionSpec, names: list[str], size: int) -> list[tuple[str, list[str]]]:
    """The shards that are still to be made, each with the names that are missing of it."""
    with workspace.store.reading() as db:
        present = {row["name"]: row["shard"] for row in db.execute("select name, shard from sample where collection = ?", [spec.name])}
    tries = Counter(shard.split("r")[0] for shard in set(present.values()))
    pending = []
    for number, start in enumerate(range(0, len(names), size)):
        missing = [name for name in names[start : start + size] if name not in present]
        if missing:
            shard = f"{number:04d}"
            pending.append((f"{shard}r{tries[shard]}" if tries[shard] else shard, missing))
    return pending


def _made(pending: list, make: Callable, pool: Executor | None, ahead: int) -> Iterator[tuple[list[NewSample], Report]]:
    """The shards in their order, made `ahead` of their use where there is a pool."""
    if pool is None:
        yield from (make(missing) for _, missing in pending)
        return
    rest = iter(pending)
    waiting = [pool.submit(make, missing) for _, missing in islice(rest, ahead + 1)]
    while waiting:
        made = waiting.pop(0).result()
        waiting += [pool.submit(make, missing) for _, missing in islice(rest, 1)]
        yield made


def _report_result(workspace: Workspace, spec: CollectionSpec, names: Sequence[str], report: Report) -> None:
    known = {entry.code for entry in spec.legend} | {NO_LABEL.code}
    with workspace.store.reading() as db:
        rows = db.execute("select name, inventory_code from sample where collection = ?", [spec.name]).fetchall()
    wanted = set(names)
    codes = Counter(row["inventory_code"] for row in rows if row["name"] in wanted)
    report.done = sum(codes.values())
    for code, count in sorted(codes.items()):
        if code not in known:
            report.remark("codes outside the legend", str(code), f"{count} samples")


def _batches(samples: Iterable[NewSample], size: int) -> Iterator[list[NewSample]]:
    rest = iter(samples)
    while batch := list(islice(rest, size)):
        yield batch


def _import_shard(workspace: Workspace, spec: CollectionSpec, shard: str, batch: list[NewSample]) -> None:
    for sample in batch:
        _check(spec, sample)
    seen = [_observe(spec, sample) for sample in batch]
    folder = workspace.shards(spec.name)
    with workspace.store.reading() as db:
        side = _side(db, spec.name)
    shards.write(shards.path_of(folder, shard), np.stack([_padded(sample.pixels, spec) for sample in batch]))
    shards.write(shards.path_of(folder, shard, ".series", side), np.stack([observed.series for observed in seen]))
    if all(sample.inventory is not None for sample in batch):
        rasters = np.stack([_padded(sample.inventory, spec) for sample in batch])
        shards.write(shards.path_of(folder, shard, ".inventory", side), rasters)
    if all(sample.scl is not None for sample in batch):
        scenes = np.stack([_padded(sample.scl, spec) for sample in batch])
        shards.write(shards.path_of(folder, shard, ".scl"), scenes.astype(np.uint8))
    with workspace.store.writing() as db:
        add_collection(db, spec)
        if _side(db, spec.name) != side:
            raise BadInput(f"An inventory was read for {spec.name} while samples were imported into it. Run the import again: it goes on.")
        add_codes(db, spec, {code for sample in batch for code in (sample.inventory_code, *(sample.history or {}).values())})
        for row, (sample, observed) in enumerate(zip(batch, seen, strict=True)):
            _add_sample(db, spec, shard, row, sample, observed)


def _side(db: Database, collection: str) -> str:
    row = db.execute("select side from collection where name = ?", [collection]).fetchone()
    return row["side"] if row else ""


def _check(spec: CollectionSpec, sample: NewSample) -> None:
    slots, bands, height, width = sample.pixels.shape
    if (slots, bands) != (len(spec.slots), len(spec.bands)) or height > spec.height or width > spec.width:
        raise BadInput(
            f"Sample {sample.name} has pixels of shape {sample.pixels.shape}, but {spec.name} takes {len(spec.slots)} dates x "
            f"{len(spec.bands)} bands x at most {spec.height} x {spec.width} pixels. Cut or resample it to that."
        )
    if sample.pixels.dtype != np.uint16:
        raise BadInput(f"Sample {sample.name} has {sample.pixels.dtype} pixels; give reflectance x 10 000 as uint16.")


def _padded(array: np.ndarray, spec: CollectionSpec) -> np.ndarray:
    """(..., h, w) -> (..., H, W), filled with 0 to the right and below, so that the transform stays true."""
    height, width = array.shape[-2:]
    padding = [(0, 0)] * (array.ndim - 2) + [(0, spec.height - height), (0, spec.width - width)]
    return np.pad(array, padding).astype(np.uint16)


def _observe(spec: CollectionSpec, sample: NewSample) -> observing.Observed:
    field = sample.field
    if field is None:
        field = observing.field_pixels(sample.inventory, sample.inventory_code, sample.pixels.shape[-2:])
    return observing.observe(sample.pixels, field, spec.bands, spec.level, sample.clear)


def _row(spec: CollectionSpec) -> dict:
    return {
        "name": spec.name, "title": spec.title, "bands": json.dumps(spec.bands), "level": spec.level, "slots": len(spec.slots),
        "slot_names": json.dumps(spec.slots), "height": spec.height, "width": spec.width, "composites": int(spec.composites),
        "simulated": int(spec.simulated), "licence": spec.licence, "attribution": spec.attribution,
        "aligned": int(spec.aligned), "packed": int(spec.packed), "origin": json.dumps(spec.origin, sort_keys=True),
    }  # fmt: skip


def _known(db: Database, spec: CollectionSpec) -> bool:
    """Whether the collection is there.

    Raises:
        BadInput: there is another one of that name.
    """
    known = list(db.query("select * from collection where name = ?", [spec.name]))
    differs = [key for key, value in _row(spec).items() if known and known[0][key] != value]
    if differs:
        raise BadInput(f"There is already a collection {spec.name}, with another {' and '.join(differs)}. Import under another name.")
    return bool(known)


def add_collection(db: Database, spec: CollectionSpec) -> None:
    """Make the collection if it is not there: with its first shard, so that there is never an empty one.

    Raises:
        BadInput: there is another one of that name.
    """
    if _known(db, spec):
        return
    db["collection"].insert(_row(spec))
    db["learned_class"].insert_all(
        {"collection": spec.name, "name": entry.name, "name_fr": entry.name_fr, "color": entry.color, "position": position}
        for position, entry in enumerate(spec.learned)
    )
    db["legend_class"].insert_all({"collection": spec.name, **vars(entry)} for entry in spec.legend)
    if spec.split:
        db["split"].insert({
            "collection": spec.name, "name": spec.split, "method": "given", "folds": 0, "params": "{}",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        })  # fmt: skip


def add_codes(db: Database, spec: CollectionSpec, codes: set[int]) -> None:
    """Codes that the stored legend lacks are kept, as the spec names them or under their number; 0 means that no label is known."""
    known = {row["code"] for row in db.execute("select code from legend_class where collection = ?", [spec.name])}
    named = {NO_LABEL.code: NO_LABEL} | {entry.code: entry for entry in spec.legend}
    for code in sorted(codes - known):
        entry = named.get(code) or LegendClass(code, f"Code {code}", f"Code {code}", UNKNOWN_COLOUR)
        db["legend_class"].insert({"collection": spec.name, **vars(entry)})


def _add_sample(db: Database, spec: CollectionSpec, shard: str, row: int, sample: NewSample, observed: observing.Observed) -> None:
    modal, purity = _composition(sample)
    site = _site(db, spec.name, sample)
    number = db.execute(
        """insert into sample (collection, site, name, year, inventory_code, modal_code, purity, shard, shard_row,
            height, width, crs, transform, shuffle) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            spec.name, site, sample.name, sample.year, sample.inventory_code, modal, purity, shard, row,
            *sample.pixels.shape[-2:], sample.crs, json.dumps(sample.transform), shuffle(spec.name, sample.name),
        ],
    ).lastrowid  # fmt: skip
    db.conn.executemany(
        "insert or replace into aci_history (site, year, code) values (?, ?, ?)",
        [(site, year, code) for year, code in (sample.history or {}).items()],
    )
    if spec.split and sample.part:
        db.execute(
            "insert into split_member (split, sample, part) select id, ?, ? from split where collection = ? and name = ?",
            [number, sample.part, spec.name, spec.split],
        )
    for slot in range(len(spec.slots)):
        if sample.acquired[slot] is None:
            continue
        told = sample.quality[slot] if sample.quality else None
        quality = told or screening.quality(observed.valid[slot], observed.clear[slot])
        image = db.execute(
            """insert into image (sample, slot, acquired, day, clear, interpolated, quality, source, told)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                number, slot, sample.acquired[slot], _day(sample.acquired[slot]), round(float(observed.clear[slot]), 4),
                int(sample.interpolated[slot]), quality, json.dumps(sample.sources[slot] if sample.sources else ()),
                int(told is not None),
            ],
        ).lastrowid  # fmt: skip
        db.conn.executemany(
            "insert into index_stat (image, name, mean, sd, p10, median, p90) values (?, ?, ?, ?, ?, ?, ?)",
            [(image, name, *values) for name, values in observed.stats[slot].items()],
        )


def _site(db: Database, collection: str, sample: NewSample) -> int:
    known = db.execute("select id from site where collection = ? and name = ?", [collection, sample.site]).fetchone()
    if known:
        return known["id"]
    polygon = json.dumps(sample.polygon) if sample.polygon else None
    return db.execute(
        "insert into site (collection, name, lon, lat, region, polygon) values (?, ?, ?, ?, ?, ?)",
        [collection, sample.site, sample.lon, sample.lat, sample.region, polygon],
    ).lastrowid


def _composition(sample: NewSample) -> tuple[int, float]:
    """Of the field where it is known, else of the patch: the modal code, and the share of the coded pixels that have the
    inventory label's code (1 without a raster)."""
    if sample.inventory is None:
        return sample.inventory_code, 1.0
    inside = sample.inventory if sample.field is None else sample.inventory[sample.field]
    coded = inside[inside > 0]
    if not coded.size:
        return sample.inventory_code, 0.0
    codes, counts = np.unique(coded, return_counts=True)
    return int(codes[counts.argmax()]), float((coded == sample.inventory_code).mean())


def shuffle(collection: str, name: str) -> int:
    """A number that looks random and is the same in every workspace."""
    return int.from_bytes(hashlib.blake2b(f"{collection}/{name}".encode(), digest_size=6).digest())


def _day(acquired: str) -> int:
    """Day of year of an ISO date, or of the 15th of a YYYY-MM composite."""
    return date.fromisoformat(acquired if len(acquired) == 10 else f"{acquired}-15").timetuple().tm_yday
