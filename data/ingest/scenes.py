"""Scenes of a STAC API over sites: searched cell by cell with pystac-client, read into plain records with odc-stac."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data.errors import BadInput
from data.ingest.providers import SCL, Provider, baseline, carries_offset
from data.ingest.settings import Season, Settings

CELL_DEGREES = 1.0  # sites of one such cell are searched for together: a scene is about 1 x 1.5 degrees
PAGE = 200
RETRIES = 5
SEARCHES = 4  # at once
Box = tuple[float, float, float, float]  # west, south, east, north in degrees


@dataclass(frozen=True)
class Scene:
    """One item with the bands that an ingest needs.

    time: UTC, ISO-8601.
    cloud: per cent; None where the item does not say.
    offset: whether, by what the item says, its files carry the 1000 of baseline 04.00.
    hrefs: band (and SCL) -> address, unsigned.
    footprint: GeoJSON geometry in EPSG:4326.
    crs: of its files, as EPSG:<number>; empty where the item does not say.
    """

    id: str
    time: str
    cloud: float | None
    baseline: str
    offset: bool
    hrefs: dict[str, str]
    footprint: dict
    crs: str = ""

    @property
    def day(self) -> str:
        return self.time[:10]


def search(
    provider: Provider, settings: Settings, places: Iterable[tuple[float, float]], margin: float,
    tell: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> tuple[list[Scene], dict[str, str]]:  # fmt: skip
    """All scenes of the seasons over the places, in order of time; of a scene that was processed several times the newest.

    Args:
        places: (longitude, latitude) in EPSG:4326.
        margin: metres around a place that a scene has to touch.

    Returns:
        The scenes, and those that cannot be used: name -> bands that they lack.

    Raises:
        BadInput: the address is no STAC API, has no such collection, or does not answer after several tries.
    """
    client = _client(provider)
    jobs = [(cell, season) for cell in _cells(places, margin) for season in settings.seasons]
    found: dict[str, Scene] = {}
    lacking: dict[str, str] = {}
    with ThreadPoolExecutor(SEARCHES) as pool:
        for number, scenes in enumerate(pool.map(lambda job: _search(client, provider, settings, *job), jobs)):
            tell(number, len(jobs), f"searching {provider.title}")
            for name, scene in scenes:
                if isinstance(scene, Scene):
                    found[name] = scene
                else:
                    lacking[name] = scene
    tell(len(jobs), len(jobs), f"searching {provider.title}")
    return _newest(found.values()), dict(sorted(lacking.items()))


def _client(provider: Provider) -> Any:
    from pystac_client import Client
    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO
    from requests.adapters import Retry

    patience = Retry(
        total=RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None, respect_retry_after_header=True
    )
    try:
        client = Client.open(provider.url, stac_io=StacApiIO(max_retries=patience, timeout=60))
        client.get_collection(provider.collection)
    except APIError as error:
        raise BadInput(
            f"{provider.url} answers, but not as a STAC API with a collection {provider.collection!r}: {_short(error)}. "
            "Check the address and the collection."
        ) from error
    except _no_stac() as error:
        raise BadInput(f"{provider.url} cannot be read as a STAC API: {_short(error)}. Check the address and the network.") from error
    return client


def _search(client: Any, provider: Provider, settings: Settings, cell: Box, season: Season) -> list[tuple[str, Scene | str]]:
    """Name -> scene, or the bands that it lacks, of those wanted in a cell and season."""
    span = f"{season.start.isoformat()}T00:00:00Z/{season.end.isoformat()}T23:59:59Z"
    less_cloudy = {"eo:cloud_cover": {"lte": settings.max_cloud}} if client.conforms_to("QUERY") else None
    try:
        items = list(client.search(collections=[provider.collection], bbox=cell, datetime=span, limit=PAGE, query=less_cloudy).items())
    except _no_stac() as error:
        raise BadInput(f"{provider.url} did not answer a search: {_short(error)}. Run the same command again later.") from error
    return [(item.id, _scene(item, provider, settings.bands)) for item in items if _wanted(item, settings)]


def _wanted(item: Any, settings: Settings) -> bool:
    """Whether an item has a place and a day that is asked for, and is not too cloudy; not every server sorts out the cloudy ones."""
    if item.geometry is None or item.datetime is None or not settings.wants(item.datetime.date()):
        return False
    return (item.properties.get("eo:cloud_cover") or 0) <= settings.max_cloud


def _scene(item: Any, provider: Provider, bands: tuple[str, ...]) -> Scene | str:
    """The item as a scene, or the bands that it lacks."""
    from odc.stac import parse_item

    keys = {band: provider.assets.get(band, band) for band in (*bands, SCL)}
    missing = [band for band, key in keys.items() if key not in item.assets]
    if missing:
        return ", ".join(missing)
    parsed, properties = parse_item(item), item.properties
    return Scene(
        item.id, item.datetime.strftime("%Y-%m-%dT%H:%M:%SZ"), properties.get("eo:cloud_cover"), baseline(properties),
        carries_offset(properties), {band: parsed[key].uri for band, key in keys.items()}, item.geometry, _crs(properties),
    )  # fmt: skip


def _no_stac() -> tuple[type[Exception], ...]:
    """What pystac and pystac-client raise where an answer does not come, is no JSON, or is no STAC."""
    from pystac.errors import STACError, STACTypeError
    from pystac_client.exceptions import APIError
    from requests import RequestException

    return (APIError, STACError, STACTypeError, RequestException, ValueError, KeyError, TypeError, AttributeError)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _cells(places: Iterable[tuple[float, float]], margin: float) -> list[Box]:
    """Boxes around the places of each cell of a degree, in order; none crosses the antimeridian."""
    cells = defaultdict(list)
    for lon, lat in places:
        cells[math.floor(lon / CELL_DEGREES), math.floor(lat / CELL_DEGREES)].append((lon, lat))
    boxes = []
    for inside in (cells[key] for key in sorted(cells)):
        lons, lats = [lon for lon, _ in inside], [lat for _, lat in inside]
        high = margin / 111_000
        wide = high / max(0.01, math.cos(math.radians(max(map(abs, lats)))))
        boxes.append(
            (max(-180.0, min(lons) - wide), max(-90.0, min(lats) - high), min(180.0, max(lons) + wide), min(90.0, max(lats) + high))
        )
    return boxes


def _crs(properties: dict) -> str:
    """By the projection extension, version 2 or 1."""
    return properties.get("proj:code") or (f"EPSG:{properties['proj:epsg']}" if properties.get("proj:epsg") else "")


def _newest(scenes: Iterable[Scene]) -> list[Scene]:
    """Of the scenes of one time and footprint, the one of the highest baseline; all in order of time."""
    best: dict[tuple, Scene] = {}
    for scene in scenes:
        key = (scene.time, str(scene.footprint))
        if key not in best or (scene.baseline, scene.id) > (best[key].baseline, best[key].id):
            best[key] = scene
    return sorted(best.values(), key=lambda scene: (scene.time, scene.id))


def passes(scenes: Iterable[Scene]) -> list[list[Scene]]:
    """Scenes in order of time, those of one overflight together: within ten minutes of its first."""
    groups: list[list[Scene]] = []
    for scene in scenes:
        if groups and (_time(scene) - _time(groups[-1][0])).total_seconds() <= 600:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return groups


def _time(scene: Scene) -> datetime:
    return datetime.fromisoformat(scene.time)
