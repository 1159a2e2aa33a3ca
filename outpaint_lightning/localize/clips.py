"""Find the forged region in each frame of anyone's video."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import (
    Clip,
    VideoWriter,
    atomic,
    until_broken,
    write_csv,
    write_json,
    write_mask,
)
from outpaint_lightning.io.output import whole_folder
from outpaint_lightning.localize.coco import CocoRegions
from outpaint_lightning.localize.conclusion import conclude
from outpaint_lightning.localize.examined import Examined
from outpaint_lightning.localize.moments import HEADS, Moments, pictures_of
from outpaint_lightning.localize.options import Options
from outpaint_lightning.localize.records import write_records
from outpaint_lightning.localize.scoring import JudgedFrame, judged_frames, require_batch
from outpaint_lightning.localize.verdict import Verdict
from outpaint_lightning.localize.watch import WRITING, Watch
from outpaint_lightning.pictures import heat_map, tinted
from outpaint_lightning.processes.progress import progress_bar
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError

ENCODER = {name: {"preset": "veryfast"} for name in ("overlay", "probability")}
"""Options of x264 for videos that are only looked at: half the time, a sixth more bytes."""

Row = dict[str, float]
"""A line of `frames.csv`."""


def localize_clip(task: LocalizationTask, clip: Clip, folder: Path, options: Options) -> Examined:
    """Write what is found in a clip into `folder`, which appears only when it is complete.

    Raises:
        InputError: a frame does not decode and none before it could be judged, the clip is too short, or the batch does
            not suit the net.
    """
    require_batch(task, options.batch_size)
    threshold = task.chosen_threshold()
    errors: list[InputError] = []
    start, watch = time.monotonic(), Watch()
    with whole_folder(folder) as partial:
        moments = Moments(len(clip))
        try:
            frames = judged_frames(task, until_broken(clip, errors), options.batch_size, watch)
            rows = _written(frames, _Files(partial, clip, threshold, options), moments, threshold, watch)
        except InputError as problem:
            raise (errors[0] if errors else InputError(f"{clip.path}: {problem}")) from problem
        seconds = time.monotonic() - start
        concluded = conclude(task, clip, [row["score"] for row in rows], options)
        summary = _summary(task, clip, rows, concluded.verdict, options) | {
            "seconds": round(seconds, 3),
            "seconds_of": {part: round(taken, 3) for part, taken in watch.seconds.items()},
            "frames_per_second": round(len(rows) / seconds, 3),
            "error": str(errors[0]) if errors else None,
        }
        examined = Examined(
            folder,
            summary,
            rows=rows,
            found=f"{len(rows)} frames, {summary['forged_fraction']:.1%} of the pixels marked",
            heads=HEADS,
            most=moments.most(),
            least=moments.least(),
            **concluded._asdict(),
        )
        write_csv(partial / "frames.csv", rows)
        write_records(partial, examined, options)
    return examined


def _summary(
    task: LocalizationTask, clip: Clip, rows: Sequence[Row], verdict: Verdict, options: Options
) -> dict[str, Any]:
    return {
        "input": str(clip.path),
        "verdict": verdict.title,
        "why": list(verdict.reasons),
        "frames": len(rows),
        "height": clip.height,
        "width": clip.width,
        "fps": clip.fps,
        "threshold": task.chosen_threshold(),
        "forged_fraction": fmean(row["forged_fraction"] for row in rows),
        "score": verdict.score,
        "device": str(task.device),
        "checkpoint": str(options.checkpoint),
    }


class _Files:
    """The files of a clip that are written frame by frame; a context manager."""

    def __init__(self, folder: Path, clip: Clip, threshold: float, options: Options) -> None:
        self.clip, self._folder, self._threshold = clip, folder, threshold
        names = ["masks", "overlay", *(["probability"] if "probability" in options.save else [])]
        self._videos = {
            name: VideoWriter(folder / f"{name}.mp4", clip.height, clip.width, clip.fps, options=ENCODER.get(name))
            for name in names
        }
        self._times = clip.timestamps
        self._regions = CocoRegions() if "coco" in options.save else None
        self._opened = ExitStack()

    def __enter__(self) -> _Files:
        for video in self._videos.values():
            self._opened.enter_context(video)
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)
        if self._regions:
            write_json(self._folder / "regions.json", self._regions.plain)

    def write(self, number: int, judged: JudgedFrame) -> Row:
        """Write the pictures of a frame, and return its row."""
        frame, probability, score = judged
        mask: NDArray[np.bool_] = probability >= self._threshold
        write_mask(self._folder / "masks" / f"{number:05d}.png", mask)
        self._videos["masks"].write(np.repeat(mask[..., None].view(np.uint8) * np.uint8(255), 3, axis=2))
        self._videos["overlay"].write(tinted(frame, probability, self._threshold))
        if video := self._videos.get("probability"):
            video.write(heat_map(frame, probability, self._threshold))
            write_probability(self._folder / "probability" / f"{number:05d}.png", probability)
        if self._regions:
            self._regions.add(mask, probability)
        return {
            "frame": number,
            "time": round(float(self._times[number]), 4),
            "forged_fraction": round(float(mask.mean()), 6),
            "score": round(score, 6),
        }


def write_probability(path: Path, probability: NDArray[np.float32]) -> None:
    """Write probabilities `H W` in [0, 1] as a grey PNG of 16 bits, 65535 = 1."""
    levels = np.rint(np.clip(probability, 0, 1) * np.float32(65535)).astype(np.uint16)
    with atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", levels)[1].tobytes())


def _written(
    frames: Iterable[JudgedFrame], files: _Files, moments: Moments, threshold: float, watch: Watch
) -> list[Row]:
    """Write every frame as it is judged, and return their rows."""
    rows: list[Row] = []
    with files, progress_bar(len(files.clip), files.clip.name, "frame") as bar:
        for judged in frames:
            with watch.of(WRITING):
                rows.append(files.write(len(rows), judged))
                moments.see(judged.score, functools.partial(pictures_of, judged, threshold))
            bar.update(1)
    return rows
