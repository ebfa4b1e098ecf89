"""Samples on the ground: which of them lie in an area that was drawn, and what a map says where they are. Reads only.

A sample lies at a point that is surely inside its field, or at its site's coordinates where no outline is known. A map says of it what
most of its field's pixels are, or the pixel at its coordinates. A map speaks of the years that its dates are of, and of no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from data import catalogue, indices, profiles, seasons
from data.errors import BadInput
from data.mapped import drawn, sampling, warped
from data.mapped.folder import Map
from data.mapped.values import Profile
from data.store import Store

BORDER = 0.05  # degrees that the middle of a field may lie away from its site's coordinates
PLACED = """
select s.id, s.name, s.year, s.site, t.lon, t.lat, t.polygon, s.inventory_code, l.code, l.state, s.decision is not null
from sample s join site t on t.id = s.site join label l on l.sample = s.id
where s.collection = ? and t.lon between ? and ? and t.lat between ? and ? order by s.name
"""
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
HOW = "Draw a rectangle or a polygon on the map, or give a GeoJSON file with one, in degrees (EPSG:4326)."


@dataclass(frozen=True)
class Placed:
    """A sample in its place.

    lon, lat: of the site, EPSG:4326. polygon: GeoJSON geometry of its field, as text, or None.
    code: the label in force; None where the sample is rejected. decided: whether somebody decided on it.
    """

    id: int
    name: str
    year: int
    site: int
    lon: float
    lat: float
    polygon: str | None
    inventory_code: int
    code: int | None
    state: str
    decided: bool


@dataclass(frozen=True)
class Word:
    """What a map says of a sample: the class, and 0..1 how sure it is; see `data.mapped.sampling.Said`.

    label: the map's class that the label in force belongs to; None where it belongs to none, or the sample has no label.
    """

    predicted: str
    probability: float
    label: str | None

    @property
    def disagrees(self) -> bool:
        return self.label is not None and self.label != self.predicted


def area(given: dict[str, Any] | str) -> shapely.Geometry:
    """The polygon, or polygons, of an area that was drawn.

    Args:
        given: GeoJSON in EPSG:4326, or its text: a geometry, a feature, or several as a collection.

    Raises:
        BadInput: it is no GeoJSON, holds no polygon, is empty, crosses itself or lies beyond the world's edge.
    """
    try:
        found = _polygons(json.loads(given) if isinstance(given, str) else given)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"This is no area in GeoJSON ({error!r}). {HOW}") from error
    if not found:
        raise BadInput(f"There is no polygon in this area. {HOW}")
    return shapely.union_all([drawn.checked(one) for one in found])


def _polygons(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a geometry, a feature or a collection of them, those that are polygons."""
    members = {"FeatureCollection": "features", "GeometryCollection": "geometries"}.get(given["type"])
    if members:
        return [polygon for one in given[members] for polygon in _polygons(one)]
    if given["type"] == "Feature":
        return _polygons(given["geometry"])
    return [given] if given["type"] in ("Polygon", "MultiPolygon") else []


def samples(store: Store, collection: str, inside: shapely.Geometry | None = None) -> list[Placed]:
    """The collection's samples, those in an area or all, by name.

    Args:
        inside: EPSG:4326, as `area` gives it; its sides are straight on the screen (EPSG:3857).
    """
    west, south, east, north = inside.buffer(BORDER).bounds if inside is not None else EVERYWHERE
    with store.reading() as db:
        db.conn.row_factory = None  # plain tuples in the order of Placed's fields
        found = [Placed(*row[:-1], bool(row[-1])) for row in db.execute(PLACED, [collection, west, east, south, north])]
    if inside is None or not found:
        return found
    frame = _on_screen(inside)
    shapely.prepare(frame)
    kept = shapely.covers(frame, _on_screen(_middles(found)))
    return [one for one, wanted in zip(found, kept, strict=True) if wanted]


def _on_screen(places: shapely.Geometry | np.ndarray):
    """EPSG:4326 -> EPSG:3857, where the sides of what was drawn are straight."""
    return shapely.transform(places, Transformer.from_crs(drawn.WORLD, warped.MERCATOR, always_xy=True).transform, interleaved=False)


def _middles(found: Sequence[Placed]) -> np.ndarray:
    """(N,) points in EPSG:4326."""
    points = shapely.points([one.lon for one in found], [one.lat for one in found])
    outlined = [at for at, one in enumerate(found) if one.polygon is not None]
    points[outlined] = shapely.point_on_surface(shapely.from_geojson([found[at].polygon for at in outlined]))
    return points


def years(made: Map) -> set[int]:
    """The years that a map speaks of."""
    return {day.year for day in made.stack.dates}


def words(made: Map, found: Sequence[Placed]) -> dict[int, Word]:
    """Sample number -> what the map says of it, of those that it says anything of.

    Raises:
        BadInput: a raster of the map is missing or cut short.
    """
    asked = [one for one in found if one.year in years(made)]
    places = (np.array([getattr(one, name) for one in asked], dtype=float) for name in ("lon", "lat"))
    said = sampling.at_samples(made, *places, [one.polygon for one in asked])
    known = made.by_code()
    names = {code: entry.name for code, entry in known.items()}
    return {
        one.id: Word(names[int(code)], float(sure), names.get(one.code))
        for one, code, sure in zip(asked, said.codes, said.probability, strict=True)
        if int(code) in names
    }


def season(store: Store, collection: str, found: Sequence[Placed], index: str = "NDVI") -> Profile | None:
    """An index through the season over samples: of each the median of its field on its clear dates. `pixels` counts samples.

    Returns:
        None where there is no sample, or the collection lacks the index's bands.
    """
    entry = catalogue.collection(store, collection)
    if not found or index not in indices.available(entry.bands):
        return None
    numbers, years_of = np.array(sorted((one.id, one.year) for one in found), dtype=np.int64).T
    values, _, clear, _ = profiles.values(store, entry, index, numbers, years_of)
    seen = np.where(clear, values, np.nan)
    counts = np.isfinite(seen).sum(axis=0)
    filled = np.where(counts, seen, 0.0)  # a bin that nobody saw would warn
    figures = (np.where(counts, of, np.nan) for of in (np.nanmean(filled, axis=0), *np.nanpercentile(filled, (25, 50, 75), axis=0)))
    names = seasons.bins(entry)
    return Profile(index, names, tuple(seasons.axis(names)), *figures, counts, 1)
