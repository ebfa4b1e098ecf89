"""Take away, on the pages: nothing is drawn before it is asked for, and what is saved is what the page shows."""

import csv
import io

import pytest
import rasterio
from PIL import Image
from pyproj import Transformer
from streamlit.testing.v1 import AppTest

from data.mapped import values
from labeling import pixelsheets
from modeling import rundir, runs, training
from pages.widgets import takeaway
from tests import map_world, modeling_world
from tests.conftest import ROOT
from tests.map_world import CANADA

BUTTONS = """
import streamlit as st
from data.errors import BadInput
from pages.widgets import takeaway

def drawn():
    st.session_state["drawn"] = True
    return b"png"

takeaway.downloads("here", "stem", png=drawn, csv=lambda: "a,b")
"""


def on_map() -> None:
    """A script of the Map page's popover alone, about the map `m` of the workspace."""
    from dataclasses import replace

    import streamlit as st

    from data import catalogue
    from data.mapped import folder
    from labeling import mapsheets, points
    from pages.widgets import resources, takeaway
    from tests.map_world import CANADA

    workspace = resources.workspace()
    collection = catalogue.collection(workspace.store, CANADA)
    made = folder.named(workspace, "m")
    found = points.points(workspace.store, CANADA)
    view = replace(mapsheets.whole_map(made), **st.session_state.get("moved", {}))
    split = st.session_state.get("split", False)
    takeaway.map_downloads(
        collection, made, view, "inventory" if split else "crop", "crop" if split else None, "2019-08", [], 0.8, found,
        *points.by_label(found, catalogue.legend(workspace.store, CANADA)), imagery="true",
    )  # fmt: skip


@pytest.fixture
def made(demo):
    return map_world.make(demo, "m", height=60, width=50)


@pytest.fixture
def run(empty) -> str:
    """A finished run on the toy collection of an own workspace."""
    workspace = modeling_world.world(empty)
    created = runs.create(workspace, modeling_world.config(threads=1, folds=3, epochs=2))
    training.train(workspace, rundir.at(workspace.runs, created.name))
    rundir.at(workspace.runs, created.name).say("finished")
    return created.name


@pytest.fixture
def offered(monkeypatch) -> dict[str, dict]:
    """What pages offer by `downloads`, by the prefix of its keys."""
    found = {}
    monkeypatch.setattr(takeaway, "downloads", lambda name, stem, **makes: found.update({name: makes | {"stem": stem}}))
    return found


def saved(app: AppTest) -> tuple[str, bytes]:
    """The label and the content of the button that saves."""
    return next(button for button in app.get("download_button") if "Save" in button.proto.label).proto.label, app.session_state[
        takeaway.READY
    ][1]


def test_a_popover_offers_the_kinds_that_there_are_and_draws_none(empty):
    app = AppTest.from_string(BUTTONS).run()
    assert not app.exception
    assert [button.proto.label for button in app.get("download_button")] == ["PNG, 300 dpi", "CSV"]
    assert "drawn" not in app.session_state


def test_the_figure_of_the_map_is_made_when_asked_for_and_goes_when_the_view_moves(made):
    app = AppTest.from_function(on_map, default_timeout=60).run()
    assert not app.exception and takeaway.READY not in app.session_state
    app.selectbox(key="map.takeaway.dpi").set_value(150).run()
    app.button(key="map.takeaway.make").click().run()
    assert not app.exception
    label, png = saved(app)
    assert label.startswith("Save m.png (") and Image.open(io.BytesIO(png)).width == 1062
    app.session_state["moved"] = {"south": 43.49}
    app.run()
    assert [button for button in app.get("download_button") if "Save" in button.proto.label] == []


def test_the_figure_has_the_title_that_was_typed_and_both_sides_of_a_split(made):
    app = AppTest.from_function(on_map, default_timeout=60).run()
    app.selectbox(key="map.takeaway.dpi").set_value(150).run()
    app.button(key="map.takeaway.make").click().run()
    one = Image.open(io.BytesIO(saved(app)[1]))
    app.session_state["split"] = True
    app.text_input(key="map.takeaway.title.m").set_value("Été").run()
    app.button(key="map.takeaway.make").click().run()
    two = Image.open(io.BytesIO(saved(app)[1]))
    assert one.size != two.size


def test_the_page_holds_the_layers_that_are_ticked(made):
    app = AppTest.from_function(on_map, default_timeout=60).run()
    app.segmented_control(key="map.takeaway.form").set_value("html").run()
    assert app.multiselect[0].value == ["true", "crop"]
    app.multiselect[0].set_value(["crop", "probability"]).run()
    app.button(key="map.takeaway.make").click().run()
    label, html = saved(app)
    assert label.startswith("Save m.html (") and html.startswith(b"<!DOCTYPE html>")
    assert b'"name":"probability"' in html and b'"name":"true"' not in html


def test_a_raster_that_is_gone_is_said_on_the_page(made):
    made.raster("crop").unlink()
    app = AppTest.from_function(on_map, default_timeout=60).run()
    app.button(key="map.takeaway.make").click().run()
    assert not app.exception
    assert "crop.tif is missing. Make the map again" in app.error[0].value
    assert app.get("download_button") == []


def test_a_date_of_the_stack_that_is_cut_short_is_said_on_the_page(made):
    path = made.stack.layers[2].path
    with open(path, "r+b") as file:
        file.truncate(3_000)
    app = AppTest.from_function(on_map, default_timeout=60).run()
    app.button(key="map.takeaway.make").click().run()
    assert not app.exception and path in app.error[0].value


def rows(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def test_explore_offers_its_season_and_its_numbers(demo, offered):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["collection"] = CANADA
    app.run().switch_page("pages/explore.py").run()
    assert not app.exception
    makes = offered["explore.file"]
    assert makes["stem"] == f"{CANADA}-ndvi-seasons"
    crops = {row["name"] for row in rows(makes["csv"]())}
    svg = makes["svg"]().decode()
    assert len(crops) == 5 and all(f">{crop}, n = " in svg for crop in crops) and "simulated imagery" in svg
    assert Image.open(io.BytesIO(makes["png"]())).format == "PNG"


def test_results_offer_matrix_scores_and_calibration_with_their_numbers(run, empty, offered):
    found = runs.results(empty, run)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["run"] = run
    app.run().switch_page("pages/results.py").run()
    for view in ("Matrix", "Classes", "Calibration"):
        app.segmented_control(key="results.view").set_value(view).run()
        assert not app.exception
    matrix, scores, calibration = (rows(offered[f"results.{name}.file"]["csv"]()) for name in ("matrix", "f1", "reliability"))
    assert [int(row["samples"]) for row in matrix] == found.confusion.ravel().tolist()
    assert [float(row["f1"]) for row in scores] == pytest.approx([row.f1 for row in found.scores.per_class], abs=1e-6)
    assert sum(int(row["samples"]) for row in calibration) == found.scores.samples
    for makes in offered.values():
        svg = makes["svg"]().decode()
        assert run in svg and "simulated imagery" in svg and f"{found.scores.samples:,} samples of all folds" in " ".join(svg.split())
        assert Image.open(io.BytesIO(makes["png"]())).format == "PNG"


def test_the_season_of_a_pixel_is_that_of_the_stack(made):
    stack = made.stack
    lon, lat = Transformer.from_crs(stack.crs, 4326, always_xy=True).transform(*(stack.affine @ (30.5, 40.5)))
    pixel = values.at(made, lon, lat)
    table = rows(pixelsheets.season_csv(pixel, "NDVI"))
    for layer, row in zip(stack.layers, table, strict=True):
        with rasterio.open(layer.path) as raster:
            stored = dict(zip(raster.descriptions, raster.read()[:, 40, 30] / 10_000, strict=True))
        assert row["date"] == layer.name
        assert [float(row[band]) for band in stack.bands] == pytest.approx([stored[band] for band in stack.bands], abs=1e-6)
        ndvi = (stored["B08"] - stored["B04"]) / (stored["B08"] + stored["B04"])
        assert float(row["NDVI"]) == pytest.approx(ndvi, abs=1e-5)
    svg = pixelsheets.season_print(made, pixel, "NDVI", form="svg").decode()
    assert f"Predicted {pixel.crop} · " in svg and "row 40, column 30 of m" in svg and ">Oct<" in svg


def test_a_date_without_data_is_empty_in_the_numbers_of_a_pixel(made):
    stack = made.stack
    lon, lat = Transformer.from_crs(stack.crs, 4326, always_xy=True).transform(*(stack.affine @ (2.5, 2.5)))  # in the hole of July
    pixel = values.at(made, lon, lat)
    table = rows(pixelsheets.season_csv(pixel, "NDVI"))
    assert [row["date"] for row in table if row["NDVI"] == ""] == ["2019-07"]
    assert Image.open(io.BytesIO(pixelsheets.season_print(made, pixel, "NDVI"))).format == "PNG"
