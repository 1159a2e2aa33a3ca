"""Layers that move under a moving camera with sensor noise.

A scene is first sampled as plain parameters, then rendered. Each layer shows a texture on its own canvas, and
`Scene.poses` maps points of that canvas to each frame. A frame is the layers at their poses, drawn from back to front.
Every frame gets its own sensor noise, as in a real camera; pixels that a forger fills in later lack it.
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
MARGIN = 0.25  # how far the background extends beyond the frame on each side, as a share of it; limits the camera
REACH = 0.12  # how far a camera pans to each side, as a share of the frame
FASTEST = 3.0  # pixels per frame, along x and along y, of a panning camera


@dataclass(frozen=True)
class Motion:
    """Motion with constant acceleration, rotation and growth, and the sway of a hand-held camera; defined at all times.

    Attributes:
        start: x and y in frame 0, in pixels.
        velocity: x and y in frame 0, in pixels per frame.
        angle: angle in frame 0, in radians, clockwise on the screen.
        spin: rotation, in radians per frame.
        growth: natural logarithm of the change in size per frame.
        sway: amplitude of the sway, in pixels.
        beat: angular frequency of the sway along x, in radians per frame; along y it is 0.7 of this.
        acceleration: x and y, in pixels per frame per frame.
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
        """Return matrices `frames 3 3` from a point (x, y, 1), in pixels from the mover's centre, to the world.

        Args:
            frames: number of frames.
            first: first frame; negative frames lie before the clip.
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
"""`(order, amplitude, phase)` of each wave that an object's edge adds to a circle."""


@dataclass(frozen=True)
class Layer:
    """A texture on a canvas, cut along an outline, that moves through the world.

    Attributes:
        texture: the texture of the layer.
        size: height and width of its canvas, in pixels.
        motion: motion of the canvas's centre.
        outline: edge of the visible part; None shows the whole canvas.
    """

    texture: Texture
    size: tuple[int, int]
    motion: Motion
    outline: Outline | None = None

    def draw(self) -> Image:
        """Return the texture on the canvas, `H W 3`."""
        return self.texture.draw(*self.size)

    def cover(self) -> NDArray[np.float32]:
        """Return the share of each canvas pixel that the layer covers: `H W` in [0, 1]."""
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
    """All parameters that `render` needs for a clip.

    Attributes:
        height: height of the frames, in pixels.
        width: width of the frames, in pixels.
        frames: number of frames.
        camera: motion of the world relative to the camera.
        layers: layers from back to front; the first covers every frame.
        noise: standard deviation of the sensor noise on white, in grey levels of 255; on black it is half of that.
        seed: seed of the noise.
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

        `poses[t + 1, i] @ inv(poses[t, i])` maps a pixel of frame t that shows layer i to frame t + 1.

        Args:
            beyond: number of extra frames to return before the first and after the last.
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
        seed: the same seed and arguments give the same scene.
        height: height of the frames in pixels, at least 32.
        width: width of the frames in pixels, at least 32.
        frames: number of frames, at least 1.
        camera: `still` on a tripod, `move` held by someone who walks, `panrot` panned and rotated.
        photos: photographs to use, from `PHOTOS`; an empty sequence uses patterns only.
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
        InputError: scikit-image does not contain an expected photograph.
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
    """Add noise whose variance grows with the light, independent per frame, and round `T H W 3`."""
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
    """Draw a camera that stays within `MARGIN`; the middle of its path is the middle of the scene."""
    if camera == "still":
        return Motion()
    steps = max(1, frames - 1)
    half_path = rng.uniform(0.4, 1, 2) * rng.choice([-1, 1], 2) * min(REACH * side, FASTEST / 2 * steps)
    start, velocity = pair(-half_path), pair(2 * half_path / steps)
    if camera == "move":
        growth = rng.uniform(-0.05, 0.1) / steps
        return Motion(start, velocity, growth=growth, sway=rng.uniform(0.2, 0.8), beat=rng.uniform(0.5, 2))
    turn = rng.uniform(0.02, 0.06) * rng.choice([-1, 1])
    return Motion(start, velocity, -turn, 2 * turn / steps)


def _shift(width: int, height: int, sign: int) -> NDArray[np.float64]:
    """Return the matrix that shifts by the centre of an image, where pixel (0, 0) has its centre at (0, 0)."""
    return np.array([[1, 0, sign * (width - 1) / 2], [0, 1, sign * (height - 1) / 2], [0, 0, 1]])
