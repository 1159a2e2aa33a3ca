"""Recall at a forgery's seam and in its interior, and detection scores of whole frames and videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.types import InputError

REGIONS = ("seam", "interior")
TOP_SHARE = 0.01  # a frame's score is the mean of the highest forged probabilities, over this share of its pixels


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Dilate boolean `... H W` by a box: true within `radius` pixels along both axes of a true pixel of the frame.

    Outside the frame nothing is true, so `~dilate(~mask, radius)` erodes, but not from the frame's edge.
    """
    pixels = mask.reshape(-1, 1, *mask.shape[-2:]).float()
    rows = F.max_pool2d(pixels, (2 * radius + 1, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), stride=1, padding=(0, radius)).bool().view(mask.shape)


def seam_and_interior(truth: Tensor, radius: int = 7) -> Tensor:
    """Split the forged pixels of `... H W`; returns boolean `... 2 H W`, as `REGIONS`.

    The seam is the forged pixels with an authentic pixel within `radius` pixels along both axes (erosion by a box of
    2 radius + 1; 7 gives the 15 of TruFor's evaluation, CVPR 2023, `test_docker/metrics.py`); the interior is the rest.
    The frame's edge is not a seam: an outpainted border is not eroded from there, and a completely forged frame is all
    interior. After `FrameCounts(frames, predictors=2).update(video, frame, prediction[None],
    seam_and_interior(truth))`, the recalls of `scores` are those of the regions.

    Raises:
        InputError: the radius is below 1.
    """
    if radius < 1:
        raise InputError(f"radius is {radius}: expected at least 1 pixel")
    seam = truth & dilate(~truth, radius)
    return torch.stack([seam, truth & ~seam], dim=-3)


def frame_scores(probability: Tensor) -> Tensor:
    """Score frames `... H W` by the mean of the highest `TOP_SHARE` of their forged probabilities, at least one pixel.

    The score of a video is the mean of its frames' scores.
    """
    pixels = probability.flatten(-2)
    return pixels.topk(max(1, round(pixels.shape[-1] * TOP_SHARE))).values.mean(-1)


def auroc(score: Tensor, forged: Tensor) -> float | None:
    """Return the area under the ROC curve of scores `N` in [0, 1]; ties count half. None if all labels are equal."""
    if forged.all() or not forged.any():
        return None
    return binary_auroc(score, forged.long()).item()


class FrameScores(FrameTable):
    """Stores `frame_scores` and labels of all frames, and measures how well they separate frames and videos.

    Args:
        frames: number of frames of each video.

    Example:
        >>> import torch
        >>> scores = FrameScores(frames=[2])
        >>> scores.update(0, 0, torch.full((4, 4), 0.9), torch.ones(4, 4, dtype=torch.bool))
        >>> scores.update(0, 1, torch.full((4, 4), 0.2), torch.zeros(4, 4, dtype=torch.bool))
        >>> scores.compute()["frame_auroc"]
        1.0
    """

    def __init__(self, frames: Sequence[int]) -> None:
        super().__init__(frames, (2,), torch.float32)

    def update(self, video: int, frame: int, probability: Tensor, truth: Tensor) -> None:
        """Add one frame: forged probability `H W` in [0, 1] and truth, boolean `H W`."""
        self.enter(video, frame, torch.stack([frame_scores(probability).float(), truth.any().float()]))

    def compute(self) -> dict[str, Any]:
        """Return `frame_auroc`, `video_auroc` (None with one class) and `scores`, one per video (None without frames).

        A video is forged if one of its entered frames is.
        """
        seen = [rows for rows in self.videos() if len(rows)]
        frames = torch.cat(seen) if seen else self.table.new_zeros(0, 2)
        videos = torch.stack([torch.stack([rows[:, 0].mean(), rows[:, 1].max()]) for rows in seen]) if seen else frames
        return {
            "frame_auroc": auroc(frames[:, 0], frames[:, 1] > 0),
            "video_auroc": auroc(videos[:, 0], videos[:, 1] > 0),
            "scores": [rows[:, 0].mean().item() if len(rows) else None for rows in self.videos()],
        }
