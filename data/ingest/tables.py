"""Rows of the files that places come in: tables and vector files. Reads files; writes nothing.

Tables: CSV (comma, semicolon, tab or bar; UTF-8, UTF-16 or Latin-1; gzip) and Parquet. Vector files: GeoParquet, and what GDAL opens:
GeoPackage, GeoJSON, Shapefile (.shp or zip).
"""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.archives import Archive
from data.errors import BadInput

UNPACKED_BYTES = 8 * 2**30  # a zip that unpacks to more is refused
TABLE_BYTES = 2**30  # and a table that is larger
_SPATIAL = (".shp", ".gpkg", ".geojson", ".json", ".fgb", ".gml", ".kml")
_TEXT = (".csv", ".tsv", ".txt")
CHOOSE = "Choose one with --layer."
_PARQUET = (".parquet", ".geoparquet", ".pq")


@dataclass
class Table:
    """What a file holds. columns: name -> values by row; geometry: shapely objects or None by row, None if it has none at all.

    crs: what the file says. numbers: of the rows, as a user counts them from 1.
    """

    columns: dict[str, list]
    geometry: np.ndarray | None = None
    crs: Any = None
    numbers: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)


def read(path: Path, layer: str | None = None) -> Table:
    """All rows of a file. A row of a CSV that is longer than the header keeps nothing: which of its cells is which cannot be told.

    Args:
        layer: of a file with several, or the file in a zip with several.

    Raises:
        BadInput: missing, empty, damaged or of no known kind; several layers and none chosen.
    """
    kind = _kind(path)
    if kind in _TEXT or (path.suffix.lower() == ".gz" and not kind):
        return _csv(path)
    return framed(frame(path, layer))


def frame(path: Path, layer: str | None = None, way: str = CHOOSE) -> Any:
    """All rows of a vector file or a Parquet table, with the types of their columns: a GeoDataFrame where they have places.

    Args:
        way: what to do about several layers, where none is chosen.

    Raises:
        BadInput: as `read`.
    """
    return _parquet(path) if _kind(path) in _PARQUET else _vector(path, layer, way)


def _kind(path: Path) -> str:
    """The suffix that tells what a file is, without that of gzip."""
    if not path.exists():
        raise BadInput(f"There is no file {path}. Check the path.")
    if path.is_file() and not path.stat().st_size:
        raise BadInput(f"{path} is empty. Give a file with a row a site.")
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()


def _csv(path: Path) -> Table:
    text = _text(path)
    head = text.lstrip().split("\n", 1)[0]
    separator = max(",;\t|", key=head.count)
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadInput(f"{path} cannot be read as a table: {error}. Save it again as CSV.") from error
    header = [cell.strip() or f"column {at}" for at, cell in enumerate(lines[0], start=1)] if lines else []
    rows = [row + [""] * (len(header) - len(row)) for row in lines[1:]]
    rows = [row if len(row) == len(header) or not any(row[len(header) :]) else [""] * len(header) for row in rows]
    columns = {column: [row[at].strip() for row in rows] for at, column in enumerate(header)}
    return Table(columns, numbers=list(range(1, len(rows) + 1)))


def _text(path: Path) -> str:
    with path.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        try:
            raw = (gzip.GzipFile(fileobj=plain) if packed else plain).read(TABLE_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"{path} is a damaged gzip file: {error}. Download or save it again.") from error
    if len(raw) > TABLE_BYTES:
        raise BadInput(f"{path} holds more than {TABLE_BYTES // 2**30} GiB. Give the sites alone.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    if b"\0" in raw[:4096]:
        raise BadInput(f"{path} is no text. Give a CSV, or name the file after its kind (.gpkg, .geojson, .shp, .zip, .parquet).")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")  # Latin-1 as Windows writes it


def _parquet(path: Path) -> Any:
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise BadInput(f"{path} is no Parquet file. Check that it is whole.")
        try:
            return gpd.read_parquet(path)
        except ValueError:  # no GeoParquet: columns of coordinates
            return pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadInput(f"{path} cannot be read as Parquet: {error}. Check that it is whole.") from error


def _vector(path: Path, layer: str | None, way: str) -> Any:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    source = (
        _inside(path, layer, way) if path.suffix.lower() == ".zip" else f"/vsigzip/{path}" if path.suffix.lower() == ".gz" else str(path)
    )
    try:
        layers = {str(name): kind for name, kind in pyogrio.list_layers(source)}
        return pyogrio.read_dataframe(source, layer=_layer(path, layers, layer if path.suffix.lower() != ".zip" else None, way))
    except (DataSourceError, DataLayerError, ValueError, RuntimeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read as a spatial file: {error}. Give a CSV, GeoPackage, GeoJSON, Shapefile (with its .shx and .dbf, or "
            "zipped) or GeoParquet."
        ) from error


def _inside(path: Path, layer: str | None, way: str) -> str:
    """GDAL's address of the one spatial file in a zip."""
    with Archive(path, UNPACKED_BYTES) as archive:
        members = [name for name in archive.names if name.lower().endswith((*_SPATIAL, *_TEXT)) and "__MACOSX" not in name]
    spatial = [member for member in members if member.lower().endswith(_SPATIAL)] or members
    found = [member for member in spatial if layer in (None, Path(member).stem)]
    if len(found) == 1:
        return f"/vsizip/{{{path}}}/{found[0]}"
    if not spatial:
        raise BadInput(f"{path} holds no Shapefile, GeoPackage or GeoJSON. Pack the .shp with its .shx, .dbf and .prj.")
    raise BadInput(f"{path} holds several files: {', '.join(Path(member).stem for member in spatial)}. {way}")


def _layer(path: Path, layers: dict[str, str | None], wanted: str | None, way: str) -> str:
    if wanted is not None and wanted not in layers:
        raise BadInput(f"{path} has no layer {wanted!r}. It has {', '.join(layers)}.")
    spatial = [name for name, kind in layers.items() if kind] or list(layers)
    if wanted is None and len(spatial) > 1:
        raise BadInput(f"{path} has several layers: {', '.join(spatial)}. {way}")
    if not spatial:
        raise BadInput(f"{path} has no layer. Give a file with a row a site.")
    return wanted or spatial[0]


def framed(frame: Any) -> Table:
    """The rows of a frame as lists; what is missing is an empty text."""
    geometry = np.asarray(frame.geometry.array) if hasattr(frame, "crs") else None
    others = [column for column in frame.columns if geometry is None or column != frame.geometry.name]
    columns = {str(column): frame[column].astype(object).where(frame[column].notna(), "").tolist() for column in others}
    return Table(columns, geometry, getattr(frame, "crs", None), list(range(1, len(frame) + 1)))
