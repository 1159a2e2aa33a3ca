"""What every mask sampler promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import Footage, Parameters, Part

AREA = 0.02, 0.6  # of the frame, on average over a clip: less shows nothing, more leaves nothing to compare with


class MaskSampler(Part, ABC):
    """Samples a region, still or moving: never the whole frame, and empty only where a moving object is away."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw the region of a clip; only its shape and, for a part that needs them, its objects are looked at."""

    @abstractmethod
    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `T H W` of sampled parameters, True where pixels are forged."""


def path(start: list[int], stop: list[int], frames: int) -> NDArray[np.int64]:
    """Return the whole-pixel positions `frames n` on the straight way from `start` to `stop`."""
    return np.rint(np.linspace(start, stop, frames)).astype(np.int64)


def largest(fits: Callable[[float], bool], most: float) -> float:
    """Return a scale that fits next to one that does not, by bisection; `most` where it fits, 0 where none does.

    Args:
        fits: Whether a scale is small enough.
        most: The largest scale; the result is exact to 1 / 16384 of it.
    """
    if fits(most):
        return most
    low, high = 0.0, most
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
