"""Find the forged region of anyone's image, or of each frame of a clip by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outpaint_lightning.data.regions import resize_images
from outpaint_lightning.io import Clip, write_csv, write_image, write_json, write_mask
from outpaint_lightning.io.output import whole_folder
from outpaint_lightning.metrics import SIDES, in_pixels
from outpaint_lightning.pictures import draw_region, enlarged, picture_file
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.tasks import RegionTask
from outpaint_lightning.types import InputError


def find_regions(
    task: RegionTask, clip: Clip, folder: Path, batch_size: int, checkpoint: Path
) -> tuple[dict[str, Any], str]:
    """Judge an image, or each frame of a clip by itself, into `folder`, which appears only when it is complete.

    An image gets `drawn.png` and, where the net makes masks, `mask.png`; frames get `drawn/00000.png`,
    `mask/00000.png` and `boxes.csv`. `summary.json` holds `score`, `label` and `box`, in pixels of the image or None;
    of a clip, those of the frame with the highest score.

    Returns:
        The summary, and a line that tells it.

    Raises:
        InputError: a frame does not decode, or the checkpoint does not say how large its images are.
    """
    if task.size is None:
        raise InputError(f"{checkpoint}: does not say how large its images are; expected one of `fit`")
    start = time.monotonic()
    with whole_folder(folder) as partial:
        rows = _write_pictures(task, clip, partial, batch_size)
        worst = max(rows, key=lambda row: row["score"])
        box = [worst[side] for side in SIDES] if worst["label"] else None
        summary = {
            "input": str(clip.path),
            "frames": len(rows),
            "height": clip.height,
            "width": clip.width,
            "threshold": task.threshold,
            **{name: worst[name] for name in ("frame", "score", "label")},
            "box": box,
            "forged_frames": sum(row["label"] for row in rows),
            "seconds": round(time.monotonic() - start, 3),
            "device": str(task.device),
            "checkpoint": str(checkpoint),
            "error": None,
        }
        if len(rows) > 1:
            write_csv(partial / "boxes.csv", rows)
        write_json(partial / "summary.json", summary)
    said = f"forged in {', '.join(f'{side:g}' for side in box)}" if box else "not forged"
    where = f" (frame {worst['frame']}, the surest of {len(rows)})" if len(rows) > 1 else ""
    return summary, f"{clip.path}: {said}, score {worst['score']:.3f}{where} -> {folder}"


def _write_pictures(task: RegionTask, clip: Clip, folder: Path, batch_size: int) -> list[dict[str, Any]]:
    """Judge and draw every frame; return a row of each, with a box where it is found forged."""
    rows: list[dict[str, Any]] = []
    frames = iter(clip)
    with progress_bar(len(clip), clip.name, "image") as bar:
        while batch := list(islice(frames, batch_size)):
            for frame, (score, box, mask) in zip(batch, _judge(task, batch), strict=True):
                height, width = frame.shape[:2]
                found = in_pixels(box, height, width) if score >= task.threshold else None
                picture = draw_region(frame, score, None if found is None else [*found.values()], mask)
                write_image(folder / picture_file("drawn", len(rows), len(clip)), picture)
                if mask is not None:
                    write_mask(folder / picture_file("mask", len(rows), len(clip)), enlarged(mask, height, width))
                sides = found or dict.fromkeys(SIDES)
                rows.append({"frame": len(rows), "score": score, "label": int(found is not None), **sides})
            bar.update(len(batch))
    return rows


@torch.inference_mode()
def _judge(
    task: RegionTask, batch: Sequence[NDArray[np.uint8]]
) -> list[tuple[float, list[float], NDArray[np.bool_] | None]]:
    """Return score, box relative to the image, and mask, if there is one, of frames of one size."""
    assert task.size is not None
    height, width = task.size
    frames = resize_images(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2), (height, width))
    answers = task(frames[:, None].to(task.device).float() / 255)
    scores = answers["score"]
    boxes = answers["box"] / scores.new_tensor([width, height, width, height])
    masks = [mask.cpu().numpy() for mask in answers["mask"]] if "mask" in answers else [None] * len(batch)
    return [*zip(scores.tolist(), boxes.tolist(), masks, strict=True)]
