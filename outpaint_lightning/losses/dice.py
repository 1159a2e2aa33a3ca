"""Cross-entropy and Dice loss over the sequence of updates of a recurrent net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from outpaint_lightning.losses.sequence import SequenceCriterion, cross_entropy
from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import InputError

SMOOTHING = 1.0  # pixels


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return one minus the soft Dice coefficient of the forged region, computed per sample, mean over samples.

    With p the forged probability and m the mask, summed over the pixels of a sample, and s = 1 pixel::

        1 - (2 sum(p m) + s) / (sum(p) + sum(m) + s)

    If nothing is forged, this is `sum(p) / (sum(p) + s)`: it is 0 if nothing is predicted. Its gradient pushes every
    probability down, but only weakly while many are high; the cross-entropy does the rest.

    Source: Milletari et al., *V-Net* (3DV 2016, arXiv:1606.04797), section 3, with squares in the denominator. This
    version is a soft F1, because we report F1.

    Args:
        logits: `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.

    Returns:
        A scalar in [0, 1].
    """
    probability, truth = logits.softmax(1)[:, 1], mask[:, 0]
    overlap = (probability * truth).sum((1, 2))
    total = probability.sum((1, 2)) + truth.sum((1, 2))
    losses = 1 - (2 * overlap + SMOOTHING) / (total + SMOOTHING)
    return mean_over_processes(losses.sum(), len(losses))


class SequenceCrossEntropyDice(SequenceCriterion):
    """`cross_entropy` plus `dice_weight` times `dice_loss`, for every update.

    Args:
        gamma: weight of an update relative to the next one.
        dice_weight: weight of Dice relative to the cross-entropy. With 0 this is `SequenceCrossEntropy`.
        class_weights: weights in the cross-entropy, as in `SequenceCriterion`. Dice needs none: it does not depend on
            the number of authentic pixels that are classified correctly.

    Raises:
        InputError: gamma is outside (0, 1], dice_weight is negative, or the weights are not two positive numbers.

    Example:
        >>> import torch
        >>> even, mask = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)  # probability 0.5 everywhere
        >>> round(SequenceCrossEntropyDice()([even], mask)["loss/dice"].item(), 4)  # 1 - (2 * 8 + 1) / (8 + 16 + 1)
        0.32
    """

    def __init__(
        self,
        gamma: float = 0.85,
        dice_weight: float = 1.0,
        class_weights: Literal["balanced"] | list[float] | None = None,
    ) -> None:
        super().__init__(gamma, class_weights)
        if not dice_weight >= 0:
            raise InputError(f"SequenceCrossEntropyDice: dice_weight is {dice_weight}: expected 0 or more")
        self.dice_weight = dice_weight

    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy plus the weighted Dice loss of one update."""
        return cross_entropy(logits, mask, self.class_weight) + self.dice_weight * dice_loss(logits, mask)

    def forward(self, logits: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return the terms of `SequenceCriterion`, plus `loss/dice`, the unweighted Dice loss of the last update."""
        with torch.no_grad():
            dice = dice_loss(logits[-1].float(), mask)
        return {**super().forward(logits, mask), "loss/dice": dice}
