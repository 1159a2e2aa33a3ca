from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge.fills import Mosaic, Reflect
from outpaint_lightning.forge.masks import BorderMask, BoxMask
from outpaint_lightning.forge.motion import camera_positions
from outpaint_lightning.forge.parts import Footage

Clips = Callable[..., np.ndarray]
STEADY = {"sigma": 0.01, "shifts": [[0.0, 0.0]]}  # a kernel of one pixel


@pytest.mark.parametrize("step", [(6, 0), (-5, 0), (0, 4), (3, -2)])
def test_mosaic_brings_back_what_a_neighbour_saw(step: tuple[int, int], panning: Clips):
    """Catches a homography of the wrong direction or order, x and y swapped, and interpolation off by half a pixel."""
    count, height, width, side = 7, 96, 128, 16
    frames = panning(count, height, width, step)
    mask = np.ones(frames.shape[:3], bool)
    mask[:, side:-side, side:-side] = False
    blank = np.where(mask[..., None], 0, frames).astype(np.uint8)
    filled = Mosaic().apply(Footage(blank), mask, Mosaic().sample(np.random.default_rng(0)))
    seen = np.zeros_like(mask)
    row, column = np.indices((height, width))
    for now in range(count):
        for other in range(count):
            y, x = row + (now - other) * step[1], column + (now - other) * step[0]
            seen[now] |= (y >= side) & (y < height - side) & (x >= side) & (x < width - side)
    assert (seen & mask).mean() > 0.05
    np.testing.assert_array_equal(filled[seen], frames[seen])


def test_mosaic_takes_the_nearest_frame_in_time(texture: Clips):
    """A still camera, a box that moves on, each frame one level brighter: the level tells where a pixel came from."""
    count, size, step = 6, 20, 10
    frames = np.stack([texture(96, 128) // 2 + level for level in range(count)]).astype(np.uint8)
    mask = BoxMask().render(
        {"size": [size, size], "start": [20, 40], "stop": [20 + step * (count - 1), 40]}, Footage.blank(count, 96, 128)
    )
    source = Mosaic().apply(Footage(frames), mask, {"reach": 15, "unseen": STEADY}).astype(int) - frames[0]
    assert (source[0, 40:60, 20:30] == 1).all()  # uncovered one frame later
    assert (source[0, 40:60, 30:40] == 2).all()
    assert (source[3, 40:60, 50:60] == 4).all()  # covered in frame 2
    assert (source[3, 40:60, 60:70] == 2).all()  # covered in frame 4
    assert (
        Mosaic().apply(Footage(frames), mask, {"reach": 1, "unseen": STEADY})[0, 40:60, 30:40].astype(int)
        - frames[0, 40:60, 30:40]
        != 2
    ).any()


def test_mosaic_of_one_frame_is_reflect(texture: Clips):
    frames = texture(51, 77)[None]
    mask = BorderMask().render({"start": [9, 0, 0, 12], "stop": [9, 0, 0, 12]}, Footage.blank(1, 51, 77))
    mosaic = Mosaic().apply(Footage(frames), mask, {"reach": 15, "unseen": STEADY})
    np.testing.assert_array_equal(mosaic, Reflect().apply(Footage(frames), mask, STEADY))


def test_camera_positions_map_into_the_first_frame_and_stop_at_a_cut(panning: Clips):
    frames = np.concatenate([panning(3, 96, 128, (4, -3)), panning(2, 96, 128, (0, 0), seed=9)])
    positions, shots = camera_positions(frames, np.ones(frames.shape[:3], bool))
    assert shots == [0, 0, 0, 1, 1]
    for index, position in enumerate(positions[:3]):
        np.testing.assert_allclose(position, [[1, 0, 4 * index], [0, 1, -3 * index], [0, 0, 1]], atol=1e-9)
    np.testing.assert_allclose(positions[3:], np.stack([np.eye(3)] * 2), atol=1e-9)


def test_camera_positions_find_a_turn_and_a_zoom(texture: Clips):
    first = texture(120, 160)
    turn = np.vstack([cv2.getRotationMatrix2D((80, 60), 2, 1.03), [0, 0, 1]])
    second = cv2.warpPerspective(first, turn, (160, 120), borderMode=cv2.BORDER_REFLECT_101)
    positions, _ = camera_positions(np.stack([first, second]), np.ones((2, 120, 160), bool))
    corners = np.array([[[0.0, 0]], [[159, 0]], [[159, 119]], [[0, 119]]])
    there_and_back = cv2.perspectiveTransform(cv2.perspectiveTransform(corners, turn), positions[1])
    assert np.abs(there_and_back - corners).max() < 0.3  # LK finds a point to about 0.05 px, corners extrapolate
