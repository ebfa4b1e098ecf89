"""3D-CNN: convolutions over dates and space at once.

Ji et al. 2013, "3D Convolutional Neural Networks for Human Action Recognition", TPAMI 35(1), and Tran et al. 2015, "Learning
Spatiotemporal Features with 3D Convolutional Networks" (C3D), arXiv 1412.0767, whose 3 x 3 x 3 kernels these are.
"""

import torch
from torch import Tensor, nn


class CNN3D(nn.Module):
    """Absent dates by mask: they enter as 0, one more channel says which are present, and the mean at the end is over present ones.

    So an absent date keeps its place between its neighbours, which matters where slots are months. Space is halved by every layer,
    dates by none: there are few, and their number is any.
    """

    def __init__(self, channels: int, classes: int, *, widths: tuple[int, ...] = (32, 64, 128, 128), dropout: float = 0.2):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((channels + 1, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv3d(before, after, 3, stride=(1, 2, 2), padding=1, bias=False), nn.BatchNorm3d(after), nn.ReLU()]
        self.film = nn.Sequential(*layers)
        self.classify = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], classes))

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C, H, W) standardised, (B, T) bool -> (B, classes) logits."""
        seen = present.view(*present.shape, 1, 1, 1)
        x = torch.cat([torch.where(seen, x, 0), seen.to(x.dtype).expand_as(x[:, :, :1])], dim=2)
        found = self.film(x.transpose(1, 2)).mean(dim=(3, 4))  # (B, D, T)
        weight = present.unsqueeze(1).to(found.dtype)
        return self.classify((found * weight).sum(dim=2) / weight.sum(dim=2).clamp(min=1))
