"""Shows the worst images of a region detector's test; region_conditions.py uses it. It is not a benchmark itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from outpaint_lightning.callbacks.base import first_frame
from outpaint_lightning.io import write_csv, write_image
from outpaint_lightning.pictures import BOXES, draw_region, strip, titled
from outpaint_lightning.tasks import RegionTask

PAIRS = 3  # side by side in the picture
SIZE = (288, 216)  # width and height of an image in the picture, in pixels


class WorstImages(Callback):
    """Write `<run>/test/worst.png` and `worst.csv`: the images with the worst answers, in the order of `badness`.

    Each is shown as it is and with what was found: the mask tinted, the box around it yellow, the true box green.

    Args:
        count: number of images.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: dict[tuple[str, int], tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]] = {}

    def on_test_batch_end(
        self, _trainer: pl.Trainer, _task: pl.LightningModule, outputs: Any, batch: Any, _index: int, _loader: int = 0
    ) -> None:
        """Keep the images and what was found in them."""
        for i, meta in enumerate(batch["meta"]):
            found = {name: outputs[name][i].cpu().numpy() for name in ("mask", "mask_box")}
            true = {"true": batch["mask"][i, 0, 0].cpu().numpy() > 0.5, "box": batch["box"][i].cpu().numpy()}
            self._kept[meta["clip"], meta["frames"][0]] = (first_frame(batch, i), found | true)

    def on_test_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Write the picture and the table."""
        assert isinstance(task, RegionTask)
        assert task.result is not None
        worst = sorted(task.result.rows, key=lambda row: badness(row, task.threshold))[: self.count]
        kept = [self._kept[row["clip"], row["frame"]] for row in worst]
        pictures = [_picture(i, row, *each) for i, (row, each) in enumerate(zip(worst, kept, strict=True), 1)]
        pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % PAIRS)
        rows = [pictures[i : i + PAIRS] for i in range(0, len(pictures), PAIRS)]
        folder = Path(trainer.default_root_dir) / "test"
        write_image(folder / "worst.png", strip(rows, legend=BOXES))
        write_csv(folder / "worst.csv", [described(row, *each) for row, each in zip(worst, kept, strict=True)])


def badness(row: Mapping[str, Any], threshold: float) -> tuple[float, float]:
    """Return what sorts rows of `per_image.csv`, worst first.

    Wrong classes come first, those farthest from the threshold before the others; then the forged images, by the IoU
    of the box around the mask; then the authentic ones, which are right.
    """
    if row["found"] != row["label"]:
        return 0, -abs(row["score"] - threshold)
    return (1, row["mask_box_iou"]) if row["label"] else (2, 0)


def described(
    row: Mapping[str, Any], image: NDArray[np.uint8], shapes: Mapping[str, NDArray[Any]]
) -> dict[str, str | float | None]:
    """Return a line of `worst.csv`: the answer, and what may explain it.

    Args:
        row: of `per_image.csv`.
        image: as the net sees it, `H W 3` RGB.
        shapes: its masks `mask` (found) and `true`, bool `H W`.

    Returns:
        `region` and `mask` are shares of the image. `brightness` is its mean grey level, `detail` the mean absolute
        Laplacian of its grey levels; `detail_there` is that inside the true region, or inside the found mask of an
        authentic image.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    there = shapes["true"] if row["label"] else shapes["mask"]
    return {
        **{name: row[name] for name in ("clip", "forger", "label", "found", "score", "mask_box_iou", "mask_f1")},
        "region": round(float(shapes["true"].mean()), 4),
        "mask": round(float(shapes["mask"].mean()), 4),
        "brightness": round(float(grey.mean()), 1),
        "detail": round(float(detail.mean()), 2),
        "detail_there": round(float(detail[there].mean()), 2) if there.any() else None,
    }


def _picture(
    number: int, row: Mapping[str, Any], image: NDArray[np.uint8], shapes: Mapping[str, NDArray[Any]]
) -> NDArray[np.uint8]:
    boxes: list[Sequence[float] | None] = [
        shapes[name].tolist() if shapes[name].any() else None for name in ("mask_box", "box")
    ]
    drawn = draw_region(image, row["score"], boxes[0], shapes["mask"], boxes[1])
    pair = [np.asarray(cv2.resize(each, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for each in (image, drawn)]
    iou = "" if row["mask_box_iou"] is None else f", IoU {row['mask_box_iou']:.2f}"
    return titled(np.concatenate(pair, 1), f"{number} {row['clip']} {row['forger'] or 'authentic'}{iou}")
