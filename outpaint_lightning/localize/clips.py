"""Find the forged region in each frame of anyone's video."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import Clip, VideoWriter, until_broken, write_csv, write_json, write_mask
from outpaint_lightning.io.output import whole_folder
from outpaint_lightning.localize.judging import Frame, Judge, judge_of, streams, windows
from outpaint_lightning.metrics import frame_scores
from outpaint_lightning.pictures import overlay
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError

Row = dict[str, float]
"""A line of `frames.csv`."""


def localize_clip(
    task: LocalizationTask, clip: Clip, folder: Path, batch_size: int, checkpoint: Path
) -> tuple[dict[str, Any], str]:
    """Write the masks of a clip into `folder`, which appears only when it is complete.

    Returns:
        The summary, and a line that describes it.

    Raises:
        InputError: a frame does not decode and none before it could be judged, the clip is too short, or the batch does
            not suit the net.
    """
    if batch_size > 1 and streams(task):
        raise InputError(f"--batch-size is {batch_size}: expected 1, this net carries its state from frame to frame")
    threshold = task.chosen_threshold()
    judge, length = judge_of(task)
    errors: list[InputError] = []
    start = time.monotonic()
    with whole_folder(folder) as partial:
        try:
            source = windows(until_broken(clip, errors), length, task.window["stride"])
            rows = _write_masks(clip, source, judge, threshold, batch_size, partial)
        except InputError as problem:
            raise (errors[0] if errors else InputError(f"{clip.path}: {problem}")) from problem
        seconds = time.monotonic() - start
        summary = {
            "input": str(clip.path),
            "frames": len(rows),
            "height": clip.height,
            "width": clip.width,
            "fps": clip.fps,
            "threshold": threshold,
            "forged_fraction": sum(row["forged_fraction"] for row in rows) / len(rows),
            "score": sum(row["score"] for row in rows) / len(rows),
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(rows) / seconds, 3),
            "device": str(task.device),
            "checkpoint": str(checkpoint),
            "error": str(errors[0]) if errors else None,
        }
        write_csv(partial / "frames.csv", rows)
        write_json(partial / "summary.json", summary)
    line = (
        f"{clip.path}: {len(rows)} frames, {summary['forged_fraction']:.1%} of the pixels forged, "
        f"{summary['frames_per_second']:.1f} frames/s -> {folder}/overlay.mp4"
    )
    return summary, line


def _write_masks(
    clip: Clip, source: Iterable[Sequence[Frame]], judge: Judge, threshold: float, batch_size: int, folder: Path
) -> list[Row]:
    """Judge every window of a clip, and write masks, their video and the overlay; return a row for each frame."""
    rows: list[Row] = []
    times, size = clip.timestamps, (clip.height, clip.width)
    source = iter(source)
    with (
        VideoWriter(folder / "masks.mp4", *size, clip.fps) as masks,
        VideoWriter(folder / "overlay.mp4", *size, clip.fps) as overlays,
        progress_bar(len(clip), clip.name, "frame") as bar,
    ):
        while batch := list(islice(source, batch_size)):
            for window, probability in zip(batch, judge(batch), strict=True):
                mask: NDArray[np.bool_] = (probability >= threshold).numpy()
                write_mask(folder / "masks" / f"{len(rows):05d}.png", mask)
                masks.write(np.repeat(mask[..., None].view(np.uint8) * np.uint8(255), 3, axis=2))
                overlays.write(overlay(window[0], mask))
                rows.append(
                    {
                        "frame": len(rows),
                        "time": round(float(times[len(rows)]), 4),
                        "forged_fraction": round(float(mask.mean()), 6),
                        "score": round(frame_scores(probability).item(), 6),
                    }
                )
            bar.update(len(batch))
    return rows
