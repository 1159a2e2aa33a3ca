"""Exact optical flow of scenes, and scenes for flow: the camera pans, turns and zooms, and objects accelerate.

Flow needs no rendered images. The poses of the visible layer give the displacement of a pixel; the outlines of the
layers above show whether it is still visible there.
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

SIDE = 96  # pixels on the shorter side of the frames for which the speeds below are given
MOST_OBJECTS = 3
SIZE = 0.4, 0.9  # side of an object's canvas, as a share of the frame's shorter side
SLOWEST = 0.3  # slowest speed, as a share of the fastest
AT_TARGET = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP  # the matrix maps a target pixel to its source

# Largest values in either direction, per frame: pixels, radians, and logarithms of size. With them, the mean length of
# a vector in a hole is near 2 px on frames of 96 x 128 (docs/explanation/refiner.md).
PAN, PAN_ACCELERATION, CAMERA_SPIN, ZOOM = 1.8, 0.1, 0.015, 0.015
SPEED, ACCELERATION, SPIN, GROWTH = 5.0, 0.3, 0.1, 0.04


class SceneFlow(NamedTuple):
    """The true motion of a scene with T frames. The frames before and after it are known, so no vector is missing."""

    forward: NDArray[np.float32]
    """`T 2 H W`, pixels, x first: frame t to t + 1."""
    backward: NDArray[np.float32]
    """`T 2 H W`: frame t to t - 1."""
    occluded: NDArray[np.bool_]
    """`T 2 H W`: another layer hides the pixel, or it is outside the frame, at t + 1 (channel 0) or t - 1 (1)."""
    objects: NDArray[np.uint8]
    """`T H W`: number of the visible layer; 0 is the background."""


def scene_flow(scene: Scene) -> SceneFlow:
    """Return where the pixels of each frame go to and come from, and whether they are visible there.

    If `A_t` is the pose of the top layer at x, then `f_t(x) = A_{t+1} A_t^{-1} x - x`; `b_t` uses `A_{t-1}`. A layer is
    on top of the layers below it where it covers at least half of a pixel.
    """
    poses, objects = scene.poses(beyond=1), scene_objects(scene)
    covers = [layer.cover() for layer in scene.layers]
    moves = [_follow(objects, covers, poses[1:-1], others) for others in (poses[2:], poses[:-2])]
    (forward, _), (backward, _) = moves
    return SceneFlow(forward, backward, np.stack([occluded for _, occluded in moves], axis=1), objects)


def scene_objects(scene: Scene) -> NDArray[np.uint8]:
    """Return the number of the visible layer, `T H W`; 0 is the background."""
    objects = np.zeros((scene.frames, scene.height, scene.width), np.uint8)
    poses = scene.poses()
    for number, layer in enumerate(scene.layers[1:], start=1):
        cover = layer.cover()
        for shown, pose in zip(objects, poses[:, number], strict=True):
            shown[cv2.warpAffine(cover, pose[:2], (scene.width, scene.height)) >= 0.5] = number
    return objects


def _follow(
    objects: NDArray[np.uint8],
    covers: Sequence[NDArray[np.float32]],
    poses: NDArray[np.float64],
    others: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow the pixels of each frame to another time.

    Args:
        objects: number of the top layer, `T H W`.
        covers: coverage of each layer, on its canvas.
        poses: poses of the layers in the frames, `T layers 3 3`.
        others: their poses at the other times.

    Returns:
        Flow `T 2 H W`, and bool `T H W`: True where the pixel is occluded or outside the frame at the other time.
    """
    frames, height, width = objects.shape
    y, x = np.indices((height, width), np.float64)
    points = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    flow, hidden = np.empty((frames, 2, height, width), np.float32), np.zeros(objects.shape, np.bool_)
    steps, to_canvas = others @ np.linalg.inv(poses), np.linalg.inv(others)
    for time, shown in enumerate(objects):
        for layer, step in enumerate(steps[time]):
            own = shown == layer
            move = (step - np.eye(3))[:2] @ points
            np.copyto(flow[time], move.reshape(2, height, width), where=own, casting="same_kind")
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
        seed: the same seed and arguments give the same scene.
        height: height of the frames in pixels, at least 32.
        width: width of the frames in pixels, at least 32.
        frames: number of frames, at least 1.
        photos: photographs to use, from `PHOTOS`; an empty sequence uses patterns only.
    """
    rng = np.random.default_rng(seed)
    unit, middle = min(height, width) / SIDE, (frames - 1) / 2
    spin = rng.uniform(-CAMERA_SPIN, CAMERA_SPIN)
    camera = replace(
        _passing(
            (0, 0),
            unit * _random_velocity(rng, PAN),
            unit * rng.uniform(-PAN_ACCELERATION, PAN_ACCELERATION, 2),
            middle,
        ),
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
    centre = rng.uniform(-0.45, 0.45, 2) * (width, height)
    velocity, acceleration = unit * _random_velocity(rng, SPEED), unit * rng.uniform(-ACCELERATION, ACCELERATION, 2)
    motion = replace(
        _passing(centre, velocity, acceleration, middle),
        angle=rng.uniform(0, 2 * math.pi),
        spin=rng.uniform(-SPIN, SPIN),
        growth=rng.uniform(-GROWTH, GROWTH),
    )
    return Layer(sample_texture(rng, photos), (side, side), motion, sample_outline(rng))


def _random_velocity(rng: np.random.Generator, fastest: float) -> NDArray[np.float64]:
    """Draw a velocity whose direction and speed are uniform."""
    direction = rng.uniform(0, 2 * math.pi)
    return rng.uniform(SLOWEST, 1) * fastest * np.array([math.cos(direction), math.sin(direction)])


def _passing(
    position: Sequence[float] | NDArray[np.float64],
    velocity: NDArray[np.float64],
    acceleration: NDArray[np.float64],
    time: float,
) -> Motion:
    """Return the motion that is at `position` with `velocity` at `time`, in frames."""
    start = np.asarray(position) - velocity * time + acceleration * time**2 / 2
    return Motion(pair(start), pair(velocity - acceleration * time), acceleration=pair(acceleration))


def _canvas(camera: Motion, height: int, width: int, frames: int) -> tuple[int, int]:
    """Return the height and width of a background that fills every frame and the frames before and after the scene."""
    corners = [[sign * (width - 1) / 2, y, 1] for sign in (-1, 1) for y in ((height - 1) / 2, (1 - height) / 2)]
    reached = np.linalg.inv(camera.poses(frames + 2, first=-1))[:, :2] @ np.transpose(corners)
    x, y = np.abs(reached).max(axis=(0, 2))
    return 2 * math.ceil(y) + 1, 2 * math.ceil(x) + 1
