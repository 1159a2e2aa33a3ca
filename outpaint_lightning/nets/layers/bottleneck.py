"""Blocks of the net that blends two photos: bottlenecks, grouped residuals and skip connections."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def instance_norm(channels: int, used: bool = True) -> nn.Module:
    """Return an instance norm with weights, or an identity if `used` is false."""
    return nn.InstanceNorm2d(channels, affine=True) if used else nn.Identity()


class Bottleneck(nn.Module):
    """Convolutions of size 1, 3 and 1 with a shortcut, then an activation.

    With stride 2, the convolution of size 3 has the stride, and the shortcut is a convolution of size 1 with stride 2.
    Source: He et al., *Deep Residual Learning* (CVPR 2016, arXiv:1512.03385), figure 5.

    Args:
        inputs: number of input channels.
        middle: number of channels of the convolution of size 3.
        outputs: number of output channels.
        stride: 1 or 2.
        norm: whether instance norm follows each convolution.
        slope: slope of the activation below 0; 0 is ReLU.

    Example:
        >>> Bottleneck(8, 4, 16, stride=2)(torch.zeros(1, 8, 6, 10)).shape
        torch.Size([1, 16, 3, 5])
    """

    def __init__(
        self, inputs: int, middle: int, outputs: int, stride: int = 1, norm: bool = True, slope: float = 0.0
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, middle, 1, bias=False), instance_norm(middle, norm), nn.LeakyReLU(slope),
            nn.Conv2d(middle, middle, 3, stride, 1, bias=False), instance_norm(middle, norm), nn.LeakyReLU(slope),
            nn.Conv2d(middle, outputs, 1, bias=False), instance_norm(outputs, norm),
        )  # fmt: skip
        kept = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if kept else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.act = nn.LeakyReLU(slope)

    def forward(self, features: Tensor) -> Tensor:
        """Return features `N outputs H/stride W/stride`."""
        summed: Tensor = self.act(self.body(features) + self.shortcut(features))
        return summed


class GroupedResidual(nn.Module):
    """Two paths of flat convolutions with a shortcut: 3 x 1 then 1 x 7, and 1 x 7 then 3 x 1 (height x width).

    Its receptive field is wider than high, because landscapes extend horizontally.

    Args:
        channels: number of input and output channels.
        dilation: dilation of all four convolutions.
        norm: whether to normalise the sum.

    Example:
        >>> GroupedResidual(8, dilation=2)(torch.zeros(1, 8, 6, 10)).shape
        torch.Size([1, 8, 6, 10])
    """

    def __init__(self, channels: int, dilation: int, norm: bool = True) -> None:
        super().__init__()

        def conv(height: int, width: int) -> nn.Conv2d:
            reach = height // 2 * dilation, width // 2 * dilation
            return nn.Conv2d(channels, channels, (height, width), padding=reach, dilation=dilation)

        self.high_first = nn.Sequential(conv(3, 1), nn.ReLU(), conv(1, 7))
        self.wide_first = nn.Sequential(conv(1, 7), nn.ReLU(), conv(3, 1))
        self.norm = instance_norm(channels, norm)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        summed: Tensor = self.norm(features + self.high_first(features) + self.wide_first(features))
        return summed.relu()


class SkipJoin(nn.Module):
    """Joins decoder features with other features of the same size, such as an encoder's (skip-horizontal connection).

    It computes `kept + conv1(conv3(conv1(cat(features, other))))`, with 2 C to C/2, C/2 and C channels.

    Args:
        channels: number of channels C, even.

    Example:
        >>> features = torch.zeros(1, 8, 6, 10)
        >>> SkipJoin(8)(features, features, features).shape
        torch.Size([1, 8, 6, 10])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            nn.Conv2d(2 * channels, half, 1), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1), nn.ReLU(),
            nn.Conv2d(half, channels, 1),
        )  # fmt: skip

    def forward(self, features: Tensor, other: Tensor, kept: Tensor) -> Tensor:
        """Return joined features; inputs and result are all `N C H W`."""
        joined: Tensor = kept + self.body(torch.cat([features, other], 1))
        return joined
