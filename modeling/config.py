"""Everything that decides how a run turns out, in one frozen record. No torch; no I/O."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from data.errors import CannotTrain
from modeling import registry

LABELS = ("inventory", "verified", "mixed")
DATES = ("all", "clear")
METHODS = ("random", "block", "region", "year")
DEVICES = ("auto", "cpu", "cuda")
OPTIMIZERS = ("adamw", "adam")
DECAYS = ("cosine", "none")
METRICS = ("macro_f1", "accuracy", "kappa", "loss")
MEMORY = ("auto", "resident", "streamed")
BEST, EACH = "best", "each"  # of `months`, for models of one image


@dataclass(frozen=True)
class TrainConfig:
    """How to train: make one with `for_model`, which fills in what suits the model.

    The same configuration, labels and number of threads give the same figures.
    """

    collection: str
    model: str = registry.DEFAULT
    # What it learns from
    labels: str = "inventory"  # inventory: the map's; verified: only decided samples; mixed: the label in force
    unverified_weight: float = 0.85  # of a label that nobody verified, beside 1 of a verified one: the ACI's target accuracy
    doubts: str = ""  # a run whose ranking of label errors says what each unverified label weighs; empty = unverified_weight for all
    limit: int = 0  # at most this many labelled samples to learn from, the same ones for the same seed; 0 = all
    inputs: str = "land+indices"  # land, bands, indices, rgb, names of bands and indices, joined by +; see `modeling.inputs`
    day_of_year: bool = True  # whether the model is told the day of year of each date
    dates: str = "all"  # all: every image but those marked bad; clear: only those of quality ok
    months: str = ""  # numbers joined by +, e.g. 6+7; empty = all; for models of one image also best, or each image in turn
    window: int = 0  # side in pixels of the middle of a patch that image and sequence models see; 0 = all of it
    # Which samples judge
    split: str = "random"  # random by site, by spatial block, region or year, or the name of a stored split
    shares: str = "60/20/20"  # per cent of the train, validation and test part; not used with folds
    folds: int = 0  # 0: train, validation and test parts; K: every sample is predicted by a model that never saw it
    block_side_m: float = 10_000.0  # side of a block in metres; used by split "block"
    held_out: str = ""  # regions or years of the test part, joined by +; empty: one fold for each region or year
    watched: str = ""  # regions or years of the validation part, joined by +; used with held_out
    seed: int = 0  # of the split, the initial weights, the order of batches and the augmentation
    # How it learns
    epochs: int = 60  # passes over the training part; with a validation part, training may stop earlier
    patience: int = 15  # epochs without a better validation metric before it stops; 0 = never; folds have no validation part
    metric: str = "macro_f1"  # of the validation part, that chooses the best epoch
    batch_size: int = 32
    optimizer: str = "adamw"  # adamw, or adam (the same without weight decay's decoupling)
    learning_rate: float = 3e-3  # at its highest
    warmup: float = 0.0  # share of the epochs in which the learning rate rises to its highest
    decay: str = "cosine"  # of the learning rate after that: to 0 along a half cosine, or none
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05  # the inventory is wrong for up to one label in seven: no class is ever certain
    class_weights: bool = True  # every class weighs the same in the loss, however rare
    # Augmentation, drawn anew in every batch
    date_drop: float = 0.2  # share of a season's dates that is hidden: clouds as augmentation
    date_shift: float = 0.0  # sd in days by which a whole season comes earlier or later
    noise: float = 0.1  # sd of the noise added to standardised inputs
    turns: bool = True  # patches are flipped and turned: a field has no upper side
    # Where
    device: str = "auto"  # auto: a GPU where there is one
    memory: str = "auto"  # resident: all inputs on the device; streamed: read batch by batch; auto: resident where they fit
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

    @property
    def month_numbers(self) -> tuple[int, ...]:
        """The months that are chosen, 1 ... 12 in order; empty = all."""
        return () if self.months in ("", BEST, EACH) else tuple(sorted({int(part) for part in self.months.split("+")}))

    def _check(self) -> None:
        model = registry.named(self.model)
        choices = (
            ("labels", LABELS), ("dates", DATES), ("device", DEVICES), ("optimizer", OPTIMIZERS), ("decay", DECAYS), ("metric", METRICS),
            ("memory", MEMORY),
        )  # fmt: skip
        for name, allowed in choices:
            if getattr(self, name) not in allowed:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
        if self.folds == 1 or self.folds < 0:
            raise CannotTrain(f"{self.folds} folds cannot be made: give 0 for train, validation and test parts, or at least 2.")
        for name, lowest in (("epochs", 1), ("batch_size", 2), ("patience", 0), ("threads", 0), ("seed", 0), ("limit", 0), ("window", 0)):
            if getattr(self, name) < lowest:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be at least {lowest}.")
        for name in ("block_side_m", "learning_rate", "unverified_weight"):
            if not getattr(self, name) > 0:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be above 0.")
        for name in ("date_drop", "label_smoothing", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be at least 0 and below 1.")
        for name in ("date_shift", "noise", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise CannotTrain(f"The setting {name} is {getattr(self, name)}; it must be at least 0.")
        self._check_months(model)

    def _check_months(self, model: registry.Model) -> None:
        if self.months in (BEST, EACH) and model.kind != registry.IMAGE:
            raise CannotTrain(
                f"The months are {self.months!r}, but {self.model} looks at whole seasons: give numbers joined by +, as in 6+7, or "
                "nothing for all months."
            )
        if self.months in ("", BEST, EACH):
            return
        parts = self.months.split("+")
        if not all(part.isdecimal() and 1 <= int(part) <= 12 for part in parts):
            raise CannotTrain(f"The months are {self.months!r}; give numbers from 1 to 12 joined by +, as in 6+7.")
