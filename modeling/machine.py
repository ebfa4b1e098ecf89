"""The processor or GPU that a run uses."""

import os
import sys
from pathlib import Path

import torch

from data.errors import CannotTrain
from modeling import ranks, registry
from modeling.config import TrainConfig

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <period>" or "max <period>"; Linux control groups, version 2
MEMORY = Path("/proc/meminfo")
SERIES_THREADS = 1  # its matrices are so small that a second thread costs more than it brings


def prepare(config: TrainConfig) -> torch.device:
    """Set threads and determinism, and give the device to train on.

    Raises:
        CannotTrain: a GPU is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise CannotTrain("There is no GPU that PyTorch can use here; train with the device cpu or auto.")
    if config.device != "cpu" and 0 < torch.cuda.device_count() <= ranks.local_rank():
        raise CannotTrain(f"There are {torch.cuda.device_count()} GPUs for {ranks.local_size()} processes. Start one process a GPU.")
    torch.set_num_threads(threads(config))
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if config.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", ranks.local_rank())
    torch.cuda.set_device(device)
    return device


def threads(config: TrainConfig) -> int:
    """How many threads of the processor the run uses."""
    model = registry.named(config.model)
    of_one = model.kind == registry.SERIES and not model.estimator
    mine = max(1, processors() // ranks.local_size())
    return min(config.threads or (SERIES_THREADS if of_one else mine), mine)


def processors() -> int:
    """How many processors this process may use: the smaller of its affinity and its control group's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if CGROUP_LIMIT.exists():
        quota, period = CGROUP_LIMIT.read_text().split()[:2]
        if quota != "max":
            allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def free_bytes(device: torch.device) -> int:
    """Memory that is free on the device; of a machine's what programs can have without swapping, shared by the run's processes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if MEMORY.exists():
        free = next(line.split()[1] for line in MEMORY.read_text().splitlines() if line.startswith("MemAvailable"))
        return int(free) * 1024 // ranks.local_size()
    return sys.maxsize  # not Linux: the system says nothing that could be relied on


def described(device: torch.device) -> str:
    """The device in words, of all processes of the run."""
    count = torch.get_num_threads()
    one = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {count} thread" + ("s" if count > 1 else "")
    return one if ranks.size() == 1 else f"{ranks.size()} x {one}"
