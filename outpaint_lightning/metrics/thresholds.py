"""Choosing the threshold from which on a probability means "forged"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.types import InputError

THRESHOLDS = tuple(i / 100 for i in range(1, 100))


class ThresholdF1(FrameTable):
    """F1 of each video at every threshold of a grid, from histograms of its forged and authentic pixels.

    A pixel is forged from the threshold on, `probability >= threshold` in float32, as `LocalizationTask` decides. At
    the thresholds of the grid the F1 is exact: a probability is put into the bin between the two grid points that
    enclose it, and the bins above a grid point hold exactly the pixels that reach it. Between grid points nothing is
    claimed.

    Memory: 8 bytes per frame and bin, that is 800 bytes a frame for `THRESHOLDS` (80 MB for 100,000 frames) on each
    process; merging the processes of a distributed run takes as much again from each of them.

    Args:
        frames: number of frames of each video.
        thresholds: the grid, ascending, within (0, 1).

    Raises:
        InputError: the thresholds are not ascending within (0, 1).
    """

    grid: Tensor

    def __init__(self, frames: Sequence[int], thresholds: Sequence[float] = THRESHOLDS) -> None:
        if not thresholds or list(thresholds) != sorted({*thresholds}) or not 0 < thresholds[0] <= thresholds[-1] < 1:
            raise InputError(f"thresholds are {list(thresholds)}: expected ascending numbers between 0 and 1")
        super().__init__(frames, (2, len(thresholds) + 1), torch.int32)
        self.thresholds = tuple(thresholds)
        self.register_buffer("grid", torch.tensor(self.thresholds, dtype=torch.float32), persistent=False)

    def update(self, video: int, frame: int, probability: Tensor, truth: Tensor) -> None:
        """Enter one frame: forged probability `H W` in [0, 1] against boolean `H W`."""
        bins = self.grid.numel() + 1
        reached = torch.bucketize(probability.float(), self.grid, right=True)  # how many thresholds it reaches
        counts = (reached + bins * truth).flatten().bincount(minlength=2 * bins)
        self.enter(video, frame, counts.view(2, bins))

    def compute(self) -> Tensor:
        """Return F1 `videos thresholds`, double, on the CPU; NaN for a video without forged pixels."""
        histograms = torch.stack([rows.sum(0) for rows in self.videos()]).cpu()  # long: integers are summed as such
        predicted = histograms.flip(-1).cumsum(-1).flip(-1)[..., 1:].double()  # authentic, forged pixels that reach it
        forged = histograms[:, 1].sum(-1, keepdim=True).double()
        f1 = 2 * predicted[:, 1] / (predicted.sum(1) + forged)
        return torch.where(forged > 0, f1, torch.nan)


def best(f1: Tensor, thresholds: Sequence[float] = THRESHOLDS) -> tuple[float, float] | None:
    """Return the threshold with the highest mean F1 over videos, and that mean.

    Args:
        f1: `videos thresholds`, as `ThresholdF1.compute()` returns it; NaN rows are left out.
        thresholds: the grid.

    Returns:
        `(threshold, f1)`; of equally good thresholds the one nearest 0.5, and of two equally near the lower one. None
        where no video has forged pixels.
    """
    mean = f1.nanmean(0)
    if mean.isnan().any():
        return None
    highest = mean.max().item()
    ties = [threshold for threshold, value in zip(thresholds, mean.tolist(), strict=True) if value == highest]
    # rounded: in binary 0.7 is nearer to 0.5 than 0.3 is
    return min(ties, key=lambda threshold: (round(abs(threshold - 0.5), 9), threshold)), highest
