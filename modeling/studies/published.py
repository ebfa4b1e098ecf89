"""Published figures of the models, to stand beside those of a study. They are of other data: design and citation say which."""

from dataclasses import dataclass

from data import catalogue
from data.workspace import Workspace
from modeling.config import TrainConfig


@dataclass(frozen=True)
class Published:
    """accuracy, macro_f1: 0..1; a range where the source gives one. source: of which inputs and data."""

    accuracy: float
    macro_f1: tuple[float, float]
    source: str

    @property
    def macro_f1_text(self) -> str:
        low, high = self.macro_f1
        return f"{low:.2f}" if low == high else f"{low:.2f}–{high:.2f}"

    def __str__(self) -> str:
        return f"{self.accuracy:.2f} / {self.macro_f1_text} ({self.source})"


CANADIAN = "Canadian Cropland Dataset, arXiv 2306.00114"
BREIZH = "BreizhCrops, four regions, L1C, arXiv 1905.11893"
OF_PATCHES = {
    "lrcn": Published(0.77, (0.61, 0.62), f"three RGB months, {CANADIAN}"),
    "cnn3d": Published(0.77, (0.61, 0.62), f"three RGB months, {CANADIAN}"),
    "resnet50": Published(0.67, (0.55, 0.55), f"one RGB image, {CANADIAN}"),
    "efficientnet_b0": Published(0.53, (0.41, 0.41), f"one RGB image, {CANADIAN}"),
    "densenet121": Published(0.40, (0.27, 0.27), f"one RGB image, {CANADIAN}"),
}
OF_SERIES = {"transformer": Published(0.80, (0.58, 0.58), BREIZH), "lstm": Published(0.79, (0.56, 0.56), BREIZH)}


def beside(config: TrainConfig, workspace: Workspace) -> Published | None:
    """What was published for the model on data of this kind, patches or series; None where nothing was."""
    known = OF_SERIES if catalogue.collection(workspace.store, config.collection).is_series else OF_PATCHES
    return known.get(config.model)
