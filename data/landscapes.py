"""A simulated landscape on disk: a season stack, the inventory of the same ground and its true codes, as GeoTIFFs.

It lies around samples of the simulated Canadian collection, so that a model trained on that collection has something to map and samples
to send back to the curators; the samples' own patches are drawn into it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyproj import Transformer

from data import aci, render, simulate
from data.bands import L2A_BANDS
from data.errors import BadInput
from data.mapped import cogs
from data.workspace import Workspace

NAME = "ontario-simulated-2019"
CENTRE = (-81.3682, 42.8886)  # longitude, latitude; around it lie more of the first 240 samples than elsewhere in Ontario
REGION, YEAR = "ON", 2019
MISTAKEN = {145: 146, 146: 145, 133: 136, 136: 133, 110: 122, 122: 110}  # within the groups of `simulate.CONFUSED`
TAGS = {"simulated": "yes", "sensor": "Sentinel-2 L2A, simulated"}
MONTHS = tuple(f"{YEAR}-{month}" for month in simulate.MONTHS)

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Files:
    """stack: the folder of the months. inventory, truth: codes on the same grid. side_px: of the square."""

    stack: Path
    inventory: Path
    truth: Path
    side_px: int


def make(workspace: Workspace, name: str = NAME, *, side: int = 10, seed: int = 0, tell: Tell = lambda done, total, what: None) -> Files:
    """Write <home>/stacks/<name>/YYYY-MM.tif, and <name>-inventory.tif and <name>-truth.tif beside that folder.

    Args:
        side: squares of 640 m a side.

    Raises:
        BadInput: there is a stack of that name already.
    """
    parent, steps = workspace.stacks, len(MONTHS) + 2
    files = Files(parent / name, parent / f"{name}-inventory.tif", parent / f"{name}-truth.tif", side * render.SIZE)
    if files.stack.exists():
        raise BadInput(f"There is a stack {files.stack} already. Give another name with --name, or remove the folder.")
    unfinished = parent / f"{name}.partial"
    unfinished.mkdir(parents=True, exist_ok=True)
    tell(0, steps, "drawing")
    land = render.landscape(side, region=REGION, year=YEAR, mistaken=MISTAKEN, seed=seed)
    grid = _grid(side)
    _draw_samples(land, grid["transform"])
    for number, month in enumerate(MONTHS):
        tell(number, steps, month)
        cogs.write(unfinished / f"{month}.tif", [(0, 0, land.pixels[number])], **grid, dtype="uint16", nodata=0, bands=L2A_BANDS, tags=TAGS)
    named = {entry.code: entry for entry in aci.legend() if entry.code}
    coded = {
        "dtype": "uint8", "nodata": 0, "colours": {code: entry.color for code, entry in named.items()},
        "names": {code: entry.name for code, entry in named.items()}, "tags": TAGS,
    }  # fmt: skip
    for path, codes in ((files.inventory, land.inventory), (files.truth, land.truth)):
        tell(len(MONTHS), steps, path.stem)
        cogs.write(path, [(0, 0, codes.astype(np.uint8))], **grid, **coded)
    unfinished.rename(files.stack)
    tell(steps, steps, "")
    return files


def _grid(side: int) -> dict:
    x, y = Transformer.from_crs("EPSG:4326", simulate.CRS, always_xy=True).transform(*CENTRE)
    half, step = side * render.SIZE * render.PIXEL_M / 2, render.PIXEL_M
    left, top = round((x - half) / step) * step, round((y + half) / step) * step
    pixels = side * render.SIZE
    return {"crs": simulate.CRS, "transform": (step, 0.0, left, 0.0, -step, top), "height": pixels, "width": pixels}


def _draw_samples(land: render.Landscape, transform: tuple[float, ...]) -> None:
    """Put the patches of the first 240 samples where they lie, to the nearest pixel, those months that each has.

    Where the inventory is wrong of a sample, the true code of its surroundings is unknown: 0.
    """
    step, _, left, _, _, top = transform
    height, width = land.truth.shape
    project = Transformer.from_crs("EPSG:4326", simulate.CRS, always_xy=True)
    for plan in simulate.plans(240):
        x, y = project.transform(plan.lon, plan.lat)
        row, column = round((top - y) / step) - render.SIZE // 2, round((x - left) / step) - render.SIZE // 2
        if not (0 <= row <= height - render.SIZE and 0 <= column <= width - render.SIZE):
            continue
        sample, here = simulate.drawn(plan), np.s_[row : row + render.SIZE, column : column + render.SIZE]
        there = sample.pixels > 0
        land.pixels[:, :, *here][there] = sample.pixels[there]
        land.inventory[here] = sample.inventory
        known = (sample.inventory != plan.inventory_code) | (plan.crop == plan.inventory_code)
        land.truth[here] = np.where(known, sample.inventory, 0)
