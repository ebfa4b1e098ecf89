"""The manifest of a folder of rasters: a CSV with a row an image, or file names that follow a pattern. Reads text only, no raster."""

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from data.errors import BadInput
from data.importers.described import Options
from data.report import Report

NAMES = ("manifest.csv", "index.csv")
PATTERN = "{sample}_{date}"
RASTERS = (".tif", ".tiff")
CUBES = (".nc", ".nc4", ".h5", ".zarr")
# What a column may be called, in lower case.
COLUMNS = {
    "sample": ("sample", "sample_id", "sample_name", "patch"),
    "site": ("site", "field", "parcel", "point", "plot", "location"),
    "date": ("date", "acquired", "datetime", "timestamp", "time", "month"),
    "file": ("file", "path", "filename", "raster", "image"),
    "crop": ("crop", "crop_name", "class", "class_name", "label"),
    "code": ("code", "crop_code", "class_code", "label_code"),
    "inventory_code": ("inventory_code",),
    "region": ("region", "province", "state", "country"),
    "year": ("year",),
    "lon": ("lon", "longitude", "lng"),
    "lat": ("lat", "latitude"),
    "part": ("part", "split_part", "fold"),
    "quality": ("quality",),
    "scl": ("scl", "scl_file"),
    "inventory": ("inventory", "inventory_file"),
    "interpolated": ("interpolated",),
    "sources": ("sources", "source", "scenes"),
}
PLACEHOLDERS = {"date": r"\d{4}-?\d{2}(?:-?\d{2})?", "year": r"\d{4}", **dict.fromkeys(("sample", "site", "crop", "region"), r"[^/]+")}
OF_THE_SAMPLE = ("site", "year", "crop", "code", "inventory_code", "region", "lon", "lat", "part")  # the same in all of its rows
HELP = (
    "A manifest is a CSV named manifest.csv or index.csv (or --manifest FILE) with a row an image and at least the columns "
    "sample (or site), date and file, as in\n  sample,date,file,crop,region\n  a1,2021-06-15,a1/a1_2021-06-15.tif,Barley,Alberta\n"
    f"Without one, files are taken that are named {PATTERN}.tif, or as --pattern says."
)


@dataclass(frozen=True)
class ImageRow:
    """A file of a sample. date: ISO or YYYY-MM; empty for a cube, which brings its own. The optional files are None where not told."""

    file: Path
    date: str
    quality: str | None = None
    interpolated: bool = False
    sources: tuple[str, ...] = ()
    scl: Path | None = None
    inventory: Path | None = None


@dataclass
class Entry:
    """A sample as the manifest says it.

    named: whether the manifest names it; a cube that it does not name stands here under its file, until its years are known.
    crop: a name, a code or empty. lon, lat: EPSG:4326, or None where not told.
    """

    name: str
    named: bool
    site: str
    year: int | None
    crop: str
    region: str
    lon: float | None
    lat: float | None
    part: str | None
    images: list[ImageRow] = field(default_factory=list)


def read(folder: Path, file: Path | None, pattern: str | None, options: Options, report: Report) -> list[Entry]:
    """The samples of a folder by name, each with its images by date.

    A row without a sample has the name of its site and the year of its date. Rows and samples that cannot be used go to `report`:
    files that are missing or lie outside the folder, dates that are none, a date that a sample has twice (the first one counts),
    samples whose rows disagree.

    Raises:
        BadInput: there is no manifest and no file that follows the pattern, or the manifest lacks a needed column.
    """
    file = file or next((folder / name for name in NAMES if (folder / name).is_file()), None)
    rows = _rows(file, options) if file and not pattern else _matching(folder, pattern, report)
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for at, row in rows:
        problem = _problem(folder, row)
        if problem:
            report.leave_out(problem[0], at, problem[1])
        else:
            found[_name(row)].append(row | {"at": at})
    entries = [entry for name, of_it in sorted(found.items()) if (entry := _entry(folder, name, of_it, options, report))]
    return list(one_a_year(entries, report))


def one_a_year(entries: Iterable[Entry], report: Report) -> Iterator[Entry]:
    """The entries without those that are a second sample of a site in the same year."""
    first: dict[tuple[str, int | None], str] = {}
    for entry in entries:
        known = first.setdefault((entry.site, entry.year), entry.name)
        if entry.year is None or known == entry.name:
            yield entry
        else:
            report.leave_out("second samples of a site in one year", entry.name, f"{entry.site} {entry.year} is {known}")


def is_cube(file: Path) -> bool:
    return file.suffix.lower() in CUBES


def _rows(file: Path, options: Options) -> Iterator[tuple[str, dict[str, str]]]:
    """Where in the file, and the row under our own column names, without what is empty."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The manifest {file} cannot be read: {error}. {HELP}") from error
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    header = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    ours = {column: header[alias] for column, aliases in COLUMNS.items() for alias in reversed(aliases) if alias in header}
    lacks = [" or ".join(names) for names in (("sample", "site"), ("file",)) if not set(names) & set(ours)]
    if lacks:
        raise BadInput(f"The manifest {file} has no column {' and none '.join(lacks)}; it has {', '.join(header) or 'none'}. {HELP}")
    if options.labels == "inventory" and "inventory_code" not in ours:
        raise BadInput(f"--labels inventory takes the column inventory_code, which {file} lacks. Leave the option out to take the crop.")
    for number, row in enumerate(reader, start=2):
        told = {column: (row[name] or "").strip() for column, name in ours.items()}
        yield f"{file.name} line {number}", {column: value for column, value in told.items() if value}


def _matching(folder: Path, pattern: str | None, report: Report) -> list[tuple[str, dict[str, str]]]:
    """The rasters of a folder as rows, told by their names."""
    wanted = _regex(pattern or PATTERN)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in RASTERS)
    cubes = [] if pattern else sorted(path.relative_to(folder) for path in folder.glob("*") if is_cube(path))
    rows = [(str(path), {"site": path.stem, "file": str(path)}) for path in cubes]
    strange = []
    for path in files:
        text = path.with_suffix("").as_posix() if "/" in (pattern or "") else path.stem
        match = wanted.fullmatch(text)
        rows += [(str(path), match.groupdict() | {"file": str(path)})] if match else []
        strange += [] if match else [str(path)]
    if not rows:
        raise BadInput(f"{folder} has no manifest, and none of its {len(files)} GeoTIFFs is named {pattern or PATTERN}. {HELP}")
    for name in strange:
        report.leave_out("file names that do not follow the pattern", name, pattern or PATTERN)
    return rows


def _regex(pattern: str) -> re.Pattern:
    parts = re.split(r"\{(\w+)\}", pattern.removesuffix(".tif"))
    names = parts[1::2]
    if not {"date"} <= set(names) <= set(PLACEHOLDERS) or not {"sample", "site"} & set(names) or len(set(names)) < len(names):
        raise BadInput(
            f"--pattern {pattern} cannot be followed: it needs {{sample}} or {{site}} and {{date}}, and may have {{crop}}, {{region}} "
            "and {year}, each once."
        )
    return re.compile("".join(f"(?P<{part}>{PLACEHOLDERS[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def _problem(folder: Path, row: dict[str, str]) -> tuple[str, str] | None:
    """Why a row cannot be used, as kind and fact; normalises its date."""
    if "file" not in row or not {"sample", "site"} & set(row):
        return "rows without a sample or a file", ""
    for column in ("file", "scl", "inventory"):
        if column in row and _inside(folder, row[column]) is None:
            return "paths that lead out of the folder", row[column]
        if column in row and not _inside(folder, row[column]).exists():
            return "missing files", row[column]
    told = row.pop("date", "")
    if not is_cube(Path(row["file"])):
        row["date"] = _date(told)
        if not row["date"]:
            return "dates that are none", told or "empty"
    return None


def _inside(folder: Path, name: str) -> Path | None:
    """The file that a manifest names, or None if that is not under the folder."""
    path = os.path.normpath(name)
    return None if os.path.isabs(path) or path.split(os.sep)[0] == ".." or "\0" in name else folder / path


def _date(text: str) -> str:
    """YYYY-MM-DD or YYYY-MM of a date, a month or a timestamp, with or without hyphens; empty if it is none."""
    match = re.fullmatch(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?(?:[T ].*)?", text)
    if not match:
        return ""
    year, month, day = match.groups()
    try:
        date(int(year), int(month), int(day or 1))
    except ValueError:
        return ""
    return f"{year}-{month}-{day}" if day else f"{year}-{month}"


def _name(row: dict[str, str]) -> str:
    year = row.get("year") or row.get("date", "")[:4]
    return row.get("sample") or (f"{row['site']}-{year}" if year else row["file"])


def _entry(folder: Path, name: str, rows: list[dict[str, str]], options: Options, report: Report) -> Entry | None:
    try:
        told = {column: _agreed(column, rows) for column in OF_THE_SAMPLE}
        entry = Entry(
            name=name,
            named="sample" in rows[0],
            site=told["site"] or name,
            year=int(told["year"]) if told["year"] else None,
            crop=(told["inventory_code"] if options.labels == "inventory" else told["code"] or told["crop"]) or "",
            region=told["region"] or options.region or "unknown",
            lon=float(told["lon"]) if told["lon"] and told["lat"] else None,
            lat=float(told["lat"]) if told["lon"] and told["lat"] else None,
            part=told["part"],
        )
        if entry.lon is not None and not (abs(entry.lon) <= 180 and abs(entry.lat) <= 90):
            raise ValueError(f"lon {entry.lon:g}, lat {entry.lat:g} is no place on Earth; are they swapped?")
    except ValueError as error:
        report.leave_out("samples whose rows cannot be used", name, str(error))
        return None
    images: dict[str, ImageRow] = {}
    for row in rows:
        if row.get("date", "") in images:
            report.leave_out("images that a sample has twice", row["at"], f"{name} {row.get('date', '')}".strip())
        else:
            images[row.get("date", "")] = _image(folder, row)
    entry.images = [images[date] for date in sorted(images)]
    if entry.year is None and entry.images[0].date:
        entry.year = _year(image.date for image in entry.images)
    return entry


def _agreed(column: str, rows: list[dict[str, str]]) -> str | None:
    told = sorted({row.get(column, "") for row in rows})
    if len(told) > 1:
        raise ValueError(f"its rows say {column} {' and '.join(repr(value) for value in told)}")
    return told[0] or None


def _year(dates: Iterable[str]) -> int:
    """The year of most of the dates, of two the later one: a season that begins in autumn belongs to the year of its harvest."""
    counts = Counter(int(date[:4]) for date in dates)
    return max(counts, key=lambda year: (counts[year], year))


def _image(folder: Path, row: dict[str, str]) -> ImageRow:
    quality = row.get("quality", "").lower()
    return ImageRow(
        file=_inside(folder, row["file"]),
        date=row.get("date", ""),
        quality=quality if quality in {"ok", "cloud", "bad"} else None,
        interpolated=row.get("interpolated", "").lower() in {"1", "true", "yes"},
        sources=tuple(row.get("sources", "").split()),
        scl=_inside(folder, row["scl"]) if "scl" in row else None,
        inventory=_inside(folder, row["inventory"]) if "inventory" in row else None,
    )
