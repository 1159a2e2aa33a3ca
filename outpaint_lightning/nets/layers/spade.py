"""Spatially-adaptive normalisation: a map scales and shifts features at each pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.nets.layers.conv import ConvNd, groups_of


class Spade(nn.Module):
    """Normalises features, then scales and shifts each pixel by convolutions of a map: `x (1 + gamma) + beta`.

    Park et al., *Semantic Image Synthesis with Spatially-Adaptive Normalization* (CVPR 2019, arXiv:1903.07291),
    equation 1. The paper normalises over the batch. Here, groups of channels are normalised, without batch statistics
    and without learned weights.

    Args:
        channels: number of channels of the features.
        condition: number of channels of the map.
        hidden: number of channels of the hidden layer; the paper has 128.

    Example:
        >>> import torch
        >>> Spade(8, condition=3, hidden=4)(torch.rand(2, 8, 4, 4), torch.zeros(2, 3, 16, 16)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups_of(channels), channels, affine=False)
        self.shared = ConvNd(2, condition, hidden, spectral=False)
        self.scale_shift = ConvNd(2, hidden, 2 * channels, spectral=False)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Return features `N C h w` of the same size.

        Args:
            features: `N C h w`.
            condition: `N K H W`, of any size. It is resized with nearest-pixel sampling, because the mean of two class
                labels is not a class.
        """
        fitted = F.interpolate(condition, features.shape[2:], mode="nearest")
        scale, shift = self.scale_shift(self.shared(fitted).relu()).chunk(2, 1)
        modulated: Tensor = self.norm(features) * (1 + scale) + shift
        return modulated


class SpadeBlock(nn.Module):
    """The residual block of the paper: twice Spade, LeakyReLU and convolution, with a shortcut.

    Args:
        inputs: number of input channels.
        outputs: number of output channels. If it differs from `inputs`, the shortcut is a convolution of size 1.
        condition: number of channels of the map.
        hidden: see `Spade`.

    Example:
        >>> import torch
        >>> SpadeBlock(8, 4, condition=3, hidden=4)(torch.rand(2, 8, 4, 4), torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 4, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = Spade(inputs, condition, hidden), Spade(outputs, condition, hidden)
        self.convolve = nn.ModuleList([ConvNd(2, inputs, outputs), ConvNd(2, outputs, outputs)])
        self.shortcut = nn.Identity() if inputs == outputs else ConvNd(2, inputs, outputs, size=1, bias=False)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Return features `N outputs h w` of the same size."""
        within = features
        for norm, convolve in zip((self.first, self.second), self.convolve, strict=True):
            within = convolve(F.leaky_relu(norm(within, condition), 0.2))
        summed: Tensor = self.shortcut(features) + within
        return summed
