"""Every queue gives exactly its members, in order, both ways, and the next one costs the same in a collection of any size."""

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from data import catalogue
from data.errors import BadInput, UnknownSample
from data.workspace import Workspace
from labeling import decisions, queues
from labeling.queues import Queue
from tests.kinds_world import UNLABELLED

CANADA = "canada-simulated-2019"
ODD = "Île-du-Prince-Édouard: 50 % / \"north\" & 'south' +#?=\n"
ALL_KINDS = (
    "all",
    "unverified",
    "crop:2",
    "region:QC",
    "region:NB",
    "cell:r-b:a:b",
    "random",
    "suspects:r-b",
    "second",
    "conflicts",
    "list:2",
)


def members(demo, condition: str, order: str = "s.id") -> list[int]:
    """The oracle: one plain scan and sort."""
    sql = f"select s.id from sample s join site t on t.id = s.site where s.collection = '{CANADA}' and {condition} order by {order}"
    with demo.store.reading() as db:
        return [row["id"] for row in db.execute(sql)]


def decide(demo, samples: list[int]) -> None:
    events = [{"uid": f"u{sample}", "sample": sample, "action": "agree"} for sample in samples]
    assert all(outcome.stored for outcome in decisions.record(demo.store, CANADA, "ann", events))


def walk(store, queue: Queue, step: int, collection: str = CANADA) -> list[int]:
    """The whole queue forward, `step` at a time."""
    found = queues.following(store, collection, queue, None, step)
    while more := queues.following(store, collection, queue, found[-1], step) if found else []:
        found += more
    return found


def walk_back(store, queue: Queue, sample: int, step: int) -> list[int]:
    """All before `sample`, in the queue's order."""
    found = queues.preceding(store, CANADA, queue, sample, step)
    while more := queues.preceding(store, CANADA, queue, found[0], step) if found else []:
        found = more + found
    return found


@pytest.fixture
def run(demo) -> Workspace:
    """A run's predictions for all of Canada: every third sample potato, else soybean; parts train, test and a fold in turn."""
    with demo.store.writing() as db:
        add_run(db, "run-1", CANADA)
        rows = [dict(row) for row in db.execute("select id, inventory_code from sample where collection = ?", [CANADA])]
        for row in rows:
            predicted = "Potato" if row["id"] % 3 == 0 else "Soybean"
            part = ("train", "validation", "test", "fold-3", "outside")[row["id"] % 5]
            truth = "Barley" if row["inventory_code"] == 133 else "Oat"
            prediction = {"run": "run-1", "sample": row["id"], "part": part, "truth": truth, "predicted": predicted}
            db["prediction"].insert(prediction | {"probability": 1, "probabilities": "[]"})
    return demo


def add_run(db: Database, name: str, collection: str, *, created: str = "2026-01-01") -> None:
    split = {"collection": collection, "name": name, "method": "random", "folds": 0, "params": "{}", "created": created}
    number = db["split"].insert(split).last_pk
    db["run"].insert(
        {
            "name": name, "collection": collection, "model": "ltae", "labels": "inventory", "split": number, "config": "{}",
            "last_event": 0, "content_hash": "", "created": created,
        }
    )  # fmt: skip


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_all_holds_every_sample_of_the_collection_in_order_and_none_of_another(demo, step):
    assert walk(demo.store, Queue("all"), step) == members(demo, "1")
    assert len(walk(demo.store, Queue("all"), step, "bavaria-2018")) == 20


def test_a_crop_holds_the_samples_with_that_inventory_label_and_leaves_out_what_is_decided(demo):
    barley = members(demo, "s.inventory_code = 133")
    assert len(barley) > 5
    assert walk(demo.store, Queue("crop", ("133",)), 3) == barley
    decide(demo, barley[2:5])
    assert walk(demo.store, Queue("crop", ("133",)), 3) == barley[:2] + barley[5:]
    assert walk_back(demo.store, Queue("crop", ("133",)), barley[5], 2) == barley[:5]
    assert queues.count(demo.store, CANADA, Queue("crop", ("133",))) == {"samples": len(barley), "open": len(barley) - 3}


@pytest.mark.parametrize("code", ["7", "99999999999999999999", "٣"])
def test_a_code_that_no_sample_carries_is_an_empty_queue(demo, code):
    assert walk(demo.store, queues.parse(f"crop:{code}"), 3) == []


def test_regions_hold_their_samples_and_together_all(demo):
    _, regions = queues.choices(demo.store, CANADA)
    found = {name: walk(demo.store, Queue("region", (name,)), 4) for name, _ in regions}
    assert found == {name: members(demo, f"t.region = '{name}'", "t.id, s.year") for name, _ in regions}
    assert {name: len(samples) for name, samples in found.items()} == dict(regions)
    assert sorted(chain(*found.values())) == members(demo, "1")


def test_random_holds_every_sample_once_in_a_fixed_order_that_is_not_that_of_import(demo):
    shuffled = walk(demo.store, Queue("random"), 7)
    assert shuffled == walk(demo.store, Queue("random"), 50) == members(demo, "1", "s.shuffle")
    assert sorted(shuffled) == members(demo, "1") != shuffled


def test_samples_with_the_same_random_number_are_all_served(demo):
    with demo.store.writing() as db:
        db.execute("update sample set shuffle = shuffle % 5 where collection = ?", [CANADA])
    assert walk(demo.store, Queue("random"), 7) == members(demo, "1", "s.shuffle, s.id")


def test_a_cell_holds_exactly_the_samples_that_the_run_was_judged_by(run):
    judged = members(run, "s.inventory_code = 133 and s.id % 3 = 0 and s.id % 5 in (2, 3)")
    assert judged
    assert walk(run.store, queues.parse("cell:run-1:Barley:Potato"), 1) == judged
    assert walk(run.store, queues.parse("cell:run-1:Barley:Wheat"), 1) == []
    assert walk(run.store, queues.parse("cell:run-2:Barley:Potato"), 1) == []
    assert queues.count(run.store, CANADA, queues.parse("cell:run-1:Barley:Potato")) == {"samples": len(judged), "open": len(judged)}


def test_unverified_skips_what_is_decided_going_forward_only(demo):
    every = members(demo, "1")
    decided = every[3:9] + every[20:21]
    decide(demo, decided)
    rest = [sample for sample in every if sample not in decided]
    assert walk(demo.store, Queue("unverified"), 2) == rest
    assert walk_back(demo.store, Queue("unverified"), every[21], 4) == every[:21]
    assert queues.count(demo.store, CANADA, Queue("unverified")) == {"samples": 240, "open": 233}


def test_a_decision_that_is_taken_back_is_unverified_again(demo):
    first = members(demo, "1")[0]
    decide(demo, [first])
    assert queues.following(demo.store, CANADA, Queue("unverified"), None, 1) != [first]
    decisions.record(demo.store, CANADA, "ann", [{"uid": "undo", "sample": first, "action": "undo", "undo_of": f"u{first}"}])
    assert queues.following(demo.store, CANADA, Queue("unverified"), None, 1) == [first]


@pytest.mark.parametrize("text", ["all", "unverified", "crop:133", "region:PE", "random", "cell:run-1:Barley:Soybean"])
def test_the_way_back_is_the_way_there_without_gaps(run, text):
    queue = queues.parse(text)
    there = walk(run.store, queue, 5)
    decide(run, there[::2])
    assert walk_back(run.store, queue, there[-1], 3) == there[:-1]
    assert queues.preceding(run.store, CANADA, queue, there[0], 3) == []


@pytest.mark.parametrize("text", ["all", "unverified", "crop:133", "region:PE", "random", "cell:run-1:Barley:Soybean"])
def test_positions_count_from_one_in_the_queues_order(run, text):
    queue = queues.parse(text)
    there = walk(run.store, queue, 50)
    assert [queues.position(run.store, CANADA, queue, sample) for sample in there] == list(range(1, len(there) + 1))
    entries = queues.entries(run.store, CANADA, queue, there)
    assert [(entry.sample, entry.rank) for entry in entries] == list(zip(there, range(1, len(there) + 1), strict=True))
    assert all(entry.reason for entry in entries)
    others = set(members(run, "1")) - set(there)
    assert all(queues.contains(run.store, CANADA, queue, sample) for sample in there)
    assert not any(queues.contains(run.store, CANADA, queue, sample) for sample in others)


def test_positions_of_unverified_keep_counting_what_was_decided_in_between(demo):
    every = members(demo, "1")
    decide(demo, [every[1], *every[3:6]])
    shown = queues.following(demo.store, CANADA, Queue("unverified"), None, 4)
    assert [entry.rank for entry in queues.entries(demo.store, CANADA, Queue("unverified"), shown)] == [1, 3, 7, 8]
    assert queues.entries(demo.store, CANADA, Queue("unverified"), []) == []


def test_a_sample_of_another_collection_is_no_place_in_a_queue(demo):
    with pytest.raises(UnknownSample, match=r"no sample number 1 in canada-simulated-2019. Reload the page"):
        queues.following(demo.store, CANADA, Queue("all"), 1, 5)


@pytest.mark.parametrize(
    "text", ["", "oldest", "all:1", "crop", "crop:barley", "crop:²", "crop:-1", "region", "cell:run-1:Barley", "cell:a:b:c:d", "suspects"]
)
def test_what_names_no_queue_is_answered_with_those_there_are(text):
    with pytest.raises(
        BadInput, match=r"There is no queue .* Use all, unverified, random, second, conflicts, crop:CODE, region:NAME, cell:RUN"
    ):
        queues.parse(text)


def test_a_crop_says_its_name_as_the_reason(demo):
    assert queues.reason(demo.store, CANADA, Queue("crop", ("133",))) == "The inventory says Barley."
    assert queues.reason(demo.store, CANADA, Queue("cell", ("r", "Oat", "Barley"))) == "Labelled Oat, run r reads it as Barley."


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.just(ODD)


@given(
    queue=st.one_of(
        st.sampled_from([Queue("all"), Queue("unverified"), Queue("random")]),
        st.integers(0, 10**6).map(lambda code: Queue("crop", (str(code),))),
        names.map(lambda name: Queue("region", (name,))),
        st.tuples(names, names, names).map(lambda values: Queue("cell", values)),
        names.map(lambda run: Queue("suspects", (run,))),
    )
)
def test_a_queue_survives_being_written_into_an_address(queue):
    assert queues.parse(str(queue)) == queue
    assert str(queue).isascii() and not set(str(queue)) & set(" /?#&+\"'\n")


def test_a_region_with_an_odd_name_is_served(demo):
    with demo.store.writing() as db:
        db.execute("update site set region = ? where collection = ? and region = 'PE'", [ODD, CANADA])
    some = walk(demo.store, queues.parse(str(Queue("region", (ODD,)))), 10)
    assert some == members(demo, "t.region != 'ON'", "t.id, s.year")
    assert (ODD, len(some)) in queues.choices(demo.store, CANADA)[1]


def test_the_choices_are_the_crops_and_regions_there_are_largest_first(demo):
    crops, regions = queues.choices(demo.store, CANADA)
    assert sum(number for _, _, number in crops) == sum(number for _, number in regions) == 240
    assert all(before[-1] >= after[-1] for listed in (crops, regions) for before, after in pairwise(listed))
    legend = {entry.code: entry.name for entry in catalogue.legend(demo.store, CANADA)}
    assert all(legend[code] == name for code, name, _ in crops)


def fill(db: Database, name: str, samples: int, first: int) -> None:
    """A collection of bare samples; the last three lie in a region of their own."""
    numbers = range(first, first + samples)
    db["collection"].insert(
        {
            "name": name, "title": name, "bands": "[]", "level": "L2A", "slots": 1, "slot_names": "[]", "height": 1, "width": 1,
            "composites": 0, "simulated": 1, "licence": "", "attribution": "",
        }
    )  # fmt: skip
    db["legend_class"].insert_all(
        {"collection": name, "code": code, "name": str(code), "name_fr": "", "color": "#000000"} for code in (1, 2)
    )
    db["site"].insert_all(
        {
            "id": number, "collection": name, "name": str(number), "lon": 0, "lat": 0,
            "region": "NB" if number > first + samples - 4 else ("ON", "QC")[number % 2],
        }
        for number in numbers
    )  # fmt: skip
    db["sample"].insert_all(
        {
            "id": number, "collection": name, "site": number, "name": str(number), "year": 2019, "inventory_code": number % 2 + 1,
            "modal_code": 1, "purity": 1, "shard": "0000", "shard_row": number, "height": 1, "width": 1, "crs": "", "transform": "[]",
            "shuffle": number * 2_654_435_761 % 1_000_003,
        }
        for number in numbers
    )  # fmt: skip
    add_run(db, f"r-{name}", name)
    db["prediction"].insert_all(
        {
            "run": f"r-{name}", "sample": number, "part": "test", "truth": "a", "predicted": "ab"[number % 2], "probability": 1,
            "probabilities": "[]",
        }
        for number in numbers
    )  # fmt: skip
    db["suspect"].insert_all(
        {
            "run": f"r-{name}", "sample": number, "rank": 1 + (number - first) * 7_919 % samples, "given": "a", "suggested": "b",
            "quality": 0.5, "probability": 0.5, "counted": 0, "reason": "",
        }
        for number in numbers
    )  # fmt: skip
    db["review"].insert_all(
        {"sample": number, "collection": name, "state": ("due", "conflict")[number % 2], "first": "ann", "why": "share"}
        for number in numbers
    )
    queue = db["queue"].insert({"collection": name, "kind": "purity", "params": "{}", "title": "", "last_event": 0, "made": ""}).last_pk
    db["queue_entry"].insert_all(
        {"queue": queue, "rank": 1 + (number - first) * 7_919 % samples, "sample": number, "kind": "purity", "reason": ""}
        for number in numbers
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> dict[int, Workspace]:
    """Three collections of 1,000 samples each, and three of 20,000."""
    made = {}
    for samples in (1_000, 20_000):
        made[samples] = Workspace(tmp_path_factory.mktemp("world")).create()
        with made[samples].store.writing() as db:
            for at, name in enumerate("abc"):
                fill(db, name, samples, 1 + at * samples)
    return made


def seeks(workspace: Workspace, samples: int, text: str):
    """The statements that read on from the start, the middle and both ends of the second collection, with their parameters."""
    queue, first, last = queues.parse(text), samples + 1, 2 * samples
    with workspace.store.reading() as db:
        yield db, *queues.seek_sql(queue, "b", [], ">", holder="tab", curator="ben")
        for sample in (first, first + samples // 2, last):
            place = queues._place(db, queue, "b", sample)
            for comparison in "<>":
                yield db, *queues.seek_sql(queue, "b", place, comparison, holder="tab", curator="ben")


def steps(db: Database, sql: str, values: list) -> int:
    """How many instructions of its virtual machine SQLite needs for the next 16: a cost that no other process disturbs."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    db.conn.set_progress_handler(tick, 1)
    db.execute(sql, [*values, 16]).fetchall()
    db.conn.set_progress_handler(None, 1)
    return count


@pytest.mark.parametrize("text", ALL_KINDS)
def test_the_next_cards_cost_the_same_among_60_000_samples_as_among_3_000(worlds, text):
    few, many = ([steps(*seek) for seek in seeks(worlds[samples], samples, text)] for samples in (1_000, 20_000))
    assert max(many) <= max(few) * 1.05 + 5 <= 2_000


@pytest.mark.parametrize("text", ALL_KINDS)
def test_no_queue_scans_or_sorts(worlds, text):
    for db, sql, values in seeks(worlds[1_000], 1_000, text):
        plan = [row["detail"] for row in db.execute(f"explain query plan {sql}", [*values, 16])]
        assert not [line for line in plan if line.startswith("SCAN") or "B-TREE" in line], plan


def test_samples_without_a_label_are_a_queue_of_their_own(kinds):
    crops, _ = queues.choices(kinds.store, UNLABELLED)
    assert crops[0] == (0, "No label", 6)
    queue = queues.parse("crop:0")
    assert queues.count(kinds.store, UNLABELLED, queue) == {"samples": 6, "open": 6}
    assert queues.reason(kinds.store, UNLABELLED, queue) == "The inventory has no label here."
    assert queues.reason(kinds.store, UNLABELLED, queues.parse("crop:999")) == "The inventory says Code 999."
