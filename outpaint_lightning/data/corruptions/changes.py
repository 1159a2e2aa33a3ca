"""Corruptions that change pixel values and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Parameters


class FrameChange(ClipFreePart, ABC):
    """Changes pixel values only: labels, sizes and the number of frames stay. It is used like a `Chain`."""

    def check(self, height: int, width: int) -> None:
        """Accept frames of any size."""

    def size(
        self,
        frames: int,
        height: int,
        width: int,
        params: Parameters,  # noqa: ARG002 - the size never depends on what was drawn
    ) -> tuple[int, int, int]:
        """Return the number and size of the frames unchanged."""
        return frames, height, width

    def prepare(
        self,
        frames: NDArray[np.uint8],
        mask: NDArray[np.bool_] | None,
        params: Parameters,  # noqa: ARG002 - as above
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Return frames and label unchanged."""
        return frames, mask

    @abstractmethod
    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return the changed frames, `T H W 3`.

        Args:
            frames: `T H W 3`; not modified.
            fps: frames per second.
            params: the result of `sample`.
        """


@dataclass(frozen=True)
class Blur(FrameChange):
    """Blur every frame with a Gaussian, like a lens out of focus; the border is mirrored.

    Attributes:
        sigma: smallest and largest standard deviation in pixels, above 0.
    """

    name = "blur"

    sigma: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        """Check the options."""
        _require("sigma", self.sigma, 0.01, 100)  # below 0.01 pixels nothing changes, and OpenCV refuses 0

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `sigma`."""
        return {"sigma": float(rng.uniform(*self.sigma))}

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - each frame by itself
        params: Parameters,
    ) -> NDArray[np.uint8]:
        """Return the blurred frames."""
        return np.stack([cv2.GaussianBlur(frame, (0, 0), params["sigma"]) for frame in frames])


@dataclass(frozen=True)
class Noise(FrameChange):
    """Add Gaussian noise, independent per frame and colour, like a sensor in the dark; round and clip the result.

    Attributes:
        deviation: smallest and largest standard deviation, in grey levels from 0 to 255.
    """

    name = "noise"

    deviation: tuple[float, float] = (5.0, 5.0)

    def __post_init__(self) -> None:
        """Check the options."""
        _require("deviation", self.deviation, 0, 255)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `deviation` and the `seed` of the noise."""
        return {"deviation": float(rng.uniform(*self.deviation)), "seed": int(rng.integers(2**63))}

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - noise has no memory
        params: Parameters,
    ) -> NDArray[np.uint8]:
        """Return the noisy frames."""
        rng = np.random.default_rng(params["seed"])
        noisy = np.empty_like(frames)
        for index, frame in enumerate(frames):  # one at a time: the noise of a clip takes four times its memory
            noise = rng.standard_normal(frame.shape, np.float32) * np.float32(params["deviation"])
            noisy[index] = np.rint(frame + noise).clip(0, 255)
        return noisy


def _require(name: str, limits: tuple[float, float], lowest: float, highest: float) -> None:
    low, high = limits
    if not lowest <= low <= high <= highest:
        raise ValueError(f"{name} {low:g} to {high:g}: expected a range within {lowest:g} to {highest:g}")
