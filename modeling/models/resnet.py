"""ResNet-18 on one image with any number of bands.

He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, as built by MONAI, which needs no torchvision.
"""

from monai.networks.nets import resnet18
from torch import Tensor, nn


class ResNet18(nn.Module):
    """MONAI's ResNet-18 with `channels` inputs; any patch size, because it averages over what is left of it."""

    def __init__(self, channels: int, classes: int):
        super().__init__()
        # The paper's first convolution has stride 2. MONAI's default is 1, which takes four times as long.
        self.net = resnet18(spatial_dims=2, n_input_channels=channels, num_classes=classes, conv1_t_size=7, conv1_t_stride=2)

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, C, H, W) standardised -> (B, classes) logits. The date is not used: one image knows no season."""
        return self.net(x)
