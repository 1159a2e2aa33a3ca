"""How a forgery meets the authentic pixels around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Parameters


class Seam(ClipFreePart, ABC):
    """Composites a fill into the original so that everything that changes lies inside the mask."""

    @abstractmethod
    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3` equal to `original` outside `mask` (`T H W`)."""


@dataclass(frozen=True)
class HardSeam(Seam):
    """The fill as it is, up to the edge."""

    name = "hard"

    def composite(
        self,
        original: NDArray[np.uint8],
        filled: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - it has none
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        return np.where(mask[..., None], filled, original)


@dataclass(frozen=True)
class FeatherSeam(Seam):
    """The fill fades in from the edge inwards: weight d / (width + 1) at d pixels from the known region, at most 1.

    Attributes:
        width: Fewest and most pixels that are blended.
    """

    name = "feather"

    width: tuple[int, int] = (1, 16)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `width`, in pixels."""
        return {"width": int(rng.integers(*self.width, endpoint=True))}

    def composite(
        self, original: NDArray[np.uint8], filled: NDArray[np.uint8], mask: NDArray[np.bool_], params: Parameters
    ) -> NDArray[np.uint8]:
        """Return frames `T H W 3`."""
        blended = original.copy()
        for frame, fill, hole in zip(blended, filled, mask, strict=True):
            depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            weight = np.minimum(depth[hole] / (params["width"] + 1), 1)[:, None]
            frame[hole] = np.rint(weight * fill[hole] + (1 - weight) * frame[hole]).astype(np.uint8)
        return blended
