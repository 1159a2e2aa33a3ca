from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from outpaint_lightning.forge.fills import Fill, Mosaic, Reflect, Telea
from outpaint_lightning.forge.masks import BorderMask, BoxMask, MaskSampler
from outpaint_lightning.forge.parts import Footage

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
    mask = sampler.render(sampler.sample(rng, Footage.blank(*shape)), Footage.blank(*shape))
    params = fill.sample(rng)
    before = frames.copy()
    filled = fill.apply(Footage(frames), mask, params)
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(filled[~mask], frames[~mask])
    assert not np.array_equal(filled[mask], frames[mask])
    other = frames.copy()
    other[mask] = rng.integers(0, 256, other[mask].shape)
    np.testing.assert_array_equal(fill.apply(Footage(other), mask, params), filled)
