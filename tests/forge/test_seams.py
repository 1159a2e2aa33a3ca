from __future__ import annotations

import numpy as np
import pytest

from outpaint_lightning.forge.seams import FeatherSeam, HardSeam, Seam


def _hole() -> np.ndarray:
    mask = np.zeros((2, 31, 45), bool)
    mask[0, 4:20, :30] = True
    mask[1, :, 40:] = True
    return mask


@pytest.mark.parametrize(
    ("seam", "params"),
    [(HardSeam(), {}), (FeatherSeam(), {"width": 1}), (FeatherSeam(), {"width": 16})],
)
def test_everything_in_the_mask_and_nothing_else_changes(seam: Seam, params: dict[str, int]):
    mask = _hole()
    original = np.zeros((*mask.shape, 3), np.uint8)
    result = seam.composite(original, np.full_like(original, 255), mask, params)
    np.testing.assert_array_equal((result > 0).all(axis=3), mask)
    np.testing.assert_array_equal((result > 0).any(axis=3), mask)
    assert not original.any()


def test_hard_is_the_fill():
    mask = _hole()
    original, filled = np.random.default_rng(0).integers(0, 256, (2, *mask.shape, 3), dtype=np.uint8)
    result = HardSeam().composite(original, filled, mask, {})
    np.testing.assert_array_equal(result[mask], filled[mask])
    np.testing.assert_array_equal(result[~mask], original[~mask])


def test_feather_fades_in_from_the_edge_by_hand():
    mask = np.zeros((1, 5, 9), bool)
    mask[..., :6] = True
    original = np.full((1, 5, 9, 3), 200, np.uint8)
    filled = np.full_like(original, 100)
    result = FeatherSeam().composite(original, filled, mask, {"width": 3})[0, 2, :, 0]
    np.testing.assert_array_equal(result, [100, 100, 100, 125, 150, 175, 200, 200, 200])  # weights 1 1 1 3/4 1/2 1/4


def test_feather_widths_cover_their_range():
    widths = {FeatherSeam().sample(np.random.default_rng(seed))["width"] for seed in range(300)}
    assert widths == set(range(1, 17))
