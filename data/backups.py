"""Whole copies of the store, made while curators work: taken in one consistent state, checked, rotated.

backups/cropcheck-<UTC time>-<newest event>.db     the copy, one file that opens by itself
backups/cropcheck-<UTC time>-<newest event>.json   what is in it: its SHA-256, how many events, the version of each collection

A copy is made under a temporary name and gets its own once it was found whole, so a kill leaves no half backup. Pixels are not in
it: they lie in `patches/`, never change, and are copied as files. What puts a backup in force again is `data.restoring`.
"""

import fcntl
import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from data import versions
from data.errors import BadInput, WorkspaceError
from data.schema import migrations
from data.store import Store
from data.workspace import Workspace

KEPT = 10  # newest backups that stay
DAYS, WEEKS = 7, 8  # beside them the last backup of each of so many days and weeks that have one
NAME = re.compile(r"cropcheck-\d{8}T\d{6}Z-\d+(-\d+)?\.db")
ASKED, BEFORE = "asked for", "before restoring"


@dataclass(frozen=True)
class Backup:
    """What the JSON file of a backup says.

    made: UTC, ISO-8601. why: ASKED, or BEFORE and the name of the file that was restored then.
    bytes, sha256: of the file.
    events: how many there are in it. newest: the id of the newest; 0 = none. refused: decisions kept that are no events.
    versions: collection -> its dataset version then, with the whole hash, as `collection@event-hash`.
    migrations: of its tables, in order.
    """

    name: str
    made: str
    why: str
    bytes: int
    sha256: str
    events: int
    newest: int
    refused: int
    versions: dict[str, str]
    migrations: list[str]


def backup(workspace: Workspace, *, keep: int = KEPT, why: str = ASKED) -> Backup:
    """Copy the store as it is now, check the copy against it, and remove backups that are no longer wanted.

    Args:
        keep: how many of the newest stay, beside the last of each of DAYS days and WEEKS weeks; at least 1.

    Raises:
        WorkspaceError: the copy could not be made, or is not what the store holds; earlier backups are untouched then.
    """
    with alone(workspace):
        made = make(workspace, why)
        _rotate(workspace, keep, made)
    return made


def make(workspace: Workspace, why: str) -> Backup:
    """The backup itself, inside `alone`; removes none.

    Raises:
        WorkspaceError: as `backup`.
    """
    temporary = workspace.backups / "copy.partial"
    try:
        with _told(workspace):
            return _copy(workspace, temporary, why)
    finally:
        temporary.unlink(missing_ok=True)


def listing(workspace: Workspace) -> list[Backup]:
    """The backups that there are, the newest first."""
    found = [_read(path) for path in workspace.backups.glob("cropcheck-*.db") if NAME.fullmatch(path.name)]
    return sorted((one for one in found if one), key=lambda one: (one.made, one.name), reverse=True)


def path_of(workspace: Workspace, name: str) -> Path:
    """The file of a backup.

    Raises:
        BadInput: there is none of that name.
    """
    path = workspace.backups / name
    if not NAME.fullmatch(name) or not path.exists():
        raise BadInput(f"There is no backup {name!r}. See: python -m labeling backup --list")
    return path


def described(path: Path) -> Backup | None:
    """What was noted of a backup wherever it lies; None where its JSON file is missing or not understood."""
    return _read(path)


def digest(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def faults(db: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with a database: damaged pages and indexes, rows that refer to none; [] = it is whole.

    Raises:
        sqlite3.DatabaseError: it is so damaged that it cannot be read.
    """
    found = [row[0] for row in db.execute("pragma integrity_check(5)") if row[0] != "ok"]
    return found + [f"a row of {row[0]} refers to a missing one of {row[2]}" for row in db.execute("pragma foreign_key_check").fetchmany(5)]


def _copy(workspace: Workspace, temporary: Path, why: str) -> Backup:
    """Make and check the copy, note what is in it, and give both files their names."""
    with workspace.store.reading() as db:
        content = _content(db)  # the first read begins the snapshot that is copied, too
        with _told(workspace), closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            db.conn.backup(copy)
            copy.execute("pragma journal_mode = delete")  # one file, that opens without the right to write beside it
    store = Store(temporary)
    with store.reading() as db:
        wrong = faults(db.conn) or ([] if _content(db) == content else ["it does not hold what the store holds"])
    if wrong:
        raise WorkspaceError(f"The copy of {workspace.store.path} is not whole: {wrong[0]}. Check the disk, and that of the store.")
    name = _free_name(workspace, content["newest"])
    made = Backup(
        name=name, made=datetime.now(UTC).isoformat(timespec="seconds"), why=why, bytes=temporary.stat().st_size, sha256=digest(temporary),
        **content,
    )  # fmt: skip
    _keep(workspace.backups / name, temporary, made)
    return made


def _content(db: Database) -> dict:
    """What a database holds, as far as a backup is held against the store."""
    collections = [row["name"] for row in db.execute("select name from collection order by name")]
    now = [versions.of(db, name, versions.ANY_EVENT) for name in collections]
    return {
        "events": db.execute("select count(*) from event").fetchone()[0],
        "newest": db.execute("select coalesce(max(id), 0) from event").fetchone()[0],
        "refused": db.execute("select count(*) from refused").fetchone()[0],
        "versions": {version.collection: version.whole for version in now},
        "migrations": [migration.name for migration in migrations.applied(db)],
    }


def _free_name(workspace: Workspace, newest: int) -> str:
    stem = f"cropcheck-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{newest}"
    names = (f"{stem}{number}.db" for number in ["", *(f"-{again}" for again in range(2, 1000))])
    return next(name for name in names if not (workspace.backups / name).exists())


def _keep(path: Path, temporary: Path, made: Backup) -> None:
    """Put both files in place, safe from a power cut; the copy last: a JSON file without one counts for nothing."""
    note = path.with_suffix(".json")
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(made), indent=2))
    for file, name in ((partial, note), (temporary, path)):
        _sync(file)
        file.replace(name)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Backup | None:
    try:
        noted = json.loads(path.with_suffix(".json").read_text())
        return Backup(**{field.name: noted[field.name] for field in fields(Backup)} | {"name": path.name})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _rotate(workspace: Workspace, keep: int, made: Backup) -> None:
    """Remove the backups that no rule keeps, never the one just made. A file without a JSON file of ours is left alone."""
    known = [one for one in listing(workspace) if one.name != made.name]
    kept = {one.name for one in wanted(known, keep - 1)}
    for one in known:
        if one.name not in kept:
            path = workspace.backups / one.name
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)


def wanted(known: list[Backup], keep: int) -> list[Backup]:
    """Of backups, the newest first, those to keep: `keep` of them, and the last of each of DAYS days and WEEKS weeks that have one."""
    kept = set(range(min(keep, len(known))))
    for count, form in ((DAYS, "%Y-%m-%d"), (WEEKS, "%G-%V")):
        last: dict[str, int] = {}
        for at, one in enumerate(known):
            last.setdefault(datetime.fromisoformat(one.made).strftime(form), at)
        kept |= set(list(last.values())[:count])
    return [known[at] for at in sorted(kept)]


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """One process at a time makes backups here; what a killed one left is cleared away."""
    try:
        workspace.backups.mkdir(exist_ok=True)
        file = (workspace.backups / "lock").open("a")
    except OSError as error:
        raise WorkspaceError(f"Backups cannot be written to {workspace.backups}: {error.strerror}. Make it writable.") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in workspace.backups.glob("*.partial*"):
            left.unlink(missing_ok=True)
        yield


@contextmanager
def _told(workspace: Workspace) -> Iterator[None]:
    """A full disk, or one that fails, in words. The copy has lost its name by then, the store is as it was."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise WorkspaceError(
            f"The backup was not made: {what}. Is the disk of {workspace.backups} full? Earlier backups and the store are as they were."
        ) from error
