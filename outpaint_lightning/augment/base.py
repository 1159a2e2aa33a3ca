"""The base of augmentations of whole batches."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from outpaint_lightning.geometry import boxes_from_masks
from outpaint_lightning.types import Batch, InputError

FLOWS = ("flow_forward", "flow_backward")


class RandomAugmentation(nn.Module, ABC):
    """An augmentation of whole batches: the parameters of each sample are drawn first, then applied.

    Parameters are drawn on the CPU from torch's global random state, which `DeviceAugmentation` seeds, so they are the
    same on every device.

    Args:
        p: probability that a sample is augmented, in [0, 1].

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
        """Draw the parameters: a tensor on the CPU with one row per sample, all zero for samples that do not change."""

    @abstractmethod
    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Return the augmented batch; samples whose row of `drawn` is all zero are returned bit for bit."""

    def _chosen(self, batch_size: int) -> Tensor:
        return torch.rand(batch_size) < self.p


def with_labels(batch: Batch) -> Batch:
    """Return the batch; its `label` and `box`, if present, are recomputed from the masks of the first frame."""
    mask = batch["mask"][:, 0]
    if "label" in batch:
        batch = {**batch, "label": mask.flatten(1).any(1).long()}
    if "box" in batch:
        batch = {**batch, "box": boxes_from_masks(mask)}
    return batch
