"""The models that can be trained, by name, with their papers and the settings that suit them. Imports torch only to build one.

A new model is one file in modeling/models/ and one entry here. A network is called as `net(x, present, days)` and returns logits
(B, classes):

    series    x (B, T, C)        the field's mean at every date
    pixels    x (B, T, C, S)     S pixels of the field at every date, drawn anew in every batch; in no order
    sequence  x (B, T, C, H, W)  the whole patch at every date
    image     x (B, C, H, W)     the whole patch at one date

x is float32, standardised, 0 where missing. present (B, T) bool says which dates count; what x holds at others must not matter, and
a sample without any gets finite logits. days (B, T) float32 is the day of year, 0 where there is no image or where the model is not
told it. T and H, W are any. T = 1 for images.

An estimator is scikit-learn's, trained on the series over a fixed grid of days; see `modeling.estimators`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from data.errors import UnknownModel

if TYPE_CHECKING:
    from torch import nn

SERIES, PIXELS, SEQUENCE, IMAGE = "series", "pixels", "sequence", "image"
DEFAULT = "ltae"  # for parcels and other series
DEFAULT_OF_PATCHES = "pixelset"


@dataclass(frozen=True)
class Model:
    """A model that can be trained.

    kind: SERIES, PIXELS, SEQUENCE or IMAGE: what it is shown.
    made_by: "module:Class" of the network, called with (channels, classes); or "module:function" of the estimator.
    estimator: whether scikit-learn trains it, in one go and without epochs.
    encodes_days: the network encodes `days` itself; for others the cosine and sine of the day of year are two more channels.
    paper: where it was published.
    defaults: settings of TrainConfig that suit it.
    """

    name: str
    title: str
    kind: str
    made_by: str
    paper: str
    defaults: Mapping[str, Any]
    estimator: bool = False
    encodes_days: bool = False

    def build(self, channels: int, classes: int) -> "nn.Module":
        """A new network."""
        module, name = self.made_by.split(":")
        return getattr(import_module(module), name)(channels, classes)


# A patch of 640 m holds several fields, and the label is of the one in the middle: a whole patch teaches image models little.
WINDOW = 20  # px
STATIC = {
    "epochs": 20, "learning_rate": 1e-3, "date_drop": 0.0, "noise": 0.05, "patience": 8, "dates": "clear", "months": "best",
    "day_of_year": False, "window": WINDOW,
}  # fmt: skip
FILMS = {"epochs": 20, "learning_rate": 1e-3, "date_drop": 0.1, "noise": 0.05, "patience": 8, "window": WINDOW}
MONAI = "; built by MONAI"

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            "ltae", "L-TAE (season of the field's mean)", SERIES, "modeling.models.ltae:LTAE",
            "Sainte Fare Garnot and Landrieu 2020, Lightweight Temporal Self-Attention for Classifying Satellite Image Time Series, "
            "arXiv 2007.00586",
            {"epochs": 60, "learning_rate": 3e-3, "date_drop": 0.2, "noise": 0.1}, encodes_days=True,
        ),
        Model(
            "pixelset", "Pixel-set L-TAE (season of the field's pixels)", PIXELS, "modeling.models.pixelset:PixelSetLTAE",
            "Sainte Fare Garnot et al. 2020, Satellite Image Time Series Classification with Pixel-Set Encoders and Temporal "
            "Self-Attention, CVPR, arXiv 1911.07757; with the L-TAE of arXiv 2007.00586",
            {"epochs": 60, "learning_rate": 3e-3, "date_drop": 0.2, "noise": 0.05}, encodes_days=True,
        ),
        Model(
            "tempcnn", "TempCNN (convolutions over dates)", SERIES, "modeling.models.tempcnn:TempCNN",
            "Pelletier, Webb and Petitjean 2019, Temporal Convolutional Neural Network for the Classification of Satellite Image Time "
            "Series, Remote Sensing 11(5), arXiv 1811.10166",
            {"epochs": 60, "learning_rate": 3e-3, "date_drop": 0.1, "noise": 0.1}, encodes_days=True,
        ),
        Model(
            "transformer", "Transformer with day of year", SERIES, "modeling.models.transformer:Transformer",
            "Vaswani et al. 2017, Attention Is All You Need, arXiv 1706.03762; for crops Rußwurm and Körner 2020, arXiv 1910.10536",
            {"epochs": 80, "learning_rate": 2e-3, "date_drop": 0.2, "noise": 0.1, "warmup": 0.1}, encodes_days=True,
        ),
        Model(
            "lstm", "LSTM, both ways through the season", SERIES, "modeling.models.lstm:LSTM",
            "Hochreiter and Schmidhuber 1997, Long Short-Term Memory; for crops Rußwurm and Körner 2017, CVPR Workshops",
            {"epochs": 80, "learning_rate": 3e-3, "date_drop": 0.1, "noise": 0.1},
        ),
        Model(
            "gboost", "Gradient boosting (trees)", SERIES, "modeling.estimators:gboost",
            "Friedman 2001, Greedy Function Approximation: A Gradient Boosting Machine; scikit-learn's histogram form, after Ke et al. "
            "2017 (LightGBM)",
            {"epochs": 1}, estimator=True,
        ),
        Model(
            "forest", "Random forest", SERIES, "modeling.estimators:forest",
            "Breiman 2001, Random Forests, Machine Learning 45", {"epochs": 1}, estimator=True,
        ),
        Model(
            "lrcn", "LRCN (CNN at every date, then LSTM)", SEQUENCE, "modeling.models.lrcn:LRCN",
            "Donahue et al. 2015, Long-term Recurrent Convolutional Networks for Visual Recognition and Description, arXiv 1411.4389",
            FILMS,
        ),
        Model(
            "cnn3d", "3D-CNN (convolutions over dates and space)", SEQUENCE, "modeling.models.cnn3d:CNN3D",
            "Ji et al. 2013, 3D Convolutional Neural Networks for Human Action Recognition; Tran et al. 2015 (C3D), arXiv 1412.0767",
            FILMS,
        ),
        Model(
            "resnet18", "ResNet-18 (one image)", IMAGE, "modeling.models.resnet:ResNet18",
            "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv 1512.03385" + MONAI, STATIC,
        ),
        Model(
            "resnet50", "ResNet-50 (one image)", IMAGE, "modeling.models.resnet:ResNet50",
            "He et al. 2016, Deep Residual Learning for Image Recognition, arXiv 1512.03385" + MONAI, STATIC,
        ),
        Model(
            "densenet121", "DenseNet-121 (one image)", IMAGE, "modeling.models.densenet:DenseNet121",
            "Huang et al. 2017, Densely Connected Convolutional Networks, arXiv 1608.06993" + MONAI, STATIC,
        ),
        Model(
            "efficientnet_b0", "EfficientNet-B0 (one image)", IMAGE, "modeling.models.efficientnet:EfficientNetB0",
            "Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv 1905.11946" + MONAI, STATIC,
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


def default(*, is_series: bool) -> str:
    """The model to take where nobody chose one: for parcel series, or for patches."""
    return DEFAULT if is_series else DEFAULT_OF_PATCHES


def suited(*, is_series: bool) -> list[str]:
    """The models for parcel series, or for patches, the default first. A single value per date holds no pattern in space."""
    kinds = (SERIES,) if is_series else (PIXELS, SERIES, SEQUENCE, IMAGE)
    return sorted((name for name, model in MODELS.items() if model.kind in kinds), key=lambda name: kinds.index(MODELS[name].kind))
