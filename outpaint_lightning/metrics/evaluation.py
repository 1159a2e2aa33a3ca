"""All measurements of one pass over a split."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from outpaint_lightning.metrics.floors import FLOORS, MaskPrior
from outpaint_lightning.metrics.intervals import bootstrap_interval, intervals_by_group
from outpaint_lightning.metrics.localization import FrameCounts, summarize
from outpaint_lightning.metrics.numbers import mean, number
from outpaint_lightning.metrics.seams import REGIONS, FrameScores, seam_and_interior
from outpaint_lightning.metrics.thresholds import (
    THRESHOLDS,
    ThresholdCounts,
    best,
    false_positive_curve,
    threshold_curve,
)
from outpaint_lightning.types import InputError, VideoInfo

LEVEL = 0.95  # level of the confidence intervals


class Evaluation:
    """Scores forged probabilities of frames at every threshold of a grid.

    With several processes each scores its own frames; `summary` merges them, so all processes must call it.

    Args:
        videos: description of each video of the split.
        device: device of the maps.
        threshold: added to `THRESHOLDS`, so that `summary` is exact at it; None adds nothing.
    """

    def __init__(self, videos: Sequence[VideoInfo], device: torch.device, threshold: float | None = None) -> None:
        self.videos = videos
        self._position = {video["clip"]: i for i, video in enumerate(videos)}
        self._frames = [video["frames"] for video in videos]
        self._device = device
        self._thresholds = sorted({*THRESHOLDS, *(() if threshold is None else (threshold,))})
        self._counts = ThresholdCounts(self._frames, self._thresholds).to(device)
        self._merged: Tensor | None = None

    def update(self, clip: str, frame: int, probability: Tensor, truth: Tensor) -> None:
        """Add one frame: forged probability `H W` in [0, 1] and truth, boolean `H W`."""
        self._counts.update(self._position[clip], frame, probability, truth)

    def best(self, pixel_fpr_limit: float | None = None) -> tuple[float, float] | None:
        """Return the threshold with the highest mean F1 over videos, and that F1; None if no video has forged pixels.

        Args:
            pixel_fpr_limit: largest mean share of marked pixels over the authentic videos; None sets no limit.

        Raises:
            InputError: there is a limit, but no authentic video.
        """
        if pixel_fpr_limit is None:
            return best(self._curve(), self._thresholds)
        false_positives = false_positive_curve(self._all_counts())
        if false_positives.isnan().any():
            raise InputError(
                "LocalizationTask: pixel_fpr_limit needs an authentic video; the validation split has none"
            )
        return best(self._curve(), self._thresholds, false_positives, pixel_fpr_limit)

    def summary(self, threshold: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the summary and the rows of `summarize` at a threshold of the grid."""
        at = self._thresholds.index(threshold)
        return summarize(self._all_counts()[:, at : at + 1], self.videos)

    def _all_counts(self) -> Tensor:
        if self._merged is None:
            self._merged = self._counts.compute()
        return self._merged

    def _curve(self) -> Tensor:
        return threshold_curve(self._all_counts())


class FullEvaluation(Evaluation):
    """An evaluation with floors, confidence intervals, seam and interior recalls, and scores of frames and videos.

    Args:
        videos: description of each video of the split.
        device: device of the maps.
        threshold: pixels with at least this probability are forged.
        prior: fitted to the training masks; gives the floors.
    """

    def __init__(self, videos: Sequence[VideoInfo], device: torch.device, threshold: float, prior: MaskPrior) -> None:
        super().__init__(videos, device, threshold)
        self._threshold, self._prior = threshold, prior
        self._floors = FrameCounts(self._frames, len(FLOORS)).to(device)
        self._regions = FrameCounts(self._frames, len(REGIONS)).to(device)
        self._scores = FrameScores(self._frames).to(device)

    def update(self, clip: str, frame: int, probability: Tensor, truth: Tensor) -> None:
        """Add one frame: forged probability `H W` in [0, 1] and truth, boolean `H W`."""
        super().update(clip, frame, probability, truth)
        video = self._position[clip]
        self._floors.update(video, frame, self._prior.masks(*truth.shape), truth)
        self._regions.update(video, frame, (probability >= self._threshold)[None], seam_and_interior(truth))
        self._scores.update(video, frame, probability, truth)

    def report(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the whole summary and one row per video.

        In addition to `summarize`: `f1.interval` and `low`, `high` of each group, bootstrapped over sources; `curve`,
        the mean F1 at each of `THRESHOLDS`; `oracle`, the best of them, chosen on these same videos; `seam` and
        `interior`, mean recall over videos; `auroc` of the scores of frames and of videos.
        """
        at = self._thresholds.index(self._threshold)
        counts = torch.cat([self._all_counts()[:, at : at + 1], self._floors.compute().cpu()], dim=1)
        summary, rows = summarize(counts, self.videos)
        detection = self._scores.compute()
        recalls = _recalls(self._regions.compute())
        for row in rows:
            video = self._position[row["clip"]]
            row.update({f"{name}_recall": number(recalls[video, i]) for i, name in enumerate(REGIONS)})
            row["score"] = detection["scores"][video]
        _add_intervals(summary, rows)
        curve = dict(zip(self._thresholds, self._curve().tolist(), strict=True))
        oracle = self.best()
        summary["curve"] = {
            "thresholds": list(THRESHOLDS),
            "f1": [None if oracle is None else curve[threshold] for threshold in THRESHOLDS],
        }
        summary["oracle"] = {"threshold": oracle[0], "f1": oracle[1]} if oracle else None
        for i, name in enumerate(REGIONS):
            summary[name] = {"recall": mean(recalls[:, i])}
        summary["auroc"] = {kind: detection[f"{kind}_auroc"] for kind in ("frame", "video")}
        return summary, rows


def _recalls(counts: Tensor) -> Tensor:
    """Return the recall of each region in each video, double `videos regions`, NaN for a region without pixels."""
    found, missed = counts[..., 0].cpu().double(), counts[..., 2].cpu().double()
    return found / (found + missed)


def _add_intervals(summary: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Add confidence intervals of the mean F1, of all videos and of each group, to a summary."""
    f1, sources = [row["f1"] for row in rows], [row["source"] for row in rows]
    whole = bootstrap_interval(f1, sources=sources, level=LEVEL)
    summary["f1"]["interval"] = {"low": whole.low, "high": whole.high, "level": LEVEL, "resampled": "sources"}
    names = {
        "by_category": [f"{row['scene']}/{row['camera']}" for row in rows],
        "by_forger": [row["forger"] for row in rows],
    }
    for title, groups in names.items():
        for name, interval in intervals_by_group(f1, groups, sources=sources, level=LEVEL).items():
            if name in summary[title]:  # a group of authentic videos has no F1
                summary[title][name].update(low=interval.low, high=interval.high)


def robustness(
    clean: dict[str, Any],
    corrupted: Sequence[dict[str, Any]],
    conditions: Sequence[tuple[str, float]],
    options: Mapping[str, str],
) -> dict[str, Any]:
    """Return a curve of F1 over the levels of each corruption.

    Args:
        clean: summary without corruption.
        corrupted: summary for each of `conditions`.
        conditions: name and level of each corruption; the levels of one name rise from mild to strong.
        options: for each name, the option whose values are its levels.

    Returns:
        For each name `option`, `levels`, and at each level `f1`, `pixel_fpr` and `share`, the F1 relative to the clean
        F1; also `area`, the mean of the F1 curve by the trapezoidal rule, where the clean F1 and the levels are one
        step apart.
    """
    whole = clean["f1"]["mean"]
    curves: dict[str, Any] = {}
    for summary, (name, level) in zip(corrupted, conditions, strict=True):
        curve = curves.setdefault(name, {"option": options[name], "levels": [], "f1": [], "pixel_fpr": [], "share": []})
        f1 = summary["f1"]["mean"]
        curve["levels"].append(level)
        curve["f1"].append(f1)
        curve["pixel_fpr"].append(summary["authentic"]["pixel_fpr"])
        curve["share"].append(f1 / whole if whole and f1 is not None else None)
    for curve in curves.values():
        values = [whole, *curve["f1"]]
        known = None not in values
        curve["area"] = sum(map(sum, itertools.pairwise(values))) / 2 / (len(values) - 1) if known else None
    return curves
