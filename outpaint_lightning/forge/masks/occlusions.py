"""The occlusions of Yin et al., *Unsupervised Spatiotemporal Data Inpainting* (2019): rain, a bar, clouds, pixels.

Sizes are given for the paper's frames of 64 x 64 pixels. In other frames lengths and speeds scale with the shorter
side. Every process is memoryless: the mask of frame t depends on the parameters and t, not on the length of the clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks.base import AREA, MaskSampler
from outpaint_lightning.forge.parts import Footage, Parameters

SIDE = 64  # pixels per side of the frames for which sizes are given
SLOPE = -3  # exponent of the clouds' power spectrum: the mean |F|^2 at k cycles per pixel falls as k^-3


def _pixels(size: float, footage: Footage) -> int:
    """Return a length, given for a frame of `SIDE` pixels per side, in whole pixels of this footage, at least 1."""
    return max(1, round(size * min(footage.shape[1:]) / SIDE))


@dataclass(frozen=True)
class RainMask(MaskSampler):
    """Streaks that fall vertically at one speed; one that leaves at the bottom enters at the top in another column.

    A frame that is not square gets more streaks, in proportion to long side / short side, so the density is constant.

    Attributes:
        count: number of streaks on a frame of 64 x 64; fewer if they would cover more than 60 % of the frame.
        thickness: width of a streak on such a frame, in pixels.
        length: smallest and largest length of streaks on such a frame, in pixels; all streaks of a clip have one
            length.
        speed: speed of fall on such a frame, in pixels per frame.
    """

    name = "rain"
    limits: ClassVar = {"count": (1, math.inf), "thickness": (0.1, 16), "length": (1, 64)}

    count: int = 30
    thickness: float = 1.0
    length: tuple[float, float] = (6.0, 12.0)
    speed: float = 4.0

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `streaks` (x and y of each upper left pixel in frame 0), `thickness`, `length` and `speed`."""
        _, height, width = footage.shape
        thickness = min(_pixels(self.thickness, footage), width - 1)
        length = min(_pixels(rng.uniform(*self.length), footage), height)
        count = round(self.count * max(height, width) / min(height, width))
        room = int(AREA[1] * height * width) // (thickness * length)
        streaks = rng.integers(0, (width, height), size=(max(1, min(count, room)), 2))
        return {
            "streaks": streaks.tolist(),
            "thickness": thickness,
            "length": length,
            "speed": _pixels(self.speed, footage),
        }

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        _, height, width = footage.shape
        mask = np.zeros(footage.shape, dtype=bool)
        x, y = np.array(params["streaks"]).T[:, :, None, None]
        along, across = np.arange(params["length"])[:, None], np.arange(params["thickness"])
        # A shift by the golden section of the width: each fall of a pixel ends at a column not used before.
        aside = round(width * (np.sqrt(5) - 1) / 2)
        for index, hole in enumerate(mask):
            falls, row = np.divmod(y + params["speed"] * index + along, height)
            hole[row, (x + aside * falls + across) % width] = True
        return mask


@dataclass(frozen=True)
class BarMask(MaskSampler):
    """A bar from edge to edge that sweeps over the frame; it leaves on one side and enters on the other.

    Attributes:
        width: width of the bar, as a fraction of the frame's width.
        speed: distance from one frame to the next, in the same unit.
        level: probability that the bar is horizontal and moves up or down, in fractions of the frame's height, instead
            of vertical and moving left or right, as in the paper.
    """

    name = "bar"
    limits: ClassVar = {"width": AREA, "level": (0, 1)}

    width: float = 0.1
    speed: float = 0.05
    level: float = 0.5

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw `level`, `start` (first column or row in frame 0), `width` and `step` (pixels per frame, signed)."""
        level = bool(rng.random() < self.level)
        extent = footage.shape[1 if level else 2]
        return {
            "level": level,
            "start": int(rng.integers(0, extent)),
            "width": int(np.clip(np.rint(self.width * extent), 1, extent - 1)),
            "step": float(rng.choice((-1, 1)) * self.speed * extent),
        }

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        frames, height, width = footage.shape
        extent = height if params["level"] else width
        first = np.rint(params["start"] + params["step"] * np.arange(frames)).astype(np.int64)
        line = (np.arange(extent) - first[:, None]) % extent < params["width"]
        line = line[:, :, None] if params["level"] else line[:, None, :]
        return np.broadcast_to(line, footage.shape).copy()


@dataclass(frozen=True)
class CloudMask(MaskSampler):
    """Clouds: the highest values of a random field, which drifts with a constant wind.

    The field is periodic in the frame: what leaves on one side enters on the other, so every frame has exactly the
    drawn coverage. The wind moves it by whole pixels, rounded from wind x time.

    Attributes:
        coverage: smallest and largest fraction of the frame under clouds.
        wind: slowest and fastest wind on a frame of 64 x 64, in pixels per frame; its direction is uniform.
    """

    name = "clouds"
    limits: ClassVar = {"coverage": AREA}

    coverage: tuple[float, float] = (0.1, 0.4)
    wind: tuple[float, float] = (0.5, 2.0)

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw the `seed` of the field, `coverage`, and `wind` (x and y, pixels per frame)."""
        direction = rng.uniform(0, 2 * np.pi)
        wind = (
            rng.uniform(*self.wind) * min(footage.shape[1:]) / SIDE * np.array([np.cos(direction), np.sin(direction)])
        )
        return {
            "seed": int(rng.integers(2**32)),
            "coverage": float(rng.uniform(*self.coverage)),
            "wind": wind.round(3).tolist(),
        }

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        frames, height, width = footage.shape
        field = cloud_field(params["seed"], height, width)
        covered = int(np.clip(round(params["coverage"] * field.size), 1, field.size - 1))
        clouds = np.zeros(field.size, dtype=bool)
        clouds[np.argpartition(field, -covered, axis=None)[-covered:]] = True
        moved = np.rint(np.outer(np.arange(frames), params["wind"])).astype(np.int64)
        return np.stack([np.roll(clouds.reshape(height, width), (y, x), axis=(0, 1)) for x, y in moved])


@dataclass(frozen=True)
class RemovePixelsMask(MaskSampler):
    """Random single pixels, independent in every frame; all channels of a pixel together.

    It is meant for generators. A localizer learns little from it: forged pixels scattered like noise have neither an
    edge nor an interior, so it learns to detect the noise.

    Attributes:
        share: smallest and largest fraction of the pixels; the paper removes 60 %.
    """

    name = "remove-pixels"
    limits: ClassVar = {"share": AREA}

    share: tuple[float, float] = (0.3, 0.6)

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:  # noqa: ARG002 - same for all clips
        """Draw the `seed` and the `share`."""
        return {"seed": int(rng.integers(2**32)), "share": float(rng.uniform(*self.share))}

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`; each frame has exactly the share, rounded."""
        frames, height, width = footage.shape
        removed = int(np.clip(round(params["share"] * height * width), 1, height * width - 1))
        rng = np.random.default_rng(params["seed"])
        mask = np.zeros((frames, height * width), dtype=bool)
        for frame in mask:
            frame[rng.permutation(height * width)[:removed]] = True
        return mask.reshape(footage.shape)


def cloud_field(seed: int, height: int, width: int) -> NDArray[np.float64]:
    """Return a Gaussian random field `height width`, periodic and isotropic, whose power falls as k^-3.

    The amplitude of a wave with k cycles per pixel is k^-1.5 times that of white noise. The mean is 0.
    """
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    k = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    k[0, 0] = np.inf  # the mean is 0
    field: NDArray[np.float64] = np.fft.irfft2(noise * k ** (SLOPE / 2), s=(height, width))
    return field
