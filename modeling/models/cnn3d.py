"""3D-CNN: convolutions over dates and space at once.

Ji et al. 2013, "3D Convolutional Neural Networks for Human Action Recognition", TPAMI 35(1), and Tran et al. 2015, "Learning
Spatiotemporal Features with 3D Convolutional Networks" (C3D), arXiv 1412.0767, whose 3 x 3 x 3 kernels these are.
"""

import torch
from torch import Tensor, nn

from modeling.models import dates


class CNN3D(nn.Module):
    """Absent dates by mask: the present ones move together, and what stands behind them is set to 0 after every layer.

    So an absent date has no part in anything, as zero padding has none, and a season scores the same in a collection with more dates.
    How far apart two dates are is told by the channels of the day of year. Space is halved by every layer, dates by none: there are
    few, and their number is any. At the end comes the mean over present dates and space.
    """

    def __init__(self, channels: int, classes: int, *, widths: tuple[int, ...] = (32, 64, 128, 128), dropout: float = 0.2):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=False), nn.BatchNorm3d(after), nn.ReLU())
            for before, after in zip((channels, *widths[:-1]), widths, strict=True)
        )
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], classes))

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C, H, W) standardised, (B, T) bool -> (B, classes) logits."""
        season, count = dates.compacted(x, present)
        there = torch.arange(x.shape[1], device=x.device) < count.unsqueeze(1)  # (B, T)
        mask = there.view(len(x), 1, -1, 1, 1)
        film = torch.where(mask, season.transpose(1, 2), 0)
        for layer in self.layers:
            film = layer(film) * mask
        return self.classify(film.mean(dim=(3, 4)).sum(dim=2) / count.clamp(min=1).unsqueeze(1))
