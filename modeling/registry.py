"""The models that can be trained, by name. Imports torch only when a model is built.

A new model is one file in modeling/models/ and one entry here. It is called as `net(x, present, days)`:

    series  x (B, T, C) float32 standardised, 0 where missing; present (B, T) bool; days (B, T) float32 day of year
    image   x (B, C, H, W) float32 standardised, 0 where missing; present and days are of the one date, (B, 1)

and returns logits (B, classes).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.errors import UnknownModel

if TYPE_CHECKING:
    from torch import nn

DEFAULT = "ltae"


@dataclass(frozen=True)
class Model:
    """A model that can be trained.

    kind: "series" (each sample's field or centre mean at every date) or "image" (all pixels of one date).
    paper: where it was published.
    defaults: settings of TrainConfig that suit it.
    build: (channels, classes) -> the network.
    """

    name: str
    title: str
    kind: str
    paper: str
    defaults: Mapping[str, Any]
    build: Callable[[int, int], "nn.Module"]


def _ltae(channels: int, classes: int) -> "nn.Module":
    from modeling.models.ltae import LTAE

    return LTAE(channels, classes)


def _resnet18(channels: int, classes: int) -> "nn.Module":
    from modeling.models.resnet import ResNet18

    return ResNet18(channels, classes)


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "ltae", "L-TAE (season of the field's mean)", "series",
            "Sainte Fare Garnot and Landrieu 2020, Lightweight Temporal Self-Attention for Classifying Satellite Image Time Series, "
            "arXiv 2007.00586",
            {"epochs": 60, "learning_rate": 3e-3, "date_drop": 0.2, "noise": 0.1}, _ltae,
        ),
        Model(
            "resnet18", "ResNet-18 (one image, all bands)", "image",
            "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv 1512.03385; built by MONAI",
            {"epochs": 20, "learning_rate": 1e-3, "date_drop": 0.0, "noise": 0.05, "patience": 8, "dates": "clear"}, _resnet18,
        ),
    )
}  # fmt: skip


def named(name: str) -> Model:
    """The model called `name`.

    Raises:
        UnknownModel: there is none.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel(f"There is no model {name!r}; choose one of {', '.join(MODELS)}.") from None
