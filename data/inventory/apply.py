"""Reading inventories for a collection: what every sample gets of them, and how the collection changes from one state to the next.

What changes lies in the database and in the shards' side files (series and inventory, see `data.shards`). New side files are written
under a new version first; one transaction then changes the rows and says which version is in force; the files of the version before
are removed last. Whenever the work is killed, the collection is whole, as it was or as it will be.
"""

import fcntl
import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from pyproj import Transformer
from sqlite_utils import Database

from data import catalogue, observing, screening, shards
from data.errors import BadInput
from data.importing import NO_LABEL, LegendClass
from data.inventory.legends import Book
from data.inventory.polygons import Layer
from data.inventory.rasters import Raster
from data.inventory.sampling import around, first_covering, modal_codes
from data.inventory.sources import Options, open_all
from data.report import Report
from data.screening import MASKED_SCL
from data.workspace import Workspace

NEW = "new"  # version of side files that are being written
CUTS = "cuts.npy"  # in the scratch folder: the codes of all patches
CUT_PIXELS = 2**26  # looked up at once: 128 MB of codes
NOTES = "notes.db"  # likewise: what images are to be told, so that the one transaction has only to copy it
FIELD_SIDE = 32  # a parcel without pixels of its own is looked at in so many rows and columns
AROUND_SIDE = 3  # and one without an outline in so many of the inventory's pixels

SAMPLES = """
select s.id, s.year, s.inventory_code, s.site, g.lon, g.lat from sample s join site g on g.id = s.site
where s.collection = ? order by s.shard, s.shard_row
"""
PLACES = """
select s.shard_row, s.height, s.width, s.crs, s.transform, g.polygon from sample s join site g on g.id = s.site
where s.collection = ? and s.shard = ? order by s.shard_row
"""

IMAGES = """
select i.id, i.slot, s.shard_row from image i join sample s on s.id = i.sample where s.collection = ? and s.shard = ? order by i.id
"""
MADE = """
create table told (image integer primary key, clear real not null, quality text not null);
create table stat (image integer, name text, mean real, sd real, p10 real, median real, p90 real, primary key (image, name)) without rowid;
"""
GRIDS = "select height, width, crs, transform from sample where collection = ? order by shard, shard_row"

Source = Raster | Layer
Tell = Callable[[int, int, str], None]


@dataclass
class Samples:
    """The N samples of a collection, by shard and row.

    numbers, years, sites: (N,) int64; lon, lat: (N,) degrees; old: (N,) uint16 inventory codes as they are.
    shards: name -> slice of its samples.
    codes, sources: (N,) the code at the centre in the sample's own year, and the position of its source in that year's, -1 = none.
    new: (N,) uint16 inventory codes as they will be; modal (N,) uint16 and purity (N,) float64 likewise.
    seen: all codes met on patches.
    """

    numbers: np.ndarray
    years: np.ndarray
    old: np.ndarray
    sites: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    shards: dict[str, slice]
    codes: np.ndarray
    sources: np.ndarray
    new: np.ndarray
    modal: np.ndarray
    purity: np.ndarray
    seen: set[int] = field(default_factory=set)


def apply(
    workspace: Workspace,
    name: str,
    texts: Sequence[str],
    report: Report,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    legend: str | None = None,
    progress: Tell = lambda done, total, what: None,
) -> dict:
    """Read inventories for a collection.

    The inventories of a sample's own year give it its code (where it has none), modal code, purity and the codes of its patch; all
    years together give the sites' history. A code that a sample has already is never changed; where the inventory says otherwise
    that is remarked on.

    Args:
        name: of the collection.
        texts: paths or http(s) URLs of rasters, polygon layers, or zips of them; of one year the first that covers a sample counts.
        report: is filled; its `done` becomes the number of samples that lie on an inventory of their year.
        legend: "aci", "file", a CSV, or None; see `legends.Book`.

    Returns:
        JSON-ready {"collection", "samples", "years", "legend", "labelled", "codes"}: labelled = samples that had no code before; codes =
        [{"code", "name", "samples"}] at the centres, by falling number.

    Raises:
        BadInput: no inventory can be used, one cannot be read to its end, or the collection is being changed by something else.
        UnknownCollection: there is none of that name.
    """
    folder = workspace.shards(catalogue.collection(workspace.store, name).name)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, name) as scratch:
        collection = catalogue.collection(workspace.store, name)
        remove_other_sides(folder, collection.side)  # of a killed run
        samples = _load(workspace, name)
        book = Book(catalogue.legend(workspace.store, name), legend)
        area = samples.lon.min(), samples.lat.min(), samples.lon.max(), samples.lat.max()
        by_year = open_all(texts, scratch, options, book, area, report)
        history = _at_centres(samples, by_year)
        _say_what_differs(workspace, samples, by_year, book, report)
        of_own_year = bool((samples.sources >= 0).any())
        side = collection.side
        if of_own_year:
            side = _look_up(workspace, collection, samples, by_year, scratch, progress)
        labels = Counter(samples.new.tolist())
        seen = samples.seen | {int(code) for _, codes in history.values() for code in np.unique(codes)}
        kind, entries, learned, outside = book.settle(labels, seen, [source for sources in by_year.values() for source in sources])
        with workspace.store.writing() as db:
            _check_unchanged(db, collection, samples)
            _write_legend(db, name, entries, learned)
            _write(db, samples, history)
            if of_own_year and not collection.is_series:
                _write_images(db, scratch / NOTES)
            db.execute("update collection set side = ? where name = ?", [side, name])
        remove_other_sides(folder, side)
    report.done = int((samples.sources >= 0).sum())
    for code in sorted(outside):
        report.remark("codes outside the legend", str(code), f"{labels[code]} samples" if labels[code] else "beside the samples' centres")
    return {
        "collection": name, "samples": report.done, "years": sorted(by_year), "legend": kind,
        "labelled": int(((samples.old == NO_LABEL.code) & (samples.new != NO_LABEL.code)).sum()),
        "codes": _counted(workspace, name, samples),
    }  # fmt: skip


def _look_up(
    workspace: Workspace, collection: catalogue.Collection, samples: Samples, by_year: dict[int, list[Source]], scratch: Path,
    progress: Tell,
) -> str:  # fmt: skip
    """Fill `modal`, `purity` and `seen`, and write side files; what images are to be told is noted in `scratch`.

    Returns:
        The version of the files: a hash of what they say, so that reading the same again changes nothing.
    """
    folder, digest = workspace.shards(collection.name), hashlib.blake2b(digest_size=6)
    count = len(samples.numbers)
    if not collection.is_series:
        with closing(sqlite3.connect(scratch / NOTES)) as notes:
            notes.executescript(MADE)
        _cut_all(workspace, collection, samples, by_year, scratch / CUTS, lambda done: progress(done, 2 * count, "patches"))
    for shard, at in samples.shards.items():
        _Shard(workspace, collection, samples, by_year, shard, scratch, digest).work()
        progress(count + at.stop, 2 * count, f"shard {shard}")
    for column in (samples.new, samples.modal, samples.purity):
        digest.update(column)
    _name(folder, digest.hexdigest())
    return digest.hexdigest()


def _name(folder: Path, side: str) -> None:
    """The side files that have just been written become those of version `side`."""
    for kind in shards.SIDE_KINDS:
        for path in folder.glob(shards.path_of(folder, "*", kind, NEW).name):
            path.replace(shards.path_of(folder, path.name.split(".")[0], kind, side))


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[Path]:
    """Nobody else reads inventories for this collection meanwhile (the lock goes with the process); gives an empty folder to work in."""
    scratch = folder / ".inventory"
    with (folder / ".inventory.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"Inventories are being read for {name} already. Wait until that is done, or stop it.") from None
        shutil.rmtree(scratch, ignore_errors=True)  # of a killed run
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _load(workspace: Workspace, name: str) -> Samples:
    with workspace.store.reading() as db:
        db.conn.row_factory = None  # plain tuples
        rows = db.execute(SAMPLES, [name]).fetchall()
        counts = db.execute("select shard, count(*) from sample where collection = ? group by shard order by shard", [name]).fetchall()
    if not rows:
        raise BadInput(f"{name} has no samples yet, so there is nothing to look up. Import some first.")
    numbers, years, codes, sites, lon, lat = (np.array(column) for column in zip(*rows, strict=True))
    ends = np.cumsum([count for _, count in counts]).tolist()
    slices = {shard: slice(end - count, end) for (shard, count), end in zip(counts, ends, strict=True)}
    old = codes.astype(np.uint16)
    return Samples(
        numbers, years, old, sites, lon, lat, slices, codes=np.zeros_like(old), sources=np.full(len(old), -1), new=old.copy(),
        modal=old.copy(), purity=np.ones(len(old)),
    )  # fmt: skip


def _at_centres(samples: Samples, by_year: dict[int, list[Source]]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Fill `codes`, `sources` and `new`; gives year -> the sites (M,) that have a code then, and these (M,)."""
    sites, first, back = np.unique(samples.sites, return_index=True, return_inverse=True)
    history = {}
    for year, sources in by_year.items():
        codes, position = first_covering(sources, samples.lon[first], samples.lat[first])
        history[year] = sites[codes > 0], codes[codes > 0]
        own = samples.years == year
        samples.codes[own], samples.sources[own] = codes[back][own], position[back][own]
    samples.new = np.where(samples.old == NO_LABEL.code, samples.codes, samples.old)
    return history


def _say_what_differs(workspace: Workspace, samples: Samples, by_year: dict, book: Book, report: Report) -> None:
    on_file = np.isin(samples.years, list(by_year))
    outside = np.flatnonzero(on_file & (samples.sources < 0))
    uncoded = np.flatnonzero((samples.sources >= 0) & (samples.new == NO_LABEL.code))
    otherwise = np.flatnonzero((samples.codes > 0) & (samples.codes != samples.new))
    names = _names(workspace, samples.numbers[np.concatenate([outside, uncoded, otherwise])])
    for at in outside:
        fact = f"{samples.lat[at]:.5f} N {samples.lon[at]:.5f} E in {samples.years[at]}"
        report.leave_out("outside the inventory", names[samples.numbers[at]], fact)
    for at in uncoded:
        report.remark("without a label in the inventory", names[samples.numbers[at]])
    for at in otherwise:
        here, there = int(samples.old[at]), int(samples.codes[at])
        fact = f"{book.called(here)} ({here}) here, {book.called(there)} ({there}) in the inventory"
        report.remark("labels kept although the inventory says otherwise", names[samples.numbers[at]], fact)
    for year, count in sorted(Counter(samples.years[~on_file].tolist()).items()):
        report.remark("years of samples without an inventory of their own", str(year), f"{count} samples")


def _names(workspace: Workspace, numbers: np.ndarray) -> dict[int, str]:
    with workspace.store.reading() as db:
        rows = db.execute("select id, name from sample where id in (select value from json_each(?))", [json.dumps(numbers.tolist())])
        return {row["id"]: row["name"] for row in rows}


def _cut_all(
    workspace: Workspace, collection: catalogue.Collection, samples: Samples, by_year: dict[int, list[Source]], path: Path,
    told: Callable[[int], None],
) -> None:  # fmt: skip
    """Write the codes of all patches, (N, H, W) uint16 in the order of `samples`, looking the patches up in the order of the raster."""
    shape = (len(samples.numbers), collection.height, collection.width)
    cuts = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=shape)
    with workspace.store.reading() as db:
        places = db.execute(GRIDS, [collection.name]).fetchall()
    done, groups = 0, {}
    for at in np.flatnonzero(samples.sources >= 0).tolist():
        place = places[at]
        key = (int(samples.years[at]), int(samples.sources[at]), place["crs"], place["height"], place["width"])
        groups.setdefault(key, []).append(at)
    for (year, position, crs, height, width), members in groups.items():
        source, which = by_year[year][position], np.array(members)
        which = which[np.argsort(source.tiles_at(samples.lon[which], samples.lat[which]), kind="stable")]
        for start in range(0, len(which), size := max(1, CUT_PIXELS // (height * width))):
            some = which[start : start + size]
            transforms = np.array([json.loads(places[at]["transform"]) for at in some])
            cuts[some, :height, :width] = source.cuts(crs, transforms, height, width)
            done += len(some)
            told(done)
    cuts.flush()


def _grid_of(place) -> tuple[str, tuple[float, ...], int, int]:
    return place["crs"], tuple(json.loads(place["transform"])), place["height"], place["width"]


class _Shard:
    """The samples of one shard: their patches' codes, and what follows from these."""

    def __init__(
        self,
        workspace: Workspace,
        collection: catalogue.Collection,
        samples: Samples,
        by_year: dict[int, list[Source]],
        shard: str,
        scratch: Path,
        digest: "hashlib.blake2b",
    ) -> None:
        self.collection, self.samples, self.by_year, self.shard, self.digest = collection, samples, by_year, shard, digest
        self.store, self.folder, self.scratch = workspace.store, workspace.shards(collection.name), scratch
        self.at = samples.shards[shard]
        with workspace.store.reading() as db:
            self.places = db.execute(PLACES, [collection.name, shard]).fetchall()

    def work(self) -> None:
        if self.collection.is_series:
            self._parcels()
            if not self.collection.packed:
                self._write(".series", np.array(shards.open_map(self._path(".series"))))
            return
        rows = np.flatnonzero(self.samples.sources[self.at] >= 0)
        cuts = shards.open_map(self.scratch / CUTS)[self.at][rows]
        inventory = self._inventory()
        inventory[rows] = cuts
        self._compose(rows, cuts, [self._outline(row, *_grid_of(self.places[row])) for row in rows])
        self.samples.seen.update(np.unique(inventory).tolist())
        self._write(".inventory", inventory)
        self._observe([row for row in rows if self.places[row]["polygon"] is None], inventory)

    def _compose(self, rows: Sequence[int], cuts: np.ndarray, outlines: list[np.ndarray | None]) -> None:
        """Modal code and purity, of the field's pixels where there is an outline. cuts: (len(rows), h, w)."""
        inside = cuts.copy()
        for cut, outline in zip(inside, outlines, strict=True):
            if outline is not None:
                cut[: outline.shape[0], : outline.shape[1]][~outline] = 0
        at = self.at.start + np.array(rows)
        self.samples.modal[at], self.samples.purity[at] = modal_codes(inside.reshape(len(rows), -1), self.samples.new[at])

    def _outline(self, row: int, crs: str, transform: Sequence[float], height: int, width: int) -> np.ndarray | None:
        """(height, width) bool, the pixels with their centres in the site's polygon, or the one nearest to it; None = no polygon."""
        text = self.places[row]["polygon"]
        if text is None:
            return None
        import shapely

        a, b, c, d, e, f = transform
        row_at, col_at = np.mgrid[0.5:height, 0.5:width]
        x, y = a * col_at + b * row_at + c, d * col_at + e * row_at + f
        polygon = shapely.from_geojson(text)
        if crs != "EPSG:4326":
            polygon = shapely.transform(polygon, _from_degrees(crs).transform, interleaved=False)
        shapely.prepare(polygon)
        inside = shapely.contains_xy(polygon, x, y)
        if not inside.any():
            inside.flat[shapely.distance(polygon, shapely.points(x, y)).argmin()] = True
        return inside

    def _parcels(self) -> None:
        """Parcel means have no pixels: the inventory is looked at over the outline, or around the point."""
        outlined, bare = {}, {}  # (year, position of the source) -> rows of the shard
        for row, (place, year, position) in enumerate(
            zip(self.places, self.samples.years[self.at], self.samples.sources[self.at], strict=True)
        ):
            if position >= 0:
                (bare if place["polygon"] is None else outlined).setdefault((int(year), int(position)), []).append(row)
        for (year, position), rows in outlined.items():
            grids = np.array([_grid_over(self.places[row]["polygon"]) for row in rows])
            cuts = self.by_year[year][position].cuts("EPSG:4326", grids, FIELD_SIDE, FIELD_SIDE)
            shape = (FIELD_SIDE, FIELD_SIDE)
            self._compose(rows, cuts, [self._outline(row, "EPSG:4326", grid, *shape) for row, grid in zip(rows, grids, strict=True)])
            self.samples.seen.update(np.unique(cuts).tolist())
        for (year, position), rows in bare.items():
            at = self.at.start + np.array(rows)
            source, labels = self.by_year[year][position], self.samples.new[at]
            if isinstance(source, Raster):
                _, *found = around(source, self.samples.lon[at], self.samples.lat[at], AROUND_SIDE, labels)
            else:
                found = modal_codes(self.samples.codes[at][:, None], labels)
            self.samples.modal[at], self.samples.purity[at] = found

    def _inventory(self) -> np.ndarray:
        path = self._path(".inventory")
        if path.exists():
            return np.array(shards.open_map(path))
        return np.zeros((len(self.places), self.collection.height, self.collection.width), dtype=np.uint16)

    def _observe(self, changed: list[int], inventory: np.ndarray) -> None:
        """Measure the samples anew whose field has changed: their series, and what their images are to be told."""
        pixels = shards.open_map(self._path(""))
        scl = shards.open_map(self._path(".scl")) if self._path(".scl").exists() else None
        masked = _masked(self.collection.origin)
        series = np.array(shards.open_map(self._path(".series")))
        images = self._images()
        notes: list[tuple] = []
        stats: list[tuple] = []
        for row in changed:
            inside = (..., slice(self.places[row]["height"]), slice(self.places[row]["width"]))
            code = int(self.samples.new[self.at][row])
            cut = inventory[row][inside]
            clear = None if scl is None else ~np.isin(scl[row][inside], masked)
            observed = observing.observe(
                pixels[row][inside], observing.field_pixels(cut, code, cut.shape), self.collection.bands, self.collection.level, clear
            )
            series[row] = observed.series
            for slot, image in images.get(row, ()):
                quality = screening.quality(observed.valid[slot], observed.clear[slot])
                notes.append((image, round(float(observed.clear[slot]), 4), quality))
                stats += [(image, name, *values) for name, values in observed.stats[slot].items()]
        self._write(".series", series)
        with closing(sqlite3.connect(self.scratch / NOTES)) as db, db:
            db.executemany("insert into told values (?, ?, ?)", notes)
            db.executemany("insert into stat values (?, ?, ?, ?, ?, ?, ?)", stats)

    def _images(self) -> dict[int, list[tuple[int, int]]]:
        """Row -> slots and numbers of its images."""
        found: dict[int, list[tuple[int, int]]] = {}
        with self.store.reading() as db:
            for image in db.execute(IMAGES, [self.collection.name, self.shard]):
                found.setdefault(image["shard_row"], []).append((image["slot"], image["id"]))
        return found

    def _path(self, kind: str) -> Path:
        """The file as it is in force."""
        return shards.path_of(self.folder, self.shard, kind, self.collection.side)

    def _write(self, kind: str, array: np.ndarray) -> None:
        self.digest.update(np.ascontiguousarray(array))
        shards.write(shards.path_of(self.folder, self.shard, kind, NEW), array)


def _masked(origin: dict) -> tuple[int, ...]:
    """The scene classes that hid the ground when the collection was made."""
    return tuple(origin.get("masked") or MASKED_SCL)


@lru_cache(maxsize=64)
def _from_degrees(crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _grid_over(polygon: str) -> tuple[float, ...]:
    """a b c d e f of a grid of FIELD_SIDE x FIELD_SIDE over the bounds of a GeoJSON geometry."""
    import shapely

    west, south, east, north = shapely.from_geojson(polygon).bounds
    return (east - west) / FIELD_SIDE, 0.0, west, 0.0, (south - north) / FIELD_SIDE, north


def remove_other_sides(folder: Path, side: str) -> None:
    """Remove the series and inventory files of other versions than `side`."""
    for path in folder.glob("*.npy"):
        shard, *kind = path.name.removesuffix(".npy").split(".")
        if kind and f".{kind[0]}" in shards.SIDE_KINDS and path != shards.path_of(folder, shard, f".{kind[0]}", side):
            path.unlink()


def _check_unchanged(db: Database, collection: catalogue.Collection, samples: Samples) -> None:
    side = db.execute("select side from collection where name = ?", [collection.name]).fetchone()["side"]
    now = db.execute("select count(*) as n, max(id) as last from sample where collection = ?", [collection.name]).fetchone()
    if (side, now["n"], now["last"]) != (collection.side, len(samples.numbers), samples.numbers.max()):
        raise BadInput(f"{collection.name} was changed while the inventory was read. Nothing of this is kept; run the command again.")


def _write_legend(db: Database, name: str, entries: list[LegendClass], learned: list) -> None:
    have = {row["name"] for row in db.execute("select name from learned_class where collection = ?", [name])}
    added = [entry for entry in learned if entry.name not in have]
    db["learned_class"].insert_all(
        {"collection": name, **vars(entry), "position": position} for position, entry in enumerate(added, start=len(have))
    )
    db["legend_class"].insert_all({"collection": name, **vars(entry)} for entry in entries)


def _write(db: Database, samples: Samples, history: dict[int, tuple[np.ndarray, np.ndarray]]) -> None:
    covered = np.flatnonzero(samples.sources >= 0)
    columns = (samples.new, samples.modal, samples.purity, samples.numbers)
    db.conn.executemany(
        "update sample set inventory_code = ?, modal_code = ?, purity = ? where id = ?",
        zip(*(column[covered].tolist() for column in columns), strict=True),
    )
    for year, (sites, codes) in history.items():
        db.conn.executemany(
            "insert or replace into aci_history (site, year, code) values (?, ?, ?)",
            ((site, year, code) for site, code in zip(sites.tolist(), codes.tolist(), strict=True)),
        )


def _write_images(db: Database, notes: Path) -> None:
    """Clear share, quality (where it was screened) and statistics of the images whose field has changed."""
    db.execute("attach ? as notes", [str(notes)])
    db.execute(
        """update image set clear = told.clear, quality = case image.told when 1 then image.quality else told.quality end
        from notes.told where told.image = image.id"""
    )
    db.execute("delete from index_stat where image in (select image from notes.told)")
    db.execute("insert into index_stat (image, name, mean, sd, p10, median, p90) select * from notes.stat order by image, name")


def _counted(workspace: Workspace, name: str, samples: Samples) -> list[dict]:
    names = {entry.code: entry.name for entry in catalogue.legend(workspace.store, name)}
    counts = Counter(samples.codes[samples.sources >= 0].tolist())
    return [{"code": code, "name": names.get(code, ""), "samples": count} for code, count in counts.most_common()]
