"""Losses over the sequence of updates of a recurrent net."""

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
    """Return `gamma^(N-1-i)` for update i of N; the last weight is 1, as in RAFT (equation 7 of arXiv:2003.12039)."""
    return [gamma ** (updates - 1 - i) for i in range(updates)]


def cross_entropy(logits: Tensor, mask: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """Return the softmax cross-entropy of two classes, mean over pixels; in training, over those of all processes.

    Args:
        logits: `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.
        class_weight: two weights (authentic, forged). The mean over pixels is weighted by them, as in torch.

    Returns:
        A scalar.
    """
    target = mask[:, 0].long()
    weight = torch.ones_like(logits[0, :, 0, 0]) if class_weight is None else class_weight.to(logits.dtype)
    return mean_over_processes(F.cross_entropy(logits, target, weight, reduction="sum"), weight[target].sum())


class SequenceCriterion(nn.Module, ABC):
    """The loss of all updates of a net: the sum of `update_loss`, weighted by `sequence_weights`.

    Args:
        gamma: weight of an update relative to the next one; 0.85 is from Darra and Vicentini (2023), and from RAFT's
            KITTI stage.
        class_weights: `[authentic, forged]`; `"balanced"`, which gives both classes the same total weight over the
            training masks; or None for equal weights. `"balanced"` uses `0.5 / share of the class`. `set_forged_share`
            sets it when training starts, and the checkpoint stores it.

    Raises:
        InputError: gamma is outside (0, 1], or the weights are not two positive numbers.
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
        """Set the share of forged pixels in the training masks, in [0, 1]. Only `"balanced"` uses it."""
        if self.balanced and 0 < share < 1:
            self.class_weight.copy_(torch.tensor([0.5 / (1 - share), 0.5 / share]))

    @abstractmethod
    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of one update, a scalar, from logits `B 2 H W` and masks `B 1 H W`."""

    def forward(self, logits: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return the loss of N updates. It is computed in float32, also under autocast.

        Args:
            logits: N tensors `B 2 H W`; channel 0 scores authentic, channel 1 forged.
            mask: `B 1 H W` in {0, 1}, 1 = forged.

        Returns:
            `loss`, the weighted sum over the updates, and `loss/last_update`, the loss of the last update without
            gradient.
        """
        losses = [self.update_loss(x.to(torch.promote_types(x.dtype, torch.float32)), mask) for x in logits]
        weights = sequence_weights(len(losses), self.gamma)
        loss = torch.stack([w * x for w, x in zip(weights, losses, strict=True)]).sum()
        return {"loss": loss, "loss/last_update": losses[-1].detach()}


class SequenceCrossEntropy(SequenceCriterion):
    """`cross_entropy` for every update: the loss of Darra and Vicentini (2023).

    Example:
        >>> import torch
        >>> even, mask = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)  # probability 0.5 everywhere
        >>> terms = SequenceCrossEntropy(gamma=0.5)([even, even], mask)
        >>> round(terms["loss"].item(), 4), round(terms["loss/last_update"].item(), 4)  # 1.5 log 2, log 2
        (1.0397, 0.6931)
    """

    def update_loss(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of one update."""
        return cross_entropy(logits, mask, self.class_weight)
