"""What a split must not tear apart: a site's years, and patches that show the same ground. NumPy and the store; SciPy and pyproj late.

Two patches overlap where their squares do: in the map projection that they share, their middles are closer than their side in both axes.
Patches of different projections (two UTM zones) are turned against each other; they count as overlapping where they could.
"""

import json
from dataclasses import dataclass

import numpy as np

from data import catalogue
from data.store import Store
from modeling.samples import Samples

CROWD = 10  # sites at one very position: more of them stand where an importer puts what has no position, e.g. in the middle of a province
METRES_A_DEGREE = 111_700.0  # at most, of longitude or latitude, on the ground
PATCHES = "select site, height, width, crs, transform, max(height * width) from sample where collection = ? group by site"


@dataclass(frozen=True)
class Patches:
    """The patches of N places, one each.

    lon, lat: (N,) EPSG:4326, their middles. crs: (N,) str, their projections.
    side: (N, 2) along x and y in the units of `crs`. metres: (N,) their longer side on the ground.
    """

    lon: np.ndarray
    lat: np.ndarray
    crs: np.ndarray
    side: np.ndarray
    metres: np.ndarray


def groups(store: Store, samples: Samples) -> np.ndarray:
    """(N,) int64 group of each sample, 0 ... G - 1: samples of one site, or of sites whose patches overlap, share one.

    Series without extent (1 x 1 pixel) overlap with nothing, and neither do sites whose position is not known (`CROWD`). Groups are
    numbered in the order of their first site.

    Raises:
        UnknownCollection: the samples' collection is not in the store.
    """
    sites, first, site = np.unique(samples.sites, return_index=True, return_inverse=True)
    if catalogue.collection(store, samples.collection).is_series:
        return site
    return overlapping(_patches(store, samples.collection, sites, samples.lon[first], samples.lat[first]))[site]


def overlapping(patches: Patches) -> np.ndarray:
    """(N,) int64 chain of overlapping patches that each is in, numbered in the order of their first; one alone is a chain, too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    count = len(patches.lon)
    reach = float(patches.metres.max(initial=0)) * np.sqrt(2) * 1.05  # corner to corner; 5 % for the scale of a projection
    if not reach:
        return np.arange(count)
    near = KDTree(ground(patches.lon, patches.lat)).query_pairs(reach, output_type="ndarray")
    near = near[_touching(patches, near[:, 0], near[:, 1])]
    links = coo_array((np.ones(len(near), dtype=bool), (near[:, 0], near[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def majority(chain: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(N,) int64 place of each sample, whole chains together: in the place that holds most of the chain, of equal ones the lowest.

    Args:
        chain: (N,) int64 chain of overlapping patches.
        place: (N,) int64 number of the block or region that the sample lies in.
    """
    pairs, counts = np.unique(np.stack([chain, place], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    chains, first = np.unique(pairs[order, 0], return_index=True)
    return pairs[order[first], 1][np.searchsorted(chains, chain)]


def blocks(lon: np.ndarray, lat: np.ndarray, side_m: float, centre: tuple[float, float]) -> np.ndarray:
    """The square block of each place, on an equal-area grid around `centre`.

    Args:
        lon, lat: (N,) EPSG:4326.
        side_m: side of a block in metres.
        centre: (lon, lat) EPSG:4326 of the grid's origin; blocks meet there.

    Returns:
        (N, 2) int64 column and row of the block.
    """
    from pyproj import Transformer

    metric = f"+proj=laea +lon_0={centre[0]} +lat_0={centre[1]} +units=m"
    x, y = Transformer.from_crs("EPSG:4326", metric, always_xy=True).transform(lon, lat)
    return np.floor(np.stack([x, y], axis=1) / side_m).astype(np.int64)


def ground(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """(N, 3) float64 geocentric metres (EPSG:4978) of places on the WGS 84 ellipsoid.

    The straight line between two of them is shorter than the way on the ground by 1 mm at 10 km, and it orders places alike.
    """
    from pyproj import Transformer

    return np.stack(Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, np.zeros(len(lon))), axis=1)


def _patches(store: Store, collection: str, sites: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> Patches:
    """Those of `sites`, which are in order; of a site with patches of several sizes, the largest."""
    with store.reading() as db:
        rows = {row["site"]: row for row in db.execute(PATCHES, [collection])}
    found = [rows[site] for site in sites.tolist()]
    crs = np.array([row["crs"] for row in found])
    pixel = {text: _pixel(json.loads(text)) for text in {row["transform"] for row in found}}
    side = np.array([_side(pixel[row["transform"]], row["height"], row["width"]) for row in found])
    side[[row["height"] == row["width"] == 1 for row in found]] = 0
    _, at, crowd = np.unique(np.stack([lon, lat], axis=1), axis=0, return_inverse=True, return_counts=True)
    side[crowd[at] > CROWD] = 0
    return Patches(lon, lat, crs, side, side.max(axis=1) * _metres(crs))


def _pixel(transform: list[float]) -> tuple[float, float, float, float]:
    """What a column and a row add to x, and to y."""
    a, b, _, d, e, _ = map(abs, transform)
    return a, b, d, e


def _side(pixel: tuple[float, float, float, float], height: int, width: int) -> tuple[float, float]:
    column_x, row_x, column_y, row_y = pixel
    return column_x * width + row_x * height, column_y * width + row_y * height


def _metres(crs: np.ndarray) -> np.ndarray:
    """(N,) metres on the ground in one unit of each projection, at most."""
    from pyproj import CRS

    units = {}
    for name in np.unique(crs).tolist():
        system = CRS.from_user_input(name)
        units[name] = METRES_A_DEGREE if system.is_geographic else system.axis_info[0].unit_conversion_factor
    return np.array([units[name] for name in crs.tolist()])


def _touching(patches: Patches, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(M,) bool, whether the patches of each pair overlap; those of different projections do."""
    from pyproj import Transformer

    place = np.zeros((len(patches.lon), 2))
    for name in np.unique(patches.crs).tolist():
        mine = patches.crs == name
        place[mine] = np.stack(
            Transformer.from_crs("EPSG:4326", name, always_xy=True).transform(patches.lon[mine], patches.lat[mine]), axis=1
        )
    apart = np.abs(place[one] - place[other])
    inside = (apart < (patches.side[one] + patches.side[other]) / 2).all(axis=1)
    return inside | ((patches.crs[one] != patches.crs[other]) & (patches.metres[one] > 0) & (patches.metres[other] > 0))
