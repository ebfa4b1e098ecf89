"""DenseNet-121 on one image with any number of bands.

Huang et al. 2017, "Densely Connected Convolutional Networks", arXiv 1608.06993, as built by MONAI.
"""

from monai.networks.nets import DenseNet121 as Net

from modeling.models.image import OneImage

LEAST = 32  # px; five halvings


class DenseNet121(OneImage):
    """MONAI's DenseNet-121 with `channels` inputs; any patch size, those under 32 px continued to it."""

    def __init__(self, channels: int, classes: int):
        super().__init__(Net(spatial_dims=2, in_channels=channels, out_channels=classes), least=LEAST)
