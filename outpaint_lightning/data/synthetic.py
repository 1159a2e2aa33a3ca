"""Synthetic clips: textured layers that move under a moving camera, seen by a sensor with noise.

A scene is sampled first, as plain parameters, and rendered afterwards. Each layer shows a texture on a canvas of its
own, and `Scene.poses` says where in each frame a point of that canvas lies; the frame is nothing but the layers laid
over each other at their poses, back to front. Every frame gets fresh sensor noise, as in a real camera: what a forger
fills in later has none of its own.

Half of the textures are photographs that scikit-image ships in its package (public domain or CC0); they are read as
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
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import read_image
from outpaint_lightning.types import InputError

Camera = Literal["still", "move", "panrot"]
CAMERAS: tuple[Camera, ...] = ("still", "move", "panrot")
PHOTOS = (
    "astronaut.png", "brick.png", "cell.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
    "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
PHOTO_SHARE = 0.5  # of the layers
MARGIN = 0.25  # of the frame, which the background reaches beyond it on every side; no camera moves further
REACH = 0.12  # of the frame, which a camera pans to either side
FASTEST = 3.0  # pixels a frame, of a panning camera along x and along y

Image = NDArray[np.float32]
"""`H W 3` RGB in [0, 1]."""


class Texture(ABC):
    """What a layer shows."""

    @abstractmethod
    def draw(self, height: int, width: int) -> Image:
        """Return the texture on a canvas of this size."""


@dataclass(frozen=True)
class Photo(Texture):
    """A part of a photograph.

    Attributes:
        name: one of `PHOTOS`.
        zoom: 0 shows the part at the photograph's own pixels, 1 as much of it as fits the canvas.
        at: where the part lies, x and y, from 0 (left, top) to 1.
        turns: quarter turns of the photograph.
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
        return cls(name, rng.random(), _pair(rng.random(2)), int(rng.integers(4)), _triple(gain))

    def draw(self, height: int, width: int) -> Image:
        """Return the part, made smaller by area averaging."""
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
        seed: of the noise.
        roughness: the exponent.
        colours: from the lowest value to the highest.
    """

    seed: int
    roughness: float
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        return cls(_seed(rng), rng.uniform(0.9, 1.9), _palette(rng))

    def draw(self, height: int, width: int) -> Image:
        """Return the clouds."""
        return _coloured(_clouds(self.seed, self.roughness, height, width), self.colours)


@dataclass(frozen=True)
class Waves(Texture):
    """Stripes that bend.

    Attributes:
        period: from stripe to stripe, in pixels.
        angle: across the stripes, in radians.
        bend: how far they bend, in radians of the stripes' phase, and over how many pixels.
        sharpness: 1 gives sine waves, more gives edges.
        colours: from trough to crest.
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
    """A wall of tiles, each in a colour of its own, with joints between and stains over them.

    Attributes:
        size: width and height of a tile, in pixels.
        joint: width of the joints, in pixels.
        shift: of every second row, as a fraction of a tile.
        angle: of the rows, in radians.
        seed: of the tiles' colours and the stains.
        colours: from the joints to the lightest tile.
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
        size, shift = _pair(rng.uniform(7, 36, 2)), float(rng.choice([0, 0.5]))
        return cls(size, rng.uniform(1, 3), shift, rng.uniform(0, math.pi), _seed(rng), _palette(rng))

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
    """Cracked ground: the cells nearest to scattered points, each in a colour of its own, dark where two meet.

    Attributes:
        size: mean distance of the points, in pixels.
        seed: of points and colours.
        colours: from the cracks to the lightest cell.
    """

    size: float
    seed: int
    colours: Palette

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        return cls(rng.uniform(6, 24), _seed(rng), _palette(rng))

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


@dataclass(frozen=True)
class Motion:
    """A straight way at constant speed, with turning, growing and the sway of a hand.

    Attributes:
        start: x and y in frame 0, in pixels.
        velocity: x and y, in pixels a frame.
        angle: in frame 0, in radians, clockwise on the screen.
        spin: in radians a frame.
        growth: natural logarithm of the change in size, a frame.
        sway: amplitude in pixels.
        beat: of the sway, in radians a frame along x; y goes at 0.7 of it.
    """

    start: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    spin: float = 0.0
    growth: float = 0.0
    sway: float = 0.0
    beat: float = 0.0

    def poses(self, frames: int) -> NDArray[np.float64]:
        """Return `frames 3 3`: matrices from a point (x, y, 1), in pixels about the mover's centre, to the world."""
        time = np.arange(frames)
        turn = self.angle + self.spin * time
        size = np.exp(self.growth * time)
        beat = self.beat * time
        x = self.start[0] + self.velocity[0] * time + self.sway * np.sin(beat)
        y = self.start[1] + self.velocity[1] * time + self.sway * np.sin(0.7 * beat)
        zero, one = np.zeros(frames), np.ones(frames)
        cos, sin = size * np.cos(turn), size * np.sin(turn)
        return np.stack([cos, -sin, x, sin, cos, y, zero, zero, one], axis=1).reshape(frames, 3, 3)


@dataclass(frozen=True)
class Layer:
    """A texture on a canvas, cut along an outline, that moves through the world.

    Attributes:
        texture: what it shows.
        size: height and width of its canvas, in pixels.
        motion: of the canvas' centre.
        outline: `(order, amplitude, phase)` of the waves by which the edge departs from a circle; None shows the whole
            canvas.
    """

    texture: Texture
    size: tuple[int, int]
    motion: Motion
    outline: tuple[tuple[int, float, float], ...] | None = None

    def draw(self) -> Image:
        """Return the texture `H W 3` on the canvas."""
        return self.texture.draw(*self.size)

    def cover(self) -> NDArray[np.float32]:
        """Return how much of each pixel of the canvas the layer covers: `H W` in [0, 1]."""
        if self.outline is None:
            return np.ones(self.size, np.float32)
        y, x = np.indices(self.size) - (np.array(self.size)[:, None, None] - 1) / 2
        turn, radius = np.arctan2(y, x), np.ones(self.size)
        for order, amplitude, phase in self.outline:
            radius += amplitude * np.cos(order * turn + phase)
        radius *= (min(self.size) / 2 - 1) / radius.max()
        inside: NDArray[np.float32] = (radius - np.hypot(x, y) + 0.5).clip(0, 1).astype(np.float32)
        return inside


@dataclass(frozen=True)
class Scene:
    """Everything that `render` needs to know of a clip.

    Attributes:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        frames: how many.
        camera: how the world moves before the camera.
        layers: from the back to the front; the first covers every frame.
        noise: standard deviation of the sensor's noise in white, in grey levels of 255; in black it is half of that.
        seed: of the noise.
    """

    height: int
    width: int
    frames: int
    camera: Motion
    layers: tuple[Layer, ...]
    noise: float
    seed: int

    def poses(self) -> NDArray[np.float64]:
        """Return `frames layers 3 3`: matrices from a pixel (x, y, 1) of a layer's canvas to a pixel of a frame.

        `poses[t + 1, i] @ inv(poses[t, i])` is where a pixel of frame t that shows layer i goes.
        """
        to_frame = _shift(self.width, self.height, 1) @ self.camera.poses(self.frames)
        return np.stack(
            [
                to_frame @ layer.motion.poses(self.frames) @ _shift(layer.size[1], layer.size[0], -1)
                for layer in self.layers
            ],
            axis=1,
        )


def sample_scene(
    seed: int, height: int, width: int, frames: int, camera: Camera, *, photos: Sequence[str] = PHOTOS
) -> Scene:
    """Draw a scene.

    Args:
        seed: same seed and arguments, same scene.
        height: of the frames, in pixels, at least 32.
        width: of the frames, in pixels, at least 32.
        frames: how many, at least 1.
        camera: `still` on a tripod, `move` held by someone who walks, `panrot` swung and turned.
        photos: the photographs to use, of `PHOTOS`; none for patterns only.
    """
    rng = np.random.default_rng(seed)
    canvas = math.ceil(height * (1 + 2 * MARGIN)), math.ceil(width * (1 + 2 * MARGIN))
    background = Layer(_sample_texture(rng, photos), canvas, Motion())
    objects = [_sample_object(rng, height, width, frames, photos) for _ in range(rng.integers(1, 5))]
    return Scene(
        height, width, frames, _sample_camera(rng, camera, min(height, width), frames), (background, *objects),
        noise=rng.uniform(3, 6), seed=_seed(rng),
    )  # fmt: skip


def render(scene: Scene) -> NDArray[np.uint8]:
    """Return the frames of a scene, `T H W 3` RGB.

    Raises:
        InputError: a photograph is not where scikit-image should have it.
    """
    size = scene.width, scene.height
    clip = np.zeros((scene.frames, scene.height, scene.width, 3), np.float32)
    for layer, poses in zip(scene.layers, scene.poses().swapaxes(0, 1), strict=True):
        canvas, cover = layer.draw(), layer.cover()
        for time, pose in enumerate(poses):
            shown = cv2.warpAffine(canvas, pose[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            share = cv2.warpAffine(cover, pose[:2], size, flags=cv2.INTER_LINEAR)[..., None]
            clip[time] += share * (shown - clip[time])
    return _sensed(clip.clip(0, 1), scene)


def _sensed(clip: Image, scene: Scene) -> NDArray[np.uint8]:
    """Add noise whose variance grows with the light, anew in each frame, and round `T H W 3`."""
    rng = np.random.default_rng(scene.seed)
    deviation = scene.noise * np.sqrt(0.25 + 0.75 * clip)
    noisy = 255 * clip + deviation * rng.standard_normal(clip.shape, np.float32)
    sensed: NDArray[np.uint8] = np.rint(noisy).clip(0, 255).astype(np.uint8)
    return sensed


def _sample_texture(rng: np.random.Generator, photos: Sequence[str]) -> Texture:
    if photos and rng.random() < PHOTO_SHARE:
        return Photo.sample(rng, photos)
    return PATTERNS[rng.integers(len(PATTERNS))].sample(rng)


def _sample_object(rng: np.random.Generator, height: int, width: int, frames: int, photos: Sequence[str]) -> Layer:
    side = math.ceil(min(height, width) * rng.uniform(0.25, 0.65))
    middle = rng.uniform(-0.45, 0.45, 2) * (width, height)
    velocity = rng.uniform(-1.5, 1.5, 2)
    start = middle - velocity * (frames - 1) / 2
    spin = rng.uniform(-0.04, 0.04)
    motion = Motion(_pair(start), _pair(velocity), rng.uniform(0, 2 * math.pi), spin)
    outline = tuple((order, rng.uniform(0, 0.8 / order), rng.uniform(0, 2 * math.pi)) for order in (2, 3, 4, 5))
    return Layer(_sample_texture(rng, photos), (side, side), motion, outline)


def _sample_camera(rng: np.random.Generator, camera: Camera, side: int, frames: int) -> Motion:
    """Draw a camera that stays within `MARGIN`; its way has its middle where the scene has its own."""
    if camera == "still":
        return Motion()
    steps = max(1, frames - 1)
    way = rng.uniform(0.4, 1, 2) * rng.choice([-1, 1], 2) * min(REACH * side, FASTEST / 2 * steps)
    start, velocity = _pair(-way), _pair(2 * way / steps)
    if camera == "move":
        growth = rng.uniform(-0.05, 0.1) / steps
        return Motion(start, velocity, growth=growth, sway=rng.uniform(0.2, 0.8), beat=rng.uniform(0.5, 2))
    turn = rng.uniform(0.02, 0.06) * rng.choice([-1, 1])
    return Motion(start, velocity, -turn, 2 * turn / steps)


def _clouds(seed: int, roughness: float, height: int, width: int) -> NDArray[np.float64]:
    """Return noise `H W` in [0, 1] with a spectrum of `f^-roughness`."""
    white = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(white * frequency**-roughness, (height, width))
    low, high = np.quantile(noise, [0.01, 0.99])
    value: NDArray[np.float64] = ((noise - low) / (high - low)).clip(0, 1)
    return value


Palette = tuple[tuple[float, float, float], ...]
"""RGB colours in [0, 1] at equal distances along a value from 0 to 1."""


def _palette(rng: np.random.Generator) -> Palette:
    """Draw a dark, a middle and a light colour."""
    return tuple(_triple((tone + rng.uniform(-0.3, 0.3, 3)).clip(0.02, 0.98)) for tone in (0.2, 0.5, 0.8))


def _coloured(value: NDArray[np.float64], colours: Palette) -> Image:
    """Turn values `H W` in [0, 1] into colours `H W 3`."""
    stops = np.linspace(0, 1, len(colours))
    channels = [np.interp(value, stops, channel) for channel in np.transpose(colours)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _turned_grid(angle: float, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates `H W` of each pixel along and across a direction."""
    y, x = np.mgrid[:height, :width]
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _shift(width: int, height: int, sign: int) -> NDArray[np.float64]:
    """Return the matrix that moves by the centre of a picture, whose pixel (0, 0) lies at (0, 0)."""
    return np.array([[1, 0, sign * (width - 1) / 2], [0, 1, sign * (height - 1) / 2], [0, 0, 1]])


@lru_cache(maxsize=len(PHOTOS))
def _photo(name: str) -> NDArray[np.uint8]:
    package = find_spec("skimage")
    folders = [] if package is None else package.submodule_search_locations or []
    path = next((path for folder in folders if (path := Path(folder, "data", name)).is_file()), None)
    if path is None:
        raise InputError(f"{name}: not found in the package scikit-image; expected skimage/data/{name} of its wheel")
    return read_image(path)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
