"""The panels of the Map page: an area's figures and its queues, the form that makes maps, what changed, and the search."""

import json
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
import rasterio
from streamlit.testing.v1 import AppTest

from data import jobs
from data.mapped import changes, figures, values
from data.mapped.folder import Map
from data.workspace import Workspace
from labeling import decisions, worklists
from modeling.__main__ import main as modeling_main
from modeling.mapping import areas
from pages.widgets import map_layers, map_make
from tests import map_world
from tests import modeling_world as toy
from tests.map_world import CANADA
from tests.test_area_queues import lonlat, move, rectangle

WAIT = 60


def text(app: AppTest) -> str:
    shown = [*app.info, *app.warning, *app.error, *app.markdown, *app.caption, *app.success, *app.metric, *app.toast]
    return "\n".join(f"{getattr(element, 'label', '')} {element.value}" for element in shown)


def run(page, **kwargs) -> AppTest:
    app = AppTest.from_function(page, default_timeout=WAIT, kwargs=kwargs)
    app.session_state["curator"] = "ann"
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def made(demo) -> Map:
    return map_world.make(demo, "north", lon=-70.0, lat=50.0, height=120, width=100)


# An area


def area_page(collection: str, name: str | None, drawn: dict | None) -> None:
    from data import catalogue
    from data.mapped import folder
    from pages.widgets import map_area, resources

    workspace = resources.workspace()
    map_area.panel(catalogue.collection(workspace.store, collection), folder.named(workspace, name) if name else None, drawn)


PLACES = [(10, 10), (30, 30), (50, 50), (70, 20)]


def test_before_anything_is_drawn_the_panel_says_what_to_do(demo, made):
    assert "Draw a rectangle or a polygon" in text(run(area_page, collection=CANADA, name="north", drawn=None))


def test_an_area_tells_its_samples_its_pixels_and_how_far_they_agree(demo, made):
    numbers = move(demo, made, PLACES)
    assert decisions.record(demo.store, CANADA, "ann", [{"uid": "u", "sample": numbers[0], "action": "agree"}])[0].stored
    drawn = rectangle(made, 0, 0, 60, 60)
    app = run(area_page, collection=CANADA, name="north", drawn=drawn)
    assert "**3 samples** of 2019 in this area, **2** without a decision" in text(app)
    found = values.inside(made, drawn)
    assert f"agrees with the inventory on **{found.agreeing / (found.agreeing + found.disagreeing):.0%}**" in text(app)
    assert f"{found.hectares:,.1f} ha, {found.pixels:,} px" in text(app)
    assert "Shares: map plain, inventory hatched, labels dotted." in text(app)
    shown = json.loads(app.get("plotly_chart")[0].proto.spec)
    bars = dict(zip(shown["data"][0]["y"], shown["data"][0]["x"], strict=True))
    assert bars == pytest.approx({name: part.share for name, part in found.classes.items()} | {
        name: 0 for name in bars if name not in found.classes
    })  # fmt: skip
    colors = {entry.name: entry.color for entry in made.classes}
    assert all(color == colors[name] for name, color in zip(shown["data"][0]["y"], shown["data"][0]["marker"]["color"], strict=True)
               if name in colors)  # fmt: skip


def test_an_area_over_the_border_of_the_map_says_how_much_lies_outside(demo, made):
    app = run(area_page, collection=CANADA, name="north", drawn=rectangle(made, 10, -50, 60, 50))
    assert "50% of the area lies outside of the map" in text(app)


def test_an_area_outside_of_the_map_still_tells_its_samples(demo, made):
    move(demo, made, [(10, -150)])
    app = run(area_page, collection=CANADA, name="north", drawn=rectangle(made, 0, -170, 30, -130))
    assert "**1 sample** of 2019 in this area" in text(app)
    assert "outside of the map" in text(app)


def test_an_area_that_crosses_itself_is_named(demo, made):
    bow = {"type": "Polygon", "coordinates": [[[-80, 43], [-79, 44], [-79, 43], [-80, 44], [-80, 43]]]}
    app = run(area_page, collection=CANADA, name="north", drawn=bow)
    assert "crosses itself" in app.warning[0].value


def test_without_a_map_an_area_tells_its_samples_alone(demo, made):
    move(demo, made, PLACES)
    app = run(area_page, collection=CANADA, name=None, drawn=rectangle(made, 0, 0, 120, 100))
    assert "**4 samples**" in text(app)
    assert [button.label for button in app.button] == ["Queue these for verification"]
    assert "Shares: labels." in text(app)
    assert "NDVI of the samples" in text(app)


def test_a_click_makes_a_queue_and_offers_it_and_the_count_falls_with_a_decision(demo, made):
    numbers = move(demo, made, PLACES)
    drawn = rectangle(made, 0, 0, 120, 100)
    app = run(area_page, collection=CANADA, name="north", drawn=drawn)
    app.button(key="map.area.queue").click().run()
    (queue,) = worklists.listing(demo.store, CANADA, "area")
    assert (queue.curator, queue.entries, queue.params["map"], queue.params["area"]) == ("ann", 4, "north", drawn)
    assert f"Queue {queue.id}, In an area: 4 open of 4 samples." in text(app)
    assert app.button(key="map.area.open").label == "Open in Verify"
    assert decisions.record(demo.store, CANADA, "ben", [{"uid": "u", "sample": numbers[0], "action": "agree"}])[0].stored
    app.run()
    assert "**3** without a decision" in text(app)
    assert "3 open of 4 samples" in text(app)


def test_only_those_that_the_map_contradicts_can_be_queued(demo, made):
    move(demo, made, PLACES, code=133)
    with rasterio.open(made.raster("crop")) as raster:
        codes = raster.read(1)
    against = sum(int(codes[place]) != 133 for place in PLACES)
    app = run(area_page, collection=CANADA, name="north", drawn=rectangle(made, 0, 0, 120, 100))
    app.button(key="map.area.disagree").click().run()
    (queue,) = worklists.listing(demo.store, CANADA, "map")
    assert 0 < queue.entries == against


def test_where_nothing_is_left_to_decide_there_is_nothing_to_click(demo, made):
    numbers = move(demo, made, PLACES[:1])
    assert decisions.record(demo.store, CANADA, "ann", [{"uid": "u", "sample": numbers[0], "action": "agree"}])[0].stored
    app = run(area_page, collection=CANADA, name="north", drawn=rectangle(made, 0, 0, 120, 100))
    assert all(button.disabled for button in app.button)
    assert "Every sample here has a decision." in text(app)


def test_a_queue_that_cannot_be_made_says_why(demo, made):
    numbers = move(demo, made, PLACES[:1])
    with rasterio.open(made.raster("crop")) as raster:
        code = int(raster.read(1)[PLACES[0]])
    with demo.store.writing() as db:
        db.execute("update sample set inventory_code = ? where id = ?", [code, numbers[0]])
    app = run(area_page, collection=CANADA, name="north", drawn=rectangle(made, 0, 0, 120, 100))
    app.button(key="map.area.disagree").click().run()
    assert "Nothing is left for the queue Map disagrees" in app.info[0].value
    assert worklists.listing(demo.store, CANADA) == []


# What changed


def changes_page(name: str, others: list[str]) -> None:
    from data.mapped import folder
    from pages.widgets import map_changes, resources

    workspace = resources.workspace()
    map_changes.panel(folder.named(workspace, name), [folder.named(workspace, other) for other in others])


def test_two_maps_stand_beside_each_other_in_hectares(demo, made):
    newer = map_world.make(demo, "newer", seed=1, run="run-2", lon=-70.0, lat=50.0, height=120, width=100)
    app = run(changes_page, name="newer", others=["north"])
    found = changes.between(made, newer)
    assert app.metric[0].value == f"{found.changed:.1%}"
    assert len(app.get("plotly_chart")) == 2
    matrix = json.loads(app.get("plotly_chart")[0].proto.spec)["data"][0]
    hectares = np.array([[cell[0] for cell in row] for row in _decoded(matrix["customdata"])])
    assert hectares.sum() == pytest.approx(found.total)


def _decoded(value) -> list:
    """Plotly sends arrays as base64."""
    if isinstance(value, dict):
        import base64

        shape = [int(side) for side in str(value["shape"]).split(",")]
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).reshape(shape).tolist()
    return value


def test_without_an_older_map_the_panel_says_how_to_get_one(demo, made):
    assert "no older map to compare with" in text(run(changes_page, name="north", others=[]))


def test_coming_back_to_the_page_the_same_map_and_layers_are_shown(demo, made):
    map_world.make(demo, "south", seed=2)
    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=WAIT)
    app.session_state["collection"] = CANADA
    app.run().switch_page("pages/map.py").run()
    newest = app.selectbox(key=f"{map_make.SHOWN}.{CANADA}").value
    name = next(one for one in ("north", "south") if one != newest)
    app.selectbox(key=f"{map_make.SHOWN}.{CANADA}").set_value(name).run()
    app.selectbox(key=f"map.right.{name}").set_value("margin").run()
    app.slider(key="map.opacity").set_value(40).run()
    app.toggle(key="map.split").set_value(True).run()
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/map.py").run()
    assert not app.exception, app.exception
    assert app.selectbox(key=f"{map_make.SHOWN}.{CANADA}").value == name
    assert app.selectbox(key=f"map.right.{name}").value == "margin"
    assert app.slider(key="map.opacity").value == 40
    assert app.toggle(key="map.split").value


def test_a_map_that_was_taken_away_meanwhile_is_no_longer_shown(demo, made):
    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=WAIT)
    app.session_state["collection"] = CANADA
    app.session_state[f"{map_make.SHOWN}.{CANADA}"] = "gone"
    app.run().switch_page("pages/map.py").run()
    assert not app.exception, app.exception
    assert app.selectbox(key=f"{map_make.SHOWN}.{CANADA}").value == "north"


def test_a_map_that_is_damaged_is_named_and_the_others_are_shown(demo, made):
    (map_world.make(demo, "south", seed=1).path / "map.json").write_text("{")
    app = AppTest.from_file("../app.py", default_timeout=WAIT)
    app.query_params["collection"] = CANADA
    app.run().switch_page("pages/map.py").run()
    assert "south/map.json is damaged" in text(app)
    assert [entry.split(" ")[0] for entry in app.selectbox(key=f"{map_make.SHOWN}.{CANADA}").options] == ["north"]


def test_a_map_is_compared_with_those_made_before_it_never_with_later_ones():
    first, second, third = (SimpleNamespace(name=name, made=f"2026-0{month}-01T00:00:00") for month, name in enumerate("abc", start=1))
    listed = [third, second, first]
    assert map_layers.older(third, listed) == [second, first]
    assert map_layers.older(first, listed) == []


def test_maps_of_other_ground_are_named(demo, made):
    map_world.make(demo, "far", seed=1, lon=-60.0, lat=45.0, height=60, width=60)
    app = run(changes_page, name="far", others=["north"])
    assert "no ground in common" in app.warning[0].value


def test_the_figures_of_changes_leave_out_what_did_not_move(demo, made):
    newer = map_world.make(demo, "newer", seed=1, run="run-2", lon=-70.0, lat=50.0, height=120, width=100)
    found = changes.between(made, newer)
    bars = figures.gains_figure(found).data
    gained = dict(zip(bars[1].y, bars[1].x, strict=True))
    assert gained == pytest.approx({name: value for name, value in found.gains().items() if name in gained})
    assert sum(gained.values()) == pytest.approx(-sum(bars[0].x)), "what one class loses another gains"
    heat = figures.changes_figure(found).data[0]
    assert np.isnan(np.array(heat.z, dtype=float)[found.same]).all()


# Making a map


def make_page(collection: str) -> None:
    from data import catalogue
    from pages.widgets import map_make, resources

    map_make.form(catalogue.collection(resources.workspace().store, collection))


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory) -> Path:
    """The toy collection with a finished run, and two stacks: one that fits, one that lacks bands."""
    from modeling import runs, training

    workspace = toy.world(Workspace(tmp_path_factory.mktemp("trained") / "workspace").create())
    run = runs.create(workspace, toy.config(epochs=2))
    training.train(workspace, run)
    names = ("2020-05-01", "2020-06-01", "2020-07-01", "2020-08-01")
    map_world.stack(workspace.home / "stacks" / "valley", lon=11.0, lat=48.0, height=40, width=50, names=names)
    few = ("2020-05-01", "2020-08-01")
    map_world.stack(workspace.home / "stacks" / "bare", lon=11.0, lat=48.0, height=40, width=50, names=few, bands=("B02", "B04"))
    return workspace.home


@pytest.fixture
def trained(trained_home, monkeypatch) -> Workspace:
    monkeypatch.setenv("CROPCHECK_HOME", str(trained_home))
    return Workspace(trained_home)


@pytest.fixture
def started(monkeypatch) -> list[tuple[list[str], str]]:
    """What the form starts, noted instead of started: command lines and modules."""
    noted = []

    def start(workspace, argv, title, *, makes=None, module="data"):
        noted.append((list(argv), module))
        return "noted"

    monkeypatch.setattr(jobs, "start", start)
    return noted


def test_without_a_run_the_form_leads_to_training(empty):
    toy.world(empty)
    app = AppTest.from_file(str(Path(__file__).parent.parent / "app.py"), default_timeout=WAIT).run()
    app.switch_page("pages/map.py").run()
    assert "No finished run" not in text(app)  # what is closed is not worked out
    app.session_state["map.make.open"] = True
    app.run()
    assert not app.exception, app.exception
    assert "No finished run on toy can make a map yet" in text(app)


def test_the_form_tells_what_is_in_the_stack_and_starts_the_command(trained, started):
    app = run(make_page, collection=toy.NAME)
    stack = app.selectbox(key="map.make.stack")
    assert [Path(option).name for option in map_make.stacks(trained)] == ["bare", "valley"]
    stack.set_value(str(trained.home / "stacks" / "valley")).run()
    assert "**4 dates**, 2020-05-01 to 2020-08-01 · 50 × 40 px of 10 m, EPSG:3978" in text(app)
    assert not app.error
    app.selectbox(key="map.make.smooth").set_value("bayes").run()
    app.number_input(key="map.make.workers").set_value(2).run()
    app.button(key="map.make.start").click().run()
    ((argv, module),) = started
    command = modeling_main.get_command(click.Context(modeling_main), argv[0])
    params = command.make_context(argv[0], list(argv[1:])).params
    assert module == "modeling"
    assert params["run"].startswith("toy-ltae-")
    assert (params["stack"], params["smooth"]) == (str(trained.home / "stacks" / "valley"), "bayes")
    assert (params["workers"], params["window"], params["smoothness"]) == (2, 9, 20.0)
    assert not params["inventory"] and not params["fields"] and not params["name"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("stack", "{home}/stacks/bare", "lacks"),
        ("inventory", "/none/aci.tif", "There is no /none/aci.tif on this machine"),
        ("fields", "/none/f.gpkg", "There is no /none/f.gpkg on this machine"),
        ("inventory", "{home}/cropcheck.db", "cropcheck.db"),
    ],
)
def test_what_is_wrong_is_named_before_anything_starts(trained, started, field, value, words):
    app = run(make_page, collection=toy.NAME)
    app.selectbox(key="map.make.stack").set_value(str(trained.home / "stacks" / "valley")).run()
    assert not app.button(key="map.make.start").disabled
    kind = app.selectbox if field == "stack" else app.text_input
    kind(key=f"map.make.{field}").set_value(value.format(home=trained.home)).run()
    assert not app.exception
    assert words in "\n".join(error.value for error in app.error)
    assert app.button(key="map.make.start").disabled
    assert started == []


@pytest.fixture
def mapped(trained):
    """The name of a map of the trained run and the stack, as far as the form looks at it."""
    run_name = next(path.name for path in sorted(trained.runs.iterdir()) if path.name.startswith("toy-ltae-"))
    note = trained.maps / f"{run_name}-valley" / "map.json"
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    yield note.parent.name
    note.unlink()
    note.parent.rmdir()


def test_a_map_that_is_made_already_is_said_without_an_error(trained, mapped):
    app = run(make_page, collection=toy.NAME)
    app.selectbox(key="map.make.stack").set_value(str(trained.home / "stacks" / "valley")).run()
    assert f"There is a map {mapped} already" in text(app)
    assert not app.error
    assert app.button(key="map.make.start").disabled


def test_the_map_that_a_job_has_made_is_shown_with_a_button(trained, mapped, monkeypatch):
    monkeypatch.setattr(map_make.data_job, "watched", lambda *_: SimpleNamespace(name="job", state="finished"))
    monkeypatch.setattr(map_make.jobs, "result", lambda *_: {"map": mapped})
    key = f"{map_make.SHOWN}.{toy.NAME}"
    app = run(make_page, collection=toy.NAME)
    app.session_state[key] = "another"
    app.run()
    app.button(key="map.make.show").click().run()
    assert app.session_state[key] == mapped
    assert "map.make.show" not in [button.key for button in app.button]


def test_a_folder_without_a_stack_is_named(trained, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_make, "stacks", lambda workspace: [str(tmp_path)])
        app = run(make_page, collection=toy.NAME)
    assert "There are no GeoTIFFs in" in app.error[0].value
    assert app.button(key="map.make.start").disabled


def test_a_stack_with_a_month_missing_says_which(trained, tmp_path):
    stack, _ = map_world.stack(tmp_path / "s", names=("2020-05", "2020-08"), height=20, width=20)
    assert map_make.missing_months(stack) == ["June", "July"]
    stack, _ = map_world.stack(tmp_path / "t", names=("2019-11", "2020-02"), height=20, width=20)
    assert map_make.missing_months(stack) == ["December 2019", "January 2020"]


def test_a_run_of_a_model_of_whole_patches_is_named_with_the_reason(trained, monkeypatch):
    from dataclasses import replace

    from modeling import runs

    (known,) = runs.listing(trained)
    films = replace(known, name="toy-lrcn-1", config=replace(known.config, model="lrcn"))
    monkeypatch.setattr(runs, "listing", lambda workspace: [known, films])
    app = run(make_page, collection=toy.NAME)
    assert app.selectbox(key=f"map.make.run.{toy.NAME}").options == [f"{known.name.removeprefix('toy-')} · ltae"]
    assert "cannot make a map, as lrcn sees whole patches" in text(app)


# The search


def search_page(collection: str) -> None:
    import streamlit as st

    from data import catalogue
    from pages.widgets import map_search, resources

    st.session_state["found"] = map_search.search(catalogue.collection(resources.workspace().store, collection), None)


def test_the_search_goes_to_coordinates_names_and_the_chosen_of_several(demo):
    app = run(search_page, collection=CANADA)
    assert app.session_state["found"] is None
    field = app.text_input(key=f"map.search.{CANADA}")
    field.set_value("43.51, -80.5").run()
    assert app.session_state["found"][:2] == (-80.5, 43.51)
    with demo.store.reading() as db:
        site = db.execute("select name, lon, lat from site where collection = ? order by id limit 1", [CANADA]).fetchone()
    field.set_value(site["name"].lower()).run()
    assert app.session_state["found"] == (site["lon"], site["lat"], site["name"])
    field.set_value("-").run()
    (choice,) = app.selectbox
    first = app.session_state["found"]
    choice.set_value(1).run()
    assert app.session_state["found"] not in (None, first)


@pytest.mark.parametrize(("typed", "words"), [("zzzz", "is called so"), ("95, 200", "There is no latitude 95")])
def test_the_search_says_when_nothing_is_found(demo, typed, words):
    app = run(search_page, collection=CANADA)
    app.text_input(key=f"map.search.{CANADA}").set_value(typed).run()
    assert app.session_state["found"] is None
    assert words in text(app)


# Areas


def areas_page(collection: str, name: str | None) -> None:
    from data import catalogue
    from data.mapped import folder
    from pages.widgets import map_areas, resources

    workspace = resources.workspace()
    map_areas.panel(catalogue.collection(workspace.store, collection), folder.named(workspace, name) if name else None)


def audit(workspace: Workspace, made: Map, count: int) -> None:
    """Put the first samples of the random order onto the map, ask for an audit of them and agree with them all."""
    with workspace.store.writing() as db:
        sql = "select id, site from sample where collection = ? order by shuffle, id limit ?"
        rows = db.execute(sql, [CANADA, count]).fetchall()
        for number, row in enumerate(rows):
            lon, lat = lonlat(made, 5 + 9 * (number // 10), 5 + 9 * (number % 10))
            db.execute("update site set lon = ?, lat = ? where id = ?", [lon, lat, row["site"]])
    worklists.make(workspace, CANADA, "audit", limit=count)
    said = [{"uid": f"a{row['id']}", "sample": row["id"], "action": "agree"} for row in rows]
    assert all(outcome.stored for outcome in decisions.record(workspace.store, CANADA, "ann", said))


def test_without_an_audit_the_areas_lead_to_it(demo, made):
    app = run(areas_page, collection=CANADA, name="north")
    assert "The random audit of" in text(app) and "has not begun" in text(app)
    assert app.button(key="map.areas.audit").label == "Begin the audit"
    assert len(app.get("plotly_chart")) == 1, "what the map shows is told all the same"


def test_areas_are_shown_as_mapped_and_adjusted_with_their_intervals(demo, made):
    audit(demo, made, 60)
    app = run(areas_page, collection=CANADA, name="north")
    found = areas.of_map(demo, made)
    assert found.reference == 60
    bars = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    shown = {entry.name: entry for entry in found.whole.classes}
    assert dict(zip(bars[0]["x"], _decoded(bars[0]["y"]), strict=True)) == pytest.approx(
        {name: shown[name].mapped or 0.0 for name in bars[0]["x"]}
    )
    assert _decoded(bars[1]["y"]) == pytest.approx([shown[name].area.value for name in bars[1]["x"]])
    whiskers = _decoded(bars[1]["error_y"]["array"])
    known = [shown[name].area for name in bars[1]["x"]]
    assert whiskers == pytest.approx([0 if area.high is None else area.high - area.value for area in known])
    assert max(whiskers) > 0
    assert app.button(key="map.areas.audit").label == "Go on with the audit"
    app.selectbox(key="map.areas.region.north").set_value(found.regions[0].name).run()
    assert not app.exception
    assert "How much the map shows of a region is known where its outline is" in text(app)


def test_of_one_sample_no_adjusted_area_is_shown(demo, made):
    audit(demo, made, 1)
    app = run(areas_page, collection=CANADA, name="north")
    assert "Only 1 sample counts" in text(app)
    assert app.dataframe[0].value["Adjusted, ha"].isna().all()


def test_a_file_of_regions_gives_their_hectares_and_a_wrong_one_is_named(demo, made, tmp_path):
    audit(demo, made, 30)
    app = run(areas_page, collection=CANADA, name="north")
    path = tmp_path / "regions.geojson"
    halves = [rectangle(made, 0, 0, 60, 100), rectangle(made, 60, 0, 120, 100)]
    features = [{"type": "Feature", "properties": {"county": name}, "geometry": half} for name, half in zip("AB", halves, strict=True)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    app.text_input(key="map.areas.regions.north").set_value(str(path)).run()
    app.text_input(key="map.areas.column.north").set_value("county").run()
    app.selectbox(key="map.areas.region.north").set_value("A").run()
    assert not app.exception and not app.error
    mapped = areas.of_map(demo, made, path, "county").regions[0].hectares
    assert app.metric[0].value == f"{mapped:,.1f} ha"
    app.text_input(key="map.areas.regions.north").set_value("/none/r.gpkg").run()
    assert "/none/r.gpkg" in app.error[0].value


def test_without_a_map_there_are_no_areas(demo):
    assert "There is no map of this collection yet" in text(run(areas_page, collection=CANADA, name=None))
