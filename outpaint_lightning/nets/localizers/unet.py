"""The trunk of a U-Net, and a small U-Net localizer: the simple net to compare others with."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import Padding, mirror, padding_to, unpad
from outpaint_lightning.nets.localizers.stem import residual_channels, stacked
from outpaint_lightning.types import InputError

GROUP = 8  # number of channels that are normalised together


class UShape(nn.Module):
    """The trunk of a U-Net: an encoder from fine to coarse, and a decoder back with skip connections.

    Source: Ronneberger et al., *U-Net* (MICCAI 2015, arXiv:1505.04597), with padded convolutions, bilinear upsampling
    and group normalisation (Wu and He, ECCV 2018).

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        width: number of channels at full resolution, a multiple of 8; it doubles with each level.
        depth: number of levels below full resolution.

    Raises:
        InputError: width is not a positive multiple of 8, or depth is negative.

    Example:
        >>> net = UShape(inputs=6, outputs=2, width=8, depth=1)
        >>> net.rise(net.first(torch.zeros(1, 6, 16, 24))).shape
        torch.Size([1, 2, 16, 24])
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        if width < 1 or width % GROUP:
            raise InputError(f"{type(self).__name__}: width is {width}: expected a positive multiple of {GROUP}")
        if depth < 0:
            raise InputError(f"{type(self).__name__}: depth is {depth}: expected 0 or more")
        self.stride = 2**depth
        self.first = _layer(inputs, width)
        channels = [width * 2**level for level in range(depth + 1)]
        steps = list(itertools.pairwise(channels))
        down = [nn.Sequential(nn.MaxPool2d(2), _block(fine, coarse)) for fine, coarse in steps]
        self.encoder = nn.ModuleList([_layer(width, width), *down])
        self.decoder = nn.ModuleList(_block(coarse + fine, fine) for fine, coarse in reversed(steps))
        self.scores = nn.Conv2d(width, outputs, 1)

    def rise(self, features: Tensor) -> Tensor:
        """Return `N outputs H W` from the output of `first`, `N width H W`; H and W are multiples of `stride`."""
        levels = []
        for stage in self.encoder:
            features = stage(features)
            levels.append(features)
        for stage, level in zip(self.decoder, reversed(levels[:-1]), strict=True):
            features = F.interpolate(features, scale_factor=2, mode="bilinear")
            features = stage(torch.cat([features, level], 1))
        scores: Tensor = self.scores(features)
        return scores


class UNet(UShape):
    """Class scores per pixel of the first frame of a window, whose frames are stacked along the channel axis.

    It is a `UShape` with group normalisation. Batch normalisation would use the statistics of training crops, which do
    not fit other footage. Instance normalisation would remove how strong one residual is relative to the others, and is
    undefined where a small frame has shrunk to one pixel. Like instance normalisation, group normalisation compares
    each pixel with the whole input, so score in tiles of the size of the training crops (`model.tile`).

    Args:
        width: number of channels at full resolution, a multiple of 8; it doubles with each level. 16 gives 1.9 M
            parameters.
        depth: number of levels below full resolution.
        frames: number of frames that the net uses.
        residual: maps frames `N 3 H W` in [0, 1] to `N C H W`, which the net gets together with the colours, such as
            `SrmFilters` and `BayarConv`. None uses only the colours.

    Raises:
        InputError: width is not a positive multiple of 8, depth is negative or frames is below 1.

    Example:
        >>> import torch
        >>> (logits,) = UNet(width=8, depth=2)(torch.rand(1, 2, 3, 50, 70))
        >>> logits.shape
        torch.Size([1, 2, 50, 70])
    """

    def __init__(self, width: int = 16, depth: int = 4, frames: int = 2, residual: nn.Module | None = None) -> None:
        if frames < 1:
            raise InputError(f"UNet: frames is {frames}: expected at least 1")
        super().__init__(frames * (3 + residual_channels(residual)), 2, width, depth)
        self.frames, self.residual = frames, residual

    def forward(self, image: Tensor, last_only: bool = False) -> list[Tensor]:  # noqa: ARG002 (there is one update)
        """Score a window.

        Args:
            image: `B T 3 H W` RGB in [0, 1], any H and W; the first `frames` of T are used.
            last_only: has no effect.

        Returns:
            One tensor of logits `B 2 H W`: a sequence of one update.

        Raises:
            InputError: the window has fewer frames than the net uses.
        """
        if image.shape[1] < self.frames:
            raise InputError(
                f"UNet: frames is {self.frames}: expected at most the {image.shape[1]} of a window (data.frames)"
            )
        height, width = image.shape[-2:]
        padding = padding_to(height, width, multiple=self.stride, minimum=self.stride)
        with torch.autocast(image.device.type, enabled=False):  # bf16 would round the traces of a forgery away
            features = self.first(self._see(image[:, : self.frames].float(), padding))
        return [unpad(self.rise(features), padding)]

    def _see(self, image: Tensor, padding: Padding = (0, 0, 0, 0)) -> Tensor:
        """Return the input `B C H W` of the net for frames `B T 3 H W`: colours in [-1, 1] and residuals, padded."""
        return stacked(mirror(image.flatten(0, 1), padding), len(image), self.residual)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // GROUP, outputs), nn.ReLU()
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(inputs, outputs), _layer(outputs, outputs))
