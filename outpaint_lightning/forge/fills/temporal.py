"""Fills that bring what neighbouring frames show."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.fills.base import Fill
from outpaint_lightning.forge.fills.copies import Reflect, mirror
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.motion.chains import chain_steps, follow_chains, read_places
from outpaint_lightning.motion.classical import camera_positions

Views = Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]
"""Other frames warped into this one (`H W 3`), and where they are made of known pixels alone (`H W`)."""


@dataclass(frozen=True)
class _ByCamera(Fill):
    """Neighbouring frames warped by the camera's motion. What no frame saw is filled by `Reflect`.

    Attributes:
        reach: How many frames before and after may give pixels.
    """

    limits: ClassVar = {"reach": (1, math.inf)}

    reach: int = 15

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Pass `reach` on, and draw the parameters of `Reflect` for what is `unseen`."""
        return {"reach": self.reach, "unseen": Reflect().sample(rng)}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        # The hole is covered before motion is judged: patches that reach into it must not see what it hides.
        covered = mirror(footage.frames, mask)
        positions, shots = camera_positions(covered, ~mask)
        filled, unseen = footage.frames.copy(), mask.copy()
        for now, (frame, hole) in enumerate(zip(filled, unseen, strict=True)):
            others = [t for t in _nearest_first(now, len(mask), params["reach"]) if shots[t] == shots[now]]
            to_now = np.linalg.inv(positions[now])
            if hole.any():
                self._bring(frame, hole, (_warp(covered[t], mask[t], to_now @ positions[t]) for t in others))
        return Reflect().apply(Footage(filled), unseen, params["unseen"])

    @staticmethod
    @abstractmethod
    def _bring(frame: NDArray[np.uint8], hole: NDArray[np.bool_], views: Views) -> None:
        """Write into `frame` (`H W 3`) what the neighbours saw of the hole, and leave in `hole` (`H W`) the rest."""


@dataclass(frozen=True)
class Mosaic(_ByCamera):
    """Known pixels of neighbouring frames, warped by the camera's motion, the nearest frame in time first.

    All of it is real content: the hard case. What no frame saw is filled by `Reflect`.
    """

    name = "mosaic"

    @staticmethod
    def _bring(frame: NDArray[np.uint8], hole: NDArray[np.bool_], views: Views) -> None:
        for view, seen in views:
            fresh = seen & hole
            frame[fresh] = view[fresh]
            hole[fresh] = False
            if not hole.any():
                break


@dataclass(frozen=True)
class Median(_ByCamera):
    """The median of the neighbouring frames that saw a pixel, warped by the camera's motion.

    What moves or flashes by is gone, and so is the noise. What no frame saw is filled by `Reflect`.
    """

    name = "median"

    @staticmethod
    def _bring(frame: NDArray[np.uint8], hole: NDArray[np.bool_], views: Views) -> None:
        pixels = np.flatnonzero(hole)
        inside = [(view.reshape(-1, 3)[pixels], seen.ravel()[pixels]) for view, seen in views]
        if inside:
            colours, counts = _median(*(np.stack(part) for part in zip(*inside, strict=True)))
            frame[hole] = colours
            hole[hole] = counts == 0


@dataclass(frozen=True)
class Propagation(Fill):
    """Known pixels of other frames, found by following optical flow from frame to frame (as Xu et al. 2019 do).

    Unlike `Mosaic` this follows what moves by itself. Flow is completed in the hole by `dense_motion`. Chains of flow
    are composed and the pixel at their end is read once, so that nothing is blurred again and again; of a chain into
    the past and one into the future the shorter is taken. Where both end at nothing, `Reflect` fills.
    """

    name = "propagation"

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of `Reflect` for what is `unseen`."""
        return {"unseen": Reflect().sample(rng)}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        covered = mirror(footage.frames, mask)
        before, after = chain_steps(covered, mask)
        ages = range(len(mask))
        past, future = follow_chains(before, mask, ages), follow_chains(after, mask, reversed(ages))
        filled, unseen = footage.frames.copy(), mask.copy()
        for now, (frame, hole) in enumerate(zip(filled, unseen, strict=True)):
            (earlier, earlier_place), (later, later_place) = past[now], future[now]
            nearer = (later >= 0) & ((earlier < 0) | (later - now < now - earlier))
            origin, place = np.where(nearer, later, earlier), np.where(nearer[:, None], later_place, earlier_place)
            known = origin >= 0
            found = hole.copy()
            found[hole] = known
            frame[found] = read_places(covered, origin[known], place[known])
            hole[found] = False
        return Reflect().apply(Footage(filled), unseen, params["unseen"])


def _nearest_first(now: int, frames: int, reach: int) -> list[int]:
    others = [other for other in range(max(0, now - reach), min(frames, now + reach + 1)) if other != now]
    return sorted(others, key=lambda other: abs(other - now))


def _warp(
    covered: NDArray[np.uint8], hole: NDArray[np.bool_], motion: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a frame moved by a homography, and where it is made of known pixels alone: `H W 3` and `H W`."""
    size = hole.shape[::-1]
    # Bilinear weights of known pixels that sum to 1.
    seen = cv2.warpPerspective((~hole).astype(np.float32), motion, size, flags=cv2.INTER_LINEAR) > 0.999
    return cv2.warpPerspective(covered, motion, size, flags=cv2.INTER_LINEAR), seen


def _median(colours: NDArray[np.uint8], seen: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the medians `N 3` of the colours `K N 3` that were seen (`K N`), and how many these were (`N`)."""
    counts = seen.sum(axis=0)
    ordered = np.sort(np.where(seen[..., None], colours, 255), axis=0, kind="stable")  # the unseen last
    middle = np.maximum(np.stack([counts - 1, counts]) // 2, 0)
    lower, upper = np.take_along_axis(ordered, middle[..., None], axis=0).astype(np.uint16)
    return ((lower + upper + 1) // 2).astype(np.uint8), counts
