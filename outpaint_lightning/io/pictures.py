"""Pictures that show a mask on its frame, boxes, or the colours of a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

TINT = np.array([255, 40, 40], np.float32)
TINT_SHARE = 0.4
CONTOUR = (255, 230, 0)
TRUTH = (60, 220, 60)
GAP = 4  # white pixels between the pictures of a strip

# Middlebury's colour wheel: 15 steps from red to yellow, 6 on to green, and so on; 55 make the turn.
WHEEL_STEPS = np.cumsum([0, 15, 6, 4, 11, 13, 6])
WHEEL = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])
TOO_LONG_SHADE = 0.75


@dataclass(frozen=True)
class MarkedPicture:
    """A picture with what is drawn on it, and where they are known apart, the frame and its marks."""

    drawn: NDArray[np.uint8]
    """`H W 3` RGB, for files and for loggers that show nothing but pictures."""
    frame: NDArray[np.uint8] | None = None
    """`H W 3` RGB with nothing on it; None where `drawn` is all there is."""
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Of the frame, `H W` each, by name."""
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of the frame, by name: `xmin ymin xmax ymax` in pixels, half-open."""
    caption: str = ""


def overlay(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Tint the masked pixels of a frame red and draw the mask's outline in yellow.

    Args:
        frame: uint8 `H W 3` RGB; not changed.
        mask: bool `H W`.

    Returns:
        uint8 `H W 3` RGB; pixels outside mask and outline are the frame's own.
    """
    picture = frame.copy()
    picture[mask] = np.rint(frame[mask] * (1 - TINT_SHARE) + TINT * TINT_SHARE).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, CONTOUR, thickness=max(1, round(min(mask.shape) / 240)))
    return picture


def draw_boxes(
    frame: NDArray[np.uint8],
    found: Sequence[float] | None,
    true: Sequence[float] | None = None,
    caption: str = "",
) -> NDArray[np.uint8]:
    """Draw the found box of a frame in yellow, the true one in green, and a caption in its upper left corner.

    Args:
        frame: uint8 `H W 3` RGB; not changed.
        found: `xmin ymin xmax ymax` in pixels, half-open, or None for no box.
        true: the same, drawn below it.
        caption: a few words; none by default.

    Returns:
        uint8 `H W 3` RGB. The lines lie inside the boxes, as far as there is room.
    """
    picture = frame.copy()
    height, width = picture.shape[:2]
    line = max(1, round(min(height, width) / 120))
    for box, colour in ((true, TRUTH), (found, CONTOUR)):
        if box is None:
            continue
        left, top, right, bottom = (round(side) for side in box)
        inside = np.zeros((height, width), np.bool_)
        inside[max(0, top + line) : max(0, bottom - line), max(0, left + line) : max(0, right - line)] = True
        border = np.zeros_like(inside)
        border[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        picture[border & ~inside] = colour
    if caption:
        scale = max(0.3, min(height, width) / 480)
        (_, text_height), below = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
        place = (line, text_height + line + below // 2)
        for colour, weight in (((0, 0, 0), 3 * line), ((255, 255, 255), line)):  # a dark rim: legible on any frame
            cv2.putText(picture, caption, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, weight, cv2.LINE_AA)
    return picture


def strip(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Lay pictures of one size out in rows, white between them: uint8 `H W 3` each, and the whole."""
    padded = [[np.pad(p, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for p in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in padded])[:-GAP, :-GAP]


def flow_colours(flow: NDArray[np.floating[Any]], largest: float | None = None) -> NDArray[np.uint8]:
    """Show a flow in Middlebury's colours: the hue is its direction (right is red, down yellow), white is no motion.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow" (IJCV 2011), and its `colorcode.cpp`;
    rounded here, where that truncates.

    Args:
        flow: `H W 2`, pixels, `u` first.
        largest: the length in pixels that gets the full colour, for pictures that are to be compared; longer vectors
            are darker. The longest of `flow` by default.

    Returns:
        uint8 `H W 3` RGB; black where the flow is not finite.
    """
    known = np.isfinite(flow).all(axis=2)
    u, v = np.moveaxis(np.where(known[..., None], flow, 0).astype(np.float64), 2, 0)
    length = np.hypot(u, v)
    share = length / max(length.max() if largest is None else largest, np.finfo(np.float64).tiny)
    step = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (WHEEL_STEPS[-1] - 1)  # one step short of the turn, as published
    hue = np.stack([np.interp(step, WHEEL_STEPS, channel) for channel in WHEEL.T], axis=2)
    colour = 1 - np.minimum(share, 1)[..., None] * (1 - hue)
    colour[share > 1 + 1e-6] *= TOO_LONG_SHADE  # `largest` may be rounded to float32
    picture: NDArray[np.uint8] = np.rint(255 * np.where(known[..., None], colour, 0)).astype(np.uint8)
    return picture
