"""How many of the inventory's labels are wrong, estimated from the random audit alone.

The audit goes through the collection's fixed random order; see `data.audited`. The estimate takes the prefix as far as it was worked
through: up to the last place where at least `audited.ANSWERED` of the samples before it have a decision. What is undecided in it, and what
cannot be judged (unsure, mixed field, no signal, other), is left out of the rate and bounds it from both sides.

Wrong: relabelled to another code, or rejected as no cropland. Samples without an inventory label are not of the population.
"""

from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from data import audited, catalogue
from data.importing import NO_LABEL
from data.store import Store
from labeling.trust.shares import Share, needed

MARGINS = (0.05, 0.02)

PREFIX = """
select s.inventory_code as code, t.region, d.action, d.code as new, d.reason
from (select id, site, inventory_code, decision from sample where collection = ? order by shuffle, id limit ?) s
join site t on t.id = s.site left join current_decision d on d.sample = s.id where s.inventory_code <> ?
"""
POPULATION = """
select s.inventory_code as code, t.region, count(*) as n from sample s join site t on t.id = s.site
where s.collection = ? and s.inventory_code <> ? group by s.inventory_code, t.region
"""


@dataclass(frozen=True)
class Rate:
    """The error rate of a group of labels.

    population: samples of the group in the collection; served: of them in the prefix that counts.
    wrong: wrong labels of those that could be judged.
    lowest, highest: the share that are wrong if all of the others in the prefix (undecided, or not to be judged) were right, or were
        wrong; None of nothing.
    more: half-width -> how many more of the group's samples the audit has to serve for it, at the share that could be judged so far.
    """

    name: str
    population: int
    served: int
    answered: int
    wrong: Share
    color: str | None = None

    @property
    def lowest(self) -> float | None:
        return self.wrong.hits / self.served if self.served else None

    @property
    def highest(self) -> float | None:
        return (self.wrong.hits + self.served - self.wrong.of) / self.served if self.served else None

    @property
    def more(self) -> dict[float, int]:
        judged = self.wrong.of / self.served if self.wrong.of else 1.0
        guess = (self.wrong.hits + 2) / (self.wrong.of + 4)  # the centre of the interval (Agresti and Coull 1998): never 0 or 1
        return {margin: self._more(margin, guess, judged) for margin in MARGINS}

    def _more(self, margin: float, guess: float, judged: float) -> int:
        if self.wrong.of and self.wrong.half_width <= margin:
            return 0
        wanted = needed(guess, margin, max(1, round(self.population * judged)))
        return max(0, min(self.population, -int(-wanted / judged // 1)) - self.served)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "population": self.population, "served": self.served, "answered": self.answered,
            "wrong": self.wrong.as_json(), "lowest": self.lowest, "highest": self.highest,
            "more": {f"{margin:.2f}": count for margin, count in self.more.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """The estimate. asked: how far the audits reach in the fixed order; `overall.served` of it counts."""

    asked: int
    overall: Rate
    classes: tuple[Rate, ...]
    regions: tuple[Rate, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked, "overall": self.overall.as_json(), "classes": [one.as_json() for one in self.classes],
            "regions": [one.as_json() for one in self.regions],
        }  # fmt: skip


def estimate(store: Store, collection: str) -> Audit:
    """The inventory's error rate overall, by class (inventory code) and by region, the largest groups first.

    Raises:
        UnknownCollection: there is no such collection.
    """
    catalogue.collection(store, collection)
    with store.reading() as db:
        asked = audited.asked(db, collection)
        rows = [dict(row) for row in db.execute(PREFIX, [collection, asked, NO_LABEL.code])]
        sizes = [dict(row) for row in db.execute(POPULATION, [collection, NO_LABEL.code])]
        legend = _legend(db, collection)
    worked = rows[: audited.worked_through([row["action"] is not None for row in rows])]
    classes = _by("code", worked, sizes, lambda code: legend.get(code, (str(code), None)))
    regions = _by("region", worked, sizes, lambda name: (name, None))
    return Audit(len(rows), _rate(("All labels", None), worked, sizes), classes, regions)


def verdict(action: str | None, reason: str | None) -> bool | None:
    """Whether the decision says that the inventory's label is wrong; None where it does not say."""
    if action == "relabel" or (action == "reject" and reason == "not_cropland"):
        return True
    return False if action == "agree" else None


def _legend(db: Database, collection: str) -> dict[int, tuple[str, str]]:
    rows = db.execute("select code, name, color from legend_class where collection = ?", [collection])
    return {row["code"]: (row["name"], row["color"]) for row in rows}


def _by(key: str, rows: list[dict], sizes: list[dict], named) -> tuple[Rate, ...]:
    groups = sorted({size[key] for size in sizes})
    found = [
        _rate(named(group), [row for row in rows if row[key] == group], [size for size in sizes if size[key] == group]) for group in groups
    ]
    return tuple(sorted(found, key=lambda rate: -rate.population))


def _rate(named: tuple[str, str | None], rows: list[dict], sizes: list[dict]) -> Rate:
    name, color = named
    population = sum(size["n"] for size in sizes)
    said = [verdict(row["action"], row["reason"]) for row in rows]
    judged = [word for word in said if word is not None]
    # Of the population, too, a part cannot be judged: the same share of it as of the prefix.
    decidable = population * len(judged) / len(rows) if rows else population
    return Rate(
        name, population, len(rows), sum(row["action"] is not None for row in rows), Share(sum(judged), len(judged), decidable), color
    )  # fmt: skip
