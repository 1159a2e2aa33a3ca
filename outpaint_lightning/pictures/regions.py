"""Draws the region that was found in an image, and names the files of such pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.pictures.boxes import draw_boxes
from outpaint_lightning.pictures.marks import overlay


def draw_region(
    image: NDArray[np.uint8],
    score: float,
    found: Sequence[float] | None,
    mask: NDArray[np.bool_] | None = None,
    true: Sequence[float] | None = None,
) -> NDArray[np.uint8]:
    """Draw the result for an image: the mask tinted, boxes, and the score in the upper left corner.

    Args:
        image: uint8 `H W 3` RGB; not modified.
        score: probability that the image is forged.
        found: `xmin ymin xmax ymax` in pixels, half-open; None for no box.
        mask: bool `h w`, of any size.
        true: the true box, in the same form.

    Returns:
        uint8 `H W 3` RGB.
    """
    marked = image if mask is None else overlay(image, enlarged(mask, *image.shape[:2]))
    return draw_boxes(marked, found, true, caption=f"{score:.2f}")


def enlarged(mask: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """Return a bool mask `h w` at another size, bool `H W`, by nearest neighbour."""
    return np.asarray(cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT) > 0)


def picture_file(name: str, frame: int, frames: int) -> str:
    """Return the file for a frame's picture: `name.png` for a single image, else a file in a folder of that name."""
    return f"{name}.png" if frames == 1 else f"{name}/{frame:05d}.png"
