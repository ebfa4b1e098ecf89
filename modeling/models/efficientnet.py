"""EfficientNet-B0 on one image with any number of bands.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946, as built by MONAI.
"""

from monai.networks.nets import EfficientNetBN

from modeling.models.image import OneImage

LEAST = 32  # px; five halvings
# The paper's momentum of 0.01 is for 350 epochs of ImageNet: after a thousand steps the averages would still hold their first values.
NORM = ("batch", {"eps": 1e-3, "momentum": 0.1})


class EfficientNetB0(OneImage):
    """MONAI's EfficientNet-B0 with `channels` inputs; any patch size, those under 32 px continued to it."""

    def __init__(self, channels: int, classes: int):
        net = EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=channels, num_classes=classes, norm=NORM)
        # MONAI starts the last layer at +-1 / sqrt(classes), made for a thousand: with ten the first losses are around 20.
        net._fc.reset_parameters()
        super().__init__(net, least=LEAST)
