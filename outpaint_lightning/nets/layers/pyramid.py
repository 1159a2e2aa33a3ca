"""A convolutional encoder with coordinates, and pooling over masks."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.conv import NORMS, ConvNd
from outpaint_lightning.types import InputError


class DownEncoder(nn.Module):
    """A convolution of size 7, then `downs` stages that each halve height and width and double the channels.

    Two more input channels hold each pixel's row and column, from -1 to 1, so that pooled features still contain
    positions. Convolutions have spectral norm; group norm and LeakyReLU 0.2 follow each.

    Args:
        channels: number of channels of the input.
        width: number of channels of the first features.
        downs: number of stages.
        widest: no features have more than `widest * width` channels.
        deep: whether each stage has a convolution at full size before the one that halves it.

    Raises:
        InputError: an option is below 1.

    Example:
        >>> import torch
        >>> [features.shape[1:] for features in DownEncoder(3, width=4, downs=2)(torch.zeros(1, 3, 8, 16))]
        [torch.Size([4, 8, 16]), torch.Size([8, 4, 8]), torch.Size([16, 2, 4])]
    """

    def __init__(self, channels: int, width: int, downs: int, widest: int = 8, deep: bool = False) -> None:
        super().__init__()
        for name, value in (("width", width), ("downs", downs), ("widest", widest)):
            if value < 1:
                raise InputError(f"DownEncoder: {name} is {value}: expected at least 1")
        self.widths = [width * min(2**stage, widest) for stage in range(downs + 1)]
        stages = [_stage(channels + 2, width, 7, 1)]
        for inputs, outputs in pairwise(self.widths):
            first = [_stage(inputs, inputs, 3, 1)] if deep else []
            stages.append(nn.Sequential(*first, _stage(inputs, outputs, 3, 2)))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features of each stage for an image `N C H W`, the largest first."""
        rows, columns = (torch.linspace(-1, 1, side, device=image.device) for side in image.shape[2:])
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).to(image.dtype)
        features = torch.cat([image, grid.expand(len(image), -1, -1, -1)], 1)
        found = []
        for stage in self.stages:
            features = stage(features)
            found.append(features)
        return found


def _stage(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    norm = NORMS[2, "group"](outputs)
    return nn.Sequential(ConvNd(2, inputs, outputs, size, stride, bias=False), norm, nn.LeakyReLU(0.2))


def pooled(features: Tensor, places: Tensor) -> Tensor:
    """Return the means of features over the pixels of masks; 0 for an empty mask.

    Args:
        features: `N C h w`.
        places: `N M H W` in [0, 1], M masks, larger than the features by an integer factor. The weight of a feature
            pixel is the marked share of its area.

    Returns:
        `N M C`.
    """
    share = F.adaptive_avg_pool2d(places.to(features.dtype), (features.shape[2], features.shape[3]))
    sums = torch.einsum("nchw,nmhw->nmc", features, share)
    return sums / share.sum((2, 3)).clamp(min=1e-6)[..., None]
