"""Pixel-set L-TAE: the field's pixels at every date as a set, then attention over the dates. The default for patches.

Sainte Fare Garnot et al. 2020, "Satellite Image Time Series Classification with Pixel-Set Encoders and Temporal Self-Attention", CVPR,
arXiv 1911.07757, without its geometric features; the attention is that of `modeling.models.ltae`.
"""

import torch
from torch import Tensor, nn

from modeling.models import dates
from modeling.models.ltae import LTAE

FLOOR = 1e-5  # added to variances: the root of 0 has no slope, and one pixel has no spread


class PixelSet(nn.Module):
    """(n, C, S) pixels in any order -> (n, width): a perceptron for each pixel, mean and standard deviation, another perceptron."""

    def __init__(self, channels: int, *, pixel: tuple[int, int] = (32, 64), width: int = 128):
        super().__init__()
        first, second = pixel
        self.pixel = nn.Sequential(_layer(channels, first), _layer(first, second))
        self.mix = _layer(2 * second, width)

    def forward(self, x: Tensor) -> Tensor:
        size, _, pixels = x.shape
        found = self.pixel(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (size, pixels))  # (n, S, D)
        spread = (found.var(dim=1, correction=0) + FLOOR).sqrt()
        return self.mix(torch.cat([found.mean(dim=1), spread], dim=1))


class PixelSetLTAE(nn.Module):
    """A pixel set at every date that is present, and L-TAE over the dates."""

    def __init__(self, channels: int, classes: int, *, width: int = 128):
        super().__init__()
        self.pixels = PixelSet(channels, width=width)
        self.season = LTAE(width, classes)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C, S) standardised, (B, T) bool, (B, T) day of year -> (B, classes) logits."""
        return self.season(dates.encoded(self.pixels, x, present), present, days)


def _layer(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU())
