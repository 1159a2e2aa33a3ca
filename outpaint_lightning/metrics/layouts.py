"""Metrics of layouts: mIoU and accuracy, retrieval, and the disagreement of samples.

A photo is a video of one frame. Its mIoU is a mean over the classes in its true or its predicted layout. The mIoU of a
split is computed from the counts of all its photos, as in papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from outpaint_lightning.metrics.frames import FrameTable
from outpaint_lightning.metrics.intervals import bootstrap_interval
from outpaint_lightning.metrics.numbers import mean, number
from outpaint_lightning.types import UNKNOWN, VideoInfo

COUNTED = 3
"""Counts of a class: pixels in the intersection, predicted pixels, true pixels."""


class ClassCounts(FrameTable):
    """Pixel counts of each class in each photo, for several methods; a photo that is added twice counts once.

    Args:
        photos: number of photos.
        methods: number of methods.
        classes: number of classes C.
    """

    def __init__(self, photos: int, methods: int, classes: int) -> None:
        self.classes = classes
        super().__init__([1] * photos, (methods, COUNTED, classes), torch.float32)

    def update(self, photos: Sequence[int], told: Tensor, layout: Tensor, mask: Tensor) -> None:
        """Add a batch.

        Args:
            photos: index of each photo.
            told: long `B M H W`, the class of each pixel that each method predicts.
            layout: long `B H W`, the true classes; `UNKNOWN` where the class is not known.
            mask: `B 1 H W`, 1 on the background.
        """
        counted = (layout != UNKNOWN) & (mask[:, 0] > 0.5)
        true = _indicator(layout, self.classes, counted)
        for method in range(told.shape[1]):
            own = _indicator(told[:, method], self.classes, counted)
            sums = torch.stack([(own & true).sum((2, 3)), own.sum((2, 3)), true.sum((2, 3))], 1)
            for photo, row in zip(photos, sums, strict=True):
                self.table[self.starts[photo], method] = row.to(self.table.dtype)

    def compute(self) -> Tensor:
        """Return the counts of all photos, `N M 3 C` in float64; NaN for photos that were not added."""
        counts = self.table.double()
        return counts.masked_fill(counts < 0, torch.nan)


def _indicator(layout: Tensor, classes: int, counted: Tensor) -> Tensor:
    """Return where layouts `B H W` have each class, bool `B C H W`."""
    numbers = torch.arange(classes, device=layout.device).view(1, -1, 1, 1)
    return (layout[:, None] == numbers) & counted[:, None]


def mean_iou(counts: Tensor) -> Tensor:
    """Return the intersection over union of counts `... 3 C`, mean over true and predicted classes: `...`.

    Example:
        >>> mean_iou(torch.tensor([[[1.0, 2.0], [1.0, 3.0], [2.0, 3.0]]]))  # 1 / 2 and 2 / 4
        tensor([0.5000])
    """
    both, told, true = counts.unbind(-2)
    union = told + true - both
    return (both / union.masked_fill(union == 0, torch.nan)).nanmean(-1)


def accuracy(counts: Tensor) -> Tensor:
    """Return the share of correct pixels of counts `... 3 C`: `...`."""
    both, _, true = counts.unbind(-2)
    return both.sum(-1) / true.sum(-1)


def split_scores(counts: Tensor) -> dict[str, float | None]:
    """Return `miou` and `accuracy` of a split from the counts of its photos, `N 3 C`."""
    judged = counts[~counts.flatten(1).isnan().any(1)]
    total = judged.sum(0)
    return {"miou": number(mean_iou(total)), "accuracy": number(accuracy(total))}


def best_of(counts: Tensor) -> Tensor:
    """Return for each photo the counts of the method with the most correct pixels: `N 3 C` from `N K 3 C`."""
    right = counts[:, :, 0].sum(-1).nan_to_num()
    return counts[torch.arange(len(counts), device=counts.device), right.argmax(1)]


def disagreement(samples: Tensor, mask: Tensor) -> Tensor:
    """Return the share of the background on which two samples differ, mean over pairs: `B`; NaN for a single sample.

    If the latent has collapsed, it is 0: all layouts of a photo are equal.

    Args:
        samples: long `B K H W`.
        mask: `B 1 H W`, 1 on the background.
    """
    pairs = torch.combinations(torch.arange(samples.shape[1], device=samples.device))
    if not len(pairs):
        return torch.full((len(samples),), torch.nan, device=samples.device)
    differ = (samples[:, pairs[:, 0]] != samples[:, pairs[:, 1]]).float().mean(1, keepdim=True)
    return (differ * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))


class Embeddings(FrameTable):
    """Unit vectors of foreground and layout of each photo, its class histogram and its disagreement.

    Args:
        photos: number of photos.
        size: length E of the vectors.
        classes: number of classes C.
    """

    def __init__(self, photos: int, size: int, classes: int) -> None:
        self.sizes = [size, size, classes, 1]
        super().__init__([1] * photos, (sum(self.sizes),), torch.float32)

    def update(self, photos: Sequence[int], things: Tensor, layouts: Tensor, histogram: Tensor, differ: Tensor) -> None:
        """Add a batch.

        Args:
            photos: index of each photo.
            things: `B E`, unit vectors of the foregrounds.
            layouts: `B E`, unit vectors of the layouts.
            histogram: `B C`, class histograms.
            differ: `B`, the output of `disagreement`.
        """
        # Rows must not be negative: the table merges processes by a maximum.
        rows = torch.cat([things + 1, layouts + 1, histogram, differ[:, None]], 1)
        for photo, row in zip(photos, rows, strict=True):
            self.enter(photo, 0, row)

    def compute(self) -> list[Tensor]:
        """Return foreground vectors, layout vectors, histograms and disagreement of the added photos, `N ...` each."""
        rows = self.table[self.table[:, 0] >= 0]
        things, layouts, histogram, differ = torch.split(rows, self.sizes, 1)
        return [things - 1, layouts - 1, histogram, differ[:, 0]]


def retrieval(things: Tensor, layouts: Tensor, histogram: Tensor, threshold: float) -> dict[str, float | None]:
    """Return how often a foreground's own layout is the nearest one among the layouts of all photos.

    Args:
        things: unit vectors `N E` of the foregrounds.
        layouts: unit vectors `N E` of the layouts.
        histogram: class histograms `N C`.
        threshold: as in `losses.alike_layouts`.

    Returns:
        `top1`, the share of foregrounds for which it is, and its `chance`, 1 / N; `alike`, the share for which the
        nearest layout has at least nearly the same classes, and `alike_chance`.
    """
    if not len(things):
        return dict.fromkeys(("top1", "chance", "alike", "alike_chance"))
    unit = F.normalize(histogram, dim=1)
    alike = (unit @ unit.T > threshold) | torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    nearest, own = (things @ layouts.T).argmax(1), torch.arange(len(things), device=things.device)
    return {
        "top1": float((nearest == own).float().mean()),
        "chance": 1 / len(things),
        "alike": float(alike[own, nearest].float().mean()),
        "alike_chance": float(alike.float().mean()),
    }


def photo_scores(counts: Tensor, videos: Sequence[VideoInfo]) -> dict[str, Any]:
    """Return the `mean` mIoU of the photos, its 95 % bootstrap interval `low` to `high`, and the number of `photos`.

    Args:
        counts: `N 3 C`, or `N K 3 C` of K samples, whose scores are averaged.
        videos: description of each photo.
    """
    interval = bootstrap_interval(_own(counts).tolist(), sources=[video["source"] for video in videos])
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "photos": interval.videos}


def photo_rows(counts: Tensor, floors: dict[str, Tensor], videos: Sequence[VideoInfo]) -> list[dict[str, Any]]:
    """Return one row per photo: its mIoU, its accuracy, and the mIoU of each floor."""
    right = accuracy(counts).view(len(counts), -1).mean(1)
    own = _own(counts)
    others = {f"iou_{name}": _own(each) for name, each in floors.items()}
    return [
        {
            **{key: value for key, value in video.items() if key != "forger"},
            "iou": number(own[at]),
            "accuracy": number(right[at]),
            **{name: number(values[at]) for name, values in others.items()},
        }
        for at, video in enumerate(videos)
    ]


def by_scene(counts: Tensor, videos: Sequence[VideoInfo]) -> dict[str, Any]:
    """Return the mean mIoU of the photos of each named scene."""
    own = _own(counts)
    groups: dict[str, Any] = {}
    for scene in sorted({video["scene"] for video in videos} - {""}):
        members = torch.tensor([video["scene"] == scene for video in videos])
        groups[scene] = {"iou": mean(own[members]), "photos": int(members.sum())}
    return groups


def _own(counts: Tensor) -> Tensor:
    """Return the mIoU of each photo, mean over its samples: `N`."""
    return mean_iou(counts).view(len(counts), -1).mean(1).cpu()
