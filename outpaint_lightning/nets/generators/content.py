"""The second step of contextual outpainting, from a layout to pixels, and both steps as one generator."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.checkpoints.parts import load_part
from outpaint_lightning.geometry import pad, padding_to, unpad
from outpaint_lightning.nets.generators.layouts import LayoutGenerator, one_hot
from outpaint_lightning.nets.layers.conv import ConvNd
from outpaint_lightning.nets.layers.pyramid import DownEncoder
from outpaint_lightning.nets.layers.spade import SpadeBlock
from outpaint_lightning.types import InputError


class ContentGenerator(nn.Module):
    """Paints a background from its layout: an encoder of the foreground and a decoder of SPADE blocks.

    Every SPADE block gets the class of each pixel and the mask as its condition. The net follows the idea of the second
    stage of Li et al. (CVPR 2022), whose code is not public. The layers are our own, after Park et al. (CVPR 2019).

    Args:
        classes: number of background classes C.
        width: number of channels of the largest features.
        downs: how often height and width are halved.
        widest: no features have more than `widest * width` channels.
        hidden: number of channels between layout and scale in a SPADE block; the paper of SPADE has 128.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> import torch
        >>> net = ContentGenerator(classes=5, width=4, downs=2, hidden=4)
        >>> net(torch.rand(2, 3, 20, 24), torch.ones(2, 1, 20, 24), torch.zeros(2, 20, 24).long()).shape
        torch.Size([2, 3, 20, 24])
    """

    def __init__(self, classes: int, width: int = 64, downs: int = 5, widest: int = 16, hidden: int = 128) -> None:
        super().__init__()
        for name, value, least in (("classes", classes, 2), ("hidden", hidden, 1)):
            if value < least:
                raise InputError(f"ContentGenerator: {name} is {value}: expected at least {least}")
        self.classes, self.downs = classes, downs
        self.encoder = DownEncoder(4, width, downs, widest, deep=True)
        widths = self.encoder.widths[::-1]
        self.middle = SpadeBlock(widths[0], widths[0], classes + 1, hidden)
        self.up = nn.ModuleList(SpadeBlock(*pair, classes + 1, hidden) for pair in pairwise(widths))
        self.head = nn.Sequential(nn.LeakyReLU(0.2), ConvNd(2, width, 3, spectral=False))

    def forward(self, image: Tensor, mask: Tensor, layout: Tensor) -> Tensor:
        """Paint all pixels. Only those inside the mask are meant to be used.

        Args:
            image: `N 3 H W` in [0, 1]; not read where the mask is 1.
            mask: `N 1 H W`, 1 on the background.
            layout: long `N H W`; not read where the mask is 0.

        Returns:
            `N 3 H W` in [0, 1].
        """
        padding = padding_to(image.shape[2], image.shape[3], 2**self.downs, 1)
        seen = torch.cat([torch.where(mask > 0.5, 0, image * 2 - 1), mask.to(image.dtype)], 1)
        condition = pad(torch.cat([one_hot(layout, self.classes, mask), mask.to(image.dtype)], 1), padding)
        features = self.middle(self.encoder(pad(seen, padding))[-1], condition)
        for block in self.up:
            features = block(F.interpolate(features, scale_factor=2.0, mode="nearest"), condition)
        return unpad((self.head(features).tanh() + 1) / 2, padding)


class ContextualOutpainter(nn.Module):
    """Paints a background around a given foreground: it predicts a layout first, then paints its pixels.

    Args:
        content: the net that paints the pixels of a layout.
        layouts: the net that predicts layouts. It is not trained here. Null if a layout is always given.
        weights: checkpoint or run folder of a `LayoutTask`, whose weights are loaded into `layouts`.
        side: length in pixels of the shorter side at which `fill` works; the training size is best. Larger photos are
            scaled down to it, and the painted background is scaled up again. Null works at the size of the photo.

    Raises:
        InputError: the two nets have different numbers of classes, the weights cannot be read, or `side` is too small.

    Example:
        >>> painter = ContextualOutpainter(
        ...     ContentGenerator(classes=5, width=4, downs=2, hidden=4),
        ...     LayoutGenerator(classes=5, width=4, downs=2, latent=8, embedding=6),
        ... )
        >>> image, mask = torch.rand(1, 1, 3, 20, 24), torch.zeros(1, 1, 1, 20, 24)
        >>> mask[..., 12:] = 1  # the right half is background
        >>> filled = painter.fill(image, mask)
        >>> filled.shape, bool((filled[..., :12] == image[..., :12]).all())
        (torch.Size([1, 1, 3, 20, 24]), True)
    """

    def __init__(
        self,
        content: ContentGenerator,
        layouts: LayoutGenerator | None = None,
        weights: str | None = None,
        side: int | None = None,
    ) -> None:
        super().__init__()
        if side is not None and side < 2**content.downs:
            raise InputError(f"ContextualOutpainter: side is {side}: expected at least {2**content.downs}, or null")
        if layouts is not None and layouts.classes != content.classes:
            raise InputError(
                f"ContextualOutpainter: layouts has {layouts.classes} classes: content has {content.classes}"
            )
        if weights is not None and layouts is None:
            raise InputError("ContextualOutpainter: weights is set and layouts is null: expected the net they are for")
        self.content, self.layouts, self.side = content, layouts, side
        if weights is not None and layouts is not None:
            load_part(layouts, weights, "net.", "layout generator")

    @property
    def classes(self) -> int:
        """Number of background classes."""
        return self.content.classes

    def train(self, mode: bool = True) -> Self:
        """Set the training mode of `content`. `layouts` always stays in evaluation mode."""
        super().train(mode)
        if self.layouts is not None:
            self.layouts.eval()
        return self

    def forward(self, image: Tensor, mask: Tensor, layout: Tensor) -> Tensor:
        """Return photos `N 3 H W` with a painted background and an unchanged foreground; see `ContentGenerator`."""
        return torch.where(mask > 0.5, self.content(image, mask, layout), image)

    def sample(self, image: Tensor, mask: Tensor, count: int) -> Tensor:
        """Return `count` layouts for each photo, long `N count H W`.

        Args:
            image: `N 3 H W` in [0, 1].
            mask: `N 1 H W`, 1 on the background.
            count: number of layouts per photo.

        Raises:
            InputError: `layouts` is null.
        """
        if self.layouts is None:
            raise InputError("ContextualOutpainter: layouts is null: expected a net that draws layouts, or a layout")
        return self.layouts.sample(image, mask, count)

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return clips with their holes filled, frame by frame; see `forge.fills.net.Generator`.

        Each frame gets one layout, drawn with torch's global random generator.

        Args:
            image: `B T 3 H W` in [0, 1].
            mask: `B T 1 H W`, 1 in the hole.

        Raises:
            InputError: `layouts` is null.
        """
        frames, holes = image.flatten(0, 1), mask.flatten(0, 1)
        size = frames.shape[2:]
        scale = 1.0 if self.side is None else min(1.0, self.side / min(size))
        smaller = [max(1, round(side * scale)) for side in size]
        shown = F.interpolate(frames, smaller, mode="bilinear", antialias=True) if scale < 1 else frames
        hole = (F.adaptive_max_pool2d(holes, smaller) if scale < 1 else holes).round()
        with torch.no_grad():
            made = self.content(shown, hole, self.sample(shown, hole, 1)[:, 0])
        made = F.interpolate(made, size, mode="bilinear", align_corners=False) if scale < 1 else made
        return torch.where(holes > 0.5, made.clamp(0, 1), frames).view_as(image)
