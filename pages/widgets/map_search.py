"""The search field above the map: a site, a region or coordinates."""

from data.catalogue import Collection
from data.mapped.folder import Map


def search(collection: Collection, made: Map | None) -> tuple[float, float, str] | None:
    """Where to go, as lon, lat in EPSG:4326 and a name; None while nothing is chosen."""
    return None
