"""Batches of samples on the device: all inputs resident there, or read from the shards by a thread that works ahead.

What is small (dates, labels, weights) is always resident; only the pixels stream.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from data.errors import CannotTrain
from modeling import machine
from modeling.pixels import Pixels, Rows

AHEAD = 3  # batches that are read before they are asked for
RESIDENT_SHARE = 0.5  # of the free memory, that inputs may fill


@dataclass(frozen=True)
class Batch:
    """Samples on the device. values, present, days as in `Pixels` (uint16 held as int16); truth (n,) int64, weight (n,) float32."""

    values: Tensor
    present: Tensor
    days: Tensor
    truth: Tensor
    weight: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.values, self.present, self.days


class Feed:
    """All samples of a run, N in the order of `Samples`.

    truth: (N,) int64 class positions, -1 = none. weight: (N,) float32 in the loss.
    memory: "resident", "streamed" or "auto": resident where the inputs are in memory already or fit on the GPU.
    waited: seconds since the feed was made in which the program had nothing to give the device, because data was not there yet.

    Raises:
        CannotTrain: the inputs are to be resident, and do not fit.
    """

    def __init__(self, source: Pixels, truth: np.ndarray, weight: np.ndarray, device: torch.device, memory: str = "auto"):
        self.source, self.device, self.waited = source, device, 0.0
        if memory == "resident":
            _check_room(source, device)
        small = (source.present, source.days, truth, weight.astype(np.float32))
        self.present, self.days, self.truth, self.weight = (torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in small)
        self.resident = memory == "resident" or (memory == "auto" and _fits(source, device))
        self.values = _tensor(source.values, slice(None)).to(device) if self.resident else None

    def __len__(self) -> int:
        return len(self.truth)

    def batches(self, indices: Sequence[Tensor]) -> Iterator[Batch]:
        """The batches at `indices`, each (n,) int64 positions on the CPU, in this order."""
        start = time.perf_counter()
        for index, values in zip(indices, self._resident(indices) if self.resident else self._streamed(indices), strict=True):
            here = index.to(self.device)
            batch = Batch(values, self.present[here], self.days[here], self.truth[here], self.weight[here])
            self.waited += time.perf_counter() - start
            yield batch
            start = time.perf_counter()

    def _resident(self, indices: Sequence[Tensor]) -> Iterator[Tensor]:
        for index in indices:
            yield self.values[index.to(self.device)]

    def _streamed(self, indices: Sequence[Tensor]) -> Iterator[Tensor]:
        """Reading runs in a thread of its own; on a GPU the copy runs beside the computing, from pinned memory."""
        with ThreadPoolExecutor(1) as reader:
            waiting = iter(indices)
            ahead: list[Future] = [reader.submit(self._read, index) for index in islice(waiting, AHEAD)]
            while ahead:
                values, copied = ahead.pop(0).result()
                for index in islice(waiting, 1):
                    ahead.append(reader.submit(self._read, index))
                if copied is not None:
                    torch.cuda.current_stream(self.device).wait_event(copied)
                    values.record_stream(torch.cuda.current_stream(self.device))
                yield values

    def _read(self, index: Tensor) -> tuple[Tensor, "torch.cuda.Event | None"]:
        values = _tensor(self.source.values, index.numpy())
        if self.device.type != "cuda":
            return values, None
        with torch.cuda.stream(self._copies):
            moved = values.pin_memory().to(self.device, non_blocking=True)
            return moved, self._copies.record_event()

    @property
    def _copies(self) -> "torch.cuda.Stream":
        if not hasattr(self, "_stream"):
            self._stream = torch.cuda.Stream(self.device)
        return self._stream


def _tensor(values: np.ndarray | Rows, index: np.ndarray | slice) -> Tensor:
    """Rows of `values` in memory; uint16 as int16 of the same bits."""
    if isinstance(values, Rows) and isinstance(index, slice):
        index = np.arange(len(values))
    rows = np.ascontiguousarray(values[index])
    return torch.from_numpy(rows.view(np.int16) if rows.dtype == np.uint16 else rows)


def _fits(source: Pixels, device: torch.device) -> bool:
    """Whether the inputs should be resident: on a GPU what is small beside its free memory. On a processor what is in memory already;
    shards stay in the system's page cache, which all processes share."""
    if device.type == "cpu":
        return not isinstance(source.values, Rows)
    return source.values.nbytes <= RESIDENT_SHARE * machine.free_bytes(device)


def _check_room(source: Pixels, device: torch.device) -> None:
    """Refuse what would have the process killed."""
    free, wanted = machine.free_bytes(device), source.values.nbytes
    if wanted > free and (device.type != "cpu" or not isinstance(source.values, np.ndarray)):
        raise CannotTrain(
            f"The inputs take {wanted / 1e9:.1f} GB; {free / 1e9:.1f} GB of the device's memory are free. Train with the memory streamed "
            "or auto, or on fewer months."
        )
