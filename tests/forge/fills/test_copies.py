from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from outpaint_lightning.forge.fills.copies import Reflect, Replicate, mirror, nearest, paint
from outpaint_lightning.forge.parts import Footage

Clips = Callable[..., np.ndarray]
STEADY = {"sigma": 0.01, "shifts": [[0.0, 0.0]]}  # a kernel of one pixel


def test_replicate_of_a_border_is_the_known_rectangle_padded():
    known = np.random.default_rng(0).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
    expected = np.pad(known, ((0, 0), (3, 5), (7, 2), (0, 0)), mode="edge")
    mask = np.ones(expected.shape[:3], bool)
    mask[:, 3:13, 7:19] = False
    blank = np.where(mask[..., None], 0, expected).astype(np.uint8)
    np.testing.assert_array_equal(Replicate().apply(Footage(blank), mask, {}), expected)


def test_nearest_is_nearest():
    """Against every distance: catches rows for columns, the farthest for the nearest, and approximate distances."""
    known = np.random.default_rng(1).random((23, 31)) < 0.02
    found = nearest(known)
    assert known[tuple(found)].all()
    here, there = np.indices(known.shape).reshape(2, -1, 1), np.array(np.nonzero(known))[:, None]
    least = np.square(here - there).sum(axis=0).min(axis=1).reshape(known.shape)
    np.testing.assert_array_equal(np.square(found - np.indices(known.shape)).sum(axis=0), least)


def test_paint_prepares_once_for_a_hole_that_stays_and_rounds_and_clips():
    frames = np.full((4, 3, 3, 3), 9, np.uint8)
    mask = np.zeros((4, 3, 3), bool)
    mask[:2, 0, 0] = mask[3, 1, 1] = True
    holes = []

    def prepare(hole: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        holes.append(hole)
        return lambda _: np.array([[-3.0, 7.6, 300.0]])

    filled = paint(frames, mask, prepare)
    assert len(holes) == 2  # an empty hole needs none
    np.testing.assert_array_equal(filled[mask], [[0, 8, 255]] * 3)
    assert (filled[~mask] == 9).all()
    assert (frames == 9).all()


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
    np.testing.assert_array_equal(Reflect().apply(Footage(frames), mask, STEADY), still)
    shifted = Reflect().apply(Footage(frames), mask, {"sigma": 0.01, "shifts": [[2.0, 0.0], [0.0, -1.0]]})
    np.testing.assert_array_equal(shifted[0, :, 62:], still[0, :, 60:-2])  # x first, to the right
    np.testing.assert_array_equal(shifted[1, :-1, 60:], still[1, 1:, 60:])
    np.testing.assert_array_equal(shifted[2], shifted[0])  # the shifts repeat
    soft = Reflect().apply(Footage(frames), mask, {"sigma": 1.2, "shifts": [[0.0, 0.0]]})
    np.testing.assert_array_equal(soft[mask], np.stack([cv2.GaussianBlur(f, (0, 0), 1.2) for f in still])[mask])
