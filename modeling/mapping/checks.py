"""Whether a run can make a map of a stack: what the run needs, what the stack has, and what should be known of the map beforehand."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data import catalogue, packed, seasons
from data.catalogue import Collection
from data.errors import BadInput, CannotTrain
from data.mapped.folder import MapClass
from data.report import Report
from data.stacks.stack import Stack
from data.workspace import Workspace
from modeling import checkpoint, registry, rundir
from modeling.config import TrainConfig
from modeling.mapping import brightness, engine

FAR_DAYS = 20  # that a date may lie before the first or behind the last day of the season that a run learned from
FEW = 0.5  # of the dates that a sample has on average: fewer in the stack are remarked
FREQUENT = "select inventory_code as code, count(*) as samples from sample where collection = ? group by inventory_code"
MONTHS = """
select cast(substr(i.acquired, 6, 2) as integer) as month, count(*) as images
from image i join sample s on s.id = i.sample where s.collection = ? group by month
"""


@dataclass(frozen=True)
class Trained:
    """A finished run that can predict single pixels.

    checkpoint: its file. config: as it was trained. bands: that its channels use. classes: K, in the checkpoint's order.
    reflectance: as `brightness.learned`.
    """

    run: str
    checkpoint: Path
    config: TrainConfig
    collection: Collection
    bands: tuple[str, ...]
    classes: tuple[MapClass, ...]
    reflectance: Mapping[str, float]

    @property
    def positions(self) -> dict[int, int]:
        """Inventory code -> position of its class from 1."""
        return {code: at for at, entry in enumerate(self.classes, start=1) for code in entry.codes}


def trained(workspace: Workspace, name: str) -> Trained:
    """The run called `name`, looked through.

    Raises:
        UnknownRun: no run of that name.
        CannotTrain: it is not finished, its model needs more than a pixel, or its checkpoint is missing, damaged or of another run or
            collection.
    """
    run = rundir.at(workspace.runs, name)
    config = run.config()
    if registry.named(config.model).kind not in engine.KINDS:
        able = ", ".join(model.name for model in registry.MODELS.values() if model.kind in engine.KINDS)
        raise CannotTrain(
            f"The run {name} is of {config.model}, which sees whole patches, not single pixels, so it makes no map. Train one of {able}."
        )
    if not run.read("results.json"):
        raise CannotTrain(f"The run {name} is not finished, so it cannot make a map. Wait for it, or resume it.")
    stored = checkpoint.load(run.checkpoint)
    checkpoint.check_run(stored, config)
    collection = catalogue.collection(workspace.store, config.collection)
    checkpoint.check_bands(stored, collection.bands)
    checkpoint.check_classes(stored, tuple(entry.name for entry in catalogue.learned(workspace.store, collection.name)))
    classes = _classes(workspace, collection.name, stored["classes"])
    return Trained(name, run.checkpoint, config, collection, engine.needed(stored), classes, brightness.learned(stored))


def _classes(workspace: Workspace, collection: str, names: list[str]) -> tuple[MapClass, ...]:
    """Each stands on the map by its code that most samples have, the lowest of those with as many."""
    with workspace.store.reading() as db:
        samples = Counter({row["code"]: row["samples"] for row in db.execute(FREQUENT, [collection])})
    legend = catalogue.legend(workspace.store, collection)
    of_name = {entry.name: entry for entry in catalogue.learned(workspace.store, collection)}
    made = []
    for name in names:
        codes = tuple(entry.code for entry in legend if entry.learned == name and entry.code)
        code = max(codes, key=lambda one: (samples[one], -one))
        made.append(MapClass(name, of_name[name].name_fr, code, of_name[name].color, codes))
    return tuple(made)


def layers(workspace: Workspace, run: Trained, stack: Stack, remarks: Report) -> Stack:
    """The stack with the layers that the run looks at.

    Args:
        remarks: hears of what makes the map less sure than the run's own figures.

    Raises:
        BadInput: the stack lacks a band that the run needs, or any date of the months that it looks at.
    """
    lacking = [band for band in run.bands if band not in stack.bands]
    if lacking:
        raise BadInput(
            f"The run {run.run} needs {', '.join(run.bands)}; the stack {stack.source} lacks {', '.join(lacking)}: it has "
            f"{', '.join(stack.bands)}. Add them to the stack, or train on inputs that it has."
        )
    months = run.config.month_numbers
    names = tuple(layer.name for layer, day in zip(stack.layers, stack.dates, strict=True) if not months or day.month in months)
    if not names:
        raise BadInput(
            f"The run {run.run} looks at the months {run.config.months}; the stack {stack.source} has {_listed(stack)}. Give a stack of "
            "those months, or train on the months that it has."
        )
    if left := [layer.name for layer in stack.layers if layer.name not in names]:
        remarks.remark("dates left out, as the run looks at other months", run.run, f"{', '.join(left)}; months {run.config.months}")
    used = stack.of(names)
    _remark(workspace, run, used, remarks)
    brightness.remark(used, run.reflectance, remarks)
    return used


def _remark(workspace: Workspace, run: Trained, stack: Stack, remarks: Report) -> None:
    """What the stack has otherwise than the collection that the run learned from."""
    name = run.collection.name
    if stack.level and run.collection.level and stack.level != run.collection.level:
        fact = f"{stack.level}; {name} is {run.collection.level}, whose reflectance differs"
        remarks.remark("level other than what the run learned from", stack.source, fact)
    learned, dates = season(workspace, run)
    for layer, day in zip(stack.layers, stack.dates, strict=True):
        if learned and min(_days_off(day, month) for month in learned) > FAR_DAYS:
            remarks.remark(f"dates more than {FAR_DAYS} days outside the season that the run learned from", layer.name, _named(learned))
    if missing := learned - {day.month for day in stack.dates}:
        remarks.remark("months that the run learned from and the stack lacks", stack.source, _named(missing))
    if len(stack.layers) < FEW * dates:
        remarks.remark("fewer dates than the run learned from", stack.source, f"{len(stack.layers)}; a sample of {name} has {dates:.0f}")


def season(workspace: Workspace, run: Trained) -> tuple[set[int], float]:
    """The months in which the run's collection has images, of those that it looks at, and how many a sample has in them on average."""
    images: Counter[int] = Counter()
    with workspace.store.reading() as db:
        samples = db.execute("select count(*) from sample where collection = ?", [run.collection.name]).fetchone()[0]
        if not run.collection.packed:
            images.update({row["month"]: row["images"] for row in db.execute(MONTHS, [run.collection.name])})
    if run.collection.packed:
        for (month, _), count in packed.months(workspace, run.collection, in_force=False).items():
            images[int(month[5:7])] += count
    asked = {month: count for month, count in images.items() if not run.config.month_numbers or month in run.config.month_numbers}
    return set(asked), sum(asked.values()) / max(1, samples)


def _days_off(day: date, month: int) -> int:
    """Days between a date and the nearest day of a month of its own year, the one before or the one after."""
    ends = [(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)) for year in (day.year - 1, day.year, day.year + 1)]
    return min(max(0, (first - day).days, (day - after).days + 1) for first, after in ends)


def _named(months: set[int]) -> str:
    return ", ".join(seasons.MONTHS[month - 1] for month in sorted(months))


def _listed(stack: Stack) -> str:
    return ", ".join(layer.name for layer in stack.layers)
