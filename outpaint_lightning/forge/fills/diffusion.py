"""Fills that continue the colours at the edge of the hole into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import mirror
from outpaint_lightning.forge.parts import Footage, Parameters


@dataclass(frozen=True)
class Telea(Fill):
    """OpenCV's fast marching inpainting of each frame (Telea, 2004). On wide holes it smears, as it does everywhere.

    Attributes:
        radius: Smallest and largest neighbourhood that a pixel is made from, in pixels.
    """

    name = "telea"

    radius: tuple[int, int] = (3, 7)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `radius`, in pixels."""
        return {"radius": int(rng.integers(*self.radius, endpoint=True))}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        # OpenCV's gradients read a little of what lies in the hole, so it must not be what the mask hides.
        filled = mirror(footage.frames, mask)
        for frame, hole in zip(filled, mask, strict=True):
            frame[hole] = cv2.inpaint(frame, hole.astype(np.uint8), params["radius"], cv2.INPAINT_TELEA)[hole]
        return filled
