"""The table of a collection's samples as GeoParquet and as CSV: one row a sample, the columns of `Source.record`, and the geometry."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from data import sheets
from data.command import Tell
from data.exports.source import COLUMNS, Sample, Source
from data.report import Report

ROWS = 5_000  # samples that are held in memory, and a row group of the GeoParquet file
GEOPARQUET = "1.1.0"  # https://geoparquet.org/releases/v1.1.0/


def write_csv(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """`<collection>.csv` in UTF-8: lists joined by `;`, true and false, nothing where there is nothing, `geometry` as WKT (EPSG:4326).

    Text that a spreadsheet would run as a formula has a single quote in front, see `data.sheets`.
    """
    from shapely import from_geojson, to_wkt

    rows = (
        {key: _text(value) for key, value in source.record(sample).items()}
        | {"geometry": to_wkt(from_geojson(json.dumps(sample.geometry)), rounding_precision=-1)}
        for sample in _counted(source, report, tell)
    )
    with (to / f"{source.collection.name}.csv").open("w", encoding="utf-8", newline="") as file:
        sheets.write(file, (*COLUMNS, "geometry"), rows)


def write_geoparquet(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """`<collection>.parquet`, GeoParquet 1.1 in EPSG:4326: lists, true and false and times as such, `history` as JSON text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(source)
    samples = _counted(source, report, tell)
    with pq.ParquetWriter(to / f"{source.collection.name}.parquet", schema) as file:
        while batch := list(islice(samples, ROWS)):
            file.write_table(pa.Table.from_pylist([_row(source, sample) for sample in batch], schema))


def _counted(source: Source, report: Report, tell: Tell) -> Iterator[Sample]:
    for sample in source.samples():
        yield sample
        report.done += 1
        tell(report.done, source.count, sample.name)


def _text(value: object) -> object:
    """A value of a record as CSV has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ";".join(value)
    return json.dumps(value) if isinstance(value, dict) else value


def _row(source: Source, sample: Sample) -> dict:
    from shapely import from_geojson, to_wkb

    row = source.record(sample)
    decided = row["decided_at"] and datetime.fromisoformat(row["decided_at"])
    geometry = to_wkb(from_geojson(json.dumps(sample.geometry)))
    return row | {"history": json.dumps(row["history"]), "decided_at": decided, "geometry": geometry}


def _schema(source: Source):
    """The columns, with what GeoParquet and a reader must know of them."""
    import pyarrow as pa
    from pyproj import CRS

    types = dict.fromkeys(("lon", "lat", "purity"), pa.float64())
    types |= dict.fromkeys(("year", "inventory_code", "label_code", "opinions", "modal_code", "images"), pa.int32())
    types |= dict.fromkeys(("curated", "flagged", "simulated"), pa.bool_())
    types |= {"reviewers": pa.list_(pa.string()), "decided_at": pa.timestamp("ms", tz="UTC"), "geometry": pa.binary()}
    geo = {
        "version": GEOPARQUET,
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": [], "crs": CRS.from_epsg(4326).to_json_dict()}},
    }
    facts = {key: getattr(source.collection, key) for key in ("name", "title", "licence", "attribution")} | {"version": str(source.version)}
    about = {"geo": json.dumps(geo), "cropcheck": json.dumps(facts, ensure_ascii=False)}
    return pa.schema([(name, types.get(name, pa.string())) for name in (*COLUMNS, "geometry")], about)
