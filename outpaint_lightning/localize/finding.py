"""What is found in one clip, as arrays, without writing a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.shipped import DEFAULT
from outpaint_lightning.io import Clip, facts_of, open_clip, until_broken
from outpaint_lightning.localize.judging import quicken
from outpaint_lightning.localize.opening import open_checkpoint
from outpaint_lightning.localize.scoring import clip_score, judged_frames
from outpaint_lightning.localize.verdict import Verdict, verdict_on
from outpaint_lightning.processes.device import choose_device
from outpaint_lightning.tasks import LocalizationTask
from outpaint_lightning.types import InputError


class FoundFrame(NamedTuple):
    """One frame and what was found in it."""

    number: int
    time: float
    """Seconds."""
    frame: NDArray[np.uint8]
    """`H W 3` RGB."""
    probability: NDArray[np.float32]
    """`H W` in [0, 1], of being forged."""
    mask: NDArray[np.bool_]
    """`H W`: the probability reaches the threshold."""
    score: float


@dataclass(frozen=True)
class Finding:
    """A clip and what was found in it; `T` frames of `H` x `W` pixels."""

    frames: NDArray[np.uint8]
    """`T H W 3` RGB."""
    probability: NDArray[np.float32]
    """`T H W` in [0, 1], of being forged."""
    masks: NDArray[np.bool_]
    """`T H W`: the probability reaches the threshold."""
    scores: NDArray[np.float64]
    """`T`, of the frames; see `metrics.frame_scores`."""
    times: NDArray[np.float64]
    """`T`, seconds."""
    threshold: float
    verdict: Verdict


def find(
    path: str | Path,
    ckpt_path: str | Path = DEFAULT,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
) -> Finding:
    """Return all frames of a clip with what was found in them; a long video takes its whole size in memory.

    Args:
        path: a video file or a folder of frames.
        ckpt_path: checkpoint, run folder, ONNX file of `export` or the name of weights that ship, of a localizer.
        threshold: forged from this probability on, in (0, 1); None takes the checkpoint's.
        batch_size: windows judged at once; 1 where the state is carried along the clip.
        device: a torch device, or `auto`.

    Raises:
        InputError: as `stream`.
    """
    clip, checkpoint = open_clip(path), find_checkpoint(ckpt_path)
    task, card = _opened(checkpoint, threshold, device)
    found = list(_found(clip, task, batch_size))
    score = clip_score([each.score for each in found], task)
    return Finding(
        frames=np.stack([each.frame for each in found]),
        probability=np.stack([each.probability for each in found]),
        masks=np.stack([each.mask for each in found]),
        scores=np.array([each.score for each in found]),
        times=np.array([each.time for each in found]),
        threshold=task.chosen_threshold(),
        verdict=verdict_on(score, facts_of(clip), card),
    )


def stream(
    path: str | Path,
    ckpt_path: str | Path = DEFAULT,
    *,
    threshold: float | None = None,
    batch_size: int = 1,
    device: str = "auto",
) -> Iterator[FoundFrame]:
    """Yield the frames of a clip with what was found in them, in order, in bounded memory.

    >>> from outpaint_lightning.localize.finding import stream  # doctest: +SKIP
    >>> worst = max(stream("suspect.mp4", "runs/localizer/small"), key=lambda found: found.score)  # doctest: +SKIP

    Args:
        path: as `find`.
        ckpt_path: as `find`.
        threshold: as `find`.
        batch_size: as `find`.
        device: as `find`.

    Raises:
        InputError: the clip or the checkpoint cannot be used, the checkpoint is no localizer's, an option is out of
            range, or a frame does not decode; those before it have been yielded.
    """
    clip = open_clip(path)
    task, _ = _opened(find_checkpoint(ckpt_path), threshold, device)
    return _found(clip, task, batch_size)


def _opened(checkpoint: Path, threshold: float | None, device: str) -> tuple[LocalizationTask, Mapping[str, Any]]:
    task, card = open_checkpoint(checkpoint)
    if not isinstance(task, LocalizationTask):
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected a LocalizationTask")
    if threshold is not None:
        if not 0 < threshold < 1:
            raise InputError(f"threshold is {threshold}: expected a number between 0 and 1")
        task.threshold = threshold
    return quicken(task.to(choose_device(device))), card


def _found(clip: Clip, task: LocalizationTask, batch_size: int) -> Iterator[FoundFrame]:
    threshold, times = task.chosen_threshold(), clip.timestamps
    errors: list[InputError] = []
    try:
        judged = judged_frames(task, until_broken(clip, errors), batch_size)
        for number, (frame, probability, score) in enumerate(judged):
            yield FoundFrame(number, float(times[number]), frame, probability, probability >= threshold, score)
    except InputError as problem:
        raise (errors[0] if errors else InputError(f"{clip.path}: {problem}")) from problem
    if errors:
        raise errors[0]
