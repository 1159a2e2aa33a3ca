"""Shows the worst images of a region detector's test; region_conditions.py uses it. It is not a benchmark itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.callbacks.base import first_frame
from outpaint_lightning.geometry import box_iou
from outpaint_lightning.io import write_csv, write_image
from outpaint_lightning.metrics import Detections
from outpaint_lightning.pictures import BOXES, draw_region, strip, titled
from outpaint_lightning.tasks import RegionTask

PAIRS = 3  # side by side in the picture
SIZE = (288, 216)  # width and height of an image in the picture, in pixels


class Answer(NamedTuple):
    """An image as the net sees it, and what was found in it. Boxes are in its pixels, zeros if there is none."""

    image: NDArray[np.uint8]
    """`H W 3` RGB."""
    found: NDArray[np.bool_]
    """`H W`."""
    true: NDArray[np.bool_]
    """`H W`."""
    mask_box: Tensor
    """`4`, around all of `found`."""
    region_box: Tensor
    """`4`, of the region with the highest score."""
    true_box: Tensor
    """`4`."""


class WorstImages(Callback):
    """Write `<run>/test/answers.csv`, all images in the order of `badness`, and `worst.png`, the first of them.

    Each is shown as it is and with what was found: the mask tinted, the box around it yellow, the true box green.

    Args:
        count: number of images in the picture.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._answers: dict[tuple[str, int], Answer] = {}

    def on_test_batch_end(
        self, _trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, _index: int, _loader: int = 0
    ) -> None:
        """Keep the images and what was found in them."""
        assert isinstance(task, RegionTask)
        for i, (meta, regions) in enumerate(zip(batch["meta"], task.regions(outputs), strict=True)):
            masks = (mask[i].cpu().numpy() for mask in (outputs["mask"], batch["mask"][:, 0, 0] > 0.5))
            boxes = outputs["mask_box"][i].cpu(), best_box(regions), batch["box"][i].cpu()
            self._answers[meta["clip"], meta["frames"][0]] = Answer(first_frame(batch, i), *masks, *boxes)

    def on_test_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Write the picture and the table."""
        assert isinstance(task, RegionTask)
        assert task.result is not None
        ranked = sorted(task.result.rows, key=lambda row: badness(row, task.threshold))
        pairs = [(row, self._answers[row["clip"], row["frame"]]) for row in ranked]
        pictures = [_picture(number, *pair) for number, pair in enumerate(pairs[: self.count], 1)]
        pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % PAIRS)
        rows = [pictures[i : i + PAIRS] for i in range(0, len(pictures), PAIRS)]
        folder = Path(trainer.default_root_dir) / "test"
        write_image(folder / "worst.png", strip(rows, legend=BOXES))
        write_csv(folder / "answers.csv", [described(*pair) for pair in pairs])


def best_box(regions: Detections) -> Tensor:
    """Return the box `4` of the region with the highest score; zeros if there is none."""
    return regions.boxes[regions.scores.argmax()].cpu() if len(regions.scores) else torch.zeros(4)


def badness(row: Mapping[str, Any], threshold: float) -> tuple[float, float]:
    """Return what sorts rows of `per_image.csv`, worst first.

    Wrong classes come first, those farthest from the threshold before the others; then the forged images, by the IoU
    of the box around the mask; then the authentic ones, which are right.
    """
    if row["found"] != row["label"]:
        return 0, -abs(row["score"] - threshold)
    return (1, row["mask_box_iou"]) if row["label"] else (2, 0)


def described(row: Mapping[str, Any], answer: Answer) -> dict[str, str | float | None]:
    """Return a line of `answers.csv` for a row of `per_image.csv`: the answer, and what may explain it.

    Returns:
        `region_iou` is the IoU of the region with the highest score; None for an authentic image. `true_share` and
        `found_share` are parts of the image. `brightness` is its mean grey level, `detail` the mean absolute Laplacian
        of its grey levels; `detail_there` is that inside the true region, or in an authentic image inside the mask.
    """
    grey = cv2.cvtColor(answer.image, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    there = answer.true if row["label"] else answer.found
    overlap = box_iou(answer.region_box[None], answer.true_box[None]).item()
    return {
        **{name: row[name] for name in ("clip", "forger", "label", "found", "score", "mask_box_iou", "mask_f1")},
        "region_iou": round(overlap, 4) if row["label"] else None,
        "true_share": round(float(answer.true.mean()), 4),
        "found_share": round(float(answer.found.mean()), 4),
        "brightness": round(float(grey.mean()), 1),
        "detail": round(float(detail.mean()), 2),
        "detail_there": round(float(detail[there].mean()), 2) if there.any() else None,
    }


def _picture(number: int, row: Mapping[str, Any], answer: Answer) -> NDArray[np.uint8]:
    found, true = (box.tolist() if box.any() else None for box in (answer.mask_box, answer.true_box))
    drawn = draw_region(answer.image, row["score"], found, answer.found, true)
    sized = [cv2.resize(each, SIZE, interpolation=cv2.INTER_AREA) for each in (answer.image, drawn)]
    iou = "" if row["mask_box_iou"] is None else f", IoU {row['mask_box_iou']:.2f}"
    pair = np.asarray(np.concatenate(sized, 1), np.uint8)
    return titled(pair, f"{number} {row['clip']} {row['forger'] or 'authentic'}{iou}")
