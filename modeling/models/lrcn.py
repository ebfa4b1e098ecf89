"""LRCN: a convolutional network at every date, and an LSTM over the dates.

Donahue et al. 2015, "Long-term Recurrent Convolutional Networks for Visual Recognition and Description", arXiv 1411.4389. Their
convolutions are AlexNet's, for photographs; these are four, for patches of some 64 pixels.
"""

import torch
from torch import Tensor, nn

from modeling.models import dates


def images(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Convolutions that halve the image, then its mean: (n, channels, H, W) -> (n, widths[-1]), H and W any."""
    layers: list[nn.Module] = []
    for before, after in zip((channels, *widths[:-1]), widths, strict=True):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class LRCN(nn.Module):
    """Absent dates are skipped: neither the convolutions nor the LSTM ever see them."""

    def __init__(
        self, channels: int, classes: int, *, widths: tuple[int, ...] = (32, 64, 128, 128), hidden: int = 128, dropout: float = 0.2
    ):
        super().__init__()
        self.image = images(channels, widths)
        self.lstm = nn.LSTM(widths[-1], hidden, batch_first=True)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C, H, W) standardised, (B, T) bool -> (B, classes) logits, from the LSTM's state after the last date."""
        season, count = dates.compacted(dates.encoded(self.image, x, present), present)
        states, _ = self.lstm(season)  # (B, T, hidden); what stands behind the last date is not looked at
        last = states[torch.arange(len(states), device=states.device), (count - 1).clamp(min=0)]
        return self.classify(torch.where(count.unsqueeze(-1) > 0, last, 0))
