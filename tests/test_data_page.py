"""The Data page through Streamlit's own test harness: its forms become command lines, its jobs are watched, stopped and resumed."""

import csv
import io
import os
import shutil
import signal
import zipfile
from pathlib import Path

import click
import pytest
from streamlit.testing.v1 import AppTest

from data import info, jobs, packing, uploads, versions
from data.__main__ import main
from data.jobs import Job
from data.workspace import Workspace
from pages.widgets import data_fields, data_imports, data_inventory, data_publish, data_report
from tests.conftest import ROOT
from tests.test_jobs import wait, wait_over

FIELDS = ROOT / "data" / "demo" / "bavaria_fields_2018"
SECTIONS = ("Get imagery", "Inventory labels", "Import files", "Publish", "Jobs")


def opened(section: str = "Get imagery") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/data.py").run()
    return app.button_group(key="data.section").set_value(section).run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.info, *app.warning, *app.error, *app.markdown, *app.caption, *app.success])


@pytest.fixture
def started(monkeypatch) -> list[tuple[list[str], str | None]]:
    """What the page starts, noted instead of started: command lines and the collections that they make."""
    noted = []

    def start(workspace, argv, title, *, makes=None, module="data"):
        noted.append((list(argv), makes))
        return "noted"

    monkeypatch.setattr(jobs, "start", start)
    return noted


def parsed(argv: list[str]) -> dict:
    """The command line as the command itself takes it."""
    command = main.get_command(click.Context(main), argv[0])
    return command.make_context(argv[0], list(argv[1:])).params


# Every section, empty and full


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_opens_without_any_collection(empty, section):
    app = opened(section)
    assert not app.exception
    assert not app.error
    assert app.info


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_opens_on_the_demo_collections(demo, section):
    app = opened(section)
    assert not app.exception
    assert not app.error


def test_an_empty_workspace_is_led_to_the_data_page(empty):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert "the Data page gets imagery for your own sites" in texts(app)
    app.button(key="chooser.data").click().run()
    assert not app.exception
    assert app.button_group(key="data.section").value == "Get imagery"


# Forms to command lines


def sites_file(folder: Path) -> Path:
    path = folder / "sites.csv"
    path.write_text("name,longitude,latitude\na,-97.1,49.8\nb,-97.2,49.9\nfar,500,3\n")
    return path


def test_the_form_of_an_ingest_plans_what_it_says(empty, tmp_path, started):
    path = sites_file(tmp_path)
    app = opened()
    app.text_input(key="ingest.sites").set_value(str(path)).run()
    assert not app.exception
    assert "2 sites" in texts(app)
    assert app.button(key="ingest.plan").disabled
    assert "Give the collection a name." in texts(app)
    app.text_input(key="ingest.collection").set_value("manitoba-2019")
    app.multiselect(key="ingest.years").set_value([2020, 2019])
    app.slider(key="ingest.months").set_value((5, 9))
    app.selectbox(key="ingest.images").set_value("Every acquisition")
    app.number_input(key="ingest.size").set_value(32)
    app.multiselect(key="ingest.bands").set_value(["B02", "B08"])
    app.multiselect(key="ingest.mask").set_value([0, 3, 8, 9, 11])
    app.number_input(key="ingest.min_clear").set_value(20)
    app.selectbox(key="ingest.provider").set_value("planetary-computer").run()
    app.button(key="ingest.plan").click().run()
    argv, makes = started[0]
    assert (argv[-2:], makes) == (["--", str(path)], None)
    said = parsed(argv)
    assert (said["plan_only"], said["composites"], said["size"], said["grid"]) == (True, False, 32, "utm")
    assert (said["provider"], said["max_cloud"], said["min_clear"]) == ("planetary-computer", 80, 0.2)
    for option in ("--collection=manitoba-2019", "--years=2019,2020", "--months=5-9", "--bands=B02,B08", "--mask=0,3,8,9,11"):
        assert option in argv


def test_another_stac_api_and_a_date_range_reach_the_command(empty, tmp_path, started):
    mapping = tmp_path / "bands.json"
    mapping.write_text('{"B02": "blue"}')
    app = opened()
    app.text_input(key="ingest.sites").set_value(str(sites_file(tmp_path)))
    app.text_input(key="ingest.collection").set_value("mine")
    app.selectbox(key="ingest.provider").set_value("other")
    app.button_group(key="ingest.period").set_value("From … to").run()
    assert "Give the address of the STAC API." in texts(app)
    app.text_input(key="ingest.address").set_value("https://stac.example.org/v1")
    app.text_input(key="ingest.band_map").set_value(str(mapping))
    app.text_input(key="ingest.stac").set_value("s2")
    app.date_input(key="ingest.from").set_value("2019-06-01")
    app.date_input(key="ingest.to").set_value("2019-09-30").run()
    app.button(key="ingest.plan").click().run()
    argv = started[0][0]
    said = parsed(argv)
    assert (said["provider"], said["stac_collection"], said["band_map"]) == ("https://stac.example.org/v1", "s2", {"B02": "blue"})
    assert {"--from=2019-06-01", "--to=2019-09-30"} < set(argv)
    assert not [option for option in argv if option.startswith(("--years", "--months"))]


def test_a_sites_file_that_cannot_be_used_is_answered_with_the_reason(empty, tmp_path):
    (tmp_path / "sites.csv").write_text("name,crop\na,wheat\n")
    app = opened()
    app.text_input(key="ingest.sites").set_value(str(tmp_path / "sites.csv")).run()
    assert not app.exception
    assert "--lon and --lat" in texts(app)
    app.text_input(key="ingest.sites").set_value(str(tmp_path / "gone.csv")).run()
    assert not app.exception
    assert "gone.csv" in texts(app)


def entered(field: data_fields.Field, folder: Path) -> object:
    """A value that a user might enter."""
    if field.kind in ("path", "paths"):
        path = folder / "given"
        path.mkdir(exist_ok=True)
        if field.option in ("--manifest", "--points", "--legend"):
            path = folder / "table.csv"
            path.write_text("code,name\n")
        return str(path)
    if field.kind == "choice":
        return next(value for value in reversed(field.choices) if value)
    return {"number": 2019, "flag": True, "list": "7, 9"}.get(field.kind, "EPSG:32631")


@pytest.mark.parametrize("command", [*data_imports.SOURCES, "inventory"])
def test_every_field_of_a_form_is_an_option_of_its_command(tmp_path, command):
    fields = data_inventory.FIELDS if command == "inventory" else data_imports.SOURCES[command].fields
    values = {field.label: entered(field, tmp_path) for field in fields}
    assert data_fields.lacking(fields, values) == []
    argv = data_fields.argv(command, fields, values)
    if command == "inventory":
        argv.insert(1, "--collection=any")
    assert parsed(argv)
    assert all(any(part.split("=")[0] == field.option for part in argv) for field in fields if field.option)


def test_a_form_without_what_is_needed_cannot_be_started(empty, tmp_path, started):
    app = opened("Import files")
    app.selectbox(key="imports.command").set_value("import-geotiff").run()
    assert app.button(key="imports.start").disabled
    app.text_input(key="import-geotiff.folder or file").set_value(str(tmp_path / "gone"))
    app.text_input(key="import-geotiff.collection").set_value("mine").run()
    assert app.button(key="imports.start").disabled
    assert f"There is no {tmp_path / 'gone'} on this machine." in texts(app)
    app.text_input(key="import-geotiff.folder or file").set_value(str(tmp_path)).run()
    app.button(key="imports.start").click().run()
    assert started == [(["import-geotiff", "--collection=mine", "--", str(tmp_path)], "mine")]


def test_a_path_that_begins_with_a_dash_is_no_option():
    fields = data_imports.SOURCES["import-geotiff"].fields
    argv = data_fields.argv("import-geotiff", fields, {"Folder or file": "--help", "Name of the new collection": "-x"})
    assert argv == ["import-geotiff", "--collection=-x", "--", str(Path("--help").absolute())]


def test_inventory_labels_reach_the_command_with_the_collection(demo, tmp_path, started):
    app = opened("Inventory labels")
    app.selectbox(key="inventory.collection").set_value("canada-simulated-2019")
    label = next(field for field in data_inventory.FIELDS if not field.option)
    app.text_area(key=label.key("inventory")).set_value(f"https://example.org/aci_2018.tif\n{tmp_path}")
    app.number_input(key="inventory.year").set_value(2018).run()
    app.button(key="inventory.start").click().run()
    argv, makes = started[0]
    assert makes == "canada-simulated-2019"
    assert argv == [
        "inventory", "--collection=canada-simulated-2019", "--year=2018", "--", "https://example.org/aci_2018.tif", str(tmp_path),
    ]  # fmt: skip


def test_publishing_names_the_version_and_the_folder(demo, started):
    app = opened("Publish")
    app.selectbox(key="publish.collection").set_value("bavaria-2018")
    app.checkbox(key="publish.csv").set_value(True).run()
    app.button(key="publish.start").click().run()
    argv, makes = started[0]
    version = versions.current(demo.store, "bavaria-2018")
    assert makes is None
    assert parsed(argv)["version"] == str(version)
    assert parsed(argv)["names"] == ("geoparquet", "csv")
    assert parsed(argv)["to"] == demo.exports / f"bavaria-2018-{version.event}-{version.hash[:12]}"


def test_another_choice_of_samples_goes_to_another_folder(demo):
    one, other = (data_publish.arguments(demo, "c", ["csv"], "c@7-0123456789ab", only) for only in ("all", "curated"))
    assert f"--to={demo.exports / 'c-7-0123456789ab-csv'}" in one
    assert f"--to={demo.exports / 'c-7-0123456789ab-curated-csv'}" in other


# Real jobs


def folder_with_a_broken_image(folder: Path) -> Path:
    shutil.copytree(FIELDS, folder)
    broken = sorted(folder.rglob("*.tif*"))[0]
    broken.write_bytes(broken.read_bytes()[:300])
    return folder


def start_import(app: AppTest, folder: Path) -> AppTest:
    app.selectbox(key="imports.command").set_value("import-geotiff").run()
    app.text_input(key="import-geotiff.folder or file").set_value(str(folder))
    app.text_input(key="import-geotiff.collection").set_value("mine").run()
    return app.button(key="imports.start").click().run()


def only_job(workspace: Workspace) -> Job:
    (job,) = jobs.listing(workspace)
    return job


def test_an_import_shows_what_it_left_out_and_leads_to_verify(empty, tmp_path):
    app = start_import(opened("Import files"), folder_with_a_broken_image(tmp_path / "fields"))
    assert not app.exception
    job = wait_over(empty, only_job(empty).name)
    assert job.state == "incomplete", jobs.log(empty, job.name)
    app.run()
    assert not app.exception
    assert "some left out" in texts(app)
    left_out = jobs.result(empty, job.name)["report"]["left_out"]
    shown = app.dataframe[0].value
    assert list(shown["What"]) == list(left_out)
    assert app.button(key=f"job.resume.{job.name}").label == "Try again what was left out"
    app.button(key="job.verify.mine").click().run()
    assert not app.exception
    assert app.selectbox(key="collection").value == "mine"


def test_a_killed_import_is_shown_as_lost_and_whole_when_it_is_resumed(empty, demo_home):
    app = start_import(opened("Import files"), FIELDS)
    name = only_job(empty).name
    wait(empty, name, lambda job: (empty.jobs / name / "pid").exists())
    os.kill(int((empty.jobs / name / "pid").read_text()), signal.SIGKILL)
    wait_over(empty, name)
    app.run()
    assert "gone without a word" in texts(app)
    app.button(key=f"job.resume.{name}").click().run()
    assert wait_over(empty, name).state == "finished", jobs.log(empty, name)
    assert info.progress(empty.store, "mine").samples == 20
    one, other = (home / "patches" / of / "0000.npy" for home, of in ((empty.home, "mine"), (demo_home, "bavaria-2018")))
    assert one.read_bytes() == other.read_bytes()


def test_a_second_import_into_the_collection_is_refused_with_the_name_of_the_first(empty, tmp_path):
    name = jobs.start(empty, ["simulate", "--samples", "600", "--collection", "mine"], "Simulate", makes="mine")
    app = start_import(opened("Import files"), FIELDS)
    assert f"The job {name} is at work on mine already" in texts(app)
    app.button_group(key="data.section").set_value("Jobs").run()
    app.button(key=f"job.cancel.{name}").click().run()
    assert wait_over(empty, name).state == "cancelled"
    app.run()
    assert "cancelled" in texts(app)


def test_an_export_is_shown_with_its_folder(demo):
    app = opened("Publish")
    app.selectbox(key="publish.collection").set_value("bavaria-2018").run()
    app.button(key="publish.start").click().run()
    job = wait_over(demo, only_job(demo).name)
    assert job.state == "finished", jobs.log(demo, job.name)
    app.run()
    folder = Path(jobs.result(demo, job.name)["exports"][0]["to"])
    assert folder.parent == demo.exports
    assert list(folder.glob("*.parquet"))
    assert str(folder) in [block.value for block in app.code]
    assert "20 samples" in texts(app)


# Uploads, zips, reports


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sites.csv", "sites.csv"), ("../../etc/passwd", "passwd"), ("C:\\temp\\champs été.gpkg", "champs été.gpkg"),
        ("..", "upload"), ("--plan", "plan"), (".hidden", "hidden"), ("a\n$(b);c.zip", "a_$(b)_c.zip".replace("$", "_")), ("", "upload"),
    ],
)  # fmt: skip
def test_an_uploaded_name_stays_a_name(name, safe):
    assert uploads.safe_name(name) == safe


def test_the_same_upload_is_the_same_path_and_another_content_another(empty):
    one = uploads.keep(empty, "../sites.csv", io.BytesIO(b"1"))
    assert one.read_bytes() == b"1"
    assert one.is_relative_to(empty.uploads)
    assert uploads.keep(empty, "sites.csv", io.BytesIO(b"1")) == one
    assert uploads.keep(empty, "sites.csv", io.BytesIO(b"2")) != one
    assert not list(empty.uploads.rglob("*.partial"))


def test_a_zip_holds_the_folder(tmp_path):
    (tmp_path / "export" / "deep").mkdir(parents=True)
    (tmp_path / "export" / "deep" / "a.txt").write_text("content")
    (tmp_path / "export" / "b.txt").write_text("more")
    assert packing.size(tmp_path / "export") == 11
    with zipfile.ZipFile(packing.zipped(tmp_path / "export")) as packed:
        assert packed.namelist() == ["export/b.txt", "export/deep/a.txt"]
        assert packed.read("export/deep/a.txt") == b"content"


def test_the_list_of_problems_has_a_line_each():
    said = {
        "left_out": {"outside the raster": {"count": 2, "names": ["a", "b,c"], "facts": ["", "12 km"]}},
        "remarks": {"codes outside the legend": {"count": 1, "names": ["999"], "facts": ["3 samples"]}},
    }
    assert list(csv.reader(io.StringIO(data_report.as_csv(said)))) == [
        ["result", "what", "name", "fact"], ["left out", "outside the raster", "a", ""], ["left out", "outside the raster", "b,c", "12 km"],
        ["kept", "codes outside the legend", "999", "3 samples"],
    ]  # fmt: skip
