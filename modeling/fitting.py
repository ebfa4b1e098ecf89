"""The training loop. Tensors only: it knows nothing of collections, runs or files.

What is drawn at random in an epoch follows from the seed, the training's number, the epoch and the process alone, so that an epoch
that is learned again after a kill is the same one. In a run of several processes each learns a share of every batch, and the mean of
their gradients is the gradient of the whole batch.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from data.errors import CannotTrain
from modeling import metrics, ranks
from modeling.classifier import Classifier
from modeling.config import TrainConfig
from modeling.feeding import Batch, Feed
from modeling.rundir import Epoch

PREDICT_BATCH = 256
PREDICT_BYTES = 64e6  # of stored pixels in a batch of predictions
ORDER = 0  # the stream of random numbers that all processes share; each has its own for dropout and augmentation

Tell = Callable[[str, int, int], None]  # what is being done, samples done, samples in all


class NotANumber(CannotTrain):
    """The loss, or a weight, is no number any more."""


class TooLarge(CannotTrain):
    """The device's memory is too small."""


def untold(what: str, done: int, total: int) -> None:
    """Nobody wants to know."""


def seed_of(*numbers: int) -> int:
    """One seed from several numbers, without the collisions of a sum."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


class Fit:
    """The training of one model on one part of the data, epoch by epoch, and everything needed to go on after a kill.

    teach: (n,) int64 positions, on the CPU, of the samples to learn from.
    watch: (m,) positions of the validation part; the epoch with the best `config.metric` there wins, and training stops after
        `config.patience` epochs without a better one. Empty: the last epoch wins.
    number: of this training in its run; each has its own random numbers.
    batch_size: of a step, over all processes; halved once where the memory is too small for the configured one.

    Raises:
        CannotTrain: fewer samples than the processes need for one batch.
    """

    def __init__(
        self, model: Classifier, feed: Feed, teach: Tensor, watch: Tensor, config: TrainConfig, classes: int, *, number: int = 0,
        tell: Tell = untold,
    ):  # fmt: skip
        self.model, self.feed, self.teach, self.watch, self.config, self.classes = model, feed, teach, watch, config, classes
        self.number, self.tell = number, tell
        self.smallest = 2 * ranks.size()  # a batch norm cannot take one sample
        if len(teach) < self.smallest:
            raise CannotTrain(f"{len(teach)} samples to learn from are too few for {ranks.size()} processes. Start fewer, or verify more.")
        if ranks.leads():
            model.features.fit((batch.values, batch.present) for batch in _all(feed, teach, tell))
        self.net = _shared(model, feed.device)  # the other processes get weights and normalisation here
        self.class_weights = self._class_weights()
        self.loss = nn.CrossEntropyLoss(self.class_weights, label_smoothing=config.label_smoothing, reduction="none")
        optimizer = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = optimizer(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.batch_size = max(config.batch_size, self.smallest)
        self.epoch, self.best_epoch = 0, 0
        self.best_score: tuple[float, float] | None = None
        self.best = copy.deepcopy(model.state_dict())

    def run(self, on_epoch: Callable[[Epoch], None], part: str) -> dict:
        """Train to the end, calling `on_epoch` after every epoch, and return the state of the best one.

        Raises:
            NotANumber: the loss or a weight is no number any more; nothing was noted of that epoch.
            TooLarge: half the batch size is still too large for the memory.
        """
        while not self.finished:
            start, waited = time.perf_counter(), self.feed.waited
            loss = self._learn()
            self._check_weights()
            self.epoch += 1
            watched = self._judge() if len(self.watch) and ranks.leads() else {}
            if not len(self.watch):
                self.best = self.model.state_dict()
            self.best_epoch = ranks.told(self.best_epoch)  # all processes stop at the same epoch
            on_epoch(Epoch(part, self.epoch, loss, seconds=time.perf_counter() - start, waited=self.feed.waited - waited, **watched))
        return self.best

    @property
    def finished(self) -> bool:
        stalled = self.config.patience and len(self.watch) and self.epoch - self.best_epoch >= self.config.patience
        return self.epoch >= self.config.epochs or bool(stalled)

    @property
    def halved(self) -> bool:
        """Whether the memory was too small for the configured batch size."""
        return self.batch_size < self.config.batch_size

    def snapshot(self) -> dict:
        """Everything that `restore` needs to go on exactly as if nothing had happened."""
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": self.epoch, "batch_size": self.batch_size,
            "best": self.best, "best_epoch": self.best_epoch, "best_score": self.best_score,
        }  # fmt: skip

    def restore(self, snapshot: dict) -> None:
        self.model.load_state_dict(snapshot["model"])
        self.optimizer.load_state_dict(snapshot["optimizer"])
        self.epoch, self.best_epoch, self.best_score = snapshot["epoch"], snapshot["best_epoch"], snapshot["best_score"]
        self.best, self.batch_size = snapshot["best"], snapshot["batch_size"]

    def _class_weights(self) -> Tensor | None:
        if not self.config.class_weights:
            return None
        here = self.teach.to(self.feed.device)
        counts = torch.bincount(self.feed.truth[here], minlength=self.classes).float()
        weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
        return weights / weights.sum() * (counts > 0).sum()

    def _learn(self) -> float:
        """One pass over the samples, in a new random order; the mean loss. A batch that the memory is too small for is tried in halves."""
        self.model.train()
        torch.manual_seed(seed_of(self.config.seed, self.number, self.epoch, 1 + ranks.rank()))
        draw = torch.Generator().manual_seed(seed_of(self.config.seed, self.number, self.epoch, ORDER))
        order = self.teach[torch.randperm(len(self.teach), generator=draw)]
        losses: list[Tensor] = []
        sizes: list[int] = []
        while len(order) - sum(sizes) >= self.smallest:
            crowded = None
            try:
                for loss, size in self._steps(order, sum(sizes), len(losses)):
                    losses.append(loss)
                    sizes.append(size)
            except torch.OutOfMemoryError as error:
                crowded = str(error)
            if crowded is None:
                break
            self._halve(crowded)  # out here, where the exception holds no tensors any more
        return self._mean(losses, sizes)

    def _steps(self, order: Tensor, done: int, step: int) -> Iterator[tuple[Tensor, int]]:
        """Learn from order[done:] batch by batch; of each this process's share of the loss, detached, and the batch's size."""
        batches = [batch for batch in order[done:].split(self.batch_size) if len(batch) >= self.smallest]
        total = step + len(batches)
        mine = [batch[ranks.rank() :: ranks.size()] for batch in batches]
        for whole, batch in zip(batches, self.feed.batches(mine), strict=True):
            self._set_rate((self.epoch + done / len(order)) / self.config.epochs)
            loss = self._loss(batch, self._weight(whole.to(self.feed.device)))
            if not loss.is_cuda:  # a GPU would have to wait for every batch: there it is seen after the epoch
                self._check(loss.detach().view(1), step, total)
            self.optimizer.zero_grad()
            (loss * ranks.size()).backward()  # the processes' gradients are averaged
            self.optimizer.step()
            done, step = done + len(whole), step + 1
            self.tell("learning", done, len(order))
            yield loss.detach(), len(whole)

    def _halve(self, crowded: str) -> None:
        if self.feed.device.type == "cuda":
            torch.cuda.empty_cache()
        size = self.batch_size
        if self.halved or ranks.size() > 1 or size < 4:
            once = f"half of {self.config.batch_size} samples" if self.halved else f"{size} samples"
            raise TooLarge(
                f"The memory of {self.feed.device} is too small for a batch of {once} ({crowded.splitlines()[0]}). Train with a batch size "
                f"of {max(2, size // 4)}, fewer months or fewer inputs, or on a larger device."
            )
        self.batch_size //= 2

    def _mean(self, losses: list[Tensor], sizes: list[int]) -> float:
        """The epoch's mean loss a sample, over all processes."""
        each = torch.stack(losses)
        if ranks.size() > 1:
            torch.distributed.all_reduce(each)
        self._check(each, 0, len(losses))
        weights = torch.tensor(sizes, dtype=torch.float32, device=each.device)
        return ((each * weights).sum() / weights.sum()).item()

    def _check(self, losses: Tensor, first: int, batches: int) -> None:
        """Stop at a loss that is no number. first: position of the first of `losses` among the epoch's batches."""
        finite = torch.isfinite(losses).tolist()
        if not all(finite):
            step = finite.index(False)
            raise NotANumber(
                f"The loss became {losses[step].item()} in epoch {self.epoch + 1}, batch {first + step + 1} of {batches}. Train again with "
                f"a lower learning rate than {self.config.learning_rate:g}, or look for damaged pixels."
            )

    def _check_weights(self) -> None:
        """Stop where a step from a finite loss has left a weight that is no number: nothing is kept of it."""
        numbers = [value for value in self.model.state_dict().values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in numbers]).all():
            raise NotANumber(
                f"A weight of the model is no number any more after the last batch of epoch {self.epoch + 1}. Train again with a lower "
                f"learning rate than {self.config.learning_rate:g}."
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

    def _weight(self, index: Tensor) -> Tensor:
        """What a whole batch weighs in the loss, the part of other processes included."""
        weight = self.feed.weight[index]
        return (weight if self.class_weights is None else weight * self.class_weights[self.feed.truth[index]]).sum()

    def _loss(self, batch: Batch, weight: Tensor) -> Tensor:
        """This process's share of the batch's mean loss; the shares of all add up to it."""
        # Half precision only on a GPU: on a processor without bf16 units it is 6 to 18 times slower.
        with torch.autocast(self.feed.device.type, torch.bfloat16, enabled=self.feed.device.type == "cuda"):
            logits = self.net(*batch.inputs)
        return (self.loss(logits.float(), batch.truth) * batch.weight).sum() / weight

    def _judge(self) -> dict[str, float]:
        """Figures of the validation part, as in `Epoch`; keeps the state if it is the best so far."""
        logits = scores(self.model, self.feed, self.watch, lambda what, done, total: self.tell("judging", done, total))
        truth = self.feed.truth[self.watch.to(self.feed.device)]
        plain = nn.functional.cross_entropy(logits, truth, self.class_weights, label_smoothing=self.config.label_smoothing).item()
        counts = metrics.confusion(truth.cpu().numpy(), logits.argmax(dim=1).cpu().numpy(), self.classes)
        found = {"macro_f1": metrics.macro_f1(counts), "accuracy": metrics.accuracy(counts), "kappa": metrics.kappa(counts), "loss": -plain}
        rank = float(found[self.config.metric]), -plain
        if self.best_score is None or rank > tuple(self.best_score):
            self.best_score, self.best_epoch, self.best = rank, self.epoch, copy.deepcopy(self.model.state_dict())
        shown = {f"val_{name}": float(value) for name, value in found.items() if name != "loss"}
        return {"val_loss": plain} | shown


def scores(model: Classifier, feed: Feed, index: Tensor, tell: Tell = untold) -> Tensor:
    """(n, classes) float32 logits, on the feed's device, of the samples at `index` (int64, on the CPU).

    Raises:
        TooLarge: the memory is too small for a single sample.
    """
    return _of_batches(model, model, feed, index, tell)


def embedded(model: Classifier, feed: Feed, index: Tensor, tell: Tell = untold) -> Tensor:
    """(n, D) float32, on the feed's device, what the model's last layer is given of the samples at `index` (int64, on the CPU).

    Raises:
        TooLarge: the memory is too small for a single sample.
    """
    return _of_batches(model, model.embedding, feed, index, tell)


@torch.inference_mode()
def _of_batches(model: Classifier, asked: Callable[..., Tensor], feed: Feed, index: Tensor, tell: Tell) -> Tensor:
    """What `asked`, the model or something of it, says of the samples at `index`, in batches as large as the memory takes."""
    model.eval()
    size, done = _at_once(feed), 0
    parts: list[Tensor] = []
    while done < len(index):
        crowded = False
        try:
            for batch in feed.batches(index[done:].split(size)):
                parts.append(asked(*batch.inputs).float())
                done += len(batch.truth)
                tell("predicting", done, len(index))
        except torch.OutOfMemoryError:
            crowded = True
        if crowded:
            if size == 1:
                raise TooLarge(f"The memory of {feed.device} is too small to predict a single sample. Use a larger device.")
            if feed.device.type == "cuda":
                torch.cuda.empty_cache()
            size //= 2
    return torch.cat(parts) if parts else torch.zeros(0, device=feed.device)


def _all(feed: Feed, index: Tensor, tell: Tell) -> Iterator[Batch]:
    done = 0
    for batch in feed.batches(index.split(_at_once(feed))):
        yield batch
        done += len(batch.truth)
        tell("reading", done, len(index))


def _at_once(feed: Feed) -> int:
    """How many samples' pixels stay small in memory."""
    each = feed.source.values.nbytes / max(1, len(feed))
    return max(1, min(PREDICT_BATCH, int(PREDICT_BYTES / max(1, each))))


def _shared(model: Classifier, device: torch.device) -> nn.Module:
    """The model itself; in a run of several processes one that averages their gradients, and starts alike in all of them."""
    if ranks.size() == 1:
        return model
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)
