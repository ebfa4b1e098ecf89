"""Forests and boosted trees of scikit-learn as plain arrays, and back, with every node checked on the way.

scikit-learn follows a node's children and reads its column without looking whether they exist, so a damaged or hostile node could crash
the process. What is read back is therefore held against the rules below before anything is built of it: a child lies behind its parent
and inside its tree, and a column inside the table.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.lib.recfunctions import repack_fields

from data.errors import CannotTrain

Arrays = tuple[np.ndarray, np.ndarray]  # nodes (m,) of scikit-learn's own record, and values (m, k) or (0, k)


def damaged(what: str) -> CannotTrain:
    """A state that `packed` did not write."""
    return CannotTrain(f"The checkpoint's trees are damaged: {what}. Train again.")


def packed(model: Any) -> dict:
    """A fitted RandomForestClassifier or HistGradientBoostingClassifier as tensors and text.

    Returns:
        sklearn: the version that trained it, for the records differ from one to another. sizes: (trees,) int64 nodes of each.
        nodes: (nodes, bytes of a record) uint8. values: float64, of a forest (nodes, k) the class shares of each node; of boosting
        (1, trees of a round) what is added to their sum.
    """
    import sklearn

    if hasattr(model, "estimators_"):
        states = [tree.tree_.__getstate__() for tree in model.estimators_]
        nodes, values = [state["nodes"] for state in states], np.concatenate([state["values"][:, 0] for state in states])
    else:
        nodes, values = [tree.nodes for turn in model._predictors for tree in turn], model._baseline_prediction
    whole = repack_fields(np.concatenate(nodes))  # no gaps between fields, which would hold chance bytes
    return {
        "sklearn": sklearn.__version__, "sizes": torch.tensor([len(tree) for tree in nodes], dtype=torch.int64),
        "nodes": torch.from_numpy(whole.view(np.uint8).reshape(len(whole), whole.dtype.itemsize).copy()),
        "values": torch.from_numpy(np.array(values, dtype=np.float64)),
    }  # fmt: skip


def unpacked(state: Mapping, model: Any, columns: int, classes: int) -> Any:
    """The fitted model of a state of `packed`.

    Args:
        model: the same unfitted one that was trained. columns, classes: of the table that it takes, and that it tells apart.

    Raises:
        CannotTrain: it is damaged, of other columns or classes, or of another version of scikit-learn.
    """
    import sklearn

    if state.get("sklearn") != sklearn.__version__:
        raise CannotTrain(
            f"The checkpoint's trees were trained with scikit-learn {str(state.get('sklearn'))[:20]}; {sklearn.__version__} is installed, "
            "which may read them otherwise. Install that version, or train again."
        )
    sizes, values = array(state, "sizes", np.int64, 1), array(state, "values", np.float64, 2)
    records = array(state, "nodes", np.uint8, 2)
    if not len(sizes) or sizes.min() < 1 or sizes.max() > len(records) or sizes.sum() != len(records):
        raise damaged(f"{len(sizes)} trees cannot be made of {len(records)} nodes")
    if not np.isfinite(values).all():
        raise damaged("not all of their values are numbers")
    return (_forest if hasattr(model, "bootstrap") else _boosting)(_fitted_to_nothing(model, columns, classes), records, values, sizes)


def array(state: Mapping, key: str, dtype: type, dimensions: int) -> np.ndarray:
    """The tensor `key` of a state as an array.

    Raises:
        CannotTrain: there is none of that type and number of dimensions.
    """
    found = state.get(key) if isinstance(state, Mapping) else None
    if not isinstance(found, torch.Tensor) or found.is_sparse or found.is_quantized or found.dim() != dimensions:
        raise damaged(f"{key} is missing or of another kind")
    values = found.contiguous().numpy() if found.dtype == torch.from_numpy(np.zeros(0, dtype)).dtype else None
    if values is None:
        raise damaged(f"{key} holds {found.dtype}")
    return values


def _fitted_to_nothing(model: Any, columns: int, classes: int) -> Any:
    """The model fitted to one empty sample of each class: all of its parts are there, and its trees can be replaced."""
    small = {"n_estimators": 1} if hasattr(model, "bootstrap") else {"max_iter": 1}
    wanted = {name: model.get_params()[name] for name in small}
    return model.set_params(**small).fit(np.zeros((classes, columns), dtype=np.float32), np.arange(classes)).set_params(**wanted)


def _forest(model: Any, records: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> Any:
    from sklearn.tree._tree import Tree

    first = model.estimators_[0]
    classes, columns = model.n_classes_, model.n_features_in_
    nodes = _records(records, first.tree_.__getstate__()["nodes"].dtype)
    if values.shape != (len(nodes), classes) or values.min() < 0 or values.sum(axis=1).min() <= 0:
        raise damaged(f"they hold shares of {values.shape[-1]} classes at {len(values)} of {len(nodes)} nodes")
    _check(nodes, sizes, nodes["left_child"] != -1, "left_child", "right_child", nodes["feature"], columns)
    model.estimators_ = []
    for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        part, tree = slice(start, start + size), copy(first)
        tree.tree_ = Tree(columns, np.array([classes]), 1)
        tree.tree_.__setstate__({"max_depth": 0, "node_count": int(size), "nodes": nodes[part], "values": values[part, None].copy()})
        model.estimators_.append(tree)
    return model


def _boosting(model: Any, records: np.ndarray, values: np.ndarray, sizes: np.ndarray) -> Any:
    first = model._predictors[0][0]
    nodes = _records(records, first.nodes.dtype)
    each = model.n_trees_per_iteration_
    if values.shape != (1, each) or len(sizes) % each or not np.isfinite(nodes["value"]).all() or nodes["is_categorical"].any():
        raise damaged(f"{len(sizes)} trees and {values.shape[-1]} first values cannot tell {len(model.classes_)} classes apart")
    _check(nodes, sizes, nodes["is_leaf"] == 0, "left", "right", nodes["feature_idx"], model.n_features_in_)
    built = []
    for start, size in zip(np.cumsum(sizes) - sizes, sizes, strict=True):
        tree = copy(first)
        tree.nodes = nodes[start : start + size].copy()
        built.append(tree)
    model._predictors = [built[start : start + each] for start in range(0, len(built), each)]
    model._baseline_prediction = values
    return model


def _records(records: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """(nodes, bytes) uint8 -> (nodes,) of scikit-learn's record."""
    close = repack_fields(np.empty(0, dtype)).dtype
    if records.shape[1] != close.itemsize:
        raise damaged(f"a node takes {records.shape[1]} bytes, not {close.itemsize}")
    return records.copy().view(close)[:, 0].astype(dtype)


def _check(nodes: np.ndarray, sizes: np.ndarray, inner: np.ndarray, left: str, right: str, column: np.ndarray, columns: int) -> None:
    """Refuse a node whose children do not lie behind it in its own tree, or that reads a column that is not there."""
    size = np.repeat(sizes, sizes)
    own = np.arange(len(nodes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # position in its own tree
    for side in (left, right):
        child = nodes[side].astype(np.int64)
        if (inner & ~((child > own) & (child < size))).any():
            raise damaged("a node leads out of its tree, or back")
    if (inner & ~((column >= 0) & (column < columns))).any():
        raise damaged(f"a node reads a column beyond the {columns} there are, as of other inputs or dates")
