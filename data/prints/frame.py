"""One frame of a printed map: pictures, outlines and samples in their places, coordinates around it, and the furniture below it."""

import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from data.mapped.pictures import Picture, View
from data.prints import mercator, paper
from data.workspace import CHECKOUT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WORLD = CHECKOUT / "static" / "vendor" / "background" / "world.json"  # Natural Earth, simplified to about a kilometre
COARSE_KM = 60.0  # a narrower window shows no coasts: theirs would lie hundreds of metres off
LAND, WATER, COAST, BORDER = "#f4f3ec", "#dfeaf0", "#b9c3b4", "#98a295"
TICK_MM = 17.0  # between two ticks, at least; labels are left out where they would touch
SCALE_BAR_MM = 42.0  # its longest
DOTS = ((300, 1.7), (3_000, 1.1), (10**9, 0.6))  # samples in the frame up to that many -> diameter, mm
VARIES = 1.01  # scale at the one edge over that at the other, from which the bar names its latitude


@dataclass(frozen=True)
class Dots:
    """Samples. lon, lat: (N,) EPSG:4326. colors: N times #rrggbb."""

    lon: np.ndarray
    lat: np.ndarray
    colors: Sequence[str]


@dataclass(frozen=True)
class Outline:
    """A GeoJSON Polygon or MultiPolygon in EPSG:4326 and its colour."""

    geometry: dict
    color: str


@dataclass(frozen=True)
class Panel:
    """What one frame shows. title: of the layer and its date; empty where the map's own says it. pictures: (picture, opacity 0..1), the
    lowest first."""

    title: str = ""
    pictures: Sequence[tuple[Picture, float]] = ()
    dots: Dots | None = None
    outlines: Sequence[Outline] = field(default=())


def extent(view: View) -> tuple[float, float, float, float]:
    """West, east, south, north of a view in metres of EPSG:3857."""
    return (
        float(mercator.x_of(view.west)), float(mercator.x_of(view.east)), float(mercator.y_of(view.south)), float(mercator.y_of(view.north))
    )  # fmt: skip


def aspect(view: View) -> float:
    """Width over height of the view on paper."""
    west, east, south, north = extent(view)
    return (east - west) / (north - south)


def draw(axes: "Axes", view: View, panel: Panel, *, simulated: bool, width: float, height: float) -> None:
    """Fill axes of width x height mm with a panel."""
    west, east, south, north = extent(view)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    _background(axes, view)
    for picture, opacity in panel.pictures:
        _picture(axes, picture, opacity)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    _outlines(axes, panel.outlines)
    if panel.dots:
        _dots(axes, view, panel.dots)
    _coordinates(axes, view, width, height)
    if simulated:
        axes.text(
            2 / width, 1 - 2 / height, " · ".join(paper.SIMULATED), transform=axes.transAxes, fontsize=paper.SMALL, ha="left", va="top",
            color=paper.SIMULATED_INK, weight="bold", zorder=9,
            bbox={"boxstyle": "round,pad=0.35", "facecolor": paper.SIMULATED_PAPER, "edgecolor": paper.SIMULATED_INK, "linewidth": 0.5},
        )  # fmt: skip


def _picture(axes: "Axes", picture: Picture, opacity: float) -> None:
    """Its pixels as they are: none is mixed with its neighbour, so that a class keeps its colour."""
    from PIL import Image

    with Image.open(io.BytesIO(picture.png)) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    sides = *mercator.x_of(np.array([picture.west, picture.east])), *mercator.y_of(np.array([picture.south, picture.north]))
    axes.imshow(rgba, extent=sides, interpolation="nearest", alpha=opacity, aspect="auto", zorder=2)


def width_km(view: View) -> float:
    """Of the window on the ground, in its middle."""
    west, east, *_ = extent(view)
    return (east - west) / mercator.stretch(mercator.middle(view.south, view.north)) / 1000


def has_background(view: View) -> bool:
    """Whether the window is wide enough for the coasts and borders of Natural Earth."""
    return width_km(view) >= COARSE_KM


def _background(axes: "Axes", view: View) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patches import PathPatch

    axes.set_facecolor(WATER if has_background(view) else LAND)
    if not has_background(view):
        return
    for shift in range(int((view.west + 180) // 360), int((view.east + 180) // 360) + 1):  # Leaflet shows the world more than once
        window = (view.west - 360 * shift, view.south, view.east - 360 * shift, view.north)
        for kind, geometries in _world().items():
            seen = [rings for box, rings in geometries if _meet(box, window)]
            lines = [
                np.column_stack((mercator.x_of(line[:, 0] + 360 * shift), mercator.y_of(line[:, 1]))) for rings in seen for line in rings
            ]
            if kind in ("land", "lake"):
                for polygon in [lines] if lines else []:
                    fill = LAND if kind == "land" else WATER
                    axes.add_patch(
                        PathPatch(_path(polygon), facecolor=fill, edgecolor=COAST, linewidth=0.5, zorder=0.5 + (kind == "lake") / 4)
                    )
            else:
                style = {"linewidths": 0.7} if kind == "country" else {"linewidths": 0.5, "linestyles": "dashed"}
                axes.add_collection(LineCollection(lines, colors=BORDER, zorder=1, **style), autolim=False)


@cache
def _world() -> dict[str, list[tuple[tuple[float, ...], list[np.ndarray]]]]:
    """Kind -> parts of land, lakes and borders, each with its box (west, south, east, north) and its rings or line, (n, 2) degrees."""
    world: dict = {}
    for feature in json.loads(WORLD.read_text())["features"]:
        geometry = feature["geometry"]
        parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [[line] for line in geometry["coordinates"]]
        rings = [[np.array(ring) for ring in part] for part in parts]
        world[feature["properties"]["kind"]] = [((*part[0].min(axis=0), *part[0].max(axis=0)), part) for part in rings]
    return world


def _meet(box: tuple[float, ...], window: tuple[float, ...]) -> bool:
    return box[0] <= window[2] and box[2] >= window[0] and box[1] <= window[3] and box[3] >= window[1]


def _path(rings: Iterable[np.ndarray]):
    """One path of closed rings; where one lies in another it is a hole, for the rings of GeoJSON turn the other way round."""
    from matplotlib.path import Path

    return Path.make_compound_path(*(Path(ring, closed=True) for ring in rings))


def _outlines(axes: "Axes", outlines: Sequence[Outline]) -> None:
    from matplotlib.collections import LineCollection

    rings, colors = [], []
    for outline in outlines:
        shape = outline.geometry
        for polygon in shape["coordinates"] if shape["type"] == "MultiPolygon" else [shape["coordinates"]]:
            for ring in polygon:
                places = np.array(ring)[:, :2]
                rings.append(np.column_stack((mercator.x_of(places[:, 0]), mercator.y_of(places[:, 1]))))
                colors.append(outline.color)
    axes.add_collection(LineCollection(rings, colors=paper.INK, linewidths=1.6, zorder=3), autolim=False)
    axes.add_collection(LineCollection(rings, colors=colors, linewidths=0.9, zorder=4), autolim=False)


def _dots(axes: "Axes", view: View, dots: Dots) -> None:
    lon = view.west + (np.asarray(dots.lon) - view.west) % 360
    inside = np.flatnonzero((lon <= view.east) & (dots.lat >= view.south) & (dots.lat <= view.north))
    diameter = next(size for most, size in DOTS if len(inside) <= most) / paper.POINT_MM
    axes.scatter(
        mercator.x_of(lon[inside]), mercator.y_of(np.asarray(dots.lat)[inside]), s=diameter**2, c=[dots.colors[at] for at in inside],
        edgecolors=paper.INK, linewidths=0.4 if diameter > 2 else 0, zorder=5,
    )  # fmt: skip


def _coordinates(axes: "Axes", view: View, width: float, height: float) -> None:
    """Round degrees on the left and lower side, ticks on all four."""
    lons, east_west = _ticks(view.west, view.east, width, ("E", "W"))
    lats, north_south = _ticks(view.south, view.north, height, ("N", "S"))
    axes.set_xticks(mercator.x_of(lons), east_west)
    axes.set_yticks(mercator.y_of(lats), north_south, rotation=90, va="center")
    axes.tick_params(labelsize=paper.SMALL, length=2.2, pad=1.6, top=True, right=True, color=paper.FRAME)
    for side in axes.spines.values():
        side.set_color(paper.FRAME)
        side.set_linewidth(0.8)


def _ticks(low: float, high: float, long: float, sides: tuple[str, str]) -> tuple[np.ndarray, list[str]]:
    """Round degrees along a side of `long` mm, and what is written at each: nothing where it would touch the one before, or in the corners
    those of the other side."""
    step = mercator.step(high - low, max(2.5, long / TICK_MM))
    places = mercator.ticks(low, high, step)
    labels = [mercator.degrees(place, step, *sides) for place in places]
    widest = max((paper.width_of(label, paper.SMALL) for label in labels), default=0.0)
    every = math.ceil((widest + 2) / (long * step / (high - low)))
    inside = [widest / 2 < (place - low) / (high - low) * long < long - widest / 2 for place in places]
    first = inside.index(True) if any(inside) else 0
    return np.array(places), [
        label if fits and (number - first) % every == 0 else "" for number, (label, fits) in enumerate(zip(labels, inside, strict=True))
    ]


def scale_bar(sheet: "Axes", left: float, top: float, view: View, width: float) -> float:
    """A scale bar, true at the latitude in the middle of the view, in `paper.plain` axes; returns where it ends, mm.

    Args:
        width: of the frame that shows the view, mm.
    """
    from matplotlib.patches import Rectangle

    west, east, *_ = extent(view)
    lat = mercator.middle(view.south, view.north)
    metres_per_mm = (east - west) / width / mercator.stretch(lat)
    metres, parts = mercator.round_length(SCALE_BAR_MM * metres_per_mm)
    long = metres / metres_per_mm
    for part in range(parts):
        fill = paper.INK if part % 2 == 0 else "#ffffff"
        sheet.add_patch(Rectangle((left + part * long / parts, top), long / parts, 1.4, facecolor=fill, edgecolor=paper.INK, linewidth=0.5))
    for share, text in ((0, "0"), (1, mercator.length(metres))):
        sheet.text(left + share * long, top + 2.0, text, fontsize=paper.SMALL, ha="center", va="top", color=paper.INK)
    end = left + long + paper.width_of(mercator.length(metres), paper.SMALL) / 2
    if mercator.stretch(_farthest(view)) / mercator.stretch(_nearest(view)) > VARIES:
        sheet.text(end + 1.5, top + 2.0, f"at {mercator.degrees(lat, 0.1, 'N', 'S')}", fontsize=paper.SMALL, va="top", color=paper.QUIET)
        end += 1.5 + paper.width_of("at 00.0°N", paper.SMALL)
    return end


def _farthest(view: View) -> float:
    """The latitude of the view that is farthest from the equator."""
    return max(view.south, view.north, key=abs)


def _nearest(view: View) -> float:
    return 0.0 if view.south < 0 < view.north else min(view.south, view.north, key=abs)


def north_arrow(sheet: "Axes", x: float, top: float) -> None:
    """North is up everywhere in EPSG:3857. 3 x 6.5 mm around x."""
    from matplotlib.patches import Polygon

    sheet.add_patch(Polygon([(x, top), (x - 1.5, top + 4), (x, top + 3.1)], facecolor=paper.INK, edgecolor=paper.INK, linewidth=0.4))
    sheet.add_patch(Polygon([(x, top), (x + 1.5, top + 4), (x, top + 3.1)], facecolor="#ffffff", edgecolor=paper.INK, linewidth=0.4))
    sheet.text(x, top + 4.2, "N", fontsize=paper.SMALL, ha="center", va="top", color=paper.INK, weight="bold")
