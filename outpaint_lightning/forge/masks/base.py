"""The interface of every mask sampler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import Footage, Parameters, Part

AREA = 0.02, 0.6  # share of the frame, averaged over a clip: less shows nothing, more leaves too little known


class MaskSampler(Part, ABC):
    """Samples a still or moving region: never the whole frame, and empty only where a moving object is not visible."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw the region of a clip; it reads only the footage's shape and, if the sampler needs them, its objects."""

    @abstractmethod
    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `T H W` for sampled parameters, True where pixels are forged."""


def path(start: list[int], stop: list[int], frames: int) -> NDArray[np.int64]:
    """Return integer positions `frames n` on the straight path from `start` to `stop`."""
    return np.rint(np.linspace(start, stop, frames)).astype(np.int64)


def largest(fits: Callable[[float], bool], most: float) -> float:
    """Find the largest scale that fits, by bisection; return `most` if that fits, 0 if no scale fits.

    Args:
        fits: returns whether a scale is small enough.
        most: the largest scale; the result is exact to 1 / 16384 of it.
    """
    if fits(most):
        return most
    low, high = 0.0, most
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
