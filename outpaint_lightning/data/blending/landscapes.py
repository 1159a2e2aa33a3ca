"""Random landscapes of sky, ridges and grass, each with its own horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks.occlusions import cloud_field

Colour = tuple[float, float, float]
DAYLIGHT = (((0.25, 0.45, 0.80), (0.75, 0.85, 0.95)), ((0.35, 0.30, 0.55), (0.95, 0.65, 0.45)),
            ((0.50, 0.55, 0.62), (0.80, 0.82, 0.84)))  # fmt: skip
"""Colours of the sky at the top and at the horizon: noon, evening, overcast."""
GROUND = ((0.30, 0.45, 0.18), (0.55, 0.48, 0.25), (0.42, 0.42, 0.38))
"""Colours of the ground: grass, straw, gravel."""
CLOUD: Colour = (0.96, 0.95, 0.94)
ROUGHNESS = 1.6  # amplitudes of a ridge fall with frequency as f^-1.6
BLADES = 0.16  # strength of the grass texture in the foreground


@dataclass(frozen=True)
class Landscape:
    """The parameters of a random landscape.

    Attributes:
        seed: seed of clouds, ridges and grass.
        horizon: position of the horizon, from 0 (top) to 1 (bottom).
        sky: colours at the top and at the horizon.
        ground: colour of the ground in the foreground.
        cover: amount of clouds, from -1 (none) to 1.
        ridges: heights of the ridges above the horizon, as shares of the image height, the farthest first.

    Example:
        >>> Landscape.sample(np.random.default_rng(0)).draw(48, 144).shape
        (48, 144, 3)
    """

    seed: int
    horizon: float
    sky: tuple[Colour, Colour]
    ground: Colour
    cover: float
    ridges: tuple[float, ...]

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw random parameters."""
        sky = DAYLIGHT[rng.integers(len(DAYLIGHT))]
        shade = rng.uniform(0.85, 1.1)
        return cls(
            seed=int(rng.integers(2**31)),
            horizon=float(rng.uniform(0.35, 0.7)),
            sky=(_shaded(sky[0], shade), _shaded(sky[1], shade)),
            ground=_shaded(GROUND[rng.integers(len(GROUND))], shade),
            cover=float(rng.uniform(-1, 0.6)),
            ridges=tuple(rng.uniform((0.12, 0.04), (0.25, 0.12)).tolist()[: rng.integers(1, 3)]),
        )

    def draw(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the rendered landscape, uint8 `height width 3`."""
        rng = np.random.default_rng(self.seed)
        y = (np.arange(height) + 0.5)[:, None] / height
        picture = self._sky(y, width)
        haze, ground = np.array(self.sky[1]), np.array(self.ground)
        for number, rise in enumerate(self.ridges):
            line = self.horizon - rise * (0.6 + 0.4 * _ridge(rng, width))
            colour = haze + (ground * 0.7 - haze) * (number + 1) / (len(self.ridges) + 1)
            picture = np.where((y > line)[..., None], colour, picture)
        near = ((y - self.horizon) / (1 - self.horizon)).clip(0, 1)[..., None]
        floor = haze * 0.3 + ground * 0.7 + (ground - haze) * 0.3 * near
        floor = floor + BLADES * (0.3 + near) * _grass(rng, height, width)[..., None] * near**0.5
        picture = np.where((y > self.horizon)[..., None], floor, picture)
        return (picture.clip(0, 1) * 255).round().astype(np.uint8)

    def _sky(self, y: NDArray[np.float64], width: int) -> NDArray[np.float64]:
        """Return the sky for the whole picture."""
        top, low = np.array(self.sky[0]), np.array(self.sky[1])
        depth = (y / self.horizon).clip(0, 1)[..., None]
        field = cloud_field(self.seed, 2 * len(y), 2 * width)[: len(y), :width]
        cover = (0.5 * (field / field.std() + self.cover)).clip(0, 0.9)[..., None] * (1 - 0.6 * depth)
        clear = top + (low - top) * depth
        clouded: NDArray[np.float64] = clear + (np.array(CLOUD) - clear) * cover
        return clouded


def _shaded(colour: Colour, shade: float) -> Colour:
    red, green, blue = (min(1.0, shade * part) for part in colour)
    return red, green, blue


def _ridge(rng: np.random.Generator, width: int) -> NDArray[np.float64]:
    """Return the height of a ridge in each column, in [-1, 1]. The ridge is not periodic."""
    frequencies = np.fft.rfftfreq(2 * width)
    frequencies[0] = np.inf  # gives the line a mean of 0
    waves = np.fft.rfft(rng.standard_normal(2 * width)) * frequencies**-ROUGHNESS
    line = np.fft.irfft(waves)[:width]
    scaled: NDArray[np.float64] = line / np.abs(line).max()
    return scaled


def _grass(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Return noise that is correlated with the pixel above and with the pixel on the left, like blades of grass."""
    noise = rng.standard_normal((height, width))
    blades: NDArray[np.float64] = (noise + np.roll(noise, 1, 0) + 0.5 * np.roll(noise, 1, 1)) / 1.5
    return blades
