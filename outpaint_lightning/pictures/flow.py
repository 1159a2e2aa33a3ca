"""Draws a flow in colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Middlebury's colour wheel: 15 steps from red to yellow, then 6 to green, and so on; 55 steps in total.
WHEEL_STEPS = np.cumsum([0, 15, 6, 4, 11, 13, 6])
WHEEL = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])
TOO_LONG_SHADE = 0.75


def flow_colours(flow: NDArray[np.floating[Any]], largest: float | None = None) -> NDArray[np.uint8]:
    """Return a flow in Middlebury's colours: the hue is the direction (right is red, down yellow), white is no motion.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV 2011), and its `colorcode.cpp`,
    which truncates where this function rounds.

    Args:
        flow: `H W 2`, pixels, `u` first.
        largest: length in pixels with the full colour, to make pictures comparable; longer vectors are darker. By
            default the longest vector of `flow`.

    Returns:
        uint8 `H W 3` RGB; black where the flow is not finite.
    """
    known = np.isfinite(flow).all(axis=2)
    u, v = np.moveaxis(np.where(known[..., None], flow, 0).astype(np.float64), 2, 0)
    length = np.hypot(u, v)
    share = length / max(length.max() if largest is None else largest, np.finfo(np.float64).tiny)
    step = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (WHEEL_STEPS[-1] - 1)  # one step short of a full turn, as published
    hue = np.stack([np.interp(step, WHEEL_STEPS, channel) for channel in WHEEL.T], axis=2)
    colour = 1 - np.minimum(share, 1)[..., None] * (1 - hue)
    colour[share > 1 + 1e-6] *= TOO_LONG_SHADE  # `largest` may be rounded to float32
    picture: NDArray[np.uint8] = np.rint(255 * np.where(known[..., None], colour, 0)).astype(np.uint8)
    return picture
