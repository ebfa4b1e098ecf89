"""TempCNN, convolutions over the season, on one reflectance series per sample.

Pelletier, Webb and Petitjean 2019, "Temporal Convolutional Neural Network for the Classification of Satellite Image Time Series",
Remote Sensing 11(5), arXiv 1811.10166. The published network needs the same dates in every sample, and the paper fills clouds by
linear interpolation beforehand. Here the network does that itself: present dates are interpolated onto a fixed grid of days, so that
any number of dates, at any days, absent or not, ends in the same shape, and a weight of the last layers belongs to a time of the year.
"""

import torch
from torch import Tensor, nn

YEAR_DAYS = 366.0


def resampled(x: Tensor, present: Tensor, days: Tensor, grid: Tensor) -> Tensor:
    """Interpolate along a line between the present date before and the one after each day of the grid; the year is a circle.

    A season that crosses New Year stays whole that way, and before the first date and after the last there is no step.

    Args:
        x: (B, T, C). present: (B, T) bool. days: (B, T) day of year, in any order. grid: (G,) day of year.

    Returns:
        (B, G, C); 0 for a sample without any date.
    """
    since = torch.remainder(grid.view(1, -1, 1) - days.unsqueeze(1), YEAR_DAYS)  # (B, G, T) days from the date to the grid's day
    until = torch.remainder(-since, YEAR_DAYS)
    absent = ~present.unsqueeze(1)
    back, before = since.masked_fill(absent, torch.inf).min(dim=2)  # (B, G)
    ahead, after = until.masked_fill(absent, torch.inf).min(dim=2)
    share = (back / (back + ahead).clamp(min=1e-6)).nan_to_num(0.0).unsqueeze(-1)  # of the date after
    channels = x.shape[-1]
    first, second = (x.gather(1, at.unsqueeze(-1).expand(-1, -1, channels)) for at in (before, after))
    return torch.lerp(first, second, share).masked_fill(~present.any(dim=1).view(-1, 1, 1), 0.0)


class TempCNN(nn.Module):
    """Convolutions over the days of a grid, then a dense layer over all of them, then a linear classifier.

    Where the model is not told the day of year, the dates stand at equal distances through the year, in the order they come in.
    """

    grid: Tensor

    def __init__(
        self, channels: int, classes: int, *, width: int = 64, layers: int = 3, kernel: int = 5, hidden: int = 256,
        dropout: float = 0.3, steps: int = 24,
    ):  # fmt: skip
        super().__init__()
        self.register_buffer("grid", (torch.arange(steps) + 0.5) * YEAR_DAYS / steps, persistent=False)
        blocks: list[nn.Module] = []
        for before in (channels, *[width] * (layers - 1)):
            blocks += [nn.Conv1d(before, width, kernel, padding=kernel // 2), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        self.convolve = nn.Sequential(*blocks, nn.Flatten())
        self.mix = nn.Sequential(nn.Linear(steps * width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout))
        self.classify = nn.Linear(hidden, classes)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) standardised, (B, T) bool, (B, T) day of year -> (B, classes) logits; without any date, those of a season of 0."""
        told = (present & (days > 0)).any(dim=1, keepdim=True)
        even = (torch.arange(x.shape[1], device=x.device) + 0.5) * YEAR_DAYS / x.shape[1]
        season = resampled(x, present, torch.where(told, days, even), self.grid)
        return self.classify(self.mix(self.convolve(season.transpose(1, 2))))
