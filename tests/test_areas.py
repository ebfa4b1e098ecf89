"""Hectares of pixels, and areas of crops with their errors."""

import json
import math
from dataclasses import dataclass

import geopandas
import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from pyproj import Geod, Transformer

from data.errors import BadInput
from data.mapped import cogs, folder, ground
from data.mapped.folder import Map
from data.report import Report
from data.stacks.stack import Layer, Stack
from labeling import policy, worklists
from labeling.policy import Policy
from modeling.__main__ import main
from modeling.mapping import areas
from modeling.mapping.areas import Areas
from modeling.mapping.estimates import estimate, joined
from tests import map_world
from tests.curators import Simulated, World, world

ADA = Simulated("Ada")

GRIDS = (
    ("EPSG:3978", -80.5, 43.5, 10.0),
    ("EPSG:32633", 12.0, 48.0, 10.0),
    ("EPSG:4326", -80.0, 60.0, 1e-4),
    ("EPSG:3857", 5.0, 51.0, 10.0),
)


def _geodesic(crs: str, transform: tuple[float, ...], row: int, column: int) -> float:
    """Hectares of a pixel by pyproj's geodesic polygons."""
    x = [transform[2] + (column + right) * transform[0] for right in (0, 1, 1, 0)]
    y = [transform[5] + (row + down) * transform[4] for down in (0, 0, 1, 1)]
    return abs(Geod(ellps="WGS84").polygon_area_perimeter(*Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y))[0]) / 10_000


def _grid(crs: str, lon: float, lat: float, step: float) -> tuple[float, ...]:
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    return (step, 0.0, x, 0.0, -step, y)


@pytest.mark.parametrize("grid", GRIDS, ids=[grid[0] for grid in GRIDS])
def test_pixels_have_the_area_of_their_geodesic_outline(grid):
    transform = _grid(*grid)
    rows, columns = np.array([0, 5, 700, 4000]), np.array([0, 9, 333, 10_000])
    wanted = [_geodesic(grid[0], transform, *place) for place in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(ground.hectares(grid[0], transform, rows, columns), wanted, rtol=5e-7)


@pytest.mark.parametrize("grid", GRIDS, ids=[grid[0] for grid in GRIDS])
def test_a_window_gives_each_pixel_its_area_whatever_the_window(grid):
    transform = _grid(*grid)
    whole = ground.block(grid[0], transform, 100, 200, 300, 260)
    exact = ground.hectares(grid[0], transform, np.arange(100, 400)[:, None], np.arange(200, 460)[None, :])
    np.testing.assert_allclose(whole, exact, rtol=1e-7)
    np.testing.assert_array_equal(ground.block(grid[0], transform, 250, 300, 100, 90), whole[150:250, 100:190])


def test_a_window_at_the_pole_is_worked_out_pixel_by_pixel():
    transform = (0.1, 0.0, -180.0, 0.0, -0.1, 90.0)
    areas = ground.block("EPSG:4326", transform, 1_700, 0, 100, 10)
    assert areas[-1, 0] == pytest.approx(_geodesic("EPSG:4326", transform, 1_799, 0), rel=1e-3)
    assert np.isfinite(areas).all()


# The reference sample


STEP, LEFT, TOP, TALL, WIDE = 0.02, -82.0, 47.0, 220, 1_010  # a grid that holds the demo's Canadian sites


@dataclass
class Ground:
    """The demo's Canadian collection under a map that is wrong here and there. order: its samples as the audit asks for them."""

    canada: World
    made: Map
    codes: np.ndarray
    order: list[dict]

    def mapped(self, sample: dict) -> int:
        """The map's code at a sample's site."""
        return int(self.codes[int((TOP - sample["lat"]) / STEP), int((sample["lon"] - LEFT) / STEP)])

    def audit(self, length: int, decided: int | None = None) -> None:
        """Make an audit and have the first of its samples decided, all truly."""
        worklists.make(self.canada.workspace, map_world.CANADA, "audit", limit=length)
        ids = [sample["id"] for sample in self.order[: length if decided is None else decided]]
        ADA.works(self.canada, ids)

    def truth(self, sample: dict) -> int:
        return self.canada.truth[sample["id"]]

    def matrix(self, samples: list[dict]) -> np.ndarray:
        """Samples counted by hand: the map's class, the true class."""
        of_code = {code: at for at, entry in enumerate(self.made.classes) for code in entry.codes}
        counts = np.zeros((len(self.made.classes), len(self.made.classes) + 1), dtype=int)
        for sample in samples:
            if self.mapped(sample):
                counts[of_code[self.mapped(sample)], of_code.get(self.truth(sample), -1)] += 1
        return counts

    def of_map(self, *args, **more) -> Areas:
        return areas.of_map(self.canada.workspace, self.made, *args, **more)


@pytest.fixture
def world_of(demo, demo_home) -> Ground:
    policy.write(demo.store, map_world.CANADA, Policy(second_share=0, control_share=0))
    canada = world(demo, map_world.CANADA, demo_home)
    with demo.store.reading() as db:
        sql = (
            "select s.id, s.name, t.lon, t.lat, t.region from sample s join site t on t.id = s.site where s.collection = ? order by shuffle"
        )
        order = [dict(row) for row in db.execute(sql, [map_world.CANADA])]
    known = map_world.classes(demo)
    rng = np.random.default_rng(11)
    codes = rng.choice([entry.code for entry in known[:5]], (TALL, WIDE)).astype(np.uint8)
    for sample in order:
        if rng.random() < 0.7:
            codes[int((TOP - sample["lat"]) / STEP), int((sample["lon"] - LEFT) / STEP)] = canada.truth[sample["id"]]
    codes[:, :60] = 0  # nothing predicted in the west
    return Ground(canada, _map(demo, known, codes), codes, order)


def _map(workspace, known, codes: np.ndarray, month: str = "2019-07") -> Map:
    path = workspace.maps / "coarse"
    path.mkdir(parents=True, exist_ok=True)
    transform = (STEP, 0.0, LEFT, 0.0, -STEP, TOP)
    grid = {"crs": "EPSG:4326", "transform": transform, "height": TALL, "width": WIDE}
    cogs.write(path / "crop.tif", [(0, 0, codes)], **grid, dtype="uint8", nodata=0, names={entry.code: entry.name for entry in known})
    probability = np.where(codes > 0, 0.9, np.nan).astype(np.float32)
    cogs.write(path / "probability.tif", [(0, 0, probability)], **grid, dtype="float32", nodata=float("nan"))
    stack = Stack("none", (Layer(month, "none", (1,)),), ("B04",), **grid, level="L2A")
    made = Map(path, "coarse", "Coarse", "run-1", map_world.CANADA, "ltae", "2026-01-01", known, stack, ("crop", "probability"))
    folder.save(made)
    return folder.load(path)


def _run(workspace, parts: dict[int, str], method: str = "random") -> None:
    """A run with a split, as training leaves them in the store."""
    with workspace.store.writing() as db:
        split = db.execute(
            "insert into split (collection, name, method, folds, params, created) values (?, 'of-test', ?, 0, '{}', '2026') returning id",
            [map_world.CANADA, method],
        ).fetchone()[0]
        db.execute(
            "insert into run values ('run-1', ?, 'ltae', 'mixed', ?, '{}', 0, 'hash', '2026')",
            [map_world.CANADA, split],
        )
        rows = [("run-1", sample, part, "Corn", "Corn", 1.0, "[]") for sample, part in parts.items()]
        db.conn.executemany("insert into prediction values (?, ?, ?, ?, ?, ?, ?)", rows)


def test_the_audited_samples_are_counted_by_map_and_truth(world_of):
    world_of.audit(60)
    found = world_of.of_map()
    wanted = world_of.matrix(world_of.order[:60])
    np.testing.assert_array_equal(found.whole.counts, wanted)
    assert found.reference == wanted.sum() < 60
    assert found.elsewhere == 60 - wanted.sum()
    assert found.on_map == sum(world_of.mapped(sample) > 0 for sample in world_of.order)
    assert found.whole.right == np.diagonal(wanted).sum() > 10
    assert found.years == (2019,)


def test_mapped_hectares_are_those_of_geodesic_pixels_and_estimates_follow_from_them(world_of):
    world_of.audit(80)
    found = world_of.of_map()
    row = np.array([_geodesic("EPSG:4326", world_of.made.stack.transform, at, 0) for at in range(TALL)])
    mapped = np.array([((world_of.codes == entry.code) * row[:, None]).sum() for entry in world_of.made.classes])
    np.testing.assert_allclose([entry.mapped for entry in found.whole.classes[:-1]], mapped, rtol=1e-5)
    assert found.whole.classes[-1].mapped is None
    assert found.whole.classes[-1].name == "other"
    wanted = estimate(np.array(found.whole.counts), mapped, joined(np.array(found.whole.counts), mapped))
    assert [entry.area.value for entry in found.whole.classes] == pytest.approx([area.value for area in wanted.areas], rel=1e-5)
    assert found.whole.hectares == pytest.approx(mapped.sum(), rel=1e-5)
    assert found.whole.overall.value == pytest.approx(wanted.overall.value, rel=1e-5)


def test_decisions_past_the_part_that_is_worked_through_do_not_count(world_of):
    world_of.audit(60, decided=30)
    ADA.works(world_of.canada, [sample["id"] for sample in world_of.order[50:55] + world_of.order[100:140]])
    np.testing.assert_array_equal(world_of.of_map().whole.counts, world_of.matrix(world_of.order[:30]))


def test_decisions_from_other_queues_count_once_the_audit_arrives_at_them(world_of):
    ADA.works(world_of.canada, [sample["id"] for sample in world_of.order[:40]], kind="suspects")
    assert world_of.of_map().reference == 0
    worklists.make(world_of.canada.workspace, map_world.CANADA, "audit", limit=60)
    np.testing.assert_array_equal(world_of.of_map().whole.counts, world_of.matrix(world_of.order[:40]))


def test_rejected_as_no_cropland_counts_as_other_and_what_nobody_can_tell_does_not_count(world_of):
    world_of.audit(40, decided=0)
    there = [sample for sample in world_of.order[:40] if world_of.mapped(sample)]
    ADA.works(world_of.canada, [sample["id"] for sample in world_of.order[:40] if sample not in there[:3]])
    ADA.sends(world_of.canada, there[0]["id"], action="reject", reason="not_cropland")
    ADA.sends(world_of.canada, there[1]["id"], action="reject", reason="mixed")
    ADA.sends(world_of.canada, there[2]["id"], action="unsure")
    found = world_of.of_map()
    wanted = world_of.matrix(there[3:])
    wanted[:, -1] += world_of.matrix(there[:1]).sum(axis=1)
    np.testing.assert_array_equal(found.whole.counts, wanted)
    assert found.untold == 2


def test_samples_that_the_run_learned_from_are_left_out_unless_they_are_asked_for(world_of):
    world_of.audit(60)
    parts = ["train", "validation", "test", "outside", "fold-1"]
    _run(world_of.canada.workspace, {sample["id"]: parts[at % 5] for at, sample in enumerate(world_of.order)})
    found, all_of_them = world_of.of_map(), world_of.of_map(learned_too=True)
    kept = [sample for at, sample in enumerate(world_of.order[:60]) if parts[at % 5] in ("test", "outside")]
    np.testing.assert_array_equal(found.whole.counts, world_of.matrix(kept))
    np.testing.assert_array_equal(all_of_them.whole.counts, world_of.matrix(world_of.order[:60]))
    assert found.learned == all_of_them.learned == all_of_them.reference - found.reference
    assert any("learned from" in warning and "better than it is" in warning for warning in all_of_them.warnings)
    assert not any("learned from" in warning for warning in found.warnings)


def test_the_sites_regions_have_accuracies_but_no_hectares(world_of):
    world_of.audit(100)
    found = world_of.of_map()
    assert not found.from_file
    assert [region.name for region in found.regions] == sorted({s["region"] for s in world_of.order[:100] if world_of.mapped(s)})
    for region in found.regions:
        counts = world_of.matrix([sample for sample in world_of.order[:100] if sample["region"] == region.name])
        right, size = np.diagonal(counts).sum(), counts.sum()
        assert region.hectares is None
        assert region.classes[0].area is None
        assert region.overall.value == pytest.approx(right / size)
        assert region.overall.error == pytest.approx(math.sqrt(right / size * (1 - right / size) / (size - 1)))
        assert [entry.share.value for entry in region.classes] == pytest.approx(counts.sum(axis=0) / size)


def _halves(tmp_path, crs: str = "EPSG:4326"):
    """Regions: west of 70 degrees west in two parts, and east of it, and one far away."""
    boxes = [shapely.box(-82, 42.6, -76, 47), shapely.box(-76, 42.6, -70, 47), shapely.box(-70, 42.6, -61.8, 47), shapely.box(0, 0, 1, 1)]
    boxes = [shapely.segmentize(box, 0.02) for box in boxes]
    frame = geopandas.GeoDataFrame({"side": ["West", "West", "East", "Far"], "id": [1, 2, 3, 4]}, geometry=boxes, crs=4326)
    frame.to_crs(crs).to_file(tmp_path / "regions.gpkg")
    return tmp_path / "regions.gpkg"


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3978"])
def test_regions_of_a_file_split_hectares_and_samples(world_of, tmp_path, crs):
    world_of.audit(100)
    told = Report()
    found = world_of.of_map(_halves(tmp_path, crs), "side", outcome=told)
    assert [region.name for region in found.regions] == ["West", "East"]
    assert told.as_json()["remarks"]["regions outside the map"]["names"] == ["Far"]
    assert sum(region.hectares for region in found.regions) == pytest.approx(found.whole.hectares, rel=1e-4)
    row = np.array([_geodesic("EPSG:4326", world_of.made.stack.transform, at, 0) for at in range(TALL)])
    west = ((world_of.codes[:, :600] > 0) * row[:, None]).sum()
    assert found.regions[0].hectares == pytest.approx(west, rel=1e-4)
    counts = world_of.matrix([sample for sample in world_of.order[:100] if sample["lon"] < -70])
    np.testing.assert_array_equal(found.regions[0].counts, counts)
    for region in found.regions:
        mapped = np.array([entry.mapped for entry in region.classes[:-1]])
        wanted = estimate(np.array(region.counts), mapped, joined(np.array(region.counts), mapped))
        assert [entry.area for entry in region.classes] == list(wanted.areas)


def test_a_sample_with_a_field_has_the_class_of_most_of_its_pixels(world_of):
    world_of.audit(40)
    sample = next(one for one in world_of.order[:40] if world_of.mapped(one))
    row, column = int((TOP - sample["lat"]) / STEP), int((sample["lon"] - LEFT) / STEP)
    before = world_of.matrix([one for one in world_of.order[:40] if one is not sample])
    other = next(entry for entry in world_of.made.classes if world_of.truth(sample) in entry.codes)
    world_of.codes[row - 1 : row + 2, column - 1 : column + 2] = other.code
    world_of.codes[row, column] = next(entry.code for entry in world_of.made.classes if entry is not other)
    world_of.made = _map(world_of.canada.workspace, world_of.made.classes, world_of.codes)
    around = shapely.box(sample["lon"] - 1.2 * STEP, sample["lat"] - 1.2 * STEP, sample["lon"] + 1.2 * STEP, sample["lat"] + 1.2 * STEP)
    with world_of.canada.store.writing() as db:
        db.execute(
            "update site set polygon = ? where id = (select site from sample where id = ?)", [shapely.to_geojson(around), sample["id"]]
        )
    at = world_of.made.classes.index(other)
    assert world_of.of_map().whole.counts[at][at] >= before[at, at] + 1


# What is amiss


def test_without_an_audit_the_mapped_areas_stand_and_the_way_to_one_is_named(world_of):
    found = world_of.of_map()
    assert found.reference == 0
    assert found.whole.hectares > 0
    assert found.whole.overall is None
    assert all(entry.area is None for entry in found.whole.classes)
    assert "has not begun" in found.warnings[0]
    assert f"the {found.on_map} of the collection's samples that lie on the map" in found.warnings[0]
    assert "labeling queue make audit --collection canada-simulated-2019" in found.warnings[0]


def test_when_nobody_could_judge_the_samples_on_the_map_the_message_says_where_the_others_lie(world_of):
    world_of.audit(4, decided=0)
    for sample in world_of.order[:4]:
        ADA.sends(world_of.canada, sample["id"], action="reject", reason="mixed")
    found = world_of.of_map()
    assert found.reference == 0
    assert found.untold + found.elsewhere == 4
    assert f"{found.elsewhere} lie elsewhere and nobody could judge the {found.untold} on the map" in found.warnings[0]


def test_an_audit_whose_first_samples_are_open_does_not_count_yet(world_of):
    world_of.audit(4, decided=0)
    assert "first samples of its order have no decision" in world_of.of_map().warnings[0]


def test_a_map_of_other_years_has_no_samples_and_says_so(world_of):
    world_of.audit(30)
    world_of.made = _map(world_of.canada.workspace, world_of.made.classes, world_of.codes, month="2020-07")
    found = world_of.of_map()
    assert found.on_map == 0
    assert "None of the 30 audited samples" in found.warnings[0]


def test_when_the_run_learned_from_all_of_them_the_ways_out_are_named(world_of):
    world_of.audit(30)
    _run(world_of.canada.workspace, {sample["id"]: "fold-0" for sample in world_of.order})
    found = world_of.of_map()
    assert found.reference == 0
    assert "learned from all" in found.warnings[0]
    assert "--learned-too" in found.warnings[0]


def test_what_makes_the_estimate_doubtful_is_told(world_of):
    world_of.audit(20)
    told = " ".join(world_of.of_map().warnings)
    assert "run-1 is not in this workspace" in told
    assert "samples count: intervals are rough" in told
    assert "spread over the map's classes otherwise" in told
    assert "Too few samples are where the map has one of" in told
    _run(world_of.canada.workspace, {sample["id"]: ("train", "test")[at % 2] for at, sample in enumerate(world_of.order)}, "block")
    assert "held samples back by block" in " ".join(world_of.of_map().warnings)


def test_samples_in_a_corner_of_the_map_speak_of_that_corner_alone(world_of):
    world_of.audit(60)
    with world_of.canada.store.writing() as db:
        db.execute("update site set lat = 43 + (lat - 43) / 50, lon = -70 + (lon + 70) / 50 where collection = ?", [map_world.CANADA])
    assert any("of the mapped area" in warning for warning in world_of.of_map().warnings)


@pytest.mark.parametrize(
    ("column", "boxes", "told"),
    [("name", [shapely.box(-75, 43, -70, 45)], "no column 'name'. It has: id"), (None, [shapely.box(0, 0, 1, 1)], "None of the 1 regions")],
)
def test_regions_that_cannot_be_used_are_refused(world_of, tmp_path, column, boxes, told):
    geopandas.GeoDataFrame({"id": range(len(boxes))}, geometry=boxes, crs=4326).to_file(tmp_path / "regions.gpkg")
    with pytest.raises(BadInput, match=told):
        world_of.of_map(tmp_path / "regions.gpkg", column)


def test_a_raster_that_is_cut_short_is_named(world_of):
    path = world_of.made.raster("crop")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"crop\.tif cannot be read"):
        world_of.of_map()


# The command


def _called(*given: str):
    return CliRunner().invoke(main, ["areas", *given])


def test_the_command_prints_the_areas_as_a_table_and_as_json(world_of, tmp_path):
    world_of.audit(100)
    regions = str(_halves(tmp_path))
    text = _called("--map", "coarse", "--regions", regions, "--region-name", "side")
    assert text.exit_code == 0, text.output
    assert "West: " in text.output
    assert "±" in text.output
    assert "1 regions outside the map: Far" in text.output
    told = json.loads(_called("--map", "coarse", "--regions", regions, "--region-name", "side", "--json").output)
    assert told["whole"] == json.loads(json.dumps(world_of.of_map().as_json()["whole"]))
    assert [region["name"] for region in told["regions"]] == ["West", "East"]
    assert told["report"]["remarks"]


def test_a_region_without_an_outline_is_left_out_by_name_and_the_rest_is_printed(world_of, tmp_path):
    boxes = [shapely.box(-82, 42.6, -70, 47), None]
    geopandas.GeoDataFrame({"side": ["West", "Nowhere"]}, geometry=boxes, crs=4326).to_file(tmp_path / "regions.gpkg")
    given = ("--map", "coarse", "--regions", str(tmp_path / "regions.gpkg"), "--region-name", "side")
    result = _called(*given)
    assert result.exit_code == 1
    assert "1 empty geometries" in result.output
    assert "West: " in result.output
    assert _called(*given, "--allow-missing").exit_code == 0


def test_the_command_without_regions_says_what_it_cannot_know(world_of):
    world_of.audit(60)
    told = _called("--map", "coarse").output
    assert "Give their outlines with --regions" in told
    assert f"{world_of.of_map().reference} audited samples count" in told


@pytest.mark.parametrize(
    ("given", "told"),
    [(("--map", "none"), "no finished map 'none'"), (("--map", "coarse", "--region-name", "side"), "give that, too, with --regions")],
)
def test_the_command_names_what_is_wrong(world_of, given, told):
    result = _called(*given)
    assert result.exit_code == 1
    assert told in result.output
