"""A self-contained STAC collection: the GeoTIFF export with an item an image, and an item of the label extension a sample.

    collection.json                     the STAC collection; what an import needs of it stands under `cropcheck`
    <sample>/<sample>_<date>.json       item of an image; assets `data`, and where there are such layers `scl` and `inventory`
    <sample>/<sample>_label.json        item of the label extension 1.0.1, linked to its images (rel `source`)
    <sample>/<sample>_label.geojson     its labels: one feature, the field's outline (else the patch's), with the record of the sample

Everything of `data.exports.geotiff` is there too, so `python -m data import-geotiff` reads this folder as well.
"""

import calendar
import re
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pystac
from pystac.extensions import eo, projection, raster, version
from rasterio.crs import CRS
from rasterio.warp import transform

from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.command import Tell
from data.exports import geotiff
from data.exports.geotiff import Files
from data.exports.source import Image, Sample, Source
from data.importers.described import FILE
from data.report import Report

LABEL_SCHEMA = "https://stac-extensions.github.io/label/v1.0.1/schema.json"
OURS = "cropcheck"  # key of the collection, and prefix of the items' properties
PROPERTY = "crop"  # of the label features, in label:properties
# Common name (STAC EO extension) and centre wavelength in micrometres (ESA, Sentinel-2A, rounded).
BANDS = {
    "B01": ("coastal", 0.443), "B02": ("blue", 0.492), "B03": ("green", 0.560), "B04": ("red", 0.665), "B05": ("rededge", 0.704),
    "B06": ("rededge", 0.741), "B07": ("rededge", 0.783), "B08": ("nir", 0.833), "B8A": ("nir08", 0.865), "B09": ("nir09", 0.945),
    "B10": ("cirrus", 1.374), "B11": ("swir16", 1.614), "B12": ("swir22", 2.202),
}  # fmt: skip


def write(source: Source, to: Path, report: Report, tell: Tell) -> None:
    """Write `source` into the empty folder `to`.

    Raises:
        BadInput: the collection has no images, but one value a date.
    """
    links, boxes, moments = [], [], []
    for sample, files in geotiff.write_samples(source, to, report, tell):
        footprint = _footprint(sample)
        items = {
            path.with_suffix(".json"): _image_item(source, sample, image, files, number, footprint)
            for number, (image, path) in enumerate(zip(sample.images, files.images, strict=True))
        }
        items[_path(sample, "label.json")] = _label_item(source, sample, footprint)
        geotiff.write_json(to / _path(sample, "label.geojson"), _labels(source, sample, footprint), indent=None)
        for path, item in items.items():
            geotiff.write_json(to / path, item.to_dict(include_self_link=False, transform_hrefs=False), indent=None)
            links.append({"rel": "item", "href": f"./{path.as_posix()}", "type": "application/geo+json"})
        boxes.append(_box(footprint))
        moments += chain.from_iterable(_span(image) for image in sample.images)
    geotiff.write_json(to / FILE, _collection(source, links, boxes, moments))


def _collection(source: Source, links: list[dict], boxes: list[list[float]], moments: list[datetime]) -> dict:
    collection = source.collection
    west, south, east, north = zip(*boxes, strict=True) if boxes else ([0], [0], [0], [0])
    extent = pystac.Extent(
        pystac.SpatialExtent([[min(west), min(south), max(east), max(north)]]),
        pystac.TemporalExtent([[min(moments), max(moments)] if moments else [None, None]]),
    )
    about = f"{collection.title}. {collection.attribution} Licence: {collection.licence}. Dataset version {source.version}."
    made = pystac.Collection(
        id=collection.name,
        title=collection.title,
        description="SIMULATED imagery. " * collection.simulated + about,
        extent=extent,
        license=collection.licence if re.fullmatch(r"[A-Za-z0-9.+-]+", collection.licence) else "other",
        extra_fields={OURS: geotiff.description(source)},
    )
    version.VersionExtension.ext(made, add_if_missing=True).apply(str(source.version))
    written = made.to_dict(include_self_link=False, transform_hrefs=False)
    written["links"] = [{"rel": "root", "href": f"./{FILE}", "type": "application/json"}, *links]
    return written


def _image_item(source: Source, sample: Sample, image: Image, files: Files, number: int, footprint: dict) -> pystac.Item:
    start, end = _span(image)
    middle = start if len(image.acquired) > 7 else start.replace(day=15)
    properties = {
        f"{OURS}:sample": sample.name, f"{OURS}:quality": image.quality, f"{OURS}:clear": image.clear,
        f"{OURS}:interpolated": image.interpolated, f"{OURS}:sources": list(image.sources),
    }  # fmt: skip
    item = _item(source, geotiff.image_name(sample, image), footprint, middle, properties)
    if start != end:
        item.properties |= {"start_datetime": pystac.utils.datetime_to_str(start), "end_datetime": pystac.utils.datetime_to_str(end)}
    epsg = sample.crs.startswith("EPSG:")
    projection.ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=sample.crs if epsg else None,
        wkt2=None if epsg else CRS.from_user_input(sample.crs).to_wkt(version="WKT2_2019"),
        shape=[sample.height, sample.width],
        transform=list(sample.transform),
    )
    item.add_asset("data", _asset(files.images[number], "Reflectance x 10 000", ["data"]))
    eo.EOExtension.ext(item.assets["data"], add_if_missing=True).bands = [
        eo.Band.create(band, *BANDS[band][:1], center_wavelength=BANDS[band][1]) if band in BANDS else eo.Band.create(band)
        for band in source.collection.bands
    ]
    _raster(item.assets["data"], "uint16", len(source.collection.bands), 1 / REFLECTANCE_SCALE)
    if files.scl:
        item.add_asset("scl", _asset(files.scl[number], "Scene classification", ["data"]))
        _raster(item.assets["scl"], "uint8")
    if files.inventory:
        item.add_asset("inventory", _asset(files.inventory, "Codes of the crop inventory", ["data"]))
        _raster(item.assets["inventory"], "uint8" if max(source.legend) < 256 else "uint16")
    return item


def _label_item(source: Source, sample: Sample, footprint: dict) -> pystac.Item:
    moments = [moment for image in sample.images for moment in _span(image)] or [datetime(sample.year, 1, 1, tzinfo=UTC)]
    properties: dict[str, Any] = {
        "start_datetime": pystac.utils.datetime_to_str(min(moments)),
        "end_datetime": pystac.utils.datetime_to_str(max(moments)),
        "label:description": f"Crop of {sample.name} in {sample.year}: {sample.state}",
        "label:type": "vector",
        "label:properties": [PROPERTY],
        "label:classes": [{"name": PROPERTY, "classes": [entry.name for _, entry in sorted(source.legend.items())]}],
        "label:tasks": ["classification"],
        "label:methods": ["manual" if sample.curated else "automated"],
    }
    item = _item(source, f"{geotiff.file_name(sample.name)}_label", sample.polygon or footprint, None, properties)
    item.stac_extensions.append(LABEL_SCHEMA)
    item.add_asset("labels", pystac.Asset(f"./{_path(sample, 'label.geojson').name}", "Labels", None, "application/geo+json", ["labels"]))
    for image in sample.images:
        href = f"./{geotiff.image_name(sample, image)}.json"
        item.add_link(pystac.Link("source", href, "application/geo+json", extra_fields={"label:assets": ["data"]}))
    return item


def _labels(source: Source, sample: Sample, footprint: dict) -> dict:
    """The GeoJSON of a label item; the crop of a rejected sample is null."""
    crop = source.legend[sample.code].name if sample.code in source.legend else None
    properties = {PROPERTY: crop} | source.record(sample)
    feature = {"type": "Feature", "properties": properties, "geometry": sample.polygon or footprint}
    return {"type": "FeatureCollection", "features": [feature]}


def _item(source: Source, name: str, geometry: dict, moment: datetime | None, properties: dict) -> pystac.Item:
    item = pystac.Item(name, geometry, _box(geometry), moment, properties, collection=source.collection.name)
    for rel in ("root", "parent", "collection"):
        item.add_link(pystac.Link(rel, f"../{FILE}", "application/json"))
    return item


def _asset(path: Path, title: str, roles: list[str]) -> pystac.Asset:
    return pystac.Asset(f"./{path.name}", title, None, pystac.MediaType.COG, roles)


def _raster(asset: pystac.Asset, data_type: str, count: int = 1, scale: float | None = None) -> None:
    band = raster.RasterBand.create(nodata=NO_DATA, data_type=data_type, scale=scale, offset=0 if scale else None)
    raster.RasterExtension.ext(asset, add_if_missing=True).apply([band] * count)


def _path(sample: Sample, kind: str) -> Path:
    name = geotiff.file_name(sample.name)
    return Path(name, f"{name}_{kind}")


def _footprint(sample: Sample) -> dict:
    """The patch's outline as a GeoJSON polygon in EPSG:4326, anticlockwise from the upper left corner."""
    a, b, c, d, e, f = sample.transform
    corners = [(0, 0), (0, sample.height), (sample.width, sample.height), (sample.width, 0), (0, 0)]
    xs, ys = zip(*((a * column + b * row + c, d * column + e * row + f) for column, row in corners), strict=True)
    lons, lats = transform(sample.crs, "EPSG:4326", xs, ys)
    return {"type": "Polygon", "coordinates": [[[round(lon, 8), round(lat, 8)] for lon, lat in zip(lons, lats, strict=True)]]}


def _box(geometry: dict) -> list[float]:
    """west, south, east, north of a GeoJSON Polygon or MultiPolygon."""
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    lons, lats = zip(*((point[0], point[1]) for part in parts for point in part[0]), strict=True)
    return [min(lons), min(lats), max(lons), max(lats)]


def _span(image: Image) -> tuple[datetime, datetime]:
    """The day of an acquisition (twice, midnight UTC: its hour is not kept), or the first and last moment of a composite's month."""
    year, month, *day = map(int, image.acquired.split("-"))
    if day:
        return (datetime(year, month, day[0], tzinfo=UTC),) * 2
    last = calendar.monthrange(year, month)[1]
    return datetime(year, month, 1, tzinfo=UTC), datetime(year, month, last, 23, 59, 59, tzinfo=UTC)
