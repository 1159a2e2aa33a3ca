"""Draws a mask on its frame, and pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

TINT = np.array([255, 40, 40], np.float32)
TINT_SHARE = 0.4
CONTOUR = (255, 230, 0)
RIM = (0, 0, 0)
GAP = 4  # white pixels between the pictures of a strip
BAND = 16  # height in pixels of a line of text
LETTERS = 0.4  # scale of OpenCV's font: 9 pixels high
SAMPLE = 12  # pixels per side of a legend's sample


@dataclass(frozen=True)
class MarkedPicture:
    """A picture with its marks drawn, and the frame and the marks separately if they are known."""

    drawn: NDArray[np.uint8]
    """`H W 3` RGB, for files and for loggers that accept only pictures."""
    frame: NDArray[np.uint8] | None = None
    """`H W 3` RGB without marks; None if only `drawn` is known."""
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Masks of the frame, `H W` each, by name."""
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Boxes on the frame, by name: `xmin ymin xmax ymax` in pixels, half-open."""
    caption: str = ""


def overlay(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Tint the masked pixels of a frame red, with a yellow and a black edge line, which is visible on any footage.

    Args:
        frame: uint8 `H W 3` RGB; not modified.
        mask: bool `H W`.

    Returns:
        uint8 `H W 3` RGB; pixels outside the mask are unchanged. Both lines lie inside the mask.
    """
    picture = frame.copy()
    picture[mask] = np.rint(frame[mask] * (1 - TINT_SHARE) + TINT * TINT_SHARE).astype(np.uint8)
    line = 2 * max(1, round(min(mask.shape) / 240)) + 1
    left = mask
    for colour in (CONTOUR, RIM):
        core = cv2.erode(left.astype(np.uint8), np.ones((line, line), np.uint8), borderValue=0) > 0
        picture[left & ~core] = colour
        left = core
    return picture


def strip(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    heads: Sequence[str] = (),
    legend: Mapping[str, NDArray[np.uint8]] | None = None,
) -> NDArray[np.uint8]:
    """Arrange pictures of one size in rows, with white gaps.

    Args:
        rows: uint8 `H W 3` RGB each.
        heads: titles of the columns; none by default.
        legend: texts below the pictures, each after its sample, such as `FORGED`.

    Returns:
        uint8 RGB, the whole picture.
    """
    padded = [[np.pad(p, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for p in row] for row in rows]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in padded])[:-GAP, :-GAP]
    step = padded[0][0].shape[1]
    above = [band(picture.shape[1], [(step * i, head) for i, head in enumerate(heads)])] if heads else []
    below = [_legend(picture.shape[1], legend)] if legend else []
    return np.concatenate([*above, picture, *below])


def titled(picture: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    """Return a picture, uint8 `H W 3` RGB, below a band with its title."""
    return np.concatenate([band(picture.shape[1], [(0, title)]), picture])


def band(width: int, words: Sequence[tuple[int, str]]) -> NDArray[np.uint8]:
    """Return a white band, uint8 `BAND width 3`, with black texts, each starting at its column."""
    picture = np.full((BAND, width, 3), 255, np.uint8)
    for left, text in words:
        cv2.putText(picture, text, (left + 2, 12), cv2.FONT_HERSHEY_SIMPLEX, LETTERS, (0, 0, 0), 1, cv2.LINE_AA)
    return picture


def _legend(width: int, samples: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    words, left = [], 0
    for text in samples:
        words.append((left + BAND, text))
        left += 2 * BAND + cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, LETTERS, 1)[0][0]
    picture = band(width, words)
    for (right, _), sample in zip(words, samples.values(), strict=True):
        room = picture[2 : 2 + SAMPLE, right - SAMPLE - 2 : right - 2]
        room[:] = sample[: room.shape[0], : room.shape[1]]
    return picture


FORGED = {"forged": overlay(np.full((SAMPLE, SAMPLE, 3), 128, np.uint8), np.ones((SAMPLE, SAMPLE), np.bool_))}
"""The legend for the marks of `overlay`."""
