"""The score of a whole clip: of one that `localize` judges, and of the authentic ones that `seal` learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.localize.judging import Batch, Frame, in_order, judge_images, judge_of, streams, windows
from outpaint_lightning.localize.watch import DECODING, JUDGING, Watch
from outpaint_lightning.metrics import frame_scores
from outpaint_lightning.tasks import LocalizationTask, RegionTask
from outpaint_lightning.types import InputError


class JudgedFrame(NamedTuple):
    """A frame and what a localizer says of it."""

    frame: Frame
    """`H W 3` RGB."""
    probability: NDArray[np.float32]
    """`H W` in [0, 1], of being forged."""
    score: float
    """Mean of the highest 1 % of the probabilities; see `metrics.frame_scores`."""


def judged_frames(
    task: LocalizationTask, frames: Iterable[Frame], batch_size: int = 1, watch: Watch | None = None
) -> Iterator[JudgedFrame]:
    """Yield every frame of a clip with its probabilities, in order, in bounded memory.

    Args:
        task: that judges.
        frames: of the clip, in order.
        batch_size: windows that are judged at once.
        watch: gets the time of decoding and of judging.

    Raises:
        InputError: the clip is too short, or the batch does not suit the net.
    """
    require_batch(task, batch_size)
    watch = watch or Watch()
    judge, length = judge_of(task)
    source = windows(watch.each(DECODING, frames), length, task.window["stride"])

    def watched(batch: Batch) -> Tensor:
        with watch.of(JUDGING):
            return judge(batch)

    batches: Iterator[Batch] = iter(lambda: list(islice(source, batch_size)), [])
    for batch, probabilities in in_order(task, watched, batches):
        for window, probability in zip(batch, probabilities, strict=True):
            score = float(frame_scores(probability))
            yield JudgedFrame(window[0], np.asarray(probability.numpy(), np.float32), score)


def require_batch(task: LocalizationTask, batch_size: int) -> None:
    """Raise `InputError` when a net that carries its state is to judge several windows at once."""
    if batch_size > 1 and streams(task):
        raise InputError(f"--batch-size is {batch_size}: expected 1, this net carries its state from frame to frame")


def clip_score(scores: Sequence[float], task: Any) -> float:
    """Return the score of a clip, given those of its frames: their mean, and of a region detector the highest."""
    return max(scores) if isinstance(task, RegionTask) else fmean(scores)


def score_frames(task: Any, frames: Iterable[Frame]) -> float:
    """Return the score of a clip, given its frames.

    Raises:
        InputError: a localizer is given too few frames.
    """
    scores = next(scores for kind, scores in _SCORES.items() if isinstance(task, kind))
    return clip_score(list(scores(task, frames)), task)


def require_scored(task: Any, checkpoint: Path) -> None:
    """Raise `InputError` when clips cannot be scored with such a task."""
    if not isinstance(task, tuple(_SCORES)):
        known = " or ".join(f"a {kind.__name__}" for kind in _SCORES)
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; expected {known}")
    if isinstance(task, LocalizationTask) and not task.window:
        raise InputError(f"{checkpoint}: does not say what windows it judges; expected a checkpoint of `fit`")


def _of_localizer(task: LocalizationTask, frames: Iterable[Frame]) -> Iterator[float]:
    return (judged.score for judged in judged_frames(task, frames))


def _of_detector(task: RegionTask, frames: Iterable[Frame]) -> Iterator[float]:
    return (judge_images(task, [frame])[0].score for frame in frames)


_SCORES: dict[type, Callable[[Any, Iterable[Frame]], Iterator[float]]] = {
    LocalizationTask: _of_localizer,
    RegionTask: _of_detector,
}
