"""Class probabilities of pixels made smooth by those of the pixels around: by majority, or Bayesian as in sits. Pure NumPy; no I/O.

Every pixel is worked out from its own window in one fixed order of additions, so the result is the same bit for bit however a raster
is cut into tiles, as long as each tile comes with a margin of `halo` pixels.

**Majority**: each pixel of the window, the one in its middle among them, votes for the class that it holds likeliest. Where most votes
are for the middle's own choice, the pixel stays as it is. Where it is outvoted, it takes the mean probabilities of the pixels that
voted for the winner, so that its probabilities remain a model's and its second choice is theirs. Between classes with as many votes,
the probabilities of the pixel itself decide, then the order of the classes.

**Bayesian** (Camara et al. 2024, Bayesian Inference for Post-Processing of Remote-Sensing Image Classification, Remote Sensing 16(23)
4572, https://doi.org/10.3390/rs16234572; `sits_smooth`): x = ln(p / (1 - p)) of a class at a pixel is a normal observation, with
variance s (smoothness), of a mean whose prior is normal, too. Mean m and sample variance v of the prior are those of the
ceil(share x n) highest of the n logits in the window, the pixel's own among them. The class gets the posterior's mean
v / (v + s) x + s / (v + s) m, which is turned back into a probability. Here the classes of a pixel are then divided by their sum.
Where the window holds too little for a variance, the pixel stays as it is. Other than sits, that mirrors a raster at its edges and fills
its gaps, only pixels that were predicted count, and one that was not remains so.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from data.errors import BadInput

METHODS = ("none", "majority", "bayes")
WINDOWS = {"none": 1, "majority": 5, "bayes": 9}  # pixels, where nothing is said; 9, 20 and 0.5 are the defaults of sits
WIDEST = 33
SMOOTHNESS = 20.0
NEIGHBOURS_SHARE = 0.5
LEAST = 1e-4  # probabilities are kept this far from 0 and 1, whose logits are infinite
AT_ONCE = 1_000_000  # values of windows that are sorted together: what fits into a processor's cache


@dataclass(frozen=True)
class Smoothing:
    """How a map is smoothed.

    window: side in pixels of the square round a pixel, odd.
    smoothness: of bayes: variance of a pixel's logits round their mean; the higher, the more its neighbours count.
    neighbours_share: of bayes: 0..1, share of the window's pixels that the prior of a class is taken from, those likeliest to be of it.
    """

    method: str = "none"
    window: int = WINDOWS["bayes"]
    smoothness: float = SMOOTHNESS
    neighbours_share: float = NEIGHBOURS_SHARE

    @classmethod
    def of(
        cls, method: str, window: int | None = None, smoothness: float | None = None, neighbours_share: float | None = None
    ) -> "Smoothing":
        """The settings that somebody gave; what is None takes the value that suits the method.

        Raises:
            BadInput: as `check`, or a setting is given that the method does not have.
        """
        given = {"window": window, "smoothness": smoothness, "neighbours_share": neighbours_share}
        given = {name: value for name, value in given.items() if value is not None}
        allowed = {"none": (), "majority": ("window",)}.get(method, tuple(given))
        for name in given:
            if name not in allowed:
                raise BadInput(f"Smoothing by {method} has no {name.replace('_', ' ')}. Leave it out, or smooth by bayes.")
        settings = cls(method, **{"window": WINDOWS.get(method, 1)} | given)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse what cannot be smoothed with.

        Raises:
            BadInput: an unknown method, or a value out of range.
        """
        if self.method not in METHODS:
            raise BadInput(f"There is no smoothing {self.method!r}. Choose one of {', '.join(METHODS)}.")
        if self.method == "none":
            return
        if not (3 <= self.window <= WIDEST and self.window % 2 == 1):
            raise BadInput(f"A window of {self.window} pixels cannot smooth. Give an odd number from 3 to {WIDEST}.")
        if not (np.isfinite(self.smoothness) and self.smoothness > 0):
            raise BadInput(f"A smoothness of {self.smoothness} is not a variance. Give a number above 0, as {SMOOTHNESS:.0f}.")
        if not 0 < self.neighbours_share <= 1:
            raise BadInput(f"A share of {self.neighbours_share} of the neighbours is none. Give a number above 0, and at most 1.")


def halo(settings: Smoothing) -> int:
    """Pixels that are needed on each side of a tile."""
    return 0 if settings.method == "none" else settings.window // 2


def smoothed(shares: np.ndarray, settings: Smoothing) -> np.ndarray:
    """A tile's probabilities, smoothed.

    Args:
        shares: (K, h + 2 r, w + 2 r) float32 probabilities that sum to 1, r = `halo`; NaN where nothing is predicted and outside the
            raster.

    Returns:
        (K, h, w) float32, NaN where nothing is predicted.

    Raises:
        BadInput: as `Smoothing.check`.
    """
    settings.check()
    if settings.method == "none":
        return shares
    missing = np.isnan(shares).any(axis=0)
    return (_by_majority if settings.method == "majority" else _bayesian)(shares, missing, settings)


def _middle(values: np.ndarray, margin: int) -> np.ndarray:
    """(..., h + 2 r, w + 2 r) -> (..., h, w)."""
    return values[..., margin : values.shape[-2] - margin, margin : values.shape[-1] - margin]


def _counted(marked: np.ndarray, window: int) -> np.ndarray:
    """How many pixels of each window are marked: (h + 2 r, w + 2 r) bool -> (h, w) int32."""
    for _ in range(2):  # down, then across
        sums = np.zeros((marked.shape[0] + 1, marked.shape[1]), dtype=np.int32)
        np.cumsum(marked, axis=0, out=sums[1:])
        marked = (sums[window:] - sums[:-window]).T
    return marked


def _by_majority(shares: np.ndarray, missing: np.ndarray, settings: Smoothing) -> np.ndarray:
    margin = halo(settings)
    first = np.where(missing, -1, shares.argmax(axis=0))
    result = _middle(shares, margin).copy()
    winner, most = np.zeros(result.shape[1:], dtype=np.int64), np.full(result.shape[1:], -1.0)
    for number, own in enumerate(result):
        votes = _counted(first == number, settings.window) + own.astype(np.float64) / 2  # half a vote decides between equals alone
        ahead = votes > most
        winner[ahead], most[ahead] = number, votes[ahead]
    rows, columns = np.nonzero((winner != _middle(first, margin)) & ~_middle(missing, margin))
    if rows.size:
        result[:, rows, columns] = _mean_of_voters(shares, first, winner[rows, columns], rows, columns, settings.window)
    return result


def _mean_of_voters(
    shares: np.ndarray, first: np.ndarray, winner: np.ndarray, rows: np.ndarray, columns: np.ndarray, window: int
) -> np.ndarray:
    """The mean probabilities of the pixels that voted for the winner, at some places of the tile: (K, N) float64."""
    total, voters = np.zeros((len(shares), rows.size)), np.zeros(rows.size)
    for down in range(window):
        for right in range(window):
            place = (rows + down, columns + right)
            votes = first[place] == winner
            total += np.where(votes, shares[:, *place], 0.0)
            voters += votes
    return total / voters


def _bayesian(shares: np.ndarray, missing: np.ndarray, settings: Smoothing) -> np.ndarray:
    margin = halo(settings)
    there = _counted(~missing, settings.window)
    used = np.ceil(settings.neighbours_share * there - 1e-9).astype(np.int64)  # 0.1 x 30 is 3, not a little more
    odds = np.empty((len(shares), *there.shape))
    for number, share in enumerate(shares):
        clipped = np.clip(share.astype(np.float64), LEAST, 1 - LEAST)
        logits = np.where(missing, np.nan, np.log(clipped / (1 - clipped)))
        own = np.ascontiguousarray(_middle(logits, margin))
        mean, variance = _prior(logits.astype(np.float32), used, settings.window)
        weight = np.where(used > 1, variance / (variance + settings.smoothness), 1.0)
        odds[number] = 1 / (1 + np.exp(-(weight * own + (1 - weight) * mean)))
    total = np.zeros(there.shape)
    for share in odds:
        total += share
    return (odds / total).astype(np.float32)


def _prior(logits: np.ndarray, used: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample variance of the highest logits of each window.

    Args:
        logits: (h + 2 r, w + 2 r) float32, NaN = nothing predicted.
        used: (h, w) how many of them.

    Returns:
        Two (h, w) float64; of no meaning where fewer than two are used.
    """
    views = sliding_window_view(logits, (window, window))
    mean, variance = np.zeros(used.shape), np.zeros(used.shape)
    lines = max(1, AT_ONCE // (used.shape[1] * window * window))
    for top in range(0, used.shape[0], lines):
        part = slice(top, top + lines)
        highest = -np.sort(-views[part].reshape(-1, window * window), axis=1)[:, : max(1, used[part].max())]
        count = used[part].reshape(-1)
        highest = np.where(np.arange(highest.shape[1])[:, None] < count, highest.T.astype(np.float64), 0.0)
        mean[part], variance[part] = (values.reshape(used[part].shape) for values in _moments(highest, count))
    return mean, variance


def _moments(values: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample variance down the columns of (n, N) values, of which the first `count` (N,) hold and the others are 0."""
    total, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for line in values:  # one after the other: numpy's sum may add in another order for another shape
        total += line
        squares += line * line
    mean = total / np.maximum(count, 1)
    return mean, np.maximum(squares - total * mean, 0) / np.maximum(count - 1, 1)
