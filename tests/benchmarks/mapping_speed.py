"""Speed and memory of `python -m modeling map` against what it could reach at best, and against two other ways. Run by hand:

    nice -n 5 python -m tests.benchmarks.mapping_speed [--side 4096] [--rounds 1] [--folder DIR] [--eo-learn PYTHON] [--json]

A simulated stack of 5 months, 12 bands and --side pixels a side (4,096: 2 GB in five GeoTIFFs) is mapped by an `ltae` with the product's
own inputs, trained for one epoch on the simulated Canadian demo: speed does not depend on what it learned.

    bare      the checkpoint's network alone, from stored numbers to logits, on pixels in memory, one thread, in its best batch size
    ours 1    the whole command with one worker: read, predict, write all rasters as Cloud-Optimised GeoTIFFs
    ours 2    the same with two workers
    plain     `tests.benchmarks.plain_map`: a rasterio block loop that writes crop and probability as plain GeoTIFFs, one thread
    eo-learn  `tests.benchmarks.eolearn_map`, likewise, by EOTasks in the environment of the --eo-learn python, which has torch too

Each is a process of its own, start included. Targets at the full side: ours 1 at least 0.8 of bare; the memory of all processes of a map
together (resident, shared pages counted once a process) under 2 GB; ours 2 at least 1.7 times ours 1 where two cores are free. Other
work on the machine moves wall times but hardly processor times, so both are given, with the load at every start; bare is measured in
short turns before, between and after the others, and is their median. One round interleaves all, figures are medians of the rounds.

The maps of ours 1, ours 2 and plain are compared: the same job is done.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import psutil
import rasterio
from rasterio.windows import Window

from data.bands import L2A_BANDS
from data.command import report
from data.mapped import folder
from data.simulate import NAME as COLLECTION

MONTHS = ("2019-06", "2019-07", "2019-08", "2019-09", "2019-10")
FULL_SIDE = 4_096
BLOCK = 512
FIELD = 64  # pixels of a side of the simulated fields
TARGETS = {"of_bare": 0.8, "bytes": 2e9, "two_workers": 1.7}
FREE = 0.3  # load average below which a two-core machine counts as free
BATCHES = (512, 1_024, 2_048, 4_096)
BARE_PIXELS = 1 << 15  # of a turn
BARE_TURNS = 5
SAMPLED_SECONDS = 0.2  # between two looks at the memory


@dataclass(frozen=True)
class Timed:
    """A child process: wall and processor seconds of it and its children, most resident memory of all together, load at its start."""

    wall: float
    processor: float
    memory: int
    load: float


def write_stack(path: Path, side: int) -> None:
    """The GeoTIFFs, in tiles of 512, not packed: what a fast disk gives. Values follow fields, with noise."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    grown = rng.integers(0, 10, (side // FIELD + 1, side // FIELD + 1))
    noise = rng.integers(0, 200, (len(L2A_BANDS), BLOCK, BLOCK), dtype=np.uint16)
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": len(L2A_BANDS),
        "height": side,
        "width": side,
        "crs": "EPSG:32617",
        "nodata": 0,
    }
    profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 4.8e6)}
    for month in MONTHS:
        means = rng.integers(300, 4_500, (len(L2A_BANDS), 10)).astype(np.uint16)
        with rasterio.open(path / f"{month}.tif", "w", **profile) as raster:
            raster.descriptions = L2A_BANDS
            for top in range(0, side, BLOCK):
                for left in range(0, side, BLOCK):
                    height, width = min(BLOCK, side - top), min(BLOCK, side - left)
                    rows, columns = np.arange(top, top + height) // FIELD, np.arange(left, left + width) // FIELD
                    values = means[:, grown[rows][:, columns]] + noise[:, :height, :width]
                    raster.write(values, window=Window(left, top, width, height))


def trained(home: Path) -> str:
    """A run of one epoch, made as a user makes it; its name."""
    environment = os.environ | {"CROPCHECK_HOME": str(home)}

    def call(module: str, *arguments: str) -> dict:
        command = [sys.executable, "-m", module, *arguments, "--json"]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    call("data", "init")
    return call("modeling", "train", "--collection", COLLECTION, "--model", "ltae", "--epochs", "1", "--device", "cpu")["run"]


def timed(command: list[str], environment: dict[str, str]) -> Timed:
    """Run a command to its end, watching the memory of all its processes."""
    load, start = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=said)
        most, over = [0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, most, over))
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        over.set()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise click.ClickException(f"{' '.join(command)} ended with {process.returncode}: {said.read()[-2_000:]}")
    return Timed(time.perf_counter() - start, used.ru_utime + used.ru_stime, most[0], load)


def _watch(pid: int, most: list[int], over: threading.Event) -> None:
    while not over.wait(SAMPLED_SECONDS):
        try:
            top = psutil.Process(pid)
            most[0] = max(most[0], sum(_resident(one) for one in [top, *top.children(recursive=True)]))
        except psutil.NoSuchProcess:
            return


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


class Bare:
    """The checkpoint's network on pixels in memory, one thread."""

    def __init__(self, checkpoint_file: Path, stack: Path):
        import torch

        from modeling import checkpoint

        torch.set_num_threads(1)
        stored = checkpoint.load(checkpoint_file)
        self.model = checkpoint.classifier(stored, next(iter(stored["parts"]))).eval()
        window = Window(0, 0, 256, BARE_PIXELS // 256)
        pixels = np.stack([rasterio.open(stack / f"{month}.tif").read(window=window) for month in MONTHS])
        series = np.ascontiguousarray(pixels.transpose(2, 3, 0, 1).reshape(-1, len(MONTHS), len(L2A_BANDS)))
        self.values = torch.from_numpy(series.view(np.int16))
        self.present = torch.ones(series.shape[:2], dtype=torch.bool)
        self.days = torch.tensor([166.0, 196.0, 227.0, 258.0, 288.0]).repeat(len(series), 1)
        self.batch = min(BATCHES, key=lambda batch: min(self._once(batch)[1] for _ in range(3)))
        self.taken: list[tuple[float, float]] = []

    def turn(self) -> None:
        """Measure a few times."""
        self.taken += [self._once(self.batch) for _ in range(BARE_TURNS)]

    def _once(self, batch: int) -> tuple[float, float]:
        """Wall and processor seconds a pixel."""
        import torch

        wall, processor = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            for some in zip(*(part.split(batch) for part in (self.values, self.present, self.days)), strict=True):
                self.model(*some)
        return (time.perf_counter() - wall) / BARE_PIXELS, (time.process_time() - processor) / BARE_PIXELS

    def pixels_a_second(self) -> tuple[float, float]:
        """By wall and by processor time: medians of all turns."""
        return tuple(1 / statistics.median(times) for times in zip(*self.taken, strict=True))  # type: ignore[return-value]


def ways(place: Path, run: str, stack: Path, eo_learn: str) -> dict[str, Callable[[], Timed]]:
    """What is measured against the bare network: name -> a function that does it once."""
    checkpoint_file = place / "home" / "runs" / run / "checkpoint.pt"
    layers = [f"{month}-15={stack / month}.tif" for month in MONTHS]
    alone = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

    def ours(workers: int) -> Timed:
        out = place / f"ours-{workers}"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "modeling", "map", "--run", run, "--stack", str(stack), "--out", str(out)]
        return timed([*command, "--workers", str(workers), "--json"], {"CROPCHECK_HOME": str(place / "home")})

    def other(module: str, python: str) -> Timed:
        shutil.rmtree(place / module, ignore_errors=True)
        return timed([python, "-m", f"tests.benchmarks.{module}", str(checkpoint_file), str(place / module), *layers], alone)

    found = {
        "ours 1": lambda: ours(1), "plain": lambda: other("plain_map", sys.executable), "ours 2": lambda: ours(2),
    }  # fmt: skip
    return found | ({"eo-learn": lambda: other("eolearn_map", eo_learn)} if eo_learn else {})


def alike(place: Path, classes: list[int]) -> dict[str, float]:
    """Shares of pixels on which two workers, and the plain loop, say the same class as one worker; 1 where they do the same job."""
    with rasterio.open(place / "ours-1" / "crop.tif") as raster:
        one = raster.read(1)
    with rasterio.open(place / "ours-2" / "crop.tif") as raster:
        two = raster.read(1)
    with rasterio.open(place / "plain_map" / "crop.tif") as raster:
        plain = np.array([0, *classes])[raster.read(1)]
    return {"two_workers": float((one == two).mean()), "plain": float((one == plain).mean())}


def summed_up(side: int, rounds: dict[str, list[Timed]], bare: Bare, same: dict[str, float]) -> dict:
    """All figures, JSON-ready."""
    rows = {name: _row(side * side, times, bare) for name, times in rounds.items()}
    by_wall, by_processor = bare.pixels_a_second()
    ratios = {f"ours 1 / {name}": rows["ours 1"]["pixels_a_second"] / rows[name]["pixels_a_second"] for name in rows if name != "ours 1"}
    two = rows["ours 2"]["pixels_a_second"] / rows["ours 1"]["pixels_a_second"]
    free = all(one.load < FREE for one in [*rounds["ours 1"], *rounds["ours 2"]])
    return {
        "side": side, "bare": {"pixels_a_second": by_wall, "pixels_a_processor_second": by_processor, "batch": bare.batch}, "ways": rows,
        "ratios": ratios, "two_workers": two, "two_cores_free": free, "same_class": same, "missed": missed(rows, two, free),
    }  # fmt: skip


def _row(pixels: int, times: list[Timed], bare: Bare) -> dict:
    by_wall, by_processor = bare.pixels_a_second()
    wall, processor = (pixels / statistics.median(getattr(one, what) for one in times) for what in ("wall", "processor"))
    return {
        "pixels_a_second": wall, "pixels_a_processor_second": processor, "of_bare": wall / by_wall,
        "of_bare_by_processor": processor / by_processor, "bytes": max(one.memory for one in times), "loads": [one.load for one in times],
        "rounds": [asdict(one) for one in times],
    }  # fmt: skip


def missed(rows: dict, two: float, free: bool) -> list[str]:
    """The targets that were not reached; that of two workers only counts where two cores are free, and is said otherwise, too."""
    found = []
    if rows["ours 1"]["of_bare"] < TARGETS["of_bare"]:
        by_processor = rows["ours 1"]["of_bare_by_processor"]
        found.append(f"{rows['ours 1']['of_bare']:.2f} of bare ({by_processor:.2f} by processor time), target {TARGETS['of_bare']}")
    for name in ("ours 1", "ours 2"):
        if rows[name]["bytes"] >= TARGETS["bytes"]:
            found.append(f"{name} took {rows[name]['bytes'] / 1e9:.2f} GB, target under {TARGETS['bytes'] / 1e9:g}")
    if two < TARGETS["two_workers"]:
        found.append(f"two workers {two:.2f} times, target {TARGETS['two_workers']}" + ("" if free else "; but two cores were not free"))
    return found


def table(figures: dict) -> str:
    """For people."""
    bare = figures["bare"]
    lines = [
        f"side {figures['side']:,}; bare: {bare['pixels_a_second']:,.0f} pixels a second ({bare['pixels_a_processor_second']:,.0f} a "
        f"processor second) in batches of {bare['batch']:,}",
        "| way | pixels a second | of bare | of bare by processor time | GB | load |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in figures["ways"].items():
        loads = ", ".join(f"{load:.1f}" for load in row["loads"])
        shares = f"{row['of_bare']:.2f} | {row['of_bare_by_processor']:.2f}"
        lines.append(f"| {name} | {row['pixels_a_second']:,.0f} | {shares} | {row['bytes'] / 1e9:.2f} | {loads} |")
    lines += [f"{name}: {ratio:.2f}" for name, ratio in figures["ratios"].items()]
    lines.append(f"same class: {figures['same_class']}")
    lines += [f"target missed: {fact}" for fact in figures["missed"]] or ["targets reached"]
    return "\n".join(lines)


@click.command()
@click.option("--side", default=FULL_SIDE, show_default=True, help="Pixels; small ones are mostly start.")
@click.option("--rounds", default=1, show_default=True)
@click.option(
    "--folder", "place", type=click.Path(path_type=Path), help="Where stack, workspace and maps lie, and stay.  [a temporary one]"
)
@click.option("--eo-learn", default="", help="The python of an environment with eo-learn and torch.")
@click.option("--json", "as_json", is_flag=True)
def main(side: int, rounds: int, place: Path | None, eo_learn: str, as_json: bool) -> None:
    """Measure, and exit 1 if a target is missed or the ways disagree."""
    with tempfile.TemporaryDirectory() as temporary:
        place = place or Path(temporary)
        stack = place / f"stack-{side}"
        if not stack.exists():
            write_stack(stack, side)
        home = place / "home"
        runs = sorted(path.name for path in (home / "runs").glob(f"{COLLECTION}-*"))
        run = runs[0] if runs else trained(home)
        bare = Bare(home / "runs" / run / "checkpoint.pt", stack)
        done: dict[str, list[Timed]] = {}
        for _ in range(rounds):
            bare.turn()
            for name, once in ways(place, run, stack, eo_learn).items():
                done.setdefault(name, []).append(once())
                bare.turn()
                click.echo(f"{name}: {done[name][-1]}", err=True)
        codes = [entry.code for entry in folder.load(place / "ours-1").classes]
        figures = summed_up(side, done, bare, alike(place, codes))
    report(figures, table(figures), as_json=as_json)
    sys.exit(bool(figures["missed"]) or min(figures["same_class"].values()) < 0.9999)


if __name__ == "__main__":
    main()
