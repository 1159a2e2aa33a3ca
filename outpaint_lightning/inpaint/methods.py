"""Methods that fill a clip: propagation of colours along completed flow, or a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.checkpoints.files import find_checkpoint
from outpaint_lightning.checkpoints.rebuild import load_task
from outpaint_lightning.inpaint.completion import Completion, FillCompletion, NetCompletion
from outpaint_lightning.inpaint.holes import Hole
from outpaint_lightning.inpaint.pieces import Piece, pieces
from outpaint_lightning.inpaint.propagation import Origin, Propagated
from outpaint_lightning.nets.generators.windows import Frame, fill_windows
from outpaint_lightning.results import FLOW, PAINTING
from outpaint_lightning.types import InputError

Source = Iterable[tuple[NDArray[np.uint8], Hole]]
"""Frames `H W 3` and their holes `H W`."""


class Method(ABC):
    """Fills a clip piece by piece."""

    @abstractmethod
    def pieces(self, source: Source, total: int, window: int) -> Iterator[Piece]:
        """Yield the filled pieces of a clip, in order.

        Args:
            source: frames and holes.
            total: number of frames of the clip.
            window: number of frames in memory at once.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return its entries in the summary."""


class FlowMethod(Method):
    """Completes flow and propagates colours along it.

    Args:
        complete: completes the flow.
    """

    def __init__(self, complete: Completion) -> None:
        self._complete = complete

    def pieces(self, source: Source, total: int, window: int) -> Iterator[Piece]:
        """See `Method`."""
        return pieces(source, total, self._complete, window)

    def describe(self) -> dict[str, Any]:
        """See `Method`."""
        return self._complete.describe()


class GeneratorMethod(Method):
    """Fills windows with as many frames as the generator was made for; they overlap by half and are blended.

    Args:
        checkpoint: path, for messages and the summary.
        net: a net with `frames`, `channels` and `filled`, such as `SpatiotemporalGenerator`.
        device: device of the computation.

    Raises:
        InputError: the generator's frames do not have 3 channels.
    """

    def __init__(self, checkpoint: Path, net: Any, device: torch.device) -> None:
        if net.channels != 3:
            raise InputError(f"{checkpoint}: a generator of {net.channels} channel; a video has 3")
        self._checkpoint, self._net, self._device = checkpoint, net.to(device).eval(), device

    def pieces(self, source: Source, total: int, window: int) -> Iterator[Piece]:  # noqa: ARG002 (it has a window)
        """See `Method`; each piece is a frame."""
        waiting: deque[tuple[NDArray[np.uint8], Hole]] = deque()

        def tensors() -> Iterator[Frame]:
            for frame, hole in source:
                waiting.append((frame, hole))
                yield torch.from_numpy(frame).permute(2, 0, 1).float() / 255, torch.from_numpy(hole)[None].float()

        for number, made in enumerate(fill_windows(self._filled, tensors(), self._net.frames)):
            frame, hole = waiting.popleft()
            pixels = made.mul(255).round().byte().permute(1, 2, 0).numpy()
            shown = np.where(hole[..., None], pixels, frame)
            origin = np.where(hole, Origin.INPAINTED, Origin.KNOWN).astype(np.uint8)
            yield Piece(range(number, number + 1), Propagated(shown[None], origin[None]), [{}], [], not_finite=False)

    def _filled(self, image: Tensor, mask: Tensor) -> Tensor:
        with torch.inference_mode():
            made: Tensor = self._net.filled(image.to(self._device), mask.to(self._device)).cpu()
        if not made.isfinite().all():
            raise InputError(f"{self._checkpoint}: its fill is not finite")
        return made.clone()

    def describe(self) -> dict[str, Any]:
        """See `Method`; `window` is the generator's number of frames."""
        return {
            "checkpoint": str(self._checkpoint), "fill": None, "steps": None, "flow": None,
            "device": str(self._device), "window": self._net.frames,
        }  # fmt: skip


def choose_method(ckpt_path: str | Path | None, fill: str | None, steps: int | None, device: torch.device) -> Method:
    """Return the method for the user's options.

    Raises:
        InputError: neither or both of `ckpt_path` and `fill` are given, or the given one cannot be used.
    """
    if (ckpt_path is None) == (fill is None):
        raise InputError("expected either --ckpt_path or --fill")
    if ckpt_path is not None:
        return _of_checkpoint(find_checkpoint(ckpt_path), steps, device)
    assert fill is not None
    method = FlowMethod(FillCompletion(fill, device))
    if steps is not None:
        raise InputError("--steps needs --ckpt_path: a fill makes none")
    return method


def _of_checkpoint(checkpoint: Path, steps: int | None, device: torch.device) -> Method:
    task: Any = load_task(checkpoint)
    if task.kind == FLOW:
        return FlowMethod(NetCompletion(checkpoint, task, steps, device))
    if task.kind != PAINTING:
        expected = f"expected a {FLOW.task} or a {PAINTING.task}"
        raise InputError(f"{checkpoint}: holds a {type(task).__name__}; {expected}")
    if steps is not None:
        raise InputError("--steps needs a flow refiner: a generator makes none")
    return GeneratorMethod(checkpoint, task.net, device)
