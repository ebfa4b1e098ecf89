"""Where a map's tiles are worked on: a thread of this process, processes of this machine, or a Dask cluster. Imports no torch.

A worker process is its own: what kills it, as a machine out of memory, breaks the pool and nothing else.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from data.errors import BadInput, CannotMap

SCHEDULER_SECONDS = 10  # that a Dask scheduler has to answer
LOOK_SECONDS = 0.5  # between two looks at how far the workers are, and at whether their master is there
CACHE_MB = 64  # of raster blocks that GDAL keeps in each worker
ALONE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GDAL_CACHEMAX": str(CACHE_MB)}  # in a worker's environment


@dataclass(frozen=True)
class Pool:
    """Workers.

    executor: that has them. size: how many they are. gone: what it raises when one of them is gone.
    stop: set to have a thread of this process stop; None for processes.
    """

    executor: Executor
    size: int
    gone: tuple[type[BaseException], ...] = (BrokenProcessPool,)
    stop: threading.Event | None = None

    def run(self, calls: list[tuple[Callable, tuple]], look: Callable[[], None]) -> None:
        """Have all calls made, and wait. look: is called again and again meanwhile.

        Raises:
            CannotMap: a worker is gone. Whatever a call raises.
        """
        more = {} if self.stop is None else {"stop": self.stop}
        waiting: set[Future] = {self.executor.submit(function, *arguments, **more) for function, arguments in calls}
        while waiting:
            done, waiting = wait(waiting, timeout=LOOK_SECONDS)
            for future in done:
                self._result(future)
            look()

    def _result(self, future: Future) -> None:
        try:
            future.result()
        except self.gone as error:
            raise CannotMap(
                "A worker is gone without a word: killed, or out of memory. The tiles that are done stay; resume with the same command, "
                "with fewer --workers or smaller --tile where memory is short."
            ) from error


@contextmanager
def opened(workers: int, scheduler: str) -> Iterator[Pool]:
    """A pool of so many workers, or of those of a scheduler.

    Raises:
        BadInput: no scheduler answers at that address.
    """
    if scheduler:
        yield from _cluster(scheduler)
    elif workers == 1:
        yield from _thread()
    else:
        yield from _processes(workers)


def _thread() -> Iterator[Pool]:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        try:
            yield Pool(executor, 1, stop=stop)
        except BaseException:
            stop.set()
            executor.shutdown(wait=True, cancel_futures=True)
            raise


def _processes(workers: int) -> Iterator[Pool]:
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and locks of torch and GDAL in any state
    stop = context.RawValue("b", 0)  # not an Event, whose `set` waits for ever for a worker that was killed while it listened
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(), stop)) as executor:
        try:
            yield Pool(executor, workers)
        except BaseException:
            stop.value = 1
            executor.shutdown(wait=True, cancel_futures=True)
            raise


def _begin(master: int, stop: Any) -> None:
    """In a new worker: one thread for numbers, and an end when the master says so or is gone."""
    os.environ.update(ALONE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal's Ctrl-C the master hears, too

    def watch() -> None:
        while not stop.value and os.getppid() == master:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _cluster(scheduler: str) -> Iterator[Pool]:
    from dask.distributed import Client
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        client = Client(scheduler, timeout=SCHEDULER_SECONDS)
    except (OSError, ValueError) as error:
        raise BadInput(f"No Dask scheduler answers at {scheduler}: {error}. Start one with: dask scheduler") from error
    with client:
        gone = (KilledWorker, FutureCancelledError, CommClosedError)
        yield Pool(client.get_executor(pure=False), max(1, len(client.scheduler_info()["workers"])), gone)
