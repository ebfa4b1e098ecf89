"""How quickly a finished map of the size of a Sentinel-2 tile is read. Run by hand:

    python -m tests.benchmarks.map_reading [--side 10980] [--dates 12] [--rounds 7] [--json]

Makes, once per folder, a map of `--side` x `--side` pixels in EPSG:32631 (fields of 20 pixels, one pixel in twenty at random; ten
classes) and a stack of two bands, one file that is opened anew for each of `--dates` dates, as Cloud-Optimised GeoTIFFs. Then, in
turns, medians of `--rounds`:

    pictures    of 1366 x 768 pixels of prediction, probability and NDVI, for views from the whole map (far) to one pixel of the
                map on 16 of the screen (near); far / near should stay under 3 and no picture over half a second, whatever the zoom
    pixel       `values.at` places drawn at random; target: under 50 ms
    area        `values.inside` a field (100 x 100 pixels) and the whole map, with the NDVI profile
    changes     `changes.between` the map and itself; once, with the peak memory of the process
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import click
import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from data.command import report
from data.mapped import changes, cogs, folder, pictures, values, warped
from data.mapped.folder import Map, MapClass
from data.mapped.pictures import View
from data.stacks.stack import Layer, Stack

CRS, FIELD, BLOCK = "EPSG:32631", 20, 2_048
TRANSFORM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_700_000.0)
CODES = np.array([133, 136, 145, 146, 147, 153, 158, 177, 122, 110], dtype=np.uint8)
LAYERS = {"prediction": "crop", "probability": "probability", "NDVI": "ndvi"}


def windows(side: int) -> Iterator[tuple[int, int, int, int]]:
    """top, left, height, width of the blocks of a raster."""
    for top in range(0, side, BLOCK):
        for left in range(0, side, BLOCK):
            yield top, left, min(BLOCK, side - top), min(BLOCK, side - left)


def made(path: Path, side: int, dates: int) -> Map:
    """The map and its stack; written where the folder lacks them."""
    rng = np.random.default_rng(0)
    fields = rng.integers(0, len(CODES), (side // FIELD + 1, side // FIELD + 1))
    grid = {"crs": CRS, "transform": TRANSFORM, "height": side, "width": side}

    def grown(top: int, left: int, height: int, width: int) -> np.ndarray:
        rows, columns = (np.arange(start, start + size) // FIELD for start, size in ((top, height), (left, width)))
        noise = np.where(rng.random((height, width)) < 0.05, rng.integers(0, len(CODES), (height, width)), 0)
        return (fields[rows[:, None], columns] + noise) % len(CODES)

    def write(name: str, pixels: Callable[[np.ndarray], np.ndarray], **how) -> None:
        if not (path / f"{name}.tif").exists():
            cogs.write(path / f"{name}.tif", ((window[0], window[1], pixels(grown(*window))) for window in windows(side)), **grid, **how)

    colours = {int(code): f"#{code:02x}80{255 - code:02x}" for code in CODES}
    write("crop", lambda held: CODES[held], dtype="uint8", nodata=0, colours=colours)
    write("probability", lambda held: rng.random(held.shape, dtype=np.float32), dtype="float32", nodata=float("nan"))
    if not (path / "probabilities.tif").exists():  # single pixels are read of it, so it needs no overviews
        _shares(path / "probabilities.tif", grid, grown)
    bands = rng.integers(500, 5_000, (2, len(CODES))).astype(np.uint16)
    write("season", lambda held: bands[:, held], dtype="uint16", nodata=0, bands=("B08", "B04"))
    layers = tuple(Layer(f"2021-{month:02d}", str(path / "season.tif"), (1, 2)) for month in range(1, dates + 1))
    classes = tuple(MapClass(str(code), str(code), code, colours[code], (code,)) for code in colours)
    stack = Stack(str(path), layers, ("B08", "B04"), level="L2A", **grid)
    rasters = ("crop", "probability", "probabilities")
    return Map(path, "large", "large", "run-1", "none", "ltae", "2026-01-01T00:00:00+00:00", classes, stack, rasters)


def _shares(path: Path, grid: dict, grown: Callable[..., np.ndarray]) -> None:
    profile = grid | {"driver": "GTiff", "count": len(CODES), "dtype": "uint16", "nodata": folder.NO_SHARE, "transform": Affine(*TRANSFORM)}
    tiled = {"tiled": True, "blockxsize": cogs.BLOCK, "blockysize": cogs.BLOCK, "interleave": "pixel", "bigtiff": "if_safer"}
    with rasterio.open(path, "w", **profile, **tiled, **cogs.QUICK) as raster:
        for top, left, height, width in windows(grid["height"]):
            held = grown(top, left, height, width)
            shares = np.stack([held * 100 + number for number in range(len(CODES))]).astype(np.uint16)
            raster.write(shares, window=Window(left, top, width, height))


def view(box: tuple[float, float, float, float], zoomed: float) -> View:
    """A screen of 1366 x 768 pixels over the middle of west, south, east, north; zoomed: 1 shows its whole height."""
    west, south, east, north = box
    low, high = warped.northing(south), warped.northing(north)
    middle, step = (low + high) / 2, (high - low) / 768 / zoomed
    across = np.degrees(1366 / 2 * step / warped.RADIUS)
    return View(
        warped.latitude(middle - 384 * step), (west + east) / 2 - across, warped.latitude(middle + 384 * step), (west + east) / 2 + across,
        1366, 768,
    )  # fmt: skip


def milliseconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Medians of calls, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(1_000 * (time.perf_counter() - start))
    return {name: round(median(times), 1) for name, times in taken.items()}


def area(west: float, south: float, east: float, north: float) -> dict:
    return {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]}


@click.command()
@click.option("--folder", "where", type=click.Path(path_type=Path), help="Kept between calls; by default one that goes away.")
@click.option("--side", default=10_980)
@click.option("--dates", default=12)
@click.option("--rounds", default=7)
@click.option("--json", "as_json", is_flag=True)
def main(where: Path | None, side: int, dates: int, rounds: int, as_json: bool) -> None:
    """Times pictures, pixels, areas and changes of a large map."""
    with tempfile.TemporaryDirectory() as passing:
        path = where or Path(passing)
        path.mkdir(parents=True, exist_ok=True)
        large = made(path, side, dates)
        right, bottom = large.stack.affine @ (side, side)
        box = transform_bounds(CRS, "EPSG:4326", TRANSFORM[2], bottom, right, TRANSFORM[5])
        zooms = {"far": 1, "x4": 4, "x16": 16, "x64": 64, "near": 16 * side / 768}
        found = {}
        for title, layer in LAYERS.items():
            date = "2021-01" if layer == "ndvi" else None
            calls = {
                zoom: lambda layer=layer, by=by, date=date: pictures.picture(large, layer, view(box, by), date=date)
                for zoom, by in zooms.items()
            }
            times = milliseconds(calls, rounds)
            found |= {f"{title}, {zoom}, ms": taken for zoom, taken in times.items()}
            found[f"{title}, far / near"] = round(times["far"] / times["near"], 2)
        rng = np.random.default_rng(1)
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        calls = {
            "pixel, ms": lambda: values.at(large, *(middle + rng.uniform(-0.4, 0.4, 2))),
            "area of a field, ms": lambda: values.inside(large, area(*middle, middle[0] + 0.014, middle[1] + 0.009)),
            "area of the whole map, ms": lambda: values.inside(large, area(*box)),
        }
        found |= milliseconds(calls, rounds)
        start = time.perf_counter()
        changes.between(large, large)
        found |= {
            "changes, s": round(time.perf_counter() - start, 1),
            "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000,
        }
    report(found, "\n".join(f"{name}: {value}" for name, value in found.items()), as_json=as_json)


if __name__ == "__main__":
    main()
