"""The fill by averages of averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Painter, paint
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.forge.pyramid import push_pull


@dataclass(frozen=True)
class PushPull(Fill):
    """Known colours averaged down a pyramid until everything is known, and filled in on the way up; soft and blotchy.

    See `forge.pyramid.push_pull`.
    """

    name = "push-pull"

    def apply(
        self,
        footage: Footage,
        mask: NDArray[np.bool_],
        params: Parameters,  # noqa: ARG002 - it has none
    ) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""

        def prepare(hole: NDArray[np.bool_]) -> Painter:
            known = (~hole).astype(np.float32)
            return lambda frame: push_pull(frame * known[..., None], known)[hole]

        return paint(footage.frames, mask, prepare)
