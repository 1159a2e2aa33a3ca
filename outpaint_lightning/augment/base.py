"""What augmentations of whole batches share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.types import Batch, InputError

FLOWS = ("flow_forward", "flow_backward")


class RandomAugmentation(nn.Module, ABC):
    """An augmentation of whole batches: what happens to which sample is drawn first and applied afterwards.

    Draws come from torch's global random state, which `DeviceAugmentation` seeds, and are made on the CPU: the same on
    every device.

    Args:
        p: probability with which a sample is augmented, in [0, 1].

    Raises:
        InputError: `p` is not a probability.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise InputError(f"{type(self).__name__}: p is {p}: expected a probability in [0, 1]")
        self.p = p

    def forward(self, batch: Batch) -> Batch:
        """Return the batch with some of its samples augmented."""
        return self.apply_to(batch, self.sample(len(batch["image"])))

    @abstractmethod
    def sample(self, batch_size: int) -> Tensor:
        """Draw what to do: a tensor on the CPU, a row a sample, all zero for samples that stay as they are."""

    @abstractmethod
    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Return the batch augmented as drawn; samples whose row of `drawn` is all zero are returned bit for bit."""

    def _chosen(self, batch_size: int) -> Tensor:
        return torch.rand(batch_size) < self.p


def with_labels(batch: Batch) -> Batch:
    """Return the batch with `label` and `box`, where it has them, derived anew from the first frame's masks."""
    mask = batch["mask"][:, 0]
    if "label" in batch:
        batch = {**batch, "label": mask.flatten(1).any(1).long()}
    if "box" in batch:
        batch = {**batch, "box": boxes_from_masks(mask)}
    return batch
