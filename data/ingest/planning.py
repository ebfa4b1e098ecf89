"""What an ingest will do, before it does it: which scenes for which samples, and about how many bytes and seconds that takes.

A plan is kept in the workspace. A later call goes on with the same plan, so that the collection does not depend on what a server
lists by then.
"""

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from data import catalogue
from data.errors import BadInput
from data.ingest import grids, reading, scenes, settings
from data.ingest.fetching import Part, Target, threads
from data.ingest.grids import Grid
from data.ingest.providers import SCL, Provider
from data.ingest.reading import Asset
from data.ingest.scenes import Scene
from data.ingest.settings import PIXEL_M, Settings
from data.ingest.sites import Site
from data.report import Report
from data.workspace import Workspace

ALIGNED_UP_TO = 1.5  # dates are shared slots while their number is at most this multiple of a sample's most
UNKNOWN = "unknown"  # region of a site whose file names none
NO_SCENE = "samples without a scene"
NO_BAND = "scenes without a needed band"
NATIVE_M = {"B01": 60, "B09": 60, "B02": 10, "B03": 10, "B04": 10, "B08": 10}  # the other bands and SCL: 20


@dataclass(frozen=True)
class Plan:
    """Everything that decides the pixels of an ingest.

    asked: a hash of settings, provider and sites.
    slots: names of the collection's T slots; aligned: see `data.importing.CollectionSpec`.
    without: names of samples over which there is no scene.
    lacking: scenes that cannot be used -> the bands that they lack.
    """

    asked: str
    settings: Settings
    provider: Provider
    slots: tuple[str, ...]
    aligned: bool
    targets: tuple[Target, ...]
    scenes: dict[str, Scene]
    without: tuple[str, ...]
    lacking: dict[str, str]

    def part(self, names: Iterable[str]) -> Part:
        """The work of the shard with these samples."""
        by_name = {target.name: target for target in self.targets}
        targets = tuple(by_name[name] for name in names)
        needed = {scene for target in targets for scene in target.scenes}
        return Part(
            self.settings, self.provider, self.slots, self.aligned, targets,
            {name: scene for name, scene in self.scenes.items() if name in needed},
        )  # fmt: skip


def obtain(
    workspace: Workspace, wanted: Settings, provider: Provider, sites: list[Site], report: Report,
    tell: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Plan:  # fmt: skip
    """The plan that is kept for the collection, or a new one, which is then kept.

    Raises:
        BadInput: the collection is there, made of other sites or with other settings; or as `make` says.
    """
    asked = _asked(wanted.check(), provider, sites)
    kept = load(workspace, wanted.collection)
    if kept is None or kept.asked != asked:
        if any(entry.name == wanted.collection for entry in catalogue.collections(workspace.store)):
            raise BadInput(
                f"There is already a collection {wanted.collection}, made of other sites or with other settings. "
                "Choose another --collection, or give the same sites and settings to go on with it."
            )
        kept = make(wanted, provider, sites, tell)
        save(workspace, kept)
    for name in kept.without:
        report.leave_out(NO_SCENE, name)
    for name, bands in kept.lacking.items():
        report.leave_out(NO_BAND, name, bands)
    return kept


def _asked(wanted: Settings, provider: Provider, sites: list[Site]) -> str:
    content = [wanted.as_json(), asdict(provider), [asdict(site) for site in sites]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make(
    wanted: Settings, provider: Provider, sites: list[Site], tell: Callable[[int, int, str], None] = lambda done, total, what: None
) -> Plan:  # fmt: skip
    """Search the provider's scenes and give each sample its own.

    Raises:
        BadInput: the settings make no sense, or the provider cannot be searched.
    """
    wanted.check()
    if not sites:
        raise BadInput("There is no site to fetch imagery for.")
    margin = wanted.size * PIXEL_M * 0.75  # half a diagonal, and a little for the turn between projections
    found, lacking = scenes.search(provider, wanted, [(site.lon, site.lat) for site in sites], margin, tell)
    targets = _targets(wanted, sites, found)
    without = tuple(target.name for target in targets if not target.scenes)
    targets = tuple(target for target in targets if target.scenes)
    used = {scene for target in targets for scene in target.scenes}
    kept = {scene.id: scene for scene in found if scene.id in used}
    slots, aligned = _slots(wanted, targets, kept)
    return Plan(_asked(wanted, provider, sites), wanted, provider, slots, aligned, targets, kept, without, lacking)


def _targets(wanted: Settings, sites: list[Site], found: list[Scene]) -> list[Target]:
    """A target for each site and season, neighbours next to each other, because they share scenes."""
    from shapely import STRtree
    from shapely.geometry import Polygon, shape

    footprints = [shape(scene.footprint) for scene in found]
    everywhere = [at for at, area in enumerate(footprints) if area.bounds[2] - area.bounds[0] > 180]  # across the antimeridian
    tree = STRtree(footprints)
    ordered = sorted(sites, key=lambda site: (math.floor(site.lat * 2), math.floor(site.lon * 2), site.name))
    targets = []
    for season in wanted.seasons:
        for site in ordered:
            if site.years and season.year not in site.years:
                continue
            grid = grids.around(site.lon, site.lat, wanted.size, wanted.grid)
            at = {*map(int, tree.query(Polygon(grids.outline(grid)), predicate="intersects")), *everywhere}
            names = [found[place].id for place in sorted(at) if season.start <= date.fromisoformat(found[place].day) <= season.end]
            target = Target(
                f"{site.name}-{season.year}", site.name, site.lon, site.lat, site.region or UNKNOWN, season.year, site.polygon, grid,
                tuple(names), site.crop_in(season.year) or 0,
            )  # fmt: skip
            targets.append(target)
    return targets


def _slots(wanted: Settings, targets: Iterable[Target], known: dict[str, Scene]) -> tuple[tuple[str, ...], bool]:
    if wanted.composites:
        return tuple(wanted.month_names), True
    days = [[group[0].day for group in scenes.passes(known[name] for name in target.scenes)] for target in targets]
    longest, dates = max(map(len, days), default=0), sorted({day for own in days for day in own})
    if all(len(set(own)) == len(own) for own in days) and len(dates) <= ALIGNED_UP_TO * longest:
        return tuple(dates), True
    return tuple(str(number) for number in range(1, longest + 1)), False


def summary(plan: Plan, shard_size: int) -> dict:
    """What the plan fetches, JSON-ready.

    Returns:
        "sites", "samples", "scenes", "images" (overflights over samples), "bytes" and "seconds" (estimates from one scene that is
        looked at; None where it cannot be read), "months": [{"month", "scenes", "samples"}].
    """
    opens, blocks, windows = _counts(plan, shard_size)
    pace = _pace(plan)
    # No more of a file's blocks are read than it has.
    pixels = sum(
        min(count * plan.provider.block**2, math.inf if pace is None else pace.pixels_10_m / (native / PIXEL_M) ** 2)
        for (_, native), count in blocks.items()
    )
    used = {name: Counter(plan.scenes[scene].day[:7] for scene in target.scenes) for name, target in _by_name(plan).items()}
    of_month = Counter(scene.day[:7] for scene in plan.scenes.values())
    samples = Counter(month for months in used.values() for month in months)
    return {
        "sites": len({target.site for target in plan.targets}), "samples": len(plan.targets), "scenes": len(plan.scenes),
        "images": sum(len(scenes.passes(plan.scenes[name] for name in target.scenes)) for target in plan.targets),
        "bytes": None if pace is None else round(pixels * pace.bytes_a_pixel),
        "seconds": None if pace is None else math.ceil((opens * pace.open_seconds + windows * pace.read_seconds) / threads()),
        "months": [{"month": month, "scenes": of_month[month], "samples": samples[month]} for month in sorted(of_month)],
    }  # fmt: skip


def _by_name(plan: Plan) -> dict[str, Target]:
    return {target.name: target for target in plan.targets}


def _counts(plan: Plan, shard_size: int) -> tuple[int, Counter, int]:
    """How many times files are opened, (scene's file, its metres a pixel) -> blocks read, and how many windows are read."""
    opened: set[tuple[int, str]] = set()
    cells: set[tuple] = set()
    windows = 0
    metres = [NATIVE_M.get(band, 20) for band in (*plan.settings.bands, SCL)]
    for number, target in enumerate(plan.targets):
        windows += len(target.scenes) * len(metres)
        for scene in target.scenes:
            opened.add((number // shard_size, scene))
            for native in set(metres):
                side = plan.provider.block * native
                left, bottom, right, top = target.grid.bounds
                cells |= {
                    (scene, native, target.grid.crs, x, y)
                    for x in range(math.floor(left / side), math.floor(right / side) + 1)
                    for y in range(math.floor(bottom / side), math.floor(top / side) + 1)
                }
    of_scene = Counter((scene, native) for scene, native, *_ in cells)
    blocks = Counter({((scene, at), native): of_scene[scene, native] for scene in plan.scenes for at, native in enumerate(metres)})
    return len(opened) * len(metres), blocks, windows


@dataclass(frozen=True)
class _Pace:
    """Measured on one file: seconds to open it and for a window, its bytes for a pixel, and the pixels of a 10 m band."""

    open_seconds: float
    read_seconds: float
    bytes_a_pixel: float
    pixels_10_m: float


def _pace(plan: Plan) -> _Pace | None:
    """Look at one scene: the middle one, its first band."""
    if not plan.targets:
        return None
    target = plan.targets[len(plan.targets) // 2]
    scene, band = plan.scenes[target.scenes[len(target.scenes) // 2]], plan.settings.bands[0]
    asset = Asset(scene.id, band, scene.hrefs[band])
    try:
        begun = time.monotonic()
        reading.read(asset, [target.grid], plan.provider, "nearest")
        once = time.monotonic() - begun
        size, pixels = reading.size(asset, plan.provider)
        return _Pace(once, once / 4, size / pixels, pixels * (NATIVE_M.get(band, 20) / PIXEL_M) ** 2)
    except reading.Unreadable:
        return None


def path_of(workspace: Workspace, collection: str) -> Path:
    """Where the plan of a collection is kept."""
    return workspace.home / "ingest" / f"{collection}.json"


def save(workspace: Workspace, plan: Plan) -> None:
    """Keep the plan of a collection, whole or not at all."""
    write(path_of(workspace, plan.settings.collection), plan)


def write(path: Path, plan: Plan) -> None:
    """Keep a plan in a file, whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps({**asdict(plan), "settings": plan.settings.as_json()}, ensure_ascii=False))
    temporary.replace(path)


def load(workspace: Workspace, collection: str) -> Plan | None:
    """The plan that was kept for a collection; None if there is none."""
    return read(path_of(workspace, collection))


def read(path: Path) -> Plan | None:
    """The plan in a file; None if there is no such file."""
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return Plan(
        content["asked"],
        settings.from_json(content["settings"]),
        Provider(**content["provider"]),
        tuple(content["slots"]),
        content["aligned"],
        tuple(_target(entry) for entry in content["targets"]),
        {name: Scene(**entry) for name, entry in content["scenes"].items()},
        tuple(content["without"]),
        content["lacking"],
    )


def _target(entry: dict) -> Target:
    return Target(**entry | {"grid": Grid(**entry["grid"]), "scenes": tuple(entry["scenes"])})
