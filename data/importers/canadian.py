"""The Canadian Cropland Dataset as published: zips of single-band TIFs, one a patch-month, and trees of PNG pictures.

    POINT_<id>_<yyyymm>_<province>_<CROP>.zip                                   anywhere under the folder
    <image type>/<split>/<CROP>/POINT_<id>_<yyyymm>_<province>_<CROP>_<image type>.png

A site is a point in a province, a sample a site in one year, a slot a month. What is imported is planned from the files' names alone.
Where there are zips, the pictures only say which part of the published split a sample is in; pictures alone make an 8-bit collection.

The published zips were made with Earth Engine from COPERNICUS/S2: monthly medians of top-of-atmosphere scenes (L1C) under 5 % cloud,
every band, QA60 too, divided by 10 000 (https://github.com/bioinfoUQAM/Canadian-cropland-dataset-github, data_collection/).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np

from data import screening
from data.bands import NO_DATA, REFLECTANCE_SCALE
from data.importers import canadian_pixels as pixels
from data.importers import canadian_plan as planning
from data.importers.canadian_pixels import PatchMonth
from data.importers.canadian_plan import Plan, Planned
from data.importing import CollectionSpec, NewSample, import_planned
from data.report import Report
from data.workspace import Workspace

CRS = "EPSG:3978"  # NAD83 / Canada Atlas Lambert, which the squares around the points were cut in
PIXEL_M = 10


def import_folder(
    workspace: Workspace,
    folder: Path,
    report: Report,
    *,
    collection: str | None = None,
    points: Path | None = None,
    shard_size: int | None = None,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> CollectionSpec:
    """Import the data set under `folder`, going on where an earlier import stopped.

    Args:
        report: is filled.
        collection: name of the new collection; by default canada-<year or years>.
        points: CSV with Point_ID, Longitude and Latitude, for pictures, which have no position; see
            `canadian_plan.read_points`.

    Raises:
        BadInput: nothing of the data set is there, or there is another collection of that name.
    """
    places = planning.read_points(points) if points else {}
    work = planning.plan(folder, report, collection=collection, places=places)
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(workers) as readers:
        import_planned(
            workspace, work.spec, list(work.samples), partial(_make, work, readers), report,
            pool=ahead, ahead=1, shard_size=shard_size, progress=progress,
        )  # fmt: skip
    return work.spec


def _make(work: Plan, readers: ThreadPoolExecutor, wanted: list[str]) -> tuple[list[NewSample], Report]:
    """The samples called `wanted`, without those of which no month can be read."""
    told, batch = Report(), []
    for sample, of_sample in readers.map(partial(_sample, work), [work.samples[name] for name in wanted]):
        told.left_out += of_sample.left_out
        told.remarks += of_sample.remarks
        if sample is not None:
            batch.append(sample)
    return batch, told


def _sample(work: Plan, planned: Planned) -> tuple[NewSample | None, Report]:
    """A sample with its pixels, or None where no month of it can be read; and what is to be said of it."""
    told = Report()
    months = _months(work, planned, told)
    for path in planned.pictures:
        if not pixels.looks_like_png(path):
            told.remark("PNG that is not one", path, "only its name was used, for the split")
    if not months:
        told.leave_out("sample without an image", planned.name, "none of its months can be read")
        return None, told
    slots = [slot[-2:] for slot in work.spec.slots]
    bands, height, width = next(iter(months.values())).pixels.shape
    stack, clear = np.zeros((len(slots), bands, height, width), np.uint16), np.zeros((len(slots), height, width), bool)
    for month, patch in months.items():
        stack[slots.index(month)] = patch.pixels
        clear[slots.index(month)] = _screened(patch.pixels, work.spec) if patch.clear is None else patch.clear
    crs, transform, lon, lat = _place(work, planned, months, told)
    return NewSample(
        name=planned.name,
        site=planned.site,
        lon=lon,
        lat=lat,
        region=planned.region,
        year=planned.year,
        inventory_code=planned.code,
        pixels=stack,
        acquired=tuple(f"{planned.year}-{month}" if month in months else None for month in slots),
        interpolated=(False,) * len(slots),
        crs=crs,
        transform=transform,
        clear=clear,
        # cloudy pictures were sorted out by hand before the data set was published
        quality=tuple("ok" if month in months else None for month in slots) if work.kinds else (),
        sources=tuple((months[month].source,) if month in months else () for month in slots),
        history=planned.history,
        part=planned.part,
    ), told


def _months(work: Plan, planned: Planned, told: Report) -> dict[str, PatchMonth]:
    """The months that can be read, all of one size."""
    months: dict[str, PatchMonth] = {}
    for month, files in sorted(planned.months.items()):
        found = (
            pixels.from_pictures(files, work.kinds, work.ranges, told) if work.kinds else pixels.from_zip(files["zip"], work.layout, told)
        )
        first = next(iter(months.values()), found)
        if found is not None and found.pixels.shape != first.pixels.shape:
            told.leave_out(
                "months of different sizes", found.source, f"not {' x '.join(map(str, first.pixels.shape[1:]))} px as {first.source}"
            )
        elif found is not None:
            months[month] = found
    return months


def _screened(patch: np.ndarray, spec: CollectionSpec) -> np.ndarray:
    """(B, h, w) -> (h, w) bool: clear by its reflectance, where the source does not say."""
    reflectance = np.where(patch == NO_DATA, np.nan, patch.astype(np.float32) / REFLECTANCE_SCALE)
    return screening.clear_pixels(dict(zip(spec.bands, reflectance, strict=True)), spec.level)


@cache
def _transformer(source: str, target: str):
    from pyproj import Transformer  # late: planning needs no projections

    return Transformer.from_crs(source, target, always_xy=True)


def _place(work: Plan, planned: Planned, months: dict[str, PatchMonth], told: Report) -> tuple[str, tuple[float, ...], float, float]:
    """CRS and transform of the patches, longitude and latitude of the point in their middle."""
    first = next(iter(months.values()))
    if first.crs is None:
        lon, lat = planning.place_of(planned, work.places)
        x, y = _transformer("EPSG:4326", CRS).transform(lon, lat)
        half = work.spec.width * PIXEL_M / 2
        return CRS, (float(PIXEL_M), 0.0, x - half, 0.0, -float(PIXEL_M), y + half), lon, lat
    astray = [month for month, patch in months.items() if not patch.on_grid_of(first)]
    if astray:
        told.remark("months on different grids", planned.name, f"{', '.join(astray)} lie elsewhere than {next(iter(months))}")
    lon, lat = _transformer(first.crs, "EPSG:4326").transform(*first.centre)
    return first.crs, first.transform, round(lon, 7), round(lat, 7)
