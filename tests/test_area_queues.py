"""Samples of an area, and samples that a map contradicts, become queues: the right ones, in the right order, with the reason in words."""

import json

import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from pyproj import Transformer
from rasterio.mask import mask

from data import profiles
from data.errors import BadInput, UnknownRun
from data.mapped import folder, sampling
from data.mapped.folder import Map
from data.workspace import Workspace
from labeling import decisions, leases, placed, queues, worklists
from labeling.__main__ import main
from labeling.queues import Queue
from labeling.rankings import area, map_disagrees
from tests import map_world
from tests.map_world import CANADA
from tests.test_queues import add_run


def lonlat(made: Map, row: float, column: float) -> tuple[float, float]:
    """The place of a pixel's centre."""
    x, y = made.stack.affine * (column + 0.5, row + 0.5)
    return Transformer.from_crs(made.stack.crs, "EPSG:4326", always_xy=True).transform(x, y)


def rectangle(made: Map, top: int, left: int, bottom: int, right: int) -> dict:
    """GeoJSON of the ground between the corners of pixels."""
    corners = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
    return {"type": "Polygon", "coordinates": [[list(lonlat(made, row - 0.5, column - 0.5)) for row, column in corners]]}


def move(workspace: Workspace, made: Map, places: list[tuple[int, int]], *, field: int | None = None, code=None) -> list[int]:
    """Put the collection's first samples onto pixels, with square fields of some pixels where `field` is given; gives their numbers."""
    with workspace.store.writing() as db:
        rows = db.execute("select id, site from sample where collection = ? order by name limit ?", [CANADA, len(places)]).fetchall()
        for row, (at_row, at_column) in zip(rows, places, strict=True):
            lon, lat = lonlat(made, at_row, at_column)
            db.execute("update site set lon = ?, lat = ? where id = ?", [lon, lat, row["site"]])
            if field:
                around = rectangle(made, at_row - field, at_column - field, at_row + field + 1, at_column + field + 1)
                db.execute("update site set polygon = ? where id = ?", [json.dumps(around), row["site"]])
            if code is not None:
                db.execute("update sample set inventory_code = ? where id = ?", [code, row["id"]])
    return [row["id"] for row in rows]


def value(made: Map, name: str, row: int, column: int) -> float:
    with rasterio.open(made.raster(name)) as raster:
        return raster.read(1)[row, column]


@pytest.fixture
def made(demo) -> Map:
    return map_world.make(demo, "north", lon=-70.0, lat=50.0, height=120, width=100)


PLACES = [(10, 10), (30, 30), (50, 50), (70, 20), (90, 80), (55, 12)]


def test_points_and_fields_read_what_rasterio_reads(demo, made):
    places = np.array(PLACES)
    lon, lat = np.array([lonlat(made, *place) for place in PLACES]).T
    said = sampling.at_points(made, [*lon, 0.0], [*lat, 0.0])
    assert said.codes.tolist() == [value(made, "crop", *place) for place in places] + [0]
    assert said.probability[:-1].tolist() == pytest.approx([value(made, "probability", *place) for place in places])
    assert np.isnan(said.probability[-1])
    fields = [shapely.from_geojson(json.dumps(rectangle(made, row - 7, column - 9, row + 9, column + 8))) for row, column in PLACES[:4]]
    found = sampling.in_fields(made, fields)
    into = Transformer.from_crs("EPSG:4326", made.stack.crs, always_xy=True)
    for number, one in enumerate(fields):
        shape = shapely.transform(one, lambda xy: np.stack(into.transform(*xy.T), axis=1))
        with rasterio.open(made.raster("crop")) as crop, rasterio.open(made.raster("probability")) as best:
            codes, sure = mask(crop, [shape])[0][0], mask(best, [shape])[0][0]
        counts = np.bincount(codes[codes > 0])
        assert counts[found.codes[number]] == counts.max()
        assert found.probability[number] == pytest.approx(sure[codes == found.codes[number]].sum() / counts.sum())


@pytest.mark.parametrize("side", [32, 50])
def test_what_a_map_says_does_not_depend_on_the_windows_it_is_read_in(demo, made, monkeypatch, side):
    lon, lat = np.array([lonlat(made, *place) for place in PLACES]).T
    fields = [shapely.from_geojson(json.dumps(rectangle(made, row - 9, column - 9, row + 30, column + 25))) for row, column in PLACES]
    whole = sampling.at_points(made, lon, lat), sampling.in_fields(made, fields)
    monkeypatch.setattr(sampling, "SIDE", side)
    for one, again in zip(whole, (sampling.at_points(made, lon, lat), sampling.in_fields(made, fields)), strict=True):
        assert one.codes.tolist() == again.codes.tolist()
        assert one.probability == pytest.approx(again.probability, nan_ok=True)


def test_samples_of_one_field_are_told_the_same(demo, made):
    outline = json.dumps(rectangle(made, 21, 21, 39, 39))
    lon, lat = np.array([lonlat(made, row, 30) for row in (30, 31, 32)]).T
    said = sampling.at_samples(made, lon, lat, [outline, None, outline])
    alone = sampling.in_fields(made, [shapely.from_geojson(outline)])
    assert said.codes[[0, 2]].tolist() == 2 * alone.codes.tolist()
    assert said.probability[[0, 2]].tolist() == 2 * alone.probability.tolist()


def test_a_field_without_a_pixel_centre_on_the_map_says_nothing(demo, made):
    tiny = shapely.Point(lonlat(made, 30, 30)).buffer(1e-7)
    away = shapely.Point(10.0, 48.0).buffer(0.01)
    beside_the_centre = shapely.transform(tiny, lambda xy: xy + 4e-5)
    assert sampling.in_fields(made, [tiny, away, beside_the_centre]).codes.tolist() == [value(made, "crop", 30, 30), 0, 0]


def test_the_map_queue_holds_the_samples_it_contradicts_the_surest_first(demo, made):
    numbers = move(demo, made, PLACES, code=133)
    expected = sorted(
        ((-value(made, "probability", *place), at) for at, place in enumerate(PLACES) if value(made, "crop", *place) != 133)
    )  # fmt: skip
    assert 2 < len(expected) < 7
    found = map_disagrees.ranked(demo, CANADA, limit=100, map="north")
    assert [entry.sample for entry in found] == [numbers[at] for _, at in expected]
    assert [entry.score for entry in found] == pytest.approx([-sure for sure, _ in expected])
    crops = {entry.code: entry.name for entry in made.classes}
    said, sure = crops[int(value(made, "crop", *PLACES[expected[0][1]]))], -expected[0][0]
    barley = made.by_code()[133].name
    assert found[0].reason == f"The inventory says {barley}; the map north says {said} with probability {sure:.2f}."


def test_what_was_decided_is_left_out_and_the_label_in_force_counts(demo, made):
    numbers = move(demo, made, PLACES, code=133)
    before = [entry.sample for entry in map_disagrees.ranked(demo, CANADA, limit=100, map="north")]
    first = before[0]
    code = int(value(made, "crop", *PLACES[numbers.index(first)]))
    said = {"uid": "u1", "sample": first, "action": "relabel", "code": code}
    assert decisions.record(demo.store, CANADA, "ann", [said])[0].stored
    assert [entry.sample for entry in map_disagrees.ranked(demo, CANADA, limit=100, map="north", decided=True)] == before[1:]
    second = {"uid": "u2", "sample": before[1], "action": "agree"}
    assert decisions.record(demo.store, CANADA, "ann", [second])[0].stored
    assert [entry.sample for entry in map_disagrees.ranked(demo, CANADA, limit=100, map="north")] == before[2:]
    assert before[1] in [entry.sample for entry in map_disagrees.ranked(demo, CANADA, limit=100, map="north", decided=True)]


def test_the_majority_of_a_field_outvotes_the_pixel_at_its_middle(demo, made):
    codes = value_of(made)
    places = [(row, column) for row in range(10, 110, 20) for column in range(10, 90)]
    place = next(place for place in places if codes[place] != majority(codes, *place))
    numbers = move(demo, made, [place], field=4)
    said = placed.words(made, [one for one in placed.samples(demo.store, CANADA) if one.id == numbers[0]])
    assert said[numbers[0]].predicted == made.by_code()[majority(codes, *place)].name


def majority(codes: np.ndarray, row: int, column: int) -> int:
    """Of the 9 x 9 pixels around one."""
    return int(np.bincount(codes[row - 4 : row + 5, column - 4 : column + 5].flat).argmax())


def value_of(made: Map) -> np.ndarray:
    with rasterio.open(made.raster("crop")) as raster:
        return raster.read(1)


def test_a_map_of_another_year_is_named(demo, made):
    older = map_world.make(demo, "older", lon=-70.0, lat=50.0, height=60, width=60, names=("2017-06", "2017-07"))
    move(demo, older, [(10, 10)])
    with pytest.raises(BadInput, match=r"is of 2017, the samples of canada-simulated-2019 there are of 2019"):
        map_disagrees.ranked(demo, CANADA, limit=10, map="older")


def test_a_map_where_no_sample_lies_is_named(demo, made):
    with pytest.raises(BadInput, match=r"says nothing of the samples of canada-simulated-2019 there: they lie outside it"):
        map_disagrees.ranked(demo, CANADA, limit=10, map="north")
    with pytest.raises(BadInput, match=r"no finished map 'south'.*It has: north"):
        map_disagrees.ranked(demo, CANADA, limit=10, map="south")


def test_an_area_holds_the_samples_inside_it_and_no_others(demo, made):
    numbers = move(demo, made, PLACES)
    drawn = rectangle(made, 25, 5, 75, 60)
    found = area.ranked(demo, CANADA, limit=100, area=drawn)
    assert {entry.sample for entry in found} == {numbers[at] for at, (row, col) in enumerate(PLACES) if 25 <= row < 75 and 5 <= col < 60}
    assert {entry.reason for entry in found} == {"In the area drawn on the map."}
    names = {one.id: one.name for one in placed.samples(demo.store, CANADA)}
    assert [names[entry.sample] for entry in found] == sorted(names[entry.sample] for entry in found)


def test_a_field_counts_by_a_point_inside_it_and_not_by_its_sites_coordinates(demo, made):
    (number,) = move(demo, made, [(10, 10)])
    field = rectangle(made, 40, 40, 50, 50)
    with demo.store.writing() as db:
        db.execute("update site set polygon = ? where id = (select site from sample where id = ?)", [json.dumps(field), number])
    assert [entry.sample for entry in area.ranked(demo, CANADA, limit=9, area=rectangle(made, 38, 38, 52, 52))] == [number]
    with pytest.raises(BadInput, match="No sample of canada-simulated-2019 lies in this area"):
        area.ranked(demo, CANADA, limit=9, area=rectangle(made, 5, 5, 15, 15))


def doubt(workspace: Workspace, samples: list[int], counted: set[int]) -> None:
    """A run that ranked these samples' labels, the first the most doubtful."""
    with workspace.store.writing() as db:
        add_run(db, "doubter", CANADA)
        for rank, sample in enumerate(samples, start=1):
            db["suspect"].insert(
                {
                    "run": "doubter", "sample": sample, "rank": rank, "given": "Barley", "suggested": "Corn", "quality": rank / 100,
                    "probability": 0.1, "counted": int(sample in counted), "reason": f"Label Barley 0.10; {rank}. most doubtful",
                }
            )  # fmt: skip


def test_in_an_area_doubted_labels_come_first_then_those_that_the_map_contradicts_then_the_others_by_name(demo, made):
    numbers = move(demo, made, PLACES, code=133)
    against = [entry.sample for entry in map_disagrees.ranked(demo, CANADA, limit=100, map="north")]
    doubted = [numbers[4], numbers[1]]
    doubt(demo, [*doubted, numbers[0]], counted=set(doubted))
    found = area.ranked(demo, CANADA, limit=100, area=rectangle(made, 0, 0, 120, 100), map="north")
    order = [entry.sample for entry in found]
    assert order[:2] == doubted
    rest = [sample for sample in against if sample not in doubted]
    assert order == [*doubted, *rest, *[sample for sample in numbers if sample not in doubted and sample not in rest]]
    assert found[0].reason.endswith("Label Barley 0.10; 1. most doubtful.")
    assert found[2].reason.startswith("In the area drawn on the map; the map says ")
    assert f", the inventory {made.by_code()[133].name}." in found[2].reason
    with pytest.raises(UnknownRun):
        area.ranked(demo, CANADA, limit=5, area=rectangle(made, 0, 0, 120, 100), run="nobody")


def test_a_polygon_across_the_border_says_where_the_map_has_nothing(demo, made):
    inside, outside = move(demo, made, [(10, 10), (10, -20)])
    found = area.ranked(demo, CANADA, limit=9, area=rectangle(made, 0, -40, 30, 30), map="north")
    reasons = {entry.sample: entry.reason for entry in found}
    assert reasons[outside] == "In the area drawn on the map; the map has nothing here."
    assert "the map has nothing" not in reasons[inside]
    against = map_disagrees.ranked(demo, CANADA, limit=9, map="north", area=rectangle(made, 0, -40, 30, 30), decided=True)
    assert outside not in [entry.sample for entry in against]


BOW = {"type": "Polygon", "coordinates": [[[-80, 43], [-79, 44], [-79, 43], [-80, 44], [-80, 43]]]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (BOW, r"crosses itself \(Self-intersection\[-79.5 43.5\]\)"),
        ({"type": "FeatureCollection", "features": []}, "no polygon in this area"),
        ({"type": "Point", "coordinates": [1, 2]}, "no polygon in this area"),
        ({"type": "Polygon", "coordinates": []}, "The area is empty"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [0, 2], [0, 0]]]}, "The area is empty"),
        ({"type": "Polygon", "coordinates": [[[5e5, 5e6], [5e5, 6e6], [6e5, 6e6], [5e5, 5e6]]]}, "beyond the world"),
        ({"type": "Polygon", "coordinates": "here"}, "corners cannot be read"),
        ({"type": "Feature", "geometry": None}, "no area in GeoJSON"),
        ({"corners": 4}, "no area in GeoJSON"),
        ("{not json", "no area in GeoJSON"),
        ("[]", "no area in GeoJSON"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, None], [1, 1], [0, 0]]]}, "(corners cannot be read|beyond the world)"),
    ],
)
def test_what_is_no_area_is_named(given, words):
    with pytest.raises(BadInput, match=words):
        placed.area(given)


def test_several_polygons_make_one_area_of_features_and_collections():
    boxes = [shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)]
    geometries = [json.loads(shapely.to_geojson(box)) for box in boxes]
    features = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": one, "properties": {}} for one in geometries]}
    for given in (features, {"type": "GeometryCollection", "geometries": geometries}, json.dumps(features)):
        assert placed.area(given).equals(shapely.union_all(boxes))


def test_a_stored_queue_of_an_area_serves_its_open_samples_and_leaves_leased_ones(demo, made):
    numbers = move(demo, made, PLACES)
    found = worklists.make(demo, CANADA, "area", {"area": rectangle(made, 0, 0, 120, 100), "map": "north"}, curator="ann")
    assert (found.title, found.entries, found.open) == ("In an area", 6, 6)
    queue = Queue("list", (str(found.id),))
    first = queues.following(demo.store, CANADA, queue, None, 10)
    assert sorted(first) == sorted(numbers)
    with demo.store.writing() as db:
        leases.take(db, "tab-1", "ann", first[:2])
    assert queues.following(demo.store, CANADA, queue, None, 10, holder="tab-2", curator="ben") == first[2:]
    assert decisions.record(demo.store, CANADA, "ben", [{"uid": "u", "sample": first[2], "action": "agree"}])[0].stored
    assert worklists.get(demo.store, found.id).open == 5
    (entry,) = queues.entries(demo.store, CANADA, queue, first[:1])
    assert entry.kind == "area" and entry.kind not in queues.TELLS_NOTHING


def call(*arguments: str):
    return CliRunner().invoke(main, ["queue", "make", *arguments])


def test_the_command_makes_both_queues(demo, made, tmp_path):
    move(demo, made, PLACES, code=133)
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": rectangle(made, 0, 0, 120, 100)}))
    shown = call("area", "--collection", CANADA, "--area", str(drawn), "--map", "north", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.output)["entries"] == 6
    shown = call("map", "--collection", CANADA, "--map", "north")
    assert shown.exit_code == 0, shown.output
    assert "Map disagrees: north" in shown.output and "queue=list:2" in shown.output


def test_the_command_names_what_is_missing(demo, made, tmp_path):
    assert "needs map" in call("map", "--collection", CANADA).output
    assert "needs area" in call("area", "--collection", CANADA).output
    assert "cannot be read" in call("area", "--collection", CANADA, "--area", str(tmp_path / "none.geojson")).output
    crossed = tmp_path / "bow.geojson"
    crossed.write_text(json.dumps(BOW))
    shown = call("area", "--collection", CANADA, "--area", str(crossed))
    assert shown.exit_code == 1 and "crosses itself" in shown.output


def test_a_map_that_is_cut_short_is_named(demo, made):
    move(demo, made, PLACES)
    crop = made.raster(folder.CROP)
    crop.write_bytes(crop.read_bytes()[:900])
    with pytest.raises(BadInput, match=r"crop.tif cannot be read; it is gone or cut short"):
        map_disagrees.ranked(demo, CANADA, limit=10, map="north")


def test_the_season_of_samples_is_the_mean_and_quartiles_of_their_clear_dates(demo, made):
    numbers = move(demo, made, PLACES)
    found = [one for one in placed.samples(demo.store, CANADA) if one.id in numbers]
    season = placed.season(demo.store, CANADA, found)
    of = profiles.load(demo.store, CANADA, "NDVI")
    rows = np.isin(of.samples, numbers)
    seen = np.where(of.clear, of.values, np.nan)[rows]
    assert season.pixels.tolist() == np.isfinite(seen).sum(axis=0).tolist()
    for at in np.flatnonzero(season.pixels):
        values = seen[np.isfinite(seen[:, at]), at]
        assert season.mean[at] == pytest.approx(values.mean())
        assert (season.low[at], season.median[at], season.high[at]) == pytest.approx(np.percentile(values, (25, 50, 75)))
    assert placed.season(demo.store, CANADA, []) is None


def test_a_date_that_no_sample_shows_has_no_figures_in_the_season(demo, monkeypatch):
    whole = profiles.values

    def clouded(*asked):
        values, days, clear, interpolated = whole(*asked)
        return values, days, clear & (np.arange(clear.shape[1]) > 0), interpolated

    monkeypatch.setattr(profiles, "values", clouded)
    season = placed.season(demo.store, CANADA, placed.samples(demo.store, CANADA)[:5])
    assert season.pixels[0] == 0 and season.pixels[1:].any()
    assert np.isnan([season.mean[0], season.low[0], season.median[0], season.high[0]]).all()
