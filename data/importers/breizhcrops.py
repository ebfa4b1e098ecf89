"""BreizhCrops as published (Rußwurm et al. 2020): parcel-mean Sentinel-2 series of Brittany, 600,000 parcels, as packed collections.

The layout is that of the package `breizhcrops` 0.0.4: `<year>/<level>/<region>.csv` lists the parcels of a region (columns id,
CODE_CULTU, path, sequencelength), `<region>.h5` beside it holds under each `path` a (dates, columns) array of reflectance x 10 000
(the package scales by 1e-4), `classmapping.csv` (id, classname, code) says what is learned, `codes.csv` names the crops of France's
parcel register, and a shapefile has the outlines in Lambert-93.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data import packed, screening
from data.bands import L1C_BANDS, reflectance
from data.errors import BadInput
from data.importers import breizhcrops_names as names
from data.importing import CollectionSpec, LearnedClass, LegendClass
from data.packed import Batch
from data.report import Report
from data.workspace import Workspace

if TYPE_CHECKING:
    from geopandas import GeoSeries
    from pandas import DataFrame

SHARD_DATES = 400_000  # dates a shard, of all its parcels: about 55 MB of numbers as they are read
LONGEST_TO_SHORTEST = 1.2  # of a shard's series: what it is padded by stays below that
COLUMNS = ("id", "CODE_CULTU", "path", "sequencelength")
L2A_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
_QUALITY = ("QA10", "QA20", "QA60", "doa")
# How the columns of a series are ordered. Files of 2017 and 2018 were written by package versions that differ in it, a third order is
# reported by users, and the files do not say theirs: see `column_order`.
ORDERS = {
    "L1C": (
        ("B01", "B10", "B11", "B12", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", *_QUALITY),
        (*L1C_BANDS, *_QUALITY),
        ("B01", "B10", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B02", "B11", "B12", *_QUALITY),
    ),
    "L2A": (("doa", *L2A_BANDS, "CLD", "EDG", "SAT"),),
}
BANDS = {"L1C": L1C_BANDS, "L2A": L2A_BANDS}
# Medians of all dates of the 301 Bavarian parcels in data/demo (L1C, reflectance x 10 000), in the order of L1C_BANDS.
TYPICAL = dict(zip(L1C_BANDS, (1369, 1135, 1110, 1005, 1383, 2636, 3278, 3237, 3599, 1136, 20, 2037, 1166), strict=True))
PROBED = 300  # series that tell the order of the columns
FAINT = 10  # a median of B08 below it is no reflectance x 10 000
OPAQUE = 1024  # bit 10 of QA60; a parcel's mean divided by it is the share that is cloudy, as the package counts
NO_DATA_BELOW = -1000  # surface reflectance of dark fields may fall a little below 0; -10 000 marks no data (MAJA)

# Middle of each region (EPSG:4326), for parcels whose outline is not known.
CENTRES = {
    "frh01": (-2.85, 48.44), "frh02": (-4.06, 48.26), "frh03": (-1.63, 48.15), "frh04": (-2.83, 47.84), "belle-ile": (-3.19, 47.33),
}  # fmt: skip
BRITTANY = (-2.90, 48.20)
CUT_OUTS = ("belle-ile", "kermaux")  # regions whose parcels are also in frh04
LICENCE = (
    "Parcels and crops (RPG): Licence Ouverte / Open Licence. Sentinel-2: Copernicus, free and open. The publishers state no licence for "
    "the series; their package is MIT."
)


@dataclass(frozen=True)
class Folder:
    """The files of one year and level: root/<year>/<level>."""

    root: Path
    year: int
    level: str

    @property
    def path(self) -> Path:
        return self.root / str(self.year) / self.level

    @property
    def name(self) -> str:
        return f"breizhcrops-{self.year}-{self.level}"

    def regions(self) -> list[str]:
        """Regions that have a series file or an index."""
        return sorted({file.stem for file in self.path.iterdir() if file.suffix in (".h5", ".csv")})

    def outlines(self, region: str) -> Path | None:
        """The region's shapefile, where the package or its archives put it."""
        places = (self.root / str(self.year) / f"{region}.shp", self.root / str(self.year) / "shp" / f"{region}.shp")
        return next((place for place in places if place.exists()), None)


def import_breizhcrops(
    workspace: Workspace,
    root: Path,
    *,
    years: Sequence[int] = (),
    levels: Sequence[str] = (),
    regions: Sequence[str] = (),
    name: str | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> tuple[list[dict], Report]:
    """Import every year and level under `root` as a packed collection.

    Regions can be added to a collection later, as long as none has a longer series than those that were in the folder at first.

    Args:
        years, levels, regions: only these; empty = all. The cut-outs belle-ile and kermaux are left out beside frh04, unless named.
        name: of the collection, where there is but one year and level; by default `breizhcrops-<year>-<level>`.

    Returns:
        A record a collection (collection, samples, dates, regions: name -> parcels and the order of the columns found), and the report.

    Raises:
        BadInput: the folder has no such files, or there is a collection of that name with other dates or classes.
    """
    folders, report = _folders(root, years, levels), Report()
    if name and len(folders) > 1:
        raise BadInput(f"{root} holds {len(folders)} collections, which cannot all be called {name}. Choose one with --year and --level.")
    records = [_import_folder(workspace, folder, name or folder.name, regions, report, progress) for folder in folders]
    return records, report


def _folders(root: Path, years: Sequence[int], levels: Sequence[str]) -> list[Folder]:
    found = [
        Folder(root, int(year.name), level.name)
        for year in sorted(root.glob("[0-9][0-9][0-9][0-9]"))
        for level in sorted(year.iterdir() if year.is_dir() else ())
        if level.name in BANDS and level.is_dir()
    ]
    kept = [folder for folder in found if (not years or folder.year in years) and (not levels or folder.level in levels)]
    if not kept:
        has = ", ".join(f"{folder.year}/{folder.level}" for folder in found) or "no <year>/<level> folder"
        raise BadInput(
            f"{root} has {has}, not what is asked for. Give the folder that the package breizhcrops downloads to: it holds "
            "classmapping.csv, codes.csv and folders such as 2017/L1C."
        )
    return kept


def _import_folder(
    workspace: Workspace, folder: Folder, name: str, wanted: Sequence[str], report: Report, progress: Callable[[int, int, str], None]
) -> dict:
    indexes = _indexes(folder, wanted, report)
    if not indexes:
        return {"collection": name, "samples": 0, "dates": 0, "regions": {}}
    crops = Crops(folder.root)
    counts = Counter(code for index in indexes.values() for code in index["crop"])
    spec = _spec(folder, name, crops, counts)
    _remark_codes(crops, counts, report)
    before, shown, total, done = report.done, {}, sum(map(len, indexes.values())), 0
    for region, index in indexes.items():
        with _Region(folder, region, index, len(spec.slots), report) as source:
            shown[region] = {"parcels": len(index), "columns": " ".join(source.order)}
            if source.brightness < FAINT:
                report.leave_out(
                    "region whose values are not reflectance x 10 000", region, f"the median of B08 is {source.brightness:.3g}"
                )
                continue
            packed.import_packed(
                workspace, spec, source.plan(), source.make, report,
                progress=lambda at, _, what, done=done: progress(done + at, total, what),
            )  # fmt: skip
        done += len(index)
    return {"collection": name, "samples": report.done - before, "dates": len(spec.slots), "regions": shown}


def _indexes(folder: Folder, wanted: Sequence[str], report: Report) -> dict[str, "DataFrame"]:
    """Region -> its parcels, of the regions whose files are there and can be read."""
    present = folder.regions()
    unknown = sorted(set(wanted) - set(present))
    if unknown:
        raise BadInput(f"{folder.path} has no region {', '.join(unknown)}; it has {', '.join(present) or 'none'}.")
    indexes = {}
    for region in wanted or present:
        if not wanted and region in CUT_OUTS and "frh04" in present:
            report.remark("region that is a part of frh04, not imported again", region, "name it to import it")
        elif (index := _index(folder, region, report)) is not None and len(index):
            indexes[region] = index
    return indexes


def _index(folder: Folder, region: str, report: Report) -> "DataFrame | None":
    """The parcels of a region in the order of its index: name, id, crop, path and length, unique, none of them empty."""
    import pandas as pd

    path, series = folder.path / f"{region}.csv", folder.path / f"{region}.h5"
    for file, kind in ((path, "region without an index"), (series, "region without series")):
        if not file.exists():
            report.leave_out(kind, region, f"{file} is missing")
            return None
    try:
        table = pd.read_csv(path, usecols=lambda column: column in COLUMNS, dtype=str, keep_default_na=False)
    except (ValueError, UnicodeDecodeError, OSError) as error:
        report.leave_out("unreadable index", region, f"{path}: {error}")
        return None
    lacking = [column for column in COLUMNS if column not in table.columns]
    if lacking:
        report.leave_out("index without needed columns", region, f"{path} lacks {', '.join(lacking)}")
        return None
    if (fault := _series_fault(series)) is not None:
        report.leave_out("unreadable series file", region, f"{series}: {fault}; {len(table)} parcels")
        return None
    return _parcels(table, region, report)


def _series_fault(path: Path) -> str | None:
    """Why an HDF5 file cannot be opened; a truncated one says so. None where it can."""
    import h5py

    try:
        with h5py.File(path, "r"):
            return None
    except OSError as error:
        return str(error)


def _parcels(table: "DataFrame", region: str, report: Report) -> "DataFrame":
    import pandas as pd

    numbers, lengths = (pd.to_numeric(table[column], errors="coerce") for column in ("id", "sequencelength"))
    broken = numbers.isna() | lengths.isna()
    for line in np.flatnonzero(broken):
        report.leave_out("index line that is not understood", f"{region}.csv line {line + 2}", ",".join(table.iloc[line]))
    table, numbers, lengths = table[~broken], numbers[~broken].astype(np.int64), lengths[~broken].astype(np.int64)
    parcels = pd.DataFrame({
        "name": region + "-" + numbers.astype(str), "id": numbers, "crop": table["CODE_CULTU"].str.strip().str.upper(),
        "path": table["path"], "length": lengths,
    })  # fmt: skip
    twice, empty = parcels["name"].duplicated(), parcels["length"] <= 0
    for name in parcels["name"][twice]:
        report.leave_out("parcel that the index lists twice", name, "the first line counts")
    for name in parcels["name"][empty & ~twice]:
        report.leave_out("empty sequence", name)
    return parcels[~twice & ~empty].reset_index(drop=True)


class Crops:
    """What classmapping.csv and codes.csv say.

    learned: classes in the order of their number. class_of: crop code -> class. groups, french: crop code -> group number, name.

    Raises:
        BadInput: classmapping.csv is missing or lacks a column.
    """

    def __init__(self, root: Path) -> None:
        mapping = _table(root / "classmapping.csv", ",", ("id", "classname", "code"))
        if mapping is None:
            raise BadInput(
                f"{root / 'classmapping.csv'} is missing or has no columns id, classname and code. It says which crops are learned as "
                "which class; the package breizhcrops downloads it beside the folders of the years."
            )
        rows = sorted(zip(mapping["id"].astype(int), mapping["classname"], mapping["code"].str.strip().str.upper(), strict=True))
        self.learned = list(dict.fromkeys(name for _, name, _ in rows))
        self.class_of = {code: name for _, name, code in rows}
        codes = _table(root / "codes.csv", ";", ("Code Culture", "Libellé Culture", "Code Groupe Culture"))
        self.known = codes is not None
        listed = [] if codes is None else zip(*(codes[column] for column in codes.columns[:3]), strict=True)
        self.french, self.groups = {}, {}
        for code, name, group in listed:
            self.french[code.strip()] = name.strip()
            self.groups[code.strip()] = int(group) if group.strip().isdigit() else None

    def legend(self, counts: Counter[str]) -> tuple[LegendClass, ...]:
        """Every crop code of codes.csv, of the mapping and of the parcels. The keys 1 ... 9, 0 go to each class's commonest crop."""
        digits = {}
        for place, name in enumerate(self.learned[:10]):
            crops = [crop for crop, learned in self.class_of.items() if learned == name]
            digits[max(crops, key=lambda crop: (counts[crop], crop))] = (place + 1) % 10
        crops = {crop for crop in (*self.french, *self.class_of, *counts) if names.code_of(crop)}
        return tuple(self._entry(crop, digits.get(crop)) for crop in sorted(crops))

    def _entry(self, crop: str, digit: int | None) -> LegendClass:
        learned, group = self.class_of.get(crop), self.groups.get(crop)
        wears = names.CLASSES.get(learned, (None, None))[1] or names.GROUPS.get(group, (None, None))[1]
        return LegendClass(
            names.code_of(crop),
            names.english(crop, group, learned),
            self.french.get(crop, f"Code {crop}"),
            names.colour(wears),
            learned,
            digit,
        )

    def classes(self) -> tuple[LearnedClass, ...]:
        said = [(name, *names.CLASSES.get(name, (name, None))) for name in self.learned]
        return tuple(LearnedClass(name, french, names.colour(wears)) for name, french, wears in said)


def _table(path: Path, separator: str, columns: tuple[str, ...]) -> "DataFrame | None":
    """Those columns of a CSV file, in that order, as text; None where the file or a column is missing."""
    import pandas as pd

    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding=encoding)[list(columns)]
        except (OSError, KeyError, pd.errors.ParserError, pd.errors.EmptyDataError):
            return None
        except UnicodeDecodeError:
            continue
    return None


def _longest(folder: Folder) -> int:
    """The longest series by any index of the folder, wanted or not, so that regions can be imported one after the other."""
    import pandas as pd

    longest = 0
    for path in sorted(folder.path.glob("*.csv")):
        try:
            lengths = pd.read_csv(path, usecols=["sequencelength"], dtype=str)["sequencelength"]
            longest = max(longest, int(pd.to_numeric(lengths, errors="coerce").max()))
        except (ValueError, OSError):
            continue  # the report names it
    return longest


def _spec(folder: Folder, name: str, crops: Crops, counts: Counter[str]) -> CollectionSpec:
    what = {"L1C": "top of atmosphere", "L2A": "surface reflectance"}[folder.level]
    return CollectionSpec(
        name=name,
        title=f"BreizhCrops {folder.year}, {what} (parcel means)",
        bands=BANDS[folder.level],
        level=folder.level,
        slots=tuple(str(slot) for slot in range(1, _longest(folder) + 1)),
        height=1,
        width=1,
        composites=False,
        simulated=False,
        licence=LICENCE,
        attribution=(
            "BreizhCrops (Rußwurm, Pelletier, Zollner, Lefèvre, Körner 2020, doi:10.5194/isprs-archives-XLIII-B2-2020-1545-2020). Parcels: "
            f"Registre parcellaire graphique (IGN, ASP). Contains modified Copernicus Sentinel data {folder.year}."
        ),
        legend=crops.legend(counts),
        learned=crops.classes(),
        aligned=False,
        packed=True,
        origin={"source": "BreizhCrops", "year": folder.year, "level": folder.level},
    )


def _remark_codes(crops: Crops, counts: Counter[str], report: Report) -> None:
    if not crops.known:
        report.remark("no crop names", "codes.csv", "missing or without its columns; crops keep their codes")
    for crop, count in sorted(counts.items()):
        if not names.code_of(crop):
            report.remark("crop code that is none", crop or "(empty)", f"{count} parcels have no inventory label")
        elif crop not in crops.class_of:
            report.remark("crop that classmapping.csv lacks, not learned", crop, f"{count} parcels")
        if names.code_of(crop) and crops.known and crop not in crops.french:
            report.remark("crop code that codes.csv lacks", crop, f"{count} parcels")


class _Region:
    """A region's files, open while its shards are made. Outlines are read when they are first needed."""

    def __init__(self, folder: Folder, region: str, index: "DataFrame", slots: int, report: Report) -> None:
        self.folder, self.region, self.slots = folder, region, slots
        self.index = index.set_index("name")
        self.shapefile = folder.outlines(region)
        if self.shapefile is None:
            report.remark("positions unknown", region, f"no {region}.shp: {len(index)} parcels stand at the middle of the region")

    def __enter__(self) -> "_Region":
        import h5py

        self.file = h5py.File(self.folder.path / f"{self.region}.h5", "r")
        spread = self.index["path"].iloc[np.unique(np.linspace(0, len(self.index) - 1, PROBED).astype(int))]
        found = [series for series in map(self._read, spread) if isinstance(series, np.ndarray)]
        self.order = column_order(found, self.folder.level)
        self.brightness = _medians(found, len(self.order))[self.order.index("B08")]
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def plan(self) -> list[tuple[str, list[str]]]:
        """Shards with the names of their parcels: by length of the series, so that the shards need little padding."""
        shards: list[list[str]] = []
        shortest = dates = 0
        for name, length in self.index["length"].sort_values(kind="stable").items():
            if not shards or dates + length > SHARD_DATES or length > shortest * LONGEST_TO_SHORTEST:
                shards.append([])
                shortest, dates = length, 0
            shards[-1].append(name)
            dates += length
        return [(f"{self.region}-{number:04d}", named) for number, named in enumerate(shards)]

    def make(self, wanted: list[str]) -> tuple[Batch | None, Report]:
        """The parcels of a shard that can be made."""
        report, found = Report(), {}
        for name, path in zip(wanted, self.index.loc[wanted, "path"], strict=True):
            series = self._read(path)
            if isinstance(series, np.ndarray) and series.ndim == 2 and series.shape[1] == len(self.order) and len(series) <= self.slots:
                found[name] = series
            else:
                self._leave_out(report, name, series)
        if not found:
            return None, report
        made = decoded(list(found.values()), self.order, self.folder.level, self.folder.year)
        for name, dropped in zip(found, made.dropped, strict=True):
            if dropped:
                report.remark("dates without a day or a value, or twice", name, f"{dropped} left out")
        kept = made.dates.any(axis=1)
        for name in np.array(list(found))[~kept]:
            report.leave_out("empty sequence", str(name), "no date has a value")
        if not kept.any():
            return None, report
        named = [name for name, keep in zip(found, kept, strict=True) if keep]
        return self._batch(named, made.pixels[kept], made.dates[kept], made.quality[kept], report), report

    def _read(self, path: str) -> np.ndarray | str:
        """A series, or what is wrong with it."""
        import h5py

        try:
            dataset = self.file[path]
            is_numbers = isinstance(dataset, h5py.Dataset) and dataset.dtype.kind in "fiu"
            return dataset[()] if is_numbers else f"{path} is no array of numbers"
        except KeyError:
            return ""
        except (OSError, ValueError, RuntimeError) as error:
            return str(error)

    def _leave_out(self, report: Report, name: str, series: np.ndarray | str) -> None:
        if isinstance(series, str):
            kind = "parcel that cannot be read from the series file" if series else "parcel missing in the series file"
            report.leave_out(kind, name, series or str(self.index.at[name, "path"]))
        elif series.ndim != 2 or series.shape[1] != len(self.order):
            report.leave_out("series of another shape", name, f"{series.shape}; {len(self.order)} columns are expected")
        else:
            report.leave_out("series longer than the index says", name, f"{len(series)} dates; the longest is given as {self.slots}")

    def _batch(self, named: list[str], pixels: np.ndarray, dates: np.ndarray, quality: np.ndarray, report: Report) -> Batch:
        rows = self.index.loc[named]
        lon, lat, transforms, polygons = self._positions(named, rows["id"].to_numpy(), report)
        codes = np.array([names.code_of(crop) for crop in rows["crop"]], dtype=np.int64)
        return Batch(named, self.region, self.folder.year, lon, lat, transforms, polygons, codes, pixels, dates, quality)

    def _positions(self, named: list[str], numbers: np.ndarray, report: Report) -> tuple[np.ndarray, np.ndarray, list, list]:
        """Longitude and latitude of a point inside, transform and GeoJSON text of every parcel."""
        import shapely

        centre = CENTRES.get(self.region, BRITTANY)
        lon, lat = np.full(len(named), centre[0]), np.full(len(named), centre[1])
        transforms: list[tuple[float, ...]] = [(0.001, 0.0, centre[0] - 0.0005, 0.0, -0.001, centre[1] + 0.0005)] * len(named)
        polygons: list[str | None] = [None] * len(named)
        if self.outlines is None:
            return lon, lat, transforms, polygons
        shapes = self.outlines.reindex(numbers)
        known = np.flatnonzero(~(shapes.isna() | shapes.is_empty).to_numpy())
        for row in np.setdiff1d(np.arange(len(named)), known):
            report.remark("no outline in the shapefile, placed at the middle of the region", named[row])
        found = shapes.iloc[known].to_crs(4326).to_numpy()
        inside = shapely.point_on_surface(np.where(shapely.is_valid(found), found, shapely.convex_hull(found)))
        lon[known], lat[known] = shapely.get_x(inside), shapely.get_y(inside)
        texts = shapely.to_geojson(shapely.transform(found, lambda vertices: vertices.round(7)))  # a centimetre
        for row, (west, south, east, north), text in zip(known, shapely.bounds(found).tolist(), texts, strict=True):
            transforms[row], polygons[row] = (east - west, 0.0, west, 0.0, south - north, north), str(text)
        return lon, lat, transforms, polygons

    @cached_property
    def outlines(self) -> "GeoSeries | None":
        """Parcel number -> outline in the shapefile's CRS; None without a shapefile."""
        return None if self.shapefile is None else _outlines(self.shapefile)


def _outlines(path: Path) -> "GeoSeries | None":
    """Parcel number -> outline; Lambert-93 where the shapefile has no .prj, as all that are published. None where it cannot be read."""
    import geopandas
    from pyogrio.errors import DataSourceError

    try:
        table = geopandas.read_file(path)
    except (DataSourceError, OSError, ValueError):
        return None
    column = next((name for name in ("ID", "ID_PARCEL", "id") if name in table.columns), None)
    if column is None:
        return None
    shapes = table.set_crs(2154) if table.crs is None else table
    series = shapes.set_index(shapes[column].astype(np.int64)).geometry
    return series[~series.index.duplicated()]


def column_order(series: list[np.ndarray], level: str) -> tuple[str, ...]:
    """The known order of columns in which the series' medians come nearest to a typical spectrum (least squares of logarithms).

    B10, the cirrus band, is a hundred times darker than any other, and B08 some three times brighter than B02: orders differ by a
    factor that no crop or cloud makes up for.

    Args:
        series: (dates, columns) arrays as they are in the file; those of another width are passed over.
    """
    logarithms = np.log(np.maximum(1.0, np.nan_to_num(_medians(series, len(ORDERS[level][0])))))

    def distance(order: tuple[str, ...]) -> float:
        return sum((logarithms[place] - np.log(TYPICAL[band])) ** 2 for place, band in enumerate(order) if band in TYPICAL)

    return min(ORDERS[level], key=distance)


def _medians(series: list[np.ndarray], width: int) -> np.ndarray:
    """(width,) median of every column over the dates of all series of that width that have a value; NaN where none has."""
    fitting = [values for values in series if values.ndim == 2 and values.shape[1] == width]
    stacked = np.concatenate([np.full((1, width), np.nan), *fitting]).astype(np.float64)
    stacked[stacked <= 0] = np.nan
    known = np.isfinite(stacked).any(axis=0)
    return np.where(known, np.nanmedian(np.where(known, stacked, 0.0), axis=0), np.nan)


@dataclass(frozen=True)
class Decoded:
    """N series as stored: pixels (N, T, B) uint16, dates (N, T) uint16 days, quality (N, T) uint8, see `packed.Batch`.

    T is the longest of them. dropped: (N,) dates that are not kept: without a day or a value, or a day's second.
    """

    pixels: np.ndarray
    dates: np.ndarray
    quality: np.ndarray
    dropped: np.ndarray


def decoded(series: list[np.ndarray], order: tuple[str, ...], level: str, year: int) -> Decoded:
    """Series as they are in the file, in time order and as pixels.

    Args:
        series: N arrays (dates, columns); reflectance x 10 000 as parcel means, `doa` as nanoseconds since 1970 (or a coarser unit).
        order: names of the columns.
        year: dates outside of it and its two neighbours count as none.
    """
    parcel = np.repeat(np.arange(len(series)), [len(values) for values in series])
    flat = np.concatenate(series).astype(np.float64)
    columns = {name: flat[:, place] for place, name in enumerate(order)}
    day = _days(columns["doa"])
    pixels = _pixels(np.stack([columns[band] for band in BANDS[level]], axis=1))
    good = np.flatnonzero((np.abs(_year(day) - year) <= 1) & pixels.any(axis=1))
    good = good[np.lexsort((day[good], parcel[good]))]
    same = (np.diff(parcel[good]) == 0) & (np.diff(day[good]) == 0)
    kept = good[np.concatenate([[True], ~same])[: len(good)]]
    counts = np.bincount(parcel[kept], minlength=len(series))
    slot = np.arange(len(kept)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(series), max(1, int(counts.max(initial=0))))
    result = Decoded(
        np.zeros((*shape, pixels.shape[1]), np.uint16), np.zeros(shape, np.uint16), np.zeros(shape, np.uint8),
        np.bincount(parcel, minlength=len(series)) - counts,
    )  # fmt: skip
    place = parcel[kept], slot
    result.pixels[place] = pixels[kept]
    result.dates[place] = day[kept].astype(np.int64)
    result.quality[place] = _quality(pixels[kept], {name: values[kept] for name, values in columns.items()}, level)
    return result


def _days(acquired: np.ndarray) -> np.ndarray:
    """(n,) datetime64[D]; not a time where there is none.

    The package writes what pandas made of a column of dates: nanoseconds since 1970, by newer versions micro-, milliseconds or seconds,
    and of dates written as the number yyyymmdd that number.
    """
    known = np.isfinite(acquired) & (acquired > 0)
    number = np.where(known, acquired, 1e9)
    seconds = number / 1000.0 ** np.round((np.log10(number) - 9.3) / 3)
    days = np.floor(np.clip(seconds, 0, 1e10) / 86_400 + 1e-6).astype("datetime64[D]")
    written = (number > 1900_00_00) & (number < 2100_00_00)
    if written.any():
        plain = number[written].astype(np.int64)
        months = ((plain // 10_000 - 1970) * 12 + plain // 100 % 100 - 1).astype("datetime64[M]")
        days[written] = months.astype("datetime64[D]") + (plain % 100 - 1)
    days[~known] = np.datetime64("NaT")
    return days


def _year(days: np.ndarray) -> np.ndarray:
    """(n,) calendar year; 0 where there is no time."""
    return np.where(np.isnat(days), 0, days.astype("datetime64[Y]").astype(np.int64) + 1970)


def _pixels(values: np.ndarray) -> np.ndarray:
    """Reflectance x 10 000 as uint16, at least 1; 0 where there is no data: no number, exactly 0, or far below 0."""
    known = np.isfinite(values) & (values != 0) & (values > NO_DATA_BELOW)
    return np.where(known, np.clip(np.rint(np.where(known, values, 0)), 1, 65_535), 0).astype(np.uint16)


def _quality(pixels: np.ndarray, columns: dict[str, np.ndarray], level: str) -> np.ndarray:
    """(n,) uint8 positions in `packed.QUALITIES`.

    bad: blue or near-infrared is missing, or (L2A) a part of the parcel lies beyond the image's edge or is saturated. cloud: the source's
    mask says so, that is QA60 for half of the parcel (L1C) or CLD for any part of it (L2A), or the parcel is too bright in the blue
    or too dark in the near-infrared (`data.screening`), because QA60 misses many clouds.
    """
    seen = {band: reflectance(pixels[:, BANDS[level].index(band)]) for band in ("B02", "B08")}
    bad = ~(np.isfinite(seen["B02"]) & np.isfinite(seen["B08"]))
    if level == "L1C":
        masked = columns["QA60"] / OPAQUE >= screening.CLEAR_ENOUGH
    else:
        masked = columns["CLD"] > 0
        bad |= (columns["EDG"] > 0) | (columns["SAT"] > 0)
    cloudy = masked | ~screening.clear_pixels(seen, level)
    return np.select([bad, cloudy], [packed.BAD, packed.CLOUD], packed.OK).astype(np.uint8)
