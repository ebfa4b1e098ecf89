"""Fields on a map: their pixels' shares added up, against shapely and numpy by hand."""

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from data.errors import BadInput
from data.mapped.folder import NO_SHARE, MapClass
from data.report import Report
from modeling.mapping.fields import Tally

CRS, STEP = "EPSG:32633", 10.0
TRANSFORM = (STEP, 0.0, 400_000.0, 0.0, -STEP, 5_400_000.0)
HEIGHT, WIDTH = 600, 560  # more than one of the squares in which polygons are drawn
CLASSES = (
    MapClass("Corn", "Maïs", 147, "#ffff99", (147,)),
    MapClass("Spring wheat", "Blé de printemps", 146, "#a7b34d", (140, 146)),
    MapClass("Soybean", "Soja", 158, "#cc9933", (158,)),
)
KEPT_CODES = np.array([147, 146, 158])


@pytest.fixture(scope="module")
def predicted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (K, h, w) uint16, codes (h, w) of first choices and inventory codes (h, w), with holes."""
    rng = np.random.default_rng(7)
    shares = rng.dirichlet((1, 1, 1), (HEIGHT, WIDTH)).transpose(2, 0, 1)
    hole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    hole[100:140, 50:90] = True
    numbers = np.where(hole, NO_SHARE, np.rint(shares * 10_000)).astype(np.uint16)
    crop = np.where(hole, 0, KEPT_CODES[shares.argmax(axis=0)]).astype(np.uint8)
    inventory = rng.choice([0, 146, 147, 158, 34], (HEIGHT, WIDTH), p=[0.2, 0.4, 0.2, 0.1, 0.1]).astype(np.uint8)
    return numbers, crop, inventory


def _ground(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape of columns and rows in the map's CRS."""
    return shapely.transform(shape, lambda xy: np.stack([400_000 + STEP * xy[:, 0], 5_400_000 - STEP * xy[:, 1]], axis=1))


def _file(tmp_path, shapes, *, crs=CRS, suffix=".gpkg", **columns):
    """A file of shapes given in columns and rows of the map."""
    columns = columns or {"field": [f"F{number}" for number in range(len(shapes))]}
    frame = geopandas.GeoDataFrame(columns, geometry=[shape and _ground(shape) for shape in shapes], crs=CRS).to_crs(crs)
    path = tmp_path / f"given{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_file(path)
    return path


def _tally(path) -> Tally:
    return Tally(path, CRS, TRANSFORM, HEIGHT, WIDTH, CLASSES)


def _written(tally: Tally, tmp_path, predicted, tile: int = HEIGHT, with_inventory: bool = True) -> tuple[geopandas.GeoDataFrame, Report]:
    """The fields' file after the whole map was added in tiles."""
    shares, crop, inventory = predicted
    corners = [(top, left) for top in range(0, HEIGHT, tile) for left in range(0, WIDTH, tile)]
    for top, left in np.random.default_rng(tile).permutation(corners):
        part = np.s_[top : top + tile, left : left + tile]
        tally.add(top, left, shares[:, *part], crop[part], inventory[part] if with_inventory else None)
    report = Report()
    tally.write(tmp_path / "fields.gpkg", report)
    assert pyogrio.list_layers(tmp_path / "fields.gpkg")[:, 0].tolist() == ["fields"]
    return geopandas.read_file(tmp_path / "fields.gpkg"), report


def _inside(shape: shapely.Geometry) -> np.ndarray:
    """(h, w) the pixels of the map whose middle lies in a shape, by shapely."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return shapely.contains_xy(shape, columns + 0.5, rows + 0.5)


CIRCLE = shapely.Point(300.3, 500.2).buffer(37.7)
DONUT = shapely.Point(70, 120).buffer(44.4).difference(shapely.Point(72, 118).buffer(11.1))
PARTS = shapely.MultiPolygon([shapely.box(5.2, 5.2, 30.8, 20.6), shapely.box(505.2, 505.3, 530.4, 540.9)])
OVER = shapely.box(280.2, 480.1, 330.3, 520.2)  # overlaps the circle
SHAPES = (CIRCLE, DONUT, PARTS, OVER)


def test_figures_are_those_of_the_pixels_whose_middle_lies_in_the_field(tmp_path, predicted):
    found, report = _written(_tally(_file(tmp_path, SHAPES)), tmp_path, predicted)
    shares, crop, inventory = predicted
    assert report.done == len(SHAPES)
    assert report.text() == ""
    for shape, row in zip(SHAPES, found.itertuples(), strict=True):
        inside = _inside(shape)
        there = inside & (crop > 0)
        means = shares[:, there].mean(axis=1) / 10_000
        order = np.argsort(-means)
        assert row.predicted == CLASSES[order[0]].name
        assert (row.predicted_fr, row.predicted_code) == (CLASSES[order[0]].name_fr, CLASSES[order[0]].code)
        assert row.second == CLASSES[order[1]].name
        assert row.confidence == pytest.approx(means[order[0]], abs=1e-12)
        assert row.margin == pytest.approx(means[order[0]] - means[order[1]], abs=1e-12)
        assert row.pixels == there.sum()
        assert row.covered == pytest.approx(there.sum() / inside.sum())
        assert [row.p_corn, row.p_spring_wheat, row.p_soybean] == pytest.approx(means.tolist(), abs=1e-12)
        firsts = [(crop[there] == code).mean() for code in KEPT_CODES]
        assert [row.share_corn, row.share_spring_wheat, row.share_soybean] == pytest.approx(firsts)
        labels = inventory[inside][inventory[inside] > 0]
        assert row.inventory_code == 146
        assert row.inventory == "Spring wheat"
        assert row.inventory_share == pytest.approx((labels == 146).mean())
        assert row.agrees == (row.predicted == "Spring wheat")


@pytest.mark.parametrize("tile", [64, 200, 512])
def test_figures_are_the_same_to_the_last_bit_whatever_the_tiles(tmp_path, predicted, tile):
    path = _file(tmp_path, (*SHAPES, shapely.box(7.1, 7.1, 7.3, 7.3)))
    whole, _ = _written(_tally(path), tmp_path, predicted)
    pieced, _ = _written(_tally(path), tmp_path, predicted, tile=tile)
    pd.testing.assert_frame_equal(whole, pieced, check_exact=True)


def test_pixels_whose_middle_lies_on_an_edge_are_the_same_whatever_the_tiles(tmp_path, predicted):
    corners = [(10.5, 10.5), (400.5, 170.5), (300.5, 510.5), (100.5, 400.5)]
    path = _file(tmp_path, (shapely.Polygon(corners), shapely.box(500.5, 10.5, 540.5, 520.5)))
    whole, _ = _written(_tally(path), tmp_path, predicted)
    pieced, _ = _written(_tally(path), tmp_path, predicted, tile=64)
    pd.testing.assert_frame_equal(whole, pieced, check_exact=True)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp", ".parquet"])
def test_files_of_every_kind_and_crs_are_read_and_keep_their_crs_and_columns(tmp_path, predicted, suffix):
    path = _file(tmp_path, SHAPES, crs="EPSG:4326", suffix=suffix, farm=["a", "b", "c", "d"], ha=[1.5, 2.5, None, 4.0])
    found, _ = _written(_tally(path), tmp_path, predicted, with_inventory=False)
    assert found.crs.to_epsg() == 4326
    assert found.farm.tolist() == ["a", "b", "c", "d"]
    assert found.ha.isna().tolist() == [False, False, True, False]
    there = predicted[1] > 0
    np.testing.assert_allclose(found.pixels, [(_inside(shape) & there).sum() for shape in SHAPES], atol=3)
    lon, lat = Transformer.from_crs(CRS, 4326, always_xy=True).transform(403_003.0, 5_394_998.0)
    assert found.geometry.iloc[0].distance(shapely.Point(lon, lat)) == 0  # the circle's middle
    assert "inventory" not in found.columns


def test_columns_of_the_file_keep_their_names_and_ours_step_aside(tmp_path, predicted):
    path = _file(tmp_path, SHAPES, pixels=[1, 2, 3, 4], Predicted=list("wxyz"), fid=["q", "r", "s", "t"], suffix=".parquet")
    found, _ = _written(_tally(path), tmp_path, predicted)
    assert found.pixels.tolist() == [1, 2, 3, 4]
    assert found.Predicted.tolist() == list("wxyz")
    assert found.fid_2.tolist() == ["q", "r", "s", "t"]
    assert found.pixels_2.min() > 100
    assert set(found.predicted_2) <= {entry.name for entry in CLASSES}


def test_lists_in_a_file_are_kept_as_text(tmp_path, predicted):
    path = _file(tmp_path, SHAPES, suffix=".parquet", crops=[["a", "b"], None, [], ["c"]])
    assert _written(_tally(path), tmp_path, predicted)[0].crops.iloc[0] == '["a", "b"]'


def test_fields_across_the_border_outside_of_it_and_smaller_than_a_pixel_are_named(tmp_path, predicted):
    shares, _, _ = predicted
    across, outside, touching = shapely.box(550, 10, 570, 20), shapely.box(700, 10, 710, 20), shapely.box(-10, 0, 0, 10)
    tiny, thin, at_border = shapely.box(20.1, 30.1, 20.4, 30.4), shapely.box(40, 60.6, 80, 60.9), shapely.box(559.7, 599.7, 580, 620)
    path = _file(tmp_path, (across, outside, touching, tiny, thin, at_border))
    found, report = _written(_tally(path), tmp_path, predicted)
    told = report.as_json()
    assert told["left_out"] == {"fields outside the raster": {"count": 2, "names": ["F1", "F2"], "facts": ["", ""]}}
    assert told["remarks"]["fields across the raster's border"]["names"] == ["F0", "F5"]
    assert told["remarks"]["fields across the raster's border"]["facts"][0] == "50% of it on the raster"
    assert told["remarks"]["fields that hold the middle of no pixel"]["names"] == ["F3", "F4", "F5"]
    assert found.field.tolist() == ["F0", "F3", "F4", "F5"]
    assert found.covered.tolist()[:3] == pytest.approx([0.5, 1, 1])
    assert found.covered.iloc[3] < 0.001
    assert found.pixels.tolist() == [100, 1, 1, 1]
    assert found.p_corn.iloc[1] == shares[0, 30, 20] / 10_000
    assert found.predicted_code.iloc[1] == KEPT_CODES[shares[:, 30, 20].argmax()]
    assert found.p_corn.iloc[3] == shares[0, 599, 559] / 10_000


def test_of_codes_as_frequent_the_lowest_is_the_inventorys_and_unknown_ones_neither_agree_nor_disagree(tmp_path):
    tally = _tally(_file(tmp_path, (shapely.box(0, 0, 2, 1), shapely.box(4, 0, 6, 1), shapely.box(8, 0, 9, 1))))
    crop, inventory = np.full((HEIGHT, WIDTH), 146, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    inventory[0, :10] = (158, 146, 0, 0, 34, 34, 0, 0, 0, 0)
    tally.add(0, 0, np.tile(np.array([1, 9, 0], np.uint16)[:, None, None], (1, HEIGHT, WIDTH)), crop, inventory)
    found = tally.table()
    assert found.inventory_code.tolist()[:2] == [146, 34]
    assert found.inventory_share.tolist()[:2] == [0.5, 1]
    assert found.agrees.tolist() == [True, pd.NA, pd.NA]
    assert found[["inventory_code", "inventory", "inventory_share"]].iloc[2].isna().all()


def test_a_field_where_nothing_is_predicted_has_no_crop_and_is_named(tmp_path, predicted):
    found, report = _written(_tally(_file(tmp_path, (shapely.box(60, 110, 80, 130), CIRCLE))), tmp_path, predicted)
    assert report.as_json()["remarks"]["fields without a predicted pixel"]["names"] == ["F0"]
    row = found.iloc[0]
    assert row.pixels == row.covered == 0
    assert row[["predicted", "confidence", "margin", "second", "agrees", "p_corn", "share_corn"]].isna().all()
    assert row.inventory_code == 146


def test_geometries_without_a_field_go_to_the_report_and_bent_ones_are_mended(tmp_path, predicted):
    bow = shapely.Polygon([(200, 200), (220, 220), (220, 200), (200, 220)])
    path = _file(
        tmp_path, (CIRCLE, None, shapely.Polygon(), shapely.Point(30, 30), bow, shapely.LineString([(0, 0), (5, 5)])), suffix=".parquet"
    )
    found, report = _written(_tally(path), tmp_path, predicted)
    told = report.as_json()
    assert found.field.tolist() == ["F0", "F4"]
    assert found.geometry.is_valid.all()
    assert {kind: entry["names"] for kind, entry in told["left_out"].items()} == {
        "empty geometries": ["F1", "F2"], "points instead of polygons": ["F3"], "neither points nor polygons": ["F5"],
    }  # fmt: skip
    assert told["remarks"]["polygons repaired"]["names"] == ["F4"]
    assert found.pixels.iloc[1] == pytest.approx(200, abs=20)


def test_fields_in_a_raster_of_degrees(tmp_path):
    transform = (0.0001, 0.0, -80.0, 0.0, -0.0001, 44.0)
    shape = shapely.box(-79.9950, 43.9940, -79.9930, 43.9970)
    geopandas.GeoDataFrame({"id": [1, 2]}, geometry=[shape, shape], crs=4326).to_crs(3857).to_file(tmp_path / "given.gpkg")
    tally = Tally(tmp_path / "given.gpkg", "EPSG:4326", transform, 100, 100, CLASSES)
    tally.add(0, 0, np.full((3, 100, 100), 2_000, np.uint16) + np.array([4_000, 0, 0], np.uint16)[:, None, None], np.full((100, 100), 147))
    assert tally.table().pixels.tolist() == [20 * 30, 20 * 30]  # the same field twice: each has its pixels
    assert tally.table().confidence.tolist() == pytest.approx([0.6, 0.6])


def test_a_write_that_fails_leaves_the_file_before(tmp_path, predicted, monkeypatch):
    tally = _tally(_file(tmp_path, SHAPES))
    _written(tally, tmp_path, predicted)
    before = (tmp_path / "fields.gpkg").read_bytes()
    monkeypatch.setattr(geopandas.GeoDataFrame, "to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(BadInput, match=r"fields\.gpkg cannot be written: disk full\. Free some space there"):
        tally.write(tmp_path / "fields.gpkg", Report())
    assert (tmp_path / "fields.gpkg").read_bytes() == before


def test_a_file_that_gdal_cannot_write_is_named(tmp_path):
    tally = _tally(_file(tmp_path, SHAPES))
    with pytest.raises(BadInput, match=r"gone/fields\.gpkg cannot be written"):
        tally.write(tmp_path / "gone" / "fields.gpkg", Report())


def _without_crs(tmp_path):
    geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.box(0, 0, 1, 1)]).to_file(tmp_path / "given.shp")
    return tmp_path / "given.shp"


def _cut_short(tmp_path):
    whole = _file(tmp_path, SHAPES).read_bytes()
    (tmp_path / "given.gpkg").write_bytes(whole[: len(whole) // 3])
    return tmp_path / "given.gpkg"


def _table(tmp_path):
    pd.DataFrame({"lon": [1.0]}).to_parquet(tmp_path / "given.parquet")
    return tmp_path / "given.parquet"


@pytest.mark.parametrize(
    "made, told",
    [
        (lambda path: path / "none.gpkg", "There is no file"),
        (_without_crs, "does not say its CRS"),
        (_cut_short, "cannot be read as a spatial file"),
        (_table, "a table without polygons"),
        (lambda path: _file(path, (shapely.Point(1, 1),)), "None of the 1 rows .* has a polygon.*points instead of polygons"),
        (lambda path: _file(path, (shapely.box(900, 1, 910, 5),)), "None of the 1 polygons .*; they lie between longitude 13"),
    ],
)  # fmt: skip
def test_files_that_give_no_field_are_refused_by_name(tmp_path, made, told):
    with pytest.raises(BadInput, match=f"(?s){told}"):
        _tally(made(tmp_path))


def test_a_file_of_several_layers_is_refused_with_their_names(tmp_path):
    path = _file(tmp_path, SHAPES)
    geopandas.read_file(path).iloc[:1].to_file(path, layer="other")
    with pytest.raises(BadInput, match=r"several layers: given, other\. Save the one that is meant as a file"):
        _tally(path)


def test_transformed_corners_are_where_pyproj_puts_them(tmp_path):
    lon, lat = Transformer.from_crs(CRS, 4326, always_xy=True).transform(400_000 + 10 * 200.0, 5_400_000 - 10 * 300.0)
    geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(lon, lat).buffer(0.0005)], crs=4326).to_file(tmp_path / "given.gpkg")
    tally = _tally(tmp_path / "given.gpkg")
    middle = tally.drawing.shapes[0].centroid
    assert (middle.x, middle.y) == pytest.approx((200, 300), abs=0.01)
