"""A backup is the store as it was at one moment, found whole; a restore puts it in force under the eyes of everybody who is at work."""

import hashlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlite_utils import Database

from data import backups, restoring, versions
from data.backups import Backup
from data.errors import BadInput, StoreTooNew, WorkspaceError
from data.schema import migrations
from data.workspace import Workspace
from labeling import decisions, team
from labeling.__main__ import main
from tests.conftest import ROOT
from tests.test_store import fill

# A curator on a machine of its own, who decides as fast as the store takes it and says what is stored.
CURATOR = """
import sys
from pathlib import Path
from data.store import Store
from labeling import decisions
store, name = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(100_000):
    outcome, = decisions.record(store, "c", name, [{"uid": f"{name}-{number}", "sample": number % 3 + 1, "action": "flag"}])
    assert outcome.stored, outcome
    print(outcome.uid, flush=True)
"""
# Somebody who looks all the time: each look is one consistent state, in which the newest event is the newest of its sample's.
READER = """
import sys
from pathlib import Path
from data.store import Store
store = Store(Path(sys.argv[1]))
while True:
    with store.reading() as db:
        count = db.execute("select count(*) from event").fetchone()[0]
        uids = len(db.execute("select uid from event").fetchall())
        assert count == uids
        assert [row[0] for row in db.execute("pragma quick_check")] == ["ok"]
    print(count, flush=True)
"""
AGAIN = """
import sys
from pathlib import Path
from data import backups, restoring
from data.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    {call}
"""


@pytest.fixture
def small(tmp_path, monkeypatch) -> Workspace:
    """Three samples without pixels, numbers 1 to 3, of collection c."""
    workspace = Workspace(tmp_path / "small").create()
    monkeypatch.setenv("CROPCHECK_HOME", str(workspace.home))
    with workspace.store.writing() as db:
        fill(db)
    return workspace


def say(workspace: Workspace, *uids: str, sample: int = 1) -> None:
    outcomes = decisions.record(workspace.store, "c", "ann", [{"uid": uid, "sample": sample, "action": "flag"} for uid in uids])
    assert all(outcome.stored for outcome in outcomes)


def uids(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("select uid from event order by id")]


def there(workspace: Workspace) -> list[str]:
    """Names of all files in the folder of the backups, but for its lock."""
    return sorted(path.name for path in workspace.backups.iterdir() if path.name != "lock")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def child(program: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# Making them


def test_a_backup_is_one_file_that_holds_what_the_store_holds_and_a_note_of_it(small):
    say(small, "e1", "e2")
    made = backups.backup(small)
    path = small.backups / made.name
    assert there(small) == [made.name, path.with_suffix(".json").name]
    assert uids(path) == ["e1", "e2"] and (made.events, made.newest, made.why) == (2, 2, "asked for")
    assert made.bytes == path.stat().st_size and made.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert made.versions == {"c": versions.current(small.store, "c").whole}
    assert backups.listing(small) == [made]
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(small.store.path)) as other:
        assert list(one.iterdump()) == list(other.iterdump())


def test_two_backups_of_one_second_and_one_state_are_two_files(small):
    assert len({backups.backup(small).name for _ in range(3)}) == 3


def test_a_backup_is_one_moment_of_a_store_that_is_written_to(small):
    curator = child(CURATOR, small.store.path, "bob")
    try:
        assert curator.stdout.readline()
        made = [backups.backup(small, keep=50) for _ in range(4)]
    finally:
        curator.kill()
        curator.communicate()
    said = uids(small.store.path)
    for one in made:
        stored = uids(small.backups / one.name)
        assert stored == said[: len(stored)] and one.events == len(stored)
    assert made[0].events < made[-1].events


def test_a_copy_that_is_not_what_the_store_holds_is_no_backup(small, monkeypatch):
    say(small, "e1")
    first = backups.backup(small)
    faults = backups.faults
    monkeypatch.setattr(backups, "faults", lambda db: [*faults(db), "Page 7 is never used"])
    with pytest.raises(WorkspaceError, match="is not whole: Page 7 is never used"):
        backups.backup(small, keep=1)
    assert backups.listing(small) == [first] and len(there(small)) == 2


def test_a_damaged_store_makes_no_backup_and_costs_no_earlier_one(small):
    say(small, *(f"e{number}" for number in range(300)))
    first = backups.backup(small)
    with closing(sqlite3.connect(small.store.path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        root = db.execute("select rootpage from sqlite_master where name = 'event'").fetchone()[0]
    with small.store.path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(WorkspaceError):
        backups.backup(small, keep=1)
    assert backups.listing(small) == [first]


def test_a_full_disk_costs_no_earlier_backup_and_leaves_nothing_half(small):
    first = backups.backup(small)
    limit = small.store.path.stat().st_size // 2

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # what is written beyond it fails, as on a full disk

    command = [sys.executable, "-m", "labeling", "backup", "--keep", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=full)
    assert ended.returncode == 1 and "The backup was not made" in ended.stderr and "Traceback" not in ended.stderr
    assert backups.listing(small) == [first] and len(there(small)) == 2


def noted(made: datetime) -> Backup:
    return Backup(f"{made:%Y%m%dT%H%M%SZ}", made.isoformat(), "asked for", 1, "", 0, 0, 0, {}, [])


def test_the_newest_stay_and_beside_them_the_last_of_each_day_and_week():
    now = datetime(2026, 7, 31, 18, tzinfo=UTC)
    known = [noted(now - timedelta(hours=6 * step)) for step in range(4 * 100)]
    kept = [one.name for one in backups.wanted(known, 5)]
    days = [f"202607{day}T180000Z" for day in range(31, 24, -1)]  # the last seven days that have one
    # Sundays end the ISO weeks; the week of the 31st, a Friday, has its last one on that day
    weeks = ["20260731T180000Z", *(f"{datetime(2026, 7, 26) - timedelta(weeks=week):%Y%m%d}T180000Z" for week in range(7))]
    newest = [one.name for one in known[:5]]
    assert kept == sorted({*newest, *days, *weeks}, reverse=True)


def test_rotation_keeps_the_one_just_made_whatever_the_clock_says(small):
    ahead = backups.backup(small)
    note = small.backups / ahead.name.replace(".db", ".json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"made": "2099-01-01T00:00:00+00:00"}))
    made = backups.backup(small, keep=1)
    assert made.name in {one.name for one in backups.listing(small)}


def test_rotation_leaves_files_alone_that_are_not_its_own(small):
    small.backups.mkdir()
    (small.backups / "mine.db").write_text("kept by hand")
    (small.backups / "cropcheck-20200101T000000Z-1.db").write_text("without a note")
    for _ in range(3):
        backups.backup(small, keep=1)
    assert {"mine.db", "cropcheck-20200101T000000Z-1.db"} <= set(there(small))


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.1])
def test_a_kill_in_the_middle_of_a_backup_leaves_no_half_one(small, moment):
    say(small, *(f"e{number}" for number in range(500)))
    maker = child(AGAIN.format(call="backups.backup(workspace, keep=3)"), small.home)
    assert maker.stdout.readline() == "ready\n"
    time.sleep(0.3 + moment)
    maker.kill()
    maker.communicate()
    for one in backups.listing(small):
        assert hashlib.sha256((small.backups / one.name).read_bytes()).hexdigest() == one.sha256
    assert backups.backup(small).events == 500
    assert not [name for name in there(small) if "partial" in name]


# Restoring them


def test_a_restore_puts_back_what_was_and_keeps_what_is(small):
    say(small, "e1", "e2")
    before = versions.current(small.store, "c")
    made = backups.backup(small)
    say(small, "e3", sample=2)
    done = restoring.restore(small, small.backups / made.name, older=True)
    assert uids(small.store.path) == ["e1", "e2"] and (done.lost, done.events) == (1, 2)
    assert versions.current(small.store, "c") == before
    assert uids(small.backups / done.safety.name) == ["e1", "e2", "e3"] and done.safety.why == f"before restoring {made.name}"
    again = restoring.restore(small, small.backups / done.safety.name)
    assert uids(small.store.path) == ["e1", "e2", "e3"] and again.lost == 0


def test_an_event_number_is_never_given_twice(small):
    made = backups.backup(small)
    say(small, "e1", "e2", "e3")
    restoring.restore(small, small.backups / made.name, older=True)
    say(small, "e4")
    with small.store.reading() as db:
        assert [tuple(row) for row in db.execute("select id, uid from event")] == [(4, "e4")]


def test_events_are_given_up_only_when_asked_to(small):
    made = backups.backup(small)
    say(small, "e1", "e2")
    with pytest.raises(BadInput, match=r"2 events were made since cropcheck-.* and are not in it.*--older"):
        restoring.restore(small, small.backups / made.name)
    assert uids(small.store.path) == ["e1", "e2"] and backups.listing(small) == [made]
    assert restoring.lost(small, small.backups / made.name) == 2


def test_a_backup_of_another_workspace_gives_up_all_events_and_says_so(small, tmp_path):
    other = Workspace(tmp_path / "other").create()
    with other.store.writing() as db:
        fill(db)
    say(other, "o1", "o2")
    say(small, "e1")
    path = other.backups / backups.backup(other).name
    with pytest.raises(BadInput, match="1 events were made since"):
        restoring.restore(small, path)


def shortened(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.999])
@pytest.mark.parametrize("noted_beside", [True, False])
def test_a_truncated_backup_is_refused_and_changes_nothing(small, share, noted_beside):
    say(small, *(f"e{number}" for number in range(50)))
    path = small.backups / backups.backup(small).name
    if not noted_beside:
        path.with_suffix(".json").unlink()
    shortened(path, int(path.stat().st_size * share))
    with pytest.raises(BadInput, match=r"cut short|no Cropcheck backup"):
        restoring.restore(small, path, older=True)
    assert len(uids(small.store.path)) == 50 and not [name for name in there(small) if "partial" in name]


def test_a_backup_with_a_changed_byte_is_refused(small):
    path = small.backups / backups.backup(small).name
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="was changed since it was made"):
        restoring.restore(small, path)


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table event (id integer primary key, uid text)")
        db.commit()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (foreign, "it is a database of something else"),
        (lambda path: path.write_bytes(b"PK\x03\x04 a zip"), "it is not a file of SQLite"),
        (lambda path: path.write_bytes(b""), "it is not a file of SQLite"),
        (lambda path: path.mkdir(), "There is no file"),
        (lambda path: None, "There is no file"),
    ],
)
def test_a_foreign_file_is_refused_and_changes_nothing(small, tmp_path, make, told):
    say(small, "e1")
    make(tmp_path / "given.db")
    ended = call("restore", str(tmp_path / "given.db"), "--older")
    assert ended.exit_code == 1 and told in ended.stderr
    assert uids(small.store.path) == ["e1"]


def test_a_backup_of_a_newer_version_is_refused(small):
    path = small.backups / backups.backup(small).name
    path.with_suffix(".json").unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("insert into _sqlite_migrations (migration_set, name, applied_at) values ('cropcheck', 'of_tomorrow', '2030')")
        db.commit()
    with pytest.raises(StoreTooNew, match="of_tomorrow"):
        restoring.restore(small, path)


def test_a_backup_of_an_older_version_gets_todays_tables(small, tmp_path):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrations.apply(Database(old), stop_before="team")
        fill(Database(old))
        old.execute(
            "insert into event (uid, sample, curator, action, new, stands, at) values ('o1', 1, 'eve', 'agree', '153', 1, '2026-01-01')"
        )
    restoring.restore(small, path)
    say(small, "e1")
    assert uids(small.store.path) == ["o1", "e1"]
    assert [person.name for person in team.curators(small.store)] == ["ann", "eve"]


def test_the_store_itself_is_no_backup(small):
    with pytest.raises(BadInput, match="is the store itself"):
        restoring.restore(small, small.store.path)


def test_a_restore_under_a_writer_and_a_reader_loses_nothing_that_was_stored(small):
    """What the writer was told is stored before the restore lies in the safety backup, what came after it in the store; none is doubled."""
    say(small, "e1")
    made = backups.backup(small)
    writer, reader = child(CURATOR, small.store.path, "bob"), child(READER, small.store.path)
    try:
        for process in (writer, reader):
            assert process.stdout.readline()
        time.sleep(0.5)
        done = restoring.restore(small, small.backups / made.name, older=True)
        time.sleep(0.5)
        assert writer.poll() is None and reader.poll() is None
    finally:
        writer.kill()
        reader.kill()
        said = writer.communicate()[0].split()
        looks, failed = reader.communicate()
    assert failed == ""
    kept, now = uids(small.backups / done.safety.name), uids(small.store.path)
    assert done.lost > 0 and len(now) > 1 and len(looks.split()) > 2
    assert not set(kept[1:]) & set(now[1:]) and kept[0] == now[0] == "e1"
    stored = [*kept[1:], *now[1:]]
    assert stored == [f"bob-{number}" for number in range(len(stored))] and set(said) <= set(stored)
    with closing(sqlite3.connect(small.store.path)) as db:
        assert db.execute("pragma integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("moment", [0.0, 0.03, 0.07, 0.15])
def test_a_kill_in_the_middle_of_a_restore_leaves_the_store_whole(small, moment):
    say(small, *(f"e{number}" for number in range(400)))
    small_one = backups.backup(small)
    say(small, *(f"f{number}" for number in range(400)))
    large_one = backups.backup(small)
    calls = "; ".join(f"restoring.restore(workspace, workspace.backups / '{one.name}', older=True)" for one in (small_one, large_one))
    maker = child(AGAIN.format(call=calls), small.home)
    assert maker.stdout.readline() == "ready\n"
    time.sleep(0.3 + moment)
    maker.kill()
    assert maker.communicate()[1] == ""
    assert len(uids(small.store.path)) in (400, 800)
    with closing(sqlite3.connect(small.store.path)) as db:
        assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
    say(small, "after")
    assert backups.backup(small).events in (401, 801)
    assert not [name for name in there(small) if "partial" in name]


def test_a_full_disk_while_restoring_leaves_the_store_as_it_was(small):
    made = backups.backup(small)
    say(small, *(f"e{number}" for number in range(50)))
    limit = small.store.path.stat().st_size // 2

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "labeling", "restore", str(small.backups / made.name), "--older"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=full)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert len(uids(small.store.path)) == 50


def test_a_store_that_is_gone_comes_back_without_its_old_log(small):
    say(small, "e1")
    made = backups.backup(small)
    small.store.path.unlink()
    small.store.path.with_name("cropcheck.db-wal").write_bytes(b"of the file before")
    done = restoring.restore(small, small.backups / made.name)
    assert uids(small.store.path) == ["e1"] and done.lost is None
    assert "cropcheck.db-wal" in {path.name for path in Path(done.aside).iterdir()}


def test_a_damaged_store_is_moved_aside_whole_when_asked_to(small):
    say(small, "e1")
    made = backups.backup(small)
    small.store.path.write_bytes(b"overwritten by something else" * 1000)
    with pytest.raises(WorkspaceError, match=r"is damaged\. Stop every Cropcheck process, then restore with --damaged"):
        restoring.restore(small, small.backups / made.name)
    done = restoring.restore(small, small.backups / made.name, damaged=True)
    assert uids(small.store.path) == ["e1"]
    assert (Path(done.aside) / "cropcheck.db").read_bytes().startswith(b"overwritten")


def test_pixels_that_the_backup_speaks_of_and_that_are_gone_are_named(demo):
    made = backups.backup(demo)
    (demo.home / "patches").unlink()
    done = restoring.restore(demo, demo.backups / made.name)
    assert "patches/bavaria-2018/" in done.missing[0] and done.missing[0].endswith(".npy")


# Commands


def test_the_commands_tell_what_they_did_and_how_to_go_back(small):
    say(small, "e1")
    made = json.loads(call("backup", "--json").stdout)
    assert (made["events"], made["newest"]) == (1, 1)
    assert made["name"] in call("backup", "--list").stdout
    say(small, "e2")
    refused = call("restore", str(small.backups / made["name"]))
    assert refused.exit_code == 1 and "1 events were made since" in refused.stderr
    done = call("restore", made["name"], "--older")
    assert done.exit_code == 0 and "1 event is no longer in force" in done.stdout
    (safety,) = [one for one in backups.listing(small) if one.why.startswith("before")]
    assert f"python -m labeling restore {safety.name}" in done.stdout
    assert uids(small.store.path) == ["e1"]


def test_no_backup_says_how_to_make_one(small):
    assert "No backups yet. Make one with: python -m labeling backup" in call("backup", "--list").stdout
    assert json.loads(call("backup", "--list", "--json").stdout) == {"backups": []}
