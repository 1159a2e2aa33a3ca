"""Crop windows around holes, all of one size, so that work is done only where a frame is unknown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from outpaint_lightning.geometry import boxes_from_masks


@dataclass(frozen=True)
class Windows:
    """Crop windows of one size, one in each selected frame of a stack."""

    frames: Tensor
    """`M`: index in the stack of each window's frame."""
    left: Tensor
    """`M`: the first column of each window."""
    top: Tensor
    """`M`: the first row of each window."""
    size: tuple[int, int]
    """Height and width of every window."""

    @classmethod
    def around(cls, hole: Tensor, margin: int) -> Windows:
        """Place a window around the holes of each frame; frames without a hole get none.

        Args:
            hole: bool `N 1 H W`.
            margin: number of pixels of the frame on each side of a hole, as far as the frame reaches.
        """
        height, width = hole.shape[-2:]
        frames = hole.flatten(1).any(1).nonzero()[:, 0]
        left, top, right, bottom = boxes_from_masks(hole[frames]).long().unbind(1)
        left, top = (left - margin).clamp(min=0), (top - margin).clamp(min=0)
        right, bottom = (right + margin).clamp(max=width), (bottom + margin).clamp(max=height)
        rows, columns = (int(sides.max()) if len(frames) else 0 for sides in (bottom - top, right - left))
        return cls(frames, left.clamp(max=width - columns), top.clamp(max=height - rows), (rows, columns))

    @classmethod
    def whole(cls, stack: Tensor) -> Windows:
        """Return windows that cover the whole frames of the stack `N C H W`."""
        frames = stack.shape[0]  # len would become a constant in an export
        corner = torch.zeros(frames, dtype=torch.long, device=stack.device)
        return cls(torch.arange(frames, device=stack.device), corner, corner, (stack.shape[2], stack.shape[3]))

    def coordinates(self) -> tuple[Tensor, Tensor]:
        """Return the columns `M 1 w` and the rows `M h 1` of the windows' pixels in the frame."""
        rows, columns = self.size
        x = self.left[:, None, None] + torch.arange(columns, device=self.left.device)
        y = self.top[:, None, None] + torch.arange(rows, device=self.top.device)[:, None]
        return x, y

    def cut(self, stack: Tensor) -> Tensor:
        """Return the windows `M C h w` of the stack `N C H W`."""
        seen = stack[self.frames]
        return seen.flatten(2).gather(2, self._places(stack)).view(*seen.shape[:2], *self.size)

    def paste(self, stack: Tensor, windows: Tensor) -> Tensor:
        """Return the stack `N C H W` with the windows `M C h w` written back to their positions."""
        seen = stack[self.frames].flatten(2).scatter(2, self._places(stack), windows.flatten(2))
        return stack.index_copy(0, self.frames, seen.view(-1, *stack.shape[1:]))

    def _places(self, stack: Tensor) -> Tensor:
        x, y = self.coordinates()
        return (y * stack.shape[3] + x).flatten(1)[:, None].expand(-1, stack.shape[1], -1)
