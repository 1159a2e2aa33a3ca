"""The trunk of a U-Net, and a small U-Net as a localizer: the plain net to compare others with."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import Padding, pad, padding_to, unpad
from outpaint_lightning.nets.localizers.stem import residual_channels, stacked
from outpaint_lightning.types import InputError

GROUP = 8  # channels normalised together


class UShape(nn.Module):
    """A trunk that looks at its input from fine to coarse and back, with what each level saw on the way down.

    Source: Ronneberger et al., *U-Net* (MICCAI 2015, arXiv:1505.04597), with padded convolutions, bilinear upsampling
    and group normalisation (Wu and He, ECCV 2018).

    Args:
        inputs: number of channels that are seen.
        outputs: number of channels that are given.
        width: channels at full resolution, a multiple of 8; each of the levels below has twice those above it.
        depth: number of levels below full resolution.

    Raises:
        InputError: width is not a positive multiple of 8, or depth is negative.
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
        """Return `N outputs H W` of what the first layer gave, `N width H W`; H and W are multiples of `stride`."""
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
    """Class scores per pixel of the first frame of a window, whose frames are stacked on the channels.

    A `UShape`, normalised by groups. Not by batches: that judges with the statistics of training crops, which other
    footage does not have. Not by instances: that removes how strong a residual is against
    the others, and is undefined where a small frame has shrunk to one pixel. As both do, it compares a place with all
    the net sees, so judge in tiles as large as the crops (`model.tile`).

    Args:
        width: channels at full resolution, a multiple of 8; each of the levels below has twice those above it. 16 makes
            1.9 M parameters.
        depth: number of levels below full resolution.
        frames: number of frames that are seen.
        residual: maps frames `N 3 H W` in [0, 1] to `N C H W`, which the net sees beside the colours; such as
            `SrmFilters` and `BayarConv`. None shows the colours alone.

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
            last_only: makes no difference.

        Returns:
            One tensor of logits `B 2 H W`: a sequence of one update.

        Raises:
            InputError: the window has fewer frames than the net sees.
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
        """Return `B C H W`, what the net sees of frames `B T 3 H W`: colours in [-1, 1] and residuals, padded."""
        return stacked(pad(image.flatten(0, 1), padding), len(image), self.residual)


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(outputs // GROUP, outputs), nn.ReLU()
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(inputs, outputs), _layer(outputs, outputs))
