"""The samples of one shard of an ingest: read scene by scene, masked, put together. Needs nothing but what it is given, so it runs on
any machine that reaches the imagery."""

import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from data.importing import NewSample
from data.ingest import composites, grids, offsets, reading
from data.ingest.composites import Image
from data.ingest.grids import Grid
from data.ingest.offsets import Verdict
from data.ingest.providers import SCL, Provider
from data.ingest.reading import Asset, Unreadable
from data.ingest.scenes import Scene, passes
from data.ingest.settings import Settings
from data.report import Report

VISIBLE = ("B02", "B03", "B04")  # the first of these that is fetched shows the floor of dark pixels
NO_IMAGE = "samples without a clear image"
ODD_OFFSET = "scenes whose offset is not what they say"
BROKEN = "samples with scenes that cannot be read"


@dataclass(frozen=True)
class Target:
    """A sample to be made. scenes: names of those that touch its patch, in order of time."""

    name: str
    site: str
    lon: float
    lat: float
    region: str
    year: int
    polygon: dict | None
    grid: Grid
    scenes: tuple[str, ...]
    inventory_code: int = 0


@dataclass(frozen=True)
class Part:
    """The work of one shard, small enough to be sent to another machine.

    slots: names of the collection's T slots; aligned: whether they are dates or months.
    judged: whether what the scenes say of their offset was held against pixels before, and is not to be judged patch by patch.
    """

    settings: Settings
    provider: Provider
    slots: tuple[str, ...]
    aligned: bool
    targets: tuple[Target, ...]
    scenes: dict[str, Scene]
    judged: bool = False


@dataclass
class _Work:
    """What is known of the shard while it is made. Keys are (scene, target's name).

    values: band -> pixels (h, w) as stored.
    lost: (scene, target) -> why it could not be read.
    offset: whether the pixels hold the 1000, as the item says or as the pixels show.
    """

    part: Part
    report: Report
    grids: dict[str, Grid]
    values: dict[tuple[str, str], dict[str, np.ndarray]] = field(default_factory=lambda: defaultdict(dict))
    lost: dict[tuple[str, str], str] = field(default_factory=dict)
    offset: dict[tuple[str, str], bool] = field(default_factory=dict)
    doubtful: set[tuple[str, str]] = field(default_factory=set)


def fetch(part: Part, tick: Callable[[str], None] = lambda scene: None) -> tuple[list[NewSample], Report]:
    """Make the samples of a shard.

    Cloudy overflights are told by their scene classification and one visible band; the other bands are read only of the rest, a
    month at a time.

    Args:
        tick: told the name of a scene whenever one of its files was read.

    Returns:
        The samples in the order of the targets, without those left out; and the report of these.
    """
    work = _Work(part, Report(), {target.name: target.grid for target in part.targets})
    by_name = {target.name: target for target in part.targets}
    with ThreadPoolExecutor(threads()) as pool:
        first = next((band for band in VISIBLE if band in part.settings.bands), part.settings.bands[0])
        pairs = [(scene, target.name) for target in part.targets for scene in target.scenes]
        _read(work, pool, pairs, (SCL, first), tick)
        kept = {target.name: _kept(work, target, first) for target in part.targets}
        images: dict[str, list[Image]] = {target.name: [] for target in part.targets}
        made: dict[str, dict[int, Image]] = {target.name: {} for target in part.targets}
        rest = tuple(band for band in part.settings.bands if band != first)
        for month in sorted({group[0].day[:7] for groups in kept.values() for group in groups}):
            groups = {name: [group for group in groups if group[0].day.startswith(month)] for name, groups in kept.items()}
            pairs = [(scene.id, name) for name, found in groups.items() for group in found for scene in group]
            _read(work, pool, pairs, rest, tick)
            for name, found in groups.items():
                _month(work, by_name[name], month, found, images[name], made[name])
            for pair in pairs:
                work.values.pop(pair, None)
    return _samples(work, images, made), work.report


def threads() -> int:
    """How many files are read at once: reading is mostly waiting for a server."""
    return min(16, 4 * len(os.sched_getaffinity(0)))


def _read(work: _Work, pool: ThreadPoolExecutor, pairs: list[tuple[str, str]], bands: tuple[str, ...], tick: Callable) -> None:
    """Read bands of the scenes on the grids of the targets; what fails is noted for every target that needs it."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for scene, name in pairs:
        if (scene, name) not in work.lost:
            wanted[scene].append(name)
    part = work.part
    jobs = [(Asset(scene, band, part.scenes[scene].hrefs[band]), names) for scene, names in wanted.items() for band in bands]

    def values(job: tuple[Asset, list[str]]) -> np.ndarray | Unreadable:
        asset, names = job
        try:
            how = "nearest" if asset.band == SCL else part.settings.resampling
            return reading.read(asset, [work.grids[name] for name in names], part.provider, how)
        except Unreadable as error:
            return error
        finally:
            tick(asset.scene)

    for (asset, names), found in zip(jobs, pool.map(values, jobs), strict=True):
        for at, name in enumerate(names):
            if isinstance(found, Unreadable):
                work.lost[asset.scene, name] = f"{asset.band} of {asset.scene}: {found}"
            else:
                work.values[asset.scene, name][asset.band] = found[at]


def _kept(work: _Work, target: Target, first: str) -> list[list[Scene]]:
    """The overflights of a target that are worth reading whole, with the scenes whose offset is settled."""
    settings, scenes = work.part.settings, [work.part.scenes[name] for name in target.scenes if (name, target.name) not in work.lost]
    _judge(work, target, scenes, first)
    kept = []
    for group in passes(scenes):
        seen = np.zeros((target.grid.size,) * 2, dtype=bool)
        for scene in group:
            values = work.values[scene.id, target.name]
            seen |= composites.clear(values[first][None], values[SCL], settings.mask)
        if seen.any() and seen.mean() >= settings.min_clear:
            kept.append(group)
        else:
            for scene in group:
                work.values.pop((scene.id, target.name), None)
    return kept


def _judge(work: _Work, target: Target, scenes: list[Scene], first: str) -> None:
    if work.part.judged:
        work.offset |= {(scene.id, target.name): scene.offset for scene in scenes}
        return
    floors = []
    for scene in scenes:
        values = work.values[scene.id, target.name]
        floors.append(offsets.floor(values[first], composites.clear(values[first][None], values[SCL], work.part.settings.mask)))
    for scene, verdict in zip(scenes, offsets.verdicts(floors, [scene.offset for scene in scenes]), strict=True):
        pair = scene.id, target.name
        work.offset[pair] = scene.offset and verdict is not Verdict.ABSENT
        if verdict is not Verdict.FITS:
            work.report.remark(ODD_OFFSET, scene.id, verdict.value)
        if verdict is Verdict.DOUBTFUL:
            work.doubtful.add(pair)


def _month(
    work: _Work, target: Target, month: str, groups: list[list[Scene]], images: list[Image], made: dict[int, Image]
) -> None:  # fmt: skip
    """Put a month's overflights together: a composite in its slot of `made`, or an image each in `images`."""
    part = work.part
    overflights = [image for group in groups if (image := _overflight(work, target, group)) is not None]
    if not part.settings.composites:
        images += overflights
        return
    overflights = [image for image in overflights if not image.doubtful and image.clear.any()]
    if overflights:
        slot = part.slots.index(month if month in part.slots else month[5:])
        pixels = composites.median(overflights, part.settings.min_stack)
        sources = tuple(scene for image in overflights for scene in image.scenes)
        made[slot] = Image(month, pixels, np.zeros(pixels.shape[1:], np.uint8), (pixels > 0).all(axis=0), sources)


def _overflight(work: _Work, target: Target, group: list[Scene]) -> Image | None:
    settings = work.part.settings
    group = [scene for scene in group if (scene.id, target.name) not in work.lost]
    if not group:
        return None
    parts = []
    for scene in sorted(group, key=lambda scene: (scene.crs != target.grid.crs, scene.id)):  # first those that need no warping
        values = work.values[scene.id, target.name]
        pixels = np.stack([values[band] for band in settings.bands])
        parts.append((offsets.harmonised(pixels, work.offset[scene.id, target.name]), values[SCL]))
    pixels, scl = composites.mosaic(parts)
    doubtful = any((scene.id, target.name) in work.doubtful for scene in group)
    return Image(
        group[0].day, pixels, scl, composites.clear(pixels, scl, settings.mask), tuple(sorted(scene.id for scene in group)), doubtful
    )


def _samples(work: _Work, images: dict[str, list[Image]], made: dict[str, dict[int, Image]]) -> list[NewSample]:
    part, samples = work.part, []
    for target in part.targets:
        lost = sorted(reason for (_, name), reason in work.lost.items() if name == target.name)
        by_slot = made[target.name] or _slots(part, images[target.name])
        if lost and not part.settings.drop_broken:
            work.report.leave_out(BROKEN, target.name, lost[0])
        elif not any(image.pixels.any() for image in by_slot.values()):
            work.report.leave_out(NO_IMAGE, target.name, f"{len(target.scenes)} scenes")
        else:
            if lost:
                work.report.remark("samples made without scenes that cannot be read", target.name, lost[0])
            samples.append(_sample(part, target, by_slot))
    return samples


def _slots(part: Part, images: list[Image]) -> dict[int, Image]:
    if not part.aligned:
        return dict(enumerate(images))
    return {part.slots.index(image.day): image for image in images}


def _sample(part: Part, target: Target, by_slot: dict[int, Image]) -> NewSample:
    slots, settings = len(part.slots), part.settings
    size = target.grid.size
    pixels = np.zeros((slots, len(settings.bands), size, size), dtype=np.uint16)
    clear, scl = np.zeros((slots, size, size), dtype=bool), np.zeros((slots, size, size), dtype=np.uint8)
    for slot, image in by_slot.items():
        pixels[slot], clear[slot], scl[slot] = image.pixels, image.clear, image.scl
    there = [by_slot.get(slot) for slot in range(slots)]
    return NewSample(
        name=target.name, site=target.site, lon=target.lon, lat=target.lat, region=target.region, year=target.year,
        inventory_code=target.inventory_code, pixels=pixels, acquired=tuple(image.day if image else None for image in there),
        interpolated=(False,) * slots, crs=target.grid.crs, transform=target.grid.transform, polygon=target.polygon,
        field=grids.inside(target.polygon, target.grid) if target.polygon else None, clear=clear,
        scl=None if settings.composites else scl,
        quality=tuple("bad" if image and image.doubtful else None for image in there),
        sources=tuple(image.scenes if image else () for image in there),
    )  # fmt: skip
