"""Follows pixels from frame to frame along optical flow, at sub-pixel positions, on any device.

`chains` does so in whole pixels, faster and without torch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from outpaint_lightning.motion.consistency import agrees

UNKNOWN = 1e-3  # share of a bilinear sample that may be unknown, because of rounding in a path's position


def follow_paths(
    source: Tensor, there: Tensor, back: Tensor, frame: Tensor, place: Tensor, step: int
) -> tuple[Tensor, Tensor]:
    """Follow paths from frame to frame until each reaches known pixels.

    Args:
        source: `T H W 5`: red, green, blue, 1 where generated, 1 where known; zeros where unknown.
        there: `T H W 2`, the flow to follow.
        back: `T H W 2`, the flow of the opposite direction.
        frame: long `N`, start frames of the paths.
        place: `N 2`, start positions, x first.
        step: 1 or -1, from frame to frame.

    Returns:
        Red, green, blue and generated share at each path's end, `N 4`, and the largest disagreement of the two flows
        along the path, `N` in pixels, infinite for an abandoned path.
    """
    count, height, width = source.shape[:3]
    corner = place.new_tensor([width - 1, height - 1])
    values, gaps = place.new_zeros(len(place), 4), place.new_full((len(place),), torch.inf)
    state = torch.arange(len(place), device=place.device), frame, place, place.new_zeros(len(place))
    while len(state[0]):
        path, frame, place, gap = state
        move = sample(there, frame, place)
        frame, place = frame + step, place + move
        inside = (frame >= 0) & (frame < count) & ((place >= 0) & (place <= corner)).all(1)
        path, frame, place, gap, move = (part[inside] for part in (path, frame, place, gap, move))
        returned = sample(back, frame, place)
        error = (move + returned).square().sum(1)
        agree = agrees(error, (move.square() + returned.square()).sum(1))
        gap = torch.maximum(gap, error.sqrt())
        path, frame, place, gap = (part[agree] for part in (path, frame, place, gap))
        seen = sample(source, frame, place)
        arrived = seen[:, 4] > 1 - UNKNOWN
        values[path[arrived]] = seen[arrived, :4] / seen[arrived, 4:]
        gaps[path[arrived]] = gap[arrived]
        path, frame, place, gap = (part[~arrived] for part in (path, frame, place, gap))
        state = path, frame, place, gap
    return values, gaps


def sample(values: Tensor, frame: Tensor, place: Tensor) -> Tensor:
    """Return `values` (`T H W C`) at positions `N 2` (x first, inside) in frames `N`: float32 `N C`, bilinear."""
    _, height, width, channels = values.shape
    flat = values.view(-1, channels)
    corner = place.floor()
    total = place.new_zeros(len(place), channels)
    for dx in (0, 1):
        for dy in (0, 1):
            neighbour = corner + place.new_tensor([dx, dy])
            weight = (1 - (place - neighbour).abs()).prod(1, keepdim=True)
            column, row = neighbour.long().unbind(1)
            index = (frame * height + row.clamp(max=height - 1)) * width + column.clamp(max=width - 1)
            total += flat[index] * weight
    return total
