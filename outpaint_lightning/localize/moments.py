"""Keep the few frames of a clip that speak most for a forgery, and most against, while it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.localize.examined import Exhibit
from outpaint_lightning.localize.scoring import JudgedFrame
from outpaint_lightning.pictures import heat_map

HEADS = ("frame", "heat map", "mask")
SHOWN = 5
"""Frames of either kind."""
STRETCHES = 20
"""Of each of so many equal parts of a clip, one frame of either kind is a candidate: neighbours look alike."""
WIDEST = 400  # pixels of a picture


class Moments:
    """Frames of the highest and of the lowest score, spread over a clip.

    >>> moments = Moments(4)
    >>> for score in (0.2, 0.9, 0.1, 0.5):
    ...     moments.see(score, list)
    >>> [each.number for each in moments.most()]
    [1, 3, 0, 2]

    Args:
        frames: of the clip.
    """

    def __init__(self, frames: int) -> None:
        self._length = max(1, frames / STRETCHES)
        self._highest: dict[int, Exhibit] = {}
        self._lowest: dict[int, Exhibit] = {}
        self._seen = 0

    def see(self, score: float, draw: Callable[[], Sequence[NDArray[np.uint8]]]) -> None:
        """Take the next frame of the clip into account; its pictures are drawn if it is kept."""
        stretch, number = int(self._seen / self._length), self._seen
        self._seen += 1
        highest, lowest = self._highest.get(stretch), self._lowest.get(stretch)
        above = highest is None or score > highest.score
        below = lowest is None or score < lowest.score
        if above or below:
            exhibit = Exhibit(number, score, draw())
            self._highest |= {stretch: exhibit} if above else {}
            self._lowest |= {stretch: exhibit} if below else {}

    def most(self) -> list[Exhibit]:
        """Return the frames of the highest scores, the highest first."""
        return sorted(self._highest.values(), key=lambda exhibit: -exhibit.score)[:SHOWN]

    def least(self) -> list[Exhibit]:
        """Return the frames of the lowest scores, the lowest first, but for those that `most` returns."""
        shown = {exhibit.number for exhibit in self.most()}
        others = (exhibit for exhibit in self._lowest.values() if exhibit.number not in shown)
        return sorted(others, key=lambda exhibit: exhibit.score)[:SHOWN]


def pictures_of(judged: JudgedFrame, threshold: float) -> list[NDArray[np.uint8]]:
    """Return the frame, its heat map and its mask, as `HEADS`: `H W 3` RGB each, at most `WIDEST` wide."""
    frame, probability = shrunk(judged.frame), shrunk(judged.probability)
    mask = (probability >= threshold).astype(np.uint8) * np.uint8(255)
    return [frame, heat_map(frame, probability, threshold), np.repeat(mask[..., None], 3, axis=2)]


def all_shrunk(pictures: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Return pictures `H W 3` at most `WIDEST` wide each."""
    return [shrunk(picture) for picture in pictures]


def shrunk(picture: NDArray[Any]) -> NDArray[Any]:
    """Return a picture `H W` or `H W 3` at most `WIDEST` wide."""
    height, width = picture.shape[:2]
    if width <= WIDEST:
        return picture
    return np.asarray(
        cv2.resize(picture, (WIDEST, max(1, round(height * WIDEST / width))), interpolation=cv2.INTER_AREA)
    )
