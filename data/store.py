"""The curation database: one SQLite file, opened anew for every operation, written only inside BEGIN IMMEDIATE."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from data.errors import StoreTooNew, WorkspaceError
from data.schema import migrations

BUSY_SECONDS = 30
KNOWN_MIGRATIONS = frozenset(migration.name for migration in migrations.pending(Database(memory=True)))


@dataclass(frozen=True)
class Store:
    """The database at `path`. Holds no connection, so one instance serves every thread, session and process."""

    path: Path

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A read-only connection that sees one consistent state. Rows come as sqlite3.Row.

        Raises:
            WorkspaceError: there is no readable database.
        """
        if not self.path.exists():
            raise WorkspaceError(f"There is no Cropcheck database at {self.path}. Make one with: python -m data init")
        with self._connection(f"file:{self.path}?mode=ro") as db:
            db.execute("pragma query_only = 1")
            db.execute("begin")
            yield db

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction that owns the write lock from the start; nothing of it stays if the block raises.

        Raises:
            WorkspaceError: the database cannot be opened or written.
        """
        with self._connection(f"file:{self.path}?mode=rw") as db:
            # A deferred BEGIN that reads before it writes cannot be upgraded while another curator commits: SQLite
            # answers "database is locked" at once, whatever the timeout. IMMEDIATE takes the lock up front and waits.
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.conn.rollback()
                raise
            db.conn.commit()

    def migrate(self) -> None:
        """Create the tables, or bring an older database up to date.

        Raises:
            StoreTooNew: the file holds migrations that this version does not know.
        """
        with self._connection(f"file:{self.path}?mode=rwc") as db:
            db.enable_wal()
        with self.writing() as db:
            unknown = sorted({migration.name for migration in migrations.applied(db)} - KNOWN_MIGRATIONS)
            if unknown:
                raise StoreTooNew(
                    f"{self.path} was written by a newer Cropcheck (unknown migrations: {', '.join(unknown)}). "
                    "Update this checkout, or point CROPCHECK_HOME at another workspace."
                )
            migrations.apply(db)

    @contextmanager
    def _connection(self, uri: str) -> Iterator[Database]:
        try:
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            db = Database(connection)
            db.execute("pragma foreign_keys = on")
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            yield db
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError) or _is_our_mistake(error):
                raise
            raise self._unusable(error) from error
        finally:
            connection.close()

    def _unusable(self, error: sqlite3.Error) -> WorkspaceError:
        return WorkspaceError(
            f"The database {self.path} cannot be used: {error}. Check that its folder is writable and the disk not full, "
            "or point CROPCHECK_HOME at another workspace."
        )


def _is_our_mistake(error: sqlite3.Error) -> bool:
    """Whether SQLite complains of the statement, which is a bug, and not of the file or the disk."""
    return any(phrase in str(error) for phrase in ("syntax error", "no such column", "no such function"))
