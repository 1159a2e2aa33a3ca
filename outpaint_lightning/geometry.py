"""Pure functions on pixel grids: padding to a stride and back, frames in tiles, boxes, and warping by flow.

Flow is in pixels, `u` (x) first, and the integer `x, y` is the middle of a pixel. A box is `xmin ymin xmax ymax` in
pixels, half-open: its area is `(xmax - xmin) (ymax - ymin)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_OVERLAP = 0.25  # of a tile's side, at least
EMPTY = 1e-12  # square pixels: by less, dividing has no meaning and an infinite slope

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


def at_scales(judge: Callable[[Tensor], Tensor], image: Tensor, scales: Sequence[float]) -> Tensor:
    """Judge frames at several sizes, and return the mean of the answers at their own size.

    Args:
        judge: maps `B T 3 h w` to `B C h w`.
        image: `B T 3 H W`.
        scales: factors of both sides. Frames become smaller by averaging (antialiased bilinear), answers are resized
            bilinearly.

    Returns:
        `B C H W`.
    """
    size = (image.shape[-2], image.shape[-1])
    answers = []
    for scale in scales:
        if scale == 1:
            answers.append(judge(image))
            continue
        height, width = (max(1, round(side * scale)) for side in size)
        frames = F.interpolate(
            image.flatten(0, 1), (height, width), mode="bilinear", align_corners=False, antialias=scale < 1
        )
        answer = judge(frames.reshape(*image.shape[:3], height, width))
        answers.append(F.interpolate(answer, size, mode="bilinear", align_corners=False))
    return torch.stack(answers).mean(0)


def boxes_from_masks(mask: Tensor) -> Tensor:
    """Return the smallest boxes that hold the forged pixels.

    Args:
        mask: `B 1 H W`, 0 or 1.

    Returns:
        float32 `B 4`: `xmin ymin xmax ymax` in pixels, half-open; zeros for an empty mask.
    """
    forged = mask[:, 0] > 0.5
    sides = forged.any(1), forged.any(2)  # the columns and the rows that hold any
    first = [side.int().argmax(1) for side in sides]
    last = [side.shape[1] - side.flip(1).int().argmax(1) for side in sides]
    return torch.stack(first + last, 1).float() * forged.flatten(1).any(1, keepdim=True)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each pair of boxes.

    Args:
        first: `N 4`; a box that is inverted has no area.
        second: `N 4`.

    Returns:
        `N` in [0, 1], in float32 or better; 0 where neither box has an area.
    """
    overlap, union, _ = _areas(float32_or_better(first), float32_or_better(second))
    return _share(overlap, union)


def generalized_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each pair of boxes, less the share of their hull that neither covers.

    With C the smallest box that holds A and B::

        IoU - |C without (A u B)| / |C|

    Source: Rezatofighi et al. (CVPR 2019, arXiv:1902.09630), algorithm 1. torchvision's `generalized_box_iou_loss` is
    one minus this, but has a slope above 1e7 where both boxes are the same line. Here the slope is 0 where there is no
    area to divide by, and the mean of both sides at a kink.

    Args:
        first: `N 4`; a box that is inverted has no area.
        second: `N 4`.

    Returns:
        `N` in [-1, 1], in float32 or better; 0 where the hull has no area.
    """
    overlap, union, hull = _areas(float32_or_better(first), float32_or_better(second))
    return _share(overlap, union) - _share(hull - union, hull)


def float32_or_better(values: Tensor) -> Tensor:
    """Return `values` in their own precision, or in float32 where that is lower."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the areas `N` of the intersection, the union and the hull."""
    start, end = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    outer = torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])
    overlap = _area(start, end)
    union = _area(first[:, :2], first[:, 2:]) + _area(second[:, :2], second[:, 2:]) - overlap
    return overlap, union, _area(*outer)


def _area(start: Tensor, end: Tensor) -> Tensor:
    sides = torch.maximum(end - start, end.new_zeros(()))  # `clamp` has the slope of one side at 0, not the mean
    return sides[:, 0] * sides[:, 1]


def _share(part: Tensor, whole: Tensor) -> Tensor:
    exists = whole > EMPTY
    return torch.where(exists, part / torch.where(exists, whole, 1), 0)


def pixels(size: Sequence[int], device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the columns `W` and the rows `H 1` of the pixels of a frame of `size`, height and width."""
    height, width = size
    return torch.arange(width, device=device, dtype=dtype), torch.arange(height, device=device, dtype=dtype)[:, None]


def ends(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and y, `N H W` each and in pixels, where the flow `N 2 H W` of every pixel ends."""
    x, y = pixels(flow.shape[-2:], flow.device, flow.dtype)
    return x + flow[:, 0], y + flow[:, 1]


def sampling_grid(x: Tensor, y: Tensor, size: Sequence[int]) -> Tensor:
    """Return pixels as `grid_sample` wants them with `align_corners=False`: -1 and 1 are the frame's outer edges.

    Args:
        x: in pixels, of any shape.
        y: the same.
        size: height and width of the frame that is sampled.

    Returns:
        That shape and, in a last dimension, the two coordinates.
    """
    height, width = size
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)


def warp(image: Tensor, flow: Tensor, padding: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Return `image` as seen from where the flow starts: its value at `x + flow(x)`, bilinear.

    A flow of zeros is the identity. (The report's code normalizes for one corner convention and samples with the other,
    which moves the image by half a pixel at each warp.)

    Args:
        image: `N C H W`, of the frame the flow points into.
        flow: `N 2 H W`.
        padding: what lies outside the frame.

    Returns:
        `N C H W`, differentiable in both.
    """
    grid = sampling_grid(*ends(flow), flow.shape[-2:])
    return F.grid_sample(image, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def splat(image: Tensor, flow: Tensor) -> Tensor:
    """Return the adjoint of `warp` with zeros outside: every value lands at `x + flow(x)`, shared by four pixels.

    Values that meet are added; splat ones to learn by how much to divide.

    Args:
        image: `N C H W`, of the frame where the flow starts.
        flow: `N 2 H W`.

    Returns:
        `N C H W`.
    """
    count, channels, height, width = image.shape
    x, y = ends(flow)
    left, top = x.floor(), y.floor()
    landed = image.new_zeros(count, channels, height * width)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            weight = weight * ((column >= 0) & (column < width) & (row >= 0) & (row < height))
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().flatten(1)
            landed.scatter_add_(2, place[:, None].expand(-1, channels, -1), (image * weight[:, None]).flatten(2))
    return landed.view_as(image)


def stays_inside(flow: Tensor) -> Tensor:
    """Return whether the flow `N 2 H W` of each pixel ends inside the frame: bool `N 1 H W`."""
    height, width = flow.shape[-2:]
    x, y = ends(flow)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]


def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """Return how far from its start a pixel ends that follows `there` and then `back`: `N 2 H W`, in pixels.

    Zero wherever both flows are exact and nothing is hidden.

    Args:
        there: `N 2 H W`, of a frame.
        back: `N 2 H W`, of the frame that `there` points into.
    """
    return there + warp(back, there, padding="border")


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the flow of the same motion in frames of another size: resampled, `u` and `v` scaled by their own sides.

    Args:
        flow: `N 2 H W`.
        size: height and width.
    """
    height, width = flow.shape[-2:]
    factor = flow.new_tensor([size[1] / width, size[0] / height])
    smaller = size[0] < height or size[1] < width
    return F.interpolate(flow, size, mode="bilinear", align_corners=False, antialias=smaller) * factor[:, None, None]
