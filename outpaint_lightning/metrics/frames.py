"""Numbers stored per frame, so that a frame that is scored twice counts once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class FrameTable(Metric):
    """One row of non-negative numbers for each frame of each video.

    Rows are merged over processes by the maximum; missing rows are -1. A frame that a distributed sampler repeats
    counts once, so any number of processes gives the identical table.

    Args:
        frames: number of frames of each video.
        row: shape of a frame's row.
        dtype: type of the numbers.
    """

    full_state_update = False
    table: Tensor

    def __init__(self, frames: Sequence[int], row: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__()
        self.frames = list(frames)
        self.starts = torch.tensor([0, *frames]).cumsum(0).tolist()
        self.add_state("table", torch.full((sum(frames), *row), -1, dtype=dtype), dist_reduce_fx="max")

    def enter(self, video: int, frame: int, row: Tensor) -> None:
        """Set one frame's row."""
        self.table[self.starts[video] + frame] = row

    def videos(self) -> list[Tensor]:
        """Return for each video the rows of the entered frames, `seen ...`."""
        return [rows[rows.flatten(1)[:, 0] >= 0] for rows in torch.split(self.table, self.frames)]
