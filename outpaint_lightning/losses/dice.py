"""Cross-entropy and Dice over the sequence of a recurrent net's updates."""

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
    """One minus the soft Dice coefficient of the forged region, of each sample, mean over samples.

    With p the forged probability and m the mask, summed over the pixels of a sample, and s = 1 pixel::

        1 - (2 sum(p m) + s) / (sum(p) + sum(m) + s)

    Where nothing is forged this is `sum(p) / (sum(p) + s)`: 0 for an answer of nothing, and its gradient pushes every
    probability down, but hardly while many are high; the cross-entropy beside it does that.

    Source: Milletari et al., *V-Net* (3DV 2016, arXiv:1606.04797), section 3, whose denominator has squares; here it is
    F1 made soft, since F1 is what we report.

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
    """`cross_entropy` plus `dice_weight` times `dice_loss` of every update.

    Args:
        gamma: weight of an update against the one after it.
        dice_weight: weight of Dice against the cross-entropy; at 0 this is `SequenceCrossEntropy`.
        class_weights: of the cross-entropy, as in `SequenceCriterion`. Dice needs none: it does not see how many
            authentic pixels are found.

    Raises:
        InputError: gamma outside (0, 1], a negative dice_weight, or weights that are not two positive numbers.
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
        """Return what `SequenceCriterion` does and `loss/dice`, the last update's Dice loss before its weight."""
        with torch.no_grad():
            dice = dice_loss(logits[-1].float(), mask)
        return {**super().forward(logits, mask), "loss/dice": dice}
