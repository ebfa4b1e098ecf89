"""Import of published-layout zips against a plain rasterio loop. By hand: `python -m tests.benchmarks.canadian_import`.

The zips hold what a published one does (12 bands, 6 indices, QA10, QA20, QA60), made of the real pixels in tests/data/canadian. The
loop opens every band and QA60 of every zip with rasterio and does nothing else: it keeps reflectance x 10 000 in memory. The import
also measures, writes shards and fills the catalogue. Both sides take turns in one run; the pixels are compared at the end.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

from data import catalogue
from data.bands import L2A_BANDS
from data.importers import canadian, canadian_pixels
from data.report import Report
from data.workspace import Workspace
from tests.canadian_world import CLEAR, CLOUDY, LATER, bands_of, file_name, indices_of, scene, write_zip

MONTHS = {"06": CLEAR, "07": LATER, "08": CLOUDY, "09": CLEAR, "10": LATER}
FILES = [file_name(band) for band in L2A_BANDS]


def make(folder: Path, count: int, dtype: str) -> list[Path]:
    """`count` zips, five months a point."""
    paths = []
    for number in range(count):
        point, month = number // 5, list(MONTHS)[number % 5]
        pixels = np.roll(scene(MONTHS[month], 64 + point % 2), point, axis=2)
        name = f"POINT_{point}_2019{month}_AB_{('BARLEY', 'CANOLA')[point % 2]}"
        paths.append(write_zip(folder / name.rpartition("_")[2], name, bands_of(pixels, dtype=dtype) | indices_of(pixels)))
    return paths


def plain_loop(paths: list[Path]) -> dict[str, np.ndarray]:
    """(12, 64, 64) uint16 by the name of the zip."""
    found = {}
    for path in paths:
        planes = []
        for band in (*FILES, "QA60"):
            with rasterio.open(f"zip://{path}!{path.stem}.{band}.tif") as raster:
                planes.append(raster.read(1))
        values = np.stack(planes[:-1])
        found[path.stem] = np.rint(values * (10_000 if values.dtype.kind == "f" else 1)).astype(np.uint16)[:, :64, :64]
    return found


def read_only(paths: list[Path]) -> None:
    for path in paths:
        canadian_pixels.from_zip(str(path), canadian_pixels.Layout(), Report())


def timed(work, *arguments) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def check(workspace: Workspace, expected: dict[str, np.ndarray]) -> None:
    for name, pixels in expected.items():
        _, point, month, province, _ = name.split("_")
        sample = catalogue.sample_id(workspace.store, "canada-2019", f"POINT_{point}_{province}-2019")
        np.testing.assert_array_equal(catalogue.patch(workspace, sample).pixels[int(month[4:]) - 6], pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64", "uint16"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        paths = make(Path(work) / "zips", chosen.zips, chosen.dtype)
        seconds: dict[str, list[float]] = {"plain rasterio loop": [], "our reading alone": [], "our whole import": []}
        for turn in range(chosen.rounds + 1):  # the first warms the file cache and does not count
            workspace = Workspace(Path(work) / f"workspace{turn}").create()
            times = {
                "plain rasterio loop": timed(plain_loop, paths),
                "our reading alone": timed(read_only, paths),
                "our whole import": timed(canadian.import_folder, workspace, Path(work) / "zips", Report()),
            }
            for what, took in times.items() if turn else ():
                seconds[what].append(took)
        check(workspace, plain_loop(paths))
    loop = statistics.median(seconds["plain rasterio loop"])
    print(f"{chosen.zips} zips of {chosen.dtype} TIFs, median of {chosen.rounds} turns; the pixels agree")
    for what, took in seconds.items():
        median = statistics.median(took)
        print(f"  {what:20} {median:6.2f} s  {median / chosen.zips * 1e3:6.2f} ms a zip  {loop / median:5.2f} times the loop's speed")


if __name__ == "__main__":
    main()
