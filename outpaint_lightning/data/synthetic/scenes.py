"""Layers that move under a moving camera, seen by a sensor with noise.

A scene is sampled first, as plain parameters, and rendered afterwards. Each layer shows a texture on a canvas of its
own, and `Scene.poses` says where in each frame a point of that canvas lies; the frame is nothing but the layers laid
over each other at their poses, back to front. Every frame gets fresh sensor noise, as in a real camera: what a forger
fills in later has none of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.synthetic.textures import PHOTOS, Image, Texture, pair, sample_texture, seed_of

Camera = Literal["still", "move", "panrot"]
CAMERAS: tuple[Camera, ...] = ("still", "move", "panrot")
MARGIN = 0.25  # of the frame, which the background reaches beyond it on every side; no camera moves further
REACH = 0.12  # of the frame, which a camera pans to either side
FASTEST = 3.0  # pixels a frame, of a panning camera along x and along y


@dataclass(frozen=True)
class Motion:
    """A way at constant speed or acceleration, with turning, growing and the sway of a hand; without beginning or end.

    Attributes:
        start: x and y in frame 0, in pixels.
        velocity: x and y, in pixels a frame.
        angle: in frame 0, in radians, clockwise on the screen.
        spin: in radians a frame.
        growth: natural logarithm of the change in size, a frame.
        sway: amplitude in pixels.
        beat: of the sway, in radians a frame along x; y goes at 0.7 of it.
        acceleration: x and y, in pixels a frame, each frame; `velocity` is that of frame 0.
    """

    start: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    spin: float = 0.0
    growth: float = 0.0
    sway: float = 0.0
    beat: float = 0.0
    acceleration: tuple[float, float] = (0.0, 0.0)

    def poses(self, frames: int, first: int = 0) -> NDArray[np.float64]:
        """Return `frames 3 3`: matrices from a point (x, y, 1), in pixels about the mover's centre, to the world.

        Args:
            frames: how many.
            first: the first of them; below 0 lies what came before the clip.
        """
        time = np.arange(first, first + frames)
        turn = self.angle + self.spin * time
        size = np.exp(self.growth * time)
        beat = self.beat * time
        x, y = (
            start + velocity * time + acceleration * time**2 / 2
            for start, velocity, acceleration in zip(self.start, self.velocity, self.acceleration, strict=True)
        )
        x, y = x + self.sway * np.sin(beat), y + self.sway * np.sin(0.7 * beat)
        zero, one = np.zeros(frames), np.ones(frames)
        cos, sin = size * np.cos(turn), size * np.sin(turn)
        return np.stack([cos, -sin, x, sin, cos, y, zero, zero, one], axis=1).reshape(frames, 3, 3)


Outline = tuple[tuple[int, float, float], ...]
"""`(order, amplitude, phase)` of the waves by which an object's edge departs from a circle."""


@dataclass(frozen=True)
class Layer:
    """A texture on a canvas, cut along an outline, that moves through the world.

    Attributes:
        texture: what it shows.
        size: height and width of its canvas, in pixels.
        motion: of the canvas' centre.
        outline: of what shows; None shows the whole canvas.
    """

    texture: Texture
    size: tuple[int, int]
    motion: Motion
    outline: Outline | None = None

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

    def poses(self, beyond: int = 0) -> NDArray[np.float64]:
        """Return `frames layers 3 3`: matrices from a pixel (x, y, 1) of a layer's canvas to a pixel of a frame.

        `poses[t + 1, i] @ inv(poses[t, i])` is where a pixel of frame t that shows layer i goes.

        Args:
            beyond: how many frames before the first and after the last are returned, too.
        """
        time = self.frames + 2 * beyond, -beyond
        to_frame = _shift(self.width, self.height, 1) @ self.camera.poses(*time)
        return np.stack(
            [to_frame @ layer.motion.poses(*time) @ _shift(layer.size[1], layer.size[0], -1) for layer in self.layers],
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
    background = Layer(sample_texture(rng, photos), canvas, Motion())
    objects = [_sample_object(rng, height, width, frames, photos) for _ in range(rng.integers(1, 5))]
    return Scene(
        height, width, frames, _sample_camera(rng, camera, min(height, width), frames), (background, *objects),
        noise=rng.uniform(3, 6), seed=seed_of(rng),
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


def _sample_object(rng: np.random.Generator, height: int, width: int, frames: int, photos: Sequence[str]) -> Layer:
    side = math.ceil(min(height, width) * rng.uniform(0.25, 0.65))
    middle = rng.uniform(-0.45, 0.45, 2) * (width, height)
    velocity = rng.uniform(-1.5, 1.5, 2)
    start = middle - velocity * (frames - 1) / 2
    spin = rng.uniform(-0.04, 0.04)
    motion = Motion(pair(start), pair(velocity), rng.uniform(0, 2 * math.pi), spin)
    outline = sample_outline(rng)
    return Layer(sample_texture(rng, photos), (side, side), motion, outline)


def sample_outline(rng: np.random.Generator) -> Outline:
    """Draw the outline of an object."""
    return tuple((order, rng.uniform(0, 0.8 / order), rng.uniform(0, 2 * math.pi)) for order in (2, 3, 4, 5))


def _sample_camera(rng: np.random.Generator, camera: Camera, side: int, frames: int) -> Motion:
    """Draw a camera that stays within `MARGIN`; its way has its middle where the scene has its own."""
    if camera == "still":
        return Motion()
    steps = max(1, frames - 1)
    way = rng.uniform(0.4, 1, 2) * rng.choice([-1, 1], 2) * min(REACH * side, FASTEST / 2 * steps)
    start, velocity = pair(-way), pair(2 * way / steps)
    if camera == "move":
        growth = rng.uniform(-0.05, 0.1) / steps
        return Motion(start, velocity, growth=growth, sway=rng.uniform(0.2, 0.8), beat=rng.uniform(0.5, 2))
    turn = rng.uniform(0.02, 0.06) * rng.choice([-1, 1])
    return Motion(start, velocity, -turn, 2 * turn / steps)


def _shift(width: int, height: int, sign: int) -> NDArray[np.float64]:
    """Return the matrix that moves by the centre of a picture, whose pixel (0, 0) lies at (0, 0)."""
    return np.array([[1, 0, sign * (width - 1) / 2], [0, 1, sign * (height - 1) / 2], [0, 0, 1]])
