"""A decision is stored once, overwrites nothing that its curator had not seen, and can be taken back."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import catalogue, info
from data.errors import BadDecision, UnknownCollection
from data.workspace import Workspace
from labeling import cards, decisions
from labeling.decisions import Outcome
from tests.kinds_world import MONTHLY, UNLABELLED
from tests.test_store import CODE, ROOT, fill

FIELDS, WHEAT, BARLEY = "bavaria-2018", 115, 131

# A curator on a machine of its own: 40 decisions on three samples, each seeing what is in force just before, told one by one.
CURATOR = """
import sys
from pathlib import Path
from data.store import Store
from labeling import cards, decisions
store, name, count = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(count):
    sample = number % 3 + 1
    now = cards.states(store, [sample])[sample]["decision"]
    event = {"uid": f"{name}-{number}", "sample": sample, "action": "agree", "seen": now and now["uid"]}
    outcome, = decisions.record(store, "c", name, [event])
    assert outcome.stored, outcome
    print(outcome.uid, flush=True)
"""


@pytest.fixture
def small(tmp_path) -> Workspace:
    """Three samples without pixels, numbers 1 to 3, of collection c."""
    workspace = Workspace(tmp_path / "small").create()
    with workspace.store.writing() as db:
        fill(db)
    return workspace


@pytest.fixture
def field(demo) -> int:
    """A wheat field."""
    return catalogue.sample_id(demo.store, FIELDS, "D2-2018")


def say(workspace, sample, action, uid, *, curator="ann", seen=None, collection=FIELDS, **values) -> Outcome:
    event = {"uid": uid, "sample": sample, "action": action, "seen": seen} | values
    return decisions.record(workspace.store, collection, curator, [event])[0]


def in_force(workspace, sample) -> str | None:
    decision = cards.states(workspace.store, [sample])[sample]["decision"]
    return decision and decision["uid"]


def rows(workspace, sql, values=()) -> list[tuple]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute(sql, values)]


def label(workspace, sample) -> tuple:
    """Crop code, state and flag in force."""
    return rows(workspace, "select code, state, flagged from label where sample = ?", [sample])[0]


def test_an_event_sent_twice_is_stored_once(demo, field):
    event = {"uid": "card-1", "sample": field, "action": "agree"}
    assert decisions.record(demo.store, FIELDS, "ann", [event, event]) == [Outcome("card-1", stored=True)] * 2
    assert decisions.record(demo.store, FIELDS, "ann", [event]) == [Outcome("card-1", stored=True)]
    assert rows(demo, "select uid, sample, curator, action, old, new from event") == [("card-1", field, "ann", "agree", "115", "115")]


def test_a_second_opinion_sent_again_is_still_called_one(demo, field):
    say(demo, field, "agree", "ann-1")
    for _ in range(2):
        assert not say(demo, field, "reject", "bob-1", curator="bob", reason="mixed").stands
    assert len(rows(demo, "select * from event")) == 2


def test_a_decision_on_a_card_that_did_not_show_the_others_overwrites_nothing(demo, field):
    assert say(demo, field, "agree", "ann-1").stands
    late = say(demo, field, "relabel", "bob-1", curator="bob", code=BARLEY)
    assert late.stored and not late.stands
    assert label(demo, field) == (WHEAT, "agreed", 0)
    assert rows(demo, "select curator, new, stands from event order by id") == [("ann", "115", 1), ("bob", "131", 0)]


def test_a_decision_on_a_card_that_showed_the_others_replaces_it(demo, field):
    say(demo, field, "agree", "ann-1")
    assert say(demo, field, "relabel", "bob-1", curator="bob", code=BARLEY, seen="ann-1").stands
    assert label(demo, field) == (BARLEY, "relabelled", 0)


def test_who_had_a_second_opinion_can_still_decide_once_the_other_is_seen(demo, field):
    say(demo, field, "agree", "ann-1")
    say(demo, field, "unsure", "bob-1", curator="bob")
    assert not say(demo, field, "unsure", "bob-2", curator="bob", seen="bob-1").stands
    assert say(demo, field, "unsure", "bob-3", curator="bob", seen="ann-1").stands
    assert label(demo, field) == (WHEAT, "unsure", 0)


def test_taking_back_a_decision_does_not_put_a_second_opinion_in_force(demo, field):
    say(demo, field, "agree", "ann-1")
    say(demo, field, "relabel", "bob-1", curator="bob", code=BARLEY)
    say(demo, field, "undo", "ann-2", undo_of="ann-1")
    assert label(demo, field) == (WHEAT, "unverified", 0)


def test_relabelling_to_the_inventorys_own_code_is_an_agreement(demo, field):
    say(demo, field, "relabel", "ann-1", code=WHEAT)
    assert label(demo, field) == (WHEAT, "agreed", 0)


def test_a_rejected_sample_has_no_crop_and_keeps_its_reason(demo, field):
    say(demo, field, "reject", "ann-1", reason="mixed", note="two crops")
    assert label(demo, field) == (None, "rejected", 0)
    decision = cards.states(demo.store, [field])[field]["decision"]
    assert (decision["reason"], decision["note"], decision["code"]) == ("mixed", "two crops", None)


STEPS = {
    "agree": {"action": "agree"},
    "relabel": {"action": "relabel", "code": 133},
    "reject": {"action": "reject", "reason": "no_signal"},
    "unsure": {"action": "unsure"},
    "flag": {"action": "flag"},
    "cloud": {"action": "quality", "image": 10, "quality": "cloud"},
    "bad": {"action": "quality", "image": 10, "quality": "bad"},
}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8))
def test_undoing_again_and_again_goes_back_through_every_state(steps, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("undo")).create()
    with workspace.store.writing() as db:
        fill(db)
        db["legend_class"].insert({"collection": "c", "code": 133, "name": "Barley", "name_fr": "Orge", "color": "#e2007c"})

    def state() -> tuple:
        return label(workspace, 1), in_force(workspace, 1), rows(workspace, "select image, quality from image_quality")

    states = []
    for number, step in enumerate(steps):
        states.append(state())
        assert say(workspace, 1, uid=f"u{number}", collection="c", seen=in_force(workspace, 1), **STEPS[step]).stored
    while states:
        newest = decisions.recent(workspace.store, "c", "ann", 1)[0]
        assert say(workspace, 1, "undo", f"undo-{newest['uid']}", collection="c", undo_of=newest["uid"]).error is None
        assert state() == states.pop()
    assert decisions.recent(workspace.store, "c", "ann", 1) == []
    assert len(rows(workspace, "select * from event")) == 2 * len(steps)


def test_a_flag_is_set_and_taken_off_beside_the_decision(demo, field):
    say(demo, field, "agree", "ann-1")
    for number, flagged in enumerate((1, 0, 1)):
        assert say(demo, field, "flag", f"flag-{number}").stands
        assert label(demo, field) == (WHEAT, "agreed", flagged)
    assert in_force(demo, field) == "ann-1"


def test_marking_a_date_as_cloudy_changes_that_image_alone(demo, field):
    before = dict(rows(demo, "select image, quality from image_quality"))
    image = decisions.image_on(demo.store, field, "2018-06-16")
    say(demo, field, "quality", "ann-1", image=image, quality="cloud")
    after = dict(rows(demo, "select image, quality from image_quality"))
    assert {number: after[number] for number in after if after[number] != before[number]} == {image: "cloud"}
    assert label(demo, field) == (WHEAT, "unverified", 0)
    assert rows(demo, "select old, new from event") == [(before[image], "cloud")]


BAD = {
    "unknown action": ({"action": "maybe"}, "'maybe' is no action; choose one of agree, relabel, reject, unsure, flag, quality, undo"),
    "no action": ({"action": None}, "None is no action; choose one of"),
    "unknown sample": ({"sample": 99_999}, "no sample number 99999 in bavaria-2018. Reload the page"),
    "sample beyond all numbers": ({"sample": 2**70}, f"no sample number {2**70} in bavaria-2018"),
    "sample that is no number": ({"sample": {"id": 1}}, "no sample number {'id': 1} in bavaria-2018"),
    "sample of another collection": ({"sample": 25}, "no sample number 25 in bavaria-2018"),
    "sample of another name": ({"name": "Oldacker-2018"}, "is D2-2018, but the decision was made on Oldacker-2018"),
    "unknown crop": ({"action": "relabel", "code": 999}, "Code 999 is not in the legend of bavaria-2018. Its codes are 115, 131."),
    "crop as text": ({"action": "relabel", "code": "131"}, "Code '131' is not in the legend"),
    "crop as fraction": ({"action": "relabel", "code": 131.0}, "Code 131.0 is not in the legend"),
    "no crop": ({"action": "relabel"}, "Code None is not in the legend"),
    "no reason": ({"action": "reject"}, "None is no reason; choose one of mixed, not_cropland, no_signal, other"),
    "unknown reason": ({"action": "reject", "reason": ["mixed"]}, "['mixed'] is no reason"),
    "image of another sample": ({"action": "quality", "image": 1, "quality": "ok"}, "Image 1 is not one of D2-2018"),
    "image that is no number": ({"action": "quality", "image": [1], "quality": "ok"}, "Image [1] is not one of D2-2018"),
    "nothing to undo": ({"action": "undo", "undo_of": "x-1"}, "There is no event 'x-1' on D2-2018 to undo"),
    "undo of nothing": ({"action": "undo"}, "The undo_of of a decision is text"),
    "no uid": ({"uid": None}, "The uid of a decision is text of at most 2000 characters, not 'None'"),
    "long note": ({"note": "x" * 200_001}, "The note of a decision is text of at most 200000 characters"),
    "negative time": ({"ms": -1}, "The ms of a decision is a whole number from 0, not -1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_is_answered_with_the_fact_and_holds_up_no_other(demo, field, name):
    values, message = BAD[name]
    bad = {"uid": "bad", "sample": field, "action": "agree"} | values
    good = [{"uid": uid, "sample": field, "action": "unsure", "seen": seen} for uid, seen in (("one", None), ("two", "one"))]
    outcomes = decisions.record(demo.store, FIELDS, "ann", [good[0], bad, good[1]])
    assert [outcome.stored for outcome in outcomes] == [True, False, True]
    assert message in outcomes[1].error
    assert rows(demo, "select uid from event order by id") == [("one",), ("two",)]


def test_an_unknown_quality_is_answered_with_the_known_ones(demo, field):
    image = decisions.image_on(demo.store, field, "2018-06-16")
    assert "'fog' is no quality; choose one of ok, cloud, bad" in say(demo, field, "quality", "ann-1", image=image, quality="fog").error


def test_a_decision_without_a_name_is_refused(demo, field):
    assert "A decision needs the name of its curator" in say(demo, field, "agree", "ann-1", curator="  ").error


def test_only_the_curator_of_a_decision_can_take_it_back(demo, field):
    say(demo, field, "agree", "ann-1")
    assert "Event ann-1 is ann's: only they can undo it" in say(demo, field, "undo", "bob-1", curator="bob", undo_of="ann-1").error
    assert label(demo, field) == (WHEAT, "agreed", 0)


def test_what_is_undone_cannot_be_undone_again_nor_an_undo(demo, field):
    say(demo, field, "agree", "ann-1")
    say(demo, field, "undo", "ann-2", undo_of="ann-1")
    assert "Event ann-1 on D2-2018 is undone already" in say(demo, field, "undo", "ann-3", undo_of="ann-1").error
    assert "Event ann-2 is an undo already" in say(demo, field, "undo", "ann-4", undo_of="ann-2").error


def test_an_undo_for_another_sample_is_refused(demo, field):
    say(demo, field, "agree", "ann-1")
    other = catalogue.sample_id(demo.store, FIELDS, "Baumacker-2018")
    assert "There is no event 'ann-1' on Baumacker-2018" in say(demo, other, "undo", "ann-2", undo_of="ann-1").error


def test_a_date_that_the_sample_lacks_is_answered_with_those_it_has(demo, field):
    with pytest.raises(BadDecision, match=r"no image of '2018-01-01'. It has some of 2018-03-08, "):
        decisions.image_on(demo.store, field, "2018-01-01")


def test_events_of_an_unknown_collection_are_refused(demo):
    with pytest.raises(UnknownCollection, match="no collection 'peru-1999'"):
        decisions.events(demo.store, "peru-1999")


def test_half_an_emoji_in_a_note_is_stored_as_a_question_mark(demo, field):
    note = json.loads('"cut \\ud83c"')  # what a browser sends when a text field cuts an emoji in two
    assert say(demo, field, "agree", "ann-1", note=note).stored
    assert rows(demo, "select note from event") == [("cut ?",)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)  # fmt: skip
FIELD_NAMES = (
    "uid",
    "sample",
    "action",
    "code",
    "reason",
    "image",
    "quality",
    "undo_of",
    "seen",
    "note",
    "queue",
    "rank",
    "run",
    "ms",
    "name",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(FIELD_NAMES), anything), action=st.sampled_from(sorted(decisions.ACTIONS)), number=st.uuids())
def test_whatever_a_browser_sends_never_holds_up_the_decisions_beside_it(small, values, action, number):
    strange = {"uid": f"strange-{number}", "sample": 1, "action": action} | values
    sent = json.loads(json.dumps(strange))  # as it comes over the wire
    first, second = decisions.record(small.store, "c", "ann", [sent, {"uid": f"good-{number}", "sample": 2, "action": "agree"}])
    assert first.stored == (first.error is None)
    assert second.stored


def test_the_last_events_are_the_curators_own_newest_first_without_the_undone(demo, field):
    for number, action in enumerate(("agree", "unsure", "flag")):
        say(demo, field, action, f"ann-{number}", seen=in_force(demo, field))
    say(demo, field, "agree", "bob-0", curator="bob", seen="ann-1")
    say(demo, field, "undo", "ann-3", undo_of="ann-1")
    assert [event["uid"] for event in decisions.recent(demo.store, FIELDS, "ann", 10)] == ["ann-2", "ann-0"]
    assert [event["uid"] for event in decisions.events(demo.store, FIELDS)] == ["ann-0", "ann-1", "ann-2", "bob-0", "ann-3"]
    assert [event["uid"] for event in decisions.events(demo.store, FIELDS, curator="ann", limit=2)] == ["ann-2", "ann-3"]
    assert [event["uid"] for event in decisions.events(demo.store, FIELDS) if event["undone"]] == ["ann-1"]


def test_the_tally_agrees_with_the_progress_view(demo, field):
    for number, action in enumerate(("agree", "unsure")):
        say(demo, field + number, action, f"ann-{number}")
    progress = info.progress(demo.store, FIELDS)
    assert decisions.tally(demo.store, FIELDS) == {"samples": 20, "decided": 2, "verified": 1}
    assert (progress.samples, progress.decided, progress.agreed + progress.relabelled) == (20, 2, 1)
    assert decisions.curators(demo.store, FIELDS) == [{"curator": "ann", "decisions": 2, "second_opinions": 0}]


def start(store_path: Path, name: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CURATOR, str(store_path), name, str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_eight_processes_deciding_at_once_lose_nothing_and_overwrite_nothing_unseen(small):
    curators = [start(small.store.path, f"curator{number}", 40) for number in range(8)]
    told = [uid for curator in curators for uid in curator.communicate(timeout=120)[0].split()]
    assert [curator.returncode for curator in curators] == [0] * 8
    stored = decisions.events(small.store, "c")
    assert Counter(event["uid"] for event in stored) == Counter(told) == Counter(f"curator{n}-{k}" for n in range(8) for k in range(40))
    newest = {}
    for event in stored:  # exactly those stand that saw what was in force when they were stored
        assert event["stands"] == (event["seen"] == newest.get(event["sample"]))
        if event["stands"]:
            newest[event["sample"]] = event["uid"]
    assert {sample: in_force(small, sample) for sample in (1, 2, 3)} == newest


def test_every_decision_told_as_stored_survives_kill_9_and_sending_all_again_stores_none_twice(small):
    for life in range(2):
        curator = start(small.store.path, f"life{life}", 1000)
        told = [curator.stdout.readline().strip() for _ in range(20 + 7 * life)]
        curator.send_signal(signal.SIGKILL)
        told += curator.communicate(timeout=30)[0].split("\n")[:-1]  # what it had still told; a torn last line was not told
        stored = [event["uid"] for event in decisions.events(small.store, "c", curator=f"life{life}")]
        assert stored[: len(told)] == told
        assert len(stored) <= len(told) + 1  # the one in the making is there whole, or not at all
        again = [{"uid": f"life{life}-{number}", "sample": number % 3 + 1, "action": "agree"} for number in range(len(told) + 5)]
        assert all(outcome.stored for outcome in decisions.record(small.store, "c", f"life{life}", again))
        assert Counter(event["uid"] for event in decisions.events(small.store, "c", curator=f"life{life}")) == Counter(
            event["uid"] for event in again
        )
    assert label(small, 1)[:2] == (CODE, "agreed")


def test_nobody_agrees_with_a_label_that_is_not_known_and_nobody_relabels_to_none(kinds):
    sample = catalogue.sample_id(kinds.store, UNLABELLED, "D2-2018")
    labelled = catalogue.sample_id(kinds.store, MONTHLY, "D2-2019")
    agreed = say(kinds, sample, "agree", "a", collection=UNLABELLED)
    assert not agreed.stored
    assert agreed.error == "D2-2018 has no inventory label to agree with. Relabel it to the crop that grows there, or reject it."
    for number, collection in ((sample, UNLABELLED), (labelled, MONTHLY)):
        refused = say(kinds, number, "relabel", "b", collection=collection, code=0)
        assert not refused.stored
        assert "Code 0 means that no label is known" in refused.error
    assert decisions.events(kinds.store, UNLABELLED) == decisions.events(kinds.store, MONTHLY) == []
    relabelled = say(kinds, sample, "relabel", "c", collection=UNLABELLED, code=153)
    assert relabelled.stored
    assert cards.states(kinds.store, [sample])[sample]["decision"]["code"] == 153
