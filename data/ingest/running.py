"""Carrying out a plan: on this machine's threads or on a Dask cluster, shard after shard, going on where a kill stopped it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from data import aci
from data.errors import BadInput
from data.importing import CollectionSpec, NewSample, import_planned, samples_a_shard
from data.ingest import fetching
from data.ingest.planning import Plan
from data.report import Report
from data.workspace import Workspace

MOST_A_SHARD = {True: 128, False: 64}  # by whether there are composites: bounds what is held in memory while a shard is made
SCHEDULER_SECONDS = 10  # that a Dask scheduler has to answer
Tell = Callable[[int, int, str], None]


def spec(plan: Plan, title: str) -> CollectionSpec:
    """The collection that a plan makes. Its classes are the crops that the sites name, else the usual ten."""
    settings, provider = plan.settings, plan.provider
    years = sorted({target.year for target in plan.targets})
    crops = _crops(plan)
    return CollectionSpec(
        name=settings.collection, title=title or f"{settings.collection}: {len(plan.targets)} samples, {' '.join(map(str, years))}",
        bands=settings.bands, level="L2A", slots=plan.slots, height=settings.size, width=settings.size, composites=settings.composites,
        simulated=False, licence=provider.licence, attribution=f"{provider.attribution} {' '.join(map(str, years))}. {provider.title}.",
        legend=aci.legend(crops), learned=aci.learned(crops), aligned=plan.aligned,
        origin={"ingest": plan.asked, "provider": provider.url, "masked": list(settings.mask)},
    )  # fmt: skip


def _crops(plan: Plan) -> tuple[int, ...]:
    known = {entry.code for entry in aci.legend()}
    counts = Counter(target.inventory_code for target in plan.targets if target.inventory_code in known)
    return tuple(sorted(counts, key=lambda code: (-counts[code], code))) or aci.CROPS


def shard_size(plan: Plan) -> int:
    """Samples a shard."""
    return min(samples_a_shard(spec(plan, "")), MOST_A_SHARD[plan.settings.composites])


def run(workspace: Workspace, plan: Plan, report: Report, *, title: str = "", scheduler: str = "", tell: Tell) -> None:
    """Fetch the imagery of a plan into the workspace. A call after a kill, or after failures, makes what is missing.

    Args:
        report: is filled with what was left out, and why.
        scheduler: address of a Dask scheduler whose workers have Cropcheck and reach the imagery; by default threads of this process.

    Raises:
        BadInput: the scheduler does not answer, or the collection is there with other contents.
    """
    progress = _Progress(tell)
    with _pool(scheduler) as (pool, ahead):
        import_planned(
            workspace, spec(plan, title), [target.name for target in plan.targets], fetching.fetch, report,
            pool=_Sending(pool, plan, None if scheduler else progress.scene), ahead=ahead, shard_size=shard_size(plan),
            progress=progress.samples,
        )  # fmt: skip
    _gather(report)


def _gather(report: Report) -> None:
    """Say of each scene once in how many samples its offset is not what it says."""
    odd = Counter((problem.name, problem.fact) for problem in report.remarks if problem.kind == fetching.ODD_OFFSET)
    report.remarks = [problem for problem in report.remarks if problem.kind != fetching.ODD_OFFSET]
    for (scene, fact), samples in sorted(odd.items()):
        report.remark(fetching.ODD_OFFSET, scene, f"{fact}: {samples} samples")


@contextmanager
def _pool(scheduler: str) -> Iterator[tuple[Executor, int]]:
    """Where shards are made, and how many in front of the one that is being written."""
    if not scheduler:
        with ThreadPoolExecutor(1) as pool:  # a shard is itself read by many threads
            yield pool, 1
        return
    from dask.distributed import Client

    try:
        client = Client(scheduler, timeout=SCHEDULER_SECONDS)
    except (OSError, ValueError) as error:
        raise BadInput(f"No Dask scheduler answers at {scheduler}: {error}. Start one with: dask scheduler") from error
    with client:
        yield client.get_executor(pure=False), 2 * max(1, len(client.scheduler_info()["workers"]))


@dataclass
class _Sending(Executor):
    """Sends each shard's own part of the plan, and not the whole plan, to where the shard is made."""

    pool: Executor
    plan: Plan
    tick: Callable[[str], None] | None

    def submit(self, make: Callable[..., tuple[list[NewSample], Report]], names: list[str]) -> Future:  # type: ignore[override]
        task: Any = partial(make, tick=self.tick) if self.tick else make
        return self.pool.submit(task, self.plan.part(names))


class _Progress:
    """Samples done, and the scene that is being read, told from many threads."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, threading.Lock()
        self._done, self._total = 0, 1

    def samples(self, done: int, total: int, what: str) -> None:
        with self._lock:
            self._done, self._total = done, total
            self._tell(done, total, what)

    def scene(self, name: str) -> None:
        with self._lock:
            self._tell(self._done, self._total, name)
