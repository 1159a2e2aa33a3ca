"""Time runs backwards."""

from __future__ import annotations

import torch
from torch import Tensor

from outpaint_lightning.augment.base import FLOWS, RandomAugmentation, with_labels
from outpaint_lightning.types import Batch, InputError, views


class TimeWarp(RandomAugmentation):
    """Reverse windows in time: of a pair, frames n and n+1 change places.

    Masks, `meta.frames` and, exchanged for one another, the two flows go with their frames, so another frame is judged,
    against its own mask. `label` and `box` follow.

    Source: Darra and Vicentini (2023), "time warping": frames n and n-1 swapped, 1 time in 10.

    Args:
        p: probability with which a window is reversed.

    Raises:
        InputError: the batch has one of the flows and lacks the other, which a reversed window needs.
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
            ahead, back = batch["flow_forward"], batch["flow_backward"]
            out["flow_forward"], out["flow_backward"] = turned(ahead, back), turned(back, ahead)
        if "meta" in batch:
            out["meta"] = [
                {**meta, "frames": meta["frames"][::-1]} if reverse else meta
                for meta, reverse in zip(batch["meta"], drawn.tolist(), strict=True)
            ]
        return with_labels(out)
