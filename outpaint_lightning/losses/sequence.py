"""Losses over the sequence of a recurrent net's updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outpaint_lightning.types import InputError


def sequence_weights(updates: int, gamma: float) -> list[float]:
    """Return `gamma^(N-1-i)` for update i of N: 1 for the last one, as in RAFT (equation 7 of arXiv:2003.12039)."""
    return [gamma ** (updates - 1 - i) for i in range(updates)]


def sequence_cross_entropy(
    logits: Sequence[Tensor], mask: Tensor, gamma: float, class_weight: Tensor | None = None
) -> Tensor:
    """Weighted softmax cross-entropy of every update, summed with `sequence_weights`.

    Args:
        logits: N tensors `B 2 H W`; channel 0 scores authentic, channel 1 forged.
        mask: `B 1 H W` in {0, 1}, 1 = forged.
        gamma: weight of an update against the one after it, in (0, 1].
        class_weight: two weights (authentic, forged). As in torch, the mean over pixels is weighted by them.

    Returns:
        A scalar, in float32 also under autocast.
    """
    target = mask[:, 0].long()
    weights = sequence_weights(len(logits), gamma)
    terms = [w * F.cross_entropy(x.float(), target, class_weight) for w, x in zip(weights, logits, strict=True)]
    return torch.stack(terms).sum()


class SequenceCrossEntropy(nn.Module):
    """`sequence_cross_entropy` as a criterion.

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
            raise InputError(f"criterion.gamma is {gamma}: expected a number in (0, 1]")
        self.gamma = gamma
        self.balanced = class_weights == "balanced"
        given = [1.0, 1.0] if class_weights is None or self.balanced else cast("list[float]", class_weights)
        if len(given) != 2 or not all(w > 0 for w in given):
            raise InputError(f"criterion.class_weights is {class_weights}: expected two positive numbers or 'balanced'")
        self.register_buffer("class_weight", torch.tensor(given))

    def set_forged_share(self, share: float) -> None:
        """Tell the share of forged pixels in the training masks, in [0, 1]; only `"balanced"` listens."""
        if self.balanced and 0 < share < 1:
            self.class_weight.copy_(torch.tensor([0.5 / (1 - share), 0.5 / share]))

    def forward(self, logits: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return `loss` (the weighted sum over updates) and `loss/last_update` (the last update's cross-entropy)."""
        loss = sequence_cross_entropy(logits, mask, self.gamma, self.class_weight)
        with torch.no_grad():
            last = sequence_cross_entropy(logits[-1:], mask, self.gamma, self.class_weight)
        return {"loss": loss, "loss/last_update": last}
