"""The store keeps every decision, whoever writes at once and whatever dies, and derives one label from them."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from data.errors import StoreTooNew, WorkspaceError
from data.schema import migrations
from data.store import Store
from data.workspace import Workspace
from labeling import team
from labeling.trust import controls

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, SLOTS = 3, 2
CODE = 145  # the inventory's code of every sample

# A curator: decides on 50 random samples, reading what is in force before each decision.
CURATOR = '''
import random, sys
from pathlib import Path
from data.store import Store
store, name = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(50):
    with store.writing() as db:
        sample = random.Random(name + str(number)).randint(1, 3)
        old = db.execute("select decision from sample where id = ?", [sample]).fetchone()[0]
        db.execute(
            """insert into event (uid, sample, curator, action, old, new, stands, at)
            values (?, ?, ?, 'relabel', ?, '133', 1, '2026-01-01T00:00:00Z')""",
            [f"{name}-{number}", sample, name, old],
        )
'''

# A curator whose machine loses power between the decision and the commit.
KILLED = """
import os, signal, sys
from pathlib import Path
from data.store import Store
with Store(Path(sys.argv[1])).writing() as db:
    db["event"].insert({"uid": "lost", "sample": 1, "curator": "ann", "action": "agree", "new": "145", "stands": 1, "at": "2026-01-01"})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def fill(db: Database) -> None:
    """One collection of three samples with two images each, nothing decided."""
    db["collection"].insert(
        {
            "name": "c", "title": "C", "bands": "[]", "level": "L2A", "slots": SLOTS, "slot_names": "[]", "height": 1, "width": 1,
            "composites": 0, "simulated": 1, "licence": "", "attribution": "",
        }
    )  # fmt: skip
    db["legend_class"].insert({"collection": "c", "code": CODE, "name": "Winter Wheat", "name_fr": "Blé d'hiver", "color": "#809769"})
    for number in range(1, SAMPLES + 1):
        db["site"].insert({"id": number, "collection": "c", "name": str(number), "lon": 0, "lat": 0, "region": "ON"})
        db["sample"].insert(
            {
                "id": number, "collection": "c", "site": number, "name": str(number), "year": 2019, "inventory_code": CODE,
                "modal_code": CODE, "purity": 1, "shard": "0000", "shard_row": number, "height": 1, "width": 1, "crs": "EPSG:3978",
                "transform": "[]", "shuffle": number,
            }
        )  # fmt: skip
        for slot in range(SLOTS):
            image = {
                "id": number * 10 + slot,
                "sample": number,
                "slot": slot,
                "acquired": "2019-06",
                "day": 166,
                "clear": 1,
                "quality": "ok",
            }
            db["image"].insert(image)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Workspace:
    """A workspace that no test changes."""
    workspace = Workspace(tmp_path_factory.mktemp("store")).create()
    with workspace.store.writing() as db:
        fill(db)
    return workspace


@pytest.fixture
def store(filled, tmp_path) -> Store:
    copy = Workspace(tmp_path / "workspace")
    shutil.copytree(filled.home, copy.home)
    return copy.store


def append(db: Database, action: str, sample: int = 1, **values) -> int:
    """Append an event; its number."""
    count = db.execute("select count(*) from event").fetchone()[0]
    event = {"uid": f"u{count}", "sample": sample, "curator": "ann", "stands": 1, "at": "2026-01-01T00:00:00Z", "action": action} | values
    return db["event"].insert(event).last_pk


def rows(store: Store, sql: str) -> list[dict]:
    with store.reading() as db:
        return list(db.query(sql))


def test_eight_processes_deciding_at_once_lose_nothing(store):
    curators = [subprocess.Popen([sys.executable, "-c", CURATOR, str(store.path), f"curator{n}"], cwd=ROOT) for n in range(8)]
    assert [curator.wait(timeout=120) for curator in curators] == [0] * 8
    stored = rows(store, "select sample, curator, uid, old, id from event order by id")
    assert {row["uid"] for row in stored} == {f"curator{n}-{number}" for n in range(8) for number in range(50)}
    assert len(stored) == 400
    newest = {}
    for row in stored:  # each saw exactly the decision that was in force just before its own
        assert row["old"] == newest.get(row["sample"])
        newest[row["sample"]] = str(row["id"])
    assert {str(row["id"]): str(row["decision"]) for row in rows(store, "select id, decision from sample")} == {
        str(sample): number for sample, number in newest.items()
    }


def test_a_process_killed_before_its_commit_leaves_no_row_and_no_lock(store):
    child = subprocess.run([sys.executable, "-c", KILLED, str(store.path)], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    assert rows(store, "select * from event") == []
    with store.writing() as db:
        append(db, "agree", new=str(CODE))
    assert len(rows(store, "select * from event")) == 1


def test_an_error_inside_a_transaction_leaves_no_row(store):
    with pytest.raises(KeyError, match="half-way"), store.writing() as db:
        append(db, "agree", new=str(CODE))
        raise KeyError("half-way")
    assert rows(store, "select * from event") == []
    assert rows(store, "select decision from sample where id = 1") == [{"decision": None}]


@pytest.mark.parametrize("statement", ["update event set curator = 'bob'", "delete from event", "replace into event select * from event"])
def test_an_event_can_neither_be_changed_nor_deleted(store, statement):
    with store.writing() as db:
        append(db, "agree", new=str(CODE))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.writing() as db:
        db.execute(statement)
    assert [row["curator"] for row in rows(store, "select curator from event")] == ["ann"]


def test_undo_restores_the_decision_before(store):
    with store.writing() as db:
        append(db, "agree", new=str(CODE))
        second = append(db, "relabel", new="133")
    assert rows(store, "select code, state from label where sample = 1") == [{"code": 133, "state": "relabelled"}]
    with store.writing() as db:
        append(db, "undo", undo_of=second)
    assert rows(store, "select code, state from label where sample = 1") == [{"code": CODE, "state": "agreed"}]
    assert len(rows(store, "select * from event")) == 3


def test_a_decision_cannot_be_undone_twice(store):
    with store.writing() as db:
        append(db, "undo", undo_of=append(db, "agree"))
    with pytest.raises(sqlite3.IntegrityError, match="undo_of"), store.writing() as db:
        append(db, "undo", undo_of=1)


def test_a_decision_sent_twice_is_stored_once(store):
    with store.writing() as db:
        append(db, "agree", uid="card-7")
    with pytest.raises(sqlite3.IntegrityError, match=r"event\.uid"), store.writing() as db:
        append(db, "agree", uid="card-7")


@pytest.mark.parametrize(
    "values",
    [
        {"action": "maybe"},
        {"action": "reject"},
        {"action": "agree", "reason": "mixed"},
        {"action": "quality", "new": "cloud"},
        {"action": "agree", "image": 10},
        {"action": "undo"},
        {"action": "agree", "curator": ""},
        {"action": "agree", "sample": 99},
        {"action": "agree", "ms": -1},
    ],
)
def test_an_event_that_makes_no_sense_is_refused_by_the_database_itself(store, values):
    with pytest.raises(sqlite3.IntegrityError, match=r"CHECK|FOREIGN KEY"), store.writing() as db:
        append(db, **values)


def test_a_reader_cannot_write(store):
    with pytest.raises(WorkspaceError, match="readonly"), store.reading() as db:
        append(db, "agree")


def test_a_reader_sees_one_state_while_others_write(store):
    with store.reading() as reader:
        before = reader.execute("select count(*) from event").fetchone()[0]
        with store.writing() as db:
            append(db, "agree")
        assert reader.execute("select count(*) from event").fetchone()[0] == before
    assert len(rows(store, "select * from event")) == before + 1


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(store):
    with store.writing() as db:
        db.execute("insert into _sqlite_migrations (migration_set, name, applied_at) values ('cropcheck', 'from_the_future', '2099-01-01')")
    with pytest.raises(
        StoreTooNew, match=r"newer Cropcheck \(unknown migrations: from_the_future\). Update this checkout, or point CROPCHECK_HOME"
    ):
        Workspace(store.path.parent).create()
    assert len(rows(store, "select * from sample")) == SAMPLES


def test_bringing_a_database_up_to_date_twice_changes_nothing(store):
    before = rows(store, "select * from sqlite_master order by name")
    store.migrate()
    assert rows(store, "select * from sqlite_master order by name") == before
    assert len(rows(store, "select * from sample")) == SAMPLES


def test_an_older_database_keeps_its_splits_and_runs_when_it_is_brought_up_to_date(tmp_path):
    path = tmp_path / "cropcheck.db"
    older = Database(sqlite3.connect(path, isolation_level=None))
    older.execute("pragma foreign_keys = on")
    migrations.apply(older, stop_before="inflow")
    older.execute(
        """insert into collection (name, title, bands, level, slots, slot_names, height, width, composites, simulated, licence, attribution)
        values ('c', 'C', '[]', 'L2A', 1, '["2018-06-01"]', 1, 1, 0, 0, 'MIT', 'us')"""
    )
    older.execute("insert into legend_class (collection, code, name, name_fr, color) values ('c', 1, 'oats', 'avoine', '#000000')")
    older.execute("insert into site (id, collection, name, lon, lat, region) values (1, 'c', 's', 0, 0, 'r')")
    older.execute(
        """insert into sample (id, collection, site, name, year, inventory_code, modal_code, purity, shard, shard_row, height, width, crs,
            transform, shuffle) values (1, 'c', 1, 's-2018', 2018, 1, 1, 1, '0000', 0, 1, 1, 'EPSG:4326', '[]', 0)"""
    )
    older.execute("insert into split values (7, 'c', 'random', 'random', 0, '{}', '2026')")
    older.execute("insert into split_member values (7, 1, 'train')")
    older.execute("insert into run values ('r', 'c', 'ltae', 'inventory', 7, '{}', 0, '', '2026')")
    older.conn.close()

    store = Store(path)
    store.migrate()
    assert [tuple(row.values())[:4] for row in rows(store, "select * from split")] == [(7, "c", "random", "random")]
    assert [row["split"] for row in rows(store, "select split from run union all select split from split_member")] == [7, 7]
    assert rows(store, "pragma foreign_key_check") == []
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"), store.writing() as db:
        db.execute("delete from split")


def test_an_older_database_gets_a_team_with_one_name_a_curator_and_their_open_questions(tmp_path):
    path = tmp_path / "cropcheck.db"
    older = Database(sqlite3.connect(path))
    migrations.apply(older, stop_before="team")
    fill(older)
    append(older, "unsure", 1, curator="Zoe")
    append(older, "agree", 2, curator="zoe", new=str(CODE))
    append(older, "flag", 2, curator="zoe", old="0", new="1")
    append(older, "agree", 3, curator="ZOE", new=str(CODE))
    older.conn.commit()
    older.conn.close()

    store = Store(path)
    store.migrate()
    assert rows(store, "select name, role from curator") == [{"name": "Zoe", "role": "administrator"}]
    assert {name: done.decisions for name, done in team.activity(store).items()} == {"Zoe": 3}
    assert [(record.curator, record.decisions) for record in controls.records(store, "c")] == [("Zoe", 3)]
    due = rows(store, "select sample, state, first, why from review order by sample")
    assert [tuple(row.values()) for row in due] == [(1, "due", "Zoe", "unsure"), (2, "due", "zoe", "flagged")]


def test_a_workspace_that_cannot_be_written_says_so_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        WorkspaceError, match=r"workspace .*file/workspace cannot be written: Not a directory. Make it writable, or set CROPCHECK_HOME"
    ):
        Workspace(tmp_path / "file" / "workspace").create()


def test_a_database_that_cannot_be_opened_says_so_with_the_way_out(tmp_path):
    (tmp_path / "cropcheck.db").mkdir()
    with pytest.raises(WorkspaceError, match=r"unable to open database file. Check that its folder is writable .* or point CROPCHECK_HOME"):
        Workspace(tmp_path).create()


def test_a_file_that_is_no_database_says_so_with_the_way_out(tmp_path):
    (tmp_path / "cropcheck.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkspaceError, match=r"file is not a database.*point CROPCHECK_HOME"):
        Workspace(tmp_path).create()


def test_reading_where_nothing_is_says_how_to_make_it(tmp_path):
    with pytest.raises(WorkspaceError, match=r"no Cropcheck database at .*python -m data init"), Store(tmp_path / "cropcheck.db").reading():
        pass
    assert list(tmp_path.iterdir()) == []


# One event of a random history: (action, sample, value, whether it stands). An undo's value picks what it undoes.
history = st.lists(
    st.tuples(
        st.sampled_from(["agree", "relabel", "reject", "unsure", "flag", "quality", "undo"]),
        st.integers(1, SAMPLES),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=25,
)


class _Rollback(Exception):
    """Raised to leave a transaction without a trace."""


@settings(max_examples=60, deadline=None)
@given(steps=history)
def test_labels_recomputed_from_the_events_equal_what_the_triggers_keep(filled, steps):
    with pytest.raises(_Rollback), filled.store.writing() as db:
        for action, sample, value, stands in steps:
            values = _columns(db, action, sample, value)
            if values is not None:
                append(db, action, sample, stands=int(stands), **values)
                assert _in_force(db) == _recomputed(list(db.query("select * from event order by id")))
        raise _Rollback
    assert rows(filled.store, "select * from event") == []


def _columns(db: Database, action: str, sample: int, value: int) -> dict | None:
    """The further columns of a random event; None where there is nothing left to undo."""
    if action == "undo":
        undone = "select undo_of from event where undo_of is not null"
        open_events = [
            row["id"] for row in db.query(f"select id from event where sample = {sample} and action <> 'undo' and id not in ({undone})")
        ]
        return {"undo_of": open_events[value % len(open_events)]} if open_events else None
    return {
        "agree": {"new": str(CODE)},
        "relabel": {"new": str(130 + value)},
        "reject": {"reason": ("mixed", "not_cropland", "no_signal")[value % 3]},
        "unsure": {},
        "flag": {"new": str(value % 2)},
        "quality": {"image": sample * 10 + value % SLOTS, "new": ("ok", "cloud", "bad")[value % 3]},
    }[action]


def _in_force(db: Database) -> dict:
    """What triggers and views say."""
    labels = "select sample, code, state, verified, flagged, curator, reason from label order by sample"
    return {
        "decision": {row["id"]: row["decision"] for row in db.query("select id, decision from sample")},
        "labels": [tuple(row.values()) for row in db.query(labels)],
        "quality": {row["image"]: row["quality"] for row in db.query("select image, quality from image_quality")},
        "progress": [
            tuple(row.values()) for row in db.query("select decided, agreed, relabelled, rejected, unsure, flagged from progress")
        ],
    }


def _recomputed(events: list[dict]) -> dict:
    """The same from the events alone."""
    undone = {event["undo_of"] for event in events}
    alive = [event for event in events if event["id"] not in undone and event["action"] != "undo"]
    decision, flagged, quality = {}, {}, {number * 10 + slot: "ok" for number in range(1, SAMPLES + 1) for slot in range(SLOTS)}
    for event in alive:
        if event["action"] == "flag":
            flagged[event["sample"]] = int(event["new"])
        elif event["action"] == "quality":
            quality[event["image"]] = event["new"]
        elif event["stands"]:
            decision[event["sample"]] = event
    labels = [_label(number, decision.get(number), flagged.get(number, 0)) for number in range(1, SAMPLES + 1)]
    states = [label[2] for label in labels]
    counts = tuple(states.count(state) for state in ("agreed", "relabelled", "rejected", "unsure"))
    return {
        "decision": {number: decision[number]["id"] if number in decision else None for number in range(1, SAMPLES + 1)},
        "labels": labels,
        "quality": quality,
        "progress": [(len(decision), *counts, sum(flagged.values()))],
    }


def _label(number: int, event: dict | None, flagged: int) -> tuple:
    if event is None:
        return (number, CODE, "unverified", 0, flagged, None, None)
    state = {"agree": "agreed", "relabel": "relabelled", "reject": "rejected", "unsure": "unsure"}[event["action"]]
    code = {"relabelled": int(event["new"] or 0), "rejected": None}.get(state, CODE)
    return (number, code, state, int(state in {"agreed", "relabelled"}), flagged, event["curator"], event["reason"])


def test_writing_to_a_database_that_vanished_is_refused_and_makes_no_empty_one(tmp_path):
    store = Store(tmp_path / "gone.db")
    with pytest.raises(WorkspaceError, match="cannot be used"), store.writing():
        pass
    assert not store.path.exists()
