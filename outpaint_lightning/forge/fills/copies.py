"""Fills that repeat known pixels of the same frame."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.parts import Footage, Parameters

SHIFTS = 32  # drawn for a forgery; of a longer clip, frame t is shifted as frame t - 32


Painter = Callable[[NDArray[np.uint8]], NDArray[np.generic]]
"""Takes a frame `H W 3` to the colours `n 3` of its hole, in row order."""


def paint(
    frames: NDArray[np.uint8], mask: NDArray[np.bool_], prepare: Callable[[NDArray[np.bool_]], Painter]
) -> NDArray[np.uint8]:
    """Fill every frame by a painter made for its hole.

    Args:
        frames: `T H W 3`, never changed.
        mask: `T H W`, True in the hole.
        prepare: Called with a hole (`H W`, never empty) once while it stays the same from frame to frame.

    Returns:
        `T H W 3`, an array of its own; in the hole what the painter gave, rounded and clipped.
    """
    filled = frames.copy()
    last = None
    for frame, hole in zip(filled, mask, strict=True):
        if not hole.any():
            continue
        if last is None or not np.array_equal(hole, last):
            last, painter = hole, prepare(hole)
        frame[hole] = np.clip(np.rint(painter(frame)), 0, 255)
    return filled


class PaintedFill(Fill):
    """A fill whose every frame is painted by itself, by what its hole alone decides: see `paint`."""

    @abstractmethod
    def painter(self, hole: NDArray[np.bool_]) -> Painter:
        """Return what paints frames that have this hole, `H W`, never empty."""

    def apply(
        self,
        footage: Footage,
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - it has none
    ) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        return paint(footage.frames, mask, self.painter)


@dataclass(frozen=True)
class Replicate(PaintedFill):
    """The nearest known pixel: a border is the outermost known row or column drawn out, as a decoder pads a frame.

    Example:
        >>> import numpy as np
        >>> from outpaint_lightning.forge.parts import Footage
        >>> frames = np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None], (1, 10, 10, 3))
        >>> mask = np.zeros((1, 10, 10), bool)
        >>> mask[:, :, :3] = True  # the left border
        >>> Replicate().apply(Footage(frames), mask, {})[0, 0, :5, 0].tolist()
        [3, 3, 3, 3, 4]
    """

    name = "replicate"

    def painter(self, hole: NDArray[np.bool_]) -> Painter:
        """Return what looks up the nearest known pixels."""
        row, column = nearest(~hole)[:, hole]
        return lambda frame: frame[row, column]


@dataclass(frozen=True)
class Reflect(Fill):
    """The known pixels mirrored at the edge of the hole by `mirror`, jittered from frame to frame and softened.

    What invents pixels flickers a little over time and is softer than a camera: a mirror image alone would be as sharp
    and as steady as the footage itself.

    Attributes:
        jitter: Smallest and largest shift of a forgery's frames, in pixels.
        sigma: Smallest and largest standard deviation of the Gaussian blur, in pixels.
    """

    name = "reflect"
    limits: ClassVar = {"sigma": (0.01, 100)}

    jitter: tuple[float, float] = (0.5, 2.0)
    sigma: tuple[float, float] = (0.6, 1.6)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `sigma`, in pixels, and `shifts`, (x, y) in pixels of `SHIFTS` frames, which then repeat."""
        reach = rng.uniform(*self.jitter)
        return {"sigma": float(rng.uniform(*self.sigma)), "shifts": rng.uniform(-reach, reach, (SHIFTS, 2)).tolist()}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        filled = mirror(footage.frames, mask)
        for frame, hole, (x, y) in zip(filled, mask, itertools.cycle(params["shifts"]), strict=False):
            move = np.array([[1, 0, x], [0, 1, y]])
            moved = cv2.warpAffine(frame, move, frame.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
            frame[hole] = cv2.GaussianBlur(moved, (0, 0), params["sigma"])[hole]
        return filled


def mirror(frames: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return `frames` (`T H W 3`) with the hole (`T H W`) filled by the known pixels mirrored at its edge.

    A pixel p of the hole whose nearest known pixel is q shows 2q - p: for a border this mirrors about the known
    rectangle (`numpy.pad(mode="reflect")`), for a box across its nearest edge. A mirror image that lies in the hole
    itself is followed on to its own. A strip narrower than a quarter of the frame, such as a box leaves beside it, is
    no mirror: it would only repeat as stripes.
    """

    def prepare(hole: NDArray[np.bool_]) -> Painter:
        source = _mirror(hole)
        return lambda frame: frame.reshape(-1, 3)[source]

    return paint(frames, mask, prepare)


def nearest(known: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return for each pixel row and column (`2 H W`) of the nearest known one (`H W`, some True), itself if known."""
    found: NDArray[np.int32] = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return found


def _mirror(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each pixel of the hole (`H W`, in row order) the flat index of the known pixel it mirrors."""
    height, width = hole.shape
    known = (~hole).astype(np.uint8)
    side = min(height, width) // 4 | 1  # odd: an even window would shift what it opens
    thick = cv2.morphologyEx(
        known, cv2.MORPH_OPEN, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    mirrors = thick if thick.any() else known
    near_row, near_column = nearest(mirrors > 0).astype(np.int64)
    row, column = np.indices(hole.shape)
    image = _fold(2 * near_row - row, height) * width + _fold(2 * near_column - column, width)
    source = np.where(hole, image, np.arange(hole.size).reshape(hole.shape)).ravel()
    for _ in range(3):  # each turn doubles the mirrors passed: 8 in all
        source = source[source]
    source = np.where(hole.ravel()[source], (near_row * width + near_column).ravel(), source)
    return source[hole.ravel()]


def _fold(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Mirror indices outside [0, size) back into it, the outermost pixel not repeated."""
    index = np.abs(index) % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)
