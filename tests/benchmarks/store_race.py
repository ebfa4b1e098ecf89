"""Many processes deciding in one store as fast as they can: nothing lost, nothing doubled, nobody turned away. Run by hand:

    python -m tests.benchmarks.store_race [--processes 20] [--decisions 500] [--json]

On a store of 15,700 samples (`big_store`), each process takes the next samples of the queue `unverified`, leases them in the same
transaction as the page does, and decides on them one by one, each decision a transaction of its own. It writes down from when to when
it held each sample. Afterwards this is read beside the store: every decision that was sent is there once and in force, no sample was
decided on by two, and no two held one at the same time. Before that, one process does its share alone in a store of its own.

Prints decisions a second of both, their ratio, and the slowest decision; exits 1 where anything is lost, doubled, refused or leased
twice.
"""

import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from data.command import as_json, report
from data.errors import CropcheckError
from data.store import Store
from labeling import decisions, leases, queues
from labeling.queues import Queue
from tests.benchmarks import big_store
from tests.benchmarks.big_store import NAME

PAGE = 10  # samples that are leased at once
QUEUE = Queue("unverified")


@click.command()
@click.option("--processes", default=20, show_default=True, type=click.IntRange(2))
@click.option("--decisions", "each", default=500, show_default=True, help="Of each process.")
@as_json
def main(processes: int, each: int, as_json: bool) -> None:
    """Print what became of all decisions."""
    with tempfile.TemporaryDirectory() as folder:
        alone = race(Path(folder) / "alone", 1, each)
        together = race(Path(folder) / "together", processes, each)
    figures = {"alone": alone, "together": together, "ratio": round(together["decisions_per_second"] / alone["decisions_per_second"], 2)}
    report(figures, "\n".join(f"{name}: {value}" for name, value in figures.items()), as_json=as_json)
    sys.exit(any(found["faults"] for found in (alone, together)))


def race(home: Path, processes: int, each: int) -> dict[str, Any]:
    """So many processes in a new store; what they did and what the store has of it."""
    samples = max(big_store.CANADIAN, 2 * processes * each)
    store = big_store.make(home, samples).store
    spawning = multiprocessing.get_context("spawn")  # as on every system: nothing is inherited
    start, trails = spawning.Barrier(processes), spawning.Queue()
    workers = [spawning.Process(target=_work, args=(store, number, each, start, trails)) for number in range(processes)]
    for worker in workers:
        worker.start()
    told = [trails.get() for _ in workers]
    for worker in workers:
        worker.join()
    return _judged(store, told, processes * each)


def _work(store: Store, number: int, each: int, start: Any, trails: Any) -> None:
    """One process: its decisions, and a trail of (sample, taken, released) and (uid, seconds); monotonic times are the machine's."""
    holder = curator = f"process-{number:02d}"
    held, sent, errors = [], [], []
    start.wait()
    began = time.monotonic()
    while len(sent) < each:
        try:
            samples = _taken(store, holder, curator)
        except CropcheckError as error:
            errors.append(str(error))
            continue
        taken = time.monotonic()
        for place, sample in enumerate(samples[: each - len(sent)]):
            uid = f"{holder}-{len(sent)}"
            asked = time.monotonic()
            event = {"uid": uid, "sample": sample, "action": "agree", "seen": None, "queue": str(QUEUE), "kind": QUEUE.kind, "rank": place}
            errors += _decided(store, curator, holder, event)
            held.append((sample, taken, asked))  # until it was given back it was held: at least until it was asked for
            sent.append((uid, time.monotonic() - asked))
        if not samples:
            errors.append("nothing was left to take")
            break
    trails.put({"holder": holder, "began": began, "ended": time.monotonic(), "held": held, "sent": sent, "errors": errors})


def _taken(store: Store, holder: str, curator: str) -> list[int]:
    """The next samples, leased: as `labeling.serving` does it."""
    with store.writing() as db:
        found = queues.seek(db, NAME, QUEUE, None, PAGE, holder=holder, curator=curator)
        return leases.take(db, holder, curator, found)


def _decided(store: Store, curator: str, holder: str, event: dict[str, Any]) -> list[str]:
    """Decide once; gives the faults."""
    try:
        outcome = decisions.record(store, NAME, curator, [event], holder=holder)[0]
    except CropcheckError as error:
        return [str(error)]
    return [] if outcome.stored and outcome.stands else [outcome.error or f"{outcome.uid} is only a second opinion"]


def _judged(store: Store, told: list[dict[str, Any]], wanted: int) -> dict[str, Any]:
    """The trails beside the store."""
    with store.reading() as db:
        stored = Counter(row["uid"] for row in db.execute("select uid from event"))
        samples = Counter(row["sample"] for row in db.execute("select sample from event where action = 'agree'"))
        in_force = db.execute("select count(decision) from sample").fetchone()[0]
    sent = {uid: took for trail in told for uid, took in trail["sent"]}
    seconds = max(trail["ended"] for trail in told) - min(trail["began"] for trail in told)
    faults = {
        "lost": len(set(sent) - set(stored)) + wanted - len(sent),
        "doubled": sum(stored.values()) - len(stored),
        "not_in_force": wanted - in_force,
        "samples_decided_twice": sum(times > 1 for times in samples.values()),
        "samples_held_twice": _overlaps(told),
        "errors": sum(len(trail["errors"]) for trail in told),
    }
    return {
        "processes": len(told), "decisions": len(sent), "seconds": round(seconds, 1),
        "decisions_per_second": round(len(sent) / seconds, 1),
        "median_ms": round(1_000 * float(np.median(list(sent.values()))), 2),
        "p95_ms": round(1_000 * float(np.percentile(list(sent.values()), 95)), 1), "slowest_ms": round(1_000 * max(sent.values()), 1),
        "faults": {name: count for name, count in faults.items() if count},
        "errors": sorted({error for trail in told for error in trail["errors"]})[:5],
    }  # fmt: skip


def _overlaps(told: list[dict[str, Any]]) -> int:
    """How often a sample was taken while somebody else still held it."""
    spans: dict[int, list[tuple[float, float, str]]] = {}
    for trail in told:
        for sample, taken, released in trail["held"]:
            spans.setdefault(sample, []).append((taken, released, trail["holder"]))
    return sum(later[0] < earlier[1] and later[2] != earlier[2] for held in spans.values() for earlier, later in pairwise(sorted(held)))


if __name__ == "__main__":
    main()
