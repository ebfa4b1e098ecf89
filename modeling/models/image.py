"""What the networks of one image have in common: any patch size, and a missing image that is seen as nothing."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class OneImage(nn.Module):
    """A network (B, C, H, W) -> (B, classes) of images that may be missing or small.

    least: side in pixels that the network needs, because it halves the image that often; smaller images are continued to it by
        repeating their edge. Larger ones reach the network as they are.
    """

    def __init__(self, net: nn.Module, *, least: int = 1):
        super().__init__()
        self.net, self.least = net, least

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, C, H, W) standardised, (B, 1) bool -> (B, classes) logits. The date is not used: one image knows no season."""
        seen = torch.where(present.view(-1, 1, 1, 1), x, 0)
        return self.net(_continued(seen, self.least))


def _continued(x: Tensor, least: int) -> Tensor:
    """(B, C, H, W) with at least `least` rows and columns, the image in the middle and its edge pixels around it."""
    down, right = (max(0, least - size) for size in x.shape[-2:])
    if not down and not right:
        return x
    return functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")
