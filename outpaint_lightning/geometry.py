"""Pure functions on pixel grids: padding to a stride and back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

Padding = tuple[int, int, int, int]
"""Pixels added on the left, right, top and bottom, in the order of `torch.nn.functional.pad`."""


def padding_to(height: int, width: int, multiple: int, minimum: int) -> Padding:
    """Return the padding that brings a frame to at least `minimum` and to a multiple of `multiple` on both sides.

    The frame stays in the middle, so that no side of it is farther from real content than the other.
    """

    def split(size: int) -> tuple[int, int]:
        extra = -(-max(size, minimum) // multiple) * multiple - size
        return extra // 2, extra - extra // 2

    left, right = split(width)
    top, bottom = split(height)
    return left, right, top, bottom


def pad(image: Tensor, padding: Padding) -> Tensor:
    """Repeat the frame's edge outwards. `image` is `N C H W`; returns `N C H+top+bottom W+left+right`."""
    return F.pad(image, padding, mode="replicate") if any(padding) else image


def unpad(image: Tensor, padding: Padding) -> Tensor:
    """Undo `pad`: cut `padding` off the last two dimensions of `image`."""
    left, right, top, bottom = padding
    height, width = image.shape[-2:]
    return image[..., top : height - bottom, left : width - right]
