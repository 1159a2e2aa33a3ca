"""Fill a clip piece by piece, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.inpaint.completion import Completion, Step, complete_flow
from outpaint_lightning.inpaint.holes import Hole
from outpaint_lightning.inpaint.propagation import Propagated, propagate
from outpaint_lightning.motion.classical import estimate_flow
from outpaint_lightning.types import InputError

SMALLEST_WINDOW = 4  # frames; a quarter of a window must be at least one frame


@dataclass(frozen=True)
class Piece:
    """Consecutive filled frames."""

    numbers: range
    """Frame numbers in the clip."""
    filled: Propagated
    flows: list[dict[str, NDArray[np.float32]]]
    """The `forward` and the `backward` flow of each frame, `H W 2`, without those that lead beyond the clip's ends."""
    copied: list[int]
    """Numbers of the frames that no flow reaches; they are copies of the nearest other frame."""
    not_finite: bool
    """Whether the completed flow was not finite and was filled harmonically instead."""


def pieces(
    source: Iterable[tuple[NDArray[np.uint8], Hole]], total: int, complete: Completion, window: int
) -> Iterator[Piece]:
    """Fill a clip as its frames arrive, with `window` frames in memory.

    A quarter of them is already filled, and a quarter is for looking ahead. If the source ends early, the clip ends
    there. A single frame yields nothing, because there is no other frame to copy from.

    Args:
        source: frames `H W 3` and their holes `H W`.
        total: number of frames of the clip.
        complete: completes the flow in holes.
        window: number of frames in memory, at least `SMALLEST_WINDOW`.

    Yields:
        Pieces of the clip, in order.

    Raises:
        InputError: no frame in memory has a known pixel.
    """
    source, margin = iter(source), window // 4
    held = _Held()
    given = 0  # frames of the clip that were yielded
    while given < total:
        held.take(islice(source, window - len(held.frames)))
        if len(held.frames) < window:
            total = held.end
        if len(held.frames) < 2:
            return
        filled, flows, not_finite = held.fill(complete)
        numbers = range(given, total if held.end == total else held.end - margin)
        part = slice(numbers.start - held.first, numbers.stop - held.first)
        copied = [held.first + i for i in filled.copied if held.first + i < numbers.stop]
        yield Piece(numbers, filled[part], _flows(flows, part, numbers, total), copied, not_finite)
        given = numbers.stop
        held.forget(max(held.first, given - margin), given, filled)


class _Held:
    """The consecutive frames in memory."""

    def __init__(self) -> None:
        self.first = 0  # number of the first frame in the clip
        self.frames: list[NDArray[np.uint8]] = []
        self.holes: list[Hole] = []
        self.steps: list[Step] = []
        self.settled: Propagated | None = None  # the first frames, which are already filled

    @property
    def end(self) -> int:
        """The number of the next frame."""
        return self.first + len(self.frames)

    def take(self, source: Iterable[tuple[NDArray[np.uint8], Hole]]) -> None:
        """Add frames, and estimate the flow to each."""
        for frame, hole in source:
            self.frames.append(frame)
            self.holes.append(hole)
            if len(self.frames) > 1:
                ahead, back = estimate_flow(np.stack(self.frames[-2:]), ~np.stack(self.holes[-2:]))
                self.steps.append((ahead[0], back[0]))

    def fill(self, complete: Completion) -> tuple[Propagated, tuple[Tensor, Tensor], bool]:
        """Return the filled frames, the forward and backward flow `T 2 H W`, and whether the flow was not finite."""
        hole = np.stack(self.holes)
        forward, backward, not_finite = complete_flow(hole, self.steps, complete)
        try:
            filled = propagate(np.stack(self.frames), hole, forward, backward, self.settled)
        except InputError as problem:
            raise InputError(f"frames {self.first} to {self.end - 1}: {problem}") from problem
        return filled, (forward, backward), not_finite

    def forget(self, until: int, settled: int, filled: Propagated) -> None:
        """Drop the frames before number `until`, and keep those before number `settled` as they were `filled`."""
        drop = until - self.first
        self.settled = filled[drop : settled - self.first]
        self.frames, self.holes, self.steps = self.frames[drop:], self.holes[drop:], self.steps[drop:]
        self.first = until


def _flows(
    flows: tuple[Tensor, Tensor], part: slice, numbers: range, total: int
) -> list[dict[str, NDArray[np.float32]]]:
    """Return the flows of the frames of a piece."""
    forward, backward = (flow[part].permute(0, 2, 3, 1).cpu().numpy() for flow in flows)
    leading = (("forward", forward, total - 1), ("backward", backward, 0))
    return [{name: flow[i] for name, flow, end in leading if number != end} for i, number in enumerate(numbers)]
