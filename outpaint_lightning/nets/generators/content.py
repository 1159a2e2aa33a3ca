"""The second half of contextual outpainting: from a layout to pixels; and both halves as one generator."""

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

    The decoder's blocks are told the class of each pixel, and the mask, at every size. In the spirit of the second
    stage of Li et al. (CVPR 2022); the layers are ours, after Park et al. (CVPR 2019).

    Args:
        classes: C, of background.
        width: channels of the largest features.
        downs: times that height and width are halved.
        widest: times `width` that no features have more channels than.
        hidden: channels between layout and scale in a SPADE block; the paper of SPADE has 128.

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
        """Paint all pixels; only those in the mask are of use.

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
    """Invents the background of a foreground: a layout first, then its pixels.

    Args:
        content: paints a layout.
        layouts: draws layouts; null for a net that is always given one. It is not trained here.
        weights: checkpoint or run folder of a `LayoutTask`, whose net becomes `layouts`.
        side: pixels of the shorter side at which `fill` works; larger photos are scaled down for it, and what is made
            up again. Best the size of the training. Null works at the size of the photo.

    Raises:
        InputError: both halves differ in their classes, there are no such weights, or `side` is too small.
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
        """Set the mode of the half that trains; the other is always in evaluation."""
        super().train(mode)
        if self.layouts is not None:
            self.layouts.eval()
        return self

    def forward(self, image: Tensor, mask: Tensor, layout: Tensor) -> Tensor:
        """Return photos `N 3 H W` with the background painted and the foreground as it is; see `ContentGenerator`."""
        return torch.where(mask > 0.5, self.content(image, mask, layout), image)

    def sample(self, image: Tensor, mask: Tensor, count: int) -> Tensor:
        """Return several layouts for each photo, long `N count H W`.

        Raises:
            InputError: there is nothing to draw them with.
        """
        if self.layouts is None:
            raise InputError("ContextualOutpainter: layouts is null: expected a net that draws layouts, or a layout")
        return self.layouts.sample(image, mask, count)

    def fill(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return clips with their holes filled, frame by frame; see `forge.fills.net.Generator`.

        Each frame gets one layout, drawn by torch's own generator.
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
