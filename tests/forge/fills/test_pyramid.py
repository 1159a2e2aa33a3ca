from __future__ import annotations

import numpy as np

from outpaint_lightning.forge.fills.pyramid import PushPull
from outpaint_lightning.forge.parts import Footage
from outpaint_lightning.motion.pyramid import push_pull as spread

BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])
CENTRE = np.outer([1, 6, 1], [1, 6, 1]) / 64  # the weights of the coarse pixels around a fine one of even place


def push_pull(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    known = (~hole).astype(np.float32)
    return spread(image * known[..., None], known)


def test_one_unknown_pixel_by_hand():
    """It is made from 3 x 3 coarse pixels, each the mean of the known ones of 5 x 5: one pass down, one pass up."""
    image = np.random.default_rng(0).uniform(0, 255, (17, 17, 3)).astype(np.float32)
    hole = np.zeros((17, 17), bool)
    hole[8, 8] = True
    expected = np.zeros(3)
    for y in range(3):
        for x in range(3):
            window = np.s_[4 + 2 * y : 9 + 2 * y, 4 + 2 * x : 9 + 2 * x]
            weight = BINOMIAL * ~hole[window]
            expected += CENTRE[y, x] * (weight[..., None] * image[window]).sum(axis=(0, 1)) / weight.sum()
    filled = push_pull(image, hole)
    np.testing.assert_allclose(filled[8, 8], expected, rtol=1e-5)  # some 50 float32 operations of 6e-8 each
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_a_pixel_far_from_all_has_the_mean_of_both_sides():
    """Catches weights that are not carried along (black seeps in) and a shift of half a pixel on the way up."""
    frames = np.zeros((1, 33, 65, 3), np.uint8)
    frames[:, :, :10] = 40
    frames[:, :, -10:] = 200
    mask = np.zeros((1, 33, 65), bool)
    mask[:, :, 10:-10] = True
    filled = PushPull().apply(Footage(frames), mask, {})[0, :, :, 0].astype(int)
    assert (np.abs(filled[:, 32] - 120) <= 1).all()
    assert (np.abs(filled + filled[:, ::-1] - 240) <= 1).all()
    assert (np.diff(filled, axis=1) >= 0).all()
    np.testing.assert_array_equal(filled, np.broadcast_to(filled[0], filled.shape))


def test_one_known_pixel_is_everywhere():
    for shape in ((8, 8), (1, 9), (31, 2), (45, 77)):
        hole = np.ones(shape, bool)
        hole[-1, 0] = False
        image = np.full((*shape, 3), 99, np.float32)
        image[-1, 0] = 7, 70, 200
        np.testing.assert_allclose(push_pull(image, hole), np.broadcast_to(image[-1, 0], image.shape), rtol=1e-5)
