"""Time reversal."""

from __future__ import annotations

import torch
from torch import Tensor

from outpaint_lightning.augment.base import FLOWS, RandomAugmentation, with_labels
from outpaint_lightning.types import Batch, InputError, views


class TimeWarp(RandomAugmentation):
    """Reverse windows in time: in a pair, frames n and n+1 swap.

    Masks and `meta.frames` are reversed with their frames, and the two flows are also exchanged. So the other frame is
    the one to classify, with its own mask. `label` and `box` follow.

    Source: Darra and Vicentini (2023), "time warping": frames n and n-1 swapped, 1 time in 10.

    Args:
        p: probability that a window is reversed.

    Raises:
        InputError: the batch has only one of the two flows; a reversed window needs both.

    Example:
        >>> import torch
        >>> image = torch.tensor([0.1, 0.9]).view(1, 2, 1, 1, 1).expand(1, 2, 3, 4, 4)
        >>> batch = {"image": image, "mask": torch.zeros(1, 2, 1, 4, 4)}
        >>> [round(frame.mean().item(), 1) for frame in TimeWarp(p=1.0)(batch)["image"][0]]
        [0.9, 0.1]
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def sample(self, batch_size: int) -> Tensor:
        """Draw the windows to reverse: bool `B`."""
        return self._chosen(batch_size)

    def apply_to(self, batch: Batch, drawn: Tensor) -> Batch:
        """Reverse the windows chosen by `drawn`, bool `B`."""
        backwards = drawn.to(batch["image"].device)[:, None, None, None, None]

        def turned(frames: Tensor, reverse: Tensor) -> Tensor:
            return torch.where(backwards, reverse.flip(1), frames)

        out: Batch = {**batch, "mask": turned(batch["mask"], batch["mask"])}
        for view in views(batch):
            out[view] = turned(batch[view], batch[view])
        flows = [name for name in FLOWS if name in batch]
        if len(flows) == 1:
            raise InputError(f"TimeWarp: the batch has {flows[0]} alone; a reversed window needs both of {FLOWS}")
        if flows:
            forward, backward = batch["flow_forward"], batch["flow_backward"]
            out["flow_forward"], out["flow_backward"] = turned(forward, backward), turned(backward, forward)
        if "meta" in batch:
            out["meta"] = [
                {**meta, "frames": meta["frames"][::-1]} if reverse else meta
                for meta, reverse in zip(batch["meta"], drawn.tolist(), strict=True)
            ]
        return with_labels(out)
