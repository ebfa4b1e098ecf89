"""The next sample from any queue, and the making of stored ones, in the database's own time. Run by hand:

    python -m tests.benchmarks.queue_pick [--samples 1000 --samples 15700 --samples 1000000] [--picks 200] [--keep FOLDER] [--json]

Stores of each size (`big_store`; 1,000,000 samples take about 2 GB and three minutes), fresh and with the front 60 % decided, while 20
others hold leases on what comes next in the queue: all that they may, but together no more than half of what is open in the smallest.
From every queue a sample is picked at its front, as when it is opened, and after one of its members, as when somebody goes on; sizes
take turns, so that a busy moment meets all of them. Time counts while SQLite executes or fetches, on a connection of its own for
every pick, as the pages have it; the opening of the connection, with the reading of the schema, is the same for everything and told
by itself.

Every ranking is made into a stored queue of 10,000, in the fresh store and again in the decided one, where those made before are
"worked lists"; all are picked from too. Rankings that find nothing (the envelope's before anything is decided, or where there are no
statistics) are told as such.

Targets: a pick takes under 1 ms at the median, and at most 1.5 times what it takes with the smallest store.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

from data.command import as_json, report
from data.errors import BadInput
from data.workspace import Workspace
from labeling import leases, queues, serving, worklists
from labeling.queues import Queue
from labeling.rankings import registry
from tests.benchmarks import big_store
from tests.benchmarks.big_store import CURATORS, NAME, RUN

SIZES = (1_000, big_store.CANADIAN, 1_000_000)
SHARES = (0.0, 0.6)  # of the samples that are decided
HELD = len(CURATORS) * serving.HOLD[1]  # leases of the others, at most
LIMIT = 10_000
MOST_SECONDS = 15  # at one queue: a slow one is seen to be slow after fewer picks
MOST_MS, MOST_RATIO = 1.0, 1.5
ME = CURATORS[0]
CELL = "select truth, predicted from prediction where run = ? group by truth, predicted order by count(*) desc, truth limit 1"


class Clock:
    """Seconds that SQLite took, of all connections that are opened meanwhile: opening them, and then their statements."""

    def __init__(self) -> None:
        self.opening = self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator["Clock"]:
        """Counts from 0."""
        self.opening = self.seconds = 0.0
        with patch("sqlite3.connect", partial(sqlite3.connect, factory=self._connection())):
            yield self

    def _connection(self) -> type[sqlite3.Connection]:
        clock, timed = self, self._timed

        class Cursor(sqlite3.Cursor):
            execute, executemany = timed(sqlite3.Cursor.execute), timed(sqlite3.Cursor.executemany)
            fetchone, fetchall = timed(sqlite3.Cursor.fetchone), timed(sqlite3.Cursor.fetchall)
            fetchmany, __next__ = timed(sqlite3.Cursor.fetchmany), timed(sqlite3.Cursor.__next__)

        class Connection(sqlite3.Connection):
            commit = timed(sqlite3.Connection.commit)

            def __init__(self, *args, **kwargs) -> None:
                began = time.perf_counter()
                super().__init__(*args, **kwargs)
                super().execute("select 1 from sqlite_schema limit 1").fetchone()
                clock.opening += time.perf_counter() - began

            def execute(self, *args) -> sqlite3.Cursor:
                return self.cursor(Cursor).execute(*args)

            def executemany(self, *args) -> sqlite3.Cursor:
                return self.cursor(Cursor).executemany(*args)

        return Connection

    def _timed(self, method: Callable) -> Callable:
        def timed(*args):
            began = time.perf_counter()
            try:
                return method(*args)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


@dataclass
class Picks:
    """One store at work.

    queues: by a name that is the same for every size. places: open members of the queue at work, to go on from.
    times: (queue, where) -> ms of each pick. openings: ms of each connection.
    """

    workspace: Workspace
    queues: dict[str, Queue]
    places: list[int] = field(default_factory=list)
    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    openings: list[float] = field(default_factory=list)

    def begin(self, name: str, held: int) -> None:
        """Turn to a queue, whose first `held` samples the others hold in turn."""
        first = self._following(name, None, held + 1_000)
        self.places = first[::7]
        with self.workspace.store.writing() as db:
            db.execute("delete from lease")
            for turn, curator in enumerate(CURATORS):
                leases.take(db, f"tab of {curator}", curator, first[:held][turn :: len(CURATORS)])

    def open(self, name: str) -> int:
        """How many samples the queue has for me, counted up to 2 * HELD."""
        return len(self._following(name, None, 2 * HELD))

    def _following(self, name: str, after: int | None, count: int, **who: str) -> list[int]:
        return queues.following(self.workspace.store, NAME, self.queues[name], after, count, curator=ME, **who)

    def pick(self, clock: Clock, name: str, where: str, number: int) -> None:
        """One pick from the queue's front, or after one of its members."""
        after = None if where == "front" or not self.places else self.places[number % len(self.places)]
        with clock.running():
            self._following(name, after, 1, holder="my tab")
        self.times.setdefault((name, where), []).append(1_000 * clock.seconds)
        self.openings.append(1_000 * clock.opening)


@click.command()
@click.option("--samples", "sizes", multiple=True, default=SIZES, show_default=True, type=click.IntRange(1_000))
@click.option("--picks", default=200, show_default=True, help="Of each kind.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make or find the stores here; by default in a temporary folder.")
@as_json
def main(sizes: tuple[int, ...], picks: int, keep: Path | None, as_json: bool) -> None:
    """Print the medians of every queue and size, their ratios, and how long every stored queue took to make."""
    figures: dict = {"opening": {}, "picks": {}, "made": {}}
    with tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            click.echo(f"{share:.0%} decided: making stores and queues, picking", err=True)
            stores = {size: _store(keep or Path(folder), size, share) for size in sizes}
            made = {size: {kind: _made(store, kind) for kind in registry.KINDS} for size, store in stores.items()}
            at_work = {size: _picks(store) for size, store in stores.items()}
            _pick_in_turn(at_work, picks)
            figures["opening"][f"{share:.0%}"] = {str(size): round(float(np.median(work.openings)), 3) for size, work in at_work.items()}
            figures["picks"][f"{share:.0%}"] = _summary(at_work, sizes)
            figures["made"][f"{share:.0%}"] = made
    report(figures, _text(figures), as_json=as_json)


def _store(folder: Path, size: int, share: float) -> Workspace:
    """A store of that size; the decided one begins as a copy of the fresh one, with its stored queues."""
    fresh, home = Workspace(folder / f"{size}-0"), Workspace(folder / f"{size}-{share:.0%}") if share else Workspace(folder / f"{size}-0")
    if not fresh.exists():
        big_store.make(fresh.home, size)
    if not home.exists():
        shutil.copytree(fresh.home, home.home)
        big_store.decide(home.store, share)
    return home


def _made(workspace: Workspace, kind: str) -> dict:
    """Make a stored queue of that kind: entries, seconds in all and SQLite's part of them; or why there is none."""
    with workspace.store.reading() as db:
        truth, predicted = db.execute(CELL, [RUN]).fetchone()
    params = {"cell": {"truth": truth, "predicted": predicted}, "similar": {"sample": 1}}.get(kind)
    began = time.perf_counter()
    try:
        with Clock().running() as clock:
            made = worklists.make(workspace, NAME, kind, params, limit=LIMIT)
    except BadInput as error:
        return {"entries": 0, "none": str(error)}
    return {"entries": made.entries, "seconds": round(time.perf_counter() - began, 2), "database": round(clock.seconds, 2)}


def _picks(workspace: Workspace) -> Picks:
    """The store's queues: every rule, and the stored ones."""
    with workspace.store.reading() as db:
        truth, predicted = db.execute(CELL, [RUN]).fetchone()
        crop = db.execute("select inventory_code from sample group by inventory_code order by count(*) desc limit 1").fetchone()[0]
        region = db.execute("select region from site group by region order by count(*) desc limit 1").fetchone()[0]
    values = {"crop": (str(crop),), "region": (region,), "cell": (RUN, truth, predicted), "suspects": (RUN,)}
    rules = {kind: Queue(kind, values.get(kind, ())) for kind in queues.KINDS if kind != "list"}
    lists = {}
    for item in worklists.listing(workspace.store, NAME):  # the newest first
        name = f"list of {item.kind}"
        lists[f"worked {name}" if name in lists else name] = Queue("list", (str(item.id),))
    return Picks(workspace, rules | lists)


def _pick_in_turn(at_work: dict[int, Picks], picks: int) -> None:
    clock = Clock()
    for name in sorted(set.intersection(*(set(work.queues) for work in at_work.values()))):
        held = min(HELD, *(work.open(name) // 2 for work in at_work.values()))
        for work in at_work.values():
            work.begin(name, held)
        until = time.monotonic() + MOST_SECONDS
        for number in range(picks):
            for where in ("front", "on"):
                for work in at_work.values():
                    work.pick(clock, name, where, number)
            if time.monotonic() > until:
                break


def _summary(at_work: dict[int, Picks], sizes: tuple[int, ...]) -> dict:
    """Queue and place -> median ms by size, how much dearer each size is than the first, and whether that is too much."""
    found = {}
    for name, where in at_work[sizes[0]].times:
        medians = {size: float(np.median(work.times[name, where])) for size, work in at_work.items()}
        found[f"{name}, {where}"] = {
            "ms": {str(size): round(median, 3) for size, median in medians.items()},
            "ratio": {str(size): round(median / medians[sizes[0]], 2) for size, median in medians.items()},
            "missed": any(median > MOST_MS or median > MOST_RATIO * medians[sizes[0]] for median in medians.values()),
        }
    return found


def _text(figures: dict) -> str:
    lines = []
    for share, found in figures["picks"].items():
        lines += [f"{share} decided; a connection is opened in {figures['opening'][share]} ms"]
        for name, row in found.items():
            told = ", ".join(f"{int(size):,}: {ms:.3f} ms (x {row['ratio'][size]})" for size, ms in row["ms"].items())
            lines += [f"  {name:<32} {told}{'  MISSED' if row['missed'] else ''}"]
        for size, made in figures["made"][share].items():
            lines += [f"  made with {size:,} samples: " + ", ".join(f"{kind} {_told(entry)}" for kind, entry in made.items())]
    return "\n".join(lines)


def _told(made: dict) -> str:
    return f"{made['seconds']} s ({made['entries']:,})" if made["entries"] else "nothing"


if __name__ == "__main__":
    main()
