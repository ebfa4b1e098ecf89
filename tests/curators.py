"""Simulated curators of known error rates, whose decisions go into the store like anybody's, through `labeling.decisions.record`."""

import csv
import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from data.workspace import Workspace
from labeling import decisions

_NUMBERS = itertools.count()


@dataclass
class World:
    """A collection of which the true codes are known. samples: (number, inventory code, true code), by number."""

    workspace: Workspace
    collection: str
    samples: list[tuple[int, int, int]]
    draw: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    @property
    def store(self):
        return self.workspace.store

    @cached_property
    def truth(self) -> dict[int, int]:
        return {sample: truth for sample, _, truth in self.samples}

    @cached_property
    def inventory(self) -> dict[int, int]:
        return {sample: code for sample, code, _ in self.samples}

    def control(self, curator: str, sample: int, *, wrong: bool) -> int:
        """Place a control; returns the code that it shows."""
        return self.controls(curator, [sample], wrong=wrong)[sample]

    def controls(self, curator: str, samples: list[int], *, wrong: bool) -> dict[int, int]:
        """Place controls; returns the code that each shows."""
        codes = sorted(set(self.truth.values()))
        shown = {at: next(code for code in codes if code != self.truth[at]) if wrong else self.truth[at] for at in samples}
        rows = [(at, curator, self.truth[at], code, "2026-01-01") for at, code in shown.items()]
        with self.store.writing() as db:
            db.conn.executemany("insert into control (sample, curator, truth, shown, placed) values (?, ?, ?, ?, ?)", rows)
        return shown

    def records(self, events: list[dict[str, Any]]) -> list[decisions.Outcome]:
        """Store events that name their curators; every one must be taken."""
        outcomes = decisions.record(self.store, self.collection, "", events)
        assert [outcome.error for outcome in outcomes if not outcome.stored] == []
        return outcomes


def world(workspace: Workspace, collection: str, truth_home) -> World:
    """The collection with the truth that its simulation kept under `truth_home`."""
    with (truth_home / "truth" / f"{collection}.csv").open() as file:
        truth = {row["sample"]: int(row["code"]) for row in csv.DictReader(file)}
    with workspace.store.reading() as db:
        rows = db.execute("select id, name, inventory_code from sample where collection = ? order by id", [collection]).fetchall()
    return World(workspace, collection, [(row["id"], row["inventory_code"], truth[row["name"]]) for row in rows])


@dataclass
class Simulated:
    """A curator. error: how often they do not say the truth; stamps: they agree with whatever is shown. ms: their usual time."""

    name: str
    error: float = 0.0
    stamps: bool = False
    ms: int = 2_000

    def says(self, world: World, sample: int, shown: int) -> int:
        """The code that they hold for the true one."""
        if self.stamps:
            return shown
        codes = sorted({truth for _, _, truth in world.samples} - {world.truth[sample]})
        return int(world.draw.choice(codes)) if world.draw.random() < self.error else world.truth[sample]

    def looks(self, world: World, sample: int, **told: Any) -> decisions.Outcome:
        """Decide on the sample as served: `shown`, `kind`, `queue`, `look`, `seen`, `blind` as `decisions.record` takes them."""
        return world.records([self._looked(world, sample, **told)])[0]

    def works(self, world: World, samples: list[int], **told: Any) -> list[decisions.Outcome]:
        """Decide on one sample after the other, all stored at once."""
        return world.records([self._looked(world, sample, **told) for sample in samples])

    def answers(self, world: World, shown: dict[int, int]) -> list[decisions.Outcome]:
        """Decide on samples that show other labels than the inventory's: controls."""
        return world.records([self._looked(world, sample, shown=code) for sample, code in shown.items()])

    def sends(self, world: World, sample: int, **event: Any) -> decisions.Outcome:
        """Any event of theirs."""
        return world.records([self.event(sample, **event)])[0]

    def event(self, sample: int, **told: Any) -> dict[str, Any]:
        return {"uid": f"simulated-{next(_NUMBERS)}", "sample": sample, "curator": self.name} | told

    def _looked(self, world: World, sample: int, **told: Any) -> dict[str, Any]:
        shown = told.pop("shown", world.inventory[sample])
        code = self.says(world, sample, shown)
        said = {"action": "agree"} if code == shown else {"action": "relabel", "code": code}
        return self.event(sample, ms=int(self.ms * world.draw.lognormal(0, 0.3)), shown=shown, **(said | told))
