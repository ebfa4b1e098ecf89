"""What the rankings share: their entries, the run that they ask, and whose samples count."""

from dataclasses import dataclass

import numpy as np

from data.errors import BadInput, UnknownRun
from data.store import Store
from labeling import queues

# Of a sample `s`, in a WHERE: one parameter, whether samples with a decision are wanted too.
WANTED = "(? or s.decision is null)"
# Runs that have what a ranking reads: FROM and WHERE, `r` is the run.
DOUBTED, PREDICTED = "suspect", "prediction"


@dataclass(frozen=True)
class Ranked:
    """An entry of a ranking.

    score: what it was ranked by; its meaning is the ranking's.
    reason: one sentence for the card.
    kind: the ranking that it comes from, where a queue mixes several; None = the queue's own.
    """

    sample: int
    score: float | None
    reason: str
    kind: str | None = None


def run_of(store: Store, collection: str, run: str | None, table: str) -> str:
    """The run to ask: `run`, or the collection's newest with rows in `table`.

    Args:
        table: DOUBTED (its labels are ranked) or PREDICTED (it judged samples that it did not learn from).

    Raises:
        UnknownRun: no such run of this collection.
        BadInput: the run, or every run of the collection, lacks such rows.
    """
    held = "p.run = r.name" if table == DOUBTED else f"p.run = r.name and {queues.JUDGED}"
    sql = f"select r.name from run r where r.collection = ? and (? is null or r.name = ?) and exists (select 1 from {table} p where {held})"
    with store.reading() as db:
        found = db.execute(f"{sql} order by r.created desc, r.name desc limit 1", [collection, run, run]).fetchone()
        known = run is None or db.execute("select 1 from run where collection = ? and name = ?", [collection, run]).fetchone()
    if found:
        return found["name"]
    if not known:
        raise UnknownRun(f"There is no run {run!r} of {collection}. See: python -m modeling runs")
    if table == DOUBTED:
        raise BadInput(
            f"{_none(collection, run)} ranked labels yet. Rank them on the Results page, or with: "
            f"python -m modeling suspects {f'--run {run}' if run else f'--collection {collection}'}"
        )
    raise BadInput(
        f"{_none(collection, run)} predictions on samples that were not learned from. Train a model on the Train page, or with: "
        f"python -m modeling train --collection {collection}"
    )


def _none(collection: str, run: str | None) -> str:
    return f"No run of {collection} has" if run is None else f"The run {run} has no"


def classes(store: Store, collection: str) -> dict[int, str]:
    """Code -> its learned class, or its own name where it is in none; without code 0, which is no label."""
    with store.reading() as db:
        rows = db.execute("select code, coalesce(learned, name) from legend_class where collection = ? and code <> 0", [collection])
        return {row[0]: row[1] for row in rows}


def learned(store: Store, collection: str) -> list[str]:
    """The learned classes in their order, which is that of stored probabilities."""
    with store.reading() as db:
        rows = db.execute("select name from learned_class where collection = ? order by position", [collection])
        return [row["name"] for row in rows]


def first(scores: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Positions of the `limit` lowest of (n,) scores, ascending; equal ones in an order drawn by `seed`, NaN left out."""
    drawn = np.random.default_rng(seed).random(len(scores))
    order = np.lexsort((drawn, scores))
    return order[: min(limit, int(np.isfinite(scores).sum()))]


def percent(share: float) -> str:
    """0.34 -> 34 %; near the ends and below one per cent with a decimal, so that a little is never told as nothing or all."""
    return f"{100 * share:.0f} %" if 0.01 <= share <= 0.99 or share in (0, 1) else f"{100 * share:.1f} %"
