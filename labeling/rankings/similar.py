"""Similar to one: a sample's nearest neighbours in the embedding of a run, by cosine distance, exact.

A run of trees, or of an earlier version, keeps no embedding: then its class probabilities take that place, and the reason says so.
The vectors are read from the disk in chunks.
"""

import json

import numpy as np

from data import catalogue, embeddings
from data.embeddings import Embedding
from data.errors import BadInput
from data.store import Store
from data.workspace import Workspace
from labeling.rankings.common import PREDICTED, WANTED, Ranked, first, run_of

CHUNK = 65_536  # vectors in memory at a time
WANTED_OF_RUN = f"""
select p.sample from prediction p indexed by prediction_cell join sample s on s.id = p.sample
where p.run = ? and s.collection = ? and {WANTED}
"""


def ranked(
    workspace: Workspace, collection: str, *, sample: int | str, limit: int = 10_000, seed: int = 0, decided: bool = False,
    run: str | None = None,
) -> list[Ranked]:  # fmt: skip
    """Up to `limit` other samples, the one most like `sample` first; score: the cosine distance, 0 (alike) to 2 (the opposite).

    Args:
        sample: a sample's number or name.
        seed: of the order of equal ones.
        decided: take samples with a decision too.
        run: whose model is asked; by default the newest run with predictions on samples that it did not learn from.

    Raises:
        UnknownCollection, UnknownSample: there is none.
        UnknownRun, BadInput: as `common.run_of`; or the run says nothing of the sample.
        WorkspaceError: the run's embedding is damaged.
    """
    number = catalogue.sample_id(workspace.store, collection, str(sample))
    run = run_of(workspace.store, collection, run, PREDICTED)
    kept = embeddings.read(workspace.runs / run)
    placed = kept or _probabilities(workspace.store, run)
    own = np.flatnonzero(placed.samples == number)
    if not len(own):
        raise BadInput(
            f"The run {run} says nothing of the sample {sample}: it came in after the run, or has no image in the run's months. "
            f"Predict again with: python -m modeling predict --run {run}"
        )
    distances = cosine_distances(placed.vectors, placed.vectors[own[0]])
    with workspace.store.reading() as db:
        # The file may be older than the store: a sample that was deleted since has no prediction any more.
        wanted = [row["sample"] for row in db.execute(WANTED_OF_RUN, [run, collection, decided])]
        name = db.execute("select name from sample where id = ?", [number]).fetchone()["name"]
    distances[own[0]] = np.nan
    distances[~np.isin(placed.samples, wanted)] = np.nan
    by = f"to run {run}" if kept else f"by the class probabilities of run {run}, which keeps no embedding"
    return [
        Ranked(int(placed.samples[at]), float(distances[at]), f"Like {name} {by}: number {place:,}, cosine distance {distances[at]:.3f}.")
        for place, at in enumerate(first(distances, limit, seed), start=1)
    ]


def cosine_distances(vectors: np.ndarray, one: np.ndarray) -> np.ndarray:
    """(N,) float64 cosine distances 1 - a . b / (|a| |b|) of (N, D) vectors from `one` (D,); 1 where either is 0 throughout."""
    return np.concatenate([1 - _unit(vectors[start : start + CHUNK]) @ _unit(one[None])[0] for start in range(0, len(vectors), CHUNK)])


def _unit(vectors: np.ndarray) -> np.ndarray:
    """(n, D) float64 of length 1; those that are 0 throughout stay so."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return exact / np.where(lengths > 0, lengths, 1)


def _probabilities(store: Store, run: str) -> Embedding:
    """The run's class probabilities in place of an embedding; the run has some."""
    samples: list[int] = []
    chunks: list[np.ndarray] = []
    with store.reading() as db:
        cursor = db.execute("select sample, probabilities from prediction where run = ? order by sample", [run])
        while rows := cursor.fetchmany(CHUNK):
            samples += [row["sample"] for row in rows]
            chunks.append(np.array(json.loads(f"[{','.join(row['probabilities'] for row in rows)}]"), dtype=np.float32))
    return Embedding(np.array(samples), np.concatenate(chunks))
