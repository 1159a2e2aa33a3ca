"""Pure functions on pixel grids: padding to a stride and back, and frames in tiles."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_OVERLAP = 0.25  # of a tile's side, at least

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


def tile_starts(size: int, tile: int) -> list[int]:
    """Return the starts of tiles that cover `size` pixels evenly, overlapping by `TILE_OVERLAP` at least."""
    if size <= tile:
        return [0]
    count = 1 - (tile - size) // int(tile * (1 - TILE_OVERLAP))  # the last one ends where the frame does
    return torch.linspace(0, size - tile, count).round().int().tolist()


def in_tiles(judge: Callable[[Tensor], Tensor], image: Tensor, tile: tuple[int, int]) -> Tensor:
    """Judge frames in overlapping tiles and blend the answers, each weighing most in the middle of its tile.

    Args:
        judge: maps `B ... h w` to `B C h w`. Called with one row of tiles at a time.
        image: `B ... H W`; where a side is shorter than the tile's, the whole side is one tile.
        tile: height and width of a tile, in pixels.

    Returns:
        `B C H W`.
    """
    height, width = image.shape[-2:]
    rows, columns = min(tile[0], height), min(tile[1], width)
    bells = [torch.hann_window(side + 2, periodic=False, device=image.device)[1:-1] for side in (rows, columns)]
    weight = bells[0][:, None] * bells[1]
    total = torch.zeros(height, width, device=image.device)
    blended: Tensor | None = None
    lefts = tile_starts(width, columns)
    for top in tile_starts(height, rows):
        tiles = [image[..., top : top + rows, left : left + columns] for left in lefts]
        for left, answer in zip(lefts, judge(torch.cat(tiles)).chunk(len(tiles)), strict=True):
            if blended is None:
                blended = answer.new_zeros(*answer.shape[:2], height, width, dtype=torch.float32)
            blended[..., top : top + rows, left : left + columns] += answer * weight
            total[top : top + rows, left : left + columns] += weight
    assert blended is not None  # there is at least one tile
    return blended / total
