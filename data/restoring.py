"""Putting a backup in force again, while others may read and write the store.

The backup is copied, checked and brought up to date beside the store; then SQLite's own backup writes the copy INTO the store, inside
the store's locks: everybody else sees the old state until the last page is in, and the new one from then on. A rename would not do:
whoever has the file open would go on writing into the old one, and its write-ahead log would be applied to the new one.

The present state is kept first, as a backup, under the same lock: no decision can come between the two. A kill leaves the store as it was.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from data import backups
from data.backups import Backup
from data.errors import BadInput, StoreTooNew, WorkspaceError
from data.schema import migrations
from data.store import BUSY_SECONDS, KNOWN_MIGRATIONS, Store
from data.workspace import Workspace

MAGIC, HEADER = b"SQLite format 3\0", 100  # and the header's bytes: https://www.sqlite.org/fileformat.html, section 1.3
LOST = "select count(*) from main.event e where not exists (select 1 from kept.event k where k.uid = e.uid)"
SHARDS = "select distinct collection, shard from sample order by collection, shard"


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    lost: events that the store had and the backup has not: they are in `safety`. None: the store before was not readable.
    events: how many there are now.
    safety: the backup of the state before. None: there was no readable one.
    aside: folder with the files of an unreadable store; None where there was none.
    missing: names of pixel files that the catalogue speaks of and that are gone.
    """

    file: str
    lost: int | None
    events: int
    safety: Backup | None
    aside: str | None
    missing: tuple[str, ...]


def lost(workspace: Workspace, file: Path) -> int:
    """How many events the store has now and the backup has not.

    Raises:
        BadInput, StoreTooNew: as `restore`.
    """
    with backups.alone(workspace), _prepared(workspace, file) as prepared:
        return _lost(workspace.store, prepared)


def restore(workspace: Workspace, file: Path, *, older: bool = False, damaged: bool = False) -> Restored:
    """Put the backup in `file` in force.

    Args:
        older: go on although the store has events that the backup has not.
        damaged: the store cannot be read: move its files aside and put the backup in their place. Nobody may have it open.

    Raises:
        BadInput: the file is missing, cut short, damaged or no store of Cropcheck; or events would be lost and `older` is False.
        StoreTooNew: it was written by a newer Cropcheck.
        WorkspaceError: the store is damaged and `damaged` is False, or is written to without a pause, or the disk is full.
    """
    workspace.home.mkdir(parents=True, exist_ok=True)
    with backups.alone(workspace), _prepared(workspace, file) as prepared:
        if _is_readable(workspace.store):
            found = _into(workspace, file, prepared, older)
        elif damaged or not workspace.exists():
            found = _in_place_of(workspace, file, prepared)
        else:
            raise WorkspaceError(
                f"The store {workspace.store.path} is damaged. Stop every Cropcheck process, then restore with --damaged: "
                "its files are moved aside, whole."
            )
    return found


@contextmanager
def _prepared(workspace: Workspace, file: Path) -> Iterator[Path]:
    """A checked copy of the backup with today's tables, for as long as it is needed."""
    _whole(workspace, file)
    copy = workspace.backups / "restored.partial"
    try:
        try:
            with (
                closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
                _known(file, target)
                wrong = backups.faults(target)
        except sqlite3.DatabaseError as error:
            wrong = [str(error)]
        if wrong:
            raise BadInput(f"{file} is damaged or cut short: {wrong[0]}. Take another backup: python -m labeling backup --list")
        Store(copy).migrate()
        yield copy
    finally:
        for part in ("", "-wal", "-shm", "-journal"):
            copy.with_name(copy.name + part).unlink(missing_ok=True)


def _whole(workspace: Workspace, file: Path) -> None:
    """Refuse what is no file of SQLite, the store itself, and what is not what was noted of it."""
    if not file.is_file():
        raise BadInput(f"There is no file {file}. See: python -m labeling backup --list")
    if workspace.exists() and file.samefile(workspace.store.path):
        raise BadInput(f"{file} is the store itself. Give one of its backups: python -m labeling backup --list")
    with file.open("rb") as opened:
        header = opened.read(HEADER)
    if not header.startswith(MAGIC):
        raise BadInput(f"{file} is no Cropcheck backup: it is not a file of SQLite. See: python -m labeling backup --list")
    noted, size = backups.described(file), file.stat().st_size
    if len(header) < HEADER or size % _page_size(header) or (noted and size != noted.bytes):
        of = f" of {noted.bytes:,}" if noted else ""
        raise BadInput(f"{file} is cut short: it has {size:,} bytes{of}. Take another backup, or copy it again.")
    if noted and backups.digest(file) != noted.sha256:
        raise BadInput(f"{file} was changed since it was made: its SHA-256 is not the one noted beside it. Take another backup.")


def _page_size(header: bytes) -> int:
    """Bytes of a page: SQLite would take the part of a last page for a whole one, filled up with zeros."""
    size = int.from_bytes(header[16:18], "big")
    return 65_536 if size == 1 else max(size, 1)


def _known(file: Path, copy: sqlite3.Connection) -> None:
    """Refuse a database that is not Cropcheck's, or of a newer one."""
    applied = {migration.name for migration in migrations.applied(Database(copy))} if _has_migrations(copy) else set()
    if not applied:
        raise BadInput(f"{file} is no Cropcheck backup: it is a database of something else. See: python -m labeling backup --list")
    if unknown := sorted(applied - KNOWN_MIGRATIONS):
        raise StoreTooNew(f"{file} was written by a newer Cropcheck (unknown migrations: {', '.join(unknown)}). Update this checkout.")


def _has_migrations(copy: sqlite3.Connection) -> bool:
    return bool(copy.execute("select 1 from sqlite_master where name = '_sqlite_migrations'").fetchone())


def _is_readable(store: Store) -> bool:
    """Whether there is a store that a backup can be made of."""
    if not store.path.exists():
        return False
    try:
        with store.reading() as db:
            return bool(_has_migrations(db.conn) and not backups.faults(db.conn))
    except WorkspaceError:
        return False


def _lost(store: Store, prepared: Path) -> int:
    with closing(sqlite3.connect(f"{store.path.as_uri()}?mode=ro", uri=True)) as db:
        db.execute("attach ? as kept", [f"{prepared.as_uri()}?mode=ro"])
        return db.execute(LOST).fetchone()[0]


def _refuse_loss(count: int, file: Path, older: bool) -> None:
    if count and not older:
        raise BadInput(
            f"{count:,} events were made since {file.name} and are not in it: they would no longer be in force. Restore it all the same "
            "with --older; the present state is kept as a backup first."
        )


def _into(workspace: Workspace, file: Path, prepared: Path, older: bool) -> Restored:
    """Write the copy into the store, inside the store's locks."""
    store = workspace.store
    workspace.open()
    _refuse_loss(_lost(store, prepared), file, older)
    kept: list[tuple[int, Backup]] = []
    deadline = time.monotonic() + BUSY_SECONDS

    def after_step(status: int, remaining: int, total: int) -> None:
        # From its first page on SQLite holds the store's write lock, and nobody else sees anything of it before the last one.
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise WorkspaceError(f"{store.path} is written to without a pause. Nothing was changed; try again when it is quieter.")
        if status == sqlite3.SQLITE_OK and not kept:
            count = _lost(store, prepared)
            _refuse_loss(count, file, older)
            safety = backups.make(workspace, f"{backups.BEFORE} {file.name}")
            kept.append((count, safety))
            _count_on(source, safety.newest)

    with _told(store), closing(sqlite3.connect(prepared, isolation_level=None)) as source, closing(_connected(store)) as live:
        source.backup(live, pages=1, progress=after_step, sleep=0.02)
        live.execute("pragma wal_checkpoint(truncate)").fetchone()
    ((count, safety),) = kept
    return Restored(str(file), count, _events(store), safety, None, _missing(workspace))


def _count_on(source: sqlite3.Connection, newest: int) -> None:
    """No event gets a number that an event before the restore had. What the source's own connection writes is copied, too."""
    source.execute("update sqlite_sequence set seq = max(seq, ?) where name = 'event'", [newest])
    if not source.execute("select 1 from sqlite_sequence where name = 'event'").fetchone():
        source.execute("insert into sqlite_sequence (name, seq) values ('event', ?)", [newest])


def _connected(store: Store) -> sqlite3.Connection:
    return sqlite3.connect(f"{store.path.as_uri()}?mode=rw", uri=True, timeout=1, isolation_level=None)


def _in_place_of(workspace: Workspace, file: Path, prepared: Path) -> Restored:
    """Put the copy where no readable store is; the files of an unreadable one go to a folder of their own, its log with it."""
    path = workspace.store.path
    there = [name for part in ("", "-wal", "-shm") if (name := path.with_name(path.name + part)).exists()]
    aside = workspace.backups / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}" if there else None
    for name in there:
        aside.mkdir(exist_ok=True)
        name.replace(aside / name.name)
    with closing(sqlite3.connect(prepared)) as db:
        db.execute("pragma wal_checkpoint(truncate)").fetchone()
    with prepared.open("rb") as opened:
        os.fsync(opened.fileno())
    prepared.replace(path)
    return Restored(str(file), None, _events(workspace.store), None, aside and str(aside), _missing(workspace))


def _events(store: Store) -> int:
    with store.reading() as db:
        return db.execute("select count(*) from event").fetchone()[0]


def _missing(workspace: Workspace) -> tuple[str, ...]:
    """Pixel files that the restored catalogue speaks of and that are gone."""
    with workspace.store.reading() as db:
        named = [(row["collection"], row["shard"]) for row in db.execute(SHARDS)]
    paths = [workspace.shards(collection) / f"{shard}.npy" for collection, shard in named]
    return tuple(str(path.relative_to(workspace.home)) for path in paths if not path.exists())


@contextmanager
def _told(store: Store) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise WorkspaceError(f"The backup was not restored: {error}. {store.path} is as it was; is its disk full?") from error
