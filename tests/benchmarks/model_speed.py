"""Training speed of the series models, in seasons (pixels) a second and against the two networks of BreizhCrops. Run by hand:

    python -m tests.benchmarks.model_speed [--rounds 15] [--threads 1] [--json]

Forward, backward and a step of Adam on one batch of 256 seasons of 45 dates and 13 bands, nine classes. The models take turns, so that
whatever else the machine does meets all alike; a model's time is the median of its rounds, a ratio that of two medians of one run.

BreizhCrops' LSTM is 4 bidirectional layers of width 128, its Transformer 5 layers of width 64 with 2 heads and 128 hidden units, with
PyTorch's own layers and nothing else: no mask, no days. Targets: `ltae` at least 30 times the speed of the one, 10 times of the other.
"""

import statistics
import sys
import time

import click
import torch
from torch import Tensor, nn

from data.command import report
from modeling import registry

BATCH, DATES, BANDS, CLASSES = 256, 45, 13, 9
TARGETS = {"breizhcrops-lstm": 30.0, "breizhcrops-transformer": 10.0}


class PublishedLSTM(nn.Module):
    """Four bidirectional layers of width 128; the last date's states go to a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, 128, 4, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(256, CLASSES)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) -> (B, classes)."""
        return self.classify(self.lstm(x)[0][:, -1])


class PublishedTransformer(nn.Module):
    """Five layers of width 64, two heads; the largest value over the dates goes to a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 2, 128, batch_first=True)
        self.embed, self.encoder = nn.Linear(BANDS, 64), nn.TransformerEncoder(layer, 5)
        self.classify = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) -> (B, classes)."""
        return self.classify(self.encoder(self.embed(x)).amax(dim=1))


def networks() -> dict[str, nn.Module]:
    """The product's series networks and the two that they are measured against."""
    ours = [model for model in registry.MODELS.values() if model.kind == registry.SERIES and not model.estimator]
    made = {model.name: model.build(BANDS, CLASSES) for model in ours}
    return made | {"breizhcrops-lstm": PublishedLSTM(), "breizhcrops-transformer": PublishedTransformer()}


def season() -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Inputs and classes of one batch; every date is present, the hardest case for those that skip absent ones."""
    days = torch.linspace(20, 350, DATES).repeat(BATCH, 1)
    return (torch.randn(BATCH, DATES, BANDS), torch.ones(BATCH, DATES, dtype=torch.bool), days), torch.randint(0, CLASSES, (BATCH,))


def seconds(net: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[Tensor, Tensor, Tensor], truth: Tensor) -> float:
    """Of one training step."""
    start = time.perf_counter()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(*inputs), truth).backward()
    optimizer.step()
    return time.perf_counter() - start


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, threads: int, as_json: bool) -> None:
    """Measure, and exit 1 if `ltae` misses a target."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    nets, (inputs, truth) = networks(), season()
    optimizers = {name: torch.optim.Adam(net.train().parameters()) for name, net in nets.items()}
    taken: dict[str, list[float]] = {name: [] for name in nets}
    for turn in range(rounds + 1):
        for name, net in nets.items():
            spent = seconds(net, optimizers[name], inputs, truth)
            if turn:  # the first round warms up
                taken[name].append(spent)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratios = {name: medians[name] / medians["ltae"] for name in nets}
    lines = ["| model | seasons a second | `ltae` is faster by |", "|---|---|---|"]
    lines += [f"| {name} | {BATCH / medians[name]:,.0f} | {ratios[name]:.1f} |" for name in nets]
    missed = [f"{name}: {ratios[name]:.1f} of {target:g}" for name, target in TARGETS.items() if ratios[name] < target]
    lines.append(f"target missed: {', '.join(missed)}" if missed else "target reached")
    report({"seconds": medians, "ratios": ratios, "threads": threads, "reached": not missed}, "\n".join(lines), as_json=as_json)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
