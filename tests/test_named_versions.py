"""A frozen version keeps its name, can be checked by its hash for good, and can be held against another."""

import csv
import hashlib
import io
import json
import uuid
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from data import catalogue, differences, named_versions, versions
from data.errors import BadInput, UnknownCollection
from data.exports.whole import export
from data.report import Report
from data.workspace import Workspace
from labeling import cards, decisions
from labeling.__main__ import main

FIELDS, WHEAT, BARLEY = "bavaria-2018", 115, 131
DATE = "2018-06-16"


def say(workspace: Workspace, sample: str, action: str, **values) -> str:
    """Decide, having seen what is in force; returns the uid."""
    number = catalogue.sample_id(workspace.store, FIELDS, sample)
    now = cards.states(workspace.store, [number])[number]["decision"]
    event = {"uid": str(uuid.uuid4()), "sample": number, "action": action, "seen": now and now["uid"]} | values
    (outcome,) = decisions.record(workspace.store, FIELDS, "ann", [event])
    assert outcome.stored, outcome
    return event["uid"]


def image(workspace: Workspace, sample: str) -> int:
    return decisions.image_on(workspace.store, catalogue.sample_id(workspace.store, FIELDS, sample), DATE)


def freeze(workspace: Workspace, name: str, **values):
    return named_versions.freeze(workspace.store, FIELDS, name, curator="ann", **values)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["versions", *arguments, "--collection", FIELDS])


def by_hand(workspace: Workspace, said: dict[str, list]) -> str:
    """SHA-256 of a line for the collection and one a sample, each a JSON list: what the import wrote, then what `said` gives by name."""
    with workspace.store.reading() as db:
        (shape,) = db.execute("select bands, level, slot_names, height, width from collection where name = ?", [FIELDS])
        legend = [list(row) for row in db.execute(
            "select code, name, name_fr, learned from legend_class where collection = ? order by code", [FIELDS]
        )]  # fmt: skip
        lines = [[list(shape), legend]]
        samples = db.execute(
            """select s.id, s.name, t.id as site_id, t.name as site, t.lon, t.lat, t.polygon, t.region, s.year, s.inventory_code,
            s.modal_code, s.purity from sample s join site t on t.id = s.site where s.collection = ?""", [FIELDS]
        ).fetchall()  # fmt: skip
        for row in sorted(samples, key=lambda row: row["name"]):
            years = db.execute("select year, code from aci_history where site = ? order by year", [row["site_id"]]).fetchall()
            history = json.dumps({str(year): code for year, code in years}, separators=(",", ":"))
            taken = db.execute("select slot, acquired, clear, quality from image where sample = ? order by slot", [row["id"]]).fetchall()
            facts = [row[key] for key in row.keys() if key not in ("id", "site_id")]
            images = json.dumps([list(one) for one in taken], separators=(",", ":"))
            lines.append([*facts, history, images, *said.get(row["name"], [row["inventory_code"], "unverified", 0, None])])
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_of_a_frozen_version_can_be_worked_out_by_hand(demo):
    assert freeze(demo, "before").version.hash == by_hand(demo, {})
    say(demo, "D2-2018", "relabel", code=BARLEY)
    say(demo, "D2-2018", "flag")
    say(demo, "Baumacker-2018", "reject", reason="mixed")
    say(demo, "Baumacker-2018", "quality", image=image(demo, "Baumacker-2018"), quality="bad")
    with demo.store.reading() as db:
        slot = db.execute("select slot from image where id = ?", [image(demo, "Baumacker-2018")]).fetchone()[0]
    said = {"D2-2018": [BARLEY, "relabelled", 1, None], "Baumacker-2018": [None, "rejected", 0, {str(slot): "bad"}]}
    after = freeze(demo, "after")
    assert (after.version.event, after.version.hash) == (4, by_hand(demo, said))


def test_a_frozen_version_holds_whatever_is_decided_later(demo):
    frozen = freeze(demo, "summer", note="for the paper")
    uid = say(demo, "D2-2018", "agree")
    say(demo, "D2-2018", "undo", undo_of=uid)
    say(demo, "D2-2018", "relabel", code=BARLEY)
    assert named_versions.check(demo.store, FIELDS, "summer").holds
    assert named_versions.listing(demo.store, FIELDS) == [frozen] and frozen.note == "for the paper"


def test_a_frozen_version_no_longer_holds_when_the_inventory_was_changed(demo):
    frozen = freeze(demo, "summer")
    with demo.store.writing() as db:
        db.execute("update sample set inventory_code = ? where collection = ? and name = 'D2-2018'", [BARLEY, FIELDS])
    found = named_versions.check(demo.store, FIELDS, "summer")
    assert not found.holds and found.found.hash == by_hand(demo, {}) != frozen.version.hash
    told = call("check", "summer")
    assert told.exit_code == 1 and "summer does not hold: it was frozen as" in told.stdout
    assert [entry.names for entry in versions.listing(demo.store, FIELDS)] == [()]
    with pytest.raises(BadInput, match="cannot be made again"):
        versions.resolve(demo.store, FIELDS, "summer")


def test_a_name_is_accepted_wherever_a_version_is(demo, tmp_path):
    frozen = freeze(demo, "Summer 2018")
    say(demo, "D2-2018", "relabel", code=BARLEY)
    assert versions.resolve(demo.store, FIELDS, "summer 2018") == frozen.version
    export(demo, FIELDS, tmp_path / "out", "csv", version="Summer 2018", report=Report(), tell=lambda *_: None)
    table = pd.read_csv(tmp_path / "out" / f"{FIELDS}.csv").set_index("sample")
    assert set(table["version"]) == {str(frozen.version)} and table.loc["D2-2018", "label_code"] == WHEAT
    assert [(listed.version.event, listed.names) for listed in versions.listing(demo.store, FIELDS)] == [(1, ()), (0, ("Summer 2018",))]


def test_an_earlier_version_is_frozen_as_well(demo):
    before = versions.current(demo.store, FIELDS)
    say(demo, "D2-2018", "agree")
    assert freeze(demo, "start", version=str(before)).version == before


def test_a_name_is_taken_whatever_its_letter_case(demo):
    freeze(demo, "Summer")
    with pytest.raises(BadInput, match=r"'Summer' is bavaria-2018@0-.* already, and stays it"):
        freeze(demo, "SUMMER")


@pytest.mark.parametrize("name", ["", " ", "a@b", "../up", "x" * 81, "=1+1", "a\nb\x00"])
def test_a_name_that_is_none_is_refused(demo, name):
    with pytest.raises(BadInput, match="A version's name has 1 to 80"):
        freeze(demo, name)


def test_names_of_other_scripts_are_names(demo):
    assert freeze(demo, "Été 2018 – début".replace("–", "-")).name == "Été 2018 - début"


def test_an_unknown_name_is_answered_with_the_known_ones(demo):
    freeze(demo, "summer")
    with pytest.raises(BadInput, match=r"no version called 'winter'. It has: summer"):
        named_versions.check(demo.store, FIELDS, "winter")
    with pytest.raises(UnknownCollection):
        named_versions.listing(demo.store, "peru-1999")


def test_a_difference_tells_every_kind_of_change_and_no_other_sample(demo):
    say(demo, "Baumacker-2018", "agree")
    freeze(demo, "before")
    say(demo, "D2-2018", "relabel", code=BARLEY)
    say(demo, "Baumacker-2018", "reject", reason="mixed")
    others = [name for name in all_names(demo) if name not in ("D2-2018", "Baumacker-2018")]
    say(demo, others[0], "flag")
    say(demo, others[1], "quality", image=image(demo, others[1]), quality="bad")
    say(demo, others[2], "unsure")
    taken_back = say(demo, others[3], "agree")
    say(demo, others[3], "undo", undo_of=taken_back)
    found = differences.between(demo.store, FIELDS, "before", None)
    assert {change.name: change.kinds for change in found.changes} == {
        "D2-2018": ("label", "state"), "Baumacker-2018": ("label", "state"), others[0]: ("flag",), others[1]: ("quality",),
        others[2]: ("state",),
    }  # fmt: skip
    assert found.by_kind == {"label": 2, "state": 3, "flag": 1, "quality": 1} and found.samples == 20
    code = next(change.code_before for change in found.changes if change.name == "Baumacker-2018")
    assert sorted(found.by_pair, key=str) == sorted([(WHEAT, BARLEY, 1), (code, None, 1)], key=str)


def all_names(workspace: Workspace) -> list[str]:
    with workspace.store.reading() as db:
        return [row["name"] for row in db.execute("select name from sample where collection = ? order by name", [FIELDS])]


def test_a_quality_marked_as_it_was_screened_is_no_difference(demo):
    with demo.store.reading() as db:
        screened = db.execute("select quality from image where id = ?", [image(demo, "D2-2018")]).fetchone()[0]
    freeze(demo, "before")
    say(demo, "D2-2018", "quality", image=image(demo, "D2-2018"), quality=screened)
    assert differences.between(demo.store, FIELDS, "before", None).changes == ()


def test_a_difference_turned_round_is_its_mirror_image(demo):
    freeze(demo, "before")
    say(demo, "D2-2018", "relabel", code=BARLEY)
    forth, back = (differences.between(demo.store, FIELDS, *pair) for pair in (("before", None), (None, "before")))
    assert forth.by_pair == [(WHEAT, BARLEY, 1)] and back.by_pair == [(BARLEY, WHEAT, 1)]


def test_a_difference_of_a_version_with_itself_is_empty(demo):
    freeze(demo, "before")
    found = differences.between(demo.store, FIELDS, "before", None)
    assert found.changes == () and set(found.by_kind.values()) == {0}


def test_the_commands_freeze_list_compare_and_check(demo, tmp_path):
    assert "None is frozen yet" in call("list").stdout
    frozen = json.loads(call("freeze", "summer", "--curator", "ann", "--note", "=1+1", "--json").stdout)
    assert frozen["version"] == versions.current(demo.store, FIELDS).whole and frozen["name"] == "summer"
    say(demo, "D2-2018", "relabel", code=BARLEY)
    listed = json.loads(call("list", "--json").stdout)
    assert [entry["name"] for entry in listed["versions"]] == ["summer"] and listed["now"].startswith(f"{FIELDS}@1-")
    found = json.loads(call("diff", "summer", "--json", "--csv", str(tmp_path / "diff.csv")).stdout)
    assert (found["differ"], found["by_pair"]) == (1, [{"before": WHEAT, "after": BARLEY, "samples": 1}])
    (row,) = csv.DictReader(io.StringIO(Path(tmp_path / "diff.csv").read_text()))
    assert (row["name"], row["label_after"].split()[0]) == ("D2-2018", str(BARLEY))
    assert call("check", "summer").exit_code == 0 and "summer holds" in call("check", "summer").stdout
    assert "is no version of bavaria-2018" in call("diff", "winter").stderr
