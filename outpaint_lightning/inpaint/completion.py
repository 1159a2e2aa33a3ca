"""What completes optical flow where a hole hides it: a fill, or the refiner of a checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outpaint_lightning.inpaint.holes import grown
from outpaint_lightning.motion.hidden import hidden_vectors
from outpaint_lightning.nets.flow.fills import BiharmonicFill, HarmonicFill, InertiaFill, NearestFill, ZeroFill
from outpaint_lightning.types import InputError, did_you_mean

FILLS: dict[str, type[nn.Module]] = {
    "harmonic": HarmonicFill,
    "biharmonic": BiharmonicFill,
    "nearest": NearestFill,
    "inertia": InertiaFill,
    "zero": ZeroFill,
}
MARGIN = 8  # pixels around a hole where the estimated flow depends on what lies in it: DIS compares 8 x 8 pixels

Step = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The flow from a frame to the next, and back from that one: `H W 2` each, in pixels, x first."""


class Completion(ABC):
    """Completes flow on a device.

    Args:
        device: where it computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def __call__(self, forward: Tensor, backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the forward and the backward flow, completed.

        Args:
            forward: float32 `B T 2 H W`, pixels, x first.
            backward: the same, from each frame to the one before.
            hidden: `B T 2 H W`, 1 where a vector is not known; channel 0 is of `forward`, 1 of `backward`.
        """

    def describe(self) -> dict[str, Any]:
        """Return what the summary says of it."""
        return {"checkpoint": None, "fill": None, "steps": None, "flow": "DIS", "device": str(self.device)}


class FillCompletion(Completion):
    """Completion by one of `FILLS`.

    Args:
        name: of the fill.
        device: where it computes.

    Raises:
        InputError: there is no such fill.
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
        """Return what the summary says of it."""
        return {**super().describe(), "fill": self._name}


class RefinerCompletion(Completion):
    """Completion by the refiner of a checkpoint.

    Args:
        checkpoint: for the summary.
        task: the `FlowRefinementTask` that it holds.
        steps: updates of the refiner; None takes the checkpoint's number.
        device: where it computes.
    """

    def __init__(self, checkpoint: Path, task: Any, steps: int | None, device: torch.device) -> None:
        super().__init__(device)
        self._checkpoint = checkpoint
        self._net = task.net.to(device)
        self._steps = task.test_steps if steps is None else steps
        self._made: int | None = None

    def __call__(self, forward: Tensor, backward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """See `Completion`."""
        given = (flow.to(self.device) for flow in (forward, backward, hidden))
        refinement = self._net(*given, steps=self._steps)
        self._made = len(refinement.forward) - 1
        return refinement.forward[-1], refinement.backward[-1]

    def describe(self) -> dict[str, Any]:
        """Return what the summary says of it; `steps` are those that were made."""
        return {**super().describe(), "checkpoint": str(self._checkpoint), "steps": self._made}


def complete_flow(hole: NDArray[np.bool_], steps: list[Step], complete: Completion) -> tuple[Tensor, Tensor, bool]:
    """Hide what was estimated of the flow in holes and complete it.

    There is no flow beyond the ends of a clip: the last forward flow is minus the backward flow of the same frame, the
    first backward flow minus the forward one.

    Args:
        hole: `T H W`.
        steps: T - 1, from each frame to the next.
        complete: completes the flow.

    Returns:
        The forward and the backward flow, `T 2 H W`, and whether they had to be filled harmonically, as what `complete`
        gave is not finite.
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
