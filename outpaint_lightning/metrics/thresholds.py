"""The choice of the threshold above which a pixel counts as forged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.localization import scores
from outpaint_lightning.types import InputError

THRESHOLDS = tuple(i / 100 for i in range(1, 100))


class ThresholdCounts(FrameTable):
    """`COUNTS` of each video at every threshold of a grid, from histograms of its forged and authentic pixels.

    A pixel is forged if `probability >= threshold` in float32, as in `LocalizationTask`. At the thresholds of the grid
    the counts are exact: each probability falls into the bin between its two neighbouring grid points, and the bins
    above a grid point hold exactly the pixels that reach it. Between grid points the counts are unknown.

    Memory: 8 bytes per frame and bin, which is 800 bytes per frame for `THRESHOLDS` (80 MB for 100,000 frames) in each
    process; merging the processes of a distributed run needs the same again from each of them.

    Args:
        frames: number of frames of each video.
        thresholds: the grid, increasing, within (0, 1).

    Raises:
        InputError: the thresholds are not increasing within (0, 1).

    Example:
        >>> import torch
        >>> counts = ThresholdCounts(frames=[1], thresholds=[0.3, 0.6])
        >>> counts.update(0, 0, torch.tensor([[0.9, 0.4]]), torch.tensor([[True, False]]))
        >>> threshold_curve(counts.compute()).tolist()  # at 0.3 the second pixel is a false positive
        [0.6666666666666666, 1.0]
    """

    grid: Tensor

    def __init__(self, frames: Sequence[int], thresholds: Sequence[float] = THRESHOLDS) -> None:
        if not thresholds or list(thresholds) != sorted({*thresholds}) or not 0 < thresholds[0] <= thresholds[-1] < 1:
            raise InputError(f"thresholds are {list(thresholds)}: expected ascending numbers between 0 and 1")
        super().__init__(frames, (2, len(thresholds) + 1), torch.int32)
        self.thresholds = tuple(thresholds)
        self.register_buffer("grid", torch.tensor(self.thresholds, dtype=torch.float32), persistent=False)

    def update(self, video: int, frame: int, probability: Tensor, truth: Tensor) -> None:
        """Add one frame: forged probability `H W` in [0, 1] and truth, boolean `H W`."""
        bins = self.grid.numel() + 1
        reached = torch.bucketize(probability.float(), self.grid, right=True)  # number of thresholds that it reaches
        counts = (reached + bins * truth).flatten().bincount(minlength=2 * bins)
        self.enter(video, frame, counts.view(2, bins))

    def compute(self) -> Tensor:
        """Return long `videos thresholds 5` on the CPU: counts over the entered frames, and the number of frames."""
        seen = [len(rows) for rows in self.videos()]
        histograms = torch.stack([rows.sum(0) for rows in self.videos()]).cpu()  # long: the sum of integers
        positive = histograms.flip(-1).cumsum(-1).flip(-1)[..., 1:]  # authentic, forged pixels above a threshold
        negative = histograms.sum(-1, keepdim=True) - positive
        frames = torch.tensor(seen)[:, None].expand(-1, len(self.thresholds))
        return torch.stack([positive[:, 1], positive[:, 0], negative[:, 1], negative[:, 0], frames], dim=-1)


def threshold_curve(counts: Tensor) -> Tensor:
    """Return the mean F1 over videos, double `thresholds`, from the result of `ThresholdCounts.compute()`.

    Videos without forged pixels are left out; NaN if no other is left.
    """
    return scores(counts[..., :4])["f1"].nanmean(0)


def false_positive_curve(counts: Tensor) -> Tensor:
    """Return the mean share of marked pixels over authentic videos, double `thresholds`; NaN if there are none.

    Args:
        counts: result of `ThresholdCounts.compute()`. A video is authentic if none of its pixels is forged.
    """
    authentic = (counts[..., 0] + counts[..., 2] == 0) & (counts[..., 4] > 0)
    shares = scores(counts[..., :4])["pixel_fpr"]
    return torch.where(authentic, shares, torch.nan).nanmean(0)


def roc_areas(counts: Tensor) -> Tensor:
    """Return the area under the ROC curve of the pixels of each video, double `videos`.

    The curve consists of the points of the grid, (0, 0) and (1, 1), with the trapezoidal rule. NaN for videos without
    forged or without authentic pixels.
    forged or without authentic pixels.

    Args:
        counts: result of `ThresholdCounts.compute()`.
    """
    true_positive, false_positive, false_negative, true_negative, _ = counts.double().unbind(-1)
    sides = (true_positive / (true_positive + false_negative), false_positive / (false_positive + true_negative))
    ends = counts.new_ones(len(counts), 1).double(), counts.new_zeros(len(counts), 1).double()
    hits, alarms = (torch.cat([ends[0], side, ends[1]], dim=1) for side in sides)  # both fall along the thresholds
    return ((hits[:, 1:] + hits[:, :-1]) / 2 * (alarms[:, :-1] - alarms[:, 1:])).sum(1)


def best(
    curve: Tensor,
    thresholds: Sequence[float] = THRESHOLDS,
    false_positives: Tensor | None = None,
    limit: float = 1.0,
) -> tuple[float, float] | None:
    """Return the threshold with the highest mean F1 over videos, and that mean.

    Args:
        curve: `thresholds`, from `threshold_curve`.
        thresholds: the grid.
        false_positives: `thresholds`, from `false_positive_curve`; None sets no limit.
        limit: largest allowed share of false positives. If all thresholds exceed it, the threshold with the smallest
            share is chosen.

    Returns:
        `(threshold, f1)`; of equally good thresholds the one nearest to 0.5, of two equally near the lower one. None if
        no video has forged pixels.
    """
    if curve.isnan().any():
        return None
    if false_positives is not None:
        allowed = false_positives <= max(limit, false_positives.min().item())
        curve = torch.where(allowed, curve, -torch.inf)
    highest = curve.max().item()
    ties = [threshold for threshold, value in zip(thresholds, curve.tolist(), strict=True) if value == highest]
    # rounded, because in binary 0.7 is nearer to 0.5 than 0.3
    return min(ties, key=lambda threshold: (round(abs(threshold - 0.5), 9), threshold)), highest
