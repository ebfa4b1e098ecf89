"""What the server answers to a card that works ahead: stored first, then everything that the card lacks."""

import json
import sqlite3

import pytest

from data import store as stores
from labeling import decisions, queues, serving
from labeling.queues import Queue

FIELDS = "bavaria-2018"
ALL = Queue("all")


def answer(workspace, message=None, *, queue=ALL, start=None):
    start = serving.start_of(workspace, FIELDS, queue, start)
    return serving.answer(workspace, FIELDS, "ann", queue, start, message)


def members(workspace, queue=ALL) -> list[int]:
    return queues.following(workspace.store, FIELDS, queue, None, 100)


def event(sample: int, uid: str = "one", **more) -> dict:
    return {"uid": uid, "sample": sample, "action": "agree", "seen": None} | more


def known(first: dict, **more) -> dict:
    """The message of a card that has the first answer."""
    return {"n": 1, "window": first["window"], "have": [card["id"] for card in first["cards"]]} | more


def order(part: dict) -> list[int]:
    return [entry["sample"] for entry in part["entries"]]


def test_the_first_answer_begins_the_queue_and_goes_through_json(demo):
    first = answer(demo)
    assert first["initial"]
    assert order(first["ahead"]) == members(demo)
    assert first["ahead"]["end"]
    assert [card["id"] for card in first["cards"]] == members(demo)[: serving.CARDS_AT_ONCE]
    assert json.loads(json.dumps(first))["stats"] == {"samples": 20, "decided": 0, "verified": 0, "queue": {"samples": 20, "open": 20}}


def test_a_queue_begun_in_its_middle_knows_what_lies_before(demo):
    samples = members(demo)
    first = answer(demo, start=samples[10])
    assert order(first["ahead"]) == samples[10:]
    assert order(first["behind"]) == samples[10 - serving.BEHIND : 10]
    assert [entry["rank"] for entry in first["behind"]["entries"]] == [7, 8, 9, 10]


def test_events_are_stored_before_the_answer_and_acknowledged_again_when_sent_again(demo):
    sample = members(demo)[0]
    first = answer(demo)
    for _ in range(2):
        second = answer(demo, known(first, events=[event(sample)]))
        assert second["saved"] == ["one"]
        assert second["states"][str(sample)]["decision"]["uid"] == "one"
        assert [row["uid"] for row in second["recent"]] == ["one"]
    assert len(decisions.events(demo.store, FIELDS)) == 1


def test_what_cannot_be_stored_is_answered_beside_what_is(demo):
    samples = members(demo)
    said = answer(demo, known(answer(demo), events=[event(samples[0], "bad", action="relabel", code=999), event(samples[1], "good")]))
    assert said["saved"] == ["good"]
    assert said["errors"][0]["uid"] == "bad"
    assert "999" in said["errors"][0]["text"]


def test_a_decision_on_what_someone_else_decided_is_a_second_opinion(demo):
    sample = members(demo)[0]
    first = answer(demo)
    decisions.record(demo.store, FIELDS, "bob", [event(sample, "bobs")])
    said = answer(demo, known(first, events=[event(sample, "mine", action="unsure")]))
    assert said["saved"] == said["seconds"] == ["mine"]
    assert said["states"][str(sample)]["decision"]["curator"] == "bob"


def test_only_cards_that_are_lacking_are_sent_and_few_at_once(demo):
    samples = members(demo)
    said = answer(demo, known(answer(demo), want=samples, most=2))
    assert [card["id"] for card in said["cards"]] == samples[serving.CARDS_AT_ONCE : serving.CARDS_AT_ONCE + 2]
    assert not said["initial"]
    assert order(said["ahead"]) == []


@pytest.mark.parametrize("most", [-3, 0, "all", None, 1_000_000])
def test_a_card_cannot_ask_for_everything_at_once(demo, most):
    said = answer(demo, known(answer(demo), want=members(demo), most=most))
    assert 0 < len(said["cards"]) <= serving.MOST_CARDS


def test_the_queue_goes_on_from_the_ends_that_the_card_knows(demo):
    samples = members(demo)
    said = answer(demo, known(answer(demo), tail=samples[4], forward=True, head=samples[2], backward=True))
    assert (said["ahead"]["after"], order(said["ahead"])) == (samples[4], samples[5:])
    assert (said["behind"]["before"], order(said["behind"])) == (samples[2], samples[:2])
    assert said["ahead"]["end"] and said["behind"]["end"]


def test_a_queue_is_begun_anew_with_its_first_open_sample_or_with_a_given_one(demo):
    queue = Queue("unverified")
    samples = members(demo)
    decisions.record(demo.store, FIELDS, "ann", [event(samples[0])])
    assert order(answer(demo, {"n": 5, "window": None, "restart": True}, queue=queue, start=samples[7])["ahead"])[0] == samples[1]
    assert order(answer(demo, {"n": 6, "window": None, "begin": samples[3]}, queue=queue)["ahead"])[0] == samples[3]


def test_a_message_about_another_queue_is_stored_and_the_new_queue_begins(demo):
    sample = members(demo)[0]
    said = answer(demo, {"n": 9, "window": "elsewhere|all", "events": [event(sample)], "have": [sample], "forward": True, "tail": sample})
    assert said["saved"] == ["one"]
    assert said["initial"]
    assert order(said["ahead"]) == members(demo)


def test_an_empty_queue_is_answered_as_such(demo):
    empty = Queue("crop", ("999",))
    said = answer(demo, queue=empty)
    assert (said["ahead"]["entries"], said["cards"], said["stats"]["queue"]) == ([], [], {"samples": 0, "open": 0})
    assert said["ahead"]["end"]


def test_a_store_that_cannot_be_written_is_told_and_nothing_is_acknowledged(demo, monkeypatch):
    monkeypatch.setattr(stores, "BUSY_SECONDS", 0.05)
    first = answer(demo)
    other = sqlite3.connect(demo.store.path, isolation_level=None)
    other.execute("begin immediate")
    said = answer(demo, known(first, events=[event(members(demo)[0])]))
    assert "database is locked" in said["failure"]
    assert said["saved"] == said["errors"] == []
    other.execute("rollback")
    other.close()
    assert answer(demo, known(first, events=[event(members(demo)[0])]))["saved"] == ["one"]


def test_a_sample_whose_pixels_are_gone_does_not_stop_the_queue(demo):
    (demo.home / "patches").unlink()
    said = answer(demo)
    assert order(said["ahead"]) == members(demo)
    assert all("is missing. Restore it from a backup" in card["error"] for card in said["cards"])


def test_the_workspace_is_named_without_its_path(demo, empty):
    assert serving.workspace_key(demo) != serving.workspace_key(empty)
    assert len(serving.workspace_key(demo)) == 12


def test_another_curator_at_the_same_card_begins_anew(demo):
    first = answer(demo)
    assert not answer(demo, known(first))["initial"]
    other = serving.answer(demo, FIELDS, "ben", ALL, None, known(first))
    assert other["initial"]
    assert len(other["cards"]) == serving.CARDS_AT_ONCE
