"""Dataset versions and what is exported at them: the same bytes again, whole or not at all, and what others read from it."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import catalogue, packed, shards, versions
from data import demo as bavaria
from data.__main__ import main as data_main
from data.errors import BadInput, UnknownCollection
from data.exports import formats, source, whole
from data.importing import import_collection
from data.ingest import sites
from data.report import Report
from data.workspace import Workspace
from labeling import decisions
from tests import modeling_world
from tests.conftest import ROOT
from tests.test_store import CODE, fill

FIELDS, PARCELS, CANADA = "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019"
WHEAT, BARLEY = 115, 131
TOY, CODES = modeling_world.NAME, (146, 153, 50, 999)
NOTE = 'Semé tard; "orge"\nou blé d’hiver ?'

# An export that stops after every step until it is killed.
SLOW = """
import sys, time
from pathlib import Path
from data import workspace
from data.exports import arrays
from data.exports.whole import export
from data.report import Report
arrays.BLOCK_BYTES = 2**22  # a few samples
tell = lambda *what: (print("step", flush=True), time.sleep(30))
export(workspace.current(), sys.argv[1], Path(sys.argv[2]), sys.argv[3], report=Report(), tell=tell)
"""


def say(workspace: Workspace, name: str, action: str, *, curator="ann", collection=FIELDS, unseen=False, **values) -> str:
    """Decide on what is in force, or without having seen it; the event's uid."""
    number = catalogue.sample_id(workspace.store, collection, name)
    with workspace.store.reading() as db:
        now = db.execute("select uid from current_decision where sample = ?", [number]).fetchone()
    event = {"uid": uuid4().hex, "sample": number, "action": action, "seen": None if unseen or not now else now["uid"]} | values
    (outcome,) = decisions.record(workspace.store, collection, curator, [event])
    assert outcome.stored, outcome
    return outcome.uid


def decide_all_ways(workspace: Workspace) -> None:
    say(workspace, "D2-2018", "agree")
    say(workspace, "Baumacker-2018", "relabel", code=BARLEY, note=NOTE, curator="Zoé")
    say(workspace, "Baumacker-2018", "agree", curator="bob", unseen=True)
    third, fourth, *_ = [name for name in names(workspace) if name not in ("D2-2018", "Baumacker-2018")]
    say(workspace, third, "reject", reason="mixed")
    say(workspace, fourth, "unsure")
    say(workspace, fourth, "flag")


def names(workspace: Workspace, collection: str = FIELDS) -> list[str]:
    with workspace.store.reading() as db:
        return [row["name"] for row in db.execute("select name from sample where collection = ? order by name", [collection])]


def export(workspace: Workspace, to: Path, format: str, collection: str = FIELDS, **options) -> whole.Exported:
    report = Report()
    made = whole.export(workspace, collection, to, format, report=report, **options)
    assert not report.left_out
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(folder: Path, collection: str = FIELDS) -> dict[str, dict[str, str]]:
    with (folder / f"{collection}.csv").open(encoding="utf-8", newline="") as file:
        return {row["sample"]: row for row in csv.DictReader(file)}


# Versions

STEPS = st.tuples(
    st.sampled_from(("ann", "bob", "eve")), st.integers(1, 3), st.booleans(), st.integers(0, 1),
    st.sampled_from(("agree", "relabel", "reject", "unsure", "flag", "cloud", "bad", "undo", "undo", "undo")),
)  # fmt: skip
VIEW = "select sample, inventory_code, code, state, verified, flagged, curator, reason, at from label order by sample"
QUALITY = "select sample, slot, quality from image_quality order by sample, slot"


def random_event(workspace: Workspace, curator: str, sample: int, seen: bool, slot: int, action: str) -> None:
    with workspace.store.reading() as db:
        now = db.execute("select uid from current_decision where sample = ?", [sample]).fetchone()
    event = {"uid": uuid4().hex, "sample": sample, "action": action, "seen": now["uid"] if now and seen else None}
    if action in ("cloud", "bad"):
        event |= {"action": "quality", "image": sample * 10 + slot, "quality": action}
    elif action == "undo":
        own = decisions.recent(workspace.store, "c", curator, 10, sample=sample)
        if not own:
            return
        event["undo_of"] = own[(slot + seen) % len(own)]["uid"]
    event |= {"relabel": {"code": CODE + 1}, "reject": {"reason": "mixed"}}.get(action, {})
    (outcome,) = decisions.record(workspace.store, "c", curator, [event])
    assert outcome.stored, outcome


def shown(workspace: Workspace) -> tuple[list[tuple], list[tuple]]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute(VIEW)], [tuple(row) for row in db.execute(QUALITY)]


def replayed(workspace: Workspace, event: int) -> tuple[list[tuple], list[tuple]]:
    labels = versions.labels_at(workspace.store, "c", event)
    with workspace.store.reading() as db:
        marks = versions.marks(db, "c", event)
        images = db.execute("select s.id, s.name, i.slot, i.quality from image i join sample s on s.id = i.sample order by s.id, i.slot")
        quality = [(row["id"], row["slot"], marks.get(row["name"], {}).get(row["slot"], row["quality"])) for row in images]
    columns = ("sample", "inventory_code", "code", "state", "verified", "flagged", "curator", "reason", "at")
    return sorted(tuple(getattr(label, column) for column in columns) for label in labels), quality


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=1, max_size=14))
def test_the_labels_at_an_event_are_what_the_views_said_when_it_was_the_newest(steps, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("log")).create()
    with workspace.store.writing() as db:
        fill(db)
        db["legend_class"].insert({"collection": "c", "code": CODE + 1, "name": "Rye", "name_fr": "Seigle", "color": "#000000"})
    told, hashes = {0: shown(workspace)}, {0: versions.current(workspace.store, "c").hash}
    for step in steps:
        random_event(workspace, *step)
        version = versions.current(workspace.store, "c")
        told[version.event], hashes[version.event] = shown(workspace), version.hash
    assert {event: replayed(workspace, event) for event in told} == told
    assert {event: versions.at(workspace.store, "c", event).hash for event in hashes} == hashes


def test_a_decision_changes_the_version_and_taking_it_back_restores_its_content(demo):
    before = versions.current(demo.store, FIELDS)
    uid = say(demo, "D2-2018", "agree")
    agreed = versions.current(demo.store, FIELDS)
    assert (before.event, agreed.event) == (0, 1) and agreed.hash != before.hash
    say(demo, "D2-2018", "undo", undo_of=uid)
    undone = versions.current(demo.store, FIELDS)
    assert (undone.event, undone.hash) == (2, before.hash)


@pytest.mark.parametrize("said", [{"action": "flag"}, {"action": "quality", "quality": "bad"}, {"action": "reject", "reason": "other"}])
def test_every_kind_of_word_changes_the_content(demo, said):
    before = versions.current(demo.store, FIELDS).hash
    if said["action"] == "quality":
        said = said | {"image": decisions.image_on(demo.store, catalogue.sample_id(demo.store, FIELDS, "D2-2018"), "2018-06-16")}
    say(demo, "D2-2018", **said)
    assert versions.current(demo.store, FIELDS).hash != before


def test_decisions_in_another_collection_leave_the_version_alone(demo):
    before = versions.current(demo.store, FIELDS)
    say(demo, names(demo, PARCELS)[0], "agree", collection=PARCELS)
    assert versions.current(demo.store, FIELDS) == before


def test_the_same_data_and_decisions_have_the_same_hash_in_another_workspace(demo, empty):
    modeling_world.world(empty)
    modeling_world.world(demo)  # where all numbers are others
    say(demo, "D2-2018", "flag")
    for workspace in (demo, empty):
        first, second, *_ = names(workspace, TOY)
        say(workspace, first, "agree", collection=TOY)
        say(workspace, second, "relabel", code=158, collection=TOY)
    one, other = versions.current(demo.store, TOY), versions.current(empty.store, TOY)
    assert one.hash == other.hash and one.event != other.event


def test_a_version_is_named_and_found_by_its_text(demo):
    before = versions.current(demo.store, FIELDS)
    say(demo, "D2-2018", "agree")
    assert str(before) == f"bavaria-2018@0-{before.hash[:12]}"
    assert versions.resolve(demo.store, FIELDS, str(before)) == before
    assert versions.resolve(demo.store, FIELDS, None).event == 1


@pytest.mark.parametrize("text", ["yesterday", "bavaria-2018@0", "other@0-0123456789ab", "bavaria-2018@0-xyz"])
def test_what_is_no_version_is_refused_with_the_current_one(demo, text):
    with pytest.raises(BadInput, match=f"{text!r} is no version of bavaria-2018.*{versions.current(demo.store, FIELDS)}"):
        versions.resolve(demo.store, FIELDS, text)


def test_a_version_with_another_hash_is_refused_with_both_values(demo):
    now = versions.current(demo.store, FIELDS)
    with pytest.raises(BadInput, match=rf"content hash is 0123456789ab, .* now has {now.hash[:12]}"):
        versions.resolve(demo.store, FIELDS, "bavaria-2018@0-0123456789ab")


def test_a_version_of_an_event_that_is_not_here_is_refused(demo):
    say(demo, "D2-2018", "agree")
    now = versions.current(demo.store, FIELDS)
    with pytest.raises(BadInput, match=rf"no event 7 here.*{now}"):
        versions.resolve(demo.store, FIELDS, f"bavaria-2018@7-{now.hash[:12]}")


def test_a_version_from_before_the_inventory_was_read_anew_is_refused(demo):
    before = versions.current(demo.store, FIELDS)
    with demo.store.writing() as db:
        db.execute("update sample set inventory_code = ? where collection = ? and name = 'D2-2018'", [BARLEY, FIELDS])
    with pytest.raises(BadInput, match=f"{before} cannot be made again.*Export bavaria-2018@0-"):
        versions.resolve(demo.store, FIELDS, str(before))


def test_versions_to_choose_are_the_current_one_and_those_of_runs(demo):
    first = versions.current(demo.store, FIELDS)
    say(demo, "D2-2018", "agree")
    second = versions.current(demo.store, FIELDS)
    say(demo, names(demo, PARCELS)[0], "agree", collection=PARCELS)
    say(demo, "Baumacker-2018", "agree")
    with demo.store.writing() as db:
        db["split"].insert({"id": 9, "collection": FIELDS, "name": "s", "method": "random", "folds": 0, "params": "{}", "created": ""})
        for number, event in enumerate((0, 0, 2)):  # event 2 was in the other collection
            db["run"].insert({
                "name": f"r{number}", "collection": FIELDS, "model": "ltae", "labels": "mixed", "split": 9, "config": "{}",
                "last_event": event, "content_hash": "", "created": str(number),
            })  # fmt: skip
    assert [(listed.version, listed.runs) for listed in versions.listing(demo.store, FIELDS)] == [
        (versions.current(demo.store, FIELDS), ()), (second, ("r2",)), (first, ("r1", "r0")),
    ]  # fmt: skip


# Reproducing

FORMATS = ("csv", "geoparquet", "npz", "hdf5")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_version_makes_the_same_bytes_whatever_was_said_since(demo, tmp_path, monkeypatch, format):
    decide_all_ways(demo)
    first = export(demo, tmp_path / "first", format)
    say(demo, "D2-2018", "reject", reason="other")
    say(demo, "Baumacker-2018", "undo", curator="bob", undo_of=_last(demo, "bob"))
    image = decisions.image_on(demo.store, catalogue.sample_id(demo.store, FIELDS, "D2-2018"), "2018-06-16")
    say(demo, "D2-2018", "quality", image=image, quality="bad")
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    again = export(demo, tmp_path / "again", format, version=first.version)
    assert contents(again.to) == contents(first.to)
    assert contents(export(demo, tmp_path / "now", format).to) != contents(first.to)


def _last(workspace: Workspace, curator: str) -> str:
    return decisions.recent(workspace.store, FIELDS, curator, 1)[0]["uid"]


def test_an_export_says_what_it_is(demo, tmp_path):
    decide_all_ways(demo)
    made = export(demo, tmp_path / "out", "csv", only="curated")
    said = json.loads((tmp_path / "out/VERSION.json").read_text(encoding="utf-8"))
    now = versions.current(demo.store, FIELDS)
    assert (said["version"], said["event"], said["content_hash"]) == (str(now), now.event, now.hash)
    assert (said["collection"], said["format"], said["only"], said["samples"], said["left_out"]) == (FIELDS, "csv", "curated", 2, 0)
    assert said["licence"] == "MIT" and "Copernicus" in said["attribution"] and said["schema"] and not said["simulated"]
    assert (made.samples, made.made, made.files) == (2, True, 2)


def test_an_export_that_is_there_already_is_left_as_it_is(demo, tmp_path):
    export(demo, tmp_path / "out", "csv")
    before = (tmp_path / f"out/{FIELDS}.csv").stat().st_mtime_ns
    made = export(demo, tmp_path / "out", "csv")
    assert (made.made, made.samples) == (False, 20)
    assert (tmp_path / f"out/{FIELDS}.csv").stat().st_mtime_ns == before


def test_another_version_replaces_an_export_only_when_that_is_wanted(demo, tmp_path):
    export(demo, tmp_path / "out", "csv")
    say(demo, "D2-2018", "agree")
    with pytest.raises(BadInput, match=r"holds the export bavaria-2018@0-.* --overwrite"):
        export(demo, tmp_path / "out", "csv")
    assert export(demo, tmp_path / "out", "csv", overwrite=True).made
    assert table(tmp_path / "out")["D2-2018"]["status"] == "agreed"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out"]


def test_a_folder_with_other_things_is_never_touched(demo, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(BadInput, match="is no export of Cropcheck"):
            export(demo, tmp_path / "mine", "csv", overwrite=overwrite)
    assert contents(tmp_path / "mine") == {"thesis.txt": b"years of work"}
    (tmp_path / "new").mkdir()
    assert export(demo, tmp_path / "new", "csv").made  # an empty folder may be filled


@pytest.mark.parametrize(("collection", "format"), [(FIELDS, "npz"), (FIELDS, "hdf5"), (CANADA, "csv")])
def test_a_killed_export_leaves_no_folder_and_the_next_one_clears_up(demo, tmp_path, collection, format):
    to = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", SLOW, collection, str(to), format], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "step\n"
    with pytest.raises(BadInput, match="Another export is being written"):
        export(demo, to, format, collection)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not to.exists() and [path.name for path in tmp_path.glob(".out*")] == [".out.partial"]
    export(demo, to, format, collection)
    assert not list(tmp_path.glob(".out*"))
    assert contents(to) == contents(export(demo, tmp_path / "reference", format, collection).to)


def test_an_export_that_fails_leaves_nothing(demo, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats.Format, "writer", lambda entry: fail)
    with pytest.raises(BadInput, match=r"cannot be written to .*out.*No space left"):
        export(demo, tmp_path / "out", "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_a_collection_that_changes_while_it_is_exported_makes_no_export(demo, tmp_path):
    def change(*_):
        with demo.store.writing() as db:
            db.execute("update sample set purity = 0.5 where collection = ?", [FIELDS])

    with pytest.raises(BadInput, match="cannot be made again"):
        export(demo, tmp_path / "out", "csv", tell=change)
    assert not (tmp_path / "out").exists()


def test_what_curators_say_while_an_export_is_written_is_not_in_it(demo, tmp_path, monkeypatch):
    reference = contents(export(demo, tmp_path / "before", "csv").to)
    monkeypatch.setattr(source, "PAGE", 3)
    made = export(demo, tmp_path / "during", "csv", tell=lambda done, total, name: say(demo, names(demo)[-done], "agree"))
    assert contents(made.to) == reference
    assert versions.current(demo.store, FIELDS).event == 20


# Tables


def test_the_table_tells_what_curators_said(demo, tmp_path):
    decide_all_ways(demo)
    rows = table(export(demo, tmp_path / "out", "csv").to)
    assert list(rows) == names(demo)
    relabelled = rows["Baumacker-2018"]
    assert (relabelled["inventory_code"], relabelled["label_code"], relabelled["status"]) == ("115", "131", "relabelled")
    assert (relabelled["label_name"], relabelled["label_name_fr"]) == ("winter barley", "Orge d'hiver")
    assert (relabelled["reviewers"], relabelled["opinions"], relabelled["curated"]) == ("Zoé;bob", "2", "true")
    assert relabelled["note"] == NOTE
    rejected, unsure = (next(row for row in rows.values() if row["status"] == status) for status in ("rejected", "unsure"))
    assert (rejected["label_code"], rejected["label_name"], rejected["reason"]) == ("", "", "mixed")
    assert unsure["label_code"] == unsure["inventory_code"] and unsure["flagged"] == "true" and unsure["curated"] == "false"
    assert {row["version"] for row in rows.values()} == {str(versions.current(demo.store, FIELDS))}


def test_french_names_keep_their_accents(demo, tmp_path):
    text = (export(demo, tmp_path / "out", "csv", CANADA).to / f"{CANADA}.csv").read_bytes().decode("utf-8")
    assert "Blé de printemps" in text and not text.startswith("\ufeff")


def test_geoparquet_opens_in_geopandas_with_the_outlines_and_their_crs(demo, tmp_path):
    import geopandas
    from shapely.geometry import shape

    decide_all_ways(demo)
    frame = geopandas.read_parquet(export(demo, tmp_path / "out", "geoparquet").to / f"{FIELDS}.parquet").set_index("sample")
    assert frame.crs == "EPSG:4326"
    with demo.store.reading() as db:
        for row in db.execute(
            "select s.name, t.polygon, t.lon, t.lat from sample s join site t on t.id = s.site where s.collection = ?", [FIELDS]
        ):
            assert frame.geometry[row["name"]].equals(shape(json.loads(row["polygon"])))
            assert (frame.lon[row["name"]], frame.lat[row["name"]]) == (row["lon"], row["lat"])
    assert list(frame.reviewers["Baumacker-2018"]) == ["Zoé", "bob"]
    assert frame.curated.sum() == 2 and frame.curated.dtype == bool
    assert frame.decided_at["D2-2018"].tzinfo is not None and frame.decided_at.isna().sum() == 16
    assert frame.label_code.isna().sum() == 1


def test_a_sample_without_an_outline_is_a_point(demo, tmp_path):
    import geopandas

    frame = geopandas.read_parquet(export(demo, tmp_path / "out", "geoparquet", CANADA).to / f"{CANADA}.parquet")
    assert set(frame.geom_type) == {"Point"}
    np.testing.assert_array_equal(frame.geometry.x, frame.lon)
    np.testing.assert_array_equal(frame.geometry.y, frame.lat)


def test_both_tables_say_the_same(demo, tmp_path):
    import pyarrow.parquet as pq
    from shapely import from_wkb, from_wkt

    decide_all_ways(demo)
    rows = table(export(demo, tmp_path / "csv", "csv").to)
    read = pq.read_table(export(demo, tmp_path / "parquet", "geoparquet").to / f"{FIELDS}.parquet").to_pylist()
    assert [row["sample"] for row in read] == list(rows)
    for row in read:
        text = rows[row["sample"]]
        assert list(row) == list(text)
        assert from_wkb(row["geometry"]).equals_exact(from_wkt(text["geometry"]), 1e-12)
        for name in ("site", "note", "status", "label_name_fr", "split"):
            assert (row[name] or "") == text[name]
        assert float(text["lon"]) == row["lon"] and float(text["purity"]) == row["purity"]


@pytest.fixture
def free(empty) -> Workspace:
    """A workspace with twelve samples of one to four dates of their own, half of them with a rotation."""
    spec = replace(modeling_world.spec(), slots=("1", "2", "3", "4"), aligned=False)
    samples = []
    for number in range(12):
        dates = 1 + number % 4
        acquired = [f"2020-{5 + slot:02d}-{1 + number:02d}" if slot < dates else None for slot in range(4)]
        made = modeling_world.sample(number, 146)
        made.pixels[dates:] = 0
        samples.append(
            replace(
                made, inventory_code=CODES[number % 4], acquired=tuple(acquired), history={2020: 146, 2018: 153} if number % 2 else None
            )
        )
    import_collection(empty, spec, samples, shard_size=5)
    return empty


def test_the_rotation_comes_with_the_sample(free, tmp_path):
    rows = table(export(free, tmp_path / "out", "csv", TOY).to, TOY)
    assert [json.loads(row["history"]) for row in rows.values()] == [{}, {"2018": 153, "2020": 146}] * 6
    assert all(row["history"] in ("{}", '{"2018": 153, "2020": 146}') for row in rows.values())
    assert {row["label_name"] for row in rows.values() if row["inventory_code"] == "999"} == {"Code 999"}
    assert {row["learned_class"] for row in rows.values() if row["inventory_code"] in ("50", "999")} == {""}


@pytest.mark.parametrize(("format", "ending"), [("csv", "csv"), ("geoparquet", "parquet")])
def test_a_table_is_a_list_of_sites_for_the_next_ingest(demo, tmp_path, format, ending):
    found, _ = sites.read(export(demo, tmp_path / "out", format, CANADA).to / f"{CANADA}.{ending}")
    with demo.store.reading() as db:
        known = db.execute("select name, lon, lat, region from site where collection = ? order by name", [CANADA]).fetchall()
    assert sorted((site.name, site.lon, site.lat, site.region) for site in found) == [tuple(row) for row in known]
    assert {site.years for site in found} == {(2019,)}


def test_the_parts_of_a_split_are_named(demo, tmp_path):
    with demo.store.writing() as db:
        for number, (name, method) in enumerate((("folds", "random"), ("published", "given")), 50):
            db["split"].insert(
                {"id": number, "collection": FIELDS, "name": name, "method": method, "folds": 0, "params": "{}", "created": ""}
            )
            db.execute(
                "insert into split_member select ?, id, ? from sample where collection = ? and name != 'D2-2018'",
                [number, f"of {name}", FIELDS],
            )
    rows = table(export(demo, tmp_path / "one", "csv").to)
    assert {(row["split"], row["part"]) for row in rows.values()} == {("published", "of published"), ("published", "")}
    rows = table(export(demo, tmp_path / "two", "csv", split="folds").to)
    assert rows["D2-2018"]["part"] == "" and rows["Baumacker-2018"]["part"] == "of folds"
    with pytest.raises(BadInput, match=r"no split 'none'. It has: folds, published"):
        export(demo, tmp_path / "three", "csv", split="none")


# Arrays


def read(folder: Path, format: str, collection: str) -> dict[str, np.ndarray]:
    """All arrays of an export, by NumPy or h5py alone."""
    if format == "npz":
        with np.load(folder / f"{collection}.npz") as file:
            return dict(file)
    with h5py.File(folder / f"{collection}.h5") as file:
        arrays = {name: data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:] for name, data in file.items()}
        return arrays | dict(file.attrs)


@pytest.mark.parametrize("format", ["npz", "hdf5"])
@pytest.mark.parametrize("collection", [FIELDS, PARCELS, CANADA])
def test_the_arrays_hold_every_pixel_and_label(demo, tmp_path, format, collection):
    decide_all_ways(demo)
    arrays = read(export(demo, tmp_path / "out", format, collection).to, format, collection)
    known = catalogue.collection(demo.store, collection)
    assert list(arrays["sample"]) == names(demo, collection)
    assert list(arrays["bands"]) == list(known.bands) and arrays["scale"] == 10_000
    assert arrays["x"].dtype == np.uint16 and arrays["x"].shape[1:] == (known.slots, len(known.bands), known.height, known.width)
    for row, name in list(enumerate(arrays["sample"]))[::11]:
        patch = catalogue.patch(demo, catalogue.sample_id(demo.store, collection, name))
        height, width = arrays["height"][row], arrays["width"][row]
        np.testing.assert_array_equal(arrays["x"][row, ..., :height, :width], patch.pixels)
        assert tuple(arrays["transform"][row]) == patch.transform and arrays["crs"][row] == patch.crs
        if not known.is_series:
            np.testing.assert_array_equal(arrays["series"][row], patch.series)
    with demo.store.reading() as db:
        labels = db.execute(
            """select s.name, l.code, l.state, c.learned from label l join sample s on s.id = l.sample
            left join legend_class c on c.collection = s.collection and c.code = l.code where s.collection = ? order by s.name""",
            [collection],
        ).fetchall()
        images = db.execute(
            """select s.name, q.slot, q.day, q.quality from image_quality q join sample s on s.id = q.sample
            where s.collection = ? order by s.name, q.slot""",
            [collection],
        ).fetchall()
    classes = [*arrays["classes"], None]
    assert [classes[place] for place in arrays["y"]] == [row["learned"] for row in labels]
    assert list(arrays["label_code"]) == [-1 if row["code"] is None else row["code"] for row in labels]
    assert list(arrays["status"]) == [row["state"] for row in labels]
    rows, slots = np.nonzero(arrays["mask"])
    seen = zip(arrays["sample"][rows], slots, arrays["days"][rows, slots], arrays["qualities"][arrays["quality"][rows, slots]], strict=True)
    assert [tuple(values) for values in seen] == [tuple(row) for row in images]
    assert not arrays["x"][~arrays["mask"]].any() and not arrays["days"][~arrays["mask"]].any()


def test_dates_of_their_own_are_padded_and_masked(free, tmp_path):
    arrays = read(export(free, tmp_path / "out", "npz", TOY).to, "npz", TOY)
    np.testing.assert_array_equal(arrays["mask"].sum(axis=1), [1, 2, 3, 4] * 3)
    np.testing.assert_array_equal(arrays["dates"][6], [20200507, 20200607, 20200707, 0])
    np.testing.assert_array_equal(arrays["days"][6], [128, 159, 189, 0])
    assert (arrays["x"].any(axis=(2, 3, 4)) == arrays["mask"]).all()


def test_packed_collections_export_their_images_and_what_curators_marked(empty, tmp_path):
    spec = replace(
        bavaria.parcels_spec(), name="packed-2017", bands=("B04", "B08"), slots=("1", "2", "3", "4", "5"), aligned=False, packed=True
    )
    pixels = np.random.default_rng(1).integers(1, 9_000, (3, 4, 2)).astype(np.uint16)
    acquired = ["2017-01-05", "2017-03-01", "2017-06-30", "2017-12-31"]
    dates = np.tile(np.array(acquired, "datetime64[D]").astype(np.uint16), (3, 1))
    dates[1, 3], pixels[1, 3] = 0, 0
    quality = np.where(dates > 0, packed.OK, 0).astype(np.uint8)
    quality[0, 1] = packed.CLOUD
    batch = packed.Batch(
        ["p1", "p2", "p3"], "frh01", 2017, np.full(3, -3.0), np.full(3, 48.0), [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0)] * 3, [None] * 3,
        np.array([WHEAT, BARLEY, WHEAT]), pixels, dates, quality,
    )  # fmt: skip
    packed.import_packed(empty, spec, [("0000", batch.names)], lambda _: (batch, Report()), Report())
    number = catalogue.sample_id(empty.store, spec.name, "p3")
    packed.materialise(empty, [number])
    first = export(empty, tmp_path / "first", "npz", spec.name)
    say(empty, "p3", "quality", collection=spec.name, image=decisions.image_on(empty.store, number, "2017-06-30"), quality="bad")
    arrays = read(export(empty, tmp_path / "out", "npz", spec.name).to, "npz", spec.name)
    np.testing.assert_array_equal(arrays["x"][:, :4, :, 0, 0], pixels)
    assert not arrays["x"][:, 4:].any() and not arrays["mask"][:, 4:].any()
    np.testing.assert_array_equal(arrays["days"][:2, :4], [[5, 60, 181, 365], [5, 60, 181, 0]])
    np.testing.assert_array_equal(arrays["dates"][:2, :4], [[20170105, 20170301, 20170630, 20171231], [20170105, 20170301, 20170630, 0]])
    shown = next(source.open_source(empty, spec.name).samples()).images
    assert [image.acquired for image in shown] == acquired and [image.quality for image in shown] == ["ok", "cloud", "ok", "ok"]
    assert (shown[1].slot, shown[1].day, shown[1].clear, len(shown)) == (1, 60, 0.0, 4)
    expected = quality.copy()
    expected[2, 2] = packed.BAD
    np.testing.assert_array_equal(arrays["quality"][:, :4], expected)
    again = export(empty, tmp_path / "again", "npz", spec.name, version=first.version)
    assert contents(again.to) == contents(first.to)
    rows = table(export(empty, tmp_path / "table", "csv", spec.name).to, spec.name)
    assert [row["images"] for row in rows.values()] == ["4", "3", "4"]


def test_the_documented_lines_read_the_arrays(demo, tmp_path, monkeypatch):
    decide_all_ways(demo)
    for format in ("npz", "hdf5"):
        made = export(demo, tmp_path / format, format)
        shutil.copytree(made.to, tmp_path / "bavaria", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    first, second = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(encoding="utf-8"), re.DOTALL)
    told: dict = {}
    exec(first, told)
    assert list(told["crops"]) == ["winter barley", "winter wheat"] and told["red"].shape == (2, 14, 66, 50)
    exec(second, told)
    assert told["first"].max() < 2 and list(told["names"]) == names(demo)


def test_only_curated_samples_where_that_is_wanted(demo, tmp_path):
    decide_all_ways(demo)
    arrays = read(export(demo, tmp_path / "out", "hdf5", only="curated").to, "hdf5", FIELDS)
    assert list(arrays["sample"]) == ["Baumacker-2018", "D2-2018"] and arrays["curated"].all() and len(arrays["x"]) == 2
    rows = table(export(demo, tmp_path / "table", "csv", only="curated").to)
    assert list(rows) == ["Baumacker-2018", "D2-2018"]
    with pytest.raises(BadInput, match=r"has no curated samples to export. Verify some first"):
        export(demo, tmp_path / "none", "csv", PARCELS, only="curated")


def test_samples_whose_pixels_cannot_be_read_are_left_out_and_come_when_they_can(free, tmp_path):
    path = shards.path_of(free.shards(TOY), "0001")
    pixels = path.read_bytes()
    path.write_bytes(pixels[: len(pixels) // 2])
    told = command("--collection", TOY, "--to", tmp_path / "out", "--format", "npz", status=1)
    left_out = told["report"]["left_out"]["pixels unreadable"]
    assert told["exports"][0]["samples"] == 7 and left_out["count"] == 5 and "0001.npy cannot be read" in left_out["facts"][0]
    arrays = read(tmp_path / "out", "npz", TOY)
    assert sorted({*arrays["sample"], *left_out["names"]}) == names(free, TOY) and len(arrays["x"]) == len(arrays["y"]) == 7
    command("--collection", TOY, "--to", tmp_path / "allowed", "--format", "hdf5", "--allow-missing")
    assert len(read(tmp_path / "allowed", "hdf5", TOY)["x"]) == 7
    path.write_bytes(pixels)
    assert command("--collection", TOY, "--to", tmp_path / "out", "--format", "npz")["exports"][0] | {"bytes": 0} == {
        "to": str(tmp_path / "out"), "format": "npz", "version": str(versions.current(free.store, TOY)), "made": True, "samples": 12,
        "files": 2, "bytes": 0,
    }  # fmt: skip
    assert list(read(tmp_path / "out", "npz", TOY)["sample"]) == names(free, TOY)


def test_where_no_pixel_can_be_read_there_is_no_export(free, tmp_path):
    for path in free.shards(TOY).glob("*.npy"):
        path.unlink()
    with pytest.raises(BadInput, match=r"No sample of toy@.* could be exported. The pixel file .*0000.npy is missing"):
        whole.export(free, TOY, tmp_path / "out", "npz", report=Report())
    assert not (tmp_path / "out").exists()


# The command


def command(*arguments, status: int = 0) -> dict:
    result = CliRunner().invoke(data_main, ["export", *map(str, arguments), "--json"])
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_several_formats_make_a_folder_each_of_one_version(demo, tmp_path):
    told = command("--collection", FIELDS, "--to", tmp_path / "out", "--format", "csv", "--format", "hdf5")
    assert told["version"] == str(versions.current(demo.store, FIELDS)) and told["report"]["done"] == 20
    assert [made["to"] for made in told["exports"]] == [str(tmp_path / "out/csv"), str(tmp_path / "out/hdf5")]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"csv", "hdf5"}
    assert not any(
        made["made"] for made in command("--collection", FIELDS, "--to", tmp_path / "out", "--format", "csv", "--format", "hdf5")["exports"]
    )


def test_the_command_makes_an_earlier_version_again(demo, tmp_path):
    first = command("--collection", FIELDS, "--to", tmp_path / "first", "--format", "csv")
    say(demo, "D2-2018", "agree")
    command("--collection", FIELDS, "--to", tmp_path / "again", "--format", "csv", "--version", first["version"])
    assert contents(tmp_path / "again") == contents(tmp_path / "first")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--collection", "nowhere", "--format", "csv"], "There is no collection 'nowhere'"),
        (["--collection", FIELDS, "--format", "csv", "--version", "x@1"], "'x@1' is no version of bavaria-2018"),
        (["--collection", FIELDS, "--format", "csv", "--split", "x"], "bavaria-2018 has no split 'x'. It has: none"),
        (["--collection", FIELDS, "--format", "word"], "'word' is not one of"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(demo, tmp_path, arguments, told):
    result = CliRunner().invoke(data_main, ["export", "--to", str(tmp_path / "out"), *arguments])
    assert result.exit_code != 0 and told in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_every_format_says_what_it_is_and_can_be_imported():
    assert list(formats.FORMATS) == ["geoparquet", "csv", "geotiff", "stac", "canadian", "npz", "hdf5"]
    for entry in formats.FORMATS.values():
        assert entry.title and entry.about.endswith(".") and callable(entry.writer())
    with pytest.raises(BadInput, match=r"no export format 'word'. Choose one of geoparquet"):
        formats.named("word")


def test_there_is_nothing_to_export_of_a_collection_that_is_not_there(empty):
    with pytest.raises(UnknownCollection, match="nowhere"):
        source.open_source(empty, "nowhere")


def test_the_help_loads_no_heavy_package():
    script = "import sys; from data.commands import export; print(sorted({'geopandas', 'shapely', 'h5py', 'rasterio'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
