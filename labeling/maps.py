"""Maps that draw without the internet. Builds leafmap maps and what they show from plain records; reads no database, no pixels.

Leaflet and our own drawing code are served by the app (static/), never by a CDN. A map is made once; what it shows later is one record,
which static/map.js compares with what is there. Importing this file is cheap: leafmap and folium, which take seconds, are imported by
the first map.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from data.mapped.pictures import Picture, View
from labeling.points import Group, Point, Samples

Address = Callable[[bytes, str], str]  # bytes and their media type -> where the browser fetches them

DETAIL_ZOOM = 12  # a patch of 640 m is about 25 px wide here; below that, an image says less than a point
MAX_PICTURES = 60  # in view; more would cost seconds and cover each other
MAX_DETAILS = 400  # outlines in view
MAX_ZOOM = 19
FEW_POINTS = 1_000  # larger circles up to here ...
MANY_POINTS = 20_000  # ... and smaller ones above
TILE = 256  # px: the world is this wide at zoom 0
SNAP = 128  # px: the grid that pictures of a view are cut along, so that a small pan asks for no new one
BESIDE = 0.15  # of the view's width and height that a picture reaches beyond it at least
WEB_MERCATOR = "EPSG:3857"  # what Leaflet shows
ONLINE_MAPS = {  # title -> name in leafmap's catalogue; each asks a server outside
    "OpenStreetMap": "OpenStreetMap",
    "Satellite imagery (Esri)": "Esri.WorldImagery",
}


@dataclass(frozen=True)
class Detail:
    """What is drawn of one sample when the map is near: its outline (GeoJSON, EPSG:4326) and its picture, where it has them."""

    id: int
    text: str
    color: str
    outline: dict | None
    picture: Picture | None


@dataclass(frozen=True)
class Seen:
    """What the browser says of a map.

    view: what is in view, EPSG:4326, and its size on the screen. zoom: Leaflet's.
    click: {"lat", "lon", "sample": its number or None, "n": counts the clicks}, or None.
    area: GeoJSON geometry that was drawn, or None. last: "click" or "area", whichever came last.
    told: names the message; the browser asks whether it has arrived.
    """

    view: View
    zoom: float
    click: dict[str, Any] | None
    area: dict[str, Any] | None
    last: str | None
    told: int


def seen(said: dict[str, Any] | None) -> Seen | None:
    """What `static/map.js` told; None before it told anything."""
    if not said or "view" not in said:
        return None
    return Seen(View(**said["view"]), said["zoom"], said["click"], said["area"], said["last"], said["told"])


def base_map(bounds: list[list[float]], static: str, *, key: str, online: str | None = None):
    """A `leafmap.foliumap.Map` with coasts, borders, lakes, graticule, scale and drawing tools; what it shows comes later.

    Args:
        bounds: [[south, west], [north, east]] in EPSG:4326 that it opens on, unless it was left elsewhere before.
        static: the address that static/ is served at, "/app/static" behind the server's base path.
        key: under which the browser remembers view, click and area.
        online: a key of `ONLINE_MAPS`, drawn over the background; the only thing that asks another server.
    """
    from branca.element import MacroElement, Template
    from leafmap import foliumap

    center = [(bounds[0][0] + bounds[1][0]) / 2, (bounds[0][1] + bounds[1][1]) / 2]
    chart = foliumap.Map(location=center, zoom_start=5, tiles=None, max_zoom=MAX_ZOOM, world_copy_jump=True, scale_control=False)
    chart.options["maxZoom"] = MAX_ZOOM  # folium gives max_zoom to a tile layer only, and there is none
    chart.options["zoomSnap"] = 0.25  # so that what is zoomed to fills the map
    _serve_locally(chart, static)
    drawing = MacroElement()
    drawing._template = Template(
        "{% macro script(this, kwargs) %}cropcheck.start({{ this._parent.get_name() }}, {{ this.record }});{% endmacro %}"
    )
    drawing.record = _script({"key": key, "world": f"{static}/vendor/background/world.json", "bounds": bounds})
    drawing.add_to(chart)
    if online:
        chart.add_basemap(ONLINE_MAPS[online])
    return chart


def bounds_of(places: np.ndarray) -> list[list[float]]:
    """[[south, west], [north, east]] in EPSG:4326 around (2, N) latitudes and longitudes, a little wider than they lie."""
    (south, west), (north, east) = places.min(axis=1).tolist(), places.max(axis=1).tolist()
    span = max(north - south, east - west)
    margin = max(0.03 * span, 0.005 - span / 2)  # a lone patch has its surroundings
    return [[south - margin, west - margin], [north + margin, east + margin]]


def points_record(samples: Samples, groups: list[Group], hidden: list[int], files: dict[str, str]) -> dict[str, Any]:
    """What the browser is told of the samples.

    Args:
        hidden: positions of the groups that are switched off.
        files: addresses of "places", "names" and "faces", see `labeling.points`.
    """
    count = len(samples.points)
    radius = 6 if count <= FEW_POINTS else 4 if count <= MANY_POINTS else 3
    return files | {"groups": [[group.title, group.color] for group in groups], "hidden": hidden, "radius": radius}


def details_record(details: list[Detail], address: Address, *, filled: bool) -> dict[str, Any]:
    """What the browser is told of pictures and outlines of the samples in view; the key changes when any of it does.

    filled: whether outlines without a picture are filled with their sample's colour.
    """
    items = [_drawn(detail, address) for detail in details]
    return {"key": hashlib.sha1(json.dumps([filled, items]).encode()).hexdigest(), "filled": filled, "items": items}


def scene_layer(record: dict[str, Any]):
    """What the map shows now, for `st_folium(feature_group_to_add=...)`; see `show` in static/map.js."""
    import folium
    from branca.element import MacroElement, Template

    group, drawing = folium.FeatureGroup(), MacroElement()
    drawing._template = Template("{% macro script(this, kwargs) %}cropcheck.show(map_div, {{ this.record }});{% endmacro %}")
    drawing.record = _script(record)
    drawing.add_to(group)
    return group


def wider(view: View) -> View | None:
    """The view and some ground around it, along a grid that stays where it is when the view moves: pictures of it serve small pans too.

    None where the view lies beyond the edge of the world.
    """
    west, north = _world(view.north, view.west)
    east, south = _world(view.south, view.east)
    if not (west < east and north < south):
        return None
    size = view.width / (east - west)  # px of the whole world
    step = SNAP / size
    across, down = BESIDE * (east - west), BESIDE * (south - north)
    left, top = (max(0.0, math.floor((edge - more) / step) * step) for edge, more in ((west, across), (north, down)))
    right, bottom = (min(1.0, math.ceil((edge + more) / step) * step) for edge, more in ((east, across), (south, down)))
    (north, west), (south, east) = _place(left, top), _place(right, bottom)
    return View(
        round(south, 8), round(west, 8), round(north, 8), round(east, 8), round((right - left) * size), round((bottom - top) * size)
    )


def _world(lat: float, lon: float) -> tuple[float, float]:
    """EPSG:4326 -> x and y of EPSG:3857 as 0 ... 1 from the upper left corner of the world."""
    sine = math.sin(math.radians(min(85.0511, max(-85.0511, lat))))
    return min(1.0, max(0.0, lon / 360 + 0.5)), 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)


def _place(x: float, y: float) -> tuple[float, float]:
    """`_world` back: (lat, lon)."""
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y)))), (x - 0.5) * 360


def in_view(samples: Samples, seen: Seen | None) -> list[Point]:
    """The samples whose details are to be drawn: those in view if the map is near enough, the nearest to its centre first."""
    if seen is None or seen.zoom < DETAIL_ZOOM:
        return []
    view, edge = seen.view, 0.01  # a patch whose centre is just outside still reaches into view
    lat, lon = samples.places
    inside = np.flatnonzero((lat > view.south - edge) & (lat < view.north + edge) & (lon > view.west - edge) & (lon < view.east + edge))
    away = (lat[inside] - (view.south + view.north) / 2) ** 2 + (lon[inside] - (view.west + view.east) / 2) ** 2
    return [samples.points[at] for at in inside[np.argsort(away, kind="stable")][:MAX_DETAILS].tolist()]


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


def _drawn(detail: Detail, address: Address) -> dict[str, Any]:
    picture = detail.picture
    return {
        "id": detail.id, "text": detail.text, "color": detail.color, "outline": detail.outline,
        "image": picture and address(picture.png, "image/png"),
        "bounds": picture and [[picture.south, picture.west], [picture.north, picture.east]],
    }  # fmt: skip


def _script(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False).replace("<", "\\u003c")  # a name can neither end the script nor open one


def _serve_locally(chart, static: str) -> None:
    """Point every script and style sheet of a map at files that the app itself serves."""
    from folium.plugins import Fullscreen

    vendor = f"{static}/vendor"
    scripts = {name: f"{static}/{name}.js" for name in ("map", "map_points", "map_rasters")}
    chart.default_js = [("leaflet", f"{vendor}/leaflet/leaflet.js"), ("draw", f"{vendor}/draw/leaflet.draw.js"), *scripts.items()]
    sheets = {"leaflet": f"{vendor}/leaflet/leaflet.css", "draw": f"{vendor}/draw/leaflet.draw.css", "map": f"{static}/map.css"}
    chart.default_css = list(sheets.items())
    for control in chart._children.values():
        if isinstance(control, Fullscreen):
            control.default_js = [("fullscreen", f"{vendor}/fullscreen/Control.FullScreen.js")]
            control.default_css = [("fullscreen", f"{vendor}/fullscreen/Control.FullScreen.css")]
