"""A STAC API over Cloud-Optimised GeoTIFFs on loopback: real imagery, three providers' item shapes, faults on demand.

    with StacWorld(tmp_path) as world:                      # Earth Search's shapes; also "planetary-computer" and "cdse"
        pystac_client.Client.open(world.url)
        world.faults.add("*/33TVL*/red.tif", status=503, times=2)

`rustac serve` (PyPI, Rust) answers `world.url` from a child process. One HTTP server in front of it passes the API through, serves the
files with range requests, counts every request (`world.requests[path]`, `world.bytes`) and injects the faults.

What `rustac` 0.9.18 does with its memory backend (tried): POST /search with collections, ids, bbox, intersects, datetime, limit and
next links works, and pystac-client pages through it. GET /search does too, but answers 500 as soon as it has a `limit` ("unsupported
value"): use POST, pystac-client's default. `query` and `filter` are not conformed to and find NOTHING; `sortby` and `fields` are
ignored (items come in the order of `world.items`). So cloud cover has to be filtered by the client unless the server conforms to QUERY.
GeoParquet with DuckDB wants the internet.

The imagery is real (see tests/data/NOTICE.md): `slovenia_2015` (L1C; per band, the darkest clear pixel is brought to 50: a dark object
subtraction that makes it like L2A) on the 10 m grid of EPSG:32633, and `belgium_2021` (L2A, no B01, B8A, B09) in EPSG:32631, each
96 x 96 px. Scenes of other days than the files' own show one of these images again. Bands of 20 m and 60 m are block means.
SCL is NOT real: `classification` makes it from brightness. Baselines and offsets are made up scene by scene (`Scene.offset`).
"""

import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from functools import cache
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds, transform_geom

IMAGES = Path(__file__).parent / "data" / "stac"
RUSTAC = Path(sys.executable).with_name("rustac")
COLLECTION = "sentinel-2-l2a"
SIDE = 96  # pixels of 10 m
METRES = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20, "B09": 60, "B11": 20, "B12": 20,
    "SCL": 20,
}  # fmt: skip
BANDS = tuple(METRES)
ORIGIN = {"slovenia": (32633, 465180.0, 5080260.0), "belgium": (32631, 664020.0, 5612100.0)}  # EPSG, west, north; multiples of 60 m
EARTH_SEARCH_KEYS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2", "B07": "rededge3",
    "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22", "SCL": "scl",
}  # fmt: skip
API_PATHS = ("/search", "/collections", "/conformance", "/api.html")
PROVIDERS = ("earth-search", "planetary-computer", "cdse")


@dataclass(frozen=True)
class Scene:
    """One tile of one acquisition.

    day: ISO date that the item claims. image: file of tests/data/stac that it shows, as "slovenia_2015-07-11".
    offset: "old" (baseline before 04.00: DN = reflectance x 10 000), "applied" (04.00 or later, already subtracted by Earth Search),
        "present" (04.00 or later, DN + 1000, and the item says so), "lying" (Earth Search says applied, yet DN + 1000).
        Planetary Computer and Copernicus Data Space never subtract: their files have DN + 1000 from baseline 04.00 on, whatever this says.
    columns: of the image's 96, those that the tile covers (from, to; multiples of 6).
    epsg: another CRS than the image's: the tile is warped there by nearest.
    swath_edge: the north-west corner lies outside the swath: 0 in every band, SCL 0.
    missing: bands that the item has no asset for.
    sequence: of a reprocessed product of the same acquisition.
    """

    day: str
    image: str
    offset: str = "applied"
    baseline: str = "05.00"
    tile: str = "33TVL"
    orbit: int = 122
    columns: tuple[int, int] = (0, SIDE)
    epsg: int | None = None
    swath_edge: bool = False
    missing: tuple[str, ...] = ()
    sequence: int = 0

    @property
    def place(self) -> str:
        return self.image.split("_")[0]


_CLEAR = ("slovenia_2015-07-11", "slovenia_2015-08-30", "slovenia_2015-09-09")
_NO_60M = ("B01", "B8A", "B09")  # what belgium_2021 lacks

# Slovenia, June to September 2015: June has no clear scene.
SLOVENIA = (
    Scene("2015-06-21", "slovenia_2015-08-20", "old", "02.05"),
    Scene("2015-07-11", "slovenia_2015-07-11", "applied", "05.00"),
    Scene("2015-07-18", "slovenia_2015-08-30", "old", "02.09", orbit=22, swath_edge=True),
    Scene("2015-07-31", "slovenia_2015-07-31", "applied", "05.00"),  # partly cloudy by its SCL
    Scene("2015-08-10", "slovenia_2015-09-09", "present", "04.00"),
    Scene("2015-08-20", "slovenia_2015-08-20", "applied", "05.09"),  # cloudy
    Scene("2015-08-30", "slovenia_2015-08-30", "lying", "05.00"),
    Scene("2015-09-09", "slovenia_2015-09-09", "applied", "05.00", columns=(0, 60)),  # two tiles of one zone that overlap, one day
    Scene("2015-09-09", "slovenia_2015-09-09", "applied", "05.00", tile="33TWL", columns=(36, 96)),
    Scene("2015-09-16", "slovenia_2015-07-11", "applied", "05.11", orbit=22, columns=(0, 60)),  # two tiles of two zones, one day
    Scene("2015-09-16", "slovenia_2015-07-11", "applied", "05.11", orbit=22, tile="32TRR", columns=(36, 96), epsg=32632),
    Scene("2015-09-29", "slovenia_2015-08-30", "present", "05.11"),
)
# Belgium, June to August 2021: items without B01, B8A and B09.
BELGIUM = tuple(
    Scene(f"2021-{month}-15", f"belgium_2021-{month}", offset, baseline, tile="31UFS", orbit=51, missing=_NO_60M)
    for month, offset, baseline in (("06", "old", "03.00"), ("07", "applied", "05.00"), ("08", "present", "05.11"))
)
SCENES = (*SLOVENIA, *BELGIUM)
# The same acquisition as SLOVENIA's 2015-07-11, processed again: not among SCENES.
REPROCESSED = Scene("2015-07-11", "slovenia_2015-07-11", "present", "05.11", sequence=1)
# Five days for benchmarks, with `size=`: whole images of one tile, all but the second clear.
FIVE_DAYS = (
    Scene("2015-07-11", "slovenia_2015-07-11", "applied", "05.00"),
    Scene("2015-07-31", "slovenia_2015-07-31", "applied", "05.00"),
    Scene("2015-08-10", "slovenia_2015-09-09", "present", "04.00"),
    Scene("2015-08-30", "slovenia_2015-08-30", "old", "02.09"),
    Scene("2015-09-09", "slovenia_2015-09-09", "applied", "05.00"),
)


@cache
def image(name: str) -> dict[str, np.ndarray]:
    """Band -> (96, 96) uint16 at 10 m as the file has it (Slovenia: with its dark objects subtracted), 0 = no data, else 1 or more."""
    with rasterio.open(IMAGES / f"{name}.tif") as file:
        bands = dict(zip(file.descriptions, file.read(masked=True).astype(np.int32), strict=True))
    floor = _dark_objects() if name.startswith("slovenia") else dict.fromkeys(bands, 0)
    return {
        band: np.ma.maximum(values - floor[band], 1).filled(0).astype(np.uint16) if band in floor else values
        for band, values in bands.items()
    }


@cache
def _dark_objects() -> dict[str, int]:
    """Band -> what to subtract so that the darkest pixel of the clear Slovenian dates is 50."""
    stacks = []
    for name in _CLEAR:
        with rasterio.open(IMAGES / f"{name}.tif") as file:
            stacks.append(file.read())
            bands = file.descriptions
    return {band: int(low) - 50 for band, low in zip(bands, np.min(stacks, axis=(0, 2, 3)), strict=True)}


def block_mean(values: np.ndarray, factor: int) -> np.ndarray:
    """(H, W) uint16 -> (H / factor, W / factor) uint16: mean of the block, halves up; 0 where any of it is 0 (no data)."""
    high, wide = values.shape
    blocks = values.reshape(high // factor, factor, wide // factor, factor).astype(np.int64)
    mean = (blocks.sum(axis=(1, 3)) * 2 + factor**2) // (2 * factor**2)
    return np.where(blocks.min(axis=(1, 3)) == 0, 0, mean).astype(np.uint16)


def classification(blue: np.ndarray, red: np.ndarray, nir: np.ndarray) -> np.ndarray:
    """A made-up SCL (uint8) from reflectance x 10 000: by blue 9 over 2000, 8 over 1200, 10 over 900; 3 (shadow) two pixels north-west
    of 8 and 9; else 4 where NDVI is over 0.4, 5 elsewhere; 0 where there is no data."""
    total = np.maximum(red.astype(np.float64) + nir, 1)
    made = np.where((nir.astype(np.float64) - red) / total > 0.4, 4, 5)
    cloud = blue > 1200
    shadow = np.zeros_like(cloud)
    shadow[:-2, :-2] = cloud[2:, 2:]
    made[shadow] = 3
    made[blue > 900] = 10
    made[cloud] = 8
    made[blue > 2000] = 9
    made[(blue == 0) | (red == 0) | (nir == 0)] = 0
    return made.astype(np.uint8)


@dataclass
class Fault:
    """What a request whose path matches is answered with."""

    pattern: str
    status: int = 0
    retry_after: float | None = None
    slow: float = 0.0
    truncate: bool = False
    html: bool = False
    times: int | None = None  # None: always
    seen: int = 0


class Faults:
    """Faults in force; the first that matches and is not used up counts."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        pattern: str,
        *,
        status: int = 0,
        retry_after: float | None = None,
        slow: float = 0.0,
        truncate: bool = False,
        html: bool = False,
        times: int | None = None,
    ) -> Fault:
        """Answer paths like `pattern` (fnmatch, as "*/red.tif" or "/search") badly, `times` times or always.

        status: this HTTP status, with a Retry-After of `retry_after` seconds if given.
        slow: seconds before the (good) answer. truncate: half the body, then the connection is closed.
        html: a page with status 200 instead of what was asked for.
        Returns the fault; its `seen` counts how often it was answered.
        """
        fault = Fault(pattern, status, retry_after, slow, truncate, html, times)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def match(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fnmatch(path, fault.pattern) and (fault.times is None or fault.seen < fault.times):
                    fault.seen += 1
                    return fault
        return None


@dataclass
class Item:
    """A scene as built: its STAC item, files and truth."""

    scene: Scene
    id: str
    epsg: int
    transform: Affine  # at 10 m
    truth: dict[str, np.ndarray]  # band -> reflectance x 10 000 without offset, uint16 (SCL: uint8), native resolution, 0 = no data
    shifted: bool  # whether the files hold truth + 1000
    stac: dict = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # band -> path on the HTTP server

    def transform_of(self, band: str) -> Affine:
        return self.transform * Affine.scale(METRES[band] / 10)


class StacWorld:
    """See the module. Building the default one takes about a second.

    provider: whose item shapes, asset keys and authentication.
    scenes: what there is; SCENES by default.
    size: side of a scene in pixels of 10 m, a multiple of 6; over 96, the image is repeated, mirrored, so that no seam shows.
    bands: those written (SCL always); the items have no others.
    signed: whether files want the provider's authentication: Planetary Computer a `sig` of the newest token (else 409 without, 403
        with an old one), Copernicus Data Space an S3 signature (any key) on /eodata or a bearer token on /odata. Earth Search: none.
    block: of the files' inner tiles, in pixels.

    url: root of the STAC API. host: "127.0.0.1:port" of the HTTP server (for AWS_S3_ENDPOINT with AWS_HTTPS=NO and
    AWS_VIRTUAL_HOSTING=FALSE). token_url: Planetary Computer's token service. items: item id -> Item. truth: item id -> band -> array.
    faults, requests, bytes: see the module. sites: name -> (longitude, latitude).
    """

    def __init__(
        self,
        folder: Path,
        *,
        provider: str = "earth-search",
        scenes: tuple[Scene, ...] = SCENES,
        size: int = SIDE,
        bands: tuple[str, ...] = BANDS,
        signed: bool = True,
        block: int = 512,
    ) -> None:
        if provider not in PROVIDERS:
            raise ValueError(provider)
        self.folder, self.provider, self.scenes, self.size, self.block = Path(folder), provider, scenes, size, block
        self.bands = tuple(dict.fromkeys((*bands, "SCL")))
        self.signed = signed
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self.bytes = 0
        self.token = "sig=first"
        self.token_seconds = 3600.0
        self.items: dict[str, Item] = {}
        self.files: dict[str, Path] = {}  # path on the HTTP server -> file
        self._written: dict[bytes, Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "StacWorld":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = _Server(self)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.base = f"http://{self.host}"
        self.url = self.base
        self.token_url = f"{self.base}/api/sas/v1/token/{COLLECTION}"
        for scene in self.scenes:
            self._build(scene)
        try:
            self._start_api()
        except BaseException:
            self.__exit__()
            raise
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._serving = True
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(self, "_serving", False):
            self._server.shutdown()
        self._server.server_close()
        api = getattr(self, "_api", None)
        if api:
            api.terminate()
            api.wait(timeout=10)

    @property
    def truth(self) -> dict[str, dict[str, np.ndarray]]:
        return {name: item.truth for name, item in self.items.items()}

    @property
    def sites(self) -> dict[str, tuple[float, float]]:
        """Places in the Slovenian image (or the only one there is), by longitude and latitude.

        centre; overlap (covered by both tiles of 2015-09-09 and 2015-09-16, near the western tile's border); west (western tile only,
        outside the swath on 2015-07-18); east (eastern tile only); corner (10 m from the south-east corner: most of a patch has no
        data); outside (2 km off, no scene); belgium (centre of the other image, if there).
        """
        places = {scene.place for scene in self.scenes}
        main = "slovenia" if "slovenia" in places else "belgium"
        last = self.size * 10
        inside = {
            "centre": (last / 2, last / 2),
            "overlap": (580 * self.size / SIDE, last / 2),
            "west": (80, 80),
            "east": (last - 100, last / 2),
            "corner": (last - 10, last - 10),
            "outside": (last + 2000, last / 2),
        }
        found = {name: self.lonlat(main, *at) for name, at in inside.items()}
        return found | ({"belgium": self.lonlat("belgium", last / 2, last / 2)} if "belgium" in places else {})

    def lonlat(self, place: str, east: float, south: float) -> tuple[float, float]:
        """Longitude and latitude of a point given in metres from the image's north-west corner."""
        epsg, west, north = ORIGIN[place]
        return Transformer.from_crs(epsg, 4326, always_xy=True).transform(west + east, north - south)

    def points(self, count: int, *, margin: float = 330.0, seed: int = 0, place: str = "slovenia") -> list[tuple[float, float]]:
        """`count` random places (longitude, latitude) that keep `margin` metres from the image's border; the same for the same seed."""
        random = np.random.default_rng(seed)
        at = random.uniform(margin, self.size * 10 - margin, (count, 2))
        return [self.lonlat(place, *pair) for pair in at]

    def path(self, item: str, band: str) -> str:
        """Of a band's file on the HTTP server: a key of `requests`, a pattern for `faults`."""
        return self.items[item].paths[band]

    def item_of(self, day: str, tile: str | None = None) -> Item:
        """The first item of a day (and tile)."""
        return next(i for i in self.items.values() if i.scene.day == day and tile in (None, i.scene.tile))

    def expire_tokens(self) -> None:
        """Signatures given out so far are refused from now on."""
        self.token = f"sig={uuid.uuid4().hex}"

    def reset_counts(self) -> None:
        self.requests.clear()
        self.bytes = 0

    # Building

    def _build(self, scene: Scene) -> None:
        epsg, transform, truth = self._truth(scene)
        modern = float(scene.baseline) >= 4
        shifted = scene.offset in ("present", "lying") if self.provider == "earth-search" else modern
        item = Item(scene, _item_id(self.provider, scene), epsg, transform, truth, shifted)
        for band, values in truth.items():
            stored = values if band == "SCL" or not shifted else np.where(values == 0, 0, values + 1000).astype(np.uint16)
            item.paths[band] = _file_path(self.provider, item, band)
            self.files[item.paths[band]] = self._write(stored, epsg, item.transform_of(band))
        item.stac = _SHAPES[self.provider](self, item)
        self.items[item.id] = item

    def _truth(self, scene: Scene) -> tuple[int, Affine, dict[str, np.ndarray]]:
        epsg, west, north = ORIGIN[scene.place]
        first, last = (at * self.size // SIDE // 6 * 6 for at in scene.columns)
        transform = Affine(10, 0, west + first * 10, 0, -10, north)
        full = {band: _enlarged(values, self.size)[:, first:last] for band, values in image(scene.image).items()}
        if scene.swath_edge:
            rows, columns = np.indices(next(iter(full.values())).shape)
            outside = rows + columns < self.size * 5 // 12
            full = {band: np.where(outside, 0, values) for band, values in full.items()}
        if scene.epsg:
            full, transform = _warped(full, epsg, transform, scene.epsg)
            epsg = scene.epsg
        classes = classification(*(block_mean(full[band], 2) for band in ("B02", "B04", "B08")))
        truth = {band: block_mean(values, METRES[band] // 10) for band, values in full.items() if band in self.bands}
        return epsg, transform, {band: truth[band] for band in self.bands if band in truth and band not in scene.missing} | {"SCL": classes}

    def _write(self, values: np.ndarray, epsg: int, transform: Affine) -> Path:
        key = values.tobytes() + repr((values.shape, epsg, tuple(transform))).encode()
        if key in self._written:
            return self._written[key]
        options = {"driver": "COG", "compress": "deflate", "predictor": 2, "blocksize": self.block, "overview_resampling": "nearest"}
        if self.provider == "cdse":
            options = {"driver": "JP2OpenJPEG", "quality": 100, "reversible": "YES"}  # lossless
        path = self.folder / f"{len(self._written):04d}.{'jp2' if self.provider == 'cdse' else 'tif'}"
        high, wide = values.shape
        nodata = {} if self.provider == "cdse" else {"nodata": 0}
        with rasterio.open(
            path, "w", width=wide, height=high, count=1, dtype=values.dtype, crs=f"EPSG:{epsg}", transform=transform, **nodata, **options
        ) as file:
            file.write(values, 1)
        self._written[key] = path
        return path

    def _start_api(self) -> None:
        collection = {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": COLLECTION,
            "title": "Sentinel-2 Level-2A",
            "description": "Made for tests from real imagery.",
            "license": "proprietary",
            "links": [],
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-06-27T10:25:31Z", None]]}},
        }
        (self.folder / "collection.json").write_text(json.dumps(collection))
        items = {"type": "FeatureCollection", "features": [item.stac for item in self.items.values()]}
        (self.folder / "items.json").write_text(json.dumps(items))
        for _ in range(5):  # another program may take the port before rustac has it
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.api_port = probe.getsockname()[1]
            with (self.folder / "rustac.log").open("w") as log:
                self._api = subprocess.Popen(
                    [RUSTAC, "serve", "collection.json", "items.json", "--addr", self.url, "--bind", f"127.0.0.1:{self.api_port}"],
                    cwd=self.folder, stdout=log, stderr=log,
                )  # fmt: skip
            if self._answers():
                return
        raise RuntimeError(f"rustac does not answer: {(self.folder / 'rustac.log').read_text()}")

    def _answers(self) -> bool:
        for _ in range(500):
            if self._api.poll() is not None:
                return False
            try:
                with socket.create_connection(("127.0.0.1", self.api_port), timeout=1):
                    return True
            except OSError:
                time.sleep(0.02)
        return False

    def count(self, path: str) -> None:
        with self._lock:
            self.requests[path] += 1

    def count_bytes(self, size: int) -> None:
        with self._lock:
            self.bytes += size


def _enlarged(values: np.ndarray, size: int) -> np.ndarray:
    """(96, 96) repeated to (size, size), every other copy mirrored."""
    return values if size == SIDE else np.pad(values, ((0, size - SIDE),) * 2, mode="symmetric") if size > SIDE else values[:size, :size]


def _warped(bands: dict[str, np.ndarray], epsg: int, transform: Affine, to: int) -> tuple[dict[str, np.ndarray], Affine]:
    """Onto a 10 m grid of another CRS whose corner is a multiple of 60 m and whose sides are multiples of 6 px, by nearest."""
    high, wide = next(iter(bands.values())).shape
    west, north = transform.c, transform.f
    left, bottom, right, top = transform_bounds(epsg, to, west, north - high * 10, west + wide * 10, north)
    left, top = left // 60 * 60, -(-top // 60) * 60
    size = int(-(-(top - bottom) // 60) * 6), int(-(-(right - left) // 60) * 6)
    target = Affine(10, 0, left, 0, -10, top)
    made = {}
    for band, values in bands.items():
        made[band] = np.zeros(size, np.uint16)
        reproject(
            values, made[band], src_transform=transform, src_crs=f"EPSG:{epsg}", dst_transform=target, dst_crs=f"EPSG:{to}",
            src_nodata=0, dst_nodata=0, resampling=Resampling.nearest,
        )  # fmt: skip
    return made, target


# The items, as the three catalogues have them


def _stamp(scene: Scene) -> str:
    return f"{scene.day.replace('-', '')}T100{scene.orbit % 10}06"


def _product(scene: Scene) -> str:
    made = f"20{float(scene.baseline) + 18:.0f}1014T12340{scene.sequence}"
    return f"S2A_MSIL2A_{_stamp(scene)}_N{scene.baseline.replace('.', '')}_R{scene.orbit:03d}_T{scene.tile}_{made}"


def _item_id(provider: str, scene: Scene) -> str:
    if provider == "earth-search":
        return f"S2A_{scene.tile}_{scene.day.replace('-', '')}_{scene.sequence}_L2A"
    product = _product(scene)
    return product if provider == "cdse" else product.replace(f"_N{scene.baseline.replace('.', '')}", "")


def _file_path(provider: str, item: Item, band: str) -> str:
    scene = item.scene
    day = scene.day.split("-")
    if provider == "earth-search":
        zone, letter, square = scene.tile[:2], scene.tile[2], scene.tile[3:]
        return f"/sentinel-s2-l2a-cogs/{zone}/{letter}/{square}/{day[0]}/{int(day[1])}/{item.id}/{_asset_key(provider, band)}.tif"
    name = f"T{scene.tile}_{_stamp(scene)}_{band}_{METRES[band]}m"
    granule = f"{_product(scene)}.SAFE/GRANULE/L2A_T{scene.tile}_A000001_{_stamp(scene)}/IMG_DATA/R{METRES[band]}m/{name}"
    if provider == "cdse":
        return f"/eodata/Sentinel-2/MSI/L2A/{day[0]}/{day[1]}/{day[2]}/{granule}.jp2"
    return f"/sentinel2-l2/{scene.tile[:2]}/{scene.tile[2]}/{scene.tile[3:]}/{day[0]}/{day[1]}/{day[2]}/{granule}.tif"


def _asset_key(provider: str, band: str) -> str:
    if provider == "earth-search":
        return EARTH_SEARCH_KEYS[band]
    return f"{band}_{METRES[band]}m" if provider == "cdse" else band


def _common(item: Item, properties: dict, assets: dict, *, version: str) -> dict:
    """The parts that every STAC item has; the geometry is the files' outline."""
    truth = item.truth["SCL"]
    high, wide = truth.shape
    box = (item.transform.c, item.transform.f - high * 20, item.transform.c + wide * 20, item.transform.f)
    ring = [[box[0], box[3]], [box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]
    geometry = transform_geom(f"EPSG:{item.epsg}", "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    valid = truth != 0
    clouds = 100 * np.isin(truth, (8, 9, 10)).sum() / max(1, valid.sum())
    moment = f"{item.scene.day}T10:0{item.scene.orbit % 10}:06.027000Z"
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    return {
        "type": "Feature",
        "stac_version": version,
        "stac_extensions": [
            "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": item.id,
        "collection": COLLECTION,
        "geometry": geometry,
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": {"datetime": moment, "constellation": "sentinel-2", "instruments": ["msi"], "eo:cloud_cover": round(float(clouds), 6)}
        | properties,
        "links": [],
        "assets": assets,
    }


def _projection(item: Item, band: str) -> dict:
    transform = item.transform_of(band)
    return {"proj:shape": list(item.truth[band].shape), "proj:transform": [round(value, 6) for value in tuple(transform)[:6]]}


def _earth_search(world: StacWorld, item: Item) -> dict:
    """Element 84's sentinel-2-l2a. raster:bands keep their -0.1 where the offset is applied already, as in the real catalogue."""
    scene, modern = item.scene, float(item.scene.baseline) >= 4
    assets = {}
    for band in item.truth:
        key = EARTH_SEARCH_KEYS[band]
        scaled = {"scale": 0.0001, "offset": -0.1 if modern else 0} if band != "SCL" else {}
        kind = "uint8" if band == "SCL" else "uint16"
        assets[key] = {
            "href": world.base + item.paths[band],
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "title": f"{key} - {METRES[band]}m",
            "gsd": METRES[band],
            **_projection(item, band),
            "raster:bands": [{"nodata": 0, "data_type": kind, "spatial_resolution": METRES[band], **scaled}],
            "roles": ["data", "reflectance"],
        } | ({"eo:bands": [{"name": key, "common_name": key}]} if band != "SCL" else {})
    properties = {
        "platform": "sentinel-2a",
        "proj:epsg": item.epsg,
        "mgrs:utm_zone": int(scene.tile[:2]),
        "mgrs:latitude_band": scene.tile[2],
        "mgrs:grid_square": scene.tile[3:],
        "grid:code": f"MGRS-{scene.tile}",
        "s2:processing_baseline": scene.baseline,
        "s2:product_uri": f"{_product(scene)}.SAFE",
        "s2:sequence": str(scene.sequence),
        "s2:datatake_id": f"GS2A_{_stamp(scene)}_000001_N{scene.baseline}",
        "earthsearch:boa_offset_applied": scene.offset in ("applied", "lying"),
    }
    return _common(item, properties, assets, version="1.0.0")


def _planetary_computer(world: StacWorld, item: Item) -> dict:
    """Microsoft's sentinel-2-l2a: no raster:bands, and the files are never harmonised."""
    scene = item.scene
    assets = {
        band: {
            "href": world.base + item.paths[band],
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "title": f"{band} - {METRES[band]}m",
            "gsd": METRES[band],
            **_projection(item, band),
            "roles": ["data"],
        }
        | ({"eo:bands": [{"name": band}]} if band != "SCL" else {})
        for band in item.truth
    }
    properties = {
        "platform": "Sentinel-2A",
        "proj:epsg": item.epsg,
        "s2:mgrs_tile": scene.tile,
        "s2:processing_baseline": scene.baseline,
        "s2:product_uri": f"{_product(scene)}.SAFE",
        "s2:datatake_id": f"GS2A_{_stamp(scene)}_000001_N{scene.baseline}",
        "sat:relative_orbit": scene.orbit,
        "sat:orbit_state": "descending",
    }
    return _common(item, properties, assets, version="1.0.0")


def _copernicus(world: StacWorld, item: Item) -> dict:
    """Copernicus Data Space's sentinel-2-l2a: STAC 1.1, JPEG 2000 on S3, an https address as alternate, offsets on the assets."""
    scene, modern = item.scene, float(item.scene.baseline) >= 4
    product = uuid.uuid5(uuid.NAMESPACE_URL, item.id)
    assets = {}
    for band in item.truth:
        path = item.paths[band]
        nodes = "".join(f"/Nodes({part})" for part in path.split(".SAFE/", 1)[1].split("/"))
        node = f"/odata/v1/Products({product})/Nodes({_product(scene)}.SAFE){nodes}/$value"
        world.files[node] = world.files[path]
        scaled = {"raster:scale": 0.0001, "raster:offset": -0.1 if modern else 0} if band != "SCL" else {}
        assets[_asset_key("cdse", band)] = {
            "href": f"s3:/{path}",
            "type": "image/jp2",
            "title": f"{band} - {METRES[band]}m",
            "gsd": METRES[band],
            "nodata": 0,
            "data_type": "uint8" if band == "SCL" else "uint16",
            "proj:code": f"EPSG:{item.epsg}",
            **_projection(item, band),
            **scaled,
            "bands": [{"name": band}],
            "roles": ["data"] if band == "SCL" else ["data", "reflectance", "sampling:original", f"gsd:{METRES[band]}m"],
            "auth:refs": ["s3"],
            "storage:refs": ["cdse-s3", "creodias-s3"],
            "alternate": {"https": {"href": world.base + node, "auth:refs": ["oidc"], "storage:refs": []}},
        }
    properties = {
        "platform": "sentinel-2a",
        "grid:code": f"MGRS-{scene.tile}",
        "processing:version": scene.baseline,
        "processing:level": "L2A",
        "product:type": "S2MSI2A",
        "sat:relative_orbit": scene.orbit,
        "sat:orbit_state": "descending",
        "proj:code": f"EPSG:{item.epsg}",
    }
    return _common(item, properties, assets, version="1.1.0")


_SHAPES = {"earth-search": _earth_search, "planetary-computer": _planetary_computer, "cdse": _copernicus}


# The HTTP server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, world: StacWorld) -> None:
        self.world = world
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_GET

    def _serve(self) -> None:
        world, path = self.server.world, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        world.count(path)
        fault = world.faults.match(path)
        if fault and fault.slow:
            time.sleep(fault.slow)
        if fault and fault.status:
            after = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            self._answer(fault.status, b"no", "text/plain", after)
        elif fault and fault.html:
            self._answer(200, b"<!DOCTYPE html><html><body>Sign in to go on</body></html>", "text/html")
        else:
            self._good(path, body, truncate=bool(fault and fault.truncate))

    def _good(self, path: str, body: bytes, *, truncate: bool) -> None:
        world = self.server.world
        if path.startswith(API_PATHS) or path == "/":
            self._pass_on(body, truncate=truncate)
        elif path.startswith("/api/sas/v1/token/"):
            expiry = datetime.now(UTC) + timedelta(seconds=world.token_seconds)
            token = {"msft:expiry": expiry.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": f"st=2015&sp=rl&{world.token}"}
            self._answer(200, json.dumps(token).encode(), "application/json")
        elif path not in world.files:
            self._answer(404, b"not found", "text/plain")
        elif refused := self._refused(path):
            self._answer(refused, b"Public access is not permitted on this storage account.", "text/plain")
        else:
            self._file(world.files[path].read_bytes(), truncate=truncate)

    def _refused(self, path: str) -> int:
        """The status that a request without the right to the file gets; 0 for one with it."""
        world = self.server.world
        if not world.signed or world.provider == "earth-search":
            return 0
        if world.provider == "planetary-computer":
            given = parse_qs(urlsplit(self.path).query).get("sig")
            return 409 if not given else 403 if f"sig={given[0]}" != world.token else 0
        wanted = "Bearer " if path.startswith("/odata/") else "AWS4-HMAC-SHA256 Credential="
        return 0 if (self.headers.get("Authorization") or "").startswith(wanted) else 401 if wanted == "Bearer " else 403

    def _file(self, content: bytes, *, truncate: bool) -> None:
        kind, wanted = "image/tiff", self.headers.get("Range", "")
        if not wanted.startswith("bytes=") or "," in wanted:
            return self._answer(200, content, kind, {"Accept-Ranges": "bytes"}, truncate=truncate)
        first, _, last = wanted[6:].partition("-")
        start = int(first) if first else max(0, len(content) - int(last))
        stop = min(len(content), int(last) + 1 if first and last else len(content))
        if start >= len(content):
            return self._answer(416, b"", kind, {"Content-Range": f"bytes */{len(content)}"})
        headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        return self._answer(206, content[start:stop], kind, headers, truncate=truncate)

    def _pass_on(self, body: bytes, *, truncate: bool) -> None:
        api = HTTPConnection("127.0.0.1", self.server.world.api_port, timeout=30)
        try:
            kept = {name: value for name in ("Content-Type", "Accept") if (value := self.headers.get(name))}
            api.request(self.command, self.path, body or None, kept)
            answer = api.getresponse()
            self._answer(answer.status, answer.read(), answer.getheader("Content-Type") or "", truncate=truncate)
        except (OSError, HTTPException):
            self._answer(502, b"no API", "text/plain")
        finally:
            api.close()

    def _answer(self, status: int, content: bytes, kind: str, headers: dict | None = None, *, truncate: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        if truncate:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            sent = content[: len(content) // 2] if truncate else content
            self.wfile.write(sent)
            self.server.world.count_bytes(len(sent))
        self.wfile.flush()
