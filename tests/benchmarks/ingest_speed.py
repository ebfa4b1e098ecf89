"""Ingest of 200 sites over 5 dates against a plain loop over the same server: `python -m tests.benchmarks.ingest_speed`.

The plain loop opens each band of each scene for each site and reads the window. Both read the same bands of the same scenes through the
same loopback server, turn about, each in a process of its own, so that neither finds what the other left in GDAL's caches.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from tests.stac_world import FIVE_DAYS, StacWorld

BANDS = ("B02", "B03", "B04", "B08", "B05", "B11")
SIZE = 64


def plain(url: str, points: list[tuple[float, float]]) -> None:
    """What one would write first."""
    import numpy as np
    import pystac_client
    import rasterio
    from rasterio.warp import transform

    from data.ingest.providers import PRESETS

    assets = PRESETS["earth-search"].assets
    items = list(pystac_client.Client.open(url).search(collections=["sentinel-2-l2a"], datetime="2015-01-01/2015-12-31").items())
    for lon, lat in points:
        for item in items:
            for band in (*BANDS, "SCL"):
                with rasterio.open(item.assets[assets[band]].href) as file:
                    x, y = transform("EPSG:4326", file.crs, [lon], [lat])
                    row, column = file.index(x[0], y[0])
                    half = round(SIZE * 5 / file.res[0])
                    window = ((row - half, row + half), (column - half, column + half))
                    np.asarray(file.read(1, window=window, boundless=True, fill_value=0))


def ours(url: str, points: list[tuple[float, float]]) -> None:
    from data.ingest import planning, providers, running
    from data.ingest.settings import Settings
    from data.ingest.sites import Site
    from data.report import Report
    from data.workspace import Workspace

    sites = [Site(f"p{number}", *point) for number, point in enumerate(points)]
    settings = Settings("c", years=(2015,), months=(6, 7, 8, 9, 10), size=SIZE, bands=BANDS, composites=False, max_cloud=100, min_clear=0)
    with tempfile.TemporaryDirectory() as folder:
        workspace, report = Workspace(Path(folder)).create(), Report()
        plan = planning.obtain(workspace, settings, replace(providers.named("earth-search"), url=url), sites, report)
        running.run(workspace, plan, report, tell=lambda *_: None)
        assert report.done == len(points), report.text()


def timed(which: str, url: str, points: list[tuple[float, float]]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tests.benchmarks.ingest_speed", which, url], input=json.dumps(points), text=True, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="?", choices=("plain", "ours"))
    parser.add_argument("url", nargs="?")
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.which:
        {"plain": plain, "ours": ours}[given.which](given.url, json.load(sys.stdin))
        return
    with tempfile.TemporaryDirectory() as folder, StacWorld(Path(folder), scenes=FIVE_DAYS, size=1200, bands=BANDS) as world:
        points = world.points(given.sites)
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        fetched: dict[str, list[int]] = {"plain": [], "ours": []}
        for _ in range(given.rounds):
            for which, measured in seconds.items():
                world.reset_counts()
                measured.append(timed(which, world.url, points))
                fetched[which].append(sum(world.requests.values()))
    ratio = median(first / second for first, second in zip(*seconds.values(), strict=True))
    print(f"{given.sites} sites, {len(FIVE_DAYS)} dates, {len(BANDS)} bands and SCL, {SIZE} px; whole processes")
    for which, measured in seconds.items():
        print(f"  {which:5}  median {median(measured):6.1f} s   {median(fetched[which]):7.0f} requests")
    print(f"  plain / ours: {ratio:.1f} (median of {given.rounds} rounds)")


if __name__ == "__main__":
    main()
