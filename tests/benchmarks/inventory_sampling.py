"""Looking points up on an inventory, against rasterio point by point. Run by hand:

    python -m tests.benchmarks.inventory_sampling [CDL.tif] [--points 100000] [--side 10000] [--loop 20000] [--rounds 3] [--json]

CDL.tif is any cut of the USDA's Cropland Data Layer, by default the tests' own; its codes are repeated to a raster of `--side` x
`--side` pixels of 30 m in tiles of 256, deflated. Two comparisons, the sides of each taken in turns in every round:

    windows     centre, mode and purity of the 21 x 21 pixels (630 m) around points: `sampling.around` against `rasterio.sample` for the
                centres, and a window read, `np.unique` and a comparison for every point
    patches     the codes on 64 x 64 pixels of 10 m in EPSG:3978, mode and purity: `Raster.cuts` and `sampling.modal_codes` against
                `rasterio.sample` and a read of a `WarpedVRT` (nearest) on the patch's grid for every point

The loops take `--loop` points (a tenth of it for patches), from the start of the list, and their time is scaled to all points. Both
sides' answers are compared. Then a fresh process looks all windows up, and says its peak memory.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from data.command import report
from data.inventory import sampling
from data.inventory.rasters import Raster, open_raster

WINDOW = 21
PATCH = 64
PATCH_CRS = "EPSG:3978"

CUT = Path(__file__).parents[1] / "data" / "inventory" / "2021_30m_cdls_cut.tif"


def enlarged(source: Path, target: Path, side: int) -> Path:
    with rasterio.open(source) as small:
        codes, colours = small.read(1), small.colormap(1)
        profile = {"driver": "GTiff", "dtype": codes.dtype, "count": 1, "crs": small.crs, "transform": small.transform}
    times = [-(-side // length) for length in codes.shape]
    with rasterio.open(
        target, "w", **profile, width=side, height=side, tiled=True, blockxsize=256, blockysize=256, compress="deflate"
    ) as big:
        big.write(np.tile(codes, times)[:side, :side], 1)
        big.write_colormap(1, colours)
    return target


def points(raster: Raster, count: int) -> tuple[np.ndarray, ...]:
    """x, y in the raster's CRS, longitudes and latitudes; no nearer to the edge than a patch is wide."""
    random = np.random.default_rng(0)
    cols, rows = random.uniform(40, raster.width - 40, count), random.uniform(40, raster.height - 40, count)
    x, y = raster.transform * (cols, rows)
    return x, y, *Transformer.from_crs(raster.crs, 4326, always_xy=True).transform(x, y)


def windows_by_loop(raster: Raster, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    with rasterio.open(raster.path) as dataset:
        centre = [int(value[0]) for value in dataset.sample(zip(x, y, strict=True))]
        modal, purity = [], []
        for at, (east, north) in enumerate(zip(x, y, strict=True)):
            row, col = dataset.index(east, north)
            window = dataset.read(1, window=Window(col - WINDOW // 2, row - WINDOW // 2, WINDOW, WINDOW))
            codes, counts = np.unique(window, return_counts=True)
            modal.append(codes[counts.argmax()])
            purity.append((window == centre[at]).mean())
    return np.array(centre), np.array(modal), np.array(purity)


def patches_by_loop(raster: Raster, x: np.ndarray, y: np.ndarray, transforms: np.ndarray) -> tuple[np.ndarray, ...]:
    with rasterio.open(raster.path) as dataset:
        centre = [int(value[0]) for value in dataset.sample(zip(x, y, strict=True))]
        modal, purity = [], []
        for at, transform in enumerate(transforms):
            with WarpedVRT(dataset, crs=PATCH_CRS, transform=Affine(*transform), height=PATCH, width=PATCH) as warped:
                patch = warped.read(1)
            codes, counts = np.unique(patch, return_counts=True)
            modal.append(codes[counts.argmax()])
            purity.append((patch == centre[at]).mean())
    return np.array(centre), np.array(modal), np.array(purity)


def patches_at_once(raster: Raster, lon: np.ndarray, lat: np.ndarray, transforms: np.ndarray) -> tuple[np.ndarray, ...]:
    centre, _ = raster.codes_at(lon, lat)
    order = np.argsort(raster.tiles_at(lon, lat), kind="stable")
    modal, purity = np.empty_like(centre), np.empty(len(centre))
    for start in range(0, len(order), 16_384):
        some = order[start : start + 16_384]
        cuts = raster.cuts(PATCH_CRS, transforms[some], PATCH, PATCH)
        modal[some], purity[some] = sampling.modal_codes(cuts.reshape(len(some), -1), centre[some])
    return centre, modal, purity


def peak_mb() -> int:
    """Of this process since it was executed (Linux)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def timed(work: Callable[[], tuple[np.ndarray, ...]]) -> tuple[float, tuple[np.ndarray, ...]]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def compared(ours: Callable, loop: Callable, count: int, looped: int, rounds: int) -> dict:
    """Medians and their ratio over rounds in which both take their turn; and how many answers differ."""
    mine, theirs = [], []
    for _ in range(rounds):
        seconds, found = timed(ours)
        mine.append(seconds)
        seconds, expected = timed(loop)
        theirs.append(seconds * count / looped)
    differ = sum(int((one[:looped] != other).sum()) for one, other in zip(found[:2], expected[:2], strict=True))
    ratios = [loop / ours for ours, loop in zip(mine, theirs, strict=True)]
    return {
        "ours_s": round(median(mine), 3), "loop_s": round(median(theirs), 2), "ratio": round(median(theirs) / median(mine), 1),
        "ratios": [round(ratio, 1) for ratio in ratios], "codes_that_differ": differ, "of": 2 * looped,
        "purity_off_by": float(np.abs(found[2][:looped] - expected[2]).max()),
    }  # fmt: skip


@click.command()
@click.argument("cdl", type=click.Path(exists=True, path_type=Path), default=CUT)
@click.option("--points", "count", default=100_000, show_default=True)
@click.option("--side", default=10_000, show_default=True)
@click.option("--loop", "looped", default=20_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--memory", is_flag=True, hidden=True, help="Only look all windows up in `cdl` as it is, and print the peak memory in MB.")
@click.option("--json", "as_json", is_flag=True)
def main(cdl: Path, count: int, side: int, looped: int, rounds: int, memory: bool, as_json: bool) -> None:
    if memory:
        raster = open_raster(cdl, year=2021)
        before = peak_mb()
        sampling.around(raster, *points(raster, count)[2:], WINDOW)
        click.echo(f"{before} {peak_mb()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        raster = open_raster(enlarged(cdl, Path(folder) / "big.tif", side), year=2021)
        looped = min(looped, count)
        x, y, lon, lat = points(raster, count)
        windows = compared(
            lambda: sampling.around(raster, lon, lat, WINDOW),
            lambda: windows_by_loop(raster, x[:looped], y[:looped]),
            count,
            looped,
            rounds,
        )
        east, north = Transformer.from_crs(4326, PATCH_CRS, always_xy=True).transform(lon, lat)
        zero, ten = np.zeros(count), np.full(count, 10.0)
        transforms = np.stack([ten, zero, east - 5 * PATCH, zero, -ten, north + 5 * PATCH], axis=1)
        few = max(1, looped // 10)
        patches = compared(
            lambda: patches_at_once(raster, lon, lat, transforms),
            lambda: patches_by_loop(raster, x[:few], y[:few], transforms[:few]), count, few, rounds,
        )  # fmt: skip
        command = [sys.executable, "-m", "tests.benchmarks.inventory_sampling", raster.path, "--memory", "--points", str(count)]
        before, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    figures = {"points": count, "raster_px": side, "windows": windows, "patches": patches, "memory_mb": {"before": before, "peak": peak}}
    lines = [
        f"{name}: {of['ours_s']} s, loop {of['loop_s']} s, ratio {of['ratio']} (rounds {of['ratios']}), "
        f"{of['codes_that_differ']} of {of['of']} codes differ, purity by at most {of['purity_off_by']:.6f}"
        for name, of in (("windows", windows), ("patches", patches))
    ]
    report(figures, "\n".join([*lines, f"memory: {before} MB before, {peak} MB at its peak"]), as_json=as_json)


if __name__ == "__main__":
    main()
