"""Which samples teach and which judge: parts that are made once, stored in the database and reused.

random and block keep a site's years, and overlapping patches, in one part (see `grouping`); region keeps whole regions together, year
whole years. A split covers the whole collection and does not depend on decisions, so runs on other labels are judged on the same places.
docs/splits.md says which split answers which question.
"""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlite_utils import Database

from data.errors import CannotTrain
from data.store import Store
from modeling import dealing, grouping
from modeling.config import METHODS, TrainConfig
from modeling.samples import Samples

TEST, VALIDATION, TRAIN = "test", "validation", "train"
FOLD = "fold-"  # and a number, or the region or year that is left out
OUTSIDE = "outside"  # part of a sample that neither teaches nor judges
GIVEN = "given"  # method of a published split, which was imported


@dataclass(frozen=True)
class Split:
    """A stored split. parts: (N,) str, each sample's part, in the order of `Samples`: train, validation, test, fold-<name> or outside."""

    id: int
    name: str
    parts: np.ndarray


@dataclass(frozen=True)
class Rule:
    """How a split is made.

    shares: per cent of train, validation and test part. folds: 0, or how many; regions and years make one each where nothing is said.
    centre: lon, lat of the blocks' grid, fixed when the split is made. held_out, watched: regions or years.
    """

    method: str
    folds: int = 0
    shares: tuple[int, int, int] = (60, 20, 20)
    seed: int = 0
    side_m: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    held_out: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()

    def params(self) -> dict:
        """What the table `split` keeps beside method and folds."""
        params: dict = {"seed": self.seed}
        if self.method in ("random", "block") and not self.folds:
            params["shares"] = list(self.shares)
        if self.method == "block":
            params |= {"side_m": self.side_m, "lon_0": self.centre[0], "lat_0": self.centre[1]}
        if self.held_out:
            params |= {"held_out": list(self.held_out), "watched": list(self.watched)}
        return params


def name_of(config: TrainConfig) -> str:
    """The split that `config` asks for, e.g. random-60-20-20-seed0, block-750m-5fold-seed0, region-FRH04-watched-FRH03 or year-each.

    Raises:
        CannotTrain: impossible shares, or regions and years that contradict the rest.
    """
    if config.split not in METHODS:
        return config.split
    rule = _rule(config)
    if rule.held_out:
        watched = f"-watched-{'+'.join(rule.watched)}" if rule.watched else ""
        return f"{rule.method}-{'+'.join(rule.held_out)}{watched}"
    if rule.method in ("region", "year") and not rule.folds:
        return f"{rule.method}-each"
    block = f"-{_metres(rule.side_m)}" if rule.method == "block" else ""
    shares = f"{rule.folds}fold" if rule.folds else "-".join(map(str, rule.shares))
    return f"{rule.method}{block}-{shares}-seed{rule.seed}"


def shares_of(text: str) -> tuple[int, int, int]:
    """60/20/20 -> per cent of the train, validation and test part.

    Raises:
        CannotTrain: not three whole numbers that sum to 100, or nothing to learn from or to judge by.
    """
    if not re.fullmatch(r"\d{1,3}/\d{1,3}/\d{1,3}", text):
        raise CannotTrain(f"The shares are {text!r}; give per cent of the train, validation and test part, as in 60/20/20.")
    train, validation, test = map(int, text.split("/"))
    if train + validation + test != 100:
        raise CannotTrain(f"The shares {text} sum to {train + validation + test}; they must sum to 100, as in 60/20/20.")
    if not train or not test:
        raise CannotTrain(f"The shares are {text}: only the validation part, in the middle, can be 0, as in 80/0/20.")
    return train, validation, test


def folds_of(parts: np.ndarray) -> list[str]:
    """The folds among `parts`, in order; none where the split has train, validation and test parts."""
    folds = {str(part) for part in np.unique(parts) if part.startswith(FOLD)}
    return sorted(folds, key=lambda fold: [int(run) if run.isdigit() else run for run in re.split(r"(\d+)", fold)])


def taught(parts: np.ndarray) -> dict[str, list[str]]:
    """The judged parts, each with the parts that its model learns from."""
    folds = folds_of(parts)
    return {fold: [other for other in folds if other != fold] for fold in folds} or {TEST: [TRAIN]}


def check(store: Store, config: TrainConfig, samples: Samples) -> None:
    """See that the split of `config` is stored or can be made, without making it.

    Raises:
        CannotTrain: no such split, region or year; impossible shares; too few sites, blocks, regions or years.
    """
    number, rule, _ = _known(store, config, samples)
    if number is None:
        _check_enough(rule, samples, _units(rule, samples, _chains(store, rule, samples)))


def stored(store: Store, config: TrainConfig, samples: Samples) -> Split:
    """The split that `config` asks for: read from the database, or made and stored there.

    Samples that came into the collection after the split was made join the part of their site, of the patches that they overlap, or of
    their block, region or year; others are shared out like the first ones. One that overlaps two parts is outside, and so is a sample
    that a published split does not name.

    Raises:
        CannotTrain: as `check`.
    """
    name = name_of(config)
    number, rule, member = _known(store, config, samples)
    if rule.method != GIVEN and not all(sample in member for sample in samples.ids.tolist()):
        chains = _chains(store, rule, samples)
        parts = _completed(rule, samples, chains, member)
        with store.writing() as db:
            row = db.execute("select id from split where collection = ? and name = ?", [samples.collection, name]).fetchone()
            if (row and row["id"]) == number:
                number = number or _add(db, samples.collection, name, rule)
                rows = [(number, sample, str(part)) for sample, part in zip(samples.ids.tolist(), parts, strict=True)]
                db.conn.executemany("insert or ignore into split_member (split, sample, part) values (?, ?, ?)", rows)
        number, _, member = _known(store, config, samples)  # another process may have been first
    return Split(number, name, np.array([member.get(sample, OUTSIDE) for sample in samples.ids.tolist()]))


def _rule(config: TrainConfig) -> Rule:
    """What `config` asks for, in one of the methods; the blocks' centre is set when the split is made."""
    named = tuple(sorted(filter(None, config.held_out.split("+")))), tuple(sorted(filter(None, config.watched.split("+"))))
    _check_named(config, *named)
    return Rule(config.split, config.folds, shares_of(config.shares), config.seed, config.block_side_m, held_out=named[0], watched=named[1])


def _check_named(config: TrainConfig, held_out: tuple[str, ...], watched: tuple[str, ...]) -> None:
    given = config.held_out or config.watched
    if given and config.split not in ("region", "year"):
        raise CannotTrain(f"Regions or years are held out or watched ({given}), but the split is {config.split}: choose region or year.")
    if watched and not held_out:
        raise CannotTrain(f"{config.watched} is to be watched, but no {config.split} is held out to judge by: name one.")
    if held_out and config.folds:
        raise CannotTrain(f"{config.held_out} is held out, and {config.folds} folds are asked for: choose one of the two.")
    if set(held_out) & set(watched):
        raise CannotTrain(f"{'+'.join(sorted(set(held_out) & set(watched)))} cannot be held out and watched at once.")


def _known(store: Store, config: TrainConfig, samples: Samples) -> tuple[int | None, Rule, dict[int, str]]:
    """The stored split's number, rule and members; None, the rule that config gives, and nobody where it is not stored yet."""
    name = name_of(config)
    with store.reading() as db:
        row = db.execute("select * from split where collection = ? and name = ?", [samples.collection, name]).fetchone()
        if row:
            member = dict(map(tuple, db.execute("select sample, part from split_member where split = ?", [row["id"]])))
            return row["id"], _rule_of(row), member
        names = [row["name"] for row in db.execute("select name from split where collection = ? order by id", [samples.collection])]
    if config.split not in METHODS:
        raise CannotTrain(
            f"There is no split {name!r} of {samples.collection}. Choose {', '.join(METHODS)}"
            + (f", or one that is stored: {', '.join(names)}." if names else "; none is stored yet.")
        )
    centre = (round(samples.lon.mean(), 5), round(samples.lat.mean(), 5))
    rule = _rule(config)
    return None, Rule(**vars(rule) | {"centre": centre}), {}


def _rule_of(row) -> Rule:
    """The rule of a row of the table `split`."""
    params = json.loads(row["params"])
    return Rule(
        row["method"], row["folds"], tuple(params.get("shares", Rule.shares)), params.get("seed", 0), params.get("side_m", 0.0),
        (params.get("lon_0", 0.0), params.get("lat_0", 0.0)), tuple(params.get("held_out", ())), tuple(params.get("watched", ())),
    )  # fmt: skip


def _metres(side: float) -> str:
    return f"{side / 1000:g}km" if side >= 1000 else f"{side:g}m"


def _chains(store: Store, rule: Rule, samples: Samples) -> np.ndarray:
    """(N,) int64 what must stay together, beside the rule's own units: sites and overlapping patches; nothing where years are parted."""
    return np.arange(len(samples)) if rule.method == "year" else grouping.groups(store, samples)


def _units(rule: Rule, samples: Samples, chains: np.ndarray) -> np.ndarray:
    """(N,) what is dealt out whole: numbers of sites, chains of patches or blocks; names of regions or years.

    A chain that reaches over the edge of blocks or regions goes to the one that holds most of it.
    """
    if rule.method == "random":
        return chains
    if rule.method == "year":
        return samples.years.astype(str)
    if rule.method == "region":
        names, number = np.unique(samples.regions, return_inverse=True)
        return names[grouping.majority(chains, number)]
    grid = grouping.blocks(samples.lon, samples.lat, rule.side_m, rule.centre)
    return grouping.majority(chains, np.unique(grid, axis=0, return_inverse=True)[1].ravel())


def _check_enough(rule: Rule, samples: Samples, units: np.ndarray) -> None:
    """See that the units can fill the parts."""
    there = np.unique(units).tolist()
    if rule.method in ("region", "year"):
        _check_there(rule, samples.collection, there)
    least = rule.folds or (np.count_nonzero(rule.shares) if rule.method in ("random", "block") else 2)
    if len(there) < least:
        what = {"random": "groups of sites", "block": f"blocks of {_metres(rule.side_m)}"}.get(rule.method, f"{rule.method}s")
        way = "smaller blocks, fewer folds or the random split" if rule.method == "block" else "fewer folds or another split"
        raise CannotTrain(
            f"The {len(samples)} samples of {samples.collection} lie in {len(there)} {what}: too few for {least} parts. Choose {way}."
        )


def _check_there(rule: Rule, collection: str, there: list[str]) -> None:
    """See that the regions or years that the rule names exist, and that some are left to learn from."""
    unknown = [name for name in (*rule.held_out, *rule.watched) if name not in there]
    if unknown:
        raise CannotTrain(f"{collection} has no {rule.method} {', '.join(unknown)}. It has: {', '.join(there)}.")
    if set(there) <= {*rule.held_out, *rule.watched}:
        raise CannotTrain(f"Every {rule.method} of {collection} is held out or watched ({', '.join(there)}): none is left to learn from.")


def _completed(rule: Rule, samples: Samples, chains: np.ndarray, member: dict[int, str]) -> list[str]:
    """(N,) part of each sample: the stored one, that of its site, chain or unit, or a new one."""
    units = _units(rule, samples, chains)
    if not member:
        _check_enough(rule, samples, units)
    fresh = _fresh(rule, samples, units)
    if not member:
        return fresh
    known = [member.get(sample, OUTSIDE) for sample in samples.ids.tolist()]
    by_site = {} if rule.method == "year" else _settled(samples.sites, known)
    by_chain, by_unit = _settled(chains, known), _settled(units, known)
    parts = []
    for row, (sample, site, chain, unit) in enumerate(zip(samples.ids, samples.sites, chains, units, strict=True)):
        linked = by_site.get(site) or by_chain.get(chain, [])
        joined = OUTSIDE if len(linked) > 1 else [*linked, *by_unit.get(unit, []), fresh[row]][0]
        parts.append(member.get(int(sample), joined))
    return parts


def _settled(keys: np.ndarray, parts: list[str]) -> dict[Any, list[str]]:
    """The parts that samples of each key have, the most frequent first."""
    counts: dict[Any, Counter] = defaultdict(Counter)
    for key, part in zip(keys, parts, strict=True):
        if part != OUTSIDE:
            counts[key][part] += 1
    return {key: [part for part, _ in counted.most_common()] for key, counted in counts.items()}


def _fresh(rule: Rule, samples: Samples, units: np.ndarray) -> list[str]:
    """(N,) part of each sample in a split that is made now."""
    if rule.held_out:
        named = dict.fromkeys(rule.held_out, TEST) | dict.fromkeys(rule.watched, VALIDATION)
        return [named.get(unit, TRAIN) for unit in units.tolist()]
    if rule.method in ("region", "year") and not rule.folds:
        return [FOLD + unit for unit in units.tolist()]
    most = min(len(np.unique(units)), np.unique(samples.inventory, return_counts=True)[1].max())
    counts = (1,) * rule.folds if rule.folds else dealing.counts(tuple(reversed(rule.shares)), most)
    try:
        share = dealing.deal(samples.inventory, units, sum(counts), rule.seed)
    except ValueError as error:
        raise CannotTrain(
            f"The {len(samples)} samples of {samples.collection} cannot fill {sum(counts)} parts: {error}. Choose fewer folds."
        ) from error
    names = [f"{FOLD}{number}" for number in range(rule.folds)] or [TEST, VALIDATION, TRAIN]
    number = dealing.put_together(samples.inventory, share, counts)
    empty = [name for position, name in enumerate(names) if counts[position] and position not in number]
    if empty:
        raise CannotTrain(
            f"No sample of {samples.collection} would be in the part {', '.join(empty)}: the {rule.method} split's groups are too large. "
            "Choose smaller blocks, fewer folds or another seed."
        )
    return np.array(names)[number].tolist()


def _add(db: Database, collection: str, name: str, rule: Rule) -> int:
    row = [collection, name, rule.method, rule.folds, json.dumps(rule.params()), datetime.now(UTC).isoformat(timespec="seconds")]
    return db.execute("insert into split (collection, name, method, folds, params, created) values (?, ?, ?, ?, ?, ?)", row).lastrowid
