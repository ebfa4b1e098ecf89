"""Inventory rasters: what a file says of itself, and its codes at points and on patches, read a block at a time.

CRS, nodata, colour table and names are read from the file, never assumed. Codes are categories, so they are only ever taken by
nearest neighbour. Needs rasterio and pyproj.
"""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.errors import RasterioError
from rasterio.windows import Window

from data import aci
from data.errors import BadInput

GDAL = {
    "GDAL_HTTP_MAX_RETRY": "4", "GDAL_HTTP_RETRY_DELAY": "1", "GDAL_HTTP_TIMEOUT": "60", "GDAL_HTTP_CONNECTTIMEOUT": "20",
}  # fmt: skip
GDAL_REMOTE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}  # a server's folder is not looked through
THREADS = min(4, os.cpu_count() or 1)
TILE_SIDE = 2_048  # pixels of a side that a thread reads at once of a tiled raster
STRIP_PIXELS = 2**25  # and of one stored in strips
CHUNK = 256  # patches looked up together: their indices stay in the processor's cache
EDGE = 1e-9  # pixels; a place on the edge of two pixels belongs to the right or lower one, however it was rounded
CLOSE = 1e-6  # pixels that an interpolated place may lie off
FAR = -(2**30)  # row or column of what has no place on the raster's projection
NO_LABEL = frozenset({0})
NO_LABEL_ACI = frozenset({0, 10})  # 10 is cloud

Work = Callable[[np.ndarray, int, int, np.ndarray], None]  # codes of a window, its first row and column, which places lie in it
Span = tuple[np.ndarray, np.ndarray]  # (N,) first row or column of each place, and (N,) the one after its last


@dataclass(frozen=True)
class Raster:
    """An inventory of one year: whole codes on a grid.

    path: what GDAL opens; name: what people call it.
    crs: as WKT. transform: (column, row) of the upper left corner -> crs.
    block: (rows, columns) of a piece as stored.
    nodata: the value that says "outside", or None.
    no_label: codes that are no label; they are read as 0, as is nodata.
    colours, names: what the file itself says of its codes, as #rrggbb and as text.
    is_aci: whether its colours are those of Canada's Annual Crop Inventory; also where it has none.
    """

    path: str
    name: str
    year: int | None
    crs: str
    transform: Affine
    height: int
    width: int
    block: tuple[int, int]
    nodata: float | None
    no_label: frozenset[int]
    colours: dict[int, str]
    names: dict[int, str]
    is_aci: bool

    def pixels_of(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) int64 rows and columns of points in EPSG:4326; far outside where the projection has no place for them."""
        x, y = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(np.asarray(lon), np.asarray(lat))
        cols, rows = ~self.transform * (x, y)
        return _whole(rows + EDGE), _whole(cols + EDGE)

    def codes_at(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The codes at points.

        Args:
            lon, lat: (N,) degrees, EPSG:4326.

        Returns:
            codes (N,) uint16, 0 = no label; covered (N,) bool: the point lies on the raster, and not on nodata.

        Raises:
            BadInput: the file cannot be read to its end.
        """
        rows, cols = self.pixels_of(lon, lat)
        codes, covered = np.zeros(len(rows), dtype=np.uint16), np.zeros(len(rows), dtype=bool)

        def look_up(window: np.ndarray, top: int, left: int, of: np.ndarray) -> None:
            values = window[rows[of] - top, cols[of] - left]
            covered[of] = ~self._outside(values)
            codes[of] = self.codes(values)

        self.by_tile((rows, rows + 1), (cols, cols + 1), look_up)
        return codes, covered

    def cuts(self, crs: str, transforms: np.ndarray, height: int, width: int) -> np.ndarray:
        """The codes on the grids of patches, by nearest neighbour.

        Where a patch's pixels lie is interpolated between a few places that are transformed exactly, so many that it is true to a
        millionth of a pixel of this raster.

        Args:
            crs: of the patches. transforms: (N, 6) a b c d e f: (column, row) of a patch's upper left corner -> crs.

        Returns:
            (N, height, width) uint16, 0 = no label or outside the raster.

        Raises:
            BadInput: the file cannot be read to its end.
        """
        found = np.zeros((len(transforms), height * width), dtype=np.uint16)
        if len(transforms):
            rows, cols, down, across = self._lattice(crs, np.asarray(transforms, dtype=np.float64), height, width)

            def look_up(window: np.ndarray, top: int, left: int, of: np.ndarray) -> None:
                flat = self.codes(window).ravel()
                for start in range(0, len(of), CHUNK):
                    some = of[start : start + CHUNK]
                    at = _pixels(rows[some] - top, down, across)
                    at *= window.shape[1]
                    at += _pixels(cols[some] - left, down, across)
                    found[some] = flat.take(at, mode="clip")

            self.by_tile(_span(rows), _span(cols), look_up)
        return found.reshape(-1, height, width)

    def _lattice(self, crs: str, transforms: np.ndarray, height: int, width: int) -> tuple[np.ndarray, ...]:
        """Rows and columns (N, K * K) of a lattice of places on each patch, and the weights (K, height), (K, width) of its pixels."""
        to_raster = Transformer.from_crs(crs, self.crs, always_xy=True)
        some = np.unique(np.linspace(0, len(transforms) - 1, 9).astype(int))
        exact = self._places(to_raster, transforms[some], np.arange(height) + 0.5, np.arange(width) + 0.5)
        for nodes in (2, 3, 5, 9, 17):
            down, across = _interpolation(nodes, height), _interpolation(nodes, width)
            rows, cols = self._places(to_raster, transforms, _nodes(nodes, height), _nodes(nodes, width))
            off = max(np.abs(_between(places[some], down, across) - true).max() for places, true in zip((rows, cols), exact, strict=True))
            if not off > CLOSE:
                break
        return rows, cols, down, across

    def _places(self, to_raster: Transformer, transforms: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, R * C) float rows and columns in this raster of the patches' places at R rows and C columns."""
        row, col = (axis.ravel() for axis in np.meshgrid(rows, cols, indexing="ij"))
        a, b, c, d, e, f = transforms.T[:, :, None]
        x, y = to_raster.transform(a * col + b * row + c, d * col + e * row + f)
        back = ~self.transform
        return back.d * x + back.e * y + back.f, back.a * x + back.b * y + back.c

    def by_tile(self, rows: Span, cols: Span, work: Work) -> None:
        """Call `work` for every window of the raster that holds some of the places, in threads; each block is read about once.

        A window holds the places whose first pixels lie in one tile, whole; where it reaches over the raster's edge it is filled
        with nodata, or 0. Places that do not touch the raster are in none.

        Raises:
            BadInput: the file cannot be read to its end.
        """
        touching = np.flatnonzero((rows[1] > 0) & (rows[0] < self.height) & (cols[1] > 0) & (cols[0] < self.width))
        if not touching.size:
            return
        tile = self._tiles_of(rows[0][touching], cols[0][touching])
        order = np.argsort(tile, kind="stable")
        groups = np.split(touching[order], np.flatnonzero(np.diff(tile[order])) + 1)
        parts = [groups[start::THREADS] for start in range(min(THREADS, len(groups)))]

        def part_done(part: list[np.ndarray]) -> None:
            with opened(self.path) as dataset:
                for of in part:
                    top, left = int(rows[0][of].min()), int(cols[0][of].min())
                    bottom, right = int(rows[1][of].max()), int(cols[1][of].max())
                    work(self._read(dataset, top, left, bottom, right), top, left, of)

        try:
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(part_done, parts))
        except RasterioError as error:
            raise BadInput(f"{self.name} cannot be read to its end: {error}. It may be cut short: fetch it again.") from error

    def tiles_at(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """(N,) int64 numbers of the tiles that points lie in: places in this order are read quickest."""
        return self._tiles_of(*self.pixels_of(lon, lat))

    def _tiles_of(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        tall, wide = self._tile()
        return np.clip(rows, 0, None) // tall * math.ceil(self.width / wide) + np.clip(cols, 0, None) // wide

    def _tile(self) -> tuple[int, int]:
        tall, wide = self.block
        if wide >= self.width:
            return tall * max(1, STRIP_PIXELS // (tall * wide)), self.width
        return math.ceil(TILE_SIDE / tall) * tall, math.ceil(TILE_SIDE / wide) * wide

    def _read(self, dataset: rasterio.DatasetReader, top: int, left: int, bottom: int, right: int) -> np.ndarray:
        """The values of rows top ... bottom and columns left ... right, either of which may lie outside."""
        inner = max(0, top), max(0, left), min(self.height, bottom), min(self.width, right)
        values = dataset.read(1, window=Window(inner[1], inner[0], inner[3] - inner[1], inner[2] - inner[0]))
        if inner == (top, left, bottom, right):
            return values
        padding = (inner[0] - top, bottom - inner[2]), (inner[1] - left, right - inner[3])
        return np.pad(values, padding, constant_values=0 if self.nodata is None else self.nodata)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Values as stored -> codes, uint8 or uint16, 0 = no label; nodata and what is no code at all are none."""
        drop = self.no_label | ({int(self.nodata)} if self.nodata is not None and math.isfinite(self.nodata) else frozenset())
        if values.dtype == np.uint8:
            table = np.arange(256, dtype=np.uint8)
            table[[code for code in drop if 0 < code < 256]] = 0
            return table.take(values) if table.tolist() != list(range(256)) else values
        return np.where((values > 0) & (values <= 65_535) & ~np.isin(values, list(drop)), values, 0).astype(np.uint16)

    def _outside(self, values: np.ndarray) -> np.ndarray:
        return np.zeros(values.shape, dtype=bool) if self.nodata is None else values == self.nodata


@contextmanager
def opened(path: str | Path) -> Iterator[rasterio.DatasetReader]:
    """An open raster, with the retries that a server needs."""
    remote = GDAL_REMOTE if str(path).startswith("/vsi") else {}
    with rasterio.Env(**GDAL, **remote), rasterio.open(path) as dataset:
        yield dataset


def _between(places: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(n, K * K) rows or columns on the lattices of n patches -> (n, height * width) those of all their pixels."""
    nodes = len(down)
    columns = np.matmul(down.T, places.reshape(-1, nodes, nodes))  # (n, height, K)
    # A product a patch: in one large product the linear algebra starts threads of its own, which fight with ours.
    return np.matmul(columns, across).reshape(len(places), -1)


def _pixels(places: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """`_between`, as the whole int32 pixels that hold the places."""
    return np.floor(_between(places, down, across) + EDGE).astype(np.int32)


def _span(places: np.ndarray) -> Span:
    """(N, K) float rows or columns -> the whole ones that they reach over, and two more on either side."""
    return _whole(places.min(axis=1)) - 2, _whole(places.max(axis=1)) + 3


def _whole(places: np.ndarray) -> np.ndarray:
    return np.floor(np.nan_to_num(places, nan=FAR, posinf=FAR, neginf=FAR)).astype(np.int64)


def _nodes(count: int, length: int) -> np.ndarray:
    """`count` places along an axis of `length` pixels, from the first pixel's centre to the last one's."""
    return np.linspace(0.5, length - 0.5, count)


def _interpolation(count: int, length: int) -> np.ndarray:
    """(count, length) Lagrange weights of the nodes for the centres of the pixels; a single pixel is a node's own."""
    nodes, centres = _nodes(count, length), np.arange(length) + 0.5
    if length == 1:
        return np.eye(count)[:, :1]
    weights = np.ones((count, length))
    for one in range(count):
        for other in range(count):
            if other != one:
                weights[one] *= (centres - nodes[other]) / (nodes[one] - nodes[other])
    return weights


def open_raster(
    path: str | Path,
    *,
    name: str = "",
    year: int | None = None,
    no_label: frozenset[int] | None = None,
    besides: frozenset[int] = frozenset(),
) -> Raster:
    """What an inventory raster says of itself.

    Args:
        path: a file, or what GDAL opens (/vsicurl/https://...).
        name: what to call it in reports; by default the file's name.
        no_label: codes that are no label; by default 0, and also 10 (cloud) where the colours are those of Canada's inventory.
        besides: more codes that are no label.

    Raises:
        BadInput: it is no raster, has no CRS or no position, several bands, or no whole codes.
    """
    name = name or Path(path).name
    try:
        with opened(path) as dataset:
            _check(dataset, name)
            colours, names = _colours(dataset), _names(dataset)
            is_aci = looks_like_aci(colours)
            return Raster(
                path=str(path), name=name, year=year, crs=dataset.crs.to_wkt(), transform=dataset.transform,
                height=dataset.height, width=dataset.width, block=dataset.block_shapes[0], nodata=dataset.nodata,
                no_label=besides | ((NO_LABEL_ACI if is_aci else NO_LABEL) if no_label is None else no_label),
                colours=colours, names=names, is_aci=is_aci,
            )  # fmt: skip
    except RasterioError as error:
        raise BadInput(f"{name} cannot be read as a raster: {str(error).rstrip('.')}. Give a GeoTIFF of the inventory.") from error


def _check(dataset: rasterio.DatasetReader, name: str) -> None:
    if dataset.crs is None:
        raise BadInput(f"{name} has no CRS, so nobody knows where it lies. Give it one: rio edit-info --crs EPSG:... {name}")
    if dataset.transform.is_identity:
        raise BadInput(f"{name} has a CRS but no position (no geotransform). Give the original file, or its world file beside it.")
    if dataset.count != 1:
        raise BadInput(f"{name} has {dataset.count} bands; an inventory has one band of codes. Give the codes, not a picture of them.")
    if np.dtype(dataset.dtypes[0]).kind not in "iu":
        raise BadInput(f"{name} holds {dataset.dtypes[0]} values; an inventory holds whole codes. Convert it to uint8 or uint16.")


def _colours(dataset: rasterio.DatasetReader) -> dict[int, str]:
    """Code -> #rrggbb of the colour table; entries that are plain black or transparent say nothing."""
    try:
        table = dataset.colormap(1)
    except ValueError:
        return {}
    return {code: "#{:02x}{:02x}{:02x}".format(*rgba[:3]) for code, rgba in table.items() if any(rgba[:3]) and rgba[3]}


def looks_like_aci(colours: dict[int, str]) -> bool:
    """Whether most of the colours are those of Canada's Annual Crop Inventory for their codes; also where there are none."""
    official = {entry.code: entry.color for entry in aci.legend()}
    told = [code for code in official if code in colours]
    return not colours or sum(colours[code] == official[code] for code in told) * 2 > len(told)


def _names(dataset: rasterio.DatasetReader) -> dict[int, str]:
    """Code -> name, of the file's categories or its attribute table. GDAL writes both into a VRT, whatever the format."""
    with TemporaryDirectory(prefix="cropcheck-") as folder:
        described = Path(folder) / "described.vrt"
        rasterio.shutil.copy(dataset, described, driver="VRT")
        band = ElementTree.fromstring(described.read_text(encoding="utf-8")).find("VRTRasterBand")
    names = {code: (entry.text or "").strip() for code, entry in enumerate(band.iterfind("CategoryNames/Category"))}
    names |= _attributes(band.find("GDALRasterAttributeTable"))
    return {code: name for code, name in names.items() if name}


def _attributes(table: ElementTree.Element | None) -> dict[int, str]:
    """Value -> name by an attribute table's own column usages (5 or 3 is the value, 2 the name), else by the columns' names and types."""
    if table is None:
        return {}
    columns = [[field.findtext(key, "").lower() for key in ("Name", "Type", "Usage")] for field in table.iterfind("FieldDefn")]
    value = _first(columns, lambda name, kind, usage: usage in ("5", "3"), lambda name, kind, usage: name == "value")
    name = _first(columns, lambda name, kind, usage: usage == "2", lambda name, kind, usage: kind == "2")
    if value is None or name is None:
        return {}
    rows = [[cell.text or "" for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    return {int(float(row[value])): row[name].strip() for row in rows if len(row) == len(columns)}


def _first(columns: list[list[str]], *wanted: Callable[..., bool]) -> int | None:
    """The first column that is wanted, by the first wish that any column meets."""
    return next((at for wish in wanted for at, column in enumerate(columns) if wish(*column)), None)
