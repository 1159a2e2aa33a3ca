"""Trunks of nets that complete flow directly: images of many channels in, images of the same size out.

A trunk is made from its number of input and output channels, and ends in a convolution `last`. Source of all three:
Chatillon et al., *Towards video inpainting* (2020), sections 2.3 to 2.5, "the paper" below, and its code. The paper
uses batch norm. Here, group norm is used, because batches are small and their statistics include the holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.geometry import pad, padding_to, unpad, warp
from outpaint_lightning.nets.layers.conv import groups_of
from outpaint_lightning.nets.localizers.unet import UShape
from outpaint_lightning.types import InputError

POOLED = 8  # side of the pooled map from which translations are computed, for any frame size
HIDDEN = 128  # width of the hidden layer


class UNetTrunk(nn.Module):
    """A U-Net: deep levels see the whole frame coarsely, skip connections keep fine detail.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        width: number of channels at full resolution, a multiple of 8; they double with each level. The paper has 64.
        depth: number of levels below full resolution. The paper has 4, the last of them with 512 channels instead of
            1024.

    Raises:
        InputError: `UShape` rejects an option.

    Example:
        >>> import torch
        >>> UNetTrunk(30, 24, width=8, depth=2)(torch.zeros(1, 30, 19, 26)).shape
        torch.Size([1, 24, 19, 26])
    """

    def __init__(self, inputs: int, outputs: int, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.shape = UShape(inputs, outputs, width, depth)

    @property
    def last(self) -> nn.Conv2d:
        """The last convolution."""
        return self.shape.scores

    def forward(self, image: Tensor) -> Tensor:
        """Return `N outputs H W` for `N inputs H W`, for any H and W."""
        stride = self.shape.stride
        padding = padding_to(image.shape[-2], image.shape[-1], multiple=stride, minimum=stride)
        return unpad(self.shape.rise(self.shape.first(pad(image, padding))), padding)


class ResNetTrunk(nn.Module):
    """Residual blocks at full resolution: no detail is lost, but the receptive field ends at `reach` pixels.

    A 7x7 convolution, a block, a 3x3 convolution to twice as many channels, `blocks` blocks, and a 3x3 convolution.
    With 7 blocks, it sees 21 pixels to each side. That does not cross a large hole, so the values in the hole at the
    start matter.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        width: number of channels of the first layers; the `blocks` blocks have twice as many. The paper has 64.
        blocks: number of blocks; the paper has 7 or 10.
        dilations: dilation of each block's convolutions; None for 1, as in the paper.

    Raises:
        InputError: `width` or `blocks` is below 1, or there are not as many dilations as blocks.

    Example:
        >>> import torch
        >>> trunk = ResNetTrunk(30, 24, width=4, blocks=3, dilations=[1, 2, 4])
        >>> trunk(torch.zeros(1, 30, 19, 26)).shape, trunk.reach
        (torch.Size([1, 24, 19, 26]), 21)
    """

    def __init__(
        self, inputs: int, outputs: int, width: int = 64, blocks: int = 7, dilations: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("blocks", blocks)):
            if value < 1:
                raise InputError(f"ResNetTrunk: {name} is {value}: expected at least 1")
        steps = [1] * blocks if dilations is None else [*dilations]
        if len(steps) != blocks or min(steps) < 1:
            raise InputError(
                f"ResNetTrunk: dilations is {steps}: expected {blocks} numbers, 1 or more, one for a block"
            )
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 7, padding=3),
            nn.ELU(),
            _Residual(width, width, 1),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            *(_Residual(2 * width, width, step) for step in steps),
        )
        self.last = nn.Conv2d(2 * width, outputs, 3, padding=1)
        self.reach = 3 + 2 + 1 + 2 * sum(steps) + 1

    def forward(self, image: Tensor) -> Tensor:
        """Return `N outputs H W` for `N inputs H W`."""
        features: Tensor = self.last(self.body(image))
        return features


class _Residual(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, channels: int, middle: int, dilation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, middle, 3, padding=dilation, dilation=dilation, bias=False),
            nn.ELU(),
            nn.Conv2d(middle, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.GroupNorm(groups_of(channels), channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        summed: Tensor = features + self.body(features)
        return summed


class Translations(nn.Module):
    """Computes features and appends a copy of them, each channel shifted by a translation that the net computes.

    The content of a hole is at another position in the neighbouring frames; a translation aligns it with the hole.
    Before training, all translations are zero, so both halves are equal.

    Source: the paper, section 2.5.2. Its code flattens the whole frame into a layer of 90 million weights, which fits
    one frame size only. Here, the frame is first pooled to 8 x 8. The warp of the paper's code is half a pixel off.

    Args:
        inputs: number of input channels.
        features: number of channels of each half.
        farthest: largest translation along each axis, in pixels.

    Raises:
        InputError: `farthest` is not positive.

    Example:
        >>> import torch
        >>> both = Translations(3, features=4)(torch.rand(1, 3, 20, 30))
        >>> bool((both[:, :4] - both[:, 4:]).abs().max() < 1e-5)
        True
    """

    def __init__(self, inputs: int, features: int = 64, farthest: float = 20.0) -> None:
        super().__init__()
        if not farthest > 0:
            raise InputError(f"Translations: farthest is {farthest}: expected a positive number of pixels")
        self.farthest = farthest
        self.features = nn.Conv2d(inputs, features, 7, padding=3)
        self.seen = nn.Sequential(
            nn.Conv2d(inputs, features, 3, stride=3, padding=2, dilation=2),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(POOLED),
            nn.Flatten(),
            nn.Linear(features * POOLED**2, HIDDEN),
            nn.LeakyReLU(0.2),
        )
        self.offsets = nn.Linear(HIDDEN, 2 * features)
        for parameter in self.offsets.parameters():
            nn.init.zeros_(parameter)

    def forward(self, image: Tensor) -> Tensor:
        """Return `N 2*features H W` for `N inputs H W`."""
        features = self.features(image)
        moved = self.translations(image).flatten(0, 1)[:, :, None, None].expand(-1, -1, *features.shape[-2:])
        translated = warp(features.flatten(0, 1)[:, None], moved, padding="border")
        return torch.cat([features, translated.view_as(features)], 1)

    def translations(self, image: Tensor) -> Tensor:
        """Return the translation of each channel, `N features 2`, x then y, in pixels."""
        offsets: Tensor = self.farthest * self.offsets(self.seen(image)).tanh()
        return offsets.view(len(offsets), -1, 2)


class WarpingTrunk(nn.Module):
    """A U-Net on features and their translated copies.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        width: as for `UNetTrunk`.
        depth: as for `UNetTrunk`.
        features: as for `Translations`.
        farthest: as for `Translations`.

    Raises:
        InputError: `UNetTrunk` or `Translations` rejects an option.

    Example:
        >>> import torch
        >>> WarpingTrunk(30, 24, width=8, depth=1, features=8)(torch.zeros(1, 30, 19, 26)).shape
        torch.Size([1, 24, 19, 26])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 64,
        depth: int = 4,
        features: int = 64,
        farthest: float = 20.0,
    ) -> None:
        super().__init__()
        self.translate = Translations(inputs, features, farthest)
        self.unet = UNetTrunk(2 * features, outputs, width, depth)

    @property
    def last(self) -> nn.Conv2d:
        """The last convolution."""
        return self.unet.last

    def forward(self, image: Tensor) -> Tensor:
        """Return `N outputs H W` for `N inputs H W`."""
        scores: Tensor = self.unet(F.elu(self.translate(image)))
        return scores
