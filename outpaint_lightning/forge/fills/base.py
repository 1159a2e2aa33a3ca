"""What every fill promises."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Footage, Parameters


class Fill(ClipFreePart, ABC):
    """Makes the pixels of a hole: from the known ones, unless it is a `Regeneration`."""

    @abstractmethod
    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the frames with the hole filled.

        Args:
            footage: Never changed; what lies under the mask has no influence but on a `Regeneration`.
            mask: `T H W`, True in the hole; in no frame all of it.
            params: What `sample` gave.

        Returns:
            `T H W 3`, equal to `footage.frames` outside the mask; an array of its own.
        """
