"""The STAC export, read by the tools that read STAC: pystac, its schemas of the specification, odc-stac, rasterio, and our import."""

import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
from click.testing import CliRunner
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from data import catalogue, demo
from data.__main__ import main as data_main
from data.errors import BadInput
from data.exports import stac
from data.exports.source import Source, open_source
from data.importing import import_collection
from data.report import Report
from data.workspace import Workspace
from labeling import decisions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pystac calls the extension unmaintained; it is what data sets of labels use
    from pystac.extensions.label import LabelExtension

NAMES = ("D2-2018", "D4-2018", "Itzling2-2018")  # the smallest fields


def small(workspace: Workspace) -> Source:
    planned = demo.fields()
    import_collection(workspace, planned.spec, planned.make(list(NAMES))[0])
    number = catalogue.sample_id(workspace.store, "bavaria-2018", "D4-2018")
    event = {"uid": "u1", "sample": number, "action": "relabel", "code": 131}
    assert decisions.record(workspace.store, "bavaria-2018", "ada", [event])[0].stored
    return open_source(workspace, "bavaria-2018")


def export(source: Source, to: Path) -> Path:
    to.mkdir()
    report = Report()
    stac.write(source, to, report, lambda *step: None)
    assert (report.done, report.left_out) == (source.count, [])
    return to


@pytest.fixture
def exported(empty, tmp_path) -> Path:
    return export(small(empty), tmp_path / "stac")


def items(to: Path) -> tuple[list[pystac.Item], list[pystac.Item]]:
    """Image items and label items."""
    every = list(pystac.Collection.from_file(str(to / "collection.json")).get_items())
    return [item for item in every if "data" in item.assets], [item for item in every if "labels" in item.assets]


def test_pystac_finds_an_item_an_image_and_a_label_item_a_sample(empty, exported):
    collection = pystac.Collection.from_file(str(exported / "collection.json"))
    images, labels = items(exported)
    with empty.store.reading() as db:
        rows = db.execute("select s.name, i.acquired from image i join sample s on s.id = i.sample").fetchall()
    wanted = [f"{row['name']}_{row['acquired']}" for row in rows]
    assert sorted(item.id for item in images) == sorted(wanted)
    assert [item.id for item in labels] == [f"{name}_label" for name in NAMES]
    assert collection.license == "MIT"
    assert collection.extra_fields["version"] == str(open_source(empty, "bavaria-2018").version)
    assert collection.extent.temporal.intervals[0][0] == datetime(2018, 3, 8, tzinfo=UTC)
    assert all(item.get_collection().id == "bavaria-2018" for item in [*images, *labels])
    west, south, east, north = collection.extent.spatial.bboxes[0]
    assert all(west <= item.bbox[0] < item.bbox[2] <= east and south <= item.bbox[1] < item.bbox[3] <= north for item in images)


def test_collection_and_items_keep_to_the_schemas_of_the_specification(exported):
    validator = JsonSchemaSTACValidator()
    kinds = {"Collection": pystac.STACObjectType.COLLECTION, "Feature": pystac.STACObjectType.ITEM}
    for path in sorted(exported.rglob("*.json")):
        written = json.loads(path.read_text())
        validator.validate_core(written, kinds[written["type"]], "1.1.0")
        for link in written["links"]:
            assert (path.parent / link["href"]).is_file(), link
        for asset in written.get("assets", {}).values():
            assert (path.parent / asset["href"]).is_file(), asset


def test_a_label_item_says_what_the_label_extension_asks_for(exported):
    image_ids = {item.id for item in items(exported)[0]}
    for item in items(exported)[1]:
        label = LabelExtension.ext(item)
        assert (label.label_type, label.label_properties, label.label_tasks) == ("vector", ["crop"], ["classification"])
        assert list(label.label_classes[0].classes) == ["winter wheat", "winter barley"]
        assert label.label_description
        sources = {source.id for source in label.get_sources()}
        assert sources == {name for name in image_ids if name.startswith(item.id.removesuffix("label"))}
        labels = json.loads(Path(item.assets["labels"].get_absolute_href()).read_text())
        feature = labels["features"][0]
        relabelled = item.id == "D4-2018_label"
        assert feature["properties"]["crop"] == ("winter barley" if relabelled else feature["properties"]["inventory_name"])
        assert feature["properties"]["status"] == ("relabelled" if relabelled else "unverified")
        assert label.label_methods == (["manual"] if relabelled else ["automated"])


def test_odc_stac_loads_the_pixels_by_band_name(empty, exported):
    patch = catalogue.patch(empty, catalogue.sample_id(empty.store, "bavaria-2018", "D2-2018"))
    images = [item for item in items(exported)[0] if item.properties["cropcheck:sample"] == "D2-2018"]
    a, _, left, _, e, top = patch.transform
    height, width = patch.pixels.shape[-2:]
    box = odc.geo.geobox.GeoBox((height, width), rasterio.Affine(*patch.transform), patch.crs)
    loaded = odc.stac.load(images, bands=["B04", "nir", "B12"], geobox=box)
    present = [slot for slot in range(len(patch.pixels)) if patch.pixels[slot].any()]
    for band, name in (("B04", "B04"), ("B08", "nir"), ("B12", "B12")):
        np.testing.assert_array_equal(loaded[name], patch.pixels[present, patch.bands.index(band)])
    assert loaded["B04"].dtype == np.uint16
    assert (a, e) == (box.affine.a, box.affine.e) and (left, top) == (box.affine.c, box.affine.f)


def test_an_item_says_where_and_how_its_raster_is(exported):
    for item in items(exported)[0][::7]:
        with rasterio.open(item.assets["data"].get_absolute_href()) as raster:
            assert item.properties["proj:shape"] == list(raster.shape)
            assert item.properties["proj:transform"] == list(raster.transform)[:6]
            assert item.properties["proj:code"] == "EPSG:3857"
            assert [band["name"] for band in item.assets["data"].extra_fields["eo:bands"]] == list(raster.descriptions)
            assert {(band["nodata"], band["scale"]) for band in item.assets["data"].extra_fields["raster:bands"]} == {(0, 1e-4)}
            west, south, east, north = rasterio.warp.transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
        assert item.bbox == pytest.approx([west, south, east, north], abs=1e-7)


def test_the_export_comes_back_through_the_import(empty, exported, tmp_path, monkeypatch):
    other = Workspace(tmp_path / "other").create()
    monkeypatch.setenv("CROPCHECK_HOME", str(other.home))
    result = CliRunner().invoke(data_main, ["import-geotiff", str(exported), "--json"])
    assert result.exit_code == 0, result.output
    for name in NAMES:
        ours, theirs = (catalogue.patch(w, catalogue.sample_id(w.store, "bavaria-2018", name)).pixels for w in (empty, other))
        np.testing.assert_array_equal(ours, theirs)
    with other.store.reading() as db:
        codes = dict(map(tuple, db.execute("select name, inventory_code from sample")))
    assert codes == {"D2-2018": 115, "D4-2018": 131, "Itzling2-2018": codes["Itzling2-2018"]}


def test_the_same_version_makes_the_same_bytes(empty, exported, tmp_path):
    again = export(open_source(empty, "bavaria-2018"), tmp_path / "again")
    files = sorted(path.relative_to(exported) for path in exported.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [name for name in files if (exported / name).read_bytes() != (again / name).read_bytes()] == []


def test_a_monthly_composite_spans_its_month_and_a_crs_without_a_code_is_given_as_text(empty, tmp_path):
    planned = demo.fields()
    sample = planned.make(["D2-2018"])[0][0]
    months = tuple(f"2018-{month:02d}" for month in range(1, 13))
    crs = "+proj=laea +lat_0=48 +lon_0=11 +datum=WGS84"
    made = replace(sample, pixels=sample.pixels[:12], acquired=months, interpolated=(False,) * 12, quality=(), sources=(), polygon=None)
    laea = rasterio.crs.CRS.from_user_input(crs).to_string()
    made = replace(made, crs=laea, transform=(10.0, 0.0, 5e4, 0.0, -10.0, 5e4))
    spec = replace(planned.spec, name="months", slots=months, composites=True, licence="see the terms", split="")
    import_collection(empty, spec, [made])
    to = export(open_source(empty, "months"), tmp_path / "months")
    images, _ = items(to)
    june = next(item for item in images if item.id.endswith("2018-06"))
    assert june.datetime == datetime(2018, 6, 15, tzinfo=UTC)
    assert june.properties["start_datetime"] == "2018-06-01T00:00:00Z"
    assert june.properties["end_datetime"] == "2018-06-30T23:59:59Z"
    assert june.properties["proj:wkt2"].startswith("PROJCRS") and june.properties.get("proj:code") is None
    assert pystac.Collection.from_file(str(to / "collection.json")).license == "other"


def test_field_means_make_no_stac_collection(demo, tmp_path):
    with pytest.raises(BadInput, match="make no raster"):
        stac.write(open_source(demo, "bavaria-parcels-2018"), tmp_path, Report(), lambda *step: None)
