"""How fast data reach the models: the share of training that waits for them, the loader against GeoTIFFs, and a GPU against its ceiling.

    python -m tests.benchmarks.feeding [--samples 240] [--rounds 3] [--json]

A simulated collection of 64 x 64 px patches in 12 bands is made, and exported as GeoTIFFs. Measured in one process, in turns:

- waiting: resnet18 (one image), pixelset and ltae trained from the shards, the page cache cold (the files are
  dropped from it before every epoch) and warm. Target: at most 5 % of the training time.
- loader: images a second that `Feed` streams from the shards, against the same patches read from their GeoTIFFs with rasterio, the
  page cache warm for both. Target: 50 times.
- ceiling: on a GPU, samples a second of resnet50 and ltae trained on what is fed, against the same step on one batch that never
  changes. Target: 0.9.

Medians over the rounds.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import rasterio
import torch
from click.testing import CliRunner

from data import catalogue
from data.__main__ import main as data_main
from data.command import report
from data.workspace import Workspace
from modeling import machine, training
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.feeding import Feed
from modeling.fitting import Fit
from modeling.lessons import Job

NAME = "feeding"
WAITING = {  # resnet18's patches lie in the shards; series and pixel sets are read once and held in memory, as `auto` does
    "resnet18": {"inputs": "bands", "memory": "streamed"}, "pixelset": {"epochs": 2}, "ltae": {"epochs": 30},
}  # fmt: skip
STEPS = 20  # of a GPU in each measurement


def command(*arguments: str) -> None:
    result = CliRunner().invoke(data_main, list(arguments))
    if result.exit_code:
        raise click.ClickException(result.output)


def job_of(workspace: Workspace, model: str, device: str, **chosen) -> Job:
    config = TrainConfig.for_model(model, NAME, device=device, **{"epochs": 1, "patience": 0} | chosen)
    return training.prepare(workspace, config, machine.prepare(config))


def drop(workspace: Workspace) -> None:
    """Have the system forget the collection's files, so that they are read from the disk."""
    for path in workspace.shards(NAME).glob("*.npy"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def waited(workspace: Workspace, model: str, cold: bool) -> float:
    """Share of the epochs' time. The normalisation's pass over the data comes before it, so for a cold epoch files are dropped after."""
    job = job_of(workspace, model, "cpu", **WAITING[model])
    lesson = job.lessons[0]
    classifier = Classifier(job.config, job.feed.source.bands, len(job.known.classes))
    fit = Fit(classifier, job.feed, torch.from_numpy(lesson.teach), torch.arange(0), job.config, len(job.known.classes))
    if cold:
        again = job_of(workspace, model, "cpu", **WAITING[model])  # maps that nobody has looked through
        drop(workspace)
        fit.feed = again.feed
    noted = []
    fit.run(noted.append, "train")
    return sum(epoch.waited for epoch in noted) / sum(epoch.seconds for epoch in noted)


def streamed(feed: Feed, order: torch.Tensor) -> float:
    """Patches a second."""
    start = time.perf_counter()
    count = sum(len(batch.values) for batch in feed.batches(order.split(32)))
    return count / (time.perf_counter() - start)


def read_tiffs(paths: list[Path]) -> float:
    """Patches a second."""
    start = time.perf_counter()
    for path in paths:
        with rasterio.open(path) as file:
            file.read()
    return len(paths) / (time.perf_counter() - start)


def loader(workspace: Workspace, tiffs: Path, rounds: int) -> dict[str, float]:
    command("export", "--collection", NAME, "--to", str(tiffs), "--format", "geotiff")
    paths = sorted(path for path in tiffs.rglob("*.tif"))
    with rasterio.open(paths[0]) as file:
        collection = catalogue.collection(workspace.store, NAME)
        if file.count != len(collection.bands) or file.shape != (collection.height, collection.width):
            raise click.ClickException(f"{paths[0]} has {file.count} bands of {file.shape}.")
    feed = job_of(workspace, "resnet18", "cpu", memory="streamed").feed
    found = {"shards": [], "tiffs": []}
    for number in range(rounds):
        random = np.random.default_rng(number)
        order = torch.from_numpy(np.concatenate([random.permutation(len(feed)) for _ in range(10)]))
        found["shards"].append(streamed(feed, order))
        found["tiffs"].append(read_tiffs([paths[at] for at in random.permutation(len(paths))[: len(feed)]]))
    rates = {f"{name}_per_s": round(statistics.median(values)) for name, values in found.items()}
    ratios = [shard / tiff for shard, tiff in zip(found["shards"], found["tiffs"], strict=True)]
    return rates | {"ratio": round(statistics.median(ratios), 1), "target": 50}


def rate(step: Callable[[int], int]) -> float:
    """Samples a second of a GPU. step: learns a batch and gives its size."""
    for number in range(3):
        step(number)
    torch.cuda.synchronize()
    start = time.perf_counter()
    count = sum(step(number) for number in range(STEPS))
    torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def ceiling(workspace: Workspace, model: str, rounds: int) -> dict[str, float]:
    """What is fed beside a batch that never changes, on a GPU."""
    job = job_of(workspace, model, "cuda", batch_size=256, inputs="bands")
    lesson = job.lessons[0]
    classifier = Classifier(job.config, job.feed.source.bands, len(job.known.classes)).to(job.feed.device)
    fit = Fit(classifier, job.feed, torch.from_numpy(lesson.teach), torch.arange(0), job.config, len(job.known.classes))
    order = torch.from_numpy(np.resize(lesson.teach, (STEPS + 3) * 256))
    weight = torch.tensor(256.0, device=job.feed.device)

    def learn(batch) -> int:
        fit.optimizer.zero_grad()
        fit._loss(batch, weight).backward()
        fit.optimizer.step()
        return len(batch.truth)

    found = []
    for _ in range(rounds):
        fixed = next(job.feed.batches([order[:256]]))
        still = rate(lambda number, fixed=fixed: learn(fixed))
        batches = job.feed.batches(order.split(256))
        found.append(rate(lambda number, batches=batches: learn(next(batches))) / still)
    return {"of_ceiling": round(statistics.median(found), 3), "target": 0.9}


@click.command()
@click.option("--samples", default=240, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(samples: int, rounds: int, as_json: bool) -> None:
    """Print the shares of waiting, the loader's ratio, and the GPU's."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CROPCHECK_HOME"] = str(Path(folder) / "workspace")
        workspace = Workspace(Path(folder) / "workspace").create()
        command("simulate", "--samples", str(samples), "--collection", NAME)
        found = {f"{model}, {page}": [] for model in WAITING for page in ("cold", "warm")}
        for _ in range(rounds):
            for model in WAITING:
                for page in ("cold", "warm"):
                    found[f"{model}, {page}"].append(waited(workspace, model, page == "cold"))
        figures: dict = {"waiting": {name: round(statistics.median(shares), 4) for name, shares in found.items()} | {"target": 0.05}}
        figures["loader"] = loader(workspace, Path(folder) / "tiffs", rounds)
        if torch.cuda.is_available():
            figures["gpu"] = torch.cuda.get_device_name()
            figures["ceiling"] = {model: ceiling(workspace, model, rounds) for model in ("resnet50", "ltae")}
        else:
            figures["gpu"] = "no GPU"
    report(figures, "\n".join(f"{name}: {value}" for name, value in figures.items()), as_json=as_json)


if __name__ == "__main__":
    main()
