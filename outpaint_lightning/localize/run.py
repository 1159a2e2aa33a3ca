"""Find forged regions in anyone's video, frame by frame, in bounded memory, or in anyone's images."""

from __future__ import annotations

import functools
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.geometry import in_tiles
from outpaint_lightning.io import (
    Clip,
    VideoWriter,
    open_clip,
    require_free,
    until_broken,
    write_csv,
    write_json,
    write_mask,
)
from outpaint_lightning.localize.images import find_regions
from outpaint_lightning.metrics import frame_scores
from outpaint_lightning.pictures import overlay
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.types import InputError

Frame = NDArray[np.uint8]
Analysis = Callable[[Any, Clip, Path, int, Path], tuple[dict[str, Any], str]]
"""Of a task and a clip, into a folder, given batch size and checkpoint: the summary, and a line that tells it."""


def localize(
    inputs: Sequence[str | Path],
    ckpt_path: str | Path,
    out: str | Path,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Analyse video files or frame folders, and write one folder `<out>/<name>` for each.

    >>> summaries = outpaint_lightning.localize(["suspect.mp4"], "runs/localizer/small", "found")  # doctest: +SKIP
    >>> summaries[0]["forged_fraction"]  # doctest: +SKIP
    0.21

    A folder holds `masks/00000.png` (255 = forged), `masks.mp4`, `overlay.mp4` (same size and frame rate as the input),
    `frames.csv` (`frame,time,forged_fraction,score`) and `summary.json`. A file that breaks off is analysed as far as
    it decodes, and named afterwards. The checkpoint of a `RegionTask` judges images, see `report.regions`.

    A net that carries its state over windows that look back (`net.carry`, a negative `data.stride`) carries it along
    the whole clip, at the cost of one pair a frame; see `Stream`.

    Args:
        inputs: video files, folders of frames or images; their names (without suffix) must differ.
        ckpt_path: checkpoint or run folder.
        out: folder to write into.
        threshold: forged from this probability on, in (0, 1); None takes the checkpoint's.
        batch_size: windows or images judged at once; 1 where the state is carried along the clip.
        device: a torch device, or `auto`.
        overwrite: replace the folders of earlier results.

    Returns:
        The summary of each input.

    Raises:
        InputError: an input or the checkpoint cannot be used. All inputs are opened before the first is analysed.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"--threshold is {threshold}: expected a number between 0 and 1")
    if batch_size < 1:
        raise InputError(f"--batch-size is {batch_size}: expected at least 1")
    clips = [open_clip(path) for path in inputs]
    folders = [Path(out) / clip.name for clip in clips]
    if twice := [folder.name for i, folder in enumerate(folders) if folder in folders[:i]]:
        raise InputError(f"two inputs are called {twice[0]!r}: give them to separate runs with different --out")
    checkpoint = find_checkpoint(ckpt_path)
    for folder in folders:
        require_free(folder, overwrite)
        for kept in (*(clip.path for clip in clips), checkpoint):
            if kept.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{folder}: would replace {kept}; give another --out")
    task: Any = load_task(checkpoint)
    analyse = next((analysis for kind, analysis in ANALYSES.items() if isinstance(task, kind)), None)
    if analyse is None:
        known = " or ".join(f"a {kind.__name__}" for kind in ANALYSES)
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected {known}")
    if threshold is not None:
        task.threshold = threshold
    task.to(choose_device(device))

    summaries, broken = [], []
    for clip, folder in zip(clips, folders, strict=True):
        try:
            summary, line = analyse(task, clip, folder, batch_size, checkpoint)
        except InputError as problem:
            broken.append(str(problem))
            continue
        print(line)
        summaries.append(summary)
        broken += filter(None, [summary["error"]])
    if broken:
        raise InputError("; ".join(dict.fromkeys(broken)))
    return summaries


def windows(frames: Iterable[Frame], length: int, stride: int) -> Iterator[list[Frame]]:
    """Yield the window that judges each frame, in order, as `data.window_indices` lays them out.

    Windows look forwards in time but for the last `(length - 1) * stride` frames, which look backwards. With a negative
    stride they look backwards but for the first `(length - 1) * -stride` frames, which look forwards. Twice that many
    frames are held.

    Raises:
        InputError: the clip is too short for every frame to have enough on one side.
    """
    step = abs(stride)
    reach = (length - 1) * step
    held: deque[Frame] = deque(maxlen=2 * reach)
    source = iter(frames)
    count = 0
    for count, frame in enumerate(source if stride > 0 else islice(source, 2 * reach), start=1):
        held.append(frame)
        if count > reach:
            now = len(held) - 1 - reach
            yield [held[now + i * step] for i in range(length)]
    if count < 2 * reach:
        raise InputError(f"{count} frames; windows of {length} frames at stride {stride} need at least {2 * reach}")
    for now in range(reach, 2 * reach):
        yield [held[now - i * step] for i in range(length)]
    for frame in source:  # there are more only where windows look back
        held.append(frame)
        yield [held[-1 - i * step] for i in range(length)]


class Stream:
    """Judge the pairs of one clip in order, the net's state carried from pair to pair along the clip.

    Frame t is judged by the pair (t, t - step), from the state that the pair (t - step, t - 2 step) left: `step` chains
    of pairs run beside each other, one for each t modulo `step`. The first `step` frames are judged by the pair
    (t, t + step) alone, which leaves nothing: its displacements point the other way. So the answer for a frame is that
    of a window which reaches back to the first frame of its chain. A test judges by windows of `data.frames`.

    In tiles, each row of tiles has a state of its own.

    Args:
        task: whose net has `stream`; see `nets.RaftLocalizer`.
    """

    def __init__(self, task: LocalizationTask) -> None:
        self._task = task
        self._step = -task.window["stride"]
        self._chains: list[list[Any]] = [[] for _ in range(self._step)]  # of each, the state of every row of tiles
        self._frame = 0

    @torch.inference_mode()
    def __call__(self, batch: Sequence[Sequence[Frame]]) -> Tensor:
        """Return the forged probability `1 H W` of the next frame, on the CPU, given a batch of its pair alone."""
        net: Any = self._task.net
        chain = self._frame % self._step
        before, after = iter(self._chains[chain]), []

        def judge(image: Tensor) -> Tensor:
            logits, state = net.stream(image, next(before, None))
            after.append(state)
            scores: Tensor = logits.float()
            return scores

        image = _images(batch, self._task.device)
        logits = in_tiles(judge, image, self._task.tile) if self._task.tile else judge(image)
        if self._frame >= self._step:
            self._chains[chain] = after
        self._frame += 1
        return logits.softmax(1)[:, 1].cpu()


def _streams(task: LocalizationTask) -> bool:
    """Return whether the net carries its state along a clip, which needs windows that look back."""
    return bool(getattr(task.net, "carry", False)) and task.window["stride"] < 0


def _localize_clip(
    task: LocalizationTask, clip: Clip, folder: Path, batch_size: int, checkpoint: Path
) -> tuple[dict[str, Any], str]:
    """Analyse one clip into `folder`, which appears only when it is complete; return the summary and a line of it."""
    if batch_size > 1 and _streams(task):
        raise InputError(f"--batch-size is {batch_size}: expected 1, this net carries its state from frame to frame")
    threshold = task.chosen_threshold()
    judge: Callable[[Sequence[Sequence[Frame]]], Tensor]
    judge, length = (Stream(task), 2) if _streams(task) else (functools.partial(_judge, task), task.window["frames"])
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    rows: list[dict[str, float]] = []
    error: list[InputError] = []
    start = time.monotonic()
    size = (clip.height, clip.width)
    times = clip.timestamps
    try:
        with ExitStack() as stack:
            masks_video = stack.enter_context(VideoWriter(partial / "masks.mp4", *size, clip.fps))
            overlay_video = stack.enter_context(VideoWriter(partial / "overlay.mp4", *size, clip.fps))
            quiet = not sys.stderr.isatty()
            bar = stack.enter_context(tqdm(total=len(clip), desc=clip.name, unit="frame", disable=quiet))
            source = windows(until_broken(clip, error), length, task.window["stride"])
            while batch := list(islice(source, batch_size)):
                for window, probability in zip(batch, judge(batch), strict=True):
                    mask = (probability >= threshold).numpy()
                    write_mask(partial / "masks" / f"{len(rows):05d}.png", mask)
                    masks_video.write(np.repeat(mask[..., None].view(np.uint8) * np.uint8(255), 3, axis=2))
                    overlay_video.write(overlay(window[0], mask))
                    rows.append(
                        {
                            "frame": len(rows),
                            "time": round(float(times[len(rows)]), 4),
                            "forged_fraction": round(float(mask.mean()), 6),
                            "score": round(frame_scores(probability).item(), 6),
                        }
                    )
                bar.update(len(batch))
    except InputError as problem:
        shutil.rmtree(partial, ignore_errors=True)
        raise (error[0] if error else InputError(f"{clip.path}: {problem}")) from problem
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
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
        "error": str(error[0]) if error else None,
    }
    write_csv(partial / "frames.csv", rows)
    write_json(partial / "summary.json", summary)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    line = (
        f"{clip.path}: {len(rows)} frames, {summary['forged_fraction']:.1%} of the pixels forged, "
        f"{summary['frames_per_second']:.1f} frames/s -> {folder}/overlay.mp4"
    )
    return summary, line


@torch.inference_mode()
def _judge(task: LocalizationTask, batch: Sequence[Sequence[Frame]]) -> Tensor:
    """Return the forged probability `B H W`, on the CPU."""
    probability: Tensor = task(_images(batch, task.device))
    return probability.cpu()


def _images(batch: Sequence[Sequence[Frame]], device: torch.device) -> Tensor:
    """Return windows as `B T 3 H W` in [0, 1]."""
    frames = torch.from_numpy(np.stack([np.stack(window) for window in batch])).to(device)
    return frames.permute(0, 1, 4, 2, 3).float() / 255


ANALYSES: dict[type, Analysis] = {LocalizationTask: _localize_clip, RegionTask: find_regions}
