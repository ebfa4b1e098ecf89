"""The leakage check: how far one gets by copying the nearest known sample's label, without looking at any pixel."""

import numpy as np

from modeling.samples import UNLABELLED, Samples


def copied(samples: Samples, parts: np.ndarray, judged: list[str], taught: dict[str, list[str]]) -> np.ndarray:
    """The class that the nearest taught sample has, for every judged sample.

    Args:
        parts: (N,) part of each sample.
        judged: parts to predict.
        taught: per judged part, the parts whose labels are known.

    Returns:
        (N,) int64 position in `samples.classes`; UNLABELLED outside the judged parts.
    """
    from sklearn.neighbors import NearestNeighbors

    places = np.radians(np.stack([samples.lat, samples.lon], axis=1))
    result = np.full(len(samples), UNLABELLED)
    labelled = samples.truth != UNLABELLED
    for part in judged:
        known, asked = labelled & np.isin(parts, taught[part]), labelled & (parts == part)
        if known.any() and asked.any():
            search = NearestNeighbors(n_neighbors=1, algorithm="ball_tree", metric="haversine").fit(places[known])
            result[asked] = samples.truth[known][search.kneighbors(places[asked], return_distance=False)[:, 0]]
    return result
