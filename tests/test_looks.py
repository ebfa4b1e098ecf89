"""What a decision is to the team: second looks, conflicts and their settling, controls and repeats, blind mode."""

import resource
from dataclasses import replace

import pytest

from data.store import Store
from labeling import cards, controls, decisions, looks, policy, queues, serving, team
from labeling.policy import Policy
from labeling.queues import Entry, Queue
from labeling.trust import agreement
from labeling.trust import controls as trust

FIELDS, CANADA = "bavaria-2018", "canada-simulated-2019"
QUIET = Policy(second_share=0.0, control_share=0.0)


@pytest.fixture
def crew(demo):
    """Ada is a reviewer, ann, ben and cy are curators; nothing is looked at again unless a test asks for it."""
    team.add(demo.store, "root", role="administrator")
    team.add(demo.store, "ada", role="reviewer")
    for name in ("ann", "ben", "cy"):
        team.add(demo.store, name)
    rule(demo.store)
    return demo


def rule(store: Store, **rules) -> None:
    policy.write(store, CANADA, replace(QUIET, **rules))


@pytest.fixture
def field(crew) -> int:
    return sample_numbers(crew)[0]


def sample_numbers(workspace) -> list[int]:
    return queues.following(workspace.store, CANADA, Queue("all"), None, 240)


def say(workspace, who: str, sample: int, action: str = "agree", **more) -> decisions.Outcome:
    event = {"uid": f"{who}-{sample}-{action}-{more.get('look')}", "sample": sample, "action": action} | more
    event.setdefault("seen", in_force(workspace, sample))
    return decisions.record(workspace.store, CANADA, who, [event])[0]


def in_force(workspace, sample: int) -> str | None:
    found = cards.states(workspace.store, [sample])[sample]["decision"]
    return found and found["uid"]


def review(workspace, sample: int) -> tuple[str, str] | None:
    with workspace.store.reading() as db:
        row = db.execute("select state, why from review where sample = ?", [sample]).fetchone()
    return row and tuple(row)


def served(workspace, kind: str, who: str) -> list[int]:
    return queues.following(workspace.store, CANADA, Queue(kind), None, 100, holder=f"tab of {who}", curator=who)


@pytest.mark.parametrize(
    ("action", "more", "why"), [("unsure", {}, "unsure"), ("agree", {}, None), ("reject", {"reason": "mixed"}, None), ("flag", {}, None)]
)
def test_what_is_unsure_goes_to_a_second_curator(crew, field, action, more, why):
    say(crew, "ann", field, action, **more)
    assert review(crew, field) == (why and ("due", why))


def test_a_flag_on_a_decided_sample_sends_it_to_a_second_curator(crew, field):
    say(crew, "ann", field)
    say(crew, "ann", field, "flag")
    assert review(crew, field) == ("due", "flagged")


def test_a_share_of_all_decisions_goes_to_a_second_curator(crew):
    rule(crew.store, second_share=0.3)
    samples = sample_numbers(crew)
    for sample in samples:
        say(crew, "ann", sample)
    due = served(crew, "second", "ben")
    assert 0.2 * len(samples) < len(due) < 0.4 * len(samples)
    assert {review(crew, sample) for sample in due} == {("due", "share")}


def test_a_class_whose_agreement_is_low_goes_to_a_second_curator(crew):
    samples = sample_numbers(crew)[:30]
    for sample in samples:
        say(crew, "ann", sample)
    with crew.store.reading() as db:
        barley = [row[0] for row in db.execute("select id from sample where inventory_code = 133 order by id") if row[0] in samples]
    assert looks.ask_for_classes(crew.store, CANADA, [133]) == len(barley) > 0
    assert served(crew, "second", "ben") == barley
    assert looks.ask_for_classes(crew.store, CANADA, [133]) == 0


def test_nobody_is_served_their_own_work_for_a_second_look(crew, field):
    say(crew, "ann", field, "unsure")
    assert served(crew, "second", "ann") == served(crew, "second", "ANN") == []
    assert served(crew, "second", "ben") == [field]


def test_the_store_refuses_a_second_look_at_own_work_whoever_writes(crew, field):
    say(crew, "ann", field, "unsure")
    forged = "insert into event (uid, sample, curator, action, stands, at, look) values ('x', ?, ?, 'agree', ?, '', ?)"
    for curator in ("ann", "Ann"):
        with pytest.raises(Exception, match="a second look belongs to another curator"), crew.store.writing() as db:
            db.execute(forged, [field, curator, 0, "second"])
    for look in ("second", "control", "repeat"):
        with pytest.raises(Exception, match="is never in force"), crew.store.writing() as db:
            db.execute(forged, [field, "ben", 1, look])


def test_a_second_look_at_own_work_is_only_a_change_of_mind(crew, field):
    say(crew, "ann", field, "unsure")
    outcome = say(crew, "ann", field, look="second")
    assert (outcome.look, outcome.stands) == ("first", True)


def test_a_second_look_that_agrees_leaves_the_decision_and_closes_the_review(crew, field):
    rule(crew.store, second_share=1.0)
    first = say(crew, "ann", field)
    outcome = say(crew, "ben", field, look="second")
    assert (outcome.look, outcome.stands) == ("second", False)
    assert review(crew, field) == ("agreed", "share")
    assert in_force(crew, field) == first.uid
    assert served(crew, "second", "cy") == []


def test_answers_that_differ_are_a_conflict_for_a_reviewer_who_was_not_part_of_it(crew, field):
    rule(crew.store, second_share=1.0)
    say(crew, "ann", field, note="short rows")
    say(crew, "ben", field, "reject", reason="mixed", look="second", note="two crops")
    assert review(crew, field) == ("conflict", "share")
    assert served(crew, "conflicts", "ada") == [field]
    assert served(crew, "conflicts", "ben") == []
    card = cards.card(crew, field, curator="ada", look="adjudication")
    assert [(one["curator"], one["action"], one["note"]) for one in card["opinions"]] == [
        ("ann", "agree", "short rows"),
        ("ben", "reject", "two crops"),
    ]


def test_who_gave_one_of_the_answers_settles_it_where_nobody_else_could(crew, field):
    team.change(crew.store, "ada", active=False)
    rule(crew.store, second_share=1.0)
    say(crew, "root", field)
    say(crew, "ben", field, "unsure", look="second")
    assert served(crew, "conflicts", "root") == [field]


def test_a_reviewer_settles_a_conflict_and_a_curator_cannot(crew, field):
    rule(crew.store, second_share=1.0)
    say(crew, "ann", field)
    say(crew, "ben", field, "relabel", code=153, look="second")
    assert served(crew, "conflicts", "cy") == []
    outcome = say(crew, "cy", field, "unsure", look="adjudication")
    assert (outcome.look, outcome.stands) == ("first", False)
    settled = say(crew, "ada", field, "relabel", code=153, look="adjudication", note="yellow in June")
    assert (settled.look, settled.stands) == ("adjudication", True)
    assert review(crew, field) == ("settled", "share")
    assert cards.states(crew.store, [field])[field]["decision"]["code"] == 153
    assert served(crew, "conflicts", "ada") == []


def test_an_undone_second_look_opens_the_review_again(crew, field):
    rule(crew.store, second_share=1.0)
    say(crew, "ann", field)
    second = say(crew, "ben", field, "unsure", look="second")
    assert review(crew, field) == ("conflict", "share")
    decisions.record(crew.store, CANADA, "ben", [{"uid": "z", "sample": field, "action": "undo", "undo_of": second.uid}])
    assert review(crew, field) == ("due", "share")
    say(crew, "ben", field, look="second", uid="anew")
    assert review(crew, field) == ("agreed", "share")


def test_an_undone_first_decision_needs_no_review_and_the_next_look_is_a_first_one(crew, field):
    first = say(crew, "ann", field, "unsure")
    decisions.record(crew.store, CANADA, "ann", [{"uid": "z", "sample": field, "action": "undo", "undo_of": first.uid}])
    assert review(crew, field) is None
    outcome = say(crew, "ben", field, look="second")
    assert (outcome.look, outcome.stands) == ("first", True)


def test_two_that_decide_at_once_and_differ_are_a_conflict_though_nobody_asked(crew, field):
    say(crew, "ann", field)
    outcome = say(crew, "ben", field, "unsure", seen=None)
    assert (outcome.look, outcome.stands) == ("first", False)
    assert review(crew, field) == ("conflict", "late")


def test_rules_that_change_are_applied_to_what_is_decided_already(crew, field):
    say(crew, "ann", field)
    assert review(crew, field) is None
    rule(crew.store, second_share=1.0)
    assert looks.ask_again(crew.store, CANADA) == 1
    rule(crew.store)
    assert looks.ask_again(crew.store, CANADA) == 0


def test_a_second_looker_sees_nothing_of_what_was_said_first(crew, field):
    rule(crew.store, second_share=1.0)
    say(crew, "ann", field, "relabel", code=153, note="it is canola")
    answer = serving.answer(crew, CANADA, "ben", Queue("second"), None, None, holder="tab")
    (card,) = answer["cards"]
    assert (card["id"], card["decision"], card["opinions"]) == (field, None, [])
    assert card["code"] not in (0, 153)
    message = {"n": 1, "window": answer["window"], "have": [field]}
    again = serving.answer(crew, CANADA, "ben", Queue("second"), None, message, holder="tab")
    assert again["states"][str(field)]["decision"] is None
    assert "canola" not in str(again)
    event = {"uid": "b", "sample": field, "action": "agree", "look": "second", "shown": card["code"], "seen": None, "kind": "second"}
    said = serving.answer(crew, CANADA, "ben", Queue("second"), None, message | {"events": [event]}, holder="tab")
    assert (said["saved"], said["seconds"]) == (["b"], [])
    assert said["states"][str(field)]["decision"]["curator"] == "ben"
    assert said["recent"][0]["stands"] == 1


# --- blind mode -----------------------------------------------------------------------------------------------------------------------


def test_blind_mode_hides_the_label_and_all_that_gives_it_away_until_the_first_answer(crew, field):
    before = cards.card(crew, field, curator="ann")
    rule(crew.store, blind=True)
    card = cards.card(crew, field, curator="ann")
    assert card["blind"]
    assert (card["code"], card["modal"], card["history"], card["prediction"], card["inventory"]) == (0, 0, [], None, None)
    assert {entry["class"] for entry in card["envelopes"]} == set()
    say(crew, "ann", field, "relabel", code=before["code"], blind=True)
    after = cards.card(crew, field, curator="ann")
    assert (after["code"], after["blind"], after["decision"]["action"]) == (before["code"], False, "agree")
    assert decisions.events(crew.store, CANADA)[0]["blind"] == 1


def test_blind_mode_hides_what_others_decided_too(crew, field):
    say(crew, "ann", field)
    rule(crew.store, blind=True)
    assert cards.card(crew, field, curator="ben")["decision"] is None
    assert cards.states(crew.store, [field], curator="ben")[field]["decision"] is None
    assert cards.card(crew, field, curator="ann")["decision"]["curator"] == "ann"


# --- controls -------------------------------------------------------------------------------------------------------------------------


def known_labels(crew, count: int) -> list[int]:
    """Samples whose label two curators agree on."""
    rule(crew.store, second_share=1.0)
    samples = sample_numbers(crew)[:count]
    for sample in samples:
        say(crew, "ann", sample)
        say(crew, "ben", sample, look="second")
    return samples


def placed(crew) -> list[dict]:
    with crew.store.reading() as db:
        return [dict(row) for row in db.execute("select * from control order by id")]


def mix(crew, who: str, samples: list[int]) -> list[Entry]:
    with crew.store.writing() as db:
        return controls.mixed_in(
            db, CANADA, who, Queue("unverified"), [Entry(sample, at, "Why.", "unverified") for at, sample in enumerate(samples, 1)]
        )


def test_about_the_share_of_the_cards_are_controls_and_half_of_those_have_a_wrong_label(crew):
    known = known_labels(crew, 100)
    rule(crew.store, control_share=0.5)
    entries = mix(crew, "cy", sample_numbers(crew)[100:])
    found = placed(crew)
    assert 45 < len(found) < 95
    assert {row["sample"] for row in found} <= set(known)
    assert 0.3 < sum(row["shown"] != row["truth"] for row in found) / len(found) < 0.7
    assert len(entries) == 140 + len(found)
    assert {entry.reason for entry in entries} == {"Why."}
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1))


def test_asking_for_the_same_entries_again_places_as_many_controls_at_the_same_places(crew):
    known_labels(crew, 40)
    rule(crew.store, control_share=0.1)
    samples = sample_numbers(crew)[100:160]
    first, second = ([entry.sample in samples for entry in mix(crew, "cy", samples)] for _ in range(2))
    assert first == second and len(first) > 60


def test_positions_go_on_behind_controls_from_batch_to_batch(crew):
    samples = sample_numbers(crew)
    with crew.store.writing() as db:
        listed = {"collection": CANADA, "kind": "purity", "params": "{}", "title": "", "last_event": 0, "made": "2026"}
        queue = db["queue"].insert(listed).last_pk
        one = {"queue": queue, "kind": "purity", "reason": "Mixed."}
        db["queue_entry"].insert_all(one | {"rank": rank, "sample": sample} for rank, sample in enumerate(samples, 1))
    for kept in (Queue("list", (str(queue),)), Queue("unverified")):
        (entry,) = queues.entries(crew.store, CANADA, kept, [samples[40]], known=(samples[39], 43))
        assert (entry.sample, entry.rank) == (samples[40], 44)


def test_a_control_without_an_answer_comes_again_instead_of_another(crew):
    known_labels(crew, 40)
    rule(crew.store, control_share=1.0)
    samples = sample_numbers(crew)[100:120]
    first = mix(crew, "cy", samples)
    assert mix(crew, "cy", samples) == first
    assert len(placed(crew)) == 19


def served_controls(crew, queue: Queue, kind: str) -> list[dict]:
    """The controls that cy is served in a queue whose entries come from that kind."""
    known_labels(crew, 60)
    rule(crew.store, control_share=1.0)
    with crew.store.writing() as db:
        controls.mixed_in(
            db, CANADA, "cy", queue, [Entry(sample, at, "Why.", kind) for at, sample in enumerate(sample_numbers(crew)[60:], 1)]
        )
    return placed(crew)


@pytest.mark.parametrize("kind", ["suspects", "cell", "disagrees", "purity", "outliers", "rotation"])
def test_no_control_comes_where_the_reason_speaks_of_the_sample_itself(crew, kind):
    assert served_controls(crew, Queue("list", ("1",)), kind) == []


def test_a_control_in_the_queue_of_a_crop_shows_that_crop(crew):
    found = served_controls(crew, Queue("crop", ("133",)), "crop")
    assert {row["shown"] for row in found} == {133}
    assert {row["truth"] == 133 for row in found} == {True, False}


def test_there_are_no_controls_in_blind_mode(crew):
    known_labels(crew, 40)
    rule(crew.store, control_share=1.0, blind=True)
    assert len(mix(crew, "cy", sample_numbers(crew)[100:140])) == 40


def test_a_reload_on_a_control_goes_on_in_the_queue(crew):
    tried = control(crew, "cy", wrong=True)
    plain = serving.answer(crew, CANADA, "cy", Queue("unverified"), None, None, holder="a")
    again = serving.answer(crew, CANADA, "cy", Queue("unverified"), tried["sample"], None, holder="a")
    assert again["ahead"]["entries"][0] == plain["ahead"]["entries"][0]


def test_without_labels_that_are_known_there_are_no_controls(crew):
    rule(crew.store, control_share=1.0)
    samples = sample_numbers(crew)
    for sample in samples[:60]:
        say(crew, "ann", sample)
    assert len(mix(crew, "cy", samples[60:])) == 180
    assert len(mix(crew, "ann", samples[60:])) == 180


def control(crew, who: str, *, wrong: bool) -> dict:
    known_labels(crew, 60)
    rule(crew.store, control_share=1.0)
    mix(crew, who, sample_numbers(crew)[60:120])
    return next(row for row in placed(crew) if (row["shown"] != row["truth"]) == wrong)


def test_a_control_looks_like_any_other_card_with_the_wrong_label_in_every_place(crew):
    tried = control(crew, "cy", wrong=True)
    card, real = (cards.card(crew, tried["sample"], curator=who) for who in ("cy", "ann"))
    assert card["code"] == tried["shown"] != real["code"] == tried["truth"]
    assert card["modal"] == tried["shown"] or card["modal"] == real["modal"] != real["code"]
    assert (card["decision"], card["flagged"], card["opinions"]) == (None, False, [])
    assert card.keys() == real.keys()
    legend = {entry["code"]: entry["name"] for entry in serving.cards.collection_record(crew.store, CANADA)["legend"]}
    assert card["envelopes"][0]["class"] == legend[tried["shown"]]
    assert card["inventory"] != real["inventory"]


@pytest.mark.parametrize("wrong", [True, False])
def test_an_answer_to_a_control_is_kept_and_never_reaches_the_labels(crew, wrong):
    tried = control(crew, "cy", wrong=wrong)
    sample = tried["sample"]
    with crew.store.reading() as db:
        before = [tuple(row) for row in db.execute("select * from label order by sample")]
    outcome = say(crew, "cy", sample, shown=tried["shown"], seen=None)
    assert (outcome.stored, outcome.look, outcome.stands) == (True, "control", False)
    with crew.store.reading() as db:
        assert [tuple(row) for row in db.execute("select * from label order by sample")] == before
        said = dict(db.execute("select * from verdict where control = ?", [tried["id"]]).fetchone())
    assert (said["verdict"], said["action"], said["shown"]) == (str(tried["shown"]), "agree", str(tried["shown"]))
    assert review(crew, sample)[0] == "agreed"
    assert cards.card(crew, sample, curator="cy")["decision"]["code"] == tried["shown"]
    assert cards.card(crew, sample, curator="cy")["code"] == tried["shown"]


def test_a_wrong_label_that_is_put_right_is_a_relabelling(crew):
    tried = control(crew, "cy", wrong=True)
    say(crew, "cy", tried["sample"], "relabel", code=tried["truth"], shown=tried["shown"], seen=None)
    with crew.store.reading() as db:
        said = db.execute("select action, verdict from verdict where control = ?", [tried["id"]]).fetchone()
    assert tuple(said) == ("relabel", str(tried["truth"]))


def test_an_undone_answer_leaves_the_control_open(crew):
    tried = control(crew, "cy", wrong=True)
    said = say(crew, "cy", tried["sample"], shown=tried["shown"], seen=None)
    decisions.record(crew.store, CANADA, "cy", [{"uid": "z", "sample": tried["sample"], "action": "undo", "undo_of": said.uid}])
    with crew.store.reading() as db:
        assert looks.control_of(db, tried["sample"], "cy")["answer"] is None
    assert say(crew, "cy", tried["sample"], "unsure", shown=tried["shown"], seen=None).look == "control"


@pytest.mark.parametrize("seen", ["its own answer", None])
def test_who_changes_an_answer_to_a_control_answers_it_again_and_the_wrong_label_is_nobodys_opinion(crew, seen):
    tried = control(crew, "cy", wrong=True)
    first = say(crew, "cy", tried["sample"], "unsure", shown=tried["shown"], seen=None)
    second = say(crew, "cy", tried["sample"], shown=tried["shown"], seen=first.uid if seen else None)
    assert (second.stored, second.look, second.stands) == (True, "control", False)
    assert review(crew, tried["sample"])[0] == "agreed"
    (record,) = [one for one in trust.records(crew.store, CANADA) if one.curator == "cy"]
    assert (record.false_accepts.hits, record.false_accepts.of) == (1, 1)


def test_what_came_again_as_a_repeat_can_be_decided_anew_afterwards(crew):
    samples = sample_numbers(crew)
    for sample in samples[:120]:
        say(crew, "ann", sample)
    rule(crew.store, repeat_share=1.0)
    mix(crew, "ann", samples[120:125])
    tried = placed(crew)[0]
    first = say(crew, "ann", tried["sample"], "unsure", shown=tried["shown"], seen=None)
    assert say(crew, "ann", tried["sample"], "reject", reason="mixed", shown=tried["shown"], seen=first.uid).look == "repeat"
    assert [one.units for one in agreement.with_self(crew.store, CANADA)] == [1]
    own = cards.card(crew, tried["sample"], curator="ann")["decision"]
    again = say(crew, "ann", tried["sample"], "reject", uid="anew", reason="other", shown=tried["shown"], seen=own["uid"])
    assert (again.look, again.stands, in_force(crew, tried["sample"])) == ("first", True, "anew")


def test_what_others_said_of_a_control_does_not_come_with_the_curators_own_answers(crew):
    tried = control(crew, "cy", wrong=True)
    say(crew, "cy", tried["sample"], shown=tried["shown"], seen=None)
    (row,) = decisions.recent(crew.store, CANADA, "cy", 1)
    assert (row["new"], row["old"], row["stands"]) == (str(tried["shown"]), None, 1)


def test_a_flag_that_a_second_look_does_not_show_is_not_taken_off_by_flagging(crew, field):
    say(crew, "ann", field)
    say(crew, "ann", field, "flag", flagged=True)
    assert not cards.card(crew, field, curator="ben", look="second")["flagged"]
    said = say(crew, "ben", field, "flag", flagged=True)
    assert cards.states(crew.store, [field])[field]["flagged"]
    assert cards.card(crew, field, curator="ben", look="second")["flagged"]
    say(crew, "ben", field, "undo", undo_of=said.uid)
    assert not cards.card(crew, field, curator="ben", look="second")["flagged"]
    assert cards.states(crew.store, [field])[field]["flagged"]


def test_a_team_of_one_is_tried_with_its_own_older_work_where_the_rules_ask_for_it(crew):
    samples = sample_numbers(crew)
    for sample in samples[:120]:
        say(crew, "ann", sample)
    rule(crew.store, repeat_share=1.0)
    mix(crew, "ann", samples[120:200])
    repeats = placed(crew)
    assert {row["sample"] for row in repeats} <= set(samples[: 120 - controls.OLD])
    assert all(row["shown"] == row["truth"] for row in repeats)
    tried = repeats[0]
    assert cards.card(crew, tried["sample"], curator="ann")["decision"] is None
    outcome = say(crew, "ann", tried["sample"], "unsure", shown=tried["shown"], seen=None)
    assert (outcome.look, outcome.stands) == ("repeat", False)
    assert in_force(crew, tried["sample"]) == f"ann-{tried['sample']}-agree-None"


def test_in_blind_mode_no_reason_names_the_label(crew):
    queue = Queue("crop", ("133",))
    told = [serving.answer(crew, CANADA, "ann", queue, None, None, holder="tab")["ahead"]["entries"][0]["reason"]]
    rule(crew.store, blind=True)
    told.append(serving.answer(crew, CANADA, "ann", queue, None, None, holder="tab")["ahead"]["entries"][0]["reason"])
    assert told == ["The inventory says Barley.", serving.BLIND]


# --- who decides, and what cannot be stored -------------------------------------------------------------------------------------------


def test_a_name_in_other_letters_is_the_same_curator(crew, field):
    say(crew, "  ANN ", field)
    assert decisions.events(crew.store, CANADA)[0]["curator"] == "ann"
    say(crew, "Ann", field, "undo", undo_of=in_force(crew, field))
    assert in_force(crew, field) is None


def test_an_unknown_name_joins_and_one_that_has_left_cannot_decide(crew, field):
    say(crew, "dora", field)
    assert team.find(crew.store, "dora").role == "curator"
    team.change(crew.store, "dora", active=False)
    outcome = say(crew, "dora", field, "unsure")
    assert "dora is no longer active" in outcome.error


def test_an_administrator_undoes_what_others_said(crew, field):
    said = say(crew, "ann", field)
    undo = {"uid": "z", "sample": field, "action": "undo", "undo_of": said.uid}
    assert "only they can undo it" in decisions.record(crew.store, CANADA, "root", [undo])[0].error
    assert decisions.record(crew.store, CANADA, "root", [undo], overrule=True)[0].stored
    assert in_force(crew, field) is None


def test_a_decision_on_a_sample_that_is_gone_is_kept_whole(crew, field):
    first = serving.answer(crew, CANADA, "ann", Queue("unverified"), None, None, holder="tab")
    gone = {"uid": "lost", "sample": 999_999, "name": "gone-2019", "action": "relabel", "code": 153, "note": "<b>=1+1</b>" * 9_000}
    for _ in range(2):
        message = {"n": 1, "window": first["window"], "events": [gone]}
        said = serving.answer(crew, CANADA, "ann", Queue("unverified"), None, message, holder="tab")
        assert said["errors"][0]["uid"] == "lost"
    with crew.store.reading() as db:
        (row,) = db.execute("select * from refused").fetchall()
    assert decisions.json.loads(row["said"])["note"] == gone["note"]
    assert "There is no sample number 999999" in row["error"]


def test_a_note_of_100_000_characters_is_kept_whole(crew, field):
    note = "<script>alert(1)</script> =HYPERLINK() " * 2_700
    say(crew, "ann", field, note=note)
    assert decisions.events(crew.store, CANADA)[0]["note"] == note


@pytest.fixture
def no_room():
    """No file grows: what a full disk is to a program."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_with_a_full_disk_nothing_is_acknowledged_and_the_reason_is_told(crew, field, no_room):
    first = serving.answer(crew, CANADA, "ann", Queue("all"), None, None)
    message = {"n": 1, "window": first["window"], "events": [{"uid": "u", "sample": field, "action": "agree", "note": "x" * 150_000}]}
    no_room()
    said = serving.answer(crew, CANADA, "ann", Queue("all"), None, message)
    assert (said["saved"], said["errors"]) == ([], [])
    assert "cannot be used" in said["failure"]
    assert "disk not full" in said["failure"]


def test_a_class_whose_agreement_is_low_is_looked_at_again_when_second_looks_begin(crew):
    codes = (133, 136)
    with crew.store.reading() as db:
        barley, oat = (
            [row[0] for row in db.execute("select id from sample where inventory_code = ? order by id", [code])] for code in codes
        )
    for sample in barley + oat:
        say(crew, "ann", sample)
    for other, samples in ((136, barley[:10]), (133, oat[:10])):  # ben puts every second one into the other class
        for sample in samples[::2]:
            say(crew, "ben", sample, look="second")
        for sample in samples[1::2]:
            say(crew, "ben", sample, "relabel", code=other, look="second")
    answer = serving.answer(crew, CANADA, "cy", Queue("second"), None, None, holder="tab")
    assert answer["stats"]["queue"]["open"] == len(barley + oat) - 20
    held = {entry["sample"] for entry in answer["ahead"]["entries"]}
    assert held | set(served(crew, "second", "ben")) == {*barley[10:], *oat[10:]}
