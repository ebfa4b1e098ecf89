"""The processes of one run: one, or several as torchrun starts them, one a GPU. Imports torch only where there are several.

Rank 0 leads: it alone makes the run's folder and writes to it, judges and predicts. The others learn beside it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

PATIENCE = timedelta(hours=12)  # that one process waits for another to read, judge or predict; torchrun ends all when one dies


def rank() -> int:
    """The number of this process in the run, from 0."""
    return int(os.environ.get("RANK", "0")) if size() > 1 else 0


def size() -> int:
    """How many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process on its machine, from 0: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


def local_size() -> int:
    """How many of the run's processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if size() > 1 else 1


def leads() -> bool:
    return rank() == 0


@contextmanager
def joined() -> Iterator[None]:
    """Around a run: its processes can speak to each other. NCCL between GPUs, gloo between processors."""
    if size() == 1:
        yield
        return
    import torch
    from torch import distributed

    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def told(value: Any) -> Any:
    """What rank 0 gave here; every process must come by. One process gets back what it gave."""
    if size() == 1:
        return value
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
