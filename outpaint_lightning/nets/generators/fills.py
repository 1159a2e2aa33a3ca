"""Fills of clips without learning: where a generator may start, and the floors that it has to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import float32_or_better
from outpaint_lightning.nets.flow.solvers import biharmonic


class ClipFill(nn.Module, ABC):
    """Replaces hidden voxels of a clip. Known ones are left bit by bit, hidden ones are never read."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill clips.

        Args:
            image: `B T C H W`; anything where masked.
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
        """Return clips filled: `B T C H W`, 0 in the hole, which is bool `B T 1 H W`."""


class MeanFill(ClipFill):
    """The mean of what is known of the clip, for each channel; 0.5 where nothing is.

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
    """The same pixel in the nearest frame that shows it, the earlier of two; `MeanFill` where no frame does.

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
    """In each frame the surface through the known pixels that bends least; `MeanFill` where a frame shows nothing.

    Computed on the CPU, see `nets.flow.solvers.biharmonic`.
    """

    def fill(self, image: Tensor, hole: Tensor) -> Tensor:
        """See `ClipFill`."""
        whole = hole.flatten(2).all(2)[:, :, None, None, None]
        start = torch.where(whole, MeanFill().fill(image, hole), image)
        bent = biharmonic(start.flatten(0, 1), (hole & ~whole).flatten(0, 1))
        return bent.view_as(image).clamp(0, 1)
