"""Doubles the samples of a batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from outpaint_lightning.augment.windows import on_batches
from outpaint_lightning.types import Batch


class DoubleSamples(nn.Module):
    """The batch followed by an augmented copy: a step uses 2 B samples, with the time and memory of 2 B samples.

    Source: Darra and Vicentini (2023) double their samples by a horizontal flip.

    Args:
        augmentation: augmentation of the copy: Kornia's, or a module that takes and returns batches. Use it with
            `p: 1`, otherwise some samples occur twice unchanged.

    Example:
        >>> import torch
        >>> from kornia.augmentation import RandomHorizontalFlip
        >>> batch = {"image": torch.rand(3, 2, 3, 8, 8), "mask": torch.zeros(3, 2, 1, 8, 8)}
        >>> doubled = DoubleSamples(RandomHorizontalFlip(p=1.0))(batch)["image"]
        >>> torch.equal(doubled[:3], batch["image"]), torch.equal(doubled[3:], batch["image"].flip(-1))
        (True, True)
    """

    def __init__(self, augmentation: nn.Module) -> None:
        super().__init__()
        self.augmentation = on_batches(augmentation)

    def forward(self, batch: Batch) -> Batch:
        """Return the batch of 2 B samples."""
        originals: dict[str, Any] = {**batch}
        copies: dict[str, Any] = {**self.augmentation(batch)}

        def both(name: str) -> Any:
            pair = originals[name], copies[name]
            return torch.cat(pair) if isinstance(pair[0], Tensor) else [*pair[0], *pair[1]]

        return {name: both(name) for name in originals}  # type: ignore[return-value]  # the keys of `batch`
