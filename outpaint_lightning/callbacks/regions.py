"""Write, print and show what a task finds that judges images: its test's result, its boxes, and pictures of them."""

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
from torch import Tensor

from outpaint_lightning.callbacks.base import ValidationPictures, first_frame, is_dry, log_pictures, log_table, number
from outpaint_lightning.io import Clip, FrameFolder, write_csv, write_image, write_json, write_mask
from outpaint_lightning.metrics import BOX_FLOORS, SIDES, BoxScores, in_pixels
from outpaint_lightning.pictures import MarkedPicture, draw_boxes, overlay, strip
from outpaint_lightning.types import Batch

EXAMPLES = 4  # pictures in a row of `examples`
EXAMPLE_SIZE = (288, 216)  # width and height of each, in pixels


class RegionReport(Callback):
    """Write `<run>/test/summary.json`, `per_image.csv` and `examples.png`, and print F1 and IoU beside their floors.

    The picture has a row each of forged images whose box is found best, as well as the median, and worst. Does so for
    tasks that leave a result per image.
    """

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print, once, in the first process."""
        if not _judges_images(pl_module) or not trainer.is_global_zero or is_dry(trainer):
            return
        folder = Path(trainer.default_root_dir) / "test"
        summary: dict[str, Any] = {**pl_module.summary, "checkpoint": str(trainer.ckpt_path or "")}  # type: ignore[dict-item]
        write_json(folder / "summary.json", summary)
        write_csv(folder / "per_image.csv", pl_module.per_image)  # type: ignore[arg-type]
        log_table(trainer, "test/per_image", pl_module.per_image)  # type: ignore[arg-type]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer
        clips = {
            video["clip"]: clip for video, clip in zip(data.videos("test"), data.datasets["test"].clips, strict=True)
        }
        forged = [row for row in pl_module.per_image if row["iou"] is not None]  # type: ignore[union-attr]
        if forged:
            picture = examples(forged, clips)
            write_image(folder / "examples.png", picture)
            log_pictures(trainer, "media/test/examples", [MarkedPicture(picture)], picture)
        print("\n".join([*region_table(summary), f"written to {folder}/summary.json, per_image.csv and examples.png"]))


def examples(rows: Sequence[Mapping[str, Any]], clips: Mapping[str, Clip]) -> NDArray[np.uint8]:
    """Draw an easy, a good and a bad row: the images of highest, middle and lowest IoU, true boxes green, found yellow.

    Args:
        rows: lines of `per_image.csv` of forged images, at least one.
        clips: the images by name.

    Returns:
        uint8 `H W 3` RGB: `EXAMPLES` images a row, fewer where there are fewer, each scaled to `EXAMPLE_SIZE`.
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
    return strip(pictures)


def region_table(summary: Mapping[str, Any]) -> list[str]:
    """Return the lines of a test's table: the class, the box and the mask beside their floors, kinds of masks."""
    iou, floors, gain, images = (summary[name] for name in ("iou", "floors", "gain", "images"))
    lines = [
        f"{'F1 of the class':32} {number(summary['f1'])}  (precision {number(summary['precision'])}, recall "
        f"{number(summary['recall'])}, AUROC {number(summary['auroc'])}; {images['forged']} forged, "
        f"{images['authentic']} authentic images)",
        f"  {'floor all_forged':30} {number(floors['all_forged'])}  gain over it {number(gain['f1'])}",
        f"{'IoU of the box, mean':32} {number(iou['mean'])}  ({number(iou['low'])} to {number(iou['high'])}; of images "
        f"found {number(iou['found'])}; above 0.5 {number(iou['above_50'])}, above 0.75 {number(iou['above_75'])}; "
        f"GIoU {number(summary['giou'])})",
        *(f"  {f'floor {name}':30} {number(floors[name])}" for name in BOX_FLOORS),
        f"  {'gain over the best floor':30} {number(gain['iou'])}  (IoU - floor) / (1 - floor)",
    ]
    for title in ("by_family", "by_forger"):
        lines += [
            f"  {name:30} F1 {number(group['f1'])}, IoU {number(group['iou'])}  ({group['images']} images)"
            for name, group in summary[title].items()
        ]
    gap = summary["rectangle_gap"]
    lines += [
        f"{'rectangles less other masks':32} F1 {number(gap['f1'])}, IoU {number(gap['iou'])}",
        f"{'trained from':32} {'pretrained weights' if summary['pretrained'] else 'scratch'}, images of "
        f"{'x'.join(map(str, summary['size'] or '?'))}",
    ]
    if mask := summary.get("mask"):
        lines.append(
            f"{'pixel F1 of the mask, mean':32} {number(mask['f1'])}  (IoU {number(mask['iou'])}, IoU of its box "
            f"{number(mask['box_iou'])}, false positives on authentic images {number(mask['pixel_fpr'])})"
        )
    return lines


class BoxWriter(Callback):
    """Write what `predict` finds in images, in pixels of the original images, below `<run>/predict`.

    `boxes.csv` has `clip,frame,score,label,xmin,ymin,xmax,ymax`, a line an image, with zeros where nothing is found;
    `boxes.json` has the images and, of those found forged, the boxes in the format of COCO. `drawn/<clip>.png` shows an
    image with its box (`drawn/<clip>/00000.png` a frame of a clip of several) and, where the net makes masks, with its
    mask, which is also in `masks/`. Does so for tasks that judge images.
    """

    def on_predict_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start a table of what is found, which the processes share."""
        if not _judges_images(pl_module):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer
        self._clips: list[Clip] = data.datasets["test"].clips
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
        """Enter the boxes of one batch, and write its pictures."""
        if not _judges_images(pl_module) or is_dry(trainer):
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
            file = place(self._names[video], frame, len(self._clips[video]))
            picture = drawn(image, score[i].item(), box[i] if found[i] else None, mask)
            write_image(folder / "drawn" / file, picture)
            if mask is not None:
                write_mask(folder / "masks" / file, enlarged(mask, *image.shape[:2]))

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the tables, once, in the first process."""
        if not _judges_images(pl_module) or is_dry(trainer):
            return
        table = self._scores.compute().cpu()  # here all processes meet
        if not trainer.is_global_zero:
            return
        tables = torch.split(table, [len(clip) for clip in self._clips])
        rows: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        for name, clip, answers in zip(self._names, self._clips, tables, strict=True):
            for frame, (score, label, *box) in enumerate(answers[:, :6].tolist()):
                if score < 0:  # not judged
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
        """Return the image file of a frame, relative to the dataset where it lies in it; its place if it is none."""
        if not isinstance(clip, FrameFolder):
            return place(name, frame, len(clip))
        file = clip.files[frame]
        return str(file.relative_to(self._root) if file.is_relative_to(self._root) else file)


def coco(images: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return COCO's object detection format: boxes are `x, y, width, height` in pixels, ids begin at 1.

    Args:
        images: COCO's own records, in the order of `rows`.
        rows: lines of `boxes.csv`; those of label 1 become annotations.
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
    """Show the true (green) and found (yellow) boxes of a few validation images after each validation of a training.

    One forged image of each of the first sources, as the net sees it; see `ValidationPictures`. Does so for tasks that
    judge images.

    Args:
        count: images shown, at most.

    Raises:
        InputError: the count is below 1.
    """

    NAME, KEY, COLUMNS = "media/val/boxes", "source", 4

    def __init__(self, count: int = 8) -> None:
        super().__init__(count)

    def is_for(self, pl_module: pl.LightningModule) -> bool:
        """Return whether a task judges images."""
        return _judges_images(pl_module)

    def keep(self, outputs: Any, batch: Batch, sample: int) -> MarkedPicture | None:
        """Return a forged image with its boxes, None for an authentic one."""
        if not batch["label"][sample]:
            return None
        height, width = batch["image"].shape[-2:]
        sides = batch["box"].new_tensor([width, height, width, height])
        image = first_frame(batch, sample)
        found, true = outputs["box"][sample] / sides, batch["box"][sample] / sides
        mask = outputs["mask"][sample] if "mask" in outputs else None
        masks: dict[str, NDArray[np.bool_]] = {}
        if mask is not None:
            truth = (batch["mask"][sample, 0, 0] > 0.5).cpu().numpy()
            masks = {"found": enlarged(mask, height, width), "true": truth}
        score = outputs["score"][sample].item()
        return MarkedPicture(
            drawn(image, score, found, mask, true),
            image,
            masks,
            boxes={"found": (found * sides).tolist(), "true": (true * sides).tolist()},
            caption=f"{batch['meta'][sample]['clip']} {score:.2f}",
        )


def drawn(
    image: NDArray[np.uint8], score: float, box: Tensor | None, mask: Tensor | None = None, true: Tensor | None = None
) -> NDArray[np.uint8]:
    """Draw what is found in an image.

    Args:
        image: uint8 `H W 3` RGB.
        score: written into its corner.
        box: relative, `4`; None for none.
        mask: bool, of any size.
        true: the true box.
    """
    height, width = image.shape[:2]
    if mask is not None:
        image = overlay(image, enlarged(mask, height, width))
    found, real = (None if b is None else [*in_pixels(b.tolist(), height, width).values()] for b in (box, true))
    return draw_boxes(image, found, real, caption=f"{score:.2f}")


def enlarged(mask: Tensor, height: int, width: int) -> NDArray[np.bool_]:
    """Return a bool mask `h w` at another size, bool `H W`, each pixel that of the nearest."""
    pixels = mask.cpu().numpy().astype(np.uint8)
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0)


def place(clip: str, frame: int, frames: int) -> str:
    """Return where the picture of a frame goes: beside others if it is a photo's, else in the clip's folder."""
    return f"{clip}.png" if frames == 1 else f"{clip}/{frame:05d}.png"


def _judges_images(pl_module: pl.LightningModule) -> bool:
    """Whether a task leaves a result per image, not per video."""
    return hasattr(pl_module, "per_image")
