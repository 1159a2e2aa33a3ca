"""Regenerated fills that change a region over time: it flickers, or it is too steady."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.regeneration import Frame, Frames, Regeneration
from outpaint_lightning.forge.parts import Parameters

COARSE = 4  # cells per side of the brightness field


@dataclass(frozen=True)
class Flicker(Regeneration):
    """Changes brightness, softness and tint of every frame a little, locally and at random.

    Attributes:
        level: smallest and largest deviation of the change of brightness and colour, in grey levels.
        blur: smallest and largest deviation of the Gaussian of the softest frame, in pixels.
    """

    name = "flicker"
    limits: ClassVar = {"foreign": (0, 1), "level": (0.1, 64), "blur": (0.1, 16)}

    level: tuple[float, float] = (0.5, 3.0)
    blur: tuple[float, float] = (0.4, 1.0)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `level`, `blur` and the `seed` of the changes."""
        return {
            "level": float(rng.uniform(*self.level)),
            "blur": float(rng.uniform(*self.blur)),
            "seed": int(rng.integers(2**31)),
        }

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame with its own change."""
        rng = np.random.default_rng(params["seed"])
        height, width = frames.shape[1:3]
        for shown in frames:
            frame = shown.astype(np.float32)
            cells = rng.normal(0, params["level"], (COARSE, COARSE, 3)).astype(np.float32)
            field = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
            blurred = cv2.GaussianBlur(frame, (0, 0), params["blur"])
            yield frame + np.float32(rng.uniform()) * (blurred - frame) + field


@dataclass(frozen=True)
class TemporalSmooth(Regeneration):
    """Averages similar pixels over the frames before and after: noise and small changes disappear.

    A clip of one frame is smoothed over its neighbouring pixels in the same way.

    Attributes:
        reach: smallest and largest number of frames before and after.
        strength: smallest and largest difference, in grey levels, at which pixels count as similar.
    """

    name = "temporal-smooth"
    limits: ClassVar = {"foreign": (0, 1), "reach": (1, 16), "strength": (0.1, 255)}

    reach: tuple[int, int] = (1, 3)
    strength: tuple[float, float] = (6.0, 24.0)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `reach` and `strength`."""
        return {"reach": int(rng.integers(*self.reach, endpoint=True)), "strength": float(rng.uniform(*self.strength))}

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame averaged with its neighbours."""
        reach, total = params["reach"], len(frames)
        for now, frame in enumerate(frames):
            this = frame.astype(np.float32)
            near = [frames[t] for t in range(max(0, now - reach), min(total, now + reach + 1)) if t != now]
            yield _average(this, near or _neighbours(this), params["strength"])


def _neighbours(frame: Frame) -> list[Frame]:
    """Return a frame `H W 3` shifted by one pixel in each of four directions; its edge is repeated."""
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return [padded[y : y + height, x : x + width] for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]


def _average(frame: Frame, others: Sequence[NDArray[np.generic]], strength: float) -> Frame:
    """Average a frame `H W 3` with others; similar pixels have more weight: exp(-d^2 / 2 strength^2)."""
    total, weights = frame.copy(), np.ones(frame.shape[:2], np.float32)
    for each in others:
        other = each.astype(np.float32)
        # The difference is smoothed, so that noise alone does not make pixels dissimilar.
        difference: NDArray[np.float32] = cv2.blur(((frame - other) ** 2).mean(2), (3, 3))
        weight = np.exp(-difference / (2 * strength**2))
        total += weight[..., None] * other
        weights += weight
    return total / weights[..., None]
