"""Pixel metrics per video, from counts per frame.

Darra and Vicentini (2023) report the F1 of each video, then mean and variance over videos. A table holds one row of
counts per frame and is merged over processes by the maximum. A frame that a distributed sampler repeats counts once, so
any number of processes gives the identical number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from outpaint_lightning.metrics.floors import FLOORS
from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.numbers import gain, mean, number
from outpaint_lightning.types import VideoInfo

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")


def pixel_counts(prediction: Tensor, truth: Tensor) -> Tensor:
    """Count pixels of boolean masks `... H W` (broadcast against each other); returns `... 4` long, as `COUNTS`."""
    cells = (prediction & truth, prediction & ~truth, ~prediction & truth, ~prediction & ~truth)
    return torch.stack([cell.sum((-2, -1)) for cell in cells], dim=-1)


def scores(counts: Tensor) -> dict[str, Tensor]:
    """Return scores from counts `... 4`; undefined scores are NaN, never 0 or 1.

    F1, IoU and recall need truly forged pixels; precision needs predicted ones; `pixel_fpr` needs authentic ones.
    """
    tp, fp, fn, tn = counts.double().unbind(-1)
    has_truth = torch.where(tp + fn > 0, 1.0, torch.nan)
    return {
        "f1": has_truth * 2 * tp / (2 * tp + fp + fn),
        "iou": has_truth * tp / (tp + fp + fn),
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "pixel_fpr": fp / (fp + tn),
    }


class FrameCounts(FrameTable):
    """A table of `COUNTS` for each frame of each video, for one or several predictors.

    Args:
        frames: number of frames of each video.
        predictors: number of masks that are compared with the same truth.

    Example:
        >>> import torch
        >>> counts = FrameCounts(frames=[1])  # one video of one frame
        >>> truth = torch.tensor([[True, True], [False, False]])
        >>> counts.update(0, 0, torch.tensor([[[True, False], [True, False]]]), truth)
        >>> scores(counts.compute()[..., :4])["f1"].tolist()  # one hit, one false positive, one miss
        [[0.5]]
    """

    def __init__(self, frames: Sequence[int], predictors: int = 1) -> None:
        super().__init__(frames, (predictors, len(COUNTS)), torch.long)

    def update(self, video: int, frame: int, prediction: Tensor, truth: Tensor) -> None:
        """Add one frame: boolean masks `predictors H W` and truth `H W`."""
        self.enter(video, frame, pixel_counts(prediction, truth))

    def compute(self) -> Tensor:
        """Return long `videos predictors 5`: counts summed over the entered frames, then the number of these frames."""
        seen = (self.table[..., :1] >= 0).long()
        rows = torch.cat([self.table * seen, seen], dim=-1)
        videos = torch.repeat_interleave(torch.tensor(self.frames, device=rows.device))
        return rows.new_zeros(len(self.frames), *rows.shape[1:]).index_add_(0, videos, rows)


def summarize(counts: Tensor, videos: Sequence[VideoInfo]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Turn `FrameCounts.compute()` into the summary and the per-video rows of a test.

    Args:
        counts: long `videos 1+floors 5`; the first predictor is the model, then `FLOORS` (or none of them).
        videos: description of each video, in the same order.

    Returns:
        The summary (`f1`, `iou`, `precision`, `recall`, `by_category`, `by_forger`, `floors`, `gain`, `authentic`,
        `frames`), where a mean is over videos with a defined value, or None; and one row per video. `variance` is the
        population variance. `gain` is (F1 - best floor) / (1 - best floor).
    """
    counts = counts.cpu()  # some devices have no double precision
    table = scores(counts[..., :4])
    seen = counts[:, 0, 4].tolist()
    f1 = table["f1"][:, 0]
    forged = ~f1.isnan()
    judged = torch.tensor([n > 0 for n in seen])
    authentic = judged & ~forged
    floors = {name: mean(table["f1"][:, 1 + i]) for i, name in enumerate(FLOORS) if counts.shape[1] > 1}
    overall = mean(f1)
    summary = {
        "f1": {
            "mean": overall,
            "variance": number(f1[forged].var(correction=0)) if overall is not None else None,
            "best": number(f1[forged].max()) if overall is not None else None,
            "worst": number(f1[forged].min()) if overall is not None else None,
            "videos": int(forged.sum()),
        },
        **{name: {"mean": mean(table[name][forged, 0])} for name in ("iou", "precision", "recall")},
        "by_category": _grouped(f1, [f"{video['scene']}/{video['camera']}" for video in videos]),
        "by_forger": _grouped(f1, [video["forger"] for video in videos]),
        "floors": floors,
        "gain": gain(overall, floors.values()),
        "authentic": {"pixel_fpr": mean(table["pixel_fpr"][authentic, 0]), "videos": int(authentic.sum())},
        "frames": sum(seen),
    }
    rows = [
        {**video, "frames": seen[i], **{name: number(value[i, 0]) for name, value in table.items()}}
        | {f"floor_{name}": number(table["f1"][i, 1 + j]) for j, name in enumerate(floors)}
        for i, video in enumerate(videos)
        if seen[i]
    ]
    return summary, rows


def _grouped(f1: Tensor, names: Sequence[str]) -> dict[str, dict[str, float | int]]:
    """Return the mean F1 and number of videos of each name, over videos with a defined F1."""
    groups: dict[str, list[float]] = defaultdict(list)
    for name, value in zip(names, f1.tolist(), strict=True):
        if not math.isnan(value):
            groups[name].append(value)
    return {name: {"f1": sum(group) / len(group), "videos": len(group)} for name, group in sorted(groups.items())}
