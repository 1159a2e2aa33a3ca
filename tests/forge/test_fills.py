from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, Mosaic, Reflect, Telea, mirror
from outpaint_lightning.forge.masks import BorderMask, BoxMask, MaskSampler
from outpaint_lightning.forge.motion import camera_positions

Clips = Callable[..., np.ndarray]
STEADY = {"sigma": 0.01, "shifts": [[0.0, 0.0]]}  # a kernel of one pixel


@pytest.mark.parametrize("fill", [Reflect(), Telea(), Mosaic()])
@pytest.mark.parametrize("sampler", [BorderMask(drift=1.0), BoxMask(drift=1.0)])
@pytest.mark.parametrize("shape", [(1, 41, 67), (4, 63, 91)])
def test_changes_only_the_hole_and_never_sees_what_it_hides(
    fill: Fill, sampler: MaskSampler, shape: tuple[int, int, int], panning: Clips
):
    frames = panning(*shape, step=(3, 0))
    rng = np.random.default_rng(1)
    mask = sampler.render(sampler.sample(rng, *shape), *shape)
    params = fill.sample(rng)
    before = frames.copy()
    filled = fill.apply(frames, mask, params)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(filled[~mask], frames[~mask])
    assert not np.array_equal(filled[mask], frames[mask])
    other = frames.copy()
    other[mask] = rng.integers(0, 256, other[mask].shape)
    np.testing.assert_array_equal(fill.apply(other, mask, params), filled)


def test_mirror_of_a_border_is_the_known_rectangle_padded():
    known = np.random.default_rng(0).integers(0, 256, (1, 10, 12, 3), dtype=np.uint8)
    expected = np.pad(known, ((0, 0), (3, 5), (7, 2), (0, 0)), mode="reflect")
    mask = np.ones(expected.shape[:3], bool)
    mask[:, 3:13, 7:19] = False
    blank = np.where(mask[..., None], 0, expected).astype(np.uint8)
    np.testing.assert_array_equal(mirror(blank, mask), expected)


def test_mirror_by_hand():
    row = np.array([0, 0, 10, 20, 30, 0, 0, 0, 40, 50], np.uint8)
    frames = np.broadcast_to(row[None, None, :, None], (1, 8, 10, 3))
    mask = np.zeros((1, 8, 10), bool)
    mask[..., [0, 1, 5, 6, 7]] = True
    filled = mirror(frames, mask)[0, :, :, 0]
    # Columns 8 and 9 are narrower than 3, a quarter of the frame made odd: the hole mirrors about column 4 alone;
    # column 7 would show column 1, which lies in the other hole and shows column 3.
    np.testing.assert_array_equal(filled, np.tile([30, 20, 10, 20, 30, 20, 10, 20, 40, 50], (8, 1)))


def test_mirror_of_a_box_goes_across_its_nearest_edge():
    frames = np.add.outer(16 * np.arange(15), np.arange(15)).astype(np.uint8)[None, :, :, None].repeat(3, axis=3)
    mask = np.zeros((1, 15, 15), bool)
    mask[0, 5:10, 5:10] = True
    filled = mirror(frames, mask)[0, :, :, 0]
    for here, there in {(7, 5): (7, 3), (7, 9): (7, 11), (5, 7): (3, 7), (9, 7): (11, 7), (7, 6): (7, 2)}.items():
        assert filled[here] == frames[0, *there, 0]


def test_reflect_is_the_mirror_image_shifted_and_blurred(texture: Clips):
    frames = np.stack([texture(64, 96)] * 3)
    mask = np.zeros(frames.shape[:3], bool)
    mask[:, :, 60:] = True
    still = mirror(frames, mask)
    np.testing.assert_array_equal(Reflect().apply(frames, mask, STEADY), still)
    shifted = Reflect().apply(frames, mask, {"sigma": 0.01, "shifts": [[2.0, 0.0], [0.0, -1.0]]})
    np.testing.assert_array_equal(shifted[0, :, 62:], still[0, :, 60:-2])  # x first, to the right
    np.testing.assert_array_equal(shifted[1, :-1, 60:], still[1, 1:, 60:])
    np.testing.assert_array_equal(shifted[2], shifted[0])  # the shifts repeat
    soft = Reflect().apply(frames, mask, {"sigma": 1.2, "shifts": [[0.0, 0.0]]})
    np.testing.assert_array_equal(soft[mask], np.stack([cv2.GaussianBlur(f, (0, 0), 1.2) for f in still])[mask])


def test_telea_is_opencv_with_the_radius_given(texture: Clips):
    frame = texture(40, 50)
    mask = np.zeros((40, 50), bool)
    mask[:, 35:] = True
    results = [Telea().apply(frame[None], mask[None], {"radius": radius})[0] for radius in (3, 7)]
    for result, radius in zip(results, (3, 7), strict=True):
        covered = mirror(frame[None], mask[None])[0]
        expected = cv2.inpaint(covered, mask.astype(np.uint8), radius, cv2.INPAINT_TELEA)
        np.testing.assert_array_equal(result[mask], expected[mask])
    assert not np.array_equal(*results)


@pytest.mark.parametrize("step", [(6, 0), (-5, 0), (0, 4), (3, -2)])
def test_mosaic_brings_back_what_a_neighbour_saw(step: tuple[int, int], panning: Clips):
    """Catches a homography of the wrong direction or order, x and y swapped, and interpolation off by half a pixel."""
    count, height, width, side = 7, 96, 128, 16
    frames = panning(count, height, width, step)
    mask = np.ones(frames.shape[:3], bool)
    mask[:, side:-side, side:-side] = False
    blank = np.where(mask[..., None], 0, frames).astype(np.uint8)
    filled = Mosaic().apply(blank, mask, Mosaic().sample(np.random.default_rng(0)))
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
        {"size": [size, size], "start": [20, 40], "stop": [20 + step * (count - 1), 40]}, count, 96, 128
    )
    source = Mosaic().apply(frames, mask, {"reach": 15, "unseen": STEADY}).astype(int) - frames[0]
    assert (source[0, 40:60, 20:30] == 1).all()  # uncovered one frame later
    assert (source[0, 40:60, 30:40] == 2).all()
    assert (source[3, 40:60, 50:60] == 4).all()  # covered in frame 2
    assert (source[3, 40:60, 60:70] == 2).all()  # covered in frame 4
    assert (
        Mosaic().apply(frames, mask, {"reach": 1, "unseen": STEADY})[0, 40:60, 30:40].astype(int)
        - frames[0, 40:60, 30:40]
        != 2
    ).any()


def test_mosaic_of_one_frame_is_reflect(texture: Clips):
    frames = texture(51, 77)[None]
    mask = BorderMask().render({"start": [9, 0, 0, 12], "stop": [9, 0, 0, 12]}, 1, 51, 77)
    np.testing.assert_array_equal(
        Mosaic().apply(frames, mask, {"reach": 15, "unseen": STEADY}), Reflect().apply(frames, mask, STEADY)
    )


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
