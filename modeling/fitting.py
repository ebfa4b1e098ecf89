"""The training loop. Tensors only: it knows nothing of collections, runs or files."""

import copy
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from data.errors import CannotTrain
from modeling import metrics
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.feeding import Batch, Feed
from modeling.rundir import Epoch

PREDICT_BATCH = 256
PREDICT_BYTES = 64e6  # of stored pixels in a batch of predictions


class NotANumber(CannotTrain):
    """The loss is no number any more."""


class Fit:
    """The training of one model on one part of the data, epoch by epoch, and everything needed to go on after a kill.

    teach: (n,) int64 positions, on the CPU, of the samples to learn from.
    watch: (m,) positions of the validation part; the epoch with the best `config.metric` there wins, and training stops after
        `config.patience` epochs without a better one. Empty: the last epoch wins.
    batch_size: halved once where the memory is too small for the configured one.
    """

    def __init__(self, model: Classifier, feed: Feed, teach: Tensor, watch: Tensor, config: TrainConfig, classes: int):
        self.model, self.feed, self.teach, self.watch, self.config, self.classes = model, feed, teach, watch, config, classes
        model.features.fit((batch.values, batch.present) for batch in feed.batches(_batches(feed, teach)))
        self.class_weights = self._class_weights()
        self.loss = nn.CrossEntropyLoss(self.class_weights, label_smoothing=config.label_smoothing, reduction="none")
        optimizer = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = optimizer(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.batch_size = config.batch_size
        self.epoch, self.best_epoch = 0, 0
        self.best_score: tuple[float, float] | None = None
        self.best = copy.deepcopy(model.state_dict())

    def run(self, on_epoch: Callable[[Epoch], None], part: str) -> dict:
        """Train to the end, calling `on_epoch` after every epoch, and return the state of the best one.

        Raises:
            NotANumber: the loss is no number any more.
            torch.OutOfMemoryError: half the batch size is still too large for the memory.
        """
        while not self.finished:
            start, waited = time.perf_counter(), self.feed.waited
            loss = self._learn_within_memory()
            self.epoch += 1
            watched = self._judge() if len(self.watch) else {}
            if not len(self.watch):
                self.best = self.model.state_dict()
            on_epoch(Epoch(part, self.epoch, loss, seconds=time.perf_counter() - start, waited=self.feed.waited - waited, **watched))
        return self.best

    @property
    def finished(self) -> bool:
        stalled = self.config.patience and len(self.watch) and self.epoch - self.best_epoch >= self.config.patience
        return self.epoch >= self.config.epochs or bool(stalled)

    def snapshot(self) -> dict:
        """Everything that `restore` needs to go on exactly as if nothing had happened."""
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": self.epoch, "batch_size": self.batch_size,
            "best": self.best, "best_epoch": self.best_epoch, "best_score": self.best_score, "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state_all() if self.feed.device.type == "cuda" else [],
        }  # fmt: skip

    def restore(self, snapshot: dict) -> None:
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(snapshot["optimizer"])
        self.epoch, self.best_epoch, self.best_score = snapshot["epoch"], snapshot["best_epoch"], snapshot["best_score"]
        self.best, self.batch_size = snapshot["best"], snapshot["batch_size"]
        torch.set_rng_state(snapshot["random"].cpu())
        if self.feed.device.type == "cuda":
            torch.cuda.set_rng_state_all([state.cpu() for state in snapshot["random_gpu"]])

    def _class_weights(self) -> Tensor | None:
        if not self.config.class_weights:
            return None
        here = self.teach.to(self.feed.device)
        counts = torch.bincount(self.feed.truth[here], minlength=self.classes).float()
        weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
        return weights / weights.sum() * (counts > 0).sum()

    def _learn_within_memory(self) -> float:
        """An epoch; where the memory is too small for a batch, once more from its start with half the batch size."""
        try:
            return self._learn()
        except torch.OutOfMemoryError:
            if self.batch_size < self.config.batch_size or self.batch_size < 4:
                raise
        torch.cuda.empty_cache()
        self.batch_size //= 2
        return self._learn()

    def _learn(self) -> float:
        """One pass over the samples, in a new random order; the mean loss."""
        self.model.train()
        order = self.teach[torch.randperm(len(self.teach))]
        batches = [batch for batch in order.split(self.batch_size) if len(batch) > 1]  # a batch norm cannot take one sample
        losses: list[Tensor] = []
        for step, batch in enumerate(self.feed.batches(batches)):
            self._set_rate((self.epoch + step / len(batches)) / self.config.epochs)
            loss = self._loss(batch)
            losses.append(loss.detach())
            if not loss.is_cuda:  # a GPU would have to wait for every batch: there it is seen after the epoch
                self._check(losses[-1:], step, len(batches))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self._check(losses, 0, len(batches))
        sizes = torch.tensor([float(len(batch)) for batch in batches], device=self.feed.device)
        return ((torch.stack(losses) * sizes).sum() / sizes.sum()).item()

    def _check(self, losses: list[Tensor], first: int, batches: int) -> None:
        """Stop at a loss that is no number. first: position of the first of `losses` among the epoch's batches."""
        finite = torch.isfinite(torch.stack(losses)).tolist()
        if not all(finite):
            step = finite.index(False)
            raise NotANumber(
                f"The loss became {losses[step].item()} in epoch {self.epoch + 1}, batch {first + step + 1} of {batches}. Train again with "
                f"a lower learning rate than {self.config.learning_rate:g}, or look for damaged pixels."
            )

    def _set_rate(self, done: float) -> None:
        """Up along a line to the highest in the warm-up, then as `config.decay` says."""
        config = self.config
        if done < config.warmup:
            share = (done + 1 / config.epochs) / (config.warmup + 1 / config.epochs)
        elif config.decay == "cosine":
            share = (1 + math.cos(math.pi * (done - config.warmup) / (1 - config.warmup))) / 2
        else:
            share = 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * share

    def _loss(self, batch: Batch) -> Tensor:
        # Half precision only on a GPU: on a processor without bf16 units it is 6 to 18 times slower.
        with torch.autocast(self.feed.device.type, torch.bfloat16, enabled=self.feed.device.type == "cuda"):
            logits = self.model(*batch.inputs)
        weight = batch.weight if self.class_weights is None else batch.weight * self.class_weights[batch.truth]
        return (self.loss(logits.float(), batch.truth) * batch.weight).sum() / weight.sum()

    def _judge(self) -> dict[str, float]:
        """Figures of the validation part, as in `Epoch`; keeps the state if it is the best so far."""
        logits = scores(self.model, self.feed, self.watch)
        truth = self.feed.truth[self.watch.to(self.feed.device)]
        plain = nn.functional.cross_entropy(logits, truth, self.class_weights, label_smoothing=self.config.label_smoothing).item()
        counts = metrics.confusion(truth.cpu().numpy(), logits.argmax(dim=1).cpu().numpy(), self.classes)
        found = {"macro_f1": metrics.macro_f1(counts), "accuracy": metrics.accuracy(counts), "kappa": metrics.kappa(counts), "loss": -plain}
        rank = float(found[self.config.metric]), -plain
        if self.best_score is None or rank > tuple(self.best_score):
            self.best_score, self.best_epoch, self.best = rank, self.epoch, copy.deepcopy(self.model.state_dict())
        shown = {f"val_{name}": float(value) for name, value in found.items() if name != "loss"}
        return {"val_loss": plain} | shown


@torch.inference_mode()
def scores(model: Classifier, feed: Feed, index: Tensor) -> Tensor:
    """(n, classes) float32 logits, on the feed's device, of the samples at `index` (int64, on the CPU)."""
    model.eval()
    parts = [model(*batch.inputs).float() for batch in feed.batches(_batches(feed, index))]
    return torch.cat(parts) if parts else torch.zeros(0, device=feed.device)


def _batches(feed: Feed, index: Tensor) -> list[Tensor]:
    """`index` in batches whose pixels stay small in memory."""
    each = feed.source.values.nbytes / max(1, len(feed))
    return list(index.split(max(1, min(PREDICT_BATCH, int(PREDICT_BYTES / max(1, each))))))
