"""Where samples are: their CRS, and outline and position on Earth, told or taken from the pixels."""

import json
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.features import geometry_mask, shapes
from rasterio.transform import Affine
from rasterio.warp import transform, transform_geom
from shapely.geometry import mapping, shape

from data import observing
from data.errors import BadInput
from data.importers.described import Unusable
from data.importers.manifest import Entry
from data.report import Report

SITES = "sites.geojson"


def crs_text(crs: CRS | str) -> str:
    """A CRS as EPSG:<code> where it has one, else as WKT.

    Raises:
        BadInput: it is none.
    """
    try:
        return CRS.from_user_input(crs).to_string()
    except CRSError as error:
        raise BadInput(f"{crs!r} is no coordinate reference system; give one as EPSG:32631. {error}") from error


def outlines(folder: Path) -> dict[str, dict]:
    """Site -> its outline as GeoJSON geometry in EPSG:4326, from sites.geojson where the folder has one."""
    file = folder / SITES
    if not file.is_file():
        return {}
    try:
        features = json.loads(file.read_text(encoding="utf-8"))["features"]
        found = {feature["properties"]["site"]: feature["geometry"] for feature in features}
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file} is no GeoJSON FeatureCollection with a property `site` ({error!r}). Mend it or take it away.") from error
    return {site: outline for site, outline in found.items() if outline and outline["type"].endswith("Polygon")}


def place(
    entry: Entry, pixels: np.ndarray, crs: str, transform_: tuple[float, ...], outline: dict | None, report: Report
) -> tuple[dict | None, float, float]:
    """Outline (GeoJSON, EPSG:4326, or None) and position of a sample.

    Told ones count, if the position lies on the patch. A patch that has pixels without data on every date is masked to its field: the
    outline is then that of the largest connected part that has data, and the position a point inside it. Otherwise the position is the
    centre of the patch.

    Raises:
        Unusable: the patch lies nowhere on Earth.
    """
    seen = (pixels > 0).any(axis=(0, 1))  # (h, w)
    centre = _moved(crs, "EPSG:4326", *_apply(transform_, seen.shape[1] / 2, seen.shape[0] / 2))
    if centre is None or abs(centre[0]) > 180 or abs(centre[1]) > 90:
        raise Unusable("patches that lie nowhere on Earth", f"{crs[:40]} {[round(value, 6) for value in transform_]}")
    if outline is None and seen.any() and not seen.all():
        outline = transform_geom(crs, "EPSG:4326", _largest(seen, Affine(*transform_)))
    if entry.lon is not None:
        column, row = _pixel(entry, crs, transform_)
        if 0 <= column <= seen.shape[1] and 0 <= row <= seen.shape[0]:
            return outline, entry.lon, entry.lat
        report.remark("positions outside of their patch", entry.name, f"lon {entry.lon:g}, lat {entry.lat:g}; taken from the pixels")
    if outline is not None:
        return outline, *_inside(outline)
    return None, *centre


def field(outline: dict | None, pixels: np.ndarray, crs: str, transform_: tuple[float, ...]) -> np.ndarray | None:
    """(h, w) bool: the pixels whose middle lies in a told outline, one pixel away from its edge where that leaves any.

    None where there is no outline, where it holds no pixel or all of them, and where the patch is masked to its field already.
    """
    if outline is None or not (pixels > 0).any(axis=(0, 1)).all():
        return None
    projected = transform_geom("EPSG:4326", crs, outline)
    mask = geometry_mask([projected], pixels.shape[-2:], Affine(*transform_), invert=True)
    if mask.all() or not mask.any():
        return None
    return observing.shrunk(mask, 1)


def _pixel(entry: Entry, crs: str, transform_: tuple[float, ...]) -> tuple[float, float]:
    """(column, row) of the told position."""
    found = _moved("EPSG:4326", crs, entry.lon, entry.lat)
    return _apply(tuple(~Affine(*transform_)), *found) if found else (-1.0, -1.0)


def _moved(source: str, target: str, x: float, y: float) -> tuple[float, float] | None:
    """The same place in another CRS, or None where it has none."""
    try:
        (x,), (y,) = transform(source, target, [x], [y])
    except Exception:  # GDAL's errors, whose classes rasterio keeps private
        return None
    return (x, y) if np.isfinite([x, y]).all() else None


def _apply(transform_: tuple[float, ...], x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = transform_[:6]
    return a * x + b * y + c, d * x + e * y + f


def _largest(mask: np.ndarray, transform_: Affine) -> dict:
    """The largest connected part of a mask (h, w) as a GeoJSON polygon in the transform's CRS."""
    parts = (shape(geometry) for geometry, _ in shapes(mask.astype(np.uint8), mask=mask, transform=transform_))
    return mapping(max(parts, key=lambda part: part.area))


def _inside(polygon: dict) -> tuple[float, float]:
    """(lon, lat) of a point that lies inside the polygon."""
    point = shape(polygon).representative_point()
    return point.x, point.y
