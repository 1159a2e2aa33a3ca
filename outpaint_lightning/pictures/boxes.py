"""Draws boxes on their frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.pictures.marks import CONTOUR, RIM, SAMPLE

TRUTH = (60, 220, 60)


def draw_boxes(
    frame: NDArray[np.uint8],
    found: Sequence[float] | None,
    true: Sequence[float] | None = None,
    caption: str = "",
) -> NDArray[np.uint8]:
    """Draw the found box of a frame in yellow, the true one in green, and a caption in the upper left corner.

    A black line inside each coloured one makes boxes visible on any footage.

    Args:
        frame: uint8 `H W 3` RGB; not modified.
        found: `xmin ymin xmax ymax` in pixels, half-open, or None for no box.
        true: the true box, drawn below the found one.
        caption: a short text; none by default.

    Returns:
        uint8 `H W 3` RGB. The lines lie inside the boxes if there is enough room.
    """
    picture = frame.copy()
    height, width = picture.shape[:2]
    line = max(1, round(min(height, width) / 120))
    for box, colour in ((true, TRUTH), (found, CONTOUR)):
        if box is None:
            continue
        left, top, right, bottom = (round(side) for side in box)
        outer, inner, rest = (_filled((height, width), left, top, right, bottom, depth * line) for depth in range(3))
        picture[outer & ~inner] = colour
        picture[inner & ~rest] = RIM
    if caption:
        scale = max(0.3, min(height, width) / 480)
        (_, text_height), below = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
        origin = (line, text_height + line + below // 2)
        for colour, weight in (((0, 0, 0), 3 * line), ((255, 255, 255), line)):  # a dark rim: legible on any frame
            cv2.putText(picture, caption, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, weight, cv2.LINE_AA)
    return picture


def _filled(shape: tuple[int, int], left: int, top: int, right: int, bottom: int, depth: int) -> NDArray[np.bool_]:
    """Return the pixels `H W` that lie in a box, `depth` pixels from its sides."""
    inside = np.zeros(shape, np.bool_)
    inside[max(0, top + depth) : max(0, bottom - depth), max(0, left + depth) : max(0, right - depth)] = True
    return inside


_GREY = np.full((SAMPLE, SAMPLE, 3), 128, np.uint8)
_WHOLE = (0, 0, SAMPLE, SAMPLE)
BOXES = {"found": draw_boxes(_GREY, _WHOLE), "true": draw_boxes(_GREY, None, _WHOLE)}
"""The legend for the marks of `draw_boxes`."""
