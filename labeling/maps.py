"""Maps of samples that draw without the internet. Builds leafmap maps and layers from plain records; reads no database, no pixels.

Leaflet and our own drawing code are served by the app (static/), never by a CDN. Importing this file is cheap: leafmap and folium,
which take seconds, are imported by the first map.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from labeling.points import Group, Point

DETAIL_ZOOM = 12  # a patch of 640 m is about 25 px wide here; below that, an image says less than a point
MAX_PICTURES = 60  # in view; more would cost seconds and cover each other
MAX_DETAILS = 400  # outlines in view
MAX_ZOOM = 19
FEW_POINTS = 1000  # larger circles up to here
WEB_MERCATOR = "EPSG:3857"  # what Leaflet shows
ONLINE_MAPS = {  # title -> name in leafmap's catalogue; each asks a server outside
    "OpenStreetMap": "OpenStreetMap",
    "Satellite imagery (Esri)": "Esri.WorldImagery",
}


@dataclass(frozen=True)
class Picture:
    """A picture in place: PNG bytes in EPSG:3857 and its corners (south, west, north, east) in EPSG:4326."""

    png: bytes
    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True)
class Detail:
    """What is drawn of one sample when the map is near: its outline (GeoJSON, EPSG:4326) and its picture, where it has them."""

    name: str
    text: str
    color: str
    outline: dict | None
    picture: Picture | None


def base_map(points: list[Point], static: str, *, online: str | None = None):
    """A `leafmap.foliumap.Map` of the places around `points`: coasts, borders, lakes, graticule, scale; no points yet.

    Args:
        points: at least one; the map opens on all of them.
        static: the address that static/ is served at, "/app/static" behind the server's base path.
        online: a key of `ONLINE_MAPS`, drawn over the background; the only thing that asks another server.
    """
    from branca.element import MacroElement, Template
    from leafmap import foliumap

    bounds = bounds_of(points)
    center = [(bounds[0][0] + bounds[1][0]) / 2, (bounds[0][1] + bounds[1][1]) / 2]
    chart = foliumap.Map(location=center, zoom_start=5, tiles=None, max_zoom=MAX_ZOOM, world_copy_jump=True)
    chart.options["maxZoom"] = MAX_ZOOM  # folium gives max_zoom to a tile layer only, and there is none
    _serve_locally(chart, static)
    drawing = MacroElement()
    drawing._template = Template(
        "{% macro script(this, kwargs) %}"
        "cropcheck.background({{ this._parent.get_name() }}, {{ this.url }});"
        "cropcheck.graticule({{ this._parent.get_name() }});"
        "cropcheck.controls({{ this._parent.get_name() }}, {{ this.bounds }});"
        "{% endmacro %}"
    )
    drawing.url, drawing.bounds = json.dumps(f"{static}/vendor/background/world.json"), json.dumps(bounds)
    drawing.add_to(chart)
    if online:
        chart.add_basemap(ONLINE_MAPS[online])
    chart.fit_bounds(bounds)
    return chart


def bounds_of(points: list[Point]) -> list[list[float]]:
    """[[south, west], [north, east]] in EPSG:4326 around the points, a little wider than they lie."""
    lats, lons = [point.lat for point in points], [point.lon for point in points]
    span = max(max(lats) - min(lats), max(lons) - min(lons))
    margin = max(0.03 * span, 0.005 - span / 2)  # a lone patch has its surroundings
    return [[min(lats) - margin, min(lons) - margin], [max(lats) + margin, max(lons) + margin]]


def points_layer(points: list[Point], groups: list[Group], positions: list[int], *, notes: list[str], ringed: list[bool]):
    """All points as circles on one canvas, for `st_folium(feature_group_to_add=...)`.

    Args:
        groups, positions: a grouping from `labeling.points`.
        notes: what the tooltip says beside name and group.
        ringed: points to mark with a red ring.
    """
    record = {
        "radius": 6 if len(points) <= FEW_POINTS else 4,
        "groups": [[group.title, group.color] for group in groups],
        "lat": [round(point.lat, 5) for point in points],  # 1e-5 degree is about a metre
        "lon": [round(point.lon, 5) for point in points],
        "name": [point.name for point in points],
        "group": positions,
        "note": notes,
        "ring": [int(ring) for ring in ringed],
    }
    record["key"] = hashlib.sha1(json.dumps(record).encode()).hexdigest()
    return _layer("points", record)


def details_layer(details: list[Detail]):
    """Pictures and outlines of the samples in view."""
    return _layer("details", [_drawn(detail) for detail in details])


def selection_layer(point: Point | None):
    """A ring around the chosen sample, or nothing."""
    return _layer("selection", [point.lat, point.lon]) if point else _layer("details", [])


def in_view(points: list[Point], bounds: dict | None, zoom: float | None) -> list[Point]:
    """The points whose details are to be drawn: those in view if the map is near enough, the nearest to its centre first.

    Args:
        bounds: {"_southWest": {"lat", "lng"}, "_northEast": ...} as Leaflet gives it, or None before the map is drawn.
    """
    if not bounds or not zoom or zoom < DETAIL_ZOOM or bounds["_southWest"]["lat"] is None:
        return []
    south, west = bounds["_southWest"]["lat"], bounds["_southWest"]["lng"]
    north, east = bounds["_northEast"]["lat"], bounds["_northEast"]["lng"]
    edge = 0.01  # a patch whose centre is just outside still reaches into view
    inside = [point for point in points if south - edge < point.lat < north + edge and west - edge < point.lon < east + edge]
    middle = ((south + north) / 2, (west + east) / 2)
    return sorted(inside, key=lambda point: (point.lat - middle[0]) ** 2 + (point.lon - middle[1]) ** 2)[:MAX_DETAILS]


def picture(rgba: np.ndarray, crs: str, transform: tuple[float, ...]) -> Picture:
    """A patch's picture, warped to where Leaflet shows it.

    Args:
        rgba: (H, W, 4) uint8, alpha 0 = nothing there.
        crs, transform: (column, row) of the upper left corner -> crs, as a b c d e f.
    """
    from rasterio.transform import Affine, array_bounds
    from rasterio.warp import Resampling, calculate_default_transform, reproject, transform_bounds

    height, width = rgba.shape[:2]
    source = Affine(*transform)
    target, columns, rows = calculate_default_transform(crs, WEB_MERCATOR, width, height, *array_bounds(height, width, source))
    warped = np.zeros((4, rows, columns), dtype=np.uint8)
    reproject(
        np.ascontiguousarray(rgba.transpose(2, 0, 1)), warped, resampling=Resampling.nearest,
        src_transform=source, src_crs=crs, dst_transform=target, dst_crs=WEB_MERCATOR,
    )  # fmt: skip
    west, south, east, north = transform_bounds(WEB_MERCATOR, "EPSG:4326", *array_bounds(rows, columns, target))
    return Picture(_png(warped.transpose(1, 2, 0)), south, west, north, east)


def footprint(crs: str, transform: tuple[float, ...], height: int, width: int) -> dict:
    """The four sides of a patch as a GeoJSON polygon in EPSG:4326."""
    from rasterio.transform import Affine
    from rasterio.warp import transform as to_crs

    corners = [Affine(*transform) @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height), (0, 0))]
    lons, lats = to_crs(crs, "EPSG:4326", [x for x, _ in corners], [y for _, y in corners])
    return {"type": "Polygon", "coordinates": [[[lon, lat] for lon, lat in zip(lons, lats, strict=True)]]}


def _png(rgba: np.ndarray) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(rgba)).save(buffer, "png")
    return buffer.getvalue()


def _drawn(detail: Detail) -> dict:
    picture = detail.picture
    return {
        "name": detail.name, "text": detail.text, "color": detail.color, "outline": detail.outline,
        "image": picture and "data:image/png;base64," + base64.b64encode(picture.png).decode(),
        "bounds": picture and [[picture.south, picture.west], [picture.north, picture.east]],
    }  # fmt: skip


def _layer(function: str, record: object):
    """A folium feature group that has `static/map.js` draw `record` into it."""
    import folium
    from branca.element import MacroElement, Template

    group, drawing = folium.FeatureGroup(), MacroElement()
    drawing._template = Template(
        "{% macro script(this, kwargs) %}"
        f"cropcheck.{function}(map_div, {{{{ this._parent.get_name() }}}}, {{{{ this.record }}}});"
        "{% endmacro %}"
    )
    drawing.record = json.dumps(record, ensure_ascii=False).replace("</", "<\\/")  # a name cannot end the script
    drawing.add_to(group)
    return group


def _serve_locally(chart, static: str) -> None:
    """Point every script and style sheet of a map at files that the app itself serves."""
    from folium.plugins import Fullscreen

    vendor = f"{static}/vendor"
    chart.default_js = [("leaflet", f"{vendor}/leaflet/leaflet.js"), ("cropcheck", f"{static}/map.js")]
    chart.default_css = [("leaflet", f"{vendor}/leaflet/leaflet.css"), ("cropcheck", f"{static}/map.css")]
    for control in chart._children.values():
        if isinstance(control, Fullscreen):
            control.default_js = [("fullscreen", f"{vendor}/fullscreen/Control.FullScreen.js")]
            control.default_css = [("fullscreen", f"{vendor}/fullscreen/Control.FullScreen.css")]
