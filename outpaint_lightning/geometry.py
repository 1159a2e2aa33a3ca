"""Pure functions on pixel grids: padding to a stride and its removal, tiles, boxes, and warping by flow.

Flow is in pixels, `u` (x) first. Integer `x, y` are the centre of a pixel. A box is `xmin ymin xmax ymax` in pixels,
half-open: its area is `(xmax - xmin) (ymax - ymin)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_OVERLAP = 0.25  # minimum overlap, as a share of a tile's side
EMPTY = 1e-12  # square pixels; dividing by less has no meaning and an infinite slope

Padding = tuple[int, int, int, int]
"""Pixels added on the left, right, top and bottom, in the order of `torch.nn.functional.pad`."""


def padding_to(height: int, width: int, multiple: int, minimum: int) -> Padding:
    """Return the padding of a frame to at least `minimum` and to a multiple of `multiple` on both sides.

    The frame stays in the middle, so the distance to real content is equal on opposite sides.
    """

    def split(size: int) -> tuple[int, int]:
        extra = -(-max(size, minimum) // multiple) * multiple - size
        return extra // 2, extra - extra // 2

    left, right = split(width)
    top, bottom = split(height)
    return left, right, top, bottom


def pad(image: Tensor, padding: Padding) -> Tensor:
    """Repeat the frame's edge pixels outwards. `image` is `N C H W`; returns `N C H+top+bottom W+left+right`."""
    return F.pad(image, padding, mode="replicate") if any(padding) else image


def mirror(image: Tensor, padding: Padding) -> Tensor:
    """Continue a frame outwards by its mirror image, any number of times; edge pixels are not repeated.

    What looks for forged regions must be shown this, not `pad`. Repeated edge pixels look like the fill `replicate`,
    and the frame's own pixels beside them would be marked.

    Args:
        image: `N C H W`.
        padding: see `padding_to`.

    Returns:
        `N C H+top+bottom W+left+right`.
    """
    if not any(padding):
        return image
    left, right, top, bottom = padding
    rows = _mirrored(image.shape[-2], top, bottom).to(image.device)
    columns = _mirrored(image.shape[-1], left, right).to(image.device)
    return image.index_select(-2, rows).index_select(-1, columns)


def _mirrored(size: int, before: int, after: int) -> Tensor:
    """Return the indices of a line of `size` pixels that is mirrored at both ends."""
    period = max(2 * (size - 1), 1)
    place = torch.arange(-before, size + after) % period
    return torch.minimum(place, period - place)


def unpad(image: Tensor, padding: Padding) -> Tensor:
    """Undo `pad` or `mirror`: remove `padding` from the last two dimensions of `image`."""
    left, right, top, bottom = padding
    height, width = image.shape[-2:]
    return image[..., top : height - bottom, left : width - right]


def tile_starts(size: int, tile: int) -> list[int]:
    """Return the starts of tiles that cover `size` pixels evenly and overlap by at least `TILE_OVERLAP`."""
    if size <= tile:
        return [0]
    count = 1 - (tile - size) // int(tile * (1 - TILE_OVERLAP))  # the last tile ends at the end of the frame
    return torch.linspace(0, size - tile, count).round().int().tolist()


def in_tiles(judge: Callable[[Tensor], Tensor], image: Tensor, tile: tuple[int, int]) -> Tensor:
    """Judge frames in overlapping tiles and blend the answers. Each answer has most weight in the middle of its tile.

    Args:
        judge: maps `B ... h w` to `B C h w`. It is called with one row of tiles at a time.
        image: `B ... H W`. If a side is shorter than the tile's, one tile covers the whole side.
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
    """Judge frames at several sizes, and return the mean of the answers at the original size.

    Args:
        judge: maps `B T 3 h w` to `B C h w`.
        image: `B T 3 H W`.
        scales: factors of both sides. Frames are reduced with averaging (antialiased bilinear); answers are resized
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
    """Return the smallest boxes that contain the forged pixels.

    Args:
        mask: `B 1 H W`, 0 or 1.

    Returns:
        float32 `B 4`: `xmin ymin xmax ymax` in pixels, half-open; zeros for an empty mask.
    """
    forged = mask[:, 0] > 0.5
    sides = forged.any(1), forged.any(2)  # the columns and the rows with forged pixels
    first = [side.int().argmax(1) for side in sides]
    last = [side.shape[1] - side.flip(1).int().argmax(1) for side in sides]
    return torch.stack(first + last, 1).float() * forged.flatten(1).any(1, keepdim=True)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of each pair of boxes.

    Args:
        first: `N 4`. An inverted box has no area.
        second: `N 4`.

    Returns:
        `N` in [0, 1], in float32 or better; 0 if neither box has an area.
    """
    overlap, union, _ = _areas(float32_or_better(first), float32_or_better(second))
    return _share(overlap, union)


def generalized_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of each pair of boxes, minus the share of their hull that neither covers.

    With C the smallest box that contains A and B::

        IoU - |C without (A u B)| / |C|

    Source: Rezatofighi et al. (CVPR 2019, arXiv:1902.09630), algorithm 1. torchvision's `generalized_box_iou_loss` is
    one minus this value, but its slope is above 1e7 if both boxes are the same line. Here, the slope is 0 if there is
    no area to divide by. At a kink it is the mean of both sides.

    Args:
        first: `N 4`. An inverted box has no area.
        second: `N 4`.

    Returns:
        `N` in [-1, 1], in float32 or better; 0 if the hull has no area.
    """
    overlap, union, hull = _areas(float32_or_better(first), float32_or_better(second))
    return _share(overlap, union) - _share(hull - union, hull)


def float32_or_better(values: Tensor) -> Tensor:
    """Return `values` in their own precision, but at least float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _areas(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the areas `N` of the intersection, the union and the hull."""
    start, end = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    outer = torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])
    overlap = _area(start, end)
    union = _area(first[:, :2], first[:, 2:]) + _area(second[:, :2], second[:, 2:]) - overlap
    return overlap, union, _area(*outer)


def _area(start: Tensor, end: Tensor) -> Tensor:
    sides = torch.maximum(end - start, end.new_zeros(()))  # at 0, `clamp` has the slope of one side, not the mean
    return sides[:, 0] * sides[:, 1]


def _share(part: Tensor, whole: Tensor) -> Tensor:
    exists = whole > EMPTY
    return torch.where(exists, part / torch.where(exists, whole, 1), 0)


def pixels(size: Sequence[int], device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the columns `W` and the rows `H 1` of the pixels in a frame of `size`, height and width."""
    height, width = size
    return torch.arange(width, device=device, dtype=dtype), torch.arange(height, device=device, dtype=dtype)[:, None]


def ends(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the end points x and y of the flow `N 2 H W`, each `N H W`, in pixels."""
    x, y = pixels(flow.shape[-2:], flow.device, flow.dtype)
    return x + flow[:, 0], y + flow[:, 1]


def sampling_grid(x: Tensor, y: Tensor, size: Sequence[int]) -> Tensor:
    """Return pixels as coordinates for `grid_sample` with `align_corners=False`: -1 and 1 are the frame's outer edges.

    Args:
        x: in pixels, of any shape.
        y: in pixels, of the same shape.
        size: height and width of the frame that is sampled.

    Returns:
        The two coordinates in a new last dimension.
    """
    height, width = size
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)


def warp(image: Tensor, flow: Tensor, padding: Literal["zeros", "border"] = "zeros") -> Tensor:
    """Return `image` as seen from the start of the flow: its value at `x + flow(x)`, bilinear.

    A zero flow is the identity. (The report's code normalizes for one corner convention and samples with the other,
    which shifts the image by half a pixel at each warp.)

    Args:
        image: `N C H W`, from the frame that the flow points into.
        flow: `N 2 H W`.
        padding: values outside the frame.

    Returns:
        `N C H W`, differentiable in both arguments.
    """
    grid = sampling_grid(*ends(flow), flow.shape[-2:])
    return F.grid_sample(image, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def splat(image: Tensor, flow: Tensor) -> Tensor:
    """Return the adjoint of `warp` with zeros outside: every value goes to `x + flow(x)`, shared by four pixels.

    Values that meet are added. Splat an image of ones to get the divisor for a mean.

    Args:
        image: `N C H W`, from the frame where the flow starts.
        flow: `N 2 H W`.

    Returns:
        `N C H W`.
    """
    count, channels, height, width = image.shape
    x, y = ends(flow)
    left, top = x.floor(), y.floor()
    total = image.new_zeros(count, channels, height * width)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            weight = weight * ((column >= 0) & (column < width) & (row >= 0) & (row < height))
            index = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().flatten(1)
            total.scatter_add_(2, index[:, None].expand(-1, channels, -1), (image * weight[:, None]).flatten(2))
    return total.view_as(image)


def stays_inside(flow: Tensor) -> Tensor:
    """Return whether the flow `N 2 H W` of each pixel ends inside the frame, as bool `N 1 H W`."""
    height, width = flow.shape[-2:]
    x, y = ends(flow)
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]


def round_trip(there: Tensor, back: Tensor) -> Tensor:
    """Return how far from its start a pixel ends after it follows `there` and then `back`: `N 2 H W`, in pixels.

    It is zero if both flows are exact and nothing is hidden.

    Args:
        there: `N 2 H W`, flow of a frame.
        back: `N 2 H W`, flow of the frame that `there` points into.
    """
    return there + warp(back, there, padding="border")


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the flow of the same motion in frames of another size: resampled, `u` and `v` scaled with their sides.

    Args:
        flow: `N 2 H W`.
        size: height and width.
    """
    height, width = flow.shape[-2:]
    factor = flow.new_tensor([size[1] / width, size[0] / height])
    smaller = size[0] < height or size[1] < width
    return F.interpolate(flow, size, mode="bilinear", align_corners=False, antialias=smaller) * factor[:, None, None]
