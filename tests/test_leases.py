"""Leases: what lies on one screen is given to nobody else, and comes back when its holder is gone."""

import time

import pytest

from labeling import decisions, leases, queues, serving
from labeling.queues import Queue

FIELDS, CANADA = "bavaria-2018", "canada-simulated-2019"
OPEN = Queue("unverified")


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that leases go by, in seconds from now."""
    real = time.time

    def shift(seconds: float) -> None:
        monkeypatch.setattr(leases.time, "time", lambda: real() + seconds)

    return shift


def first_answer(workspace, curator: str, holder: str, queue: Queue = OPEN, collection: str = CANADA) -> dict:
    return serving.answer(workspace, collection, curator, queue, None, None, holder=holder)


def samples_of(answer: dict) -> list[int]:
    return [entry["sample"] for entry in answer["ahead"]["entries"]]


def leased(workspace) -> dict[int, str]:
    with workspace.store.reading() as db:
        return {row["sample"]: row["holder"] for row in db.execute("select * from lease")}


@pytest.mark.parametrize("queue", ["unverified", "random", "crop:133", "region:PE"])
def test_two_holders_never_get_the_same_sample(demo, queue):
    found = [set(samples_of(first_answer(demo, who, tab, queues.parse(queue)))) for who, tab in (("ann", "1"), ("ben", "2"), ("ann", "3"))]
    assert all(found)
    assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])
    assert set(leased(demo)) == set.union(*found)


def test_one_holder_leaves_most_of_a_small_queue_to_others(demo):
    found = first_answer(demo, "ann", "1", collection=FIELDS)
    assert len(samples_of(found)) == found["hold"] == serving.HOLD[0]
    assert not found["ahead"]["end"]


def test_more_is_given_as_samples_are_decided_and_never_more_than_a_holder_may_have(demo):
    first = first_answer(demo, "ann", "1", collection=FIELDS)
    mine = samples_of(first)
    message = {"n": 1, "window": first["window"], "forward": True, "tail": mine[-1], "tail_rank": 6}
    full = serving.answer(demo, FIELDS, "ann", OPEN, None, message, holder="1")
    assert samples_of(full) == []
    assert not full["ahead"]["end"]
    events = [{"uid": f"u{sample}", "sample": sample, "action": "agree", "seen": None} for sample in mine[:2]]
    more = serving.answer(demo, FIELDS, "ann", OPEN, None, message | {"events": events}, holder="1")
    assert len(samples_of(more)) == 2
    assert [entry["rank"] for entry in more["ahead"]["entries"]] == [7, 8]
    assert set(leased(demo)) == {*mine[2:], *samples_of(more)}


def test_who_goes_past_samples_without_a_decision_is_given_the_next_and_others_get_those(demo):
    first = first_answer(demo, "ann", "1", collection=FIELDS)
    mine = samples_of(first)
    message = {"n": 1, "window": first["window"], "forward": True, "tail": mine[-1], "tail_rank": 6, "near": mine[3:]}
    more = serving.answer(demo, FIELDS, "ann", OPEN, None, message, holder="1")
    assert len(samples_of(more)) == 3
    assert set(leased(demo)) == {*mine[3:], *samples_of(more)}
    assert samples_of(first_answer(demo, "ben", "2", collection=FIELDS))[:3] == mine[:3]


def test_a_lease_that_ran_out_is_given_to_the_next_and_the_late_decision_is_kept_beside(demo, clock):
    mine = samples_of(first_answer(demo, "ann", "1"))
    clock(leases.LEASE_SECONDS + 1)
    assert samples_of(first_answer(demo, "ben", "2")) == mine
    bens = {"uid": "ben", "sample": mine[0], "action": "unsure", "seen": None}
    anns = {"uid": "ann", "sample": mine[0], "action": "agree", "seen": None, "note": "typed while the lease ran out"}
    decisions.record(demo.store, CANADA, "ben", [bens], holder="2")
    outcome = decisions.record(demo.store, CANADA, "ann", [anns], holder="1")[0]
    assert (outcome.stored, outcome.stands) == (True, False)
    with demo.store.reading() as db:
        assert db.execute("select state, why from review where sample = ?", [mine[0]]).fetchone()["state"] == "conflict"


def test_a_heartbeat_keeps_the_leases(demo, clock):
    mine = samples_of(first_answer(demo, "ann", "1"))
    clock(leases.LEASE_SECONDS - 1)
    leases.renew(demo.store, "1")
    clock(leases.LEASE_SECONDS + 30)
    assert not set(samples_of(first_answer(demo, "ben", "2"))) & set(mine)


def test_a_clock_that_jumps_back_locks_nothing_away(demo, clock):
    clock(3_600)
    mine = samples_of(first_answer(demo, "ann", "1"))
    clock(0)
    assert samples_of(first_answer(demo, "ben", "2")) == mine


def test_a_decided_sample_is_given_back_and_an_undone_one_comes_again(demo):
    mine = samples_of(first_answer(demo, "ann", "1"))
    decisions.record(demo.store, CANADA, "ann", [{"uid": "u", "sample": mine[0], "action": "agree", "seen": None}], holder="1")
    assert mine[0] not in leased(demo)
    decisions.record(demo.store, CANADA, "ann", [{"uid": "z", "sample": mine[0], "action": "undo", "undo_of": "u"}], holder="1")
    assert samples_of(first_answer(demo, "ben", "2"))[0] == mine[0]


def test_another_queue_gives_back_what_the_one_before_held(demo):
    first_answer(demo, "ann", "1")
    other = samples_of(first_answer(demo, "ann", "1", Queue("random")))
    assert set(leased(demo)) == set(other)


def test_a_closed_tabs_samples_go_on_in_the_same_curators_next_tab_alone(demo):
    mine = samples_of(first_answer(demo, "ann", "1"))
    message = {"n": 1, "window": None, "restart": True, "inherit": ["1"]}
    theirs = samples_of(serving.answer(demo, CANADA, "ben", OPEN, None, message, holder="2"))
    assert not set(theirs) & set(mine)
    assert samples_of(serving.answer(demo, CANADA, "ann", OPEN, None, message, holder="3")) == mine


def test_looking_around_in_all_samples_leases_nothing(demo):
    assert samples_of(first_answer(demo, "ann", "1", Queue("all")))
    assert leased(demo) == {}


def test_who_is_at_work_is_known(demo):
    held = len(samples_of(first_answer(demo, "ann", "1")))
    assert leases.holders(demo.store, CANADA) == [("ann", held)]
    assert leases.holders(demo.store, FIELDS) == []
