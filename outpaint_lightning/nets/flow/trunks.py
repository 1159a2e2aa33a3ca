"""Trunks of nets that complete flow directly: images of many channels in, images of the same size out.

Each is called with the number of channels that it sees and that it gives, and ends in a convolution `last`. Source of
all three: Chatillon et al., *Towards video inpainting* (2020), section 2.3 to 2.5, and its code. There, layers are
normalised by batches, here by groups: batches are small, and their statistics include the holes.
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

POOLED = 8  # places along each side from which translations are computed, whatever the frame's size
HIDDEN = 128  # numbers in between


class UNetTrunk(nn.Module):
    """A U-Net: it sees the whole frame, coarsely, and copies what is fine.

    Args:
        inputs: channels that are seen.
        outputs: channels that are given.
        width: channels at full resolution, a multiple of 8; they double with each level. The paper has 64.
        depth: levels below full resolution. The paper has 4, the last of them with 512 channels instead of 1024.

    Raises:
        InputError: an option that `UShape` refuses.

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
        """The convolution at the end."""
        return self.shape.scores

    def forward(self, image: Tensor) -> Tensor:
        """Return `N outputs H W` of `N inputs H W`, any H and W."""
        stride = self.shape.stride
        padding = padding_to(image.shape[-2], image.shape[-1], multiple=stride, minimum=stride)
        return unpad(self.shape.rise(self.shape.first(pad(image, padding))), padding)


class ResNetTrunk(nn.Module):
    """Residual blocks at full resolution: no detail is lost, and nothing beyond `reach` pixels is seen.

    A 7x7 convolution, a block, a 3x3 convolution to twice as many channels, `blocks` blocks, a 3x3 convolution. With 7
    blocks it sees 21 pixels to each side: not across a large hole, so what the hole holds at the start matters.

    Args:
        inputs: channels that are seen.
        outputs: channels that are given.
        width: channels of the first layers; the blocks have twice as many. The paper has 64.
        blocks: their number; the paper has 7 or 10.
        dilations: of each block's convolutions; None for 1. The paper has none.

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
        """Return `N outputs H W` of `N inputs H W`."""
        features: Tensor = self.last(self.body(image))
        return features


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

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
    """Features, and the same ones once more, each channel moved by a translation of its own that the net computes.

    What the neighbouring frames know of a hole lies elsewhere in them; a translation brings it there. Before training
    all translations are zero: the second half equals the first.

    Source: the paper, section 2.5.2. Its code flattens the whole frame into a layer of 90 million weights, which fits
    one frame size only; here the frame is averaged to 8 x 8 places first. Its warp is half a pixel off.

    Args:
        inputs: channels that are seen.
        features: channels of the first half.
        farthest: of a translation along each axis, in pixels.

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
        """Return `N 2*features H W` of `N inputs H W`."""
        features = self.features(image)
        moved = self.translations(image).flatten(0, 1)[:, :, None, None].expand(-1, -1, *features.shape[-2:])
        translated = warp(features.flatten(0, 1)[:, None], moved, padding="border")
        return torch.cat([features, translated.view_as(features)], 1)

    def translations(self, image: Tensor) -> Tensor:
        """Return the translation of each channel, `N features 2`, x and y in pixels."""
        offsets: Tensor = self.farthest * self.offsets(self.seen(image)).tanh()
        return offsets.view(len(offsets), -1, 2)


class WarpingTrunk(nn.Module):
    """A U-Net on features and their translations.

    Args:
        inputs: channels that are seen.
        outputs: channels that are given.
        width: as for `UNetTrunk`.
        depth: as for `UNetTrunk`.
        features: as for `Translations`.
        farthest: as for `Translations`.

    Raises:
        InputError: an option that `UNetTrunk` or `Translations` refuses.

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
        """The convolution at the end."""
        return self.unet.last

    def forward(self, image: Tensor) -> Tensor:
        """Return `N outputs H W` of `N inputs H W`."""
        scores: Tensor = self.unet(F.elu(self.translate(image)))
        return scores
