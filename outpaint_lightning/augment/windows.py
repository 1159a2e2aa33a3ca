"""Applies Kornia's augmentations to windows of frames."""

from __future__ import annotations

import torch
from kornia.augmentation import (
    AugmentationSequential,
    IntensityAugmentationBase2D,
    RandomHorizontalFlip,
    RandomVerticalFlip,
)
from kornia.augmentation.base import _AugmentationBase
from torch import Tensor, nn

from outpaint_lightning.augment.base import FLOWS, with_labels
from outpaint_lightning.types import Batch, InputError, views

_MIRRORED = {RandomHorizontalFlip: 0, RandomVerticalFlip: 1}  # the flow channel, u or v, whose sign changes


class KorniaOnWindows(nn.Module):
    """One Kornia augmentation over all frames and masks of a window: `B T C H W` as T inputs with one draw.

    The output images are in [0, 1]; they are clamped where Kornia's exceed it (`RandomGaussianNoise`, and resampling
    that overshoots). Flow follows the two flips: mirrored, with the sign of `u` or `v` changed. `label` and `box`
    follow the masks.

    Raises:
        InputError: the batch has flow, and the augmentation moves pixels in another way than a flip.
    """

    def __init__(self, augmentation: nn.Module) -> None:
        super().__init__()
        self.augmentation = augmentation

    def forward(self, batch: Batch) -> Batch:
        """Return the augmented batch."""
        moves = not isinstance(self.augmentation, IntensityAugmentationBase2D)
        flows: dict[str, Tensor] = {name: batch[name] for name in FLOWS if name in batch and moves}  # type: ignore[literal-required]
        mirrored = _MIRRORED.get(type(self.augmentation))
        if flows and mirrored is None:
            raise InputError(
                f"{type(self.augmentation).__name__}: the batch has {' and '.join(flows)}, which only "
                f"{' and '.join(flip.__name__ for flip in _MIRRORED)} take along"
            )
        shown = views(batch)
        tensors: dict[str, Tensor] = {**{view: batch[view] for view in shown}, "mask": batch["mask"], **flows}
        frames = [(name, frame) for name, tensor in tensors.items() for frame in tensor.unbind(1)]
        keys = ["input" if name in shown else "mask" for name, _ in frames]  # a flow is moved like a mask
        sequence = AugmentationSequential(self.augmentation, data_keys=keys)
        out = iter(sequence(*(frame for _, frame in frames)))
        moved = {name: torch.stack([next(out) for _ in range(tensor.shape[1])], 1) for name, tensor in tensors.items()}
        moved |= {view: moved[view].clamp(0, 1) for view in shown}
        if flows:
            flipped = sequence._params[0].data["batch_prob"].to(moved["image"])
            for name in flows:
                moved[name][:, :, mirrored] *= (1 - 2 * flipped)[:, None, None, None]
        return with_labels({**batch, **moved})  # type: ignore[typeddict-item]


def on_batches(augmentation: nn.Module) -> nn.Module:
    """Return a module that takes and returns batches: a Kornia augmentation is wrapped, others are returned as is."""
    return KorniaOnWindows(augmentation) if isinstance(augmentation, _AugmentationBase) else augmentation
