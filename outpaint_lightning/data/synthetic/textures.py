"""Textures for the layers of a scene: parts of photographs, and patterns.

Half of the textures are photographs that scikit-image ships in its package (public domain or CC0). They are read as
files, so scikit-image itself is never imported.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import read_image
from outpaint_lightning.types import InputError

PHOTOS = (
    "astronaut.png", "brick.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
PHOTO_SHARE = 0.5  # share of the layers that show a photograph

Image = NDArray[np.float32]
"""`H W 3` RGB in [0, 1]."""


class Texture(ABC):
    """The appearance of a layer."""

    @abstractmethod
    def draw(self, height: int, width: int) -> Image:
        """Return the texture on a canvas of this size."""


@dataclass(frozen=True)
class Photo(Texture):
    """A part of a photograph.

    Attributes:
        name: one of `PHOTOS`.
        zoom: 0 shows the photograph's own pixels, 1 shows as much of the photograph as fits the canvas.
        at: position of the part, x and y, from 0 (left, top) to 1.
        turns: number of quarter turns.
        gain: factors of red, green and blue.
    """

    name: str
    zoom: float
    at: tuple[float, float]
    turns: int
    gain: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, names: Sequence[str]) -> Self:
        """Draw a part of one of the photographs `names`."""
        name = str(rng.choice(names))
        gain = rng.uniform(0.65, 1.15, 3)
        return cls(name, rng.random(), pair(rng.random(2)), int(rng.integers(4)), _triple(gain))

    def draw(self, height: int, width: int) -> Image:
        """Return the part; it is reduced by area averaging."""
        photo = np.rot90(_photo(self.name), self.turns)
        fit = min(photo.shape[0] / height, photo.shape[1] / width)
        scale = fit ** (self.zoom if fit > 1 else 1)
        part = round(height * scale), round(width * scale)
        left, top = (
            round(at * max(0, whole - taken))
            for at, whole, taken in zip(self.at, photo.shape[1::-1], part[::-1], strict=True)
        )
        crop = photo[top : top + part[0], left : left + part[1]]
        drawn = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
        picture: Image = (drawn * np.array(self.gain, np.float32) / 255).clip(0, 1).astype(np.float32)
        return picture


@dataclass(frozen=True)
class Clouds(Texture):
    """Noise whose amplitude falls with frequency as `f^-roughness`: from woolly (1) to smooth (2).

    Attributes:
        seed: seed of the noise.
        roughness: the exponent.
        colours: colours from the lowest value to the highest.
    """

    seed: int
    roughness: float
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        return cls(seed_of(rng), rng.uniform(0.9, 1.9), _palette(rng))

    def draw(self, height: int, width: int) -> Image:
        """Return the clouds."""
        return _coloured(_clouds(self.seed, self.roughness, height, width), self.colours)


@dataclass(frozen=True)
class Waves(Texture):
    """Bent stripes.

    Attributes:
        period: distance from stripe to stripe, in pixels.
        angle: direction across the stripes, in radians.
        bend: amplitude of the bend, in radians of the stripes' phase, and its period in pixels.
        sharpness: 1 gives sine waves, larger values give edges.
        colours: colours from trough to crest.
    """

    period: float
    angle: float
    bend: tuple[float, float]
    sharpness: float
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        bend = rng.uniform(0, 4), rng.uniform(20, 80)
        return cls(rng.uniform(5, 30), rng.uniform(0, math.pi), bend, rng.uniform(1, 6), _palette(rng))

    def draw(self, height: int, width: int) -> Image:
        """Return the waves."""
        across, along = _turned_grid(self.angle, height, width)
        phase = 2 * math.pi * across / self.period + self.bend[0] * np.sin(2 * math.pi * along / self.bend[1])
        return _coloured(0.5 + 0.5 * np.tanh(self.sharpness * np.sin(phase)) / math.tanh(self.sharpness), self.colours)


@dataclass(frozen=True)
class Tiles(Texture):
    """A wall of tiles, each with its own colour, with joints between them and stains over them.

    Attributes:
        size: width and height of a tile, in pixels.
        joint: width of the joints, in pixels.
        shift: shift of each row relative to the one above, as a fraction of a tile.
        angle: angle of the rows, in radians.
        seed: seed of the tiles' colours and of the stains.
        colours: colours from the joints to the lightest tile.
    """

    size: tuple[float, float]
    joint: float
    shift: float
    angle: float
    seed: int
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        size, shift = pair(rng.uniform(7, 36, 2)), float(rng.choice([0, 0.5]))
        return cls(size, rng.uniform(1, 3), shift, rng.uniform(0, math.pi), seed_of(rng), _palette(rng))

    def draw(self, height: int, width: int) -> Image:
        """Return the wall."""
        x, y = _turned_grid(self.angle, height, width)
        row = np.floor(y / self.size[1])
        column = np.floor(x / self.size[0] + self.shift * row)
        tones = np.random.default_rng(self.seed).uniform(0.25, 1, (64, 64))
        value = tones[row.astype(int) % 64, column.astype(int) % 64]
        inside_x = (x / self.size[0] + self.shift * row - column) * self.size[0] >= self.joint
        inside_y = y - row * self.size[1] >= self.joint
        stains = 0.3 * (_clouds(self.seed, 1.2, height, width) - 0.5)
        return _coloured(np.clip(value * (inside_x & inside_y) + stains, 0, 1), self.colours)


@dataclass(frozen=True)
class Cells(Texture):
    """Cracked ground: the Voronoi cells of random points, each with its own colour, and dark edges.

    Attributes:
        size: mean distance between the points, in pixels.
        seed: seed of points and colours.
        colours: colours from the cracks to the lightest cell.
    """

    size: float
    seed: int
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        return cls(rng.uniform(6, 24), seed_of(rng), _palette(rng))

    def draw(self, height: int, width: int) -> Image:
        """Return the ground."""
        rng = np.random.default_rng(self.seed)
        free = (rng.random((height, width)) > self.size**-2).astype(np.uint8)
        free[height // 2, width // 2] = 0  # at least one point
        _, label = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        cracks = cv2.morphologyEx(label.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
        value = rng.uniform(0.3, 1, label.max() + 1)[label] * np.where(cracks, 0.3, 1)
        stains = 0.3 * (_clouds(self.seed, 1.2, height, width) - 0.5)
        return _coloured(np.clip(value + stains, 0, 1), self.colours)


PATTERNS: tuple[type[Clouds | Waves | Tiles | Cells], ...] = (Clouds, Waves, Tiles, Cells)


def sample_texture(rng: np.random.Generator, photos: Sequence[str]) -> Texture:
    """Draw a texture: a part of one of the photographs `photos` (unless it is empty), or a pattern."""
    if photos and rng.random() < PHOTO_SHARE:
        return Photo.sample(rng, photos)
    return PATTERNS[rng.integers(len(PATTERNS))].sample(rng)


def _clouds(seed: int, roughness: float, height: int, width: int) -> NDArray[np.float64]:
    """Return noise `H W` in [0, 1] with the amplitude spectrum `f^-roughness`."""
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(white * frequency**-roughness, (height, width))
    low, high = np.quantile(noise, [0.01, 0.99])
    value: NDArray[np.float64] = ((noise - low) / (high - low)).clip(0, 1)
    return value


Palette = tuple[tuple[float, float, float], ...]
"""RGB colours in [0, 1] at equal distances along values from 0 to 1."""


def _palette(rng: np.random.Generator) -> Palette:
    """Draw a dark, a middle and a light colour."""
    return tuple(_triple((tone + rng.uniform(-0.3, 0.3, 3)).clip(0.02, 0.98)) for tone in (0.2, 0.5, 0.8))


def _coloured(value: NDArray[np.float64], colours: Palette) -> Image:
    """Turn values `H W` in [0, 1] into colours `H W 3`."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(value, stops, channel) for channel in np.transpose(colours)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _turned_grid(angle: float, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates of each pixel along a direction and across it, each `H W`."""
    y, x = np.mgrid[:height, :width]
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


@lru_cache(maxsize=len(PHOTOS))
def _photo(name: str) -> NDArray[np.uint8]:
    package = find_spec("skimage")
    folders = [] if package is None else package.submodule_search_locations or []
    path = next((path for folder in folders if (path := Path(folder, "data", name)).is_file()), None)
    if path is None:
        raise InputError(f"{name}: not found in the package scikit-image; expected skimage/data/{name} of its wheel")
    return read_image(path)


def seed_of(rng: np.random.Generator) -> int:
    """Draw a seed."""
    return int(rng.integers(2**31))


def pair(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return two values as plain numbers."""
    return float(values[0]), float(values[1])


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
