"""Losses over the sequence of a recurrent net's updates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.processes.reduce import mean_over_processes
from outpaint_lightning.types import InputError


def sequence_weights(updates: int, gamma: float) -> list[float]:
    """Return `gamma^(N-1-i)` for update i of N: 1 for the last one, as in RAFT (equation 7 of arXiv:2003.12039)."""
    return [gamma ** (updates - 1 - i) for i in range(updates)]


def cross_entropy(logits: Tensor, mask: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """Softmax cross-entropy of two classes, mean over pixels, those of all processes while training.

    Args:
        logits: `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.
        class_weight: two weights (authentic, forged). As in torch, the mean over pixels is weighted by them.

    Returns:
        A scalar.
    """
    target = mask[:, 0].long()
    weight = torch.ones_like(logits[0, :, 0, 0]) if class_weight is None else class_weight.to(logits.dtype)
    return mean_over_processes(F.cross_entropy(logits, target, weight, reduction="sum"), weight[target].sum())


class SequenceCriterion(nn.Module, ABC):
    """Judge every update of a net, the last one most: the sum of `update_loss` with `sequence_weights`.

    Args:
        gamma: weight of an update against the one after it; 0.85 is the source's (and RAFT's KITTI stage).
        class_weights: `[authentic, forged]`; or `"balanced"`, which gives both classes the same total weight over
            the training masks (`0.5 / share of the class`, set by `set_forged_share` when training starts and kept in
            the checkpoint); or None for equal weights.

    Raises:
        InputError: gamma outside (0, 1], or weights that are not two positive numbers.
    """

    class_weight: Tensor

    def __init__(self, gamma: float = 0.85, class_weights: Literal["balanced"] | list[float] | None = None) -> None:
        super().__init__()
        if not 0 < gamma <= 1:
            raise InputError(f"{type(self).__name__}: gamma is {gamma}: expected a number in (0, 1]")
        self.gamma = gamma
        self.balanced = class_weights == "balanced"
        given = [1.0, 1.0] if class_weights is None or self.balanced else cast("list[float]", class_weights)
        if len(given) != 2 or not all(w > 0 for w in given):
            raise InputError(
                f"{type(self).__name__}: class_weights is {class_weights}: expected two positive numbers or 'balanced'"
            )
        self.register_buffer("class_weight", torch.tensor(given))

    def set_forged_share(self, share: float) -> None:
        """Tell the share of forged pixels in the training masks, in [0, 1]; only `"balanced"` listens."""
        if self.balanced and 0 < share < 1:
            self.class_weight.copy_(torch.tensor([0.5 / (1 - share), 0.5 / share]))

    @abstractmethod
    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the loss, a scalar, of one update's logits `B 2 H W` on masks `B 1 H W`."""

    def forward(self, logits: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return the loss of N updates, in float32 also under autocast.

        Args:
            logits: N tensors `B 2 H W`; channel 0 scores authentic, channel 1 forged.
            mask: `B 1 H W` in {0, 1}, 1 = forged.

        Returns:
            `loss`, the weighted sum over updates, and `loss/last_update`, the last update's alone, without gradient.
        """
        losses = [self.update_loss(x.to(torch.promote_types(x.dtype, torch.float32)), mask) for x in logits]
        weights = sequence_weights(len(losses), self.gamma)
        loss = torch.stack([w * x for w, x in zip(weights, losses, strict=True)]).sum()
        return {"loss": loss, "loss/last_update": losses[-1].detach()}


class SequenceCrossEntropy(SequenceCriterion):
    """`cross_entropy` of every update: the source's loss."""

    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of one update."""
        return cross_entropy(logits, mask, self.class_weight)
