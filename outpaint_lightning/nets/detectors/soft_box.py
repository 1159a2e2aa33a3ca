"""The box of a mask as a differentiable function."""

from __future__ import annotations

import torch
from torch import Tensor

from outpaint_lightning.geometry import float32_or_better

SHARPNESS = 4.0
LARGEST = 15.0  # largest sharpened logit; a float32 sigmoid has almost no gradient beyond it, and none at 17


def soft_boxes(logits: Tensor, sharpness: float = SHARPNESS) -> Tensor:
    """Return the expected value of the smallest box around a mask, given the logits of the mask.

    A column is forged with the probability `p(x) = sigmoid(sharpness * max over y of the logits)`, independently of the
    others. Then the first forged column is x with the probability `p(x) * product over x' < x of (1 - p(x'))`, and the
    expected values, given that some column is forged, are::

        xmin = sum over x of x P(first is x) / P(any)
        xmax = sum over x of (x + 1) P(last is x) / P(any)

    and the same for rows. The first forged column is never behind the last, so `xmax - xmin` is at least 1 for any
    logits. For large logits the result is the box of `boxes_from_masks`. A box from a thresholded mask has no gradient;
    this one has a gradient in every column.

    Without the factor, the many columns beside the region would move its sides: of 100 columns with probability 0.02,
    at least one is forged with the probability 0.87.

    Args:
        logits: `B 1 H W`, logits of the pixels being forged.
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
    """Return the expected first index, and the index after the expected last one, of lines with logits `B N`."""
    present, absent = logits.sigmoid(), (-logits).sigmoid()
    places = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    first = present * _before(absent)
    last = present * _before(absent.flip(1)).flip(1)
    start, end = ((weights * at).sum(1) / weights.sum(1) for weights, at in ((first, places), (last, places + 1)))
    return start, end


def _before(absent: Tensor) -> Tensor:
    """Return for each index the product of all values before it, 1 for the first: `B N`."""
    return torch.cat([torch.ones_like(absent[:, :1]), absent[:, :-1].log().cumsum(1).exp()], 1)
