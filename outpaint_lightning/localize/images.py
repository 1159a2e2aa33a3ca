"""Find the forged region of anyone's image, or of each frame of a clip by itself."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from outpaint_lightning.io import Clip, write_csv, write_image, write_mask
from outpaint_lightning.io.output import whole_folder
from outpaint_lightning.localize.conclusion import conclude
from outpaint_lightning.localize.examined import Examined, Exhibit
from outpaint_lightning.localize.judging import judge_images
from outpaint_lightning.localize.moments import Moments, all_shrunk
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.records import write_records
from outpaint_lightning.localize.watch import DECODING, JUDGING, WRITING, Watch
from outpaint_lightning.metrics import SIDES, in_pixels
from outpaint_lightning.pictures import draw_region, enlarged, picture_file
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.tasks import RegionTask
from outpaint_lightning.types import InputError


def find_regions(task: RegionTask, clip: Clip, folder: Path, options: Options) -> Examined:
    """Judge an image, or each frame of a clip by itself, into `folder`, which appears only when it is complete.

    An image gets `drawn.png` and, where the net makes masks, `mask.png`; frames get `drawn/00000.png`,
    `mask/00000.png` and `boxes.csv`. `summary.json` holds `score`, `label` and `box`, in pixels of the image or None,
    and `regions`, each with its `score` and `box`; of a clip, those of the frame with the highest score.

    Raises:
        InputError: a frame does not decode, the checkpoint does not say how large its images are, or files are wanted
            that a localizer alone writes.
    """
    if task.size is None:
        raise InputError(f"{options.checkpoint}: does not say how large its images are; expected one of `fit`")
    if options.save:
        wanted = ", ".join(sorted(options.save))
        raise InputError(f"--save {wanted}: is for localizers; {options.checkpoint} holds a RegionTask")
    start, watch = time.monotonic(), Watch()
    with whole_folder(folder) as partial:
        rows, regions, exhibits = _write_pictures(task, clip, partial, options.batch_size, watch)
        worst = max(rows, key=lambda row: row["score"])
        box = [worst[side] for side in SIDES] if worst["label"] else None
        facts, verdict, rechecked = conclude(task, clip, [row["score"] for row in rows], options)
        summary = {
            "input": str(clip.path),
            "verdict": verdict.title,
            "why": list(verdict.reasons),
            "frames": len(rows),
            "height": clip.height,
            "width": clip.width,
            "threshold": task.threshold,
            **{name: worst[name] for name in ("frame", "score", "label")},
            "box": box,
            "regions": regions[worst["frame"]],
            "forged_frames": sum(row["label"] for row in rows),
            "seconds": round(time.monotonic() - start, 3),
            "seconds_of": {part: round(taken, 3) for part, taken in watch.seconds.items()},
            "device": str(task.device),
            "checkpoint": str(options.checkpoint),
            "error": None,
        }
        region = f"a region in {', '.join(f'{side:g}' for side in box)}" if box else "no region"
        where = f" (frame {worst['frame']}, the highest score of {len(rows)})" if len(rows) > 1 else ""
        examined = Examined(
            folder, summary, verdict, facts, rows, found=f"{region}, score {worst['score']:.3f}{where}",
            heads=("image", "box"), most=exhibits, rechecked=rechecked,
        )  # fmt: skip
        if len(rows) > 1:
            write_csv(partial / "boxes.csv", rows)
        write_records(partial, examined, options)
    return examined


def _write_pictures(
    task: RegionTask, clip: Clip, folder: Path, batch_size: int, watch: Watch
) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]], list[Exhibit]]:
    """Judge and draw every frame; return its row, with a box where it is found forged, its regions, and exhibits."""
    rows: list[dict[str, Any]] = []
    regions: list[list[dict[str, Any]]] = []
    moments, frames = Moments(len(clip)), watch.each(DECODING, clip)
    with progress_bar(len(clip), clip.name, "image") as bar:
        while batch := list(islice(frames, batch_size)):
            with watch.of(JUDGING):
                answers = judge_images(task, batch)
            for frame, (score, box, mask, several) in zip(batch, answers, strict=True):
                height, width = frame.shape[:2]
                found = in_pixels(box, height, width) if score >= task.threshold else None
                with watch.of(WRITING):
                    picture = draw_region(frame, score, None if found is None else [*found.values()], mask)
                    write_image(folder / picture_file("drawn", len(rows), len(clip)), picture)
                    if mask is not None:
                        write_mask(folder / picture_file("mask", len(rows), len(clip)), enlarged(mask, height, width))
                moments.see(score, functools.partial(all_shrunk, (frame, picture)))
                regions.append(_in_pixels(several, height, width) if found else [])
                sides = found or dict.fromkeys(SIDES)
                rows.append({"frame": len(rows), "score": score, "label": int(found is not None), **sides})
            bar.update(len(batch))
    return rows, regions, moments.most()


def _in_pixels(regions: Sequence[tuple[Sequence[float], float]], height: int, width: int) -> list[dict[str, Any]]:
    """Return relative boxes and scores as JSON, in pixels of an image of this size."""
    return [{"score": score, "box": [*in_pixels(box, height, width).values()]} for box, score in regions]
