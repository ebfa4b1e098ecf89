"""scikit-learn's models, on the season resampled to a fixed grid of days.

Their state is tensors, numbers and text, as a network's is: the nodes of all trees, one below the other. No object of scikit-learn goes
into the file, so none can be built from a hostile one. Every node is checked before it is used, for scikit-learn follows them without
looking where they lead.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from data.errors import CannotTrain
from modeling import inputs, machine, resampling, trees
from modeling.config import TrainConfig
from modeling.pixels import Pixels
from modeling.resampling import Grid

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

PREDICT_BLOCK = 50_000  # samples whose season is in memory at a time in prediction
SURELY_NOT = 1e-7  # least probability in the cross-entropy: no tree has seen everything


def gboost(config: TrainConfig) -> "HistGradientBoostingClassifier":
    """Gradient boosting of histogram trees: Friedman 2001, Greedy Function Approximation: A Gradient Boosting Machine; after Ke et al.
    2017, LightGBM. Each split looks at a tenth of the columns, as neighbouring days and bands say nearly the same."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # late: over a second that pages need not pay

    return HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=100, max_depth=4, min_samples_leaf=8, l2_regularization=3.0, max_features=0.1, early_stopping=False,
        random_state=config.seed,
    )  # fmt: skip


def forest(config: TrainConfig) -> "RandomForestClassifier":
    """Random forest: Breiman 2001, Random Forests. Trees are cut at 2,048 leaves, so that a checkpoint stays below some 200 MB however
    large the collection."""
    from sklearn.ensemble import RandomForestClassifier  # late, as above

    return RandomForestClassifier(
        n_estimators=300, max_leaf_nodes=2_048, n_jobs=machine.threads(config), random_state=config.seed
    )  # fmt: skip


MADE: dict = {"gboost": gboost, "forest": forest}


def fitted(
    config: TrainConfig, source: Pixels, index: np.ndarray, truth: np.ndarray, weight: np.ndarray, classes: int
) -> tuple[dict, float]:
    """Train on the samples at `index`.

    Args:
        index: (n,) int64 positions in `source`. truth: (n,) int64 class positions. weight: (n,) of each label.

    Returns:
        The state for the checkpoint (tensors, numbers and text only), and the mean cross-entropy on what it learned from.

    Raises:
        CannotTrain: inputs that the collection cannot give, or a channel without any value in what is learned from.
    """
    channels = inputs.channels(config.inputs, source.bands)
    known = resampling.known_shares(source, index, channels)
    inputs.check_known(channels, known.tolist(), config.inputs, config.collection)
    grid = resampling.grid_of(source, index, by_day=config.day_of_year)
    table = resampling.table(source, index, channels, grid)
    model = MADE[config.model](config)
    with threadpool_limits(machine.threads(config), "openmp"):
        model.fit(table, truth, sample_weight=weight * _balance(config, truth, classes))
    state = {
        "grid": torch.from_numpy(grid.points), "by_day": grid.by_day, "features.known": torch.from_numpy(known),
        "taught": torch.from_numpy(model.classes_.astype(np.int64)), **trees.packed(model),
    }  # fmt: skip
    shares = probabilities(state, config, source, index, classes)[np.arange(len(index)), truth]
    return state, float(-np.log(np.maximum(shares, SURELY_NOT)).mean())


def probabilities(state: dict, config: TrainConfig, source: Pixels, index: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes) float32 probabilities of the samples at `index`, by a state of `fitted`; rows sum to 1.

    A class that the state was not taught has probability 0.

    Raises:
        CannotTrain: the state is damaged, of other inputs or classes, or of another version of scikit-learn.
    """
    return predictor(state, config, source.bands, classes)(source, index)


def predictor(state: dict, config: TrainConfig, bands: tuple[str, ...], classes: int) -> Callable[[Pixels, np.ndarray], np.ndarray]:
    """The trees of a state, built once for many calls: (source, index) -> what `probabilities` gives. Raises as it does."""
    channels = inputs.channels(config.inputs, bands)
    grid, taught = _checked(state, classes)
    model = trees.unpacked(state, MADE[config.model](config), len(channels) * len(grid.points), len(taught))

    def predict(source: Pixels, index: np.ndarray) -> np.ndarray:
        result = np.zeros((len(index), classes), dtype=np.float32)
        with threadpool_limits(machine.threads(config), "openmp"):
            for start in range(0, len(index), PREDICT_BLOCK):
                block = slice(start, start + PREDICT_BLOCK)
                result[block, taught] = model.predict_proba(resampling.table(source, index[block], channels, grid))
        return result / result.sum(axis=1, keepdims=True)

    return predict


def _balance(config: TrainConfig, truth: np.ndarray, classes: int) -> np.ndarray:
    """(n,) weight by which every class weighs the same; 1 on average."""
    if not config.class_weights:
        return np.ones(len(truth))
    each = 1.0 / np.maximum(1, np.bincount(truth, minlength=classes))[truth]
    return each / each.mean()


def _checked(state: dict, classes: int) -> tuple[Grid, np.ndarray]:
    """The grid, and the (k,) positions of the classes that the state knows."""
    grid, taught = trees.array(state, "grid", np.float64, 1), trees.array(state, "taught", np.int64, 1)
    trees.array(state, "features.known", np.float32, 1)
    if not (len(grid) and np.isfinite(grid).all() and (np.diff(grid) > 0).all()):
        raise trees.damaged("its days do not rise")
    if not (len(taught) >= 2 and taught[0] >= 0 and (np.diff(taught) > 0).all() and taught[-1] < classes):
        raise CannotTrain(f"The checkpoint's trees know the classes at {taught[:10].tolist()}; it names {classes} classes. Train again.")
    return Grid(grid, bool(state.get("by_day"))), taught
