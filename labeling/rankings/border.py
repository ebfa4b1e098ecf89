"""Near the decision border: samples whose first two classes a run holds for nearly alike, or whose probabilities are spread most.

Margin sampling (Scheffer, Decomain and Wrobel 2001) and entropy sampling (Settles 2009, Active Learning Literature Survey, 3.1). Samples
that the run learned from are left out, those outside its split are not: they are what active learning asks about.
"""

import json

import numpy as np

from data.errors import BadInput
from data.workspace import Workspace
from labeling.rankings.common import PREDICTED, WANTED, Ranked, first, learned, run_of

MEASURES = ("margin", "entropy")
PREDICTIONS = f"""
select p.sample, p.predicted, p.probabilities from prediction p join sample s on s.id = p.sample
where p.run = ? and s.collection = ? and {WANTED} and p.part not in ('train', 'validation') order by p.sample
"""


def ranked(
    workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False, run: str | None = None,
    measure: str = "margin",
) -> list[Ranked]:  # fmt: skip
    """Up to `limit` samples; score: the margin 0..1, or one less the entropy's share of its maximum; low = nearer to the border.

    Args:
        seed: of the order of equal ones.
        run: by default the newest run with predictions on samples that it did not learn from.
        measure: margin or entropy.

    Raises:
        UnknownRun, BadInput: as `common.run_of`; or there is no such measure.
    """
    if measure not in MEASURES:
        raise BadInput(f"There is no measure {measure!r} of nearness. Choose one of {', '.join(MEASURES)}.")
    run = run_of(workspace.store, collection, run, PREDICTED)
    with workspace.store.reading() as db:
        db.conn.row_factory = None
        rows = db.execute(PREDICTIONS, [run, collection, decided]).fetchall()
    if not rows:
        return []
    shares = np.array(json.loads(f"[{','.join(row[2] for row in rows)}]"), dtype=np.float64)
    scores = margins(shares) if measure == "margin" else 1 - entropies(shares)
    names = learned(workspace.store, collection)
    names = names if len(names) == shares.shape[1] else None
    return [
        Ranked(rows[at][0], float(scores[at]), _reason(run, rows[at][1], names, shares[at], measure)) for at in first(scores, limit, seed)
    ]


def margins(shares: np.ndarray) -> np.ndarray:
    """(n, K) probabilities -> (n,) first less second; 1 where there is one class only."""
    if shares.shape[1] < 2:
        return np.ones(len(shares))
    second, highest = np.partition(shares, -2, axis=1)[:, -2:].T
    return highest - second


def entropies(shares: np.ndarray) -> np.ndarray:
    """(n, K) probabilities -> (n,) Shannon entropy as a share 0..1 of that of K equal ones."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * np.log(shares), 0.0)
    return -terms.sum(axis=1) / np.log(max(2, shares.shape[1]))


def _reason(run: str, predicted: str, names: list[str] | None, shares: np.ndarray, measure: str) -> str:
    """names: the classes of `shares` in their order, or None where the run learned other ones than there are now."""
    order = np.argsort(-shares, kind="stable")
    told = f"Run {run} wavers: {predicted} {shares[order[0]]:.2f}"
    if len(order) > 1:
        second = next((names[at] for at in order[:2] if names[at] != predicted), names[order[1]]) if names else "its second choice"
        told += f", {second} {shares[order[1]]:.2f}"
    return f"{told}; entropy {entropies(shares[None])[0]:.2f} of at most 1." if measure == "entropy" else f"{told}."
