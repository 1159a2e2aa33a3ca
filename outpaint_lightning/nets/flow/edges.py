"""Edges of optical flow: places where neighbouring pixels do not move together.

A pixel is an edge if its motion differs from that of the pixel on its right or of the pixel below. So an edge pixel
cuts the links to these two neighbours. It stays linked to the pixels on its left and above it, unless they are edges
themselves.
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

JUMP = 0.5  # pixels; two neighbours whose flow differs by more do not move together
LOW, HIGH = 0.2, 0.5  # thresholds of `canny_edges`, in pixels of flow per pixel

EdgeMode = Literal["jacobian", "magnitude", "colour", "grey"]


def steps(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences to the pixel on the right and to the pixel below, `N 2 H W` each, in pixels.

    The last column (row) has no such neighbour; its difference is 0.

    Args:
        flow: `N 2 H W`.
    """
    flow = float32_or_better(flow)
    return F.pad(flow.diff(dim=3), (0, 1)), F.pad(flow.diff(dim=2), (0, 0, 0, 1))


def jump_edges(flow: Tensor, valid: Tensor | None = None, jump: float = JUMP) -> Tensor:
    """Return the pixels whose flow differs from the right or the lower neighbour's by more than `jump` pixels.

    Args:
        flow: `N 2 H W` in pixels.
        valid: bool `N 1 H W`, true where the vector is known; pairs with an unknown vector give no edge. None if all
            are known.
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
    """Return the edges of a flow by Canny's method: thin edges, and weak edges only if they continue strong ones.

    `jacobian` is our own: the strength is the Frobenius norm of the flow's Jacobian, `sqrt(|d_x f|^2 + |d_y f|^2)`,
    from differences to the next pixel, in pixels. It is thinned along the direction in which the flow changes most (Di
    Zenzo, 1986). So a threshold means the same for every flow, and edges where only the direction changes are found.
    (Canny's method on an image of the norm would find both flanks of every edge.)

    The other modes are for comparison. They run Canny's method on a picture of the flow, with fixed thresholds of 0.1
    and 0.2. `magnitude`: the length of the vectors divided by the longest one in the frame, sigma 2 (FGVC); it misses
    changes of direction. `colour`: the mean of the flow's colours, sigma 0.5 (the code of Chatillon et al.). `grey`:
    the grey value of the flow's colours, sigma 1 (FGT).

    Args:
        flow: `N 2 H W`, finite, in pixels.
        mode: see above.
        low: smallest strength of an edge pixel that continues a stronger one, in pixels; for `jacobian` only.
        high: every edge contains a pixel of at least this strength, in pixels; for `jacobian` only.

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
    """Return where no neighbour along the angle is stronger; of equal neighbours, the first one stays."""
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
    """Return the weak edges that are connected to strong ones through any of the eight neighbours."""
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
    """Return Canny's edges of a picture `N 1 H W` in [0, 1], with the default thresholds of scikit-image."""
    from kornia.filters import canny  # the import takes a second, and only comparisons need it

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
