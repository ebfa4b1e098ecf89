"""The one folder that holds all state: `CROPCHECK_HOME`, or `workspace/` in the checkout.

cropcheck.db          the store
patches/<collection>/ shards of pixels
runs/<run>/           one folder a training run
studies/<study>/      one folder a study, which compares runs
jobs/<job>/           one folder an import or export that was started from the app
uploads/              files that came in through the browser
exports/              data sets that were published from the app
stacks/<stack>/       one folder a season stack: a GeoTIFF a date
maps/<map>/           one folder a map: what a run predicts over a season stack, as rasters
backups/              whole copies of the store, each with a JSON file that says what is in it
"""

import os
from dataclasses import dataclass
from pathlib import Path

from data.errors import WorkspaceError
from data.store import Store

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workspace:
    """Paths of one workspace. Holds no connection and no open file, so one instance serves every thread and session."""

    home: Path

    @property
    def store(self) -> Store:
        return Store(self.home / "cropcheck.db")

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def studies(self) -> Path:
        return self.home / "studies"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"

    @property
    def exports(self) -> Path:
        return self.home / "exports"

    @property
    def stacks(self) -> Path:
        return self.home / "stacks"

    @property
    def maps(self) -> Path:
        return self.home / "maps"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    def shards(self, collection: str) -> Path:
        """The folder of a collection's pixels."""
        return self.home / "patches" / collection

    def exists(self) -> bool:
        return self.store.path.exists()

    def open(self) -> "Workspace":
        """The workspace, its database brought up to date.

        Raises:
            WorkspaceError: there is none yet.
            StoreTooNew: the database belongs to a newer version.
        """
        if not self.exists():
            raise WorkspaceError(f"There is no workspace at {self.home}. Make one with: python -m data init")
        return self.create()

    def create(self) -> "Workspace":
        """Make the folder and its database, or bring an older database up to date.

        Raises:
            WorkspaceError: the folder cannot be written.
            StoreTooNew: the database belongs to a newer version.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.runs.mkdir(exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"The workspace {self.home} cannot be written: {error.strerror}. "
                "Make it writable, or set CROPCHECK_HOME to a folder that is."
            ) from error
        self.store.migrate()
        return self


def of(store: Store) -> Workspace:
    """The workspace that a store belongs to."""
    return Workspace(store.path.parent)


def current() -> Workspace:
    """The workspace named by CROPCHECK_HOME, or `workspace/` in the checkout. Creates nothing."""
    return Workspace(Path(os.environ.get("CROPCHECK_HOME") or CHECKOUT / "workspace").expanduser().resolve())
