"""Making a map: from a run and a season stack to a folder that `data.mapped.folder` describes, going on where a kill stopped it.

What is asked for is written down first, as plan.json; then the tiles are predicted, each into a folder of its own; then the rasters are
written from them; map.json comes last. Whatever ends this on the way, the same request goes on from what is there.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from data.mapped import folder
from data.mapped.folder import Map
from data.report import Report
from data.workspace import Workspace
from modeling import machine
from modeling.mapping import planning, pool, tiles, writing
from modeling.mapping.planning import Plan
from modeling.mapping.pool import Pool
from modeling.mapping.request import Request

if TYPE_CHECKING:
    from modeling.mapping.fields import Tally

AT_ONCE = 4  # tiles that a worker is sent: it reads each while it computes the one before
TURNS = 4  # that each worker should have, so that they end together
UNKNOWN_CODES = "codes of the inventory that the collection's legend does not know"
SHOWN = 20  # names of a kind of remark that map.json keeps
Tell = Callable[[int, int, str], None]  # steps done, steps in all, what is being done


def untold(done: int, total: int, what: str = "") -> None:
    """Nobody wants to know."""


def make(workspace: Workspace, request: Request, tell: Tell = untold, outcome: Report | None = None) -> Map:
    """Make a map, or go on with one, or give the one that is there.

    Args:
        tell: is told tiles and rasters done, and how many there are.
        outcome: hears of fields that are left out, and of what makes the map less sure than the run's own figures.

    Returns:
        The map; its figures are those of `writing.figures`, and "remarks" and "left_out": kind -> {"count", "names", "facts"}, of the
        last two no more than the first 20.

    Raises:
        UnknownRun, CannotTrain: as `checks.trained`.
        BadInput: the stack, the inventory or the polygons cannot be used; the folder holds something else; the name is none or
            another map's; the disk is too small.
        CannotMap: another process is at work in the folder, or a worker is gone.
    """
    outcome = Report() if outcome is None else outcome
    plan = planning.planned(workspace, request, outcome)
    with planning.alone(plan.out):
        if (plan.out / folder.NOTE).exists():
            made = planning.there(plan)
        else:
            tally = _tally(plan)
            planning.begin(plan)
            with pool.opened(_workers(plan, request), request.scheduler) as workers:
                made = _made(workspace, plan, request, tally, outcome, _Steps(plan, workers, tell))
        planning.clear(plan)
    _known(workspace, plan)
    return replace(made, name=plan.name)


class _Steps:
    """The work of a map in the order in which it is done: calls for the pool, and the telling of how far it is."""

    def __init__(self, plan: Plan, workers: Pool, tell: Tell):
        self.plan, self.workers, self._tell = plan, workers, tell
        self.rasters = 7 if plan.work.inventory else 5
        self.total = len(plan.tiles) * (2 if plan.work.halo else 1) + self.rasters

    def predict(self) -> None:
        """Predict the tiles that are not there yet, and smooth them."""
        work = self.plan.work
        place = work.raw if work.halo else work.done
        self._each(tiles.predict, (), place, "predicted")
        if work.halo:
            self._each(tiles.smooth, (self.plan.tiles,), work.done, "smoothed", before=len(self.plan.tiles))

    def write(self, rasters: list[writing.Raster]) -> None:
        """Write the rasters that are not there yet."""
        before = self.total - self.rasters
        paths = [self.plan.out / f"{raster.name}.tif" for raster in rasters]
        arguments = (self.plan.stack, self.plan.work.folder, self.plan.tiles)
        calls = [(writing.write, (self.plan.out, raster, *arguments)) for raster in rasters]
        self.workers.run(calls, lambda: self._tell(before + sum(path.exists() for path in paths), self.total, "rasters written"))

    def _each(self, function: Callable, more: tuple, place: Callable, what: str, before: int = 0) -> None:
        """Have a function called with the tiles whose results are not there, some at a time."""
        work, every = self.plan.work, self.plan.tiles
        left = [tile for tile in every if not place(tile).exists() and not work.done(tile).exists()]
        size = max(1, min(AT_ONCE, len(left) // (TURNS * self.workers.size)))
        calls = [(function, (work, left[start : start + size], *more)) for start in range(0, len(left), size)]

        def look() -> None:
            nonlocal left
            left = [tile for tile in left if not place(tile).exists()]
            done = len(every) - len(left)
            self._tell(before + done, self.total, f"{done:,} of {len(every):,} tiles {what}")

        look()
        self.workers.run(calls, look)


def _workers(plan: Plan, request: Request) -> int:
    """A GPU serves one worker; more than there are tiles are of no use."""
    asked = request.workers or (machine.processors() if request.device == "cpu" else 1)
    return min(asked, len(plan.tiles))


def _tally(plan: Plan) -> "Tally | None":
    """What adds up the fields, if there are any. Made before the work begins: what is wrong with the file is known at once."""
    if not plan.fields:
        return None
    from modeling.mapping.fields import Tally

    return Tally(plan.fields, plan.stack.crs, plan.stack.transform, plan.stack.height, plan.stack.width, plan.run.classes)


def _made(workspace: Workspace, plan: Plan, request: Request, tally: "Tally | None", outcome: Report, steps: _Steps) -> Map:
    steps.predict()
    met = writing.pairs(plan.work.folder, plan.tiles) if plan.work.inventory else None
    legend = None
    if met is not None:
        legend = writing.inventory_legend(workspace, plan.run.collection.name, plan.work, {code for code, _ in met})
        _remark_codes(workspace, plan, met, outcome)
        if not any(code for code, _ in met):
            outcome.remark("inventories without a label on the map", request.inventory, "it may be of another place")
    rasters = writing.rasters(plan.run.classes, legend)
    steps.write(rasters)
    if tally is not None:
        writing.add_fields(tally, plan.work, plan.tiles, plan.run.classes)
        tally.write(plan.out / folder.FIELDS, outcome)
    figures = writing.figures(plan.work, plan.tiles, plan.run.classes, met)
    if not figures["predicted"]:
        outcome.remark("stacks without any data", plan.stack.source, "no date has any in a band that the run needs: nothing is predicted")
    made = Map(
        plan.out, plan.out.name, plan.title, plan.run.run, plan.run.collection.name, plan.run.config.model,
        datetime.now(UTC).isoformat(timespec="seconds"), plan.run.classes, plan.stack, tuple(raster.name for raster in rasters),
        fields=tally is not None, figures=figures | _noted(outcome),
        settings={
            "plan": plan.digest, "smooth": request.smoothing.method, "smoothing": asdict(request.smoothing), "inventory": request.inventory,
            "fields": request.fields,
        },
    )  # fmt: skip
    folder.save(made)
    return folder.load(plan.out)


def _noted(outcome: Report) -> dict:
    """A report as map.json keeps it: a file of a country's fields may have thousands outside of the map."""
    told = outcome.as_json()
    return {
        key: {kind: found | {name: found[name][:SHOWN] for name in ("names", "facts")} for kind, found in told[key].items()}
        for key in ("left_out", "remarks")
    }  # fmt: skip


def _remark_codes(workspace: Workspace, plan: Plan, met: dict, outcome: Report) -> None:
    known = writing.known_codes(workspace, plan.run.collection.name)
    for code in sorted({code for code, _ in met if code} - known):
        pixels = sum(count for (one, _), count in met.items() if one == code)
        outcome.remark(UNKNOWN_CODES, str(code), f"{pixels:,} pixels")


def _known(workspace: Workspace, plan: Plan) -> None:
    """Have the workspace find a map that lies elsewhere."""
    link = workspace.maps / plan.name
    if not link.exists():
        workspace.maps.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)  # of a map that is gone
        link.symlink_to(plan.out, target_is_directory=True)
