"""Several forged regions of an image: boxes from a mask, each with a score, and COCO's mean average precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import nms

LEVELS = (0.3, 0.5, 0.7)  # thresholds; the components of each are candidates
OVERLAP = 0.5  # two candidates with a higher IoU are one region
SMALLEST_SHARE = 1 / 1600  # of the image's pixels; smaller components are specks
MOST = 100  # regions of an image, as COCO counts them


class Detections(NamedTuple):
    """Regions of an image, the surest first."""

    boxes: Tensor
    """float32 `N 4`: `xmin ymin xmax ymax` in pixels, half-open."""
    scores: Tensor
    """float32 `N` in [0, 1]."""


def component_boxes(mask: Tensor, values: Tensor | None = None) -> Detections:
    """Return the box of each connected region of a mask. Corners connect; specks are left out.

    Args:
        mask: bool `H W`.
        values: `H W`; the score of a region is their mean over its pixels. None gives 1.

    Example:
        >>> mask = torch.zeros(8, 10, dtype=torch.bool)
        >>> mask[1:3, 2:5], mask[5:8, 6:10] = True, True
        >>> component_boxes(mask).boxes.tolist()
        [[2.0, 1.0, 5.0, 3.0], [6.0, 5.0, 10.0, 8.0]]
    """
    count, labels, found, _ = cv2.connectedComponentsWithStats(mask.cpu().numpy().astype(np.uint8), connectivity=8)
    smallest = SMALLEST_SHARE * mask.numel()
    kept = [label for label in range(1, count) if found[label, cv2.CC_STAT_AREA] >= smallest]
    sides = torch.tensor(found[kept, :4], dtype=torch.float32).reshape(-1, 4)
    boxes = torch.cat([sides[:, :2], sides[:, :2] + sides[:, 2:]], 1)
    if values is None:
        return Detections(boxes, torch.ones(len(kept)))
    numbers = values.float().cpu().numpy()
    return Detections(boxes, torch.tensor([float(numbers[labels == label].mean()) for label in kept]))


def found_regions(probability: Tensor, score: float) -> Detections:
    """Return the regions of a mask of probabilities.

    Candidates are the components at each of `LEVELS`. The score of a candidate is the mean probability of its pixels
    times the score of the image. If candidates overlap, non-maximum suppression keeps the one with the highest score.

    Args:
        probability: `H W` in [0, 1] of the pixels being forged.
        score: in [0, 1], of the image being forged.
    """
    candidates = [component_boxes(probability >= level, probability) for level in LEVELS]
    boxes, scores = (torch.cat(parts) for parts in zip(*candidates, strict=True))
    kept = nms(boxes, scores, OVERLAP)[:MOST]
    return Detections(boxes[kept], scores[kept] * score)


class DetectionScores(nn.Module):
    """COCO's mean average precision of regions, over all images of a split and all processes.

    An image that a sampler repeats to fill the last batch of several processes counts twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metric = MeanAveragePrecision(max_detection_thresholds=[1, 10, MOST], backend="faster_coco_eval")
        self.metric.warn_on_many_detections = False  # there are `MOST` at the most

    def update(self, found: Sequence[Detections], true: Sequence[Tensor]) -> None:
        """Add images: the found regions and the true boxes `N 4` of each; an authentic image has none."""
        device = self.metric.device
        self.metric.update(
            [
                {"boxes": each.boxes.to(device), "scores": each.scores.to(device), "labels": _one(each.boxes, device)}
                for each in found
            ],
            [{"boxes": boxes.to(device), "labels": _one(boxes, device)} for boxes in true],
        )

    def compute(self) -> dict[str, float | None]:
        """Return `map` over IoU 0.5 to 0.95, `map_50`, `map_75` and `recall`, of 100 regions; None without truth."""
        values = self.metric.compute()
        names = {"map": "map", "map_50": "map_50", "map_75": "map_75", "recall": f"mar_{MOST}"}
        numbers = {name: float(values[key]) for name, key in names.items()}
        return {name: None if value < 0 else value for name, value in numbers.items()}  # COCO's -1


def _one(boxes: Tensor, device: torch.device) -> Tensor:
    """Return the label of each box: there is one class, forged."""
    return torch.zeros(len(boxes), dtype=torch.long, device=device)
