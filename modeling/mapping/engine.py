"""A run's trained models on pixels: season by season of one pixel each, always in batches of one size. No files but the checkpoint.

The numbers of a network on a processor depend in their last bits on the shape of the batch and on the number of threads. So every batch
has ATOM x ATOM pixels and is computed by one thread, whoever computes it and wherever it lies.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from data.bands import NO_DATA
from modeling import checkpoint, estimators, inputs, machine, registry
from modeling.pixels import Pixels

ATOM = 32  # pixels of a side: with 1,024 pixels all that a batch needs stays in a processor core's cache
KINDS = (registry.SERIES, registry.PIXELS)  # that can be shown a single pixel

Shares = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # (T, B, P), (P, T), (P, T) -> (P, K)


class Predictor:
    """The mean of the probabilities of all networks of a run: one, or as many as it has folds.

    Args:
        path: the checkpoint. bands: those that the run's channels use, in the order of the pixels' (see `needed`).
        device: cpu, cuda or auto.

    Raises:
        CannotTrain: the checkpoint is damaged, or there is no such device.
    """

    def __init__(self, path: Path, bands: tuple[str, ...], device: str):
        stored = checkpoint.load(path) | {"bands": list(bands)}
        self.config = checkpoint.config_of(stored).with_(device=device, threads=1)
        self.bands, self.classes = bands, len(stored["classes"])
        self.kind = registry.named(self.config.model).kind
        self.device = machine.prepare(self.config)
        make = self._trees if registry.named(self.config.model).estimator else self._network
        self.parts = [make(stored, part) for part in stored["parts"]]

    def shares(self, pixels: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Class probabilities of a batch.

        Args:
            pixels: (T, B, P) uint16 reflectance x 10 000, 0 = no data. days: (T,) float32 day of year.

        Returns:
            (K, P) float32 that sum to 1 over the classes; NaN for pixels without any data.
        """
        present = (pixels != NO_DATA).any(axis=1).T  # (P, T)
        of_pixel = np.where(present, days, np.float32(0))
        total = np.zeros((pixels.shape[-1], self.classes), dtype=np.float32)
        for part in self.parts:
            total += part(pixels, present, of_pixel)
        total /= len(self.parts)
        total[~present.any(axis=1)] = np.nan
        return total.T

    def _network(self, stored: dict, part: str) -> Shares:
        model = checkpoint.classifier(stored, part).to(self.device).eval()

        def shares(pixels: np.ndarray, present: np.ndarray, days: np.ndarray) -> np.ndarray:
            values = torch.from_numpy(pixels.view(np.int16)).to(self.device).permute(2, 0, 1)
            values = values.unsqueeze(-1) if self.kind == registry.PIXELS else values
            there, when = (torch.from_numpy(np.ascontiguousarray(array)).to(self.device) for array in (present, days))
            with torch.inference_mode():
                return model(values, there, when).float().softmax(dim=1).cpu().numpy()

        return shares

    def _trees(self, stored: dict, part: str) -> Shares:
        predict = estimators.predictor(stored["parts"][part], self.config, self.bands, self.classes)

        def shares(pixels: np.ndarray, present: np.ndarray, days: np.ndarray) -> np.ndarray:
            seen = np.flatnonzero(present.any(axis=1))
            result = np.zeros((len(present), self.classes), dtype=np.float32)
            result[seen] = predict(Pixels(registry.SERIES, pixels.transpose(2, 0, 1), present, days, self.bands), seen)
            return result

        return shares


def predictor(path: str, stamp: int, bands: tuple[str, ...], device: str) -> Predictor:
    """The predictor of a checkpoint, read once in a process. stamp: when the file was last changed, in nanoseconds."""
    torch.set_num_threads(1)  # of this thread: the predictor may have been made in another
    return _predictor(path, stamp, bands, device)


@lru_cache(maxsize=1)
def _predictor(path: str, stamp: int, bands: tuple[str, ...], device: str) -> Predictor:
    return Predictor(Path(path), bands, device)


def needed(stored: dict) -> tuple[str, ...]:
    """The bands of a checkpoint's collection that its channels use, in their order.

    With these alone `inputs.channels` gives the same channels: what it leaves out for want of bands, it left out before.
    """
    bands, named = tuple(stored["bands"]), checkpoint.config_of(stored).inputs
    used = {band for channel in inputs.channels(named, bands) for band in channel.bands}
    return tuple(band for band in bands if band in used)
