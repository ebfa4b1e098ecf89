"""What `tests.test_engine` has several processes do together: one batch, whose gradients are saved. Started by torchrun.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.two_processes FILE
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from modeling import ranks, registry
from modeling.classifier import Classifier
from modeling.feeding import Feed
from modeling.fitting import Fit
from modeling.pixels import Pixels
from tests import modeling_world as toy

SAMPLES, DATES, CLASSES = 11, 3, 3  # an odd number: the processes' shares differ


class Plain(nn.Module):
    """No batch norm and no dropout: what it learns from a batch does not depend on how the batch is shared out."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, 8), nn.Tanh(), nn.Linear(8, CLASSES))

    def forward(self, x, present, days):
        return self.layers((x * present.unsqueeze(-1)).mean(dim=1))


def gradients() -> dict[str, torch.Tensor]:
    """The gradient of one batch of samples with weights of their own, in this process."""
    random = np.random.default_rng(0)
    values = random.integers(1, 9_000, (SAMPLES, DATES, len(toy.BANDS))).astype(np.uint16)
    days = np.tile(np.array([100, 150, 200], np.float32), (SAMPLES, 1))
    source = Pixels(registry.SERIES, values, random.random((SAMPLES, DATES)) < 0.8, days, toy.BANDS)
    truth, weight = np.arange(SAMPLES) % 5 % CLASSES, random.uniform(0.2, 1, SAMPLES)
    feed = Feed(source, truth, weight, torch.device("cpu"))
    config = toy.config(epochs=1, batch_size=SAMPLES, noise=0.0, date_drop=0.0)
    torch.manual_seed(1 + ranks.rank())  # the processes begin differently: the first one's weights must win
    model = Classifier(config, toy.BANDS, CLASSES)
    model.net = Plain(len(model.features.channels) + 2 * model.adds_days)
    fit = Fit(model, feed, torch.arange(SAMPLES), torch.arange(0), config, CLASSES)
    noted = []
    fit.run(noted.append, "train")
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    return found | {"loss": torch.tensor(noted[0].loss), "mean": model.features.mean}


if __name__ == "__main__":
    with ranks.joined():
        found = gradients()
    if ranks.leads():
        torch.save(found, Path(sys.argv[1]))
