"""Completion of optical flow in holes, by a fill or by the net of a checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outpaint_lightning.inpaint.holes import grown
from outpaint_lightning.motion.hidden import hidden_vectors
from outpaint_lightning.nets.flow.edge_fills import EdgeCutFill
from outpaint_lightning.nets.flow.fills import BiharmonicFill, HarmonicFill, InertiaFill, NearestFill, ZeroFill
from outpaint_lightning.tasks.base import accepts
from outpaint_lightning.types import InputError, did_you_mean

FILLS: dict[str, type[nn.Module]] = {
    "harmonic": HarmonicFill,
    "biharmonic": BiharmonicFill,
    "nearest": NearestFill,
    "inertia": InertiaFill,
    "edge_cut": EdgeCutFill,
    "zero": ZeroFill,
}
MARGIN = 8  # pixels around a hole where the estimated flow depends on its content: DIS compares 8 x 8 pixels

Step = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Flow from a frame to the next, and from the next back: `H W 2` each, in pixels, x first."""


class Completion(ABC):
    """Completes flow on a device.

    Args:
        device: device of the computation.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def __call__(self, forward: Tensor, backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the completed forward and backward flow.

        Args:
            forward: float32 `B T 2 H W`, pixels, x first, frame t to t+1.
            backward: float32 `B T 2 H W`, frame t to t-1.
            hidden: `B T 2 H W`, 1 where a vector is unknown; channel 0 for `forward`, channel 1 for `backward`.
        """

    def describe(self) -> dict[str, Any]:
        """Return its entries in the summary."""
        return {"checkpoint": None, "fill": None, "steps": None, "flow": "DIS", "device": str(self.device)}


class FillCompletion(Completion):
    """Completion by one of `FILLS`.

    Args:
        name: name of the fill.
        device: device of the computation.

    Raises:
        InputError: the fill is unknown.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        super().__init__(device)
        if name not in FILLS:
            raise InputError(f"--fill is {name!r}: expected one of {', '.join(FILLS)}{did_you_mean(name, FILLS)}")
        self._name, self._fill = name, FILLS[name]()

    def __call__(self, forward: Tensor, backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See `Completion`."""
        first, second = self._fill(*(flow.to(self.device) for flow in (forward, backward, hidden)))
        return first, second

    def describe(self) -> dict[str, Any]:
        """Return its entries in the summary."""
        return {**super().describe(), "fill": self._name}


class NetCompletion(Completion):
    """Completion by the net of a checkpoint.

    A net for windows of a fixed number of frames gets windows that overlap by half. Each frame is taken from the window
    whose middle is nearest.

    Args:
        checkpoint: path, for messages and the summary.
        task: the task in the checkpoint, with `net` and `test_steps`.
        steps: number of updates of a refiner; None uses the checkpoint's number.
        device: device of the computation.

    Raises:
        InputError: the net only completes holes in some frames of a window, or `steps` is given and the net has no
            updates.
    """

    def __init__(self, checkpoint: Path, task: Any, steps: int | None, device: torch.device) -> None:
        super().__init__(device)
        self._checkpoint = checkpoint
        self._net = task.net.to(device)
        if (setup := getattr(self._net, "setup", "all")) != "all":
            raise InputError(
                f"{checkpoint}: completes holes of setup {setup} alone, but any frame of a video may have holes; "
                "expected a net that was trained with model.net.setup all"
            )
        self._updates = accepts(self._net.forward, "steps")
        if steps is not None and not self._updates:
            raise InputError(f"--steps needs a flow refiner: {type(self._net).__name__} makes no updates")
        self._steps = task.test_steps if steps is None else steps
        self._made: int | None = None

    def __call__(self, forward: Tensor, backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See `Completion`.

        Raises:
            InputError: there are fewer frames than the net needs.
        """
        given = [flow.to(self.device) for flow in (forward, backward, hidden)]
        frames, own = forward.shape[1], getattr(self._net, "frames", None)
        if own is None:
            return self._completed(given)
        if frames < own:
            raise InputError(
                f"{self._checkpoint}: completes windows of {own} frames; expected a clip and a --window of so many, "
                f"got {frames}"
            )
        starts = [*range(0, frames - own, max(1, own // 2)), frames - own]
        answers = [self._window(given, slice(start, start + own)) for start in starts]
        middle = torch.tensor(starts) + (own - 1) / 2
        chosen = (torch.arange(frames)[:, None] - middle).abs().argmin(1).tolist()
        ahead, back = (
            torch.stack([answers[window][way][:, t - starts[window]] for t, window in enumerate(chosen)], 1)
            for way in range(2)
        )
        return ahead, back

    def _window(self, given: Sequence[Tensor], frames: slice) -> tuple[Tensor, Tensor]:
        """Complete some frames. If no vector of theirs is known, a fill takes the flow of the nearest frame in time."""
        if (given[2][:, frames] > 0.5).all():
            first, second = HarmonicFill()(*given)
            return first[:, frames], second[:, frames]
        return self._completed([flow[:, frames] for flow in given])

    def _completed(self, given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        completion = self._net(*given, steps=self._steps) if self._updates else self._net(*given)
        self._made = len(completion.forward) - 1 if self._updates else None
        return completion.forward[-1], completion.backward[-1]

    def describe(self) -> dict[str, Any]:
        """Return its entries in the summary; `steps` is the number of updates, None for a net without updates."""
        return {**super().describe(), "checkpoint": str(self._checkpoint), "steps": self._made}


def complete_flow(hole: NDArray[np.bool_], steps: list[Step], complete: Completion) -> tuple[Tensor, Tensor, bool]:
    """Hide the estimated flow in and around holes, and complete it.

    There is no flow beyond the ends of a clip: the last forward flow is minus the backward flow of the same frame, and
    the first backward flow is minus the forward flow.

    Args:
        hole: `T H W`.
        steps: T - 1 flows, from each frame to the next.
        complete: completes the flow.

    Returns:
        The forward and the backward flow, `T 2 H W`, and whether they were filled harmonically because the result of
        `complete` was not finite.
    """
    ahead, back = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2) for part in zip(*steps, strict=True))
    forward, backward = torch.cat([ahead, -back[-1:]]), torch.cat([-ahead[:1], back])
    near = torch.from_numpy(np.stack([grown(frame, MARGIN) for frame in hole]))[:, None].float()
    hidden = hidden_vectors(near, forward, backward, "strict")
    hidden[-1, 0], hidden[0, 1] = hidden[-1, 1], hidden[0, 0]
    given = [part[None].float() for part in (forward, backward, hidden)]
    with torch.inference_mode():
        filled = complete(*given)
        if broken := not all(flow.isfinite().all() for flow in filled):
            filled = HarmonicFill()(*given)
    return filled[0][0], filled[1][0], broken
