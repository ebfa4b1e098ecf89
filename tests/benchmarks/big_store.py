"""A store with as many samples as wished, without pixels, for benchmarks of the store. Run by hand to look at one:

    python -m tests.benchmarks.big_store FOLDER [--samples 15700] [--decided 0.6] [--json]

Everything is made up and written with plain bulk SQL into the real schema, so it is the catalogue of a collection and nothing else:
pages that draw pixels do not work on it. Up to MOST_WITH_IMAGES samples have images and their index statistics, in the proportion of
the Canadian Cropland Dataset (78,536 images of 15,700 samples); above that only the rows that queues read are there.

The orders of all queues agree: sample 1 is the first of the collection, of the shuffled order and of the suspects. `decide` goes
through the samples from the front, so that what is decided lies before what is open in every queue: the dearest case for a queue
that would look for its first open sample from the start.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
from sqlite_utils import Database

from data import indices, simulate
from data.command import as_json, report
from data.importing import CollectionSpec, add_collection
from data.store import Store
from data.workspace import Workspace
from labeling import decisions, policy

NAME, RUN = "big", "big-run"
CANADIAN = 15_700  # samples of the Canadian Cropland Dataset ...
CANADIAN_IMAGES = 78_536  # ... and their images
MOST_WITH_IMAGES = 100_000
MONTHS = ("05", "06", "07", "08", "09", "10")
REGIONS = {"AB": 0.24, "SK": 0.24, "ON": 0.16, "MB": 0.13, "QC": 0.11, "BC": 0.04, "NB": 0.03, "NS": 0.02, "PE": 0.02, "NL": 0.01}
CROP_SHARES = (0.2, 0.17, 0.14, 0.12, 0.1, 0.08, 0.07, 0.05, 0.04, 0.03)
YEARS = (2017, 2018, 2019, 2020, 2021)  # of the rotation; the labels are of 2019
START = datetime(2020, 1, 1, tzinfo=UTC)
CURATORS = tuple(f"curator-{number:02d}" for number in range(20))
ACTIONS = {"agree": 0.85, "relabel": 0.08, "reject": 0.04, "unsure": 0.03}
REVIEWS = {"due": 0.4, "agreed": 0.5, "conflict": 0.1}  # of the samples that a second curator is to see
SAMPLE = (
    "sample (id, collection, site, name, year, inventory_code, modal_code, purity, shard, shard_row, height, width, crs, transform, "
    "shuffle)"
)
EVENT = "event (uid, sample, curator, action, old, new, reason, queue, kind, look, stands, ms, at)"


@dataclass(frozen=True)
class Facts:
    """What is drawn for N samples: arrays (N,) of codes, positions of the predicted crops, their probability, regions, purity, shuffle."""

    codes: np.ndarray
    crops: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    regions: np.ndarray
    purity: np.ndarray
    shuffle: np.ndarray


def make(home: Path, samples: int, *, seed: int = 0) -> Workspace:
    """A workspace with the collection NAME of so many samples, the run RUN, which judged and doubts all of them, and 20 curators."""
    workspace = Workspace(home).create()
    spec = replace(simulate.spec(NAME), slots=tuple(f"2019-{month}" for month in MONTHS))
    facts = _drawn(spec, samples, np.random.default_rng(seed))
    with workspace.store.writing() as db:
        add_collection(db, spec)
        _add_samples(db, spec, facts)
        _add_history(db, spec, facts, np.random.default_rng([seed, 1]))
        _add_run(db, spec, facts)
        if samples <= MOST_WITH_IMAGES:
            _add_images(db, spec, facts, np.random.default_rng([seed, 2]))
        _insert(db, "curator (name, role, created)", ((name, "curator", _at(0)) for name in CURATORS))
        db.execute("update curator set role = 'administrator' where name = ?", [CURATORS[0]])
    return workspace


def decide(store: Store, share: float, *, seed: int = 0) -> int:
    """The front `share` of the samples decided by the 20 curators in turn, and some of them seen by a second one; returns how many."""
    rng = np.random.default_rng(seed)
    with store.writing() as db:
        samples = db.execute("select id, inventory_code, shuffle from sample where collection = ? order by id", [NAME]).fetchall()
        front = samples[: round(share * len(samples))]
        actions = rng.choice(list(ACTIONS), len(front), p=list(ACTIONS.values())).tolist()
        states = rng.choice(list(REVIEWS), len(front), p=list(REVIEWS.values())).tolist()
        share_of_looks = policy.Policy().second_share * 10_000
        looked = [row["shuffle"] % 10_000 < share_of_looks for row in front]
        codes = sorted({row["inventory_code"] for row in samples})
        _insert(db, EVENT, (_first(row, action, codes) for row, action in zip(front, actions, strict=True)))
        again = [item for item, asked in zip(zip(front, actions, states, strict=True), looked, strict=True) if asked]
        _insert(db, EVENT, (_second(row, action, state, codes) for row, action, state in again if state != "due"))
        reviews = ((row["id"], NAME, state, _curator(row), "share") for row, _, state in again)
        _insert(db, "review (sample, collection, state, first, why)", reviews)
    return len(front)


def _curator(row, step: int = 0) -> str:
    return CURATORS[(row["id"] + step) % len(CURATORS)]


def _first(row, action: str, codes: list[int]) -> tuple:
    return _event(row, f"first-{row['id']}", _curator(row), action, codes, "first")


def _second(row, action: str, state: str, codes: list[int]) -> tuple:
    """Another curator's word: the same, or where it is a conflict another one."""
    other = action if state == "agreed" else "unsure" if action != "unsure" else "agree"
    return _event(row, f"second-{row['id']}", _curator(row, 1), other, codes, "second")


def _event(row, uid: str, curator: str, action: str, codes: list[int], look: str) -> tuple:
    old = str(row["inventory_code"])
    new = {"agree": old, "relabel": str(codes[codes.index(row["inventory_code"]) - 1])}.get(action)
    reason = "mixed" if action == "reject" else None
    return uid, row["id"], curator, action, old, new, reason, "all", "all", look, int(look == "first"), 3_000, _at(row["id"])


def _drawn(spec: CollectionSpec, samples: int, rng: np.random.Generator) -> Facts:
    crops = rng.choice(len(CROP_SHARES), samples, p=CROP_SHARES)
    other = (crops + rng.integers(1, len(CROP_SHARES), samples)) % len(CROP_SHARES)
    legend = _codes(spec)
    return Facts(
        codes=np.array(legend)[crops],
        crops=crops,
        predicted=np.where(rng.random(samples) < 0.88, crops, other),
        probability=rng.uniform(0.35, 0.99, samples).round(4),
        regions=rng.choice(list(REGIONS), samples, p=list(REGIONS.values())),
        purity=rng.beta(8, 2, samples).round(4),
        shuffle=np.cumsum(rng.integers(1, 2**20, samples)),
    )


def _codes(spec: CollectionSpec) -> list[int]:
    """The codes of the learned classes, in the classes' order."""
    return [next(entry.code for entry in spec.legend if entry.learned == learned.name) for learned in spec.learned]


def _add_samples(db: Database, spec: CollectionSpec, facts: Facts) -> None:
    """Sites and samples, both numbered from 1."""
    count = len(facts.codes)
    places = np.random.default_rng(0).uniform((-120, 43), (-60, 55), (count, 2)).round(5).tolist()
    sites = ((i + 1, NAME, f"site-{i:07d}", *places[i], region) for i, region in enumerate(facts.regions.tolist()))
    _insert(db, "site (id, collection, name, lon, lat, region)", sites)
    columns = zip(facts.codes.tolist(), facts.purity.tolist(), facts.shuffle.tolist(), strict=True)
    rows = (
        (i + 1, NAME, i + 1, f"site-{i:07d}-2019", 2019, code, code, purity, f"{i // 2_000:04d}", i % 2_000,
         spec.height, spec.width, simulate.CRS, "[10.0, 0.0, 0.0, 0.0, -10.0, 0.0]", shuffle)
        for i, (code, purity, shuffle) in enumerate(columns)
    )  # fmt: skip
    _insert(db, SAMPLE, rows)


def _add_history(db: Database, spec: CollectionSpec, facts: Facts, rng: np.random.Generator) -> None:
    """Rotations: what follows a crop is mostly the next one of the legend's, else anything."""
    legend = np.array(_codes(spec))
    regular = (facts.crops[:, None] + np.arange(len(YEARS)) - YEARS.index(2019)) % len(legend)
    drawn = np.where(rng.random(regular.shape) < 0.7, regular, rng.integers(0, len(legend), regular.shape))
    drawn[:, YEARS.index(2019)] = facts.crops
    rows = ((i + 1, year, code) for i, codes in enumerate(legend[drawn].tolist()) for year, code in zip(YEARS, codes, strict=True))
    _insert(db, "aci_history (site, year, code)", rows)


def _add_run(db: Database, spec: CollectionSpec, facts: Facts) -> None:
    """A run in five folds that judged every sample, with every sample ranked by how likely its label is wrong."""
    _insert(db, "split (id, collection, name, method, folds, params, created)", [(1, NAME, "big-split", "random", 5, "{}", _at(0))])
    table = "run (name, collection, model, labels, split, config, last_event, content_hash, created)"
    _insert(db, table, [(RUN, NAME, "random_forest", "inventory", 1, "{}", 0, "", _at(0))])
    names = [entry.name for entry in spec.learned]
    columns = list(zip(facts.crops.tolist(), facts.predicted.tolist(), facts.probability.tolist(), strict=True))
    table = "prediction (run, sample, part, truth, predicted, probability, probabilities)"
    rows = (
        (RUN, i + 1, f"fold-{i % 5}", names[crop], names[predicted], share, _probabilities(predicted, share, len(names)))
        for i, (crop, predicted, share) in enumerate(columns)
    )
    _insert(db, table, rows)
    table = "suspect (run, sample, rank, given, suggested, quality, probability, counted, reason)"
    rows = (
        (
            RUN,
            i + 1,
            i + 1,
            names[crop],
            names[predicted],
            i / len(columns),
            1 - share,
            int(i < len(columns) / 10),
            "The label may be wrong.",
        )
        for i, (crop, predicted, share) in enumerate(columns)
    )
    _insert(db, table, rows)


def _probabilities(predicted: int, share: float, classes: int) -> str:
    """The predicted class's share, and of the rest 0.7 for the next class and the others evenly."""
    rest = 1 - share
    shares = [rest * 0.3 / (classes - 2)] * classes
    shares[(predicted + 1) % classes], shares[predicted] = rest * 0.7, share
    return json.dumps([round(value, 4) for value in shares])


def _add_images(db: Database, spec: CollectionSpec, facts: Facts, rng: np.random.Generator) -> None:
    """Five images a sample, six of as many as it takes to reach the Canadian data set's mean, with statistics of every index."""
    count = len(facts.codes)
    six = round(count * (CANADIAN_IMAGES / CANADIAN - 5))
    slots = [(sample, slot) for sample in range(count) for slot in range(0 if sample < six else 1, len(MONTHS))]
    clear = rng.beta(5, 1, len(slots)).round(4).tolist()
    images = (
        (i + 1, sample + 1, slot, f"2019-{MONTHS[slot]}", 135 + 30 * slot, seen, "ok" if seen > 0.5 else "cloud")
        for i, ((sample, slot), seen) in enumerate(zip(slots, clear, strict=True))
    )
    _insert(db, "image (id, sample, slot, acquired, day, clear, quality)", images)
    season = np.sin(np.linspace(0.3, 2.8, len(MONTHS)))
    for name in indices.available(spec.bands):
        medians = np.array([0.2 + 0.06 * facts.crops[sample] * season[slot] for sample, slot in slots]) + rng.normal(0, 0.05, len(slots))
        rows = ((i + 1, name, value, 0.05, value - 0.06, value, value + 0.06) for i, value in enumerate(medians.round(4).tolist()))
        _insert(db, "index_stat (image, name, mean, sd, p10, median, p90)", rows)


def _insert(db: Database, table: str, rows: Iterable[tuple]) -> None:
    """Insert rows into `table (columns)`."""
    places = ", ".join("?" * (table.count(",") + 1))
    db.conn.executemany(f"insert into {table} values ({places})", rows)


def _at(second: int) -> str:
    return (START + timedelta(seconds=second)).isoformat(timespec="milliseconds")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--samples", default=CANADIAN, show_default=True, type=click.IntRange(100))
@click.option("--decided", default=0.0, show_default=True, type=click.FloatRange(0, 1))
@as_json
def main(folder: Path, samples: int, decided: float, as_json: bool) -> None:
    """Make a store in FOLDER."""
    workspace = make(folder, samples)
    decide(workspace.store, decided)
    figures = decisions.tally(workspace.store, NAME) | {"bytes": workspace.store.path.stat().st_size}
    report(figures, f"{figures['samples']:,} samples, {figures['decided']:,} decided, {figures['bytes'] / 1e6:.0f} MB", as_json=as_json)


if __name__ == "__main__":
    main()
