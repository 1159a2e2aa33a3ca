"""Fills that bring what neighbouring frames show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Reflect, mirror
from outpaint_lightning.forge.motion import camera_positions
from outpaint_lightning.forge.parts import Footage, Parameters


@dataclass(frozen=True)
class Mosaic(Fill):
    """Known pixels of neighbouring frames, warped by the camera's motion, the nearest frame in time first.

    All of it is real content: the hard case. What no frame saw is filled by `Reflect`.

    Attributes:
        reach: How many frames before and after may give pixels.
    """

    name = "mosaic"

    reach: int = 15

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Pass `reach` on, and draw the parameters of `Reflect` for what is `unseen`."""
        return {"reach": self.reach, "unseen": Reflect().sample(rng)}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        frames = footage.frames
        # The hole is covered before motion is judged: patches that reach into it must not see what it hides.
        covered = mirror(frames, mask)
        positions, shots = camera_positions(covered, ~mask)
        known = (~mask).astype(np.float32)
        size = frames.shape[2], frames.shape[1]
        filled, unseen = frames.copy(), mask.copy()
        for now, (frame, hole) in enumerate(zip(filled, unseen, strict=True)):
            to_now = np.linalg.inv(positions[now])
            for other in _nearest_first(now, len(frames), params["reach"]):
                if shots[other] != shots[now]:
                    continue
                if not hole.any():
                    break
                motion = to_now @ positions[other]
                # Only pixels made of known ones alone: bilinear weights of the mask that sum to 1.
                seen = hole & (cv2.warpPerspective(known[other], motion, size, flags=cv2.INTER_LINEAR) > 0.999)
                frame[seen] = cv2.warpPerspective(covered[other], motion, size, flags=cv2.INTER_LINEAR)[seen]
                hole[seen] = False
        return Reflect().apply(Footage(filled), unseen, params["unseen"])


def _nearest_first(now: int, frames: int, reach: int) -> list[int]:
    others = [other for other in range(max(0, now - reach), min(frames, now + reach + 1)) if other != now]
    return sorted(others, key=lambda other: abs(other - now))
