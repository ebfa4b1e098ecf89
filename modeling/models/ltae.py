"""L-TAE, the lightweight temporal attention encoder, on one reflectance series per sample.

Sainte Fare Garnot and Landrieu 2020, "Lightweight Temporal Self-Attention for Classifying Satellite Image Time Series",
arXiv 2007.00586. A few hundred samples are learned in seconds on one processor core.
"""

import math

import torch
from torch import Tensor, nn

PERIOD_DAYS = 1000.0  # the paper's tau: longer than a season, so that no two dates of it share an encoding


class LTAE(nn.Module):
    """Attention over dates with one learned query per head, then a small classifier.

    The query is a parameter q, so a head's score q . (K x) is linear in x: `score` holds K^T q of all heads at once. That is
    the paper's encoder exactly, with fewer operations.
    """

    def __init__(self, channels: int, classes: int, *, width: int = 256, heads: int = 16, hidden: int = 128, dropout: float = 0.1):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(channels, 64), nn.ReLU(), nn.Linear(64, width), nn.LayerNorm(width))
        self.score = nn.Linear(width, heads, bias=False)
        self.mix = nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout))
        self.classify = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, classes))
        self.heads = heads
        steps = torch.arange(width // heads)
        # Each head sees its own share of the width, so each gets the whole range of frequencies.
        self.register_buffer("rates", PERIOD_DAYS ** (-2 * (steps // 2) / (width // heads)), persistent=False)
        self.register_buffer("phases", (steps % 2) * math.pi / 2, persistent=False)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) standardised, (B, T) bool, (B, T) day of year -> (B, classes) logits; a date that is absent has no weight."""
        size, dates, _ = x.shape
        encoded = torch.sin(days.unsqueeze(-1) * self.rates + self.phases).repeat(1, 1, self.heads)  # (B, T, D)
        values = self.embed(x) + encoded  # (B, T, D)
        counts = present.unsqueeze(-1)
        scores = self.score(values).masked_fill(~counts, -1e4)  # (B, T, heads); finite: no date at all is no NaN
        weights = scores.softmax(dim=1) * counts  # (B, T, heads); without any date, all 0
        split = values.view(size, dates, self.heads, -1)  # (B, T, heads, D / heads)
        pooled = (weights.unsqueeze(-1) * split).sum(dim=1).flatten(1)  # (B, D)
        return self.classify(self.mix(pooled))  # (B, classes)
