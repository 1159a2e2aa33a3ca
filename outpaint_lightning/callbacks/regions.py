"""Writes the boxes that a region detector finds, and shows them in training and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray

from outpaint_lightning.callbacks.base import ValidationPictures, first_frame, is_dry, log_pictures, reports, result_of
from outpaint_lightning.io import Clip, FrameFolder, write_csv, write_image, write_json, write_mask
from outpaint_lightning.metrics import SIDES, BoxScores, in_pixels
from outpaint_lightning.pictures import BOXES, MarkedPicture, draw_boxes, draw_region, enlarged, picture_file, strip
from outpaint_lightning.results import REGIONS
from outpaint_lightning.types import Batch, StoredData, datamodule

EXAMPLES = 4  # pictures per row of `examples`
EXAMPLE_SIZE = (288, 216)  # width and height of each picture, in pixels


class BoxExamples(Callback):
    """Write `<run>/test/examples.png`: rows of images with the best, the median and the worst boxes.

    The picture is also given to loggers that accept pictures; see `log_pictures`. Serves region detectors.
    """

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw and write the picture once, in the first process."""
        result = result_of(pl_module)
        if result is None or result.kind != REGIONS or not trainer.is_global_zero or is_dry(trainer):
            return
        forged = [row for row in result.rows if row["iou"] is not None]
        if not forged:
            return
        data: StoredData = datamodule(trainer, StoredData)
        names = (video["clip"] for video in data.videos("test"))
        picture = examples(forged, dict(zip(names, data.clips("test"), strict=True)))
        write_image(Path(trainer.default_root_dir) / "test" / "examples.png", picture)
        log_pictures(trainer, "media/test/examples", [MarkedPicture(picture)], picture)


def examples(rows: Sequence[Mapping[str, Any]], clips: Mapping[str, Clip]) -> NDArray[np.uint8]:
    """Draw three rows: the images with the highest, middle and lowest IoU, true boxes green, found boxes yellow.

    Args:
        rows: lines of `per_image.csv` for forged images, at least one.
        clips: the images by name.

    Returns:
        uint8 `H W 3` RGB: up to `EXAMPLES` images per row, each scaled to `EXAMPLE_SIZE`.
    """
    ranked = sorted(rows, key=lambda row: -row["iou"])
    count = min(EXAMPLES, len(ranked))
    middle = (len(ranked) - count) // 2
    pictures: list[list[NDArray[np.uint8]]] = []
    for chosen in (ranked[:count], ranked[middle : middle + count], ranked[-count:]):
        pictures.append([])
        for row in chosen:
            found, true = ([row[prefix + side] for side in SIDES] for prefix in ("", "true_"))
            image = clips[row["clip"]].read([row["frame"]])[0]
            picture = draw_boxes(image, found, true, caption=f"{row['score']:.2f}, IoU {row['iou']:.2f}")
            pictures[-1].append(cv2.resize(picture, EXAMPLE_SIZE, interpolation=cv2.INTER_AREA))
    return strip(pictures, legend=BOXES)


class BoxWriter(Callback):
    """Write the results of `predict` on images, in pixels of the original images, below `<run>/predict`.

    `boxes.csv` has `clip,frame,score,label,xmin,ymin,xmax,ymax`, one line per image, with zeros if nothing is found;
    `boxes.json` has the images and the boxes of those found forged, in COCO's format. `drawn/<clip>.png` shows an image
    with its box (`drawn/<clip>/00000.png` for a frame of a longer clip) and, if the net predicts masks, with its mask,
    which is also written to `masks/`. Serves region detectors.
    """

    def on_predict_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the table of results, which the processes share."""
        if not reports(pl_module, REGIONS):
            return
        data: StoredData = datamodule(trainer, StoredData)
        self._clips: Sequence[Clip] = data.clips("test")
        self._names = [video["clip"] for video in data.videos("test")]
        self._position = {name: i for i, name in enumerate(self._names)}
        self._root = data.root if data.root.is_dir() else data.root.parent
        self._scores = BoxScores([len(clip) for clip in self._clips]).to(pl_module.device)

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002 (Lightning's hook)
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Add the boxes of one batch, and write its pictures."""
        if not reports(pl_module, REGIONS) or is_dry(trainer):
            return
        videos = [self._position[meta["clip"]] for meta in batch["meta"]]
        frames = [meta["frames"][0] for meta in batch["meta"]]
        score, found = outputs["score"], outputs["score"] >= pl_module.threshold
        height, width = batch["image"].shape[-2:]
        box = outputs["box"] / outputs["box"].new_tensor([width, height, width, height])
        self._scores.update(videos, frames, score=score, label=found, found=box * found[:, None], true=box)
        masks = outputs.get("mask", [None] * len(frames))
        folder = Path(trainer.default_root_dir) / "predict"
        for i, (video, frame, mask) in enumerate(zip(videos, frames, masks, strict=True)):
            image = self._clips[video].read([frame])[0]
            sides = [*in_pixels(box[i].tolist(), *image.shape[:2]).values()] if found[i] else None
            shape = None if mask is None else mask.cpu().numpy()
            file = picture_file(self._names[video], frame, len(self._clips[video]))
            write_image(folder / "drawn" / file, draw_region(image, score[i].item(), sides, shape))
            if shape is not None:
                write_mask(folder / "masks" / file, enlarged(shape, *image.shape[:2]))

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the tables once, in the first process."""
        if not reports(pl_module, REGIONS) or is_dry(trainer):
            return
        table = self._scores.compute().cpu()  # synchronises all processes
        if not trainer.is_global_zero:
            return
        tables = torch.split(table, [len(clip) for clip in self._clips])
        rows: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        for name, clip, answers in zip(self._names, self._clips, tables, strict=True):
            for frame, (score, label, *box) in enumerate(answers[:, :6].tolist()):
                if score < 0:  # not predicted
                    continue
                sides = in_pixels(box, clip.height, clip.width)
                rows.append({"clip": name, "frame": frame, "score": round(score, 6), "label": int(label), **sides})
                file = self._file(clip, name, frame)
                images.append({"id": len(rows), "file_name": file, "width": clip.width, "height": clip.height})
        folder = Path(trainer.default_root_dir) / "predict"
        write_csv(folder / "boxes.csv", rows)
        write_json(folder / "boxes.json", coco(images, rows))
        print(f"{len(rows)} images, {sum(row['label'] for row in rows)} found forged, written to {folder}")

    def _file(self, clip: Clip, name: str, frame: int) -> str:
        """Return the image file of a frame, relative to its dataset; for a video, the name of its picture."""
        if not isinstance(clip, FrameFolder):
            return picture_file(name, frame, len(clip))
        file = clip.files[frame]
        return str(file.relative_to(self._root) if file.is_relative_to(self._root) else file)


def coco(images: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return COCO's object detection format: boxes are `x, y, width, height` in pixels, ids begin at 1.

    Args:
        images: COCO's image records, in the order of `rows`.
        rows: lines of `boxes.csv`; those with label 1 become annotations.
    """
    annotations: list[dict[str, Any]] = []
    for image, row in zip(images, rows, strict=True):
        if not row["label"]:
            continue
        width, height = round(row["xmax"] - row["xmin"], 2), round(row["ymax"] - row["ymin"], 2)
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image["id"],
                "category_id": 1,
                "bbox": [row["xmin"], row["ymin"], width, height],
                "area": round(width * height, 2),
                "iscrowd": 0,
                "score": row["score"],
            }
        )
    return {"images": list(images), "annotations": annotations, "categories": [{"id": 1, "name": "forged"}]}


class BoxPictures(ValidationPictures):
    """Show the true (green) and found (yellow) boxes of some validation images after each validation of a training.

    It shows one forged image from each of the first sources, as the net sees it; see `ValidationPictures`. Serves
    region detectors.

    Args:
        count: largest number of images.

    Raises:
        InputError: the count is below 1.
    """

    KIND, NAME, KEY, COLUMNS, LEGEND = REGIONS, "media/val/boxes", "source", 4, BOXES

    def __init__(self, count: int = 8) -> None:
        super().__init__(count)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture | None:
        """Return a forged image with its boxes; None for an authentic image."""
        if not batch["label"][sample]:
            return None
        image = first_frame(batch, sample)
        found, true = outputs["box"][sample].tolist(), batch["box"][sample].tolist()
        score, mask, masks = outputs["score"][sample].item(), None, {}
        if "mask" in outputs:
            mask = outputs["mask"][sample].cpu().numpy()
            truth = (batch["mask"][sample, 0, 0] > 0.5).cpu().numpy()
            masks = {"found": enlarged(mask, *image.shape[:2]), "true": truth}
        return MarkedPicture(
            draw_region(image, score, found, mask, true),
            image,
            masks,
            boxes={"found": found, "true": true},
            caption=f"{batch['meta'][sample]['clip']} {score:.2f}",
        )
