"""A season stack of an area from a STAC API: fetched tile by tile as an ingest fetches patches, so that a model trained on these fits.

Bands, months, masks, offsets and composites are those of `data.ingest`, with two differences, which make the pixels the same whatever
the tiles: an image counts wherever it is clear, however little of a tile that is (`Settings.min_clear` is about patches); and whether a
scene holds the 1000 of baseline 04.00 is judged once, over the whole area. Finished tiles lie in <out>/work, so a call after a kill goes
on; stack.json is written last.
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from data import catalogue
from data.bands import NO_DATA
from data.command import Tell
from data.errors import BadInput
from data.importing import NewSample
from data.ingest import composites, fetching, grids, offsets, planning, reading, scenes
from data.ingest.grids import Grid
from data.ingest.offsets import Verdict
from data.ingest.planning import Plan
from data.ingest.providers import SCL, Provider
from data.ingest.reading import Asset, Unreadable
from data.ingest.scenes import Scene
from data.ingest.settings import PIXEL_M, Settings
from data.ingest.sites import Site
from data.report import Report
from data.stacks import areas, output
from data.stacks.areas import Area, Box
from data.stacks.stack import Stack
from data.workspace import Workspace

PROBES = 4  # places a scene is looked at, to judge its offset
PROBE_PX = 128  # a side
WITHOUT = "tiles made without scenes that cannot be read"
PLAN, VERDICTS = "plan.json", "verdicts.json"


@dataclass(frozen=True)
class Request:
    """What a stack is gathered from. settings: `collection` is the stack's name; one season; size, grid and min_clear do not matter."""

    settings: Settings
    provider: Provider
    area: Area

    def planned(self) -> Settings:
        """The settings that its tiles are planned by.

        Raises:
            BadInput: a value makes no sense, or there are several years.
        """
        wanted = replace(self.settings, size=self.area.side, grid=self.area.crs, min_clear=0.0).check()
        if len(set(wanted.years)) > 1:
            raise BadInput(f"A stack is of one season, not of {', '.join(map(str, wanted.years))}. Name one year.")
        return wanted


def like_collection(
    workspace: Workspace, collection: str, *, year: int | None = None, box: Box | None = None, grid: str | None = None
) -> Request:
    """What gives a stack that a model trained on a collection fits: its provider, bands, months and masks.

    Args:
        collection: one that `python -m data ingest` made.
        year: of the season; its latest by default.
        box: in degrees; by default the extent of its sites.
        grid: "utm" or a CRS in metres; by default as the collection's.

    Raises:
        BadInput: it was not fetched from a STAC API, its season is no whole year's, or the area is too large.
    """
    name = catalogue.collection(workspace.store, collection).name
    plan = planning.load(workspace, name)
    if plan is None:
        raise BadInput(
            f"The collection {name} was not fetched from a STAC API, so nobody knows where from to fetch more. Name a provider and a box: "
            "python -m data stack --stac earth-search --box W,S,E,N"
        )
    wanted = plan.settings
    if year is not None and wanted.start:
        raise BadInput(f"The season of {name} goes from {wanted.start} to {wanted.end}. Name the days with --from and --to, not a year.")
    if wanted.years:
        wanted = replace(wanted, years=(year or max(wanted.years),))
    return Request(wanted, plan.provider, areas.of_box(box or _extent(plan), grid or wanted.grid))


def _extent(plan: Plan) -> Box:
    corners = np.array([corner for target in plan.targets for corner in grids.outline(target.grid)])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    return float(west), float(south), float(east), float(north)


def gather(request: Request, out: Path, report: Report, tell: Tell = lambda done, total, what: None) -> Stack:
    """Make the stack of a request, or go on with it.

    Args:
        out: its folder: <date>.tif a month (or day), stack.json.
        report: hears of scenes that cannot be used or do not hold what they say.

    Raises:
        BadInput: no scene shows the area, tiles could not be read (what is done stays; call again), or `out` is taken.
    """
    wanted = request.planned()
    asked = replace(wanted, drop_broken=False).as_json()  # a stack whose scenes turn out broken may be finished without these
    work = output.begin(out, {"settings": asked, "provider": asdict(request.provider), "area": asdict(request.area)})
    stack = _empty(request, wanted)
    done = output.finished(out)
    if done is not None:
        return done
    plan = _plan(request, wanted, work, report, tell)
    _fetch(request.area, plan, work, report, tell)
    tags = {"source": stack.source, "attribution": request.provider.attribution, "licence": request.provider.licence}
    for number, name in enumerate(plan.slots):
        tell(number, len(plan.slots), f"writing {name}")
        output.layer(out, stack, name, _blocks(request.area, work, number), tags)
    tell(len(plan.slots), len(plan.slots), "")
    return output.finish(out, stack, plan.slots)


def _empty(request: Request, wanted: Settings) -> Stack:
    """The stack without its layers."""
    area, season = request.area, wanted.seasons[0]
    source = f"{request.provider.title}, {season.start} to {season.end}"
    return Stack(source, (), wanted.bands, area.crs, area.transform, area.height, area.width, "L2A")


# Which scenes


def _plan(request: Request, wanted: Settings, work: Path, report: Report, tell: Tell) -> Plan:
    """The plan that is kept in `work`, or a new one, with a target for each tile that some scene shows; its offsets are settled.

    Raises:
        BadInput: there is no scene, or the provider cannot be searched.
    """
    plan = planning.read(work / PLAN)
    if plan is None:
        sites = [_site(name, grid) for name, grid, _, _ in request.area.tiles()]
        plan = planning.make(wanted, request.provider, sites, tell)
        if plan.scenes and not wanted.composites:
            plan = replace(plan, slots=tuple(sorted({group[0].day for group in scenes.passes(plan.scenes.values())})), aligned=True)
        _some(plan, request)
        planning.write(work / PLAN, plan)
    for name, bands in plan.lacking.items():
        report.remark(planning.NO_BAND, name, bands)
    return _settled(replace(plan, settings=wanted), work, report)


def _site(name: str, grid: Grid) -> Site:
    """A site in the middle of a tile, around which its very grid is made again."""
    half = grid.size * PIXEL_M / 2
    lon, lat = grids.place(grid.left + half, grid.top - half, grid.crs)
    return Site(name, lon, lat)


def _some(plan: Plan, request: Request) -> None:
    if plan.scenes:
        return
    season = plan.settings.seasons[0]
    lacking = f" {len(plan.lacking)} were found that lack {next(iter(plan.lacking.values()))}." if plan.lacking else ""
    raise BadInput(
        f"{request.provider.title} has no scene of this area from {season.start} to {season.end} with at most "
        f"{plan.settings.max_cloud:g} % clouds and the bands {', '.join(plan.settings.bands)}.{lacking} "
        "Check the box (west,south,east,north), the days, the bands, or raise --max-cloud."
    )


def _settled(plan: Plan, work: Path, report: Report) -> Plan:
    """The plan whose scenes say of their offset what the pixels show, without those of which it is doubtful."""
    verdicts = _verdicts(plan, work)
    for name, verdict in verdicts.items():
        if verdict is not Verdict.FITS:
            report.remark(fetching.ODD_OFFSET, name, verdict.value)
    settled = {
        name: replace(scene, offset=scene.offset and verdicts[name] is not Verdict.ABSENT)
        for name, scene in plan.scenes.items()
        if verdicts[name] is not Verdict.DOUBTFUL
    }
    targets = tuple(replace(target, scenes=tuple(name for name in target.scenes if name in settled)) for target in plan.targets)
    return replace(plan, scenes=settled, targets=targets)


def _verdicts(plan: Plan, work: Path) -> dict[str, Verdict]:
    """What the pixels say of each scene; kept in `work`, so that all tiles follow one judgement."""
    kept = work / VERDICTS
    if kept.exists():
        return {name: Verdict[verdict] for name, verdict in json.loads(kept.read_text()).items()}
    first = next((band for band in fetching.VISIBLE if band in plan.settings.bands), plan.settings.bands[0])
    known = list(plan.scenes.values())
    with ThreadPoolExecutor(fetching.threads()) as pool:
        floors = list(pool.map(lambda scene: _floor(plan, scene, first), known))
    found = offsets.verdicts(floors, [scene.offset for scene in known])
    output.write_json(kept, {scene.id: verdict.name for scene, verdict in zip(known, found, strict=True)})
    return {scene.id: verdict for scene, verdict in zip(known, found, strict=True)}


def _floor(plan: Plan, scene: Scene, band: str) -> float | None:
    """`offsets.floor` of a scene, from the middles of some of the tiles that it touches; None where they cannot be read."""
    touched = [target.grid for target in plan.targets if scene.id in target.scenes]
    probes = [_middle(touched[at]) for at in sorted({round(part * (len(touched) - 1)) for part in np.linspace(0, 1, PROBES)})]
    try:
        visible, classes = (
            reading.read(Asset(scene.id, name, scene.hrefs[name]), probes, plan.provider, "nearest") for name in (band, SCL)
        )
    except Unreadable:
        return None
    return offsets.floor(visible, composites.clear(visible[None], classes, plan.settings.mask))


def _middle(grid: Grid) -> Grid:
    side = min(grid.size, PROBE_PX)
    inset = (grid.size - side) // 2 * PIXEL_M
    return Grid(grid.crs, grid.left + inset, grid.top - inset, side)


# Tiles


def _fetch(area: Area, plan: Plan, work: Path, report: Report, tell: Tell) -> None:
    """Make the tiles that are missing, each whole or not at all.

    Raises:
        BadInput: scenes of some tiles could not be read; the others are done.
    """
    targets = {target.site: target.name for target in plan.targets if target.scenes}
    tiles = [tile for tile in area.tiles() if tile[0] in targets]
    failed: list[str] = []
    lock = threading.Lock()  # scenes are read, and told of, from many threads
    for number, (name, _, top, left) in enumerate(tiles):
        tell(number, len(tiles), f"tile {number + 1} of {len(tiles)}")
        if (work / f"{name}.npy").exists():
            continue
        part = replace(plan.part([targets[name]]), judged=True)

        def tick(scene: str, number: int = number) -> None:
            with lock:
                tell(number, len(tiles), f"tile {number + 1} of {len(tiles)}: {scene}")

        samples, told = fetching.fetch(part, tick)
        failed += [problem.fact for problem in told.left_out if problem.kind == fetching.BROKEN]
        for problem in told.remarks:
            report.remark(WITHOUT, name, problem.fact)
        if not any(problem.kind == fetching.BROKEN for problem in told.left_out):
            _keep(work / f"{name}.npy", [_seen(plan, sample, area, top, left) for sample in samples])
    tell(len(tiles), len(tiles), "")
    if failed:
        raise BadInput(
            f"{len(failed)} of {len(tiles)} tiles could not be read: {failed[0]}. The others are kept: run the same command again, or "
            "leave broken scenes out with --drop-broken."
        )


def _seen(plan: Plan, sample: NewSample, area: Area, top: int, left: int) -> np.ndarray:
    """(T, B, h, w) of a tile within the area; of acquisitions without what clouds hide."""
    pixels = sample.pixels
    if not plan.settings.composites:
        pixels = np.where(sample.clear[:, None], pixels, NO_DATA)
    return pixels[:, :, : area.height - top, : area.width - left]


def _keep(path: Path, found: list[np.ndarray]) -> None:
    """Write a tile; an empty array where no scene shows any of it clearly."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, found[0] if found else np.zeros(0, np.uint16))
    partial.replace(path)


def _blocks(area: Area, work: Path, number: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """The tiles of a date, as `data.mapped.cogs` takes them; those without any data are left out."""
    for name, _, top, left in area.tiles():
        path = work / f"{name}.npy"
        values = np.load(path, mmap_mode="r") if path.exists() else np.zeros(0)
        if values.size:
            yield top, left, np.asarray(values[number])
