"""Exact optical flow of scenes, and scenes made for it: the camera pans, turns and zooms, objects accelerate.

Flow needs no pictures. Where a pixel goes follows from the poses of the layer that it shows, and whether it is seen
there, from the outlines of the layers above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.data.synthetic.scenes import Layer, Motion, Scene, sample_outline
from outpaint_lightning.data.synthetic.textures import PHOTOS, pair, sample_texture, seed_of

SIDE = 96  # pixels, of the shorter side of the frames that the speeds below are given for
MOST_OBJECTS = 3
SIZE = 0.4, 0.9  # of an object's canvas, as a share of the frame's shorter side
SLOWEST = 0.3  # as a share of the fastest
AT_TARGET = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP  # the matrix says where in the source a pixel's value is

# Largest values either way, in pixels, radians and logarithms of size a frame. With them, the mean length of a vector
# in a hole is near 2 px on frames of 96 x 128 (docs/explanation/refiner.md).
PAN, PAN_ACCELERATION, CAMERA_SPIN, ZOOM = 1.8, 0.1, 0.015, 0.015
SPEED, ACCELERATION, SPIN, GROWTH = 5.0, 0.3, 0.1, 0.04


class SceneFlow(NamedTuple):
    """The true motion of a scene of T frames; the frames before and after it are known, so nothing is missing."""

    forward: NDArray[np.float32]
    """`T 2 H W`, pixels, x first: frame t to t + 1."""
    backward: NDArray[np.float32]
    """`T 2 H W`: frame t to t - 1."""
    occluded: NDArray[np.bool_]
    """`T 2 H W`: the pixel is hidden by another layer, or outside the frame, at t + 1 (channel 0) or t - 1 (1)."""
    objects: NDArray[np.uint8]
    """`T H W`: which layer is seen; 0 is the background."""


def scene_flow(scene: Scene) -> SceneFlow:
    """Return where the pixels of each frame come from and go, and whether they are seen there.

    With `A_t` the pose of the layer on top at x, `f_t(x) = A_{t+1} A_t^{-1} x - x`; `b_t` has `A_{t-1}`. A layer is on
    top of those below where it covers half of a pixel or more.
    """
    poses, objects = scene.poses(beyond=1), scene_objects(scene)
    covers = [layer.cover() for layer in scene.layers]
    ways = [_ways(objects, covers, poses[1:-1], there) for there in (poses[2:], poses[:-2])]
    (forward, _), (backward, _) = ways
    return SceneFlow(forward, backward, np.stack([occluded for _, occluded in ways], axis=1), objects)


def scene_objects(scene: Scene) -> NDArray[np.uint8]:
    """Return which layer is seen, `T H W`; 0 is the background."""
    objects = np.zeros((scene.frames, scene.height, scene.width), np.uint8)
    poses = scene.poses()
    for number, layer in enumerate(scene.layers[1:], start=1):
        cover = layer.cover()
        for shown, pose in zip(objects, poses[:, number], strict=True):
            shown[cv2.warpAffine(cover, pose[:2], (scene.width, scene.height)) >= 0.5] = number
    return objects


def _ways(
    objects: NDArray[np.uint8],
    covers: Sequence[NDArray[np.float32]],
    here: NDArray[np.float64],
    there: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow the pixels of each frame to another time.

    Args:
        objects: the layer on top, `T H W`.
        covers: of each layer, on its canvas.
        here: poses of the layers in the frames, `T layers 3 3`.
        there: their poses at the other times.

    Returns:
        Flow `T 2 H W`, and `T H W`, True where the pixel is occluded or outside the frame at the other time.
    """
    frames, height, width = objects.shape
    y, x = np.indices((height, width), np.float64)
    place = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    flow, hidden = np.empty((frames, 2, height, width), np.float32), np.zeros(objects.shape, np.bool_)
    steps, to_canvas = there @ np.linalg.inv(here), np.linalg.inv(there)
    for time, shown in enumerate(objects):
        for layer, step in enumerate(steps[time]):
            own = shown == layer
            way = (step - np.eye(3))[:2] @ place
            np.copyto(flow[time], way.reshape(2, height, width), where=own, casting="same_kind")
            for above in range(layer + 1, len(covers)):
                where = (to_canvas[time, above] @ step)[:2]
                cover = cv2.warpAffine(covers[above], where, (width, height), flags=AT_TARGET)
                hidden[time] |= own & (cover >= 0.5)
    target_x, target_y = x + flow[:, 0], y + flow[:, 1]
    inside = (target_x >= 0) & (target_x <= width - 1) & (target_y >= 0) & (target_y <= height - 1)
    return flow, hidden | ~inside


def sample_flow_scene(
    seed: int | Sequence[int], height: int, width: int, frames: int, *, photos: Sequence[str] = PHOTOS
) -> Scene:
    """Draw a scene in which everything moves: a camera that pans, turns and zooms, and one to three objects.

    Args:
        seed: same seed and arguments, same scene.
        height: of the frames, in pixels, at least 32.
        width: of the frames, in pixels, at least 32.
        frames: how many, at least 1.
        photos: the photographs to use, of `PHOTOS`; none for patterns only.
    """
    rng = np.random.default_rng(seed)
    unit, middle = min(height, width) / SIDE, (frames - 1) / 2
    spin = rng.uniform(-CAMERA_SPIN, CAMERA_SPIN)
    camera = replace(
        _passing((0, 0), unit * _any_way(rng, PAN), unit * rng.uniform(-PAN_ACCELERATION, PAN_ACCELERATION, 2), middle),
        angle=-spin * middle,
        spin=spin,
        growth=rng.uniform(-ZOOM, ZOOM),
    )
    background = Layer(sample_texture(rng, photos), _canvas(camera, height, width, frames), Motion())
    objects = [
        _sample_mover(rng, height, width, middle, photos) for _ in range(rng.integers(1, MOST_OBJECTS, endpoint=True))
    ]
    layers = background, *objects
    return Scene(height, width, frames, camera, layers, noise=rng.uniform(3, 6), seed=seed_of(rng))


def _sample_mover(rng: np.random.Generator, height: int, width: int, middle: float, photos: Sequence[str]) -> Layer:
    shorter = min(height, width)
    unit = shorter / SIDE
    side = math.ceil(shorter * rng.uniform(*SIZE))
    place = rng.uniform(-0.45, 0.45, 2) * (width, height)
    velocity, acceleration = unit * _any_way(rng, SPEED), unit * rng.uniform(-ACCELERATION, ACCELERATION, 2)
    motion = replace(
        _passing(place, velocity, acceleration, middle),
        angle=rng.uniform(0, 2 * math.pi),
        spin=rng.uniform(-SPIN, SPIN),
        growth=rng.uniform(-GROWTH, GROWTH),
    )
    return Layer(sample_texture(rng, photos), (side, side), motion, sample_outline(rng))


def _any_way(rng: np.random.Generator, fastest: float) -> NDArray[np.float64]:
    """Draw a velocity, direction and speed uniform."""
    direction = rng.uniform(0, 2 * math.pi)
    return rng.uniform(SLOWEST, 1) * fastest * np.array([math.cos(direction), math.sin(direction)])


def _passing(
    place: Sequence[float] | NDArray[np.float64],
    velocity: NDArray[np.float64],
    acceleration: NDArray[np.float64],
    time: float,
) -> Motion:
    """Return the motion that is at `place` with `velocity` at `time`, in frames."""
    start = np.asarray(place) - velocity * time + acceleration * time**2 / 2
    return Motion(pair(start), pair(velocity - acceleration * time), acceleration=pair(acceleration))


def _canvas(camera: Motion, height: int, width: int, frames: int) -> tuple[int, int]:
    """Return height and width of a background that fills every frame, and the ones before and after."""
    corners = [[sign * (width - 1) / 2, y, 1] for sign in (-1, 1) for y in ((height - 1) / 2, (1 - height) / 2)]
    places = np.linalg.inv(camera.poses(frames + 2, first=-1))[:, :2] @ np.transpose(corners)
    x, y = np.abs(places).max(axis=(0, 2))
    return 2 * math.ceil(y) + 1, 2 * math.ceil(x) + 1
