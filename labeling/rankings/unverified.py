"""Samples without a decision, shuffled or in the collection's order."""

import numpy as np

from data.errors import BadInput
from data.workspace import Workspace
from labeling.rankings.common import WANTED, Ranked

ORDERS = ("shuffled", "given")


def ranked(
    workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False, order: str = "shuffled"
) -> list[Ranked]:
    """Up to `limit` samples.

    Args:
        seed: of the shuffled order.
        order: shuffled, or given (as imported).

    Raises:
        BadInput: no such order.
    """
    if order not in ORDERS:
        raise BadInput(f"There is no order {order!r}. Choose one of {', '.join(ORDERS)}.")
    with workspace.store.reading() as db:
        rows = db.execute(f"select s.id from sample s where s.collection = ? and {WANTED} order by s.id", [collection, decided])
        samples = np.array([row["id"] for row in rows], dtype=np.int64)
    if order == "shuffled":
        samples = np.random.default_rng(seed).permutation(samples)
    said = "Every sample" if decided else "No decision yet"
    reason = f"{said}, in shuffled order." if order == "shuffled" else f"{said}, in the collection's order."
    return [Ranked(int(sample), None, reason) for sample in samples[:limit]]
