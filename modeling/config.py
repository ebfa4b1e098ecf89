"""Everything that decides how a run turns out, in one frozen record. No torch; no I/O."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from data.errors import CannotTrain
from modeling import registry

LABELS = ("inventory", "verified", "mixed")
INPUTS = ("bands+indices", "bands", "indices")
DATES = ("all", "clear")
METHODS = ("random", "block")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class TrainConfig:
    """How to train: make one with `for_model`, which fills in what suits the model.

    The same configuration, labels and number of threads give the same figures.
    """

    collection: str
    model: str = registry.DEFAULT
    labels: str = "inventory"  # inventory: the map's; verified: only decided samples; mixed: the label in force
    inputs: str = "bands+indices"  # the reflectance, six normalised differences of it, or both
    dates: str = "all"  # all: every image but those marked bad; clear: only those of quality ok
    split: str = "random"  # random by site, or by spatial block
    folds: int = 0  # 0: train, validation and test parts, 60/20/20; K: every sample is predicted by a model that never saw it
    block_side_m: float = 10_000.0  # side of a block in metres; used by split "block"
    seed: int = 0  # of the split, the initial weights, the order of batches and the augmentation
    epochs: int = 60  # passes over the training part; with a validation part, training may stop earlier
    patience: int = 15  # epochs without a better validation macro-F1 before it stops; 0 = never; folds have no validation part
    batch_size: int = 32
    learning_rate: float = 3e-3  # at the start; falls to 0 along a half cosine
    weight_decay: float = 1e-2  # of AdamW
    label_smoothing: float = 0.05  # the inventory is wrong for up to one label in seven: no class is ever certain
    class_weights: bool = True  # every class weighs the same in the loss, however rare
    date_drop: float = 0.2  # share of a series' dates hidden at random in every batch: clouds as augmentation
    noise: float = 0.1  # sd of the noise added to standardised inputs in every batch
    device: str = "auto"  # auto: a GPU where there is one
    threads: int = 0  # of the processor; 0 = what the model is fastest with, within what this process may use

    @classmethod
    def for_model(cls, model: str, collection: str, **chosen: Any) -> "TrainConfig":
        """The model's own defaults, overridden by `chosen`.

        Raises:
            UnknownModel: no model of that name.
            CannotTrain: an unknown or impossible setting.
        """
        return cls.from_json(json.dumps(dict(registry.named(model).defaults) | {"model": model, "collection": collection} | chosen))

    @classmethod
    def from_json(cls, text: str) -> "TrainConfig":
        """The configuration written by `to_json`.

        Raises:
            UnknownModel: no model of that name.
            CannotTrain: an unknown key, or a value that cannot be used.
        """
        values = json.loads(text)
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise CannotTrain(f"There is no training setting {key!r}; the settings are {', '.join(known)}.")
        config = cls(**values)
        config._check()
        return config

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def with_(self, **changes: Any) -> "TrainConfig":
        """A copy with `changes`, checked."""
        return self.from_json(replace(self, **changes).to_json())

    def _check(self) -> None:
        registry.named(self.model)
        for name, allowed in (("labels", LABELS), ("inputs", INPUTS), ("dates", DATES), ("split", METHODS), ("device", DEVICES)):
            if getattr(self, name) not in allowed:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
        if self.folds == 1 or self.folds < 0:
            raise CannotTrain(f"{self.folds} folds cannot be made: give 0 for train, validation and test parts, or at least 2.")
        for name, lowest in (("epochs", 1), ("batch_size", 2), ("patience", 0), ("threads", 0), ("seed", 0)):
            if getattr(self, name) < lowest:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be at least {lowest}.")
        for name in ("block_side_m", "learning_rate"):
            if not getattr(self, name) > 0:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be above 0.")
        for name in ("date_drop", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be at least 0 and below 1.")
