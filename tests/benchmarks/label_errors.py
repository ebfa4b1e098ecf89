"""How well wrong labels are found, through the product's own commands. Run by hand:

    python -m tests.benchmarks.label_errors [--skip-canada] [--shares 0.05,0.1,0.15,0.3] [SETTING ...]

In a fresh workspace, labels of `bavaria-parcels-2018` are flipped in memory (`python -m modeling suspects --inject`), uniformly and along
the models' own confusions, three draws each; targets stand for 10 %: 26 of 265 labels. Then 2,400 simulated Canadian samples are ranked as
they come, with the one label in ten that the simulator got wrong, and held against the truth that it keeps apart. Further settings go to
`suspects`, e.g. --model ltae --repeats 1. Prints a table in Markdown, and exits 1 where a target is missed.
"""

import csv
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from data import catalogue
from data.store import Store
from modeling import injection, suspects
from modeling.suspects import Ranking
from tests.benchmarks.parcels_accuracy import run

PARCELS, CANADA, SAMPLES = "bavaria-parcels-2018", "canada-simulated-2019-large", 2_400
TARGET_SHARE = 0.1
TARGETS = {
    ("uniform", "precision_at_wrong"): 0.93, ("uniform", "auroc"): 0.995,
    ("similar", "precision_at_wrong"): 0.85, ("similar", "auroc"): 0.985,
    ("simulated", "precision_at_5"): 0.6,
}  # fmt: skip
COLUMNS = ("precision_at_wrong", "precision_at_100", "precision_at_5", "recall_at_10", "auroc")


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--shares", default="0.05,0.1,0.15,0.3", show_default=True, help="Of the parcels' labels to flip.")
@click.option("--draws", default=3, show_default=True)
@click.option("--skip-canada", is_flag=True)
@click.argument("settings", nargs=-1, type=click.UNPROCESSED)
def main(shares: str, draws: int, skip_canada: bool, settings: tuple[str, ...]) -> None:
    """Measure, and exit 1 where a target is missed."""
    missed = []
    print("| wrong labels | of | precision at as many | at 100 | at 5 % | recall at 10 % | AUROC | counted |\n|" + "---|" * 8)
    with tempfile.TemporaryDirectory() as home:
        run("data", "init", home=home)
        for shape in injection.SHAPES:
            for share in map(float, shares.split(",")):
                fixed = ("--collection", PARCELS, "--inject", str(share), "--shape", shape, "--draws", str(draws))
                found = run("modeling", "suspects", *fixed, *settings, home=home)
                counted = np.mean([draw["counted"] for draw in found["draws"]])
                missed += line(shape, share, found["draws"][0] | found["mean"] | {"counted": counted}, share == TARGET_SHARE)
        if not skip_canada:
            run("data", "simulate", "--samples", str(SAMPLES), "--collection", CANADA, home=home)
            ranked = run("modeling", "suspects", "--collection", CANADA, *settings, home=home)
            found = judged(Path(home), ranked["run"])
            missed += line("simulated", found.wrong / found.samples, vars(found), judging=True)
    print("\ntargets reached" if not missed else "\nmissed: " + "; ".join(missed))
    sys.exit(bool(missed))


def line(shape: str, share: float, found: dict, judging: bool) -> list[str]:
    """Print a row of the table; give what it misses."""
    cells, missed = [], []
    for name in COLUMNS:
        target = TARGETS.get((shape, name)) if judging else None
        cells.append("–" if found[name] is None else f"{found[name]:.3f}" + (f" ({target})" if target else ""))
        if target and found[name] < target:
            missed.append(f"{shape} {name} {found[name]:.3f} instead of {target}")
    print(f"| {share:.0%} {shape} | {found['wrong']} of {found['samples']} | {' | '.join(cells)} | {found['counted']:.0f} |", flush=True)
    return missed


def judged(home: Path, name: str) -> injection.Found:
    """The stored ranking of a run on the simulated collection, against the truth."""
    store = Store(home / "cropcheck.db")
    with (home / "truth" / f"{CANADA}.csv").open() as file:
        true = {row["sample"]: int(row["code"]) for row in csv.DictReader(file)}
    classes = {entry.code: entry.learned for entry in catalogue.legend(store, CANADA)}
    rows = suspects.top(store, name, SAMPLES)
    wrong = np.array([classes[true[row["sample"]]] != row["given"] for row in rows])
    columns = {key: np.array([row[key] for row in rows]) for key in ("quality", "probability", "counted")}
    return injection.measured(wrong, Ranking(order=np.arange(len(rows)), suggested=np.zeros(len(rows)), **columns))


if __name__ == "__main__":
    main()
