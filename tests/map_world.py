"""A small stack and a finished map of it, made quickly and without a model: what pages and readers of maps are tried on."""

from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import Affine

from data import catalogue
from data.bands import L2A_BANDS
from data.mapped import cogs, folder
from data.mapped.folder import Map, MapClass
from data.stacks.stack import Layer, Stack
from data.workspace import Workspace

MONTHS = ("2019-06", "2019-07", "2019-08", "2019-09", "2019-10")
FIELD = 20  # pixels of a side of the square fields that the ground is divided into
CANADA = "canada-simulated-2019"


def stack(
    path: Path, *, crs: str = "EPSG:3978", lon: float = -80.5, lat: float = 43.5, height: int = 300, width: int = 260,
    names: tuple[str, ...] = MONTHS, bands: tuple[str, ...] = L2A_BANDS, seed: int = 0,
) -> tuple[Stack, np.ndarray]:  # fmt: skip
    """Write a GeoTIFF a date, <path>/<name>.tif with named bands, whose middle lies at a place; pixels of 10 m, or of 0.0001 degrees.

    Returns:
        The stack, and (height, width) int64 numbers 0 ... 4 of what grows in each pixel's field.
    """
    rng = np.random.default_rng(seed)
    tall, wide = -(-height // FIELD), -(-width // FIELD)
    grown = rng.integers(0, 5, (tall, wide)).repeat(FIELD, axis=0).repeat(FIELD, axis=1)[:height, :width]
    step = 0.0001 if crs == "EPSG:4326" else 10.0
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    left, top = (round(value / step) * step for value in (x - width / 2 * step, y + height / 2 * step))
    transform = (step, 0.0, left, 0.0, -step, top)
    path.mkdir(parents=True, exist_ok=True)
    layers = []
    for number, name in enumerate(names):
        means = rng.integers(300, 5_000, (5, len(bands)))
        pixels = means[grown] + rng.normal(0, 60, (height, width, len(bands)))
        values = np.clip(pixels, 1, 10_000).astype(np.uint16).transpose(2, 0, 1)
        if number == 1:
            values[:, : height // 6, : width // 5] = 0  # a hole in one month
        values[:, -8:, -12:] = 0  # nothing at all in the lower right corner
        file = path / f"{name}.tif"
        with rasterio.open(
            file, "w", driver="GTiff", dtype="uint16", count=len(bands), height=height, width=width, crs=crs, transform=Affine(*transform),
            nodata=0,
        ) as raster:  # fmt: skip
            raster.write(values)
            raster.descriptions = bands
        layers.append(Layer(name, str(file), tuple(range(1, len(bands) + 1))))
    return Stack(str(path), tuple(layers), bands, crs, transform, height, width, "L2A"), grown


def classes(workspace: Workspace, collection: str = CANADA) -> tuple[MapClass, ...]:
    """The collection's learned classes as a map has them."""
    legend = catalogue.legend(workspace.store, collection)
    codes = {
        entry.name: tuple(one.code for one in legend if one.learned == entry.name)
        for entry in catalogue.learned(workspace.store, collection)
    }
    return tuple(
        MapClass(entry.name, entry.name_fr, codes[entry.name][0], entry.color, codes[entry.name])
        for entry in catalogue.learned(workspace.store, collection)
    )


def make(
    workspace: Workspace, name: str = "simulated-map", *, seed: int = 0, run: str = "run-1", inventory: bool = True, **of_stack
) -> Map:
    """A finished map in the workspace: the class of each field follows from what grows there, with errors; another seed, other errors.

    Its stack lies in <home>/stacks/<name>; `of_stack` goes to `stack`.
    """
    made, grown = stack(workspace.home / "stacks" / name, **of_stack)
    path = workspace.maps / name
    path.mkdir(parents=True)
    known = classes(workspace)
    rng = np.random.default_rng(seed + 100)
    scores = rng.normal(0, 1, (len(known), made.height, made.width)).astype(np.float32) + 4 * (
        np.arange(len(known))[:, None, None] == grown
    )
    shares = np.exp(scores) / np.exp(scores).sum(axis=0)
    nothing = np.zeros(grown.shape, dtype=bool)
    nothing[-8:, -12:] = True
    order = np.argsort(-shares, axis=0, kind="stable")
    codes = np.array([entry.code for entry in known], dtype=np.uint8)
    first, second = (np.where(nothing, 0, codes[order[at]]).astype(np.uint8) for at in (0, 1))
    best, next_best = (np.take_along_axis(shares, order[at][None], axis=0)[0] for at in (0, 1))
    there = np.where(rng.random(grown.shape) < 0.02, 0, codes[(grown + (rng.random(grown.shape) < 0.1)) % 5]).astype(np.uint8)
    agreement = np.where(nothing | (there == 0), 0, np.where(there == first, folder.AGREES, folder.DISAGREES)).astype(np.uint8)
    coded = {
        "colours": {entry.code: entry.color for entry in known}, "names": {entry.code: entry.name for entry in known},
        "dtype": "uint8", "nodata": 0,
    }  # fmt: skip
    rasters = {folder.CROP: (first, coded), folder.SECOND: (second, coded)}
    if inventory:
        sides = {"dtype": "uint8", "nodata": 0, "colours": {1: "#4d9a5b", 2: "#c01f2e"}, "names": {1: "agrees", 2: "disagrees"}}
        rasters |= {folder.INVENTORY: (there, coded), folder.AGREEMENT: (agreement, sides)}
    plain = {"dtype": "float32", "nodata": float("nan")}
    rasters |= {
        folder.PROBABILITY: (np.where(nothing, np.nan, best).astype(np.float32), plain),
        folder.MARGIN: (np.where(nothing, np.nan, best - next_best).astype(np.float32), plain),
        folder.SHARES: (
            np.where(nothing, folder.NO_SHARE, np.rint(shares * folder.SHARE_SCALE)).astype(np.uint16),
            {"dtype": "uint16", "nodata": folder.NO_SHARE, "bands": tuple(entry.name for entry in known)},
        ),
    }
    grid = {"crs": made.crs, "transform": made.transform, "height": made.height, "width": made.width}
    for raster, (values, how) in rasters.items():
        cogs.write(path / f"{raster}.tif", [(0, 0, values)], **grid, **how)
    pixels = {entry.name: int((first == entry.code).sum()) for entry in known}
    figures = {
        "pixels": grown.size, "predicted": int((first > 0).sum()), "agreeing": int((agreement == 1).sum()),
        "disagreeing": int((agreement == 2).sum()), "classes": {name: {"pixels": n, "hectares": n * 0.01} for name, n in pixels.items()},
    }  # fmt: skip
    finished = Map(
        path, name, name, run, CANADA, "ltae", f"2026-01-0{1 + seed}T00:00:00+00:00", known, made, tuple(rasters), figures=figures,
        settings={"smooth": "none"},
    )  # fmt: skip
    folder.save(finished)
    return folder.load(path)
