"""Stored queues: made whole or not at all, in an order that stays, with what is open following the decisions."""

import json
from dataclasses import asdict

import pytest
from click.testing import CliRunner

from data.errors import BadInput, UnknownCollection, UnknownRun, UnknownSample
from data.workspace import Workspace
from labeling import decisions, policy, queues, worklists
from labeling.__main__ import main
from labeling.queues import Queue
from labeling.rankings import registry
from labeling.rankings.common import Ranked
from tests import modeling_world

TOY = modeling_world.NAME


@pytest.fixture
def toy(empty) -> Workspace:
    """39 samples of wheat (146), canola (153), soybean (158) and shrubland (50), in turn."""
    return modeling_world.world(empty)


def rows(workspace: Workspace, sql: str, *values) -> list[tuple]:
    with workspace.store.reading() as db:
        return [tuple(row) for row in db.execute(sql, values)]


def decide(workspace: Workspace, sample: int, uid: str, **said) -> None:
    event = {"uid": uid, "sample": sample, "action": "relabel", "code": 153, "seen": None} | said
    (outcome,) = decisions.record(workspace.store, TOY, "ada", [event])
    assert outcome.stored, outcome.error


def served(workspace: Workspace, number: int) -> list[int]:
    return queues.following(workspace.store, TOY, Queue("list", (str(number),)), None, 1000)


def test_a_queue_says_what_it_is_and_verify_serves_it_in_its_order(toy):
    made = worklists.make(toy, TOY, "gaps", {"by": "region"}, curator="ada", limit=20, seed=3)
    assert (made.kind, made.title, made.curator, made.entries, made.open, made.last_event) == ("gaps", "Gaps", "ada", 20, 20, 0)
    assert made.params == {"limit": 20, "seed": 3, "by": "region"}
    assert made == worklists.get(toy.store, made.id)
    ranked = [entry.sample for entry in registry.KINDS["gaps"].ranked(toy, TOY, limit=20, seed=3, by="region")]
    assert served(toy, made.id) == ranked == [entry["sample"] for entry in worklists.entries(toy.store, made.id)]
    entry = queues.entries(toy.store, TOY, Queue("list", (str(made.id),)), ranked[4:5])[0]
    assert (entry.rank, entry.kind) == (5, "gaps")
    assert entry.reason == "0 of the 39 samples in Toyland were verified (0 %), 0 % of all."


def test_the_order_stays_while_samples_are_decided_and_another_list_is_made(toy):
    made = worklists.make(toy, TOY, "unverified", seed=1)
    before = served(toy, made.id)
    for turn, sample in enumerate(before[3:6]):
        decide(toy, sample, f"d{turn}")
    anew = worklists.make(toy, TOY, "unverified", seed=2)
    assert served(toy, made.id) == [*before[:3], *before[6:]]
    assert [entry["sample"] for entry in worklists.entries(toy.store, made.id)] == before
    assert anew.entries == 36
    assert worklists.newest(toy.store, TOY, "unverified").id == anew.id
    assert worklists.newest(toy.store, TOY, "unverified", {"seed": 1}).id == made.id


def test_what_is_open_follows_decisions_and_their_undoing(toy):
    made = worklists.make(toy, TOY, "audit", limit=10)
    sample = served(toy, made.id)[2]
    decide(toy, sample, "first")
    assert worklists.get(toy.store, made.id).open == 9
    assert [entry["rank"] for entry in worklists.entries(toy.store, made.id) if not entry["open"]] == [3]
    decide(toy, sample, "back", action="undo", undo_of="first")
    assert worklists.get(toy.store, made.id).open == 10


def test_samples_with_an_older_decision_are_open_in_a_list_that_wants_them(toy):
    first, second, *_ = [number for (number,) in rows(toy, "select id from sample order by id")]
    decide(toy, first, "old")
    made = worklists.make(toy, TOY, "unverified", {"decided": True, "order": "given"})
    assert (made.entries, made.open, made.last_event) == (39, 39, 1)
    decide(toy, first, "new", seen="old", code=158)
    decide(toy, second, "too")
    assert served(toy, made.id)[0] not in (first, second)
    assert worklists.get(toy.store, made.id).open == 37


def test_a_decision_that_comes_in_while_it_is_ranked_counts_as_since(toy, monkeypatch):
    ranked = registry.KINDS["unverified"].ranked

    def slow(*args, **more):
        found = ranked(*args, **more)
        decide(toy, found[0].sample, "meanwhile")
        return found

    _rank_by(monkeypatch, slow)
    made = worklists.make(toy, TOY, "unverified")
    assert (made.entries, made.open) == (39, 38)


def _rank_by(monkeypatch, ranked) -> None:
    monkeypatch.setitem(registry.KINDS, "unverified", registry.Kind("Test", "", ranked, ("order", "decided")))


def test_a_sample_that_was_deleted_while_it_was_ranked_is_left_out(toy, monkeypatch):
    known = [number for (number,) in rows(toy, "select id from sample order by id limit 3")]
    _rank_by(monkeypatch, lambda *args, **more: [Ranked(number, None, "why") for number in (known[0], 987_654, known[1])])
    made = worklists.make(toy, TOY, "unverified")
    assert [entry["sample"] for entry in worklists.entries(toy.store, made.id)] == known[:2]


def test_nothing_of_a_list_stays_that_cannot_be_stored_whole(toy, monkeypatch):
    known = [number for (number,) in rows(toy, "select id from sample order by id limit 3")]
    broken = [Ranked(known[0], None, "why"), Ranked(known[1], None, None)]  # an entry without its reason
    _rank_by(monkeypatch, lambda *args, **more: broken)
    with pytest.raises(Exception, match="NOT NULL"):
        worklists.make(toy, TOY, "unverified")
    assert rows(toy, "select * from queue") == rows(toy, "select * from queue_entry") == []


def test_ten_thousand_entries_are_stored_whole_in_their_order(toy, monkeypatch):
    """As many samples as a summer's batch, added to the store without pixels."""
    with toy.store.writing() as db:
        db.conn.executemany(
            "insert into site (id, collection, name, lon, lat, region) values (?, ?, ?, 0, 0, 'Far')",
            [(number, TOY, f"far-{number}") for number in range(1000, 11_000)],
        )
        db.conn.executemany(
            """insert into sample (id, collection, site, name, year, inventory_code, modal_code, purity, shard, shard_row, height, width,
            crs, transform, shuffle) values (?, ?, ?, ?, 2020, 146, 146, 1, 'none', ?, 1, 1, '', '[]', ?)""",
            [(number, TOY, number, f"F{number}", number, number * 7919 % 10_007) for number in range(1000, 11_000)],
        )
    made = worklists.make(toy, TOY, "unverified", seed=4)
    assert (made.entries, made.open) == (10_000, 10_000)
    ranked = [entry.sample for entry in registry.KINDS["unverified"].ranked(toy, TOY, limit=10_000, seed=4)]
    assert [sample for (sample,) in rows(toy, "select sample from queue_entry where queue = ? order by rank", made.id)] == ranked
    page = worklists.entries(toy.store, made.id, after=9_990, limit=100)
    assert [entry["rank"] for entry in page] == list(range(9_991, 10_001))


def test_a_dropped_list_is_gone_and_the_decisions_stay(toy):
    made = worklists.make(toy, TOY, "audit", limit=5)
    decide(toy, served(toy, made.id)[0], "kept")
    worklists.drop(toy.store, made.id)
    assert worklists.listing(toy.store, TOY) == []
    assert rows(toy, "select * from queue_entry") == []
    assert len(decisions.events(toy.store, TOY)) == 1
    with pytest.raises(BadInput, match=f"no stored queue number {made.id}"):
        worklists.drop(toy.store, made.id)
    with pytest.raises(BadInput, match=f"no stored queue number {made.id}"):
        worklists.get(toy.store, made.id)
    with pytest.raises(BadInput, match=f"no stored queue number {made.id}"):
        worklists.entries(toy.store, made.id)
    assert worklists.newest(toy.store, TOY, "audit") is None


def test_the_audit_keeps_how_long_its_part_of_the_order_is(toy):
    order = [number for (number,) in rows(toy, "select id from sample order by shuffle, id")]
    decide(toy, order[1], "before")
    made = worklists.make(toy, TOY, "audit", limit=8)
    assert (made.params["prefix"], made.entries) == (8, 7)
    assert worklists.make(toy, TOY, "audit").params["prefix"] == 39


def test_a_mixed_list_keeps_each_kind_and_names_what_had_nothing(toy):
    policy.write(toy.store, TOY, policy.Policy(mix={"audit": 1, "gaps": 1, "rotation": 2}))
    made = worklists.make(toy, TOY, "mixed", limit=10)
    assert made.title == "Mixed, without rotation surprise (nothing there)"
    assert made.params["mix"] == {"audit": 0.25, "gaps": 0.25, "rotation": 0.5}
    assert made.params["absent"] == ["rotation"]
    assert worklists.kinds(toy.store, made.id) == {"audit": 5, "gaps": 5}
    assert {entry["kind"] for entry in worklists.entries(toy.store, made.id)} == {"audit", "gaps"}


def test_an_empty_list_is_no_list_and_says_why(toy):
    for turn, (sample,) in enumerate(rows(toy, "select id from sample")):
        decide(toy, sample, f"d{turn}")
    with pytest.raises(BadInput, match=r"Nothing is left for the queue Gaps of toy: .* has a decision"):
        worklists.make(toy, TOY, "gaps")
    with pytest.raises(BadInput, match=r"The first 39 samples of toy in the fixed random order all have a decision"):
        worklists.make(toy, TOY, "audit")
    assert worklists.listing(toy.store, TOY) == []


@pytest.mark.parametrize(
    "kind, params, error, told",
    [
        ("sideways", {}, BadInput, r"no ranking 'sideways'. Choose one of mixed, suspects"),
        ("audit", {"run": "r"}, BadInput, r"The queue audit has no parameter 'run'. It takes none."),
        ("gaps", {"sample": "x"}, BadInput, r"no parameter 'sample'. It takes by."),
        ("gaps", {"by": "moon"}, BadInput, r"no gaps by 'moon'. Choose one of class, region"),
        ("similar", {}, BadInput, r"The queue similar needs sample"),
        ("cell", {"truth": "wheat"}, BadInput, r"The queue cell needs predicted"),
        ("similar", {"sample": "nowhere"}, UnknownSample, r"no sample 'nowhere' in toy"),
        ("disagrees", {}, BadInput, r"No run of toy has predictions .* python -m modeling train"),
        ("disagrees", {"run": "nobody"}, UnknownRun, r"no run 'nobody' of toy"),
        ("unverified", {"order": "upside down"}, BadInput, r"no order 'upside down'"),
        ("mixed", {"mix": {"audit": -1}}, BadInput, r"numbers from 0"),
        ("mixed", {"mix": {"audit": float("nan")}}, BadInput, r"numbers from 0"),
    ],
)
def test_bad_requests_are_answered_with_the_way_out_and_store_nothing(toy, kind, params, error, told):
    with pytest.raises(error, match=told):
        worklists.make(toy, TOY, kind, params)
    assert worklists.listing(toy.store, TOY) == []


@pytest.mark.parametrize("limit", [0, -1, 10**7, 1.5, True])
def test_a_limit_that_is_none_is_refused(toy, limit):
    with pytest.raises(BadInput, match="1 to 1,000,000 samples"):
        worklists.make(toy, TOY, "audit", limit=limit)


def test_no_such_collection(empty):
    with pytest.raises(UnknownCollection, match="nowhere"):
        worklists.make(empty, "nowhere", "audit")


# The command


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["queue", *words])
    return result.exit_code, result.output


def test_the_command_makes_lists_shows_and_drops(toy):
    code, text = run(
        "make", "mixed", "--collection", TOY, "--limit", "6", "--mix", "audit=2", "--mix", "gaps=1", "--curator", "ada", "--json"
    )
    made = json.loads(text)
    assert code == 0
    assert made["kinds"] == {"audit": 4, "gaps": 2}
    assert {**asdict(worklists.get(toy.store, made["id"])), "kinds": made["kinds"]} == made
    assert json.loads(run("list", "--json")[1])["queues"][0]["curator"] == "ada"
    shown = json.loads(run("show", str(made["id"]), "--limit", "2", "--after", "1", "--json")[1])
    assert [entry["rank"] for entry in shown["listed"]] == [2, 3]
    assert "Random audit: 1 of the first 6" in run("show", str(made["id"]))[1]
    assert json.loads(run("drop", str(made["id"]), "--json")[1]) == {"dropped": made["id"]}
    assert "No stored queues yet" in run("list", "--collection", TOY)[1]


def test_the_command_tells_where_to_open_its_list(toy):
    code, text = run("make", "gaps", "--collection", TOY, "--by", "region")
    assert code == 0
    assert f"?collection={TOY}&queue=list:1" in text
    assert "toy: Gaps, 39 samples, 39 open" in text


def test_the_command_ends_with_status_1_and_the_reason(toy):
    code, text = run("make", "outliers", "--collection", TOY)
    assert code == 1
    assert "No class of toy has 20 verified samples yet" in text
    code, text = run("make", "mixed", "--collection", TOY, "--mix", "audit")
    assert (code, "given as KIND=SHARE, for example outliers=0.2, not 'audit'" in text) == (1, True)
    code, text = run("show", "7")
    assert (code, "no stored queue number 7" in text) == (1, True)


def test_the_help_names_every_kind(toy):
    text = run("make", "--help")[1]
    assert all(kind in text and entry.help[:30] in text for kind, entry in registry.KINDS.items())
