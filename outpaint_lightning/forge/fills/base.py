"""The interface of every fill."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Footage, Parameters


class Fill(ClipFreePart, ABC):
    """Makes the pixels of a hole from the known pixels; a `Regeneration` uses the hidden pixels too."""

    @abstractmethod
    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the frames with the hole filled.

        Args:
            footage: not modified; pixels under the mask influence only a `Regeneration`.
            mask: `T H W`, True in the hole; no frame is covered completely.
            params: the result of `sample`.

        Returns:
            A new array `T H W 3`, equal to `footage.frames` outside the mask.
        """
