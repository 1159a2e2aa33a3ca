"""Regenerated fills that lose fine detail: by resampling, low-pass filtering, or averaging over blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from scipy import fft

from outpaint_lightning.forge.fills.regeneration import Frame, FrameByFrame
from outpaint_lightning.forge.parts import Parameters

KERNELS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}
"""Interpolation methods of OpenCV; only `area` averages when frames shrink."""


@dataclass(frozen=True)
class Resample(FrameByFrame):
    """Scales down and up again, with optional sharpening: like a generator that works at a smaller size.

    Attributes:
        factor: smallest and largest factor by which sides shrink.
        down: interpolation methods for shrinking, from `KERNELS`.
        up: interpolation methods for enlarging.
        sharpen: smallest and largest share of the detail finer than a pixel of the small frame that is added again.
    """

    name = "resample"
    limits: ClassVar = {"foreign": (0, 1), "factor": (1.01, 16), "sharpen": (0, 4)}

    factor: tuple[float, float] = (1.5, 4.0)
    down: tuple[str, ...] = ("area", "linear", "cubic", "lanczos")
    up: tuple[str, ...] = ("linear", "cubic", "lanczos")
    sharpen: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Check the kernels."""
        super().__post_init__()
        for option in ("down", "up"):
            kernels = getattr(self, option)
            if isinstance(kernels, str) or not kernels or not set(kernels) <= set(KERNELS):
                raise ValueError(f"{option} {kernels!r}: expected a list of some of {', '.join(KERNELS)}")

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `factor`, `down`, `up` and `sharpen`."""
        return {
            "factor": float(rng.uniform(*self.factor)),
            "down": self.down[rng.integers(len(self.down))],
            "up": self.up[rng.integers(len(self.up))],
            "sharpen": float(rng.uniform(*self.sharpen)),
        }

    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return a resampled frame."""
        height, width = frame.shape[:2]
        small = [max(2, round(side / params["factor"])) for side in (width, height)]
        shrunk = cv2.resize(frame, small, interpolation=KERNELS[params["down"]])
        soft = cv2.resize(shrunk, (width, height), interpolation=KERNELS[params["up"]])
        detail = soft - cv2.GaussianBlur(soft, (0, 0), params["factor"] / 2)
        return np.asarray(soft + params["sharpen"] * detail, np.float32)


@dataclass(frozen=True)
class LowPass(FrameByFrame):
    """Removes the highest frequencies with a Butterworth filter, from soft to very steep.

    Attributes:
        cutoff: smallest and largest frequency at which half the power is left, in cycles per pixel; 0.5 is the highest.
        order: smallest and largest order of the filter; higher is steeper.
    """

    name = "low-pass"
    limits: ClassVar = {"foreign": (0, 1), "cutoff": (0.01, 0.7), "order": (1, 100)}

    cutoff: tuple[float, float] = (0.15, 0.4)
    order: tuple[int, int] = (1, 8)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `cutoff` and `order`."""
        return {"cutoff": float(rng.uniform(*self.cutoff)), "order": int(rng.integers(*self.order, endpoint=True))}

    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return a filtered frame; it is mirrored at the edge."""
        height, width = frame.shape[:2]
        # The k-th of the n cosines of a mirrored signal with n samples has k / 2n cycles per sample.
        radius = np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width))
        gain = 1 / np.sqrt(1 + (radius / params["cutoff"]) ** (2 * params["order"]))
        spectrum = fft.dctn(frame, axes=(0, 1), norm="ortho") * gain[..., None].astype(np.float32)
        return np.asarray(fft.idctn(spectrum, axes=(0, 1), norm="ortho"), np.float32)


@dataclass(frozen=True)
class BlockAverage(FrameByFrame):
    """Averages over blocks, keeps part of the detail and adds a faint repeated pattern, like a latent grid.

    Attributes:
        size: smallest and largest side of a block in pixels; powers of two.
        detail: smallest and largest share of the detail within blocks that is kept.
        pattern: smallest and largest deviation, in grey levels, of a pattern that is the same in every block and frame.
    """

    name = "block-average"
    limits: ClassVar = {"foreign": (0, 1), "detail": (0, 1), "pattern": (0, 64), "size": (2, 64)}

    size: tuple[int, int] = (2, 8)
    detail: tuple[float, float] = (0.3, 0.9)
    pattern: tuple[float, float] = (0.0, 1.5)

    def __post_init__(self) -> None:
        """Check the sizes."""
        super().__post_init__()
        if any(side & (side - 1) for side in self.size):
            raise ValueError(f"size {self.size}: expected two powers of two")

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `size`, the grid's `offset` (y, x), `detail`, `pattern`, its `seed`, and `smooth` averages or not."""
        least, greatest = (side.bit_length() - 1 for side in self.size)
        size = 2 ** int(rng.integers(least, greatest, endpoint=True))
        return {
            "size": size,
            "offset": rng.integers(size, size=2).tolist(),
            "detail": float(rng.uniform(*self.detail)),
            "pattern": float(rng.uniform(*self.pattern)),
            "seed": int(rng.integers(2**31)),
            "smooth": bool(rng.random() < 0.8),
        }

    def remake(self, frame: Frame, params: Parameters) -> Frame:
        """Return a frame averaged over blocks."""
        size, (top, left) = params["size"], params["offset"]
        height, width = frame.shape[:2]
        after = [(-(side + before)) % size for side, before in ((height, top), (width, left))]
        tile = np.random.default_rng(params["seed"]).normal(0, params["pattern"], (size, size, 3)).astype(np.float32)
        padded = np.pad(frame, ((top, after[0]), (left, after[1]), (0, 0)), mode="edge")
        rows, columns = (side // size for side in padded.shape[:2])
        means = padded.reshape(rows, size, columns, size, 3).mean((1, 3))
        how = cv2.INTER_LINEAR if params["smooth"] else cv2.INTER_NEAREST
        coarse = cv2.resize(means, padded.shape[1::-1], interpolation=how)
        result = coarse + params["detail"] * (padded - coarse) + np.tile(tile, (rows, columns, 1))
        return np.asarray(result[top : top + height, left : left + width], np.float32)
