"""Examine a video again after changes that touch no content: an answer that they turn over is worth little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from outpaint_lightning.io import Clip, Facts, VideoWriter, open_clip
from outpaint_lightning.localize.examined import Rechecked
from outpaint_lightning.localize.judging import Frame
from outpaint_lightning.localize.scoring import score_frames
from outpaint_lightning.localize.verdict import Verdict, verdict_on

CRF = 23
SCALE = 0.75


def recheck(task: Any, clip: Clip, frames: int, facts: Facts, card: Mapping[str, Any]) -> list[Rechecked]:
    """Return score and answer after each change.

    Args:
        task: that judges.
        clip: the input.
        frames: of it that decode, from its start.
        facts: of the input; a change does not make it other footage.
        card: of the checkpoint.
    """
    results = []
    for name, changed in CHANGES.items():
        score = score_frames(task, changed(clip, frames))
        results.append(Rechecked(name, score, verdict_on(score, facts, card).title))
    return results


def flips(verdict: Verdict, rechecked: Sequence[Rechecked]) -> list[str]:
    """Return a reason to doubt a verdict for each change after which the answer is another one."""
    known = (("found above", verdict.found_above), ("none below", verdict.none_below))
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in known if value is not None)
    return [
        f"{each.change}, the answer is '{each.answer}' (score {each.score:.3f} instead of {verdict.score:.3f}; "
        f"{thresholds})"
        for each in rechecked
        if verdict.answer is not None and each.answer != verdict.title
    ]


def _first(clip: Clip, frames: int) -> Iterator[Frame]:
    for _, frame in zip(range(frames), clip, strict=False):
        yield frame


def _encoded(clip: Clip, frames: int) -> Iterator[Frame]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "encoded.mp4"
        with VideoWriter(path, clip.height, clip.width, clip.fps, crf=CRF) as writer:
            for frame in _first(clip, frames):
                writer.write(frame)
        yield from open_clip(path)


def _rescaled(clip: Clip, frames: int) -> Iterator[Frame]:
    size = tuple(max(1, round(side * SCALE)) for side in (clip.width, clip.height))
    for frame in _first(clip, frames):
        yield np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


CHANGES: dict[str, Callable[[Clip, int], Iterator[Frame]]] = {
    f"encoded once more (H.264, CRF {CRF})": _encoded,
    f"rescaled to {SCALE:.0%} of its sides": _rescaled,
}
