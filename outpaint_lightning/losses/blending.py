"""Losses of a panorama painted around two photos, on pixels and on the features of the content transfer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def seam_weights(width: int) -> Tensor:
    """Return a weight for each column of a middle: 1 beside both seams, 0.275 at the centre.

    `g(x) + g(width - 1 - x)` with `g(x) = exp(-x^2 / (2 (width / 4)^2))`. The weight is lower at the centre because
    more solutions are plausible there. Source: Lu, Liao, Chiu, *Bridging the Visual Gap: Wide-Range Image Blending*
    (CVPR 2021).

    Example:
        >>> [round(weight, 3) for weight in seam_weights(256)[[0, 32, 64, 127]].tolist()]
        [1.0, 0.885, 0.618, 0.275]
    """
    fallen = torch.exp(-torch.arange(width).double().square() / (2 * (width / 4) ** 2))
    return (fallen + fallen.flip(0)).float()


def sides_error(panorama: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Mean squared error of the painted left photo, plus that of the painted right photo.

    Args:
        panorama: `N C H W`.
        left: `N C H w`, the true first columns.
        right: `N C H w`, the true last columns.
    """
    width = left.shape[3]
    return F.mse_loss(panorama[..., :width], left) + F.mse_loss(panorama[..., -width:], right)


def middle_error(middle: Tensor, true: Tensor) -> Tensor:
    """Mean squared error, each column weighted by `seam_weights`; both `N C H W`."""
    return (seam_weights(middle.shape[3]).to(middle) * (middle - true).square()).mean()


def transfer_consistency(ahead: Sequence[Tensor], back: Sequence[Tensor]) -> Tensor:
    """Mean squared difference between the two directions of the transfer, over left photo, middle and right photo.

    Args:
        ahead: three maps `N C h w` of the pass from left to right.
        back: three maps `N C h w` of the pass from right to left.
    """
    return F.mse_loss(torch.cat([*ahead], 3), torch.cat([*back], 3))
