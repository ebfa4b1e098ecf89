"""The processor or GPU that a run uses."""

import os
from pathlib import Path

import torch

from data.errors import CannotTrain
from modeling import registry
from modeling.config import TrainConfig

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "<microseconds> <period>" or "max <period>"; Linux control groups, version 2
SERIES_THREADS = 1  # its matrices are so small that a second thread costs more than it brings


def prepare(config: TrainConfig) -> torch.device:
    """Set threads and determinism, and give the device to train on.

    Raises:
        CannotTrain: a GPU is asked for and there is none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise CannotTrain("There is no GPU that PyTorch can use here; train with the device cpu or auto.")
    torch.set_num_threads(threads(config))
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    use_gpu = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_gpu else "cpu")


def threads(config: TrainConfig) -> int:
    """How many threads of the processor the run uses."""
    model = registry.named(config.model)
    of_one = model.kind == registry.SERIES and not model.estimator
    return min(config.threads or (SERIES_THREADS if of_one else processors()), processors())


def processors() -> int:
    """How many processors this process may use: the smaller of its affinity and its control group's share."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if CGROUP_LIMIT.exists():
        quota, period = CGROUP_LIMIT.read_text().split()[:2]
        if quota != "max":
            allowed = min(allowed, max(1, int(quota) // int(period)))
    return allowed


def described(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread" + ("s" if threads > 1 else "")
