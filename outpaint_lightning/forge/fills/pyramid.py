"""The fill by averages on a pyramid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.copies import PaintedFill, Painter
from outpaint_lightning.motion.pyramid import push_pull


@dataclass(frozen=True)
class PushPull(PaintedFill):
    """Averages known colours down a pyramid until everything is known, and fills on the way up; soft and blotchy.

    See `forge.pyramid.push_pull`.
    """

    name = "push-pull"

    def painter(self, hole: NDArray[np.bool_]) -> Painter:
        """Return a painter that spreads the known colours."""
        known = (~hole).astype(np.float32)
        return lambda frame: push_pull(frame * known[..., None], known)[hole]
