from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Reflect, Replicate
from outpaint_lightning.forge.fills.diffusion import Biharmonic, Harmonic, NavierStokes, Telea
from outpaint_lightning.forge.fills.patches import PatchMatch
from outpaint_lightning.forge.fills.pyramid import PushPull
from outpaint_lightning.forge.parts import Footage

FILLS = [Replicate(), Reflect(), Telea(), NavierStokes(), Harmonic(), Biharmonic(), PushPull(), PatchMatch()]
SHAPES = [(1, 8, 8), (1, 41, 67), (3, 30, 27)]
Clips = Callable[..., np.ndarray]


def _box(frames: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((frames, height, width), bool)
    mask[:, height // 3 : 2 * height // 3, width // 4 : width // 2] = True
    return mask


def _corner(frames: int, height: int, width: int) -> np.ndarray:
    """All but a corner of the first frame, less later."""
    mask = np.ones((frames, height, width), bool)
    for now in range(frames):
        mask[now, : 3 + 4 * now, : 4 + 3 * now] = False
    return mask


def _dots(frames: int, height: int, width: int) -> np.ndarray:
    """Single pixels, other ones in every frame, none in the second."""
    mask = np.random.default_rng(0).random((frames, height, width)) < 0.3
    mask[1:2] = False
    return mask


@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: fill.name)
@pytest.mark.parametrize("region", [_box, _corner, _dots])
@pytest.mark.parametrize("shape", SHAPES)
def test_fills_the_hole_from_known_pixels_only(
    fill: Fill, region: Callable[..., np.ndarray], shape: tuple[int, int, int], panning: Clips
):
    rng = np.random.default_rng(4)
    frames, mask, params = panning(*shape, step=(2, 0)), region(*shape), fill.sample(rng)
    before = frames.copy()
    filled = fill.apply(Footage(frames), mask, params)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(filled[~mask], frames[~mask])
    assert filled.dtype == np.uint8
    for hidden in (0, 255, rng.integers(0, 256, (mask.sum(), 3))):
        other = frames.copy()
        other[mask] = hidden
        np.testing.assert_array_equal(fill.apply(Footage(other), mask, params), filled)


# Not Telea: OpenCV's rounds every ring from the last, and drifts by some levels.
@pytest.mark.parametrize("fill", [fill for fill in FILLS if fill.name != "telea"], ids=lambda fill: fill.name)
@pytest.mark.parametrize("region", [_box, _corner, _dots])
def test_flat_frames_stay_flat(fill: Fill, region: Callable[..., np.ndarray]):
    shape = 2, 33, 45
    frames = np.broadcast_to(np.uint8([3, 120, 251]), (*shape, 3))
    mask = region(*shape)
    blank = np.where(mask[..., None], 77, frames).astype(np.uint8)
    filled = fill.apply(Footage(blank), mask, fill.sample(np.random.default_rng(0)))
    np.testing.assert_array_equal(filled, frames)
