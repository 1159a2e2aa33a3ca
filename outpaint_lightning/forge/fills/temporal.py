"""Fills that use what neighbouring frames show."""

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
"""Other frames warped to the current one (`H W 3`), and where they consist of known pixels only (`H W`)."""


@dataclass(frozen=True)
class _ByCamera(Fill):
    """Neighbouring frames warped by the camera's motion. `Reflect` fills what no frame saw.

    Attributes:
        reach: number of frames before and after that may provide pixels.
    """

    limits: ClassVar = {"reach": (1, math.inf)}

    reach: int = 15

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Return `reach`, and draw the parameters of `Reflect` for `unseen` pixels."""
        return {"reach": self.reach, "unseen": Reflect().sample(rng)}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        # The hole is covered before motion is estimated, because patches that reach into it must not see hidden pixels.
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
        """Write the hole's pixels that neighbours saw into `frame` (`H W 3`); keep the others in `hole` (`H W`)."""


@dataclass(frozen=True)
class Mosaic(_ByCamera):
    """Known pixels of neighbouring frames, warped by the camera's motion, the nearest frame in time first.

    All of it is real content: the hard case. `Reflect` fills what no frame saw.
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

    Moving or flashing content disappears, and so does the noise. `Reflect` fills what no frame saw.
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

    Unlike `Mosaic` it follows moving objects. `dense_motion` completes the flow in the hole. Chains of flow are
    composed and the pixel at the end is read once, so nothing is blurred repeatedly. Of a chain into the past and one
    into the future, the shorter is used. If neither ends at a known pixel, `Reflect` fills.
    """

    name = "propagation"

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the parameters of `Reflect` for `unseen` pixels."""
        return {"unseen": Reflect().sample(rng)}

    def apply(self, footage: Footage, mask: NDArray[np.bool_], params: Parameters) -> NDArray[np.uint8]:
        """Return the filled frames `T H W 3`."""
        covered = mirror(footage.frames, mask)
        before, after = chain_steps(covered, mask)
        ages = range(len(mask))
        past, future = follow_chains(before, mask, ages), follow_chains(after, mask, reversed(ages))
        filled, unseen = footage.frames.copy(), mask.copy()
        for now, (frame, hole) in enumerate(zip(filled, unseen, strict=True)):
            (earlier, earlier_position), (later, later_position) = past[now], future[now]
            nearer = (later >= 0) & ((earlier < 0) | (later - now < now - earlier))
            origin = np.where(nearer, later, earlier)
            position = np.where(nearer[:, None], later_position, earlier_position)
            known = origin >= 0
            found = hole.copy()
            found[hole] = known
            frame[found] = read_places(covered, origin[known], position[known])
            hole[found] = False
        return Reflect().apply(Footage(filled), unseen, params["unseen"])


def _nearest_first(now: int, frames: int, reach: int) -> list[int]:
    others = [other for other in range(max(0, now - reach), min(frames, now + reach + 1)) if other != now]
    return sorted(others, key=lambda other: abs(other - now))


def _warp(
    covered: NDArray[np.uint8], hole: NDArray[np.bool_], motion: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a frame moved by a homography, and where it consists of known pixels only: `H W 3` and `H W`."""
    size = hole.shape[::-1]
    # The bilinear weights of known pixels must sum to 1.
    seen = cv2.warpPerspective((~hole).astype(np.float32), motion, size, flags=cv2.INTER_LINEAR) > 0.999
    return cv2.warpPerspective(covered, motion, size, flags=cv2.INTER_LINEAR), seen


def _median(colours: NDArray[np.uint8], seen: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the medians `N 3` of the colours `K N 3` that were seen (`K N`), and the number seen (`N`)."""
    counts = seen.sum(axis=0)
    ordered = np.sort(np.where(seen[..., None], colours, 255), axis=0, kind="stable")  # unseen colours last
    middle = np.maximum(np.stack([counts - 1, counts]) // 2, 0)
    lower, upper = np.take_along_axis(ordered, middle[..., None], axis=0).astype(np.uint16)
    return ((lower + upper + 1) // 2).astype(np.uint8), counts
