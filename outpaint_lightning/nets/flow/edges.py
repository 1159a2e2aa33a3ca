"""Edges of optical flow: where neighbouring pixels do not move as one.

An edge is a pixel that moves otherwise than the pixel on its right or the one below. So an edge cuts the links to these
two, and a pixel stays linked to those on its left and above it, unless they are edges, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.geometry import float32_or_better
from outpaint_lightning.pictures.flow import flow_colours

JUMP = 0.5  # pixels: by more, two neighbours do not move as one
LOW, HIGH = 0.2, 0.5  # pixels of flow a pixel: thresholds of `canny_edges`

EdgeMode = Literal["jacobian", "magnitude", "colour", "grey"]


def steps(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences to the pixel on the right and to the one below, `N 2 H W` each, in pixels; 0 at the end.

    Args:
        flow: `N 2 H W`.
    """
    flow = float32_or_better(flow)
    return F.pad(flow.diff(dim=3), (0, 1)), F.pad(flow.diff(dim=2), (0, 0, 0, 1))


def jump_edges(flow: Tensor, valid: Tensor | None = None, jump: float = JUMP) -> Tensor:
    """Return the pixels that move otherwise than the one on their right or the one below, by more than `jump` pixels.

    Args:
        flow: `N 2 H W`.
        valid: bool `N 1 H W`: no edge lies beside a vector that is not known; None where all are.
        jump: length of the difference, in pixels.

    Returns:
        Bool `N 1 H W`.
    """
    right, down = (step.norm(dim=1, keepdim=True) > jump for step in steps(flow))
    if valid is not None:
        right = right & valid & F.pad(valid[..., 1:], (0, 1))
        down = down & valid & F.pad(valid[..., 1:, :], (0, 0, 0, 1))
    edges: Tensor = right | down
    return edges


def canny_edges(flow: Tensor, mode: EdgeMode = "jacobian", low: float = LOW, high: float = HIGH) -> Tensor:
    """Return the edges of a flow by Canny's method: thin, and weak ones only where they go on from strong ones.

    `jacobian`, ours: the strength is the Frobenius norm of the flow's Jacobian, `sqrt(|d_x f|^2 + |d_y f|^2)`, from
    differences to the next pixel, in pixels; it is thinned along the direction in which the flow changes most (Di
    Zenzo, 1986). So thresholds mean the same on every flow, and edges where only the direction changes are seen.
    (Canny of the norm as an image would find the two flanks of every edge.)

    The others, for comparison, are Canny of a picture of the flow, with thresholds of their own: `magnitude`: its
    length by the longest in the frame, sigma 2, thresholds 0.1 and 0.2 (FGVC); blind to changes of direction.
    `colour`: the mean of its colours, sigma 0.5 (the code of Chatillon et al.). `grey`: the grey of its colours, sigma
    1 (FGT).

    Args:
        flow: `N 2 H W`, finite, in pixels.
        mode: see above.
        low: an edge that goes on from a stronger one has this strength at least, in pixels; for `jacobian` only.
        high: every edge has a pixel of this strength, in pixels; for `jacobian` only.

    Returns:
        Bool `N 1 H W`.
    """
    if mode != "jacobian":
        return _PICTURES[mode](float32_or_better(flow))
    right, down = steps(flow)
    strength = (right.square() + down.square()).sum(1, keepdim=True).sqrt()
    thin = strength * _peaks(strength, _steepest(right, down))
    return _followed(thin >= low, thin >= high)


def _steepest(right: Tensor, down: Tensor) -> Tensor:
    """Return the angle `N 1 H W`, modulo pi, of the direction in which the flow changes most."""
    across, along = ((step.square()).sum(1, keepdim=True) for step in (right, down))
    return torch.atan2(2 * (right * down).sum(1, keepdim=True), across - along) / 2


def _peaks(strength: Tensor, angle: Tensor) -> Tensor:
    """Return where no neighbour along the angle is stronger; of equals the first stays."""
    around = F.pad(strength, (1, 1, 1, 1))
    height, width = strength.shape[-2:]
    sector = (angle / (torch.pi / 4)).round().long() % 4
    peak = torch.zeros_like(strength, dtype=torch.bool)
    for number, (dx, dy) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        after, before = (
            around[..., 1 + s * dy : 1 + s * dy + height, 1 + s * dx : 1 + s * dx + width] for s in (1, -1)
        )
        peak |= (sector == number) & (strength >= after) & (strength > before)
    return peak


def _followed(weak: Tensor, strong: Tensor) -> Tensor:
    """Return the weak edges that are tied to strong ones, through any of eight neighbours."""
    found = strong
    while True:
        grown = (F.max_pool2d(found.float(), 3, stride=1, padding=1) > 0) & weak
        if torch.equal(grown, found):
            return found
        found = grown


def _of_magnitude(flow: Tensor) -> Tensor:
    length = flow.norm(dim=1, keepdim=True)
    return _canny(length / length.amax((2, 3), keepdim=True).clamp(min=1e-6), 2.0)


def _of_colour(flow: Tensor) -> Tensor:
    return _canny(_colours(flow).mean(1, keepdim=True), 0.5)


def _of_grey(flow: Tensor) -> Tensor:
    from kornia.color import rgb_to_grayscale

    return _canny(rgb_to_grayscale(_colours(flow)), 1.0)


def _canny(picture: Tensor, sigma: float) -> Tensor:
    """Return Canny's edges of a picture `N 1 H W` in [0, 1], with the thresholds that scikit-image takes."""
    from kornia.filters import canny  # takes a second, and only comparisons need it

    size = 2 * math.ceil(4 * sigma) + 1
    edges: Tensor = canny(picture, 0.1, 0.2, kernel_size=(size, size), sigma=(sigma, sigma))[1]
    return edges > 0


def _colours(flow: Tensor) -> Tensor:
    pictures = [flow_colours(each) for each in np.moveaxis(flow.detach().cpu().numpy(), 1, 3)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(flow) / 255


_PICTURES: dict[str, Callable[[Tensor], Tensor]] = {
    "magnitude": _of_magnitude,
    "colour": _of_colour,
    "grey": _of_grey,
}
