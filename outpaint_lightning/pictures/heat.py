"""Draws forged probabilities on their frame, with a scale and the threshold.

The colours are those of viridis (Smith and van der Walt, 2015): it has no red, so it stays visible on red footage,
higher probabilities are lighter, and it is readable with colour blindness.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DIM = (0.1, 0.55)
"""Grey levels between which the frame is drawn below the colours of a heat map."""
OPAQUE = (0.25, 0.75)
"""Opacity of the colour at a probability of 0.5 and of 1, in `tinted`."""
RIMS = ((255, 255, 255), (0, 0, 0))
_SCALE_SHARE, _MARGIN = 0.3, 6
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_VIRIDIS: NDArray[np.uint8] = np.asarray(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1], np.uint8
)
"""`256 3`, the RGB colour of each level."""


def colours(probability: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the colour of each probability in [0, 1]: uint8 RGB with one more axis."""
    levels = np.rint(np.clip(probability, 0, 1) * 255).astype(np.uint8)
    return np.asarray(_VIRIDIS[levels], np.uint8)


def heat_map(
    frame: NDArray[np.uint8], probability: NDArray[np.floating], threshold: float, *, scale: bool = True
) -> NDArray[np.uint8]:
    """Return probabilities as colours over the frame in dark grey, outlined where they reach the threshold.

    Args:
        frame: uint8 `H W 3` RGB; not modified.
        probability: `H W` in [0, 1]. A higher probability is drawn more opaque.
        threshold: threshold of the outline and the scale.
        scale: whether to draw the scale.

    Returns:
        uint8 `H W 3` RGB.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None] / 255
    below = (DIM[0] + (DIM[1] - DIM[0]) * grey) * 255
    opacity = (0.15 + 0.7 * np.clip(probability, 0, 1))[..., None]
    picture = _mixed(np.broadcast_to(below, frame.shape), colours(probability), opacity)
    return _finished(picture, probability >= threshold, threshold, scale)


def tinted(
    frame: NDArray[np.uint8], probability: NDArray[np.floating], threshold: float, *, scale: bool = True
) -> NDArray[np.uint8]:
    """Return the frame in its own colours, tinted and outlined where the probability reaches the threshold.

    Args:
        frame: uint8 `H W 3` RGB; not modified.
        probability: `H W` in [0, 1]. A higher probability is drawn more opaque.
        threshold: pixels with at least this probability are tinted.
        scale: whether to draw the scale, in a corner.

    Returns:
        uint8 `H W 3` RGB; outside tint and scale, the frame's pixels are unchanged.
    """
    mask = probability >= threshold
    low, high = OPAQUE
    picture, marked = frame.copy(), probability[mask]
    opacity = np.clip(low + (high - low) * (marked - 0.5) * 2, 0.1, high)[:, None]
    picture[mask] = _mixed(frame[mask], colours(marked), opacity)
    return _finished(picture, mask, threshold, scale)


def _mixed(below: NDArray[Any], above: NDArray[np.uint8], opacity: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(below * (1 - opacity) + above * opacity), np.uint8)


def _finished(picture: NDArray[np.uint8], mask: NDArray[np.bool_], threshold: float, scale: bool) -> NDArray[np.uint8]:
    """Return the picture with a white and a black outline inside the mask, and the scale."""
    line = 2 * max(1, round(min(mask.shape) / 360)) + 1
    left = mask
    for colour in RIMS:
        core = cv2.erode(left.astype(np.uint8), np.ones((line, line), np.uint8), borderValue=0) > 0
        picture[left & ~core] = colour
        left = core
    if scale:
        _draw_scale(picture, mask, threshold)
    return picture


def _draw_scale(picture: NDArray[np.uint8], mask: NDArray[np.bool_], threshold: float) -> None:
    """Draw the colours from 0 to 1 and the threshold in a corner that hides little of the mask, if there is room.

    The lower left corner is used unless another hides less, because a scale that jumps between frames distracts.
    """
    height, width = picture.shape[:2]
    size = min(max(0.3, min(height, width) / 900), 1.2)
    words = f"forged from {threshold:.2f}"
    (long, tall), _ = cv2.getTextSize(words, _FONT, size, 1)
    length, bar = min(max(long, round(width * _SCALE_SHARE)), width - 2 * _MARGIN), max(4, tall // 2)
    rows, columns = tall + bar + 3 * _MARGIN, length + 2 * _MARGIN
    if rows > height // 2 or columns > width:
        return
    corners = [np.s_[y, x] for y in (np.s_[height - rows :], np.s_[:rows]) for x in (np.s_[:columns], np.s_[-columns:])]
    corner = picture[min(corners, key=lambda area: int(mask[area].sum()))]
    corner[:] = 0
    cv2.putText(corner, words, (_MARGIN, _MARGIN + tall), _FONT, size, (255, 255, 255), 1, cv2.LINE_AA)
    top = 2 * _MARGIN + tall
    corner[top : top + bar, _MARGIN : _MARGIN + length] = colours(np.linspace(0, 1, length))
    at = _MARGIN + round(threshold * (length - 1))
    corner[top - 2 : top + bar + 2, max(0, at - 1) : at + 1] = 255
