"""Feature maps of an image at several scales, for losses that compare textures."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from outpaint_lightning.nets.features import SeededFeatures
from outpaint_lightning.types import InputError

RELU3_2 = 13
"""Index of the layer in torchvision's `vgg19().features`."""
UP_TO_4_2 = 13
"""Number of entries of torchvision's layer list up to convolution 4_2. The 138 million weights after it are not
built."""


class SeededMaps(nn.Module):
    """Feature maps of `SeededFeatures`: random weights that follow from a seed and need no download.

    Args:
        channels: number of channels of an image.
        features: number of channels of a map.
        seed: seed of the weights.

    Example:
        >>> [tuple(found.shape) for found in SeededMaps()(torch.zeros(2, 3, 32, 48))]
        [(2, 16, 16, 24), (2, 16, 8, 12)]
    """

    def __init__(self, channels: int = 3, features: int = 16, seed: int = 0) -> None:
        super().__init__()
        self.weights = SeededFeatures(2, channels, features, seed).weights[:2].requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of images `N C H W` in [0, 1], at a half and at a quarter of their size."""
        maps = [images * 2 - 1]
        for weight in self.weights:
            maps.append(F.leaky_relu(F.conv2d(maps[-1], weight, stride=2, padding=1), 0.2))
        return maps[1:]


class VggMaps(nn.Module):
    """The maps `relu3_2` and `relu4_2` of VGG19, with torchvision's weights from a local file.

    Args:
        weights: file with the `state_dict` of torchvision's `vgg19`; null uses random weights, for tests.
        wrib_code: normalise images as the public code of wide-range image blending does: `(x + 1) / 2` although they
            are in [0, 1] already, then subtract the mean, without dividing by the standard deviation.

    Raises:
        InputError: the file does not exist, or holds other weights.

    Example:
        >>> [tuple(found.shape) for found in VggMaps()(torch.zeros(1, 3, 16, 24))]
        [(1, 256, 4, 6), (1, 512, 2, 3)]
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: str | None = None, wrib_code: bool = False) -> None:
        super().__init__()
        if weights is not None and not Path(weights).is_file():
            raise InputError(f"{weights}: no such file; expected the weights of torchvision's vgg19")
        layers = make_layers(cfgs["E"][:UP_TO_4_2]).requires_grad_(False)
        if weights is not None:
            try:
                saved = torch.load(weights, weights_only=True, map_location="cpu")
                layers.load_state_dict({name: saved[f"features.{name}"] for name in layers.state_dict()})
            except Exception as error:  # torch raises half a dozen types for a broken file
                raise InputError(f"{weights}: no weights of vgg19 ({str(error).splitlines()[0]})") from error
        self.parts = nn.ModuleList([layers[: RELU3_2 + 1], layers[RELU3_2 + 1 :]])
        self.wrib_code = wrib_code
        deviation = (1.0, 1.0, 1.0) if wrib_code else (0.229, 0.224, 0.225)
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of images `N 3 H W` in [0, 1]: `N 256 H/4 W/4` and `N 512 H/8 W/8`."""
        shown = (images + 1) / 2 if self.wrib_code else images
        maps = [(shown - self.mean) / self.deviation]
        for part in self.parts:
            maps.append(part(maps[-1]))
        return maps[1:]
