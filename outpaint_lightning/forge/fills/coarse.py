"""Regenerated fills that lose fine detail: resampled, band-limited, averaged over blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from outpaint_lightning.forge.fills.regeneration import Pixels, Regeneration
from outpaint_lightning.forge.parts import Parameters

KERNELS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "area": cv2.INTER_AREA,
}
"""How OpenCV resizes; only `area` averages when frames shrink."""


@dataclass(frozen=True)
class Resample(Regeneration):
    """Scaled down and up again, sharpened or not: a generator that works at a smaller size.

    Attributes:
        factor: Least and greatest factor by which sides shrink.
        down: Kernels to shrink with, of `KERNELS`.
        up: Kernels to enlarge with.
        sharpen: Least and greatest share of the detail finer than a pixel of the small frame that is added again.
    """

    name = "resample"
    limits: ClassVar = {"foreign": (0, 1), "factor": (1.01, 16), "sharpen": (0, 4)}

    factor: tuple[float, float] = (1.25, 3.0)
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

    def regenerate(self, pixels: Pixels, params: Parameters) -> Pixels:
        """Return the frames resampled."""
        height, width = pixels.shape[1:3]
        small = [max(2, round(side / params["factor"])) for side in (width, height)]
        made = np.empty_like(pixels)
        for at, frame in enumerate(pixels):
            shrunk = cv2.resize(frame, small, interpolation=KERNELS[params["down"]])
            soft = cv2.resize(shrunk, (width, height), interpolation=KERNELS[params["up"]])
            made[at] = soft + params["sharpen"] * (soft - cv2.GaussianBlur(soft, (0, 0), params["factor"] / 2))
        return made


@dataclass(frozen=True)
class LowPass(Regeneration):
    """Without the highest frequencies: a Butterworth filter, from soft to nearly a wall.

    Attributes:
        cutoff: Least and greatest frequency at which half the power is left, in cycles a pixel; 0.5 is the highest.
        order: Softest and steepest.
    """

    name = "low-pass"
    limits: ClassVar = {"foreign": (0, 1), "cutoff": (0.01, 0.7), "order": (1, 100)}

    cutoff: tuple[float, float] = (0.15, 0.4)
    order: tuple[int, int] = (1, 8)

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `cutoff` and `order`."""
        return {"cutoff": float(rng.uniform(*self.cutoff)), "order": int(rng.integers(*self.order, endpoint=True))}

    def regenerate(self, pixels: Pixels, params: Parameters) -> Pixels:
        """Return the frames filtered; they are mirrored at the edge."""
        height, width = pixels.shape[1:3]
        # Of a mirrored signal of n samples, the k-th of n cosines has k / 2n cycles a sample.
        radius = np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width))
        gain = 1 / np.sqrt(1 + (radius / params["cutoff"]) ** (2 * params["order"]))
        spectrum = fft.dctn(pixels, axes=(1, 2), norm="ortho")
        return np.asarray(
            fft.idctn(spectrum * gain[..., None].astype(np.float32), axes=(1, 2), norm="ortho"), np.float32
        )


@dataclass(frozen=True)
class BlockAverage(Regeneration):
    """Averages over blocks of a grid, part of the detail and a faint pattern that repeats: what latent grids leave.

    Attributes:
        sizes: Sides of a block to choose from, pixels.
        detail: Least and greatest share of the detail within blocks that is kept.
        pattern: Least and greatest deviation, grey levels, of a pattern that is the same in every block and frame.
    """

    name = "block-average"
    limits: ClassVar = {"foreign": (0, 1), "detail": (0, 1), "pattern": (0, 64)}

    sizes: tuple[int, ...] = (2, 4, 8)
    detail: tuple[float, float] = (0.2, 0.8)
    pattern: tuple[float, float] = (0.0, 1.5)

    def __post_init__(self) -> None:
        """Check the sizes."""
        super().__post_init__()
        if not isinstance(self.sizes, tuple) or not self.sizes or not all(type(n) is int and n > 1 for n in self.sizes):
            raise ValueError(f"sizes {self.sizes!r}: expected a list of whole numbers above 1")

    def draw(self, rng: np.random.Generator) -> Parameters:
        """Draw `size`, the grid's `offset` (y, x), `detail`, `pattern` and its `seed`, and if averages are `smooth`."""
        size = self.sizes[rng.integers(len(self.sizes))]
        return {
            "size": size,
            "offset": rng.integers(size, size=2).tolist(),
            "detail": float(rng.uniform(*self.detail)),
            "pattern": float(rng.uniform(*self.pattern)),
            "seed": int(rng.integers(2**31)),
            "smooth": bool(rng.random() < 0.7),
        }

    def regenerate(self, pixels: Pixels, params: Parameters) -> Pixels:
        """Return the frames averaged."""
        size, (top, left) = params["size"], params["offset"]
        height, width = pixels.shape[1:3]
        after = [(-(side + before)) % size for side, before in ((height, top), (width, left))]
        tile = np.random.default_rng(params["seed"]).normal(0, params["pattern"], (size, size, 3)).astype(np.float32)
        padded = np.pad(pixels, ((0, 0), (top, after[0]), (left, after[1]), (0, 0)), mode="edge")
        rows, columns = (side // size for side in padded.shape[1:3])
        means = padded.reshape(len(pixels), rows, size, columns, size, 3).mean((2, 4))
        how = cv2.INTER_LINEAR if params["smooth"] else cv2.INTER_NEAREST
        coarse = np.stack([cv2.resize(mean, padded.shape[2:0:-1], interpolation=how) for mean in means])
        made: NDArray[np.float32] = coarse + params["detail"] * (padded - coarse) + np.tile(tile, (rows, columns, 1))
        return made[:, top : top + height, left : left + width]
