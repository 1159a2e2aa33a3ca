"""Show a mask on its frame, and pictures beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

TINT = np.array([255, 40, 40], np.float32)
TINT_SHARE = 0.4
CONTOUR = (255, 230, 0)
GAP = 4  # white pixels between the pictures of a strip


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


def strip(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Lay pictures of one size out in rows, white between them: uint8 `H W 3` each, and the whole."""
    padded = [[np.pad(p, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for p in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in padded])[:-GAP, :-GAP]
