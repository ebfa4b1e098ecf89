"""scikit-learn's models, on the season resampled to a fixed grid of days."""

import numpy as np

from modeling.config import TrainConfig
from modeling.pixels import Pixels


def fitted(
    config: TrainConfig, source: Pixels, index: np.ndarray, truth: np.ndarray, weight: np.ndarray, classes: int
) -> tuple[dict, float]:
    """Train on the samples at `index`.

    Args:
        index: (n,) int64 positions in `source`. truth: (n,) int64 class positions. weight: (n,) of each label.

    Returns:
        The state for the checkpoint (tensors, numbers and text only), and the mean cross-entropy on what it learned from.
    """
    raise NotImplementedError


def probabilities(state: dict, config: TrainConfig, source: Pixels, index: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes) float32 probabilities of the samples at `index`, by a state of `fitted`; rows sum to 1."""
    raise NotImplementedError
