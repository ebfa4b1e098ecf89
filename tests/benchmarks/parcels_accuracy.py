"""How well L-TAE tells the six groups of `bavaria-parcels-2018` apart, through the product's own path. Run by hand:

    python -m tests.benchmarks.parcels_accuracy [--seeds 3] [SETTING ...]

A fresh workspace gets the demo collections; then `python -m modeling train --folds 5` runs once a seed with stratified folds by
parcel and once with spatial-block folds of 750 m. Every parcel is judged out of fold. One parcel of 265 is 0.004. Further
settings go to `train`, e.g. --dates clear.
"""

import json
import os
import subprocess
import sys
import tempfile

import click
import numpy as np

TARGET = {"accuracy": 0.95, "macro_f1": 0.90}
SPLITS = {"by parcel": ["--split", "random"], "blocks of 750 m": ["--split", "block", "--block-side", "750"]}


def run(module: str, *arguments: str, home: str) -> dict:
    """The JSON object that a command of the product prints."""
    command = [sys.executable, "-m", module, *arguments, "--json"]
    done = subprocess.run(command, env=os.environ | {"CROPCHECK_HOME": home}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr)
    return json.loads(done.stdout)


def figures(result: dict) -> dict[str, dict]:
    return result["figures"]["confusion"]


def shown(interval: dict) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f}–{interval['high']:.3f})"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--seeds", default=3, show_default=True)
@click.option("--model", default="ltae", show_default=True)
@click.argument("settings", nargs=-1, type=click.UNPROCESSED)
def main(seeds: int, model: str, settings: tuple[str, ...]) -> None:
    """Measure, and exit 1 if the folds by parcel miss the target on average over the seeds."""
    reached = True
    with tempfile.TemporaryDirectory() as home:
        run("data", "init", home=home)
        for title, split in SPLITS.items():
            found = []
            for seed in range(seeds):
                fixed = ("--collection", "bavaria-parcels-2018", "--model", model, "--folds", "5", "--seed", str(seed))
                result = run("modeling", "train", *fixed, *split, *settings, home=home)
                found.append(figures(result))
                copied = result["figures"]["neighbour"]
                print(
                    f"{title}, seed {seed}: accuracy {shown(found[-1]['accuracy'])}, macro-F1 {shown(found[-1]['macro_f1'])}, "
                    f"kappa {shown(found[-1]['kappa'])}; copying the nearest {copied['accuracy']['value']:.3f} / "
                    f"{copied['macro_f1']['value']:.3f}; {result['seconds']:.0f} s on {result['device']}",
                    flush=True,
                )
            means = {name: float(np.mean([scores[name]["value"] for scores in found])) for name in TARGET}
            print(f"{title}, mean of {seeds} seeds: accuracy {means['accuracy']:.3f}, macro-F1 {means['macro_f1']:.3f}\n", flush=True)
            reached &= title != "by parcel" or all(means[name] >= TARGET[name] for name in TARGET)
    print("target reached" if reached else f"target missed: {TARGET}")
    sys.exit(not reached)


if __name__ == "__main__":
    main()
