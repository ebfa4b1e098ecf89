"""`python -m labeling`: figures as one JSON object, faults as one line on standard error, no traceback."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from labeling.__main__ import main
from tests.conftest import ROOT

FIELD = ("--collection", "bavaria-2018", "--sample", "D2-2018")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def figures(*arguments: str) -> dict:
    result = call(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return json.loads(result.stdout)


def decide(action: str, *options: str, curator: str = "ann") -> dict:
    return figures("decide", *FIELD, "--curator", curator, "--action", action, *options)


def progress() -> dict:
    (found,) = figures("stats", "--collection", "bavaria-2018")["collections"]
    return found


def test_stats_count_every_collection(demo):
    assert [entry["collection"] for entry in figures("stats")["collections"]] == [
        "bavaria-2018", "bavaria-parcels-2018", "canada-simulated-2019",
    ]  # fmt: skip
    assert progress() == {
        "collection": "bavaria-2018", "samples": 20, "decided": 0, "agreed": 0, "relabelled": 0, "rejected": 0, "unsure": 0,
        "flagged": 0, "curators": [],
    }  # fmt: skip


def test_stats_of_an_empty_workspace_say_what_to_do(empty):
    assert figures("stats") == {"collections": []}
    assert call("stats").stdout == "No collections yet. Make the demo collections with: python -m data init\n"


@pytest.mark.parametrize(
    ("action", "options", "counted", "code"),
    [
        ("agree", (), "agreed", 115),
        ("relabel", ("--crop", "131"), "relabelled", 131),
        ("relabel", ("--crop", "115"), "agreed", 115),
        ("reject", ("--reason", "mixed"), "rejected", None),
        ("unsure", (), "unsure", None),
    ],
)
def test_a_decision_is_in_force_at_once(demo, action, options, counted, code):
    answer = decide(action, *options, "--note", "seen on site")
    assert answer["stands"]
    assert (answer["decision"]["curator"], answer["decision"]["code"], answer["decision"]["note"]) == ("ann", code, "seen on site")
    assert (progress()["decided"], progress()[counted]) == (1, 1)


def test_a_decision_replaces_the_one_in_force_and_an_undo_restores_it(demo):
    decide("agree")
    assert decide("relabel", "--crop", "131", curator="bob")["decision"]["action"] == "relabel"
    assert decide("undo", curator="bob")["decision"]["curator"] == "ann"
    assert decide("undo")["decision"] is None
    said = figures("events", "--collection", "bavaria-2018")["events"]
    assert [(event["curator"], event["action"], event["undone"]) for event in said] == [
        ("ann", "agree", 1), ("bob", "relabel", 1), ("bob", "undo", 0), ("ann", "undo", 0),
    ]  # fmt: skip
    assert progress()["curators"] == [
        {"curator": "ann", "decisions": 1, "second_opinions": 0},
        {"curator": "bob", "decisions": 1, "second_opinions": 0},
    ]


def test_a_flag_goes_on_and_off(demo):
    assert decide("flag")["flagged"]
    assert not decide("flag")["flagged"]


def test_the_quality_of_one_date_can_be_set(demo):
    decide("quality", "--date", "2018-06-16", "--quality", "cloud")
    (event,) = figures("events", "--collection", "bavaria-2018")["events"]
    assert (event["action"], event["old"], event["new"]) == ("quality", "ok", "cloud")


def test_events_can_be_asked_by_sample_curator_and_number(demo):
    decide("agree")
    decide("unsure", curator="bob")
    figures("decide", "--collection", "bavaria-2018", "--sample", "Baumacker-2018", "--curator", "ann", "--action", "agree")

    def found(*options: str) -> list[tuple]:
        return [(event["name"], event["curator"]) for event in figures("events", "--collection", "bavaria-2018", *options)["events"]]

    assert found() == [("D2-2018", "ann"), ("D2-2018", "bob"), ("Baumacker-2018", "ann")]
    assert found("--sample", "D2-2018") == found()[:2]
    assert found("--curator", "ann") == found()[::2]
    assert found("--limit", "1") == found()[2:]
    assert found("--curator", "nobody") == []


def test_people_read_the_same_as_text(demo):
    said = call("decide", *FIELD, "--curator", "ann", "--action", "reject", "--reason", "mixed", "--note", "two crops")
    assert said.stdout == "Stored: ann on D2-2018 of bavaria-2018: reject.\n"
    assert call("events", "--collection", "bavaria-2018").stdout.strip().endswith("D2-2018  ann  reject  mixed  two crops")
    assert (
        "bavaria-2018: 1 of 20 decided (0 agreed, 0 relabelled, 1 rejected, 0 unsure), 0 flagged\n  ann: 1 decisions"
        in call("stats").stdout
    )


FAULTS = {
    "unknown collection": (("stats", "--collection", "peru-1999"), "There is no collection 'peru-1999' in this workspace. It has: bavaria"),
    "events of none": (("events", "--collection", "peru-1999"), "There is no collection 'peru-1999'"),
    "unknown sample": (
        ("decide", "--collection", "bavaria-2018", "--sample", "X9", "--curator", "ann", "--action", "agree"),
        "There is no sample 'X9' in bavaria-2018. Give a sample's name, for example",
    ),
    "unknown action": (("maybe",), "'maybe' is no action; choose one of agree, relabel"),
    "no crop": (("relabel",), "--action relabel needs --crop. See: python -m labeling decide --help"),
    "unknown crop": (("relabel", "--crop", "999"), "Code 999 is not in the legend of bavaria-2018. Its codes are 115, 131."),
    "crop of another action": (("agree", "--crop", "131"), "--crop goes with --action relabel, not with agree. Leave it out"),
    "no reason": (("reject",), "--action reject needs --reason"),
    "unknown reason": (("reject", "--reason", "ugly"), "'ugly' is no reason; choose one of mixed, not_cropland, no_signal, other"),
    "no date": (("quality", "--quality", "bad"), "--action quality needs --date"),
    "unknown date": (("quality", "--quality", "bad", "--date", "2018-01-01"), "This sample has no image of '2018-01-01'. It has some of"),
    "unknown quality": (("quality", "--quality", "fog", "--date", "2018-06-16"), "'fog' is no quality; choose one of ok, cloud, bad"),
    "nothing to undo": (("undo",), "ann has nothing on this sample to undo. See: python -m labeling events --collection bavaria-2018"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_message_and_changes_nothing(demo, name):
    arguments, message = FAULTS[name]
    if arguments[0] not in ("stats", "events", "decide"):
        arguments = ("decide", *FIELD, "--curator", "ann", "--action", *arguments)
    for form in ((), ("--json",)):
        result = call(*arguments, *form)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: {message}" in result.stderr and "Traceback" not in result.stderr
    assert figures("events", "--collection", "bavaria-2018")["events"] == []


def test_an_empty_name_decides_nothing(demo):
    result = call("decide", *FIELD, "--curator", " ", "--action", "agree")
    assert result.exit_code == 1
    assert "A decision needs the name of its curator" in result.stderr


def test_without_a_workspace_the_way_to_one_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CROPCHECK_HOME", str(tmp_path / "none"))
    result = subprocess.run([sys.executable, "-m", "labeling", "stats", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: There is no workspace at {tmp_path / 'none'}. Make one with: python -m data init\n"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["", "stats", "events", "decide"])
def test_every_command_has_help(command):
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout
