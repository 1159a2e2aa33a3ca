"""Regenerated fills that change the noise: they remove it, replace it or quantise it on another grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from outpaint_lightning.forge.fills.regeneration import Frame, FrameByFrame, Frames, Regeneration
from outpaint_lightning.forge.parts import Parameters


@dataclass(frozen=True)
class Denoise(FrameByFrame):
    """Denoises each frame with a bilateral, median or edge-preserving filter: flat regions become smooth, edges stay.

    Attributes:
        methods: keys of `DENOISERS` to choose from.
        strength: smallest and largest difference, in grey levels, that counts as noise.
    """

    name = "denoise"
    limits: ClassVar = {"foreign": (0, 1), "strength": (0.1, 255)}

    methods: tuple[str, ...] = ("bilateral", "median", "edge-preserving")
    strength: tuple[float, float] = (8.0, 30.0)

    def __post_init__(self) -> None:
        """Check the methods."""
        super().__post_init__()
        if isinstance(self.methods, str) or not self.methods or not set(self.methods) <= set(DENOISERS):
            raise ValueError(f"methods {self.methods!r}: expected a list of some of {', '.join(DENOISERS)}")

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `method` and `strength`."""
        return {"method": self.methods[rng.integers(len(self.methods))], "strength": float(rng.uniform(*self.strength))}

    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return a denoised frame."""
        return DENOISERS[params["method"]](frame, params["strength"])


def _bilateral(frame: Frame, strength: float) -> Frame:
    return np.asarray(cv2.bilateralFilter(frame, 5, strength, 2.0), np.float32)


def _median(frame: Frame, strength: float) -> Frame:
    """Move each pixel towards the median of its 3x3 neighbours, by at most `strength`."""
    return np.asarray(frame + np.clip(cv2.medianBlur(frame, 3) - frame, -strength, strength), np.float32)


def _edge_preserving(frame: Frame, strength: float) -> Frame:
    smoothed = cv2.edgePreservingFilter(
        np.clip(frame, 0, 255).astype(np.uint8), None, cv2.RECURS_FILTER, 6, strength / 255
    )
    return np.asarray(smoothed, np.float32)


DENOISERS = {"bilateral": _bilateral, "median": _median, "edge-preserving": _edge_preserving}
"""Functions from a frame `H W 3` and a strength in grey levels to the denoised frame."""


@dataclass(frozen=True)
class Renoise(Regeneration):
    """Replaces the finest detail by other noise, independent in each frame or the same in all.

    Attributes:
        smoothing: smallest and largest deviation of the Gaussian that removes the noise, in pixels.
        deviation: smallest and largest standard deviation of the new noise, in grey levels.
        grain: smallest and largest deviation of a Gaussian that blurs the noise, in pixels; its strength does not
            change.
        still: probability that every frame has the same noise.
    """

    name = "renoise"
    limits: ClassVar = {
        "foreign": (0, 1), "smoothing": (0.1, 16), "deviation": (0, 64), "grain": (0, 16), "still": (0, 1),
    }  # fmt: skip

    smoothing: tuple[float, float] = (0.5, 1.2)
    deviation: tuple[float, float] = (0.5, 5.0)
    grain: tuple[float, float] = (0.0, 1.0)
    still: float = 0.3

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `smoothing`, `deviation`, `grain`, whether it is `still`, the share that is `grey`, and the `seed`."""
        return {
            "smoothing": float(rng.uniform(*self.smoothing)),
            "deviation": float(rng.uniform(*self.deviation)),
            "grain": float(rng.uniform(*self.grain)),
            "still": bool(rng.random() < self.still),
            "grey": float(rng.uniform()),
            "seed": int(rng.integers(2**31)),
        }

    def regenerate(self, frames: Frames, params: Parameters) -> Iterator[Frame]:
        """Yield each frame, smoothed and with new noise."""
        rng = np.random.default_rng(params["seed"])
        noise = None
        for frame in frames:
            if noise is None or not params["still"]:
                noise = _noise(rng, frame.shape[:2], params)
            yield cv2.GaussianBlur(frame.astype(np.float32), (0, 0), params["smoothing"]) + noise


def _noise(rng: np.random.Generator, size: tuple[int, ...], params: Parameters) -> Frame:
    """Return noise `H W 3` with the drawn deviation; the share `grey` of its power is the same in all colours."""
    grey, colour = rng.standard_normal((*size, 1), np.float32), rng.standard_normal((*size, 3), np.float32)
    noise = np.sqrt(params["grey"]) * grey + np.sqrt(1 - params["grey"]) * colour
    if params["grain"] > 0.1:  # pixels; a smaller blur has no effect
        noise = cv2.GaussianBlur(noise, (0, 0), params["grain"])
        noise /= noise.std() + 1e-6
    return np.asarray(params["deviation"] * noise, np.float32)


@dataclass(frozen=True)
class Recompress(FrameByFrame):
    """Passes each frame through a JPEG whose block grid is shifted against the frame's.

    Attributes:
        quality: lowest and highest quality, 1 to 100.
    """

    name = "recompress"
    limits: ClassVar = {"foreign": (0, 1), "quality": (1, 100)}

    quality: tuple[int, int] = (40, 92)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `quality` and the blocks' `offset` (y, x), not both 0."""
        shift = int(rng.integers(1, 64))
        return {"quality": int(rng.integers(*self.quality, endpoint=True)), "offset": [shift // 8, shift % 8]}

    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return a decoded frame."""
        top, left = params["offset"]
        height, width = frame.shape[:2]
        padded = np.pad(frame, ((top, 0), (left, 0), (0, 0)), mode="reflect")[..., ::-1]
        shown = np.rint(padded.clip(0, 255)).astype(np.uint8)
        _, file = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, params["quality"]])
        decoded = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
        return np.asarray(decoded, np.float32)[top : top + height, left : left + width]
