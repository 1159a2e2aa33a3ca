"""Focal loss over the sequence of updates of a recurrent net."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from outpaint_lightning.losses.sequence import SequenceCriterion
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import InputError


def focal_loss(
    logits: Tensor, mask: Tensor, focal_gamma: float, alpha: float = 1.0, class_weight: Tensor | None = None
) -> Tensor:
    """Return a cross-entropy in which a pixel counts less the more probable its right class is; mean over pixels.

    Per pixel, with BCE the softmax cross-entropy::

        (alpha (1 - exp(-BCE)))^focal_gamma BCE

    `exp(-BCE)` is the probability of the right class. With two classes, `1 - exp(-BCE)` is the probability of the wrong
    class, and the softmax gives its logarithm. The power is computed from this logarithm: for `g < 1`, `x^g` has an
    infinite slope at 0, and the gradient of a pixel that is certainly right would be NaN (0 times infinity).

    Source: *Outpainting Localizer* (Darra, Vicentini 2023). They print a minus sign in front, which would make the loss
    negative. It is the focal loss of Lin et al. (ICCV 2017, arXiv:1708.02002, equation 5), but with alpha inside the
    power, as Darra and Vicentini print it. A single alpha scales the whole loss by `alpha^focal_gamma`; it is not a
    class weight.

    Args:
        logits: `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.
        focal_gamma: 0 or more. With 0 this is the cross-entropy for any alpha.
        alpha: positive factor.
        class_weight: two weights (authentic, forged) of the terms. The mean over pixels is weighted by them, as in
            torch's cross-entropy.

    Returns:
        A scalar.
    """
    log_probability = logits.log_softmax(1)
    target = mask.long()
    right, wrong = log_probability.gather(1, target), log_probability.gather(1, 1 - target)
    terms: Tensor = -(alpha**focal_gamma) * (focal_gamma * wrong).exp() * right
    weight = torch.ones_like(terms) if class_weight is None else class_weight.to(logits.dtype)[target]
    return mean_over_processes((weight * terms).sum(), weight.sum())


class SequenceFocal(SequenceCriterion):
    """`focal_loss` for every update.

    Args:
        gamma: weight of an update relative to the next one.
        focal_gamma: exponent of the focal term. Darra and Vicentini (2023) try 0.7, 0.8 and 0.9.
        alpha: factor of the focal term, inside the power; it scales the loss by `alpha^focal_gamma`.
        class_weights: as in `SequenceCriterion`.

    Raises:
        InputError: gamma is outside (0, 1], focal_gamma is negative, alpha is not positive, or the weights are not two
            positive numbers.

    Example:
        >>> import torch
        >>> even, mask = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)  # probability 0.5 everywhere
        >>> round(SequenceFocal(focal_gamma=2.0)([even], mask)["loss"].item(), 4)  # 0.5 ** 2 log 2
        0.1733
    """

    def __init__(
        self,
        gamma: float = 0.85,
        focal_gamma: float = 0.8,
        alpha: float = 1.0,
        class_weights: Literal["balanced"] | list[float] | None = None,
    ) -> None:
        super().__init__(gamma, class_weights)
        if not focal_gamma >= 0:
            raise InputError(f"SequenceFocal: focal_gamma is {focal_gamma}: expected 0 or more")
        if not alpha > 0:
            raise InputError(f"SequenceFocal: alpha is {alpha}: expected a positive number")
        self.focal_gamma, self.alpha = focal_gamma, alpha

    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the focal loss of one update."""
        return focal_loss(logits, mask, self.focal_gamma, self.alpha, self.class_weight)
