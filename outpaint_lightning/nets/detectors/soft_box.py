"""The box of a mask as a function with useful slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from outpaint_lightning.geometry import float32_or_better

SHARPNESS = 4.0
LARGEST = 15.0  # of a sharpened logit: beyond it a sigmoid in float32 has hardly a slope, and none at 17


def soft_boxes(logits: Tensor, sharpness: float = SHARPNESS) -> Tensor:
    """Return the expected smallest box around a mask that is known by its logits.

    A column is forged with the probability `p(x) = sigmoid(sharpness * max over y of the logits)`, each by itself. Then
    the first forged column is x with the probability `p(x) * product over x' < x of (1 - p(x'))`, and the expectations,
    given that there is a forged column, are::

        xmin = sum over x of x P(first is x) / P(any)
        xmax = sum over x of (x + 1) P(last is x) / P(any)

    and the same for rows. Since the first column is never behind the last, `xmax - xmin` is 1 at least, whatever the
    logits are. Where they are sure, it is the box of `boxes_from_masks`. Every column has a slope, while the box of a
    mask with a threshold has none.

    Without sharpness the many columns beside the region would move its sides: 100 columns of probability 0.02 are
    forged at some place with a probability of 0.87.

    Args:
        logits: `B 1 H W`, of the pixels being forged.
        sharpness: factor of the logits, above 0.

    Returns:
        float32 or better `B 4`: `xmin ymin xmax ymax` in pixels, half-open.

    Example:
        >>> mask = torch.zeros(1, 1, 6, 8)
        >>> mask[..., 1:4, 2:7] = 1
        >>> soft_boxes(40 * mask - 20).round().tolist()
        [[2.0, 1.0, 7.0, 4.0]]
    """
    sharpened = float32_or_better(logits[:, 0]) * sharpness
    columns, rows = (sharpened.amax(axis).clamp(-LARGEST, LARGEST) for axis in (1, 2))
    (xmin, xmax), (ymin, ymax) = _ends(columns), _ends(rows)
    return torch.stack([xmin, ymin, xmax, ymax], 1)


def _ends(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the expected first place, and the one behind the last, of `B N` lines."""
    present, absent = logits.sigmoid(), (-logits).sigmoid()
    places = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    first = present * _before(absent)
    last = present * _before(absent.flip(1)).flip(1)
    start, end = ((weights * at).sum(1) / weights.sum(1) for weights, at in ((first, places), (last, places + 1)))
    return start, end


def _before(absent: Tensor) -> Tensor:
    """Return the product of all values before each place, 1 at the first: `B N`."""
    return torch.cat([torch.ones_like(absent[:, :1]), absent[:, :-1].log().cumsum(1).exp()], 1)
