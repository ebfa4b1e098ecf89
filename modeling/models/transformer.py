"""Transformer encoder with an encoding of the day of year, on one reflectance series per sample.

Vaswani et al. 2017, "Attention Is All You Need", arXiv 1706.03762; for crops Rußwurm and Körner 2020, "Self-attention for raw optical
Satellite Time Series Classification", arXiv 1910.10536. BreizhCrops' shape is
`Transformer(13, 9, width=64, layers=5, heads=2, hidden=128, dropout=0.018)`; its own network encodes no time at all.
"""

import math

import torch
from torch import Tensor, nn

PERIOD_DAYS = 1000.0  # longer than a season, so that no two dates of it share an encoding


def sinusoids(days: Tensor, width: int) -> Tensor:
    """(...) days -> (..., width): sines at even and cosines at odd places, of wavelengths 2 pi to 2 pi x PERIOD_DAYS.

    The position encoding of Vaswani et al. 2017, section 3.5, of the day of year in place of the position.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=days.device) * (-math.log(PERIOD_DAYS) / width))
    angles = days.unsqueeze(-1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width]


class Transformer(nn.Module):
    """Dates look at one another, each known by its day of year; then the mean over the present dates, and a linear classifier.

    Nothing looks at an absent date, and the mean leaves it out. The order in which dates come does not matter.
    """

    def __init__(
        self, channels: int, classes: int, *, width: int = 64, layers: int = 2, heads: int = 4, hidden: int = 128, dropout: float = 0.1
    ):
        super().__init__()
        self.width = width
        self.embed = nn.Sequential(nn.Linear(channels, width), nn.LayerNorm(width))
        layer = nn.TransformerEncoderLayer(width, heads, hidden, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.classify = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, classes))

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) standardised, (B, T) bool, (B, T) day of year -> (B, classes) logits; without any date, those of a mean of 0."""
        none = ~present.any(dim=1, keepdim=True)
        states = self.encoder(self.embed(x) + sinusoids(days, self.width), src_key_padding_mask=~(present | none))  # (B, T, D)
        counts = present.unsqueeze(-1)
        mean = states.masked_fill(~counts, 0.0).sum(dim=1) / counts.sum(dim=1).clamp(min=1)
        return self.classify(mean)
