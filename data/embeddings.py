"""Where a run's network places every sample: one vector a sample, kept in the run's folder beside its checkpoint.

Samples whose vectors point the same way look alike to the network, whatever it makes of them. The file is for finding look-alikes
only: nothing that judges a run reads it. NumPy only.

runs/<run>/embedding.npy    a structured array (N,): `sample` int64, the sample's number, ascending; `vector` (D,) float32
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import WorkspaceError

NAME = "embedding.npy"


@dataclass(frozen=True)
class Embedding:
    """samples: (N,) int64 sample numbers, ascending. vectors: (N, D) float32, finite, read from the disk as they are looked at."""

    samples: np.ndarray
    vectors: np.ndarray


def write(folder: Path, samples: np.ndarray, vectors: np.ndarray) -> None:
    """Replace the run's file whole: a reader, or a crash, never meets half of it.

    Args:
        folder: of the run; it must be there.
        samples: (N,) sample numbers, each once, in any order. vectors: (N, D) finite.

    Raises:
        OSError: the folder is gone, or the disk full; the file that was there stays.
    """
    order = np.argsort(samples)
    table = np.empty(len(samples), dtype=[("sample", np.int64), ("vector", np.float32, (vectors.shape[1],))])
    table["sample"], table["vector"] = samples[order], vectors[order]
    temporary = folder / f"{NAME}.{os.getpid()}.partial"
    try:
        with temporary.open("wb") as file:
            np.save(file, table, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / NAME)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read(folder: Path) -> Embedding | None:
    """The run's embedding; None where it has none: of trees, or of a version that wrote none.

    Raises:
        WorkspaceError: the file is damaged.
    """
    path = folder / NAME
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
        return Embedding(table["sample"], table["vector"])
    except FileNotFoundError:
        return None
    except (ValueError, IndexError, OSError, EOFError) as error:  # cut short, or something else of that name
        raise WorkspaceError(
            f"The file {path} is damaged ({error}). Write it anew with: python -m modeling predict --run {folder.name}"
        ) from error
