"""Sharing whole groups out so that every share holds each class alike. NumPy; scikit-learn late."""

import warnings

import numpy as np

MOST_SHARES = 100  # that groups are dealt into before they are put together to parts
NEAR_ENOUGH = 0.0025  # of the whole, by which a part may miss what was asked for, where fewer shares do
WORK = 50_000  # groups x shares: scikit-learn weighs each group against each share, for some 50 microseconds


def deal(strata: np.ndarray, groups: np.ndarray, shares: int, seed: int) -> np.ndarray:
    """Share groups out so that every share holds each stratum in equal number, as far as whole groups allow.

    Args:
        strata: (N,) int, the class of each sample.
        groups: (N,) any, samples of one group stay together.

    Returns:
        (N,) int64 share of each sample, 0 ... shares - 1.

    Raises:
        ValueError: fewer groups, or fewer samples in every stratum, than shares.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # over a second that pages need not pay

    share = np.zeros(len(strata), dtype=np.int64)
    folds = StratifiedGroupKFold(shares, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # a rare class is in fewer shares, and that is all right
        for number, (_, members) in enumerate(folds.split(strata, strata, bundled(strata, groups, WORK // shares, seed))):
            share[members] = number
    return share


def bundled(strata: np.ndarray, groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """(N,) int64 bundle of each sample, of about `most` bundles: groups, or several drawn at random from groups of the same main class.

    Up to `most` groups stay as they are, numbered in their order.
    """
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    if len(names) <= most:
        return group
    size = -(-len(names) // most)
    main = strata[first]
    order = np.lexsort((np.random.default_rng(seed).permutation(len(names)), main))
    within = np.arange(len(names)) - np.searchsorted(main[order], main[order])  # place among the groups of its class
    bundle = np.empty(len(names), dtype=np.int64)
    bundle[order] = np.unique(np.stack([main[order], within // size], axis=1), axis=0, return_inverse=True)[1].ravel()
    return bundle[group]


def counts(parts: tuple[int, ...], most: int) -> tuple[int, ...]:
    """How many equal shares each part takes, of at most `most` in all, to come nearest to what was asked for.

    Args:
        parts: per cent of each part, 100 in all.
    """
    wanted = np.array(parts) / 100
    least = np.minimum(parts, 1)  # what is asked for at all gets a share
    best, found = (np.inf, 0), least
    for number in range(int(least.sum()), min(MOST_SHARES, most) + 1):
        taken = np.maximum(np.round(wanted * number), least).astype(int)
        taken[taken.argmax()] += number - taken.sum()
        miss = (max(float(np.abs(taken / number - wanted).max()), NEAR_ENOUGH), number)
        if taken.min() >= 0 and (taken >= least).all() and miss < best:
            best, found = miss, taken
    return tuple(int(count) for count in found)


def put_together(strata: np.ndarray, share: np.ndarray, taken: tuple[int, ...]) -> np.ndarray:
    """Make parts of shares: the first `taken[0]` shares are part 0 and so on, then shares change places as long as classes gain by it.

    What is made small is Pearson's chi-square of the parts' classes, and sizes, against what was asked for. Where all parts but the last
    take one share, none changes: every share holds each class alike by itself.

    Args:
        strata: (N,) int, the class of each sample. share: (N,) int64, 0 ... sum(taken) - 1.

    Returns:
        (N,) int64 part of each sample.
    """
    part = np.repeat(np.arange(len(taken)), taken)
    if max(taken[:-1]) > 1:
        table = np.zeros((len(part), len(np.unique(strata)) + 1))  # shares x classes, and their size
        np.add.at(table, (share, np.unique(strata, return_inverse=True)[1]), 1)
        table[:, -1] = table.sum(axis=1)
        while (swap := _best_swap(table, part)) is not None:
            part[list(swap)] = part[list(swap)[::-1]]
    return part[share]


def _best_swap(table: np.ndarray, part: np.ndarray) -> tuple[int, int] | None:
    """The two shares whose change of places makes chi-square smallest; None where none makes it smaller."""
    total = table.sum(axis=0)
    weight = np.bincount(part) / len(part)
    off = np.stack([table[part == number].sum(axis=0) - weight[number] * total for number in range(len(weight))])
    gain, best = -1e-9, None
    for one in range(len(part)):
        others = np.flatnonzero(part > part[one])
        if not len(others):
            continue
        change, mine, theirs = table[others] - table[one], part[one], part[others]
        ours = (2 * change * off[mine] + change**2) / weight[mine]
        delta = ((ours + (change**2 - 2 * change * off[theirs]) / weight[theirs][:, None]) / total).sum(axis=1)
        if delta.min() < gain:
            gain, best = float(delta.min()), (one, int(others[delta.argmin()]))
    return best
