"""The page of a map that opens offline: everything in it, nothing that asks a server, no text that breaks out, no curator's name."""

import base64
import json
import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from data import catalogue
from data.errors import BadInput
from data.mapped import legends, pictures
from data.mapped.legends import Legend
from data.mapped.pictures import Picture
from data.prints.maps import Words
from labeling import decisions, mapsheets, points, standalone
from labeling.mapsheets import Sheet
from labeling.standalone import Layer, Samples, Shown
from tests import map_world
from tests.map_world import CANADA

EVIL = "</script><script>alert(1)</script><!-- <b>&amp;"
ADDRESS = re.compile(r"""(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}[^\s"'<>)]*""")


@pytest.fixture
def sheet(demo) -> Sheet:
    """The whole of a small map in a split view, with the collection's samples by label."""
    made = map_world.make(demo, "m", height=60, width=50)
    found = points.points(demo.store, CANADA)
    groups, positions = points.by_label(found, catalogue.legend(demo.store, CANADA))
    collection = catalogue.collection(demo.store, CANADA)
    return Sheet(
        collection, made, mapsheets.whole_map(made), "true", "inventory", "crop", "2019-08", (), 0.8, found, groups, positions,
        grouping="Samples by label",
    )  # fmt: skip


def page(sheet: Sheet, title="Summer") -> str:
    return mapsheets.page(sheet, title, ["true", "inventory", "crop", "probability"], whole=True)


def told(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="told">(.*?)</script>', html, re.DOTALL)[1])


def bytes_of(address: str) -> bytes:
    return base64.b64decode(address.split(",", 1)[1])


def test_the_page_names_no_server_and_loads_no_file(sheet):
    html = page(sheet)
    code = html.replace(re.search(r'id="told">(.*?)</script>', html, re.DOTALL)[1], "")
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]+src=|@import", code)
    assert "url(" not in re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    mentioned = {
        address for address in ADDRESS.findall(html) if not re.search(r"www\.w3\.org|leafletjs\.com|bugzilla\.mozilla\.org", address)
    }
    assert mentioned == set()  # the others stand in Leaflet's code as names and remarks; the browser test sees that none is asked


def test_layers_are_pictures_of_the_map_in_place(sheet):
    content = told(page(sheet))
    by_name = {layer["name"]: layer for layer in content["layers"]}
    assert [content[side] for side in ("base", "left", "right")] == ["true", "inventory", "crop"]
    view = mapsheets._sized(mapsheets.whole_map(sheet.made))
    picture = pictures.picture(sheet.made, "crop", view)
    assert by_name["crop"]["bounds"] == [[picture.south, picture.west], [picture.north, picture.east]]
    shown, expected = (np.asarray(Image.open(BytesIO(png))) for png in (bytes_of(by_name["crop"]["url"]), picture.png))
    assert np.array_equal(shown, expected)
    colors = {entry["color"] for entry in by_name["crop"]["entries"]}
    drawn = {"#{:02x}{:02x}{:02x}".format(*pixel) for pixel in np.unique(shown[shown[..., 3] > 0][:, :3], axis=0)}
    assert drawn <= colors and len(drawn) >= 4
    assert by_name["probability"]["ticks"] == ["0%", "50%", "100%"]
    assert by_name["true"]["imagery"] and not by_name["crop"]["imagery"]


def test_samples_are_in_the_page_with_names_and_groups_in_both_languages(sheet):
    content = told(page(sheet))
    record = content["points"]
    assert bytes_of(record["names"]).decode().split("\n") == [point.name for point in sheet.points]
    assert np.frombuffer(bytes_of(record["faces"]), np.uint8)[: len(sheet.points)].tolist() == list(sheet.positions)
    potato = next(group for group in content["groups"] if group["title"].startswith("Potato"))
    assert potato["title_fr"] == "Pomme de terre" and content["samples"] == "Samples by label: 240"


def test_groups_that_are_switched_off_are_not_in_the_page(sheet):
    gone = sheet.groups[0]
    content = told(page(replace(sheet, off=(gone.title,))))
    assert gone.title not in [group["title"] for group in content["groups"]]
    assert len(bytes_of(content["points"]["names"]).decode().split("\n")) == len(sheet.points) - gone.count


def test_no_curator_is_named(demo, sheet):
    one = sheet.points[0]
    event = {"uid": "z-1", "sample": one.id, "action": "agree", "shown": one.inventory_code, "note": "said Zebulon", "ms": 900}
    (outcome,) = decisions.record(demo.store, CANADA, "Zebulon Quark", [event])
    assert outcome.stored, outcome
    assert "Zebulon" not in page(replace(sheet, points=points.points(demo.store, CANADA)))


def test_text_cannot_break_out_of_the_page(sheet):
    evil = [replace(point, name=EVIL) for point in sheet.points]
    groups = [replace(group, title=EVIL, title_fr=EVIL) for group in sheet.groups]
    html = page(replace(sheet, points=evil, groups=groups, grouping=EVIL), title=EVIL)
    assert html.count("</script>") == 2 and "<script>alert" not in html and "<!-- <b>" not in html
    content = told(html)
    assert content["title"] == EVIL and content["groups"][0]["title"] == EVIL
    assert "<title>&lt;/script&gt;" in html


def test_simulated_imagery_is_said(sheet):
    assert told(page(sheet))["simulated"] == "simulated imagery · imagerie simulée"
    real = replace(sheet, collection=replace(sheet.collection, simulated=False))
    assert told(page(real))["simulated"] == ""


def test_a_page_too_large_is_refused_with_the_ways_out():
    pixels = np.random.default_rng(0).integers(0, 256, (2_400, 2_400, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "png")
    noise = Picture(file.getvalue(), 43.0, -81.0, 44.0, -80.0)
    view = pictures.View(43.0, -81.0, 44.0, -80.0, 800, 600)
    with pytest.raises(BadInput, match=r"would be \d\d MB.*Choose fewer layers, or this view instead of the whole map"):
        standalone.page(Words("Noise"), view, [Layer("true", "True colour", noise, Legend(), True)], Shown("true"))


def test_without_a_map_the_samples_alone_make_a_page(sheet):
    alone = replace(sheet, made=None, imagery=None, layer=None, right=None, date=None)
    content = told(mapsheets.page(alone, "Samples", [], whole=False))
    assert content["layers"] == [] and content["right"] is None and content["points"]
    assert content["bounds"] == [[sheet.view.south, sheet.view.west], [sheet.view.north, sheet.view.east]]
    assert told(standalone.page(Words("A"), sheet.view, [], Shown(), Samples([], [], [])))["points"] is None


@pytest.mark.parametrize("crs", ["EPSG:3978", "EPSG:32617", "EPSG:4326"])
def test_the_view_of_a_whole_map_holds_all_of_it_in_a_fit_shape(demo, crs):
    for number, (height, width) in enumerate([(40, 400), (400, 40), (60, 60)]):
        made = map_world.make(demo, f"m{number}", crs=crs, height=height, width=width)
        view = mapsheets.whole_map(made)
        picture = pictures.picture(made, "crop", view)
        assert view.west < picture.west and view.south < picture.south and picture.east < view.east and picture.north < view.north
        assert 0.6 - 0.01 <= view.width / view.height <= 2.2 + 0.01


def test_a_figure_shows_left_and_right_and_only_the_classes_in_view(sheet):
    blocks = mapsheets._blocks(sheet, [(layer, mapsheets._picture(sheet, layer, sheet.view)) for layer in ("inventory", "crop")])
    seen = {entry.title for entry in blocks[0].entries}
    known = {entry.name for entry in legends.legend(sheet.made, "crop").entries}
    assert seen <= known and len(seen) >= 4
    assert len({entry.color for entry in blocks[0].entries}) == len(blocks[0].entries)
    png = mapsheets.figure(sheet, "Été", dpi=80)
    image = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    for entry in blocks[0].entries[:3]:
        assert (image == tuple(bytes.fromhex(entry.color[1:]))).all(axis=2).any()


def test_a_hidden_class_is_neither_in_the_figure_nor_in_its_legend(sheet):
    name = max(sheet.made.figures["classes"], key=lambda each: sheet.made.figures["classes"][each]["pixels"])
    hidden = replace(sheet, hidden=(name,), layer="crop", right=None)
    picture = mapsheets._picture(hidden, "crop", hidden.view)
    assert name not in [entry.title for block in mapsheets._blocks(hidden, [("crop", picture)]) for entry in block.entries]


def test_facts_name_run_layers_and_dates(sheet):
    said = mapsheets.words(sheet, "Summer")
    assert said.facts.startswith("Run run-1 (ltae) · True colour, August 2019 · Inventory · Prediction · map of 2026-01-01")
    assert "Agriculture and Agri-Food Canada" in said.sources and "Natural Earth" in said.sources
    assert "contains modified Copernicus Sentinel data 2019" in said.sources


def test_a_raster_that_is_gone_is_named(sheet):
    sheet.made.raster("crop").unlink()
    with pytest.raises(BadInput, match=r"crop\.tif is missing\. Make the map again"):
        mapsheets.figure(sheet, "Summer", dpi=80)
    with pytest.raises(BadInput, match=r"crop\.tif is missing"):
        page(sheet)
