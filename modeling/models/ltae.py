"""L-TAE, the lightweight temporal attention encoder, on one reflectance series per sample.

Sainte Fare Garnot and Landrieu 2020, "Lightweight Temporal Self-Attention for Classifying Satellite Image Time Series",
arXiv 2007.00586. A few hundred samples are learned in seconds on one processor core.
"""

import math

import torch
from torch import Tensor, nn

PERIOD_DAYS = 1000.0  # the paper's tau: longer than a season, so that no two dates of it share an encoding
INNER = 64  # width of the hidden layer that embeds a date


class LTAE(nn.Module):
    """Attention over dates with one learned query per head, then a small classifier.

    The query is a parameter q, so a head's score q . (K v) is linear in a date's values v: `score` holds K^T q of all heads at
    once. The values are v = LayerNorm(W h + b) + encoding, with h the hidden layer of `embed`, and a layer norm is linear but for
    the deviation that it divides by, itself the root of a square form of h. So scores and weighted means are taken of h, and W
    comes after the mean. That is the paper's encoder exactly, with a fraction of its operations: nothing of the full width
    exists at any date.
    """

    rates: Tensor
    phases: Tensor

    def __init__(self, channels: int, classes: int, *, width: int = 256, heads: int = 16, hidden: int = 128, dropout: float = 0.1):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(channels, INNER), nn.ReLU(), nn.Linear(INNER, width), nn.LayerNorm(width))
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
        with torch.autocast(x.device.type, enabled=False):  # a square form wants all its digits
            pooled = self.pooled(x.float(), present, days)
        return self.classify(self.mix(pooled))

    def pooled(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, D) weighted means over the dates, head beside head; 0 without any date. Arguments as of `forward`."""
        _, _, project, norm = self.embed
        # W and b in one matrix (D, I + 1), less the mean over D that a layer norm takes away.
        matrix = torch.cat([project.weight, project.bias.unsqueeze(1)], dim=1)
        matrix = matrix - matrix.mean(dim=0)
        inner = nn.functional.pad(self.embed[:2](x), (0, 1), value=1.0)  # (B, T, I + 1)
        variance = (inner @ (matrix.T @ matrix) * inner).sum(dim=-1, keepdim=True).clamp(min=0) / len(matrix)
        inner = inner / (variance + norm.eps).sqrt()
        encoded = torch.sin(days.unsqueeze(-1) * self.rates + self.phases)  # (B, T, D / heads), the same for every head
        dates = torch.cat([inner, encoded], dim=-1)
        weights = self._weights(dates, norm.weight.unsqueeze(1) * matrix, present)  # (B, heads, T)
        means = weights @ dates  # (B, heads, I + 1 + D / heads)
        of_inner, of_encoded = means.split([inner.shape[-1], encoded.shape[-1]], dim=-1)
        blocks = (norm.weight.unsqueeze(1) * matrix).view(self.heads, -1, inner.shape[-1])  # (heads, D / heads, I + 1)
        shift = norm.bias.view(self.heads, -1) * weights.sum(dim=-1, keepdim=True)
        return (torch.einsum("bhi,hdi->bhd", of_inner, blocks) + of_encoded + shift).flatten(1)

    def _weights(self, dates: Tensor, matrix: Tensor, present: Tensor) -> Tensor:
        """(B, heads, T), 1 in sum over the present dates, 0 at absent ones. The norm's bias adds the same to every date: left out."""
        of_encoded = self.score.weight.view(self.heads, self.heads, -1).sum(dim=1)  # (heads, D / heads)
        queries = torch.cat([self.score.weight @ matrix, of_encoded], dim=1)
        counts = present.unsqueeze(1)
        scores = (queries @ dates.transpose(1, 2)).masked_fill(~counts, -1e4)  # finite: no date at all is no NaN
        return scores.softmax(dim=-1) * counts
