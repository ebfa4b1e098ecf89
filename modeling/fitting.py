"""The training loop. Tensors only: it knows nothing of collections, runs or files."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modeling import metrics
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.rundir import Epoch

PREDICT_BATCH = 256


@dataclass(frozen=True)
class Tensors:
    """All samples on the device. values, present, days as in `Pixels` (uint16 held as int16); truth (N,) int64."""

    values: Tensor
    present: Tensor
    days: Tensor
    truth: Tensor

    def inputs(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.values[index], self.present[index], self.days[index]


class Fit:
    """The training of one model on one part of the data, epoch by epoch, and everything needed to go on after a kill.

    teach: (n,) int64 positions of the samples to learn from.
    watch: (m,) positions of the validation part; the epoch with the best macro-F1 there wins, and training stops after
        `config.patience` epochs without a better one. Empty: the last epoch wins.
    """

    def __init__(self, model: Classifier, data: Tensors, teach: Tensor, watch: Tensor, config: TrainConfig, classes: int):
        self.model, self.data, self.teach, self.watch, self.config, self.classes = model, data, teach, watch, config, classes
        values, present, _ = data.inputs(teach)
        model.features.fit(values, present)
        self.loss = nn.CrossEntropyLoss(self._class_weights(), label_smoothing=config.label_smoothing)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.epoch, self.best_epoch = 0, 0
        self.best_score: tuple[float, float] | None = None
        self.best = copy.deepcopy(model.state_dict())

    def run(self, on_epoch: Callable[[Epoch], None], part: str) -> dict:
        """Train to the end, calling `on_epoch` after every epoch, and return the state of the best one."""
        while not self.finished:
            start = time.perf_counter()
            loss = self._learn()
            self.epoch += 1
            watched = self._judge() if len(self.watch) else (None, None)
            if not len(self.watch):
                self.best = self.model.state_dict()
            on_epoch(Epoch(part, self.epoch, loss, *watched, time.perf_counter() - start))
        return self.best

    @property
    def finished(self) -> bool:
        stalled = self.config.patience and len(self.watch) and self.epoch - self.best_epoch >= self.config.patience
        return self.epoch >= self.config.epochs or bool(stalled)

    def snapshot(self) -> dict:
        """Everything that `restore` needs to go on exactly as if nothing had happened."""
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": self.epoch,
            "best": self.best, "best_epoch": self.best_epoch, "best_score": self.best_score, "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state_all() if self.teach.is_cuda else [],
        }  # fmt: skip

    def restore(self, snapshot: dict) -> None:
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(snapshot["optimizer"])
        self.epoch, self.best_epoch, self.best_score = snapshot["epoch"], snapshot["best_epoch"], snapshot["best_score"]
        self.best = snapshot["best"]
        torch.set_rng_state(snapshot["random"].cpu())
        if self.teach.is_cuda:
            torch.cuda.set_rng_state_all([state.cpu() for state in snapshot["random_gpu"]])

    def _class_weights(self) -> Tensor | None:
        if not self.config.class_weights:
            return None
        counts = torch.bincount(self.data.truth[self.teach], minlength=self.classes).float()
        weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
        return weights / weights.sum() * (counts > 0).sum()

    def _learn(self) -> float:
        """One pass over the samples, in a new random order; the mean loss."""
        self.model.train()
        order = self.teach[torch.randperm(len(self.teach)).to(self.teach.device)]
        batches = [batch for batch in order.split(self.config.batch_size) if len(batch) > 1]  # a batch norm cannot take one sample
        total = 0.0
        for step, batch in enumerate(batches):
            self._set_rate((self.epoch + step / len(batches)) / self.config.epochs)
            loss = self._loss(batch)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(batch)
        return total / sum(map(len, batches))

    def _set_rate(self, done: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def _loss(self, batch: Tensor) -> Tensor:
        # Half precision only on a GPU: on a processor without bf16 units it is 6 to 18 times slower.
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=batch.is_cuda):
            logits = self.model(*self.data.inputs(batch))
        return self.loss(logits.float(), self.data.truth[batch])

    def _judge(self) -> tuple[float, float]:
        """Loss and macro-F1 on the validation part; keeps the state if it is the best so far."""
        logits = scores(self.model, self.data, self.watch)
        truth = self.data.truth[self.watch]
        loss = self.loss(logits, truth).item()
        counts = metrics.confusion(truth.cpu().numpy(), logits.argmax(dim=1).cpu().numpy(), self.classes)
        found = float(metrics.macro_f1(counts)), -loss
        if self.best_score is None or found > tuple(self.best_score):
            self.best_score, self.best_epoch, self.best = found, self.epoch, copy.deepcopy(self.model.state_dict())
        return loss, found[0]


@torch.inference_mode()
def scores(model: Classifier, data: Tensors, index: Tensor) -> Tensor:
    """(n, classes) float32 logits of the samples at `index`."""
    model.eval()
    parts = [model(*data.inputs(batch)) for batch in index.split(PREDICT_BATCH)]
    return torch.cat(parts).float() if parts else torch.zeros(0, device=index.device)
