"""How well the models of patches do on `canada-simulated-2019`, whose true crops are known. Run by hand:

    nice -n 10 python -m tests.benchmarks.canada_quality --home FOLDER [--samples 2400] [--only WORD ...]

Every line is a run of the product's own `python -m modeling train` on the same random split by site. Three figures for each:
true accuracy (test part, against the crop that the simulator drew), noisy accuracy (against the inventory's labels, one in ten of which
is wrong) and true macro-F1. A curator who never errs then checks half of the samples, and at last all: the ceiling is the same model taught
without a wrong label. FOLDER keeps the collection and every finished run: the same call goes on where the last one stopped.

Targets, on the same test part: seasons beat single images, all bands beat RGB, checked labels beat the inventory's, and of the 5 % of
labels that the suspects' ranking doubts most at least 0.6 are wrong. The exit status is 1 if one of those that were measured is missed.
"""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from data import catalogue
from data.workspace import Workspace
from labeling import decisions
from modeling import metrics

COLLECTION = "canada-simulated-2019"
SHORT = ("--epochs", "6", "--limit", "600")  # of networks that are slow on a processor: enough to see that they learn
SUSPECTS_SHARE, SUSPECTS_TARGET = 0.05, 0.6
CHECKED_SHARES = {"the map's": 0.0, "half checked": 0.5, "all checked": 1.0}  # by the curator, before the runs of that stage


@dataclass(frozen=True)
class Line:
    """A line of the table. stage: of CHECKED_SHARES. settings: of `python -m modeling train`."""

    title: str
    settings: tuple[str, ...]
    stage: str = "the map's"


LINES = (
    Line("L-TAE, field mean", ("--model", "ltae")),
    Line("pixel set", ("--model", "pixelset")),
    Line("LRCN", ("--model", "lrcn")),
    Line("3D-CNN", ("--model", "cnn3d")),
    Line("ResNet-18, greenest image", ("--model", "resnet18")),
    Line("pixel set, RGB", ("--model", "pixelset", "--inputs", "rgb")),
    Line("LRCN, RGB", ("--model", "lrcn", "--inputs", "rgb")),
    Line("L-TAE, RGB", ("--model", "ltae", "--inputs", "rgb")),
    Line("L-TAE, half checked, the others in force", ("--model", "ltae", "--labels", "mixed"), "half checked"),
    Line("pixel set, half checked, the others in force", ("--model", "pixelset", "--labels", "mixed"), "half checked"),
    Line("L-TAE, ceiling", ("--model", "ltae", "--labels", "verified"), "all checked"),
    Line("pixel set, ceiling", ("--model", "pixelset", "--labels", "verified"), "all checked"),
    Line("ResNet-18, every image in turn", ("--model", "resnet18", "--months", "each")),
    Line("ResNet-50, short", ("--model", "resnet50", *SHORT)),
    Line("DenseNet-121, short", ("--model", "densenet121", *SHORT)),
    Line("EfficientNet-B0, short", ("--model", "efficientnet_b0", *SHORT)),
    Line("ResNet-18, whole patch, short", ("--model", "resnet18", "--window", "0", *SHORT)),
    Line("ResNet-18, short", ("--model", "resnet18", *SHORT)),
)
# (better, worse): titles of lines.
TARGETS = (
    ("LRCN", "ResNet-18, greenest image"), ("pixel set", "ResNet-18, greenest image"),
    ("LRCN", "LRCN, RGB"), ("pixel set", "pixel set, RGB"), ("L-TAE, field mean", "L-TAE, RGB"),
    ("L-TAE, half checked, the others in force", "L-TAE, field mean"), ("L-TAE, ceiling", "L-TAE, field mean"),
    ("pixel set, half checked, the others in force", "pixel set"), ("pixel set, ceiling", "pixel set"),
)  # fmt: skip


def command(home: Path, module: str, *arguments: str) -> dict:
    """The JSON object that a command of the product prints."""
    environment = os.environ | {"CROPCHECK_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--json"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(done.stderr)
    return json.loads(done.stdout)


def truth(workspace: Workspace) -> dict[int, str]:
    """Sample number -> the learned class that really grows there."""
    with (workspace.home / "truth" / f"{COLLECTION}.csv").open(newline="") as file:
        codes = {row["sample"]: int(row["code"]) for row in csv.DictReader(file)}
    classes = {entry.code: entry.learned for entry in catalogue.legend(workspace.store, COLLECTION)}
    with workspace.store.reading() as db:
        rows = db.execute("select id, name from sample where collection = ?", [COLLECTION]).fetchall()
    return {row["id"]: classes[codes[row["name"]]] for row in rows}


def check(workspace: Workspace, share: float) -> None:
    """A curator who never errs decides on the first `share` of the samples, the same ones always first."""
    with (workspace.home / "truth" / f"{COLLECTION}.csv").open(newline="") as file:
        codes = {row["sample"]: int(row["code"]) for row in csv.DictReader(file)}
    with workspace.store.reading() as db:
        query = "select s.id, s.name, s.decision from sample s where s.collection = ? order by s.id"
        rows = db.execute(query, [COLLECTION]).fetchall()
    order = np.random.default_rng(0).permutation(len(rows))[: round(share * len(rows))]
    if sum(row["decision"] is not None for row in rows) > len(order) and share:
        raise click.ClickException(f"In this home more than {share:.0%} of the samples are checked already; give another --home.")
    waiting = [rows[at] for at in order if rows[at]["decision"] is None]
    events = [
        {"uid": f"checked-{row['id']}", "sample": row["id"], "action": "relabel", "code": codes[row["name"]], "seen": None}
        for row in waiting
    ]
    for outcome in decisions.record(workspace.store, COLLECTION, "oracle", events):
        if outcome.error:
            raise click.ClickException(outcome.error)


def figures(workspace: Workspace, run: str) -> dict[str, float]:
    """Of the test part, against the truth and against the inventory."""
    query = """select p.sample, p.predicted, c.learned from prediction p join sample s on s.id = p.sample
        join legend_class c on c.collection = s.collection and c.code = s.inventory_code where p.run = ? and p.part = 'test'"""
    with workspace.store.reading() as db:
        rows = db.execute(query, [run]).fetchall()
    true = truth(workspace)
    classes = sorted(set(true.values()))
    found, real, mapped = (
        np.array([classes.index(name) for name in names])
        for names in ([row["predicted"] for row in rows], [true[row["sample"]] for row in rows], [row["learned"] for row in rows])
    )
    f1 = float(metrics.macro_f1(metrics.confusion(real, found, len(classes))))
    return {"true": float((found == real).mean()), "noisy": float((found == mapped).mean()), "macro_f1": f1, "samples": len(rows)}


def measured(workspace: Workspace, line: Line, seed: int, done: dict) -> dict[str, float]:
    """The figures of a line, from the notes of an earlier call or from a run made now."""
    key = f"{' '.join(line.settings)} seed {seed} {line.stage}"
    if key not in done:
        check(workspace, CHECKED_SHARES[line.stage])
        fixed = ("--collection", COLLECTION, "--seed", str(seed), "--threads", "1")
        result = command(workspace.home, "modeling", "train", *fixed, *line.settings)
        done[key] = figures(workspace, result["run"]) | {"run": result["run"], "seconds": result["seconds"]}
        (workspace.home / "quality.json").write_text(json.dumps(done, indent=2))
    return done[key]


def suspected(workspace: Workspace) -> float:
    """The share of wrong labels among the 5 % that are doubted most, of the inventory's."""
    found = command(workspace.home, "modeling", "suspects", "--collection", COLLECTION, "--labels", "inventory")
    query = "select sample, given from suspect where run = ? order by rank"
    with workspace.store.reading() as db:
        rows = db.execute(query, [found["run"]]).fetchall()
    true = truth(workspace)
    top = rows[: round(SUSPECTS_SHARE * len(rows))]
    return float(np.mean([true[row["sample"]] != row["given"] for row in top]))


def table(lines: list[tuple[Line, list[dict]]]) -> str:
    """Markdown; means over the seeds."""
    head = ["| model | true accuracy | noisy accuracy | true macro-F1 | seconds |", "|---|---|---|---|---|"]
    rows = []
    for line, found in lines:
        true, noisy, f1, seconds = (np.mean([entry[key] for entry in found]) for key in ("true", "noisy", "macro_f1", "seconds"))
        rows.append(f"| {line.title} | {true:.3f} | {noisy:.3f} | {f1:.3f} | {seconds:.0f} |")
    return "\n".join(head + rows)


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="Folder of the workspace; made if it is not there.")
@click.option("--samples", default=2400, show_default=True)
@click.option("--seeds", default=1, show_default=True, help="Of split, weights and batches; the table holds the means.")
@click.option("--only", multiple=True, help="Only lines whose title holds this; repeatable.")
@click.option("--suspects/--no-suspects", default=True, show_default=True)
def main(home: Path, samples: int, seeds: int, only: tuple[str, ...], suspects: bool) -> None:
    """Measure, print the table, and exit 1 if a target is missed."""
    workspace = Workspace(home)
    if not (home / "truth" / f"{COLLECTION}.csv").exists():
        command(home, "data", "simulate", "--samples", str(samples))
    notes = home / "quality.json"
    done = json.loads(notes.read_text()) if notes.exists() else {}
    chosen = [line for line in LINES if not only or any(word in line.title for word in only)]
    found = []
    for line in sorted(chosen, key=lambda line: CHECKED_SHARES[line.stage]):
        found.append((line, [measured(workspace, line, seed, done) for seed in range(seeds)]))
        click.echo(table(found[-1:]).splitlines()[-1], err=True)
    print(table(found))
    reached = True
    true = {line.title: float(np.mean([entry["true"] for entry in entries])) for line, entries in found}
    for better, worse in TARGETS:
        if better in true and worse in true:
            print(f"{better} {true[better]:.3f}, {worse} {true[worse]:.3f}: {'beaten' if true[better] > true[worse] else 'NOT beaten'}")
            reached &= true[better] > true[worse]
    if suspects:
        share = suspected(workspace)
        print(f"of the {SUSPECTS_SHARE:.0%} most doubted labels {share:.3f} are wrong; target {SUSPECTS_TARGET}")
        reached &= share >= SUSPECTS_TARGET
    sys.exit(not reached)


if __name__ == "__main__":
    main()
