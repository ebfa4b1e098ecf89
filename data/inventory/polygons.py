"""Polygon layers with a class column as inventories: the code at a point is that of the polygon it lies in. Needs geopandas."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pyproj import Transformer
from rasterio.features import rasterize

from data.errors import BadInput

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from shapely import STRtree

SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".parquet")
MARGIN_DEG = 0.05  # round the samples: about 5 km, so that patches are covered to their edges
HIGHEST = 65_535


@dataclass(frozen=True)
class Layer:
    """An inventory of one year: polygons with codes.

    crs: as WKT. shapes: (M,) shapely geometries in it; codes: (M,) uint16, 0 = no label. Where polygons overlap the first counts.
    colours, names: what the file itself says of its codes: nothing.
    is_aci: whether the codes are those of Canada's Annual Crop Inventory.
    """

    name: str
    year: int | None
    crs: str
    shapes: np.ndarray
    codes: np.ndarray
    tree: "STRtree"
    colours: dict[int, str]
    names: dict[int, str]
    is_aci: bool

    def codes_at(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes at points.

        Args:
            lon, lat: (N,) degrees, EPSG:4326.

        Returns:
            codes (N,) uint16, 0 = no label; covered (N,) bool, whether the point lies in a polygon.
        """
        import shapely

        points = shapely.points(*Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(np.asarray(lon), np.asarray(lat)))
        first = np.full(len(points), len(self.codes))
        np.minimum.at(first, *self.tree.query(points, predicate="intersects"))
        return np.append(self.codes, 0)[first].astype(np.uint16), first < len(self.codes)

    def tiles_at(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """(N,) zeros: any order is as quick."""
        return np.zeros(len(lon), dtype=np.int64)

    def cuts(self, crs: str, transforms: np.ndarray, height: int, width: int) -> np.ndarray:
        """The codes on the grids of patches: of the polygon that holds a pixel's centre.

        Args:
            crs: of the patches. transforms: (N, 6) a b c d e f: (column, row) of a patch's upper left corner -> crs.

        Returns:
            (N, height, width) uint16, 0 = no label or in no polygon.
        """
        import shapely
        from affine import Affine

        found = np.zeros((len(transforms), height, width), dtype=np.uint16)
        there, back = (Transformer.from_crs(*pair, always_xy=True) for pair in ((crs, self.crs), (self.crs, crs)))
        for patch, transform in zip(found, np.asarray(transforms, dtype=np.float64), strict=True):
            to_crs = Affine(*transform)
            corners = [to_crs * corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
            near = self.tree.query(shapely.box(*there.transform_bounds(*_bounds(corners))))
            if near.size:
                near = np.sort(near)[::-1]  # the last to be drawn is the first of the layer
                shapes = shapely.transform(self.shapes[near], back.transform, interleaved=False)
                codes = self.codes[near].tolist()
                rasterize(zip(shapes, codes, strict=True), out=patch, transform=to_crs)
        return found


def _bounds(corners: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    x, y = zip(*corners, strict=True)
    return min(x), min(y), max(x), max(y)


def open_layer(
    path: Path,
    column: str | None,
    code_of: Callable[[Counter[str]], dict[str, int]],
    *,
    name: str,
    year: int | None,
    area: tuple[float, float, float, float],
    no_label: frozenset[int],
    is_aci: bool,
) -> Layer:
    """Read the polygons of a layer that lie near the samples.

    Args:
        column: that holds the class: codes, or names.
        code_of: class texts with their numbers of polygons -> code of each; a text that it leaves out is no label.
        area: west, south, east, north of the samples, EPSG:4326.
        no_label: codes that are no label.

    Raises:
        BadInput: the file cannot be read, has no CRS, no polygons or not that column.
    """
    import shapely

    table = _read(path, column, name, area)
    if table.crs is None:
        beside = f"Put its .prj file beside {name}." if path.suffix.lower() == ".shp" else "Save it with its CRS."
        raise BadInput(f"{name} has no CRS, so nobody knows where its polygons lie. {beside}")
    table = table[shapely.get_dimensions(table.geometry.to_numpy()) == 2]
    texts = [_text(value) for value in table[column]]
    known = code_of(Counter(text for text in texts if text))
    codes = np.array([known.get(text, 0) for text in texts], dtype=np.int64).reshape(-1)
    codes[(codes < 0) | (codes > HIGHEST) | np.isin(codes, list(no_label))] = 0
    shapes = shapely.force_2d(shapely.make_valid(table.geometry.to_numpy()))
    return Layer(name, year, table.crs.to_wkt(), shapes, codes.astype(np.uint16), shapely.STRtree(shapes), {}, {}, is_aci)


def _read(path: Path, column: str | None, name: str, area: tuple[float, float, float, float]) -> "GeoDataFrame":
    import geopandas
    from pyogrio import read_info
    from pyogrio.errors import DataLayerError, DataSourceError
    from shapely import box

    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            schema = pyarrow.parquet.read_schema(path)
            _check_column(column, [field for field in schema.names if field not in ("geometry", "bbox")], name)
            return geopandas.read_parquet(path)
        info = read_info(path)
        _check_column(column, list(info["fields"]), name)
        if info["crs"] is None:
            return geopandas.read_file(path, columns=[column])
        west, south, east, north = area
        near = geopandas.GeoSeries([box(west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG)], crs=4326)
        return geopandas.read_file(path, columns=[column], bbox=near)
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        raise BadInput(f"{name} cannot be read as a polygon layer: {error}. Give GeoPackage, GeoJSON, Shapefile or GeoParquet.") from error


def _check_column(column: str | None, columns: list[str], name: str) -> None:
    if column not in columns:
        wanted = "Say which column holds the class" if column is None else f"{name} has no column {column!r}. Say which holds the class"
        raise BadInput(f"{wanted}, with --class-column; {name} has: {', '.join(columns) or 'none'}.")


def _text(value: Any) -> str:
    """A class as text: whole numbers without a point, nothing for what is missing."""
    import pandas as pd

    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
