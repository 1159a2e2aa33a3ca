"""Fills of clips that need no training: start values for a generator, and floors that it has to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better
from outpaint_lightning.nets.flow.solvers import biharmonic


class ClipFill(nn.Module, ABC):
    """Replaces the hidden voxels of a clip. Known voxels stay bit-identical; hidden voxels are never read."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill clips.

        Args:
            image: `B T C H W`; any values where the mask is 1.
            mask: `B T 1 H W`, 1 = to be filled.

        Returns:
            `B T C H W`, without a gradient.
        """
        hole = mask > 0.5
        with torch.no_grad():
            cleared = torch.where(hole, 0, float32_or_better(image))
            return torch.where(hole, self.fill(cleared, hole), image)

    @abstractmethod
    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return filled clips `B T C H W`, given clips that are 0 in the hole, and the hole, bool `B T 1 H W`."""


class MeanFill(ClipFill):
    """The mean of the clip's known voxels, per channel; 0.5 if nothing is known.

    Example:
        >>> import torch
        >>> clip, mask = torch.tensor([0.25, 0.75, 9.0]), torch.tensor([0.0, 0.0, 1.0])
        >>> MeanFill()(clip.view(1, 1, 1, 1, 3), mask.view(1, 1, 1, 1, 3)).flatten().tolist()
        [0.25, 0.75, 0.5]
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        known = (~hole).sum((1, 3, 4), keepdim=True)
        mean = image.sum((1, 3, 4), keepdim=True) / known.clamp(min=1)
        return torch.where(known > 0, mean, 0.5).expand_as(image)


class NearestFrameFill(ClipFill):
    """Copies the same pixel from the nearest frame in which it is known.

    If two frames are equally near, it takes the earlier one. If no frame shows the pixel, it takes `MeanFill`.

    Example:
        >>> import torch
        >>> clip, mask = torch.tensor([0.25, 9.0, 9.0, 0.5]), torch.tensor([0.0, 1.0, 1.0, 0.0])
        >>> NearestFrameFill()(clip.view(1, 4, 1, 1, 1), mask.view(1, 4, 1, 1, 1)).flatten().tolist()
        [0.25, 0.25, 0.5, 0.5]
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        frames = image.shape[1]
        time = torch.arange(frames, device=image.device).view(1, -1, 1, 1, 1)
        before = torch.where(hole, -2 * frames, time).cummax(1).values
        after = torch.where(hole, 3 * frames, time).flip(1).cummin(1).values.flip(1)
        nearest = torch.where(time - before <= after - time, before, after)
        copied = image.gather(1, nearest.clamp(0, frames - 1).expand_as(image))
        seen = (nearest >= 0) & (nearest < frames)
        return torch.where(seen, copied, MeanFill().fill(image, hole))


class BiharmonicFrameFill(ClipFill):
    """Fills each frame with the smoothest surface (a thin plate) through its known pixels.

    A frame without any known pixel takes `MeanFill`. Computed on the CPU, see `nets.flow.solvers.biharmonic`.

    Example:
        >>> import torch
        >>> clip = torch.arange(5.0).div(8).expand(1, 1, 1, 5, 5)  # a ramp
        >>> mask = torch.zeros(1, 1, 1, 5, 5)
        >>> mask[..., 2, 1:4] = 1
        >>> BiharmonicFrameFill()(clip, mask)[0, 0, 0, 2].round(decimals=3).tolist()
        [0.0, 0.125, 0.25, 0.375, 0.5]
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        whole = hole.flatten(2).all(2)[:, :, None, None, None]
        start = torch.where(whole, MeanFill().fill(image, hole), image)
        bent = biharmonic(start.flatten(0, 1), (hole & ~whole).flatten(0, 1))
        return bent.view_as(image).clamp(0, 1)
