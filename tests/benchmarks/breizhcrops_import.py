"""Import of a synthetic BreizhCrops region: memory, speed and size on disk. By hand: `python -m tests.benchmarks.breizhcrops_import`.

The region has the published layout and lengths (51 dates, or 102 where orbits overlap), the reflectances of the 301 Bavarian parcels
in data/demo at those dates with a little noise, and fields of twelve corners. Every measured step is a process of its own, and its
peak memory is what the system counted. Further regions are links to the first one's series: they cost no disk and are read like any.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from data import catalogue, info, profiles
from data.importers import breizhcrops
from data.workspace import Workspace
from tests import breizhcrops_world as world

ROOT = Path(__file__).resolve().parents[2]
DAYS = {51: np.linspace(2, 362, 51).astype(int), 102: np.linspace(2, 363, 102).astype(int)}
REGIONS = ("frh01", "frh02", "frh03", "frh04")


def make(root: Path, parcels: int, regions: int) -> Path:
    """Every second parcel has 51 dates, the others 102."""
    world.write_tables(root)
    folder = root / "2017" / "L1C"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    seasons = {
        (real, length): world.season(real, days) for real in range(len(world.parcels())) for length, days in DAYS.items()
    }  # fmt: skip
    lines = []
    with h5py.File(folder / "frh01.h5", "w") as file:
        for number in range(parcels):
            length = 51 if number % 2 else 102
            crop, values = seasons[number % len(world.parcels()), length]
            noisy = values * random.normal(1, 0.03, (length, 1))
            path = f"csv/frh01/{1000 + number}.csv"
            cloudy = random.random(length) < 0.3
            file[path] = world.array(DAYS[length], noisy, breizhcrops.ORDERS["L1C"][0], cloudy=cloudy)
            lines.append((number, 0.0, 1000 + number, crop, path, number + 1, length))
    for region in REGIONS[:regions]:
        if region != "frh01":
            (folder / f"{region}.h5").symlink_to("frh01.h5")
        world.write_index(folder / f"{region}.csv", lines)
        _outlines(root / "2017" / f"{region}.shp", [line[2] for line in lines])
    return root


def _outlines(path: Path, numbers: list[int]) -> None:
    import geopandas
    import shapely

    corners = np.array([world.corner(number, number // 1600 % 20) for number in numbers], dtype=float)
    turn = np.linspace(0, 2 * np.pi, 13)
    rings = corners[:, None] + 60 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    geopandas.GeoDataFrame({"ID": numbers}, geometry=shapely.polygons(rings), crs=2154).to_file(path)


def step(name: str, root: Path, home: Path) -> None:
    """One measured step, in a process of its own; prints seconds and peak MB."""
    workspace = Workspace(home).create()
    start = time.perf_counter()
    if name == "import":
        breizhcrops.import_breizhcrops(workspace, root)
    elif name == "info":
        info.describe(workspace.store)
    elif name == "profiles":
        profiles.load(workspace.store, "breizhcrops-2017-L1C", "NDVI")
    elif name == "training data":
        from modeling import pixels, samples
        from modeling.config import TrainConfig

        known = samples.load(workspace.store, "breizhcrops-2017-L1C", "inventory")
        pixels.load(workspace, known, TrainConfig.for_model("ltae", known.collection))
    elif name == "card":
        from labeling import cards

        for sample in range(1, 21):
            cards.card(workspace, sample)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak}))


def measured(name: str, root: Path, home: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.breizhcrops_import", "--step", name, str(root), str(home)]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def sizes(home: Path) -> dict[str, float]:
    """MB on disk, and the pixels against the uint16 of the true, unpadded values."""
    workspace = Workspace(home)
    folder = workspace.shards(catalogue.collections(workspace.store)[0].name)
    dates = [np.load(path, mmap_mode="r") for path in folder.glob("*.dates.npy")]
    of = {kind: sum(path.stat().st_size for path in folder.glob(f"*{kind}")) for kind in (".dates.npy", ".quality.npy", ".npy")}
    pixels, beside = of[".npy"] - of[".dates.npy"] - of[".quality.npy"], of[".dates.npy"] + of[".quality.npy"]
    true = sum(int((shard > 0).sum()) for shard in dates) * 13 * 2
    database = sum(path.stat().st_size for path in home.glob("cropcheck.db*"))
    return {
        "true_mb": true / 2**20, "pixels_mb": pixels / 2**20, "beside_mb": beside / 2**20, "database_mb": database / 2**20,
        "pixels_ratio": pixels / true, "shards_ratio": (pixels + beside) / true,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parcels", type=int, default=50_000)
    parser.add_argument("--small", type=int, default=5_000)
    parser.add_argument("--regions", type=int, default=1, help="how many regions of so many parcels each, 1 to 4")
    parser.add_argument("--step", nargs=3, metavar=("NAME", "ROOT", "HOME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step[0], Path(given.step[1]), Path(given.step[2]))
        return
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for parcels, regions in ((given.small, 1), (given.parcels, given.regions)):
            start = time.perf_counter()
            root, home = make(Path(folder) / f"root-{parcels}", parcels, regions), Path(folder) / f"home-{parcels}"
            count = parcels * regions
            print(f"{count} parcels, written in {time.perf_counter() - start:.0f} s")
            for name in ("import", "info", "profiles", "training data", "card"):
                found = measured(name, root, home)
                rate = f", {count / found['seconds']:.0f} parcels/s" if name == "import" else ""
                print(f"  {name}: {found['seconds']:.2f} s, peak {found['peak_mb']:.0f} MB{rate}")
                peaks[name, parcels] = found["peak_mb"]
            print("  " + ", ".join(f"{key} {value:.2f}" for key, value in sizes(home).items()))
    ratio = peaks["import", given.parcels] / peaks["import", given.small]
    print(f"peak memory of the import, {given.parcels * given.regions} parcels to {given.small}: {ratio:.2f}")


if __name__ == "__main__":
    main()
