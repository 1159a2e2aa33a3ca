from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from outpaint_lightning.forge.fills import Telea, mirror
from outpaint_lightning.forge.parts import Footage

Clips = Callable[..., np.ndarray]
STEADY = {"sigma": 0.01, "shifts": [[0.0, 0.0]]}  # a kernel of one pixel


def test_telea_is_opencv_with_the_radius_given(texture: Clips):
    frame = texture(40, 50)
    mask = np.zeros((40, 50), bool)
    mask[:, 35:] = True
    results = [Telea().apply(Footage(frame[None]), mask[None], {"radius": radius})[0] for radius in (3, 7)]
    for result, radius in zip(results, (3, 7), strict=True):
        covered = mirror(frame[None], mask[None])[0]
        expected = cv2.inpaint(covered, mask.astype(np.uint8), radius, cv2.INPAINT_TELEA)
        np.testing.assert_array_equal(result[mask], expected[mask])
    assert not np.array_equal(*results)
