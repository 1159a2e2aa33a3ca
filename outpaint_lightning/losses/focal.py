"""Focal loss over the sequence of a recurrent net's updates."""

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
    """Cross-entropy that counts a pixel less the surer its right class is, mean over pixels.

    Per pixel, with BCE the softmax cross-entropy of its class::

        (alpha (1 - exp(-BCE)))^focal_gamma BCE

    `exp(-BCE)` is the probability of the right class, so with two classes `1 - exp(-BCE)` is that of the wrong one,
    whose logarithm the softmax gives. The power is taken there: `x^g` has an infinite slope at 0 for `g < 1`, which
    would turn the gradient of a pixel that is surely right (0 times infinity) into NaN.

    Source: *Outpainting Localizer* (Darra, Vicentini 2023), printed with a minus sign in front, which would make it
    negative: BCE already is minus a logarithm. It is the focal loss of Lin et al. (ICCV 2017, arXiv:1708.02002,
    equation 5), but with alpha inside the power, as the source prints it: for one alpha that is a factor
    `alpha^focal_gamma` of the whole loss, not a class weight.

    Args:
        logits: `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.
        focal_gamma: 0 or more; at 0 this is the cross-entropy, whatever alpha.
        alpha: positive.
        class_weight: two weights (authentic, forged) of the finished terms; the mean over pixels is weighted by them,
            as in torch's cross-entropy.

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
    """`focal_loss` of every update.

    Args:
        gamma: of the sequence: weight of an update against the one after it.
        focal_gamma: of the focal term; the source tries 0.7, 0.8 and 0.9.
        alpha: of the focal term, inside the power: it scales the loss by `alpha^focal_gamma`.
        class_weights: as in `SequenceCriterion`.

    Raises:
        InputError: gamma outside (0, 1], a negative focal_gamma, an alpha that is not positive, or weights that are
            not two positive numbers.
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
