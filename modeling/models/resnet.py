"""ResNet-18 and ResNet-50 on one image with any number of bands.

He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, as built by MONAI, which needs no torchvision.
"""

from monai.networks.nets import resnet18, resnet50

from modeling.models.image import OneImage

# The paper's first convolution has stride 2. MONAI's default is 1, which takes four times as long.
STEM = {"spatial_dims": 2, "conv1_t_size": 7, "conv1_t_stride": 2}


class ResNet18(OneImage):
    """MONAI's ResNet-18 with `channels` inputs; any patch size, because it averages over what is left of it."""

    def __init__(self, channels: int, classes: int):
        super().__init__(resnet18(n_input_channels=channels, num_classes=classes, **STEM))


class ResNet50(OneImage):
    """MONAI's ResNet-50 with `channels` inputs; any patch size."""

    def __init__(self, channels: int, classes: int):
        super().__init__(resnet50(n_input_channels=channels, num_classes=classes, **STEM))
