"""Pictures that show a mask on its frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

TINT = np.array([255, 40, 40], np.float32)
TINT_SHARE = 0.4
CONTOUR = (255, 230, 0)
GAP = 4  # white pixels between the pictures of a strip


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
