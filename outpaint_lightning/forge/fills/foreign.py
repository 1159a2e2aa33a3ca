"""Fills with content from another region of the frame, or from another source."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import mirror
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.types import InputError

CANDIDATES = 32  # shifts drawn per forgery


@dataclass(frozen=True)
class CopyMove(Fill):
    """Pixels from another region of the same frame, with one shift for the whole clip; the rest is mirrored.

    Several shifts are drawn before the hole is known; the shift that brings the most known pixels is used.

    Attributes:
        shift: smallest and largest distance along each axis, as a fraction of the frame's height or width.
    """

    name = "copy-move"

    shift: tuple[float, float] = (0.1, 0.6)

    def __post_init__(self) -> None:
        if not 0 < self.shift[0] <= self.shift[1] < 1:
            raise ValueError(f"shift {self.shift}: expected two fractions of the frame, the smaller first")

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `shifts`: `CANDIDATES` pairs (x, y) as fractions of the width and the height."""
        distance = rng.uniform(*self.shift, (CANDIDATES, 2))
        return {"shifts": (distance * rng.choice([-1, 1], (CANDIDATES, 2))).tolist()}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        _, height, width = footage.shape
        moves = [(round(x * width), round(y * height)) for x, y in params["shifts"]]
        reached = [np.count_nonzero(_reached(mask, move)) for move in moves]
        move = moves[int(np.argmax(reached))]
        copied = _reached(mask, move)
        target, source = _overlap(mask, move)
        filled = mirror(footage.frames, mask)
        filled[target][copied] = footage.frames[source][copied]
        return filled


def _overlap(mask: NDArray[np.bool_], move: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the pixels whose shifted position (x, y) is inside the frame, and those shifted positions."""
    sizes = zip(mask.shape[1:], move[::-1], strict=True)
    slices = [(slice(max(0, -by), size - max(0, by)), slice(max(0, by), size - max(0, -by))) for size, by in sizes]
    target, source = zip(*slices, strict=True)
    return (slice(None), *target), (slice(None), *source)


def _reached(mask: NDArray[np.bool_], move: tuple[int, int]) -> NDArray[np.bool_]:
    """Return for the first of those parts which pixels are in the hole and have a known shifted pixel."""
    target, source = _overlap(mask, move)
    return mask[target] & ~mask[source]


@dataclass(frozen=True)
class Splice(Fill):
    """Frames of another source, resized to cover the frame; they play forwards and backwards repeatedly."""

    name = "splice"
    needs = frozenset({"donor"})

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `start` in the donor and `place`, the (x, y) position of the crop; all in [0, 1)."""
        return {"start": rng.uniform(), "place": rng.uniform(size=2).tolist()}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`.

        Raises:
            InputError: the footage has no donor.
        """
        if footage.donor is None:
            raise InputError("splice: expected frames of another source (a donor)")
        filled = footage.frames.copy()
        last = len(footage.donor) - 1
        start = int(params["start"] * len(footage.donor))
        for index, (frame, hole) in enumerate(zip(filled, mask, strict=True), start):
            shown = last - abs(last - index % max(1, 2 * last))
            frame[hole] = _cover(footage.donor[shown], frame.shape[:2], params["place"])[hole]
        return filled


def _cover(image: NDArray[np.uint8], shape: tuple[int, ...], place: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the crop at `place` from `image` (`H' W' 3`), scaled in proportion to cover `shape` (H, W)."""
    height, width = shape
    scale = max(height / image.shape[0], width / image.shape[1])
    rows, columns = max(height, round(image.shape[0] * scale)), max(width, round(image.shape[1] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(image, (columns, rows), interpolation=method), np.uint8)
    left, top = (int(at * (extra + 1)) for at, extra in zip(place, (columns - width, rows - height), strict=True))
    return resized[top : top + height, left : left + width]
