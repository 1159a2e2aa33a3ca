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

SHIFTS = 32  # number of shifts per forgery; in a longer clip they repeat: frame t has the shift of frame t - 32


Painter = Callable[[NDArray[np.uint8]], NDArray[np.generic]]
"""Maps a frame `H W 3` to the colours `n 3` of its hole, in row order."""


def paint(
    frames: NDArray[np.uint8], mask: NDArray[np.bool_], prepare: Callable[[NDArray[np.bool_]], Painter]
) -> NDArray[np.uint8]:
    """Fill every frame with a painter that is made for its hole.

    Args:
        frames: `T H W 3`; not modified.
        mask: `T H W`, True in the hole.
        prepare: makes a painter for a hole (`H W`, never empty); called once while the hole stays the same.

    Returns:
        A new array `T H W 3`; the hole holds the painter's colours, rounded and clipped.
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
    """A fill that paints every frame independently; the painter depends on the hole only. See `paint`."""

    @abstractmethod
    def painter(self, hole: NDArray[np.bool_]) -> Painter:
        """Return a painter for frames with this hole, `H W`, never empty."""

    def apply(
        self,
        footage: Footage,
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - this fill has no parameters
    ) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        return paint(footage.frames, mask, self.painter)


@dataclass(frozen=True)
class Replicate(PaintedFill):
    """The nearest known pixel: a border repeats the outermost known row or column, as a decoder pads a frame.

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
        """Return a painter that copies the nearest known pixels."""
        row, column = nearest(~hole)[:, hole]
        return lambda frame: frame[row, column]


@dataclass(frozen=True)
class Reflect(Fill):
    """The known pixels, mirrored at the hole's edge by `mirror`, with jitter from frame to frame and blur.

    Generated pixels flicker slightly over time and are softer than a camera's; a pure mirror image would be as sharp
    and steady as the footage.

    Attributes:
        jitter: smallest and largest limit of the shifts of a forgery's frames, in pixels.
        sigma: smallest and largest standard deviation of the Gaussian blur, in pixels.
    """

    name = "reflect"
    limits: ClassVar = {"sigma": (0.01, 100)}

    jitter: tuple[float, float] = (0.5, 2.0)
    sigma: tuple[float, float] = (0.6, 1.6)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `sigma` in pixels, and `shifts`, (x, y) in pixels for `SHIFTS` frames; they then repeat."""
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

    A hole pixel p whose nearest known pixel is q shows 2q - p: a border is mirrored about the known rectangle
    (`numpy.pad(mode="reflect")`), a box across its nearest edge. If the mirror image lies in the hole too, it is
    mirrored again. Strips narrower than a quarter of the frame, such as beside a box, are not mirrored, because they
    would repeat as stripes.
    """

    def prepare(hole: NDArray[np.bool_]) -> Painter:
        source = _mirror(hole)
        return lambda frame: frame.reshape(-1, 3)[source]

    return paint(frames, mask, prepare)


def nearest(known: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return for each pixel the row and column (`2 H W`) of the nearest known pixel (`H W`, some True)."""
    found: NDArray[np.int32] = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return found


def _mirror(hole: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each pixel of the hole (`H W`, in row order) the flat index of the known pixel that it mirrors."""
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
    for _ in range(3):  # each pass doubles the number of reflections: 8 in all
        source = source[source]
    source = np.where(hole.ravel()[source], (near_row * width + near_column).ravel(), source)
    return source[hole.ravel()]


def _fold(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Mirror indices outside [0, size) back into it, without repeating the outermost pixel."""
    index = np.abs(index) % (2 * size - 2)
    return np.minimum(index, 2 * size - 2 - index)
