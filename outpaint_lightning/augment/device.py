"""Augments a batch on its device, with the same draw for all frames of a window and for their masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from outpaint_lightning.augment.windows import on_batches
from outpaint_lightning.types import Batch


class DeviceAugmentation(nn.Module):
    """Apply augmentations to `image` and `mask` of a batch, reproducibly.

    A Kornia augmentation draws once per sample; the draw applies to every frame and mask of the window. Any other
    module is called with the batch and must return a batch.

    Args:
        augmentations: modules, applied in order.
        seed: seed of the draws. A draw depends on (seed, step, rank) only, so it differs between processes, is the same
            after a resume, and does not change the global random state.

    Example:
        >>> import torch
        >>> from kornia.augmentation import RandomHorizontalFlip
        >>> batch = {"image": torch.rand(3, 2, 3, 8, 8), "mask": torch.zeros(3, 2, 1, 8, 8)}
        >>> augment = DeviceAugmentation([RandomHorizontalFlip(p=0.5)], seed=1)
        >>> first, again = (augment(batch, step=7, rank=0)["image"] for _ in range(2))  # a step always draws the same
        >>> torch.equal(first, again)
        True
    """

    def __init__(self, augmentations: Sequence[nn.Module], seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.steps = nn.ModuleList(map(on_batches, augmentations))

    def forward(self, batch: Batch, step: int, rank: int) -> Batch:
        """Return the augmented batch; `step` counts training batches, `rank` is the process."""
        device = batch["image"].device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.autocast(device.type, enabled=False):
            torch.manual_seed(((self.seed * 1_000_003 + step) * 65_537 + rank) % 2**63)
            for augmentation in self.steps:
                batch = augmentation(batch)
        return batch
