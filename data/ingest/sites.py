"""Places that a user gives, from a table or a vector file, as sites in longitude and latitude. Reads files; writes nothing.

Tables need columns of coordinates, found by their usual English or French names; vector files hold points or polygons in any CRS.
The rows come from `data.ingest.tables`.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from data.crop_names import crop_code, plain
from data.errors import BadInput
from data.ingest import tables
from data.ingest.tables import Table
from data.report import Report

SAME_M = 1.0  # sites closer than this are one
EARTH_M = 6_371_008.8  # mean radius (IUGG)
SEEN_SOUTH = -56.0  # Sentinel-2 takes no land further south (ESA, Sentinel-2 User Handbook)
CANADA = (-141.1, 41.6, -52.5, 83.2)  # west, south, east, north
NAME_LENGTH = 80

# What a column may be called: lower case, without accents and separators; the first that is there counts.
LON = ("longitude", "lon", "long", "lng", "longitud", "decimallongitude", "londd", "longdd", "pointx", "xcoord", "coordx", "x", "easting")
LAT = ("latitude", "lat", "latitud", "decimallatitude", "latdd", "pointy", "ycoord", "coordy", "y", "northing")
NAME = (
    "name", "nom", "site", "sitename", "siteid", "nomsite", "field", "fieldid", "fieldname", "parcel", "parcelid", "parcelle",
    "idparcelle", "champ", "point", "pointid", "plot", "plotid", "sample", "sampleid", "id", "uid", "fid", "objectid",
)  # fmt: skip
REGION = ("region", "province", "prov", "state", "etat", "county", "departement", "country", "pays", "territory", "territoire")
YEAR = ("year", "annee", "yr", "cropyear", "campagne", "season", "saison", "date")
CODE = ("acicode", "inventorycode", "aci")  # numbers in other columns may be another inventory's: only taken when named
CROP = ("crop", "cropname", "culture", "nomculture", "croptype", "typeculture", "label", "etiquette", "class", "classe", "landcover")
HINT = "Name the columns with --lon and --lat."


@dataclass(frozen=True)
class Site:
    """A place.

    name: unique in its file, ASCII letters, digits, dots, hyphens and underscores.
    lon, lat: degrees, EPSG:4326; of a polygon, a point inside its largest part.
    region: empty where the file has none.
    polygon: the field as GeoJSON Polygon or MultiPolygon, EPSG:4326, (longitude, latitude); None for a point.
    crop: ACI code; None where it is not known, or not the same in all years.
    years: ascending; None where the file names none.
    crops: year -> ACI code, of the years whose crop is known.
    """

    name: str
    lon: float
    lat: float
    region: str = ""
    polygon: dict | None = None
    crop: int | None = None
    years: tuple[int, ...] | None = None
    crops: dict[int, int] = field(default_factory=dict)

    def crop_in(self, year: int) -> int | None:
        """The ACI code of that year, or the one that holds for all; None where it is not known."""
        return self.crops.get(year, self.crop)


@dataclass
class _Row:
    """A row with a place, on its way to a site."""

    number: int
    name: str
    lon: float
    lat: float
    polygon: dict | None
    region: str
    crop: int | None
    years: tuple[int, ...]


def read(
    path: Path | str,
    *,
    lon: str | None = None,
    lat: str | None = None,
    name: str | None = None,
    region: str | None = None,
    crop: str | None = None,
    year: str | None = None,
    layer: str | None = None,
    crs: str | None = None,
) -> tuple[list[Site], Report]:
    """The sites of a file in its order, and what was left out or changed.

    Rows at the same place (within 1 m) with different years are one site of several years.

    Args:
        lon, lat, name, region, crop, year: columns, where they are not found by their usual English or French names. Columns named
            for lon and lat are taken as they are, even if they look swapped.
        layer: of a file with several.
        crs: of the coordinates, instead of what the file says; EPSG:4326 for a table if not given.

    Raises:
        BadInput: the file cannot be read or is empty, lacks coordinates or a CRS, looks swapped or projected, or gives no site at all.
    """
    path, report = Path(path), Report()
    table = tables.read(path, layer)
    if not len(table):
        raise BadInput(f"{path} has no rows. Give a file with a row a site.")
    chosen = {part: _asked(path, table, column) for part, column in (("name", name), ("region", region), ("crop", crop), ("year", year))}
    names = names_of(table, chosen["name"])
    places = _places(path, table, names, lon, lat, crs, report)
    rows = list(_rows(table, names, places, chosen, report))
    sites = _sites(rows, report)
    if not sites:
        raise BadInput(f"None of the {len(table)} rows of {path} gives a site. {report.text()}")
    return sites, report


# Columns


def _asked(path: Path, table: Table, column: str | None) -> str | None:
    """The column of this name, whatever its case; None if none is asked for."""
    if column is None or column in table.columns:
        return column
    found = next((known for known in table.columns if known.lower() == column.lower()), None)
    if found is None:
        raise BadInput(f"{path} has no column {column!r}. It has {', '.join(table.columns) or 'none'}.")
    return found


def _usual(table: Table, names: Sequence[str]) -> list[str]:
    """The columns that are called so, in the order of `names`; those that hold such a word among others come last."""
    told = {column: plain(column) for column in table.columns}
    whole = [column for name in names for column, text in told.items() if text.replace(" ", "") == name]
    words = [column for name in names if len(name) > 2 for column, text in told.items() if name in text.split()]
    return list(dict.fromkeys((*whole, *words)))


def _first_usual(table: Table, names: Sequence[str]) -> str | None:
    return next(iter(_usual(table, names)), None)


def _cell(value: object) -> str:
    """A value as text: without blanks around it, whole numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def names_of(table: Table, asked: str | None) -> list[str]:
    """A name a row, safe for files, empty where there is none: of the column asked for, or the first usual one that tells rows apart."""
    for column in [asked] if asked else _usual(table, NAME):
        names = _apart([_cell(value) for value in table.columns[column]])
        if asked or len(set(names) - {""}) * 2 > len(table):
            return names
    return [""] * len(table)


def _apart(told: list[str]) -> list[str]:
    """The names made safe; different ones stay different by a number at the end."""
    safe: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(told):
        plain = _safe(text)
        tries = chain([plain], (f"{plain}_{number}" for number in count(2)))
        safe[text] = next(name for name in tries if not plain or name not in taken)
        taken.add(safe[text])
    return [safe[text] for text in told]


def _safe(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "_", folded).strip("._- ")[:NAME_LENGTH]


# Places


def _places(
    path: Path, table: Table, names: list[str], lon: str | None, lat: str | None, crs: str | None, report: Report
) -> list[tuple[float, float, dict | None] | None]:
    """Longitude, latitude and polygon of each row; None for those that go to the report."""
    labels = [name or f"row {number}" for name, number in zip(names, table.numbers, strict=True)]
    if lon is None and lat is None and table.geometry is not None:
        told = "The coordinates"
        x, y, polygons = _of_geometry(path, table, labels, crs, report)
        way = "Longitude comes first in such files: swap them; or give --sites-crs EPSG:4326 if they are right as they are."
    else:
        east, north = _coordinate_columns(path, table, lon, lat)
        told = f"The columns {east} (longitude) and {north} (latitude)"
        x, y = _of_columns(table, labels, east, north, crs, report)
        polygons = [None] * len(table)
        way = f"Try --lon {north} --lat {east}; or --lon {east} --lat {north} if they are right as they are."
    if crs is None:
        _check_metres(path, told, x, y)
    forced = (lon is not None and lat is not None) or (table.geometry is not None and crs is not None)
    if not forced and _swapped(x, y):
        at = int(np.flatnonzero(np.isfinite(x))[0])
        raise BadInput(f"{told} of {path} seem to be swapped: {labels[at]} lies at longitude {x[at]:g}, latitude {y[at]:g}. {way}")
    return [_place(label, *place, report) for label, *place in zip(labels, x, y, polygons, strict=True)]


def _place(label: str, lon: float, lat: float, polygon: dict | None, report: Report) -> tuple[float, float, dict | None] | None:
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return None  # told already
    told = f"longitude {lon:g}, latitude {lat:g}"
    if abs(lon) <= 90 < abs(lat) <= 180:
        report.leave_out("swapped longitude and latitude", label, told)
    elif abs(lon) > 180 or abs(lat) > 90:
        report.leave_out("coordinates out of range", label, told)
    elif lon == lat == 0:
        report.leave_out("missing coordinates", label, told)
    else:
        return float(lon), float(lat), polygon
    return None


def _check_metres(path: Path, told: str, x: np.ndarray, y: np.ndarray) -> None:
    finite = np.isfinite(x) & np.isfinite(y)
    far = finite & ((np.abs(x) > 360) | (np.abs(y) > 360))
    if far.sum() * 2 > finite.sum():
        at = int(np.flatnonzero(far)[0])
        raise BadInput(
            f"{told} of {path} are no degrees (row {at + 1}: {x[at]:g}, {y[at]:g}); they may be metres of a projection. "
            "Name it, as in --sites-crs EPSG:3978."
        )


def _swapped(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether longitude x and latitude y look swapped, as a whole.

    Most places lie where no field can be, south of what Sentinel-2 takes or beyond the poles, and would not if swapped; or none lies
    in Canada, and swapped all would.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if not len(x):
        return False
    wrong = (y < SEEN_SOUTH) | (y > 90)
    better = wrong & (np.abs(x) <= 90) & (x >= SEEN_SOUTH) & (np.abs(y) <= 180)
    west, south, east, north = CANADA
    here = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    there = (y >= west) & (y <= east) & (x >= south) & (x <= north)
    return bool(better.sum() * 2 > len(x) or (there.all() and not here.any()))


def _coordinate_columns(path: Path, table: Table, lon: str | None, lat: str | None) -> tuple[str, str]:
    east = _asked(path, table, lon) if lon else _first_usual(table, LON)
    north = _asked(path, table, lat) if lat else _first_usual(table, LAT)
    if east is None or north is None or east == north:
        raise BadInput(
            f"{path} has no columns of longitude and latitude that can be told by their names. Its first line names the columns "
            f"{', '.join(table.columns) or '(none)'}. {HINT}"
        )
    return east, north


def _of_columns(table: Table, labels: list[str], east: str, north: str, crs: str | None, report: Report) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude by row, NaN where there are none."""
    x, y = np.full(len(table), np.nan), np.full(len(table), np.nan)
    for at, cells in enumerate(zip(table.columns[east], table.columns[north], strict=True)):
        numbers = [_number(cell) for cell in cells]
        if None not in numbers:
            x[at], y[at] = numbers
        elif any(not _cell(cell) for cell in cells):
            report.leave_out("missing coordinates", labels[at], f"{east} {_cell(cells[0])!r}, {north} {_cell(cells[1])!r}")
        else:
            report.leave_out("coordinates that are no numbers", labels[at], f"{east} {_cell(cells[0])!r}, {north} {_cell(cells[1])!r}")
    if crs is None:
        return x, y
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(_crs(crs), 4326, always_xy=True).transform(x, y)
    for at in np.flatnonzero(np.isfinite(x) & ~np.isfinite(lon)):
        report.leave_out("coordinates outside the CRS", labels[at], f"{x[at]:g}, {y[at]:g}")
    return np.where(np.isfinite(lon), lon, np.nan), np.where(np.isfinite(lat), lat, np.nan)


def _number(cell: object) -> float | None:
    text = _cell(cell).replace("\N{MINUS SIGN}", "-").rstrip("°").replace("\N{NO-BREAK SPACE}", "")
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _crs(text: Any) -> Any:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise BadInput(f"There is no CRS {text!r}. Give one as EPSG:3978.") from error


def _of_geometry(
    path: Path, table: Table, labels: list[str], crs: str | None, report: Report
) -> tuple[np.ndarray, np.ndarray, list[dict | None]]:
    """Longitude and latitude by row, NaN where there are none, and the polygons."""
    import geopandas as gpd

    known = _crs(crs) if crs else table.crs
    if known is None:
        raise BadInput(
            f"{path} does not say its CRS (a Shapefile does in its .prj). Name it, as in --sites-crs EPSG:4326 or --sites-crs EPSG:3978."
        )
    shapes = [shape_of(label, shape, report) for label, shape in zip(labels, table.geometry, strict=True)]
    moved = gpd.GeoSeries(shapes, crs=known).to_crs(4326)  # longitude first
    x, y = np.full(len(table), np.nan), np.full(len(table), np.nan)
    polygons: list[dict | None] = [None] * len(table)
    for at, shape in enumerate(moved):
        if shape is None:
            continue
        if not np.isfinite(shape.bounds).all():
            report.leave_out("coordinates outside the CRS", labels[at], f"{shapes[at].bounds}")
            continue
        point = _largest(shape).representative_point()
        x[at], y[at] = point.x, point.y
        if shape.geom_type != "Point":
            polygons[at] = json.loads(json.dumps(shape.__geo_interface__))
    return x, y, polygons


def shape_of(label: str, shape: Any, report: Report) -> Any:
    """The Point, Polygon or MultiPolygon of a row, in two dimensions and valid; None where there is none."""
    import shapely

    if shape is None or shape.is_empty:
        report.leave_out("empty geometries", label)
        return None
    shape = shapely.force_2d(shape)
    if shape.geom_type == "MultiPoint" and len(shape.geoms) == 1:
        shape = shape.geoms[0]
    if shape.geom_type == "Point":
        return shape
    if shape.geom_type not in ("Polygon", "MultiPolygon", "GeometryCollection"):
        report.leave_out("neither points nor polygons", label, shape.geom_type)
        return None
    fault = "" if shape.is_valid else shapely.is_valid_reason(shape)
    polygons = [part for part in _parts(shapely.make_valid(shape)) if part.geom_type == "Polygon" and part.area > 0]
    if not polygons:
        report.leave_out("polygons without an area", label, fault or shape.geom_type)
        return None
    if fault:
        report.remark("polygons repaired", label, fault)
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _parts(shape: Any) -> Iterator[Any]:
    return chain.from_iterable(map(_parts, shape.geoms)) if hasattr(shape, "geoms") else iter([shape])


def _largest(shape: Any) -> Any:
    return max(_parts(shape), key=lambda part: part.area)


# Rows to sites


def _rows(table: Table, names: list[str], places: list, chosen: dict[str, str | None], report: Report) -> Iterator[_Row]:
    region = chosen["region"] or _first_usual(table, REGION)
    year = chosen["year"] or _first_usual(table, YEAR)
    crop = chosen["crop"] or _crop_column(table, report)
    unknown: Counter[str] = Counter()
    for at, place in enumerate(places):
        if place is None:
            continue
        label = names[at] or f"row {table.numbers[at]}"
        told = _cell(table.columns[crop][at]) if crop else ""
        code = crop_code(told) or None
        unknown[told] += code is None and told not in ("", "0")
        years = _years(label, table.columns[year][at], report) if year else ()
        yield _Row(table.numbers[at], names[at], *place, _cell(table.columns[region][at]) if region else "", code, years)
    for told, rows in unknown.items():
        if rows:
            report.remark("crops that the inventory does not name", told, f"{rows} rows, without a label")


def _crop_column(table: Table, report: Report) -> str | None:
    """The column of inventory codes, else of crop names that are known for at least half of its cells."""
    for column in [*_usual(table, CODE), *_usual(table, CROP)]:
        told = [text for value in table.columns[column] if (text := _cell(value)) not in ("", "0")]
        known = sum(crop_code(text) is not None for text in told)
        if column not in _usual(table, CODE) and told and all(re.fullmatch(r"[\d.]+", text) for text in told):
            report.remark("columns that are not read", column, f"if its numbers are ACI codes, give --crop-column {column}")
        elif told and known * 2 >= len(told):
            return column
    return None


def _years(label: str, value: object, report: Report) -> tuple[int, ...]:
    """2021; 2019, 2020; 2018-2020 (all three); the year of a date."""
    text = _cell(getattr(value, "year", value))
    span = re.fullmatch(r"((?:19|20)\d\d)\s*[-–/]\s*((?:19|20)\d\d)", text)
    if span and span[1] <= span[2]:
        return tuple(range(int(span[1]), int(span[2]) + 1))
    found = sorted({int(year) for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", text)})
    if text and not found:
        report.remark("years that are none", label, text)
    return tuple(found)


def _sites(rows: list[_Row], report: Report) -> list[Site]:
    """One site a place, its years together; names made unique and complete."""
    groups: list[list[_Row]] = []
    of_row: dict[int, list[_Row]] = {}
    of_name: dict[str, list[_Row]] = {}
    near = _near(rows)
    for at, row in enumerate(rows):
        known = next((of_row[other] for other in near.get(at, ()) if other in of_row), None)
        if known is not None and _other_years(known, row):
            known.append(row)
            of_row[at] = known
        elif known is not None:
            report.leave_out("duplicate sites", row.name or f"row {row.number}", f"row {row.number} lies on row {known[0].number}")
        elif row.name and row.name in of_name:
            first = of_name[row.name][0]
            report.leave_out("duplicate sites", row.name, f"row {row.number} has the name of row {first.number} at another place")
        else:
            groups.append([row])
            of_row[at] = of_name[row.name] = groups[-1]
    width = len(str(rows[-1].number)) if rows else 1
    taken = {group[0].name for group in groups}
    return [_site(group, taken, width) for group in groups]


def _other_years(group: list[_Row], row: _Row) -> bool:
    seen = {year for known in group for year in known.years}
    return bool(row.years) and bool(seen) and not seen & set(row.years)


def _site(group: list[_Row], taken: set[str], width: int) -> Site:
    first = group[0]
    name = first.name or f"site_{first.number:0{width}d}"
    while not first.name and name in taken:
        name += "_"
    crops = {year: row.crop for row in group for year in row.years if row.crop is not None}
    codes = {row.crop for row in group}
    years = tuple(sorted(year for row in group for year in row.years)) or None
    return Site(name, first.lon, first.lat, first.region, first.polygon, codes.pop() if len(codes) == 1 else None, years, crops)


def _near(rows: list[_Row]) -> dict[int, list[int]]:
    """Row -> earlier rows within a metre of it, on a sphere: no care is needed at the poles and the antimeridian."""
    from scipy.spatial import cKDTree

    if not rows:
        return {}
    places = np.array([(row.lon, row.lat) for row in rows])
    once, which = np.unique(places, axis=0, return_inverse=True)
    lon, lat = np.radians(once.T)
    tree = cKDTree(EARTH_M * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1))
    together: dict[int, set[int]] = {}
    for one, other in tree.query_pairs(SAME_M):
        together.setdefault(one, {one}).add(other)
        together.setdefault(other, {other}).add(one)
    firsts: dict[int, int] = {}  # place -> its first row; further rows at the very same place follow that one
    near: dict[int, list[int]] = {}
    for at, place in enumerate(which.ravel().tolist()):
        near[at] = sorted(firsts[spot] for spot in together.get(place, {place}) if spot in firsts)
        firsts.setdefault(place, at)
    return {at: others for at, others in near.items() if others}
