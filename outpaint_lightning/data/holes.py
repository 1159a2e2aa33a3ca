"""Holes in flow: where they lie, and in which frames of a window.

Shapes come from the mask samplers of `forge`, with one of the report's own. Source: Chatillon, Ballester, Haro, Arias,
Raad, *Towards video inpainting* (2019-2020), "the report" below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks import BlobMask, BrushMask, MaskSampler, ObjectMask, PolygonMask
from outpaint_lightning.forge.parts import Footage, Parameters
from outpaint_lightning.motion.hidden import PROTOCOLS, SETUPS, Setup
from outpaint_lightning.types import InputError, did_you_mean

TOP = 0.1  # mean rank of a hole's centre, as a share of all places


@dataclass(frozen=True)
class RectangleMask(MaskSampler):
    """The report's rectangle, the same in every frame: a box of half the frame's sides, each moved inwards by chance.

    The box lies within a margin. Source: the report's code, on frames of 240 x 424: a box of 120 x 212, margins of
    10 px. How far inwards is not known; with the default the mean area is 7 % of the frame, as in our tables.

    Attributes:
        box: sides of the box, as a share of the frame's.
        margin: shortest distance of the box from the frame's edge, as a share of the frame's height.
        inwards: farthest that each side moves inwards, as a share of the box's side.
    """

    limits: ClassVar = {"box": (0.05, 0.9), "margin": (0, 0.04), "inwards": (0, 0.49)}

    box: float = 0.5
    margin: float = 10 / 240
    inwards: float = 0.47

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw the box's centre, `start` (x and y), and where the hole begins and ends from it, in pixels."""
        _, height, width = footage.shape
        frame = np.array([width, height])
        half = self.box * frame / 2
        begin, end = (
            -half + 2 * half * rng.uniform(0, self.inwards, 2),
            half - 2 * half * rng.uniform(0, self.inwards, 2),
        )
        lowest, highest = self.room(height, width)
        return {
            "start": rng.integers(lowest, highest, endpoint=True).tolist(),
            "begin": np.rint(begin).astype(int).tolist(),
            "end": np.maximum(np.rint(end), np.rint(begin) + 1).astype(int).tolist(),
        }

    def room(self, height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last place, x and y, where the box's centre may lie."""
        frame = np.array([width, height])
        nearest = np.ceil(self.box * frame / 2 + self.margin * height).astype(np.int64)
        return np.minimum(nearest, frame // 2), np.maximum(frame - 1 - nearest, frame // 2)

    def render(self, params: Parameters, footage: Footage) -> NDArray[np.bool_]:
        """Return the masks `frames height width`."""
        (left, top), (right, bottom) = (np.array(params["start"]) + params[side] for side in ("begin", "end"))
        mask = np.zeros(footage.shape, np.bool_)
        mask[:, max(0, top) : bottom, max(0, left) : right] = True
        return mask


HOLES: dict[str, MaskSampler] = {
    "rectangle": RectangleMask(),
    "strokes": BrushMask(area=(0.03, 0.11), drift=0.0),
    "polygon": PolygonMask(area=(0.03, 0.11), drift=0.5),
    "object": ObjectMask(radius=(1, 3)),
}
"""The families by name: the third moves in half of the windows, the fourth is an object of another scene. Each covers
7 % of the frame or so."""


def hole_sampler(spec: str | Mapping[str, Any]) -> MaskSampler:
    """Return the family called `spec`, or the mask sampler of `forge` that it names, with its options.

    Raises:
        InputError: no such family or sampler, or an option that it refuses.
    """
    if isinstance(spec, str) and spec in HOLES:
        return HOLES[spec]
    if isinstance(spec, str) and spec not in MaskSampler.known() and "." not in spec:
        names = [*HOLES, *MaskSampler.known()]
        raise InputError(f"data.holes has {spec!r}: expected one of {', '.join(names)}{did_you_mean(spec, names)}")
    return MaskSampler.build(spec)


def sample_hole(
    sampler: MaskSampler, rng: np.random.Generator, footage: Footage, gradient: NDArray[np.float32] | None = None
) -> Parameters:
    """Draw a hole, placed where motion changes if its parameters say where it lies and nothing else does.

    Args:
        sampler: of its shape.
        rng: the only source of chance.
        footage: only its shape and, for a sampler that needs them, its objects are looked at.
        gradient: of the motion, `H W`; None leaves the place to the sampler.
    """
    params = sampler.sample(rng, footage)
    if gradient is None or not isinstance(sampler, RectangleMask | PolygonMask | BlobMask):
        return params
    _, height, width = footage.shape
    low, high = np.zeros(2, np.int64), np.array([width, height]) - 1
    if isinstance(sampler, RectangleMask):
        low, high = sampler.room(height, width)
    centre = low + rank_centre(gradient[low[1] : high[1] + 1, low[0] : high[0] + 1], rng)
    moved = {key: params[key] - np.array(params["start"]) + centre for key in ("start", "stop") if key in params}
    return {**params, **{key: place.tolist() for key, place in moved.items()}}


def motion_gradient(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much a flow `2 H W` changes from a pixel to the next: `sqrt(|d_x f|^2 + |d_y f|^2)`, `H W`."""
    dx = np.diff(flow, axis=2, append=flow[:, :, -1:])
    dy = np.diff(flow, axis=1, append=flow[:, -1:])
    gradient: NDArray[np.float32] = np.sqrt((dx**2 + dy**2).sum(axis=0))
    return gradient


def rank_centre(gradient: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a place, the rather the more motion changes there.

    Of N places in falling order of the gradient the one with index `min(N - 1, floor(Exp(N / 10)))` is taken: the mean
    index is a tenth of N. Source: the report, section 2.2, whose beta is the scale of numpy's exponential law; as its
    rate it would always give the first place. Equal places are in random order.

    Args:
        gradient: `H W`.
        rng: the only source of chance.

    Returns:
        x and y.
    """
    shuffled = rng.permutation(gradient.size)
    index = min(gradient.size - 1, int(rng.exponential(TOP * gradient.size)))
    place = shuffled[np.argpartition(-gradient.ravel()[shuffled], index)[index]]
    y, x = divmod(int(place), gradient.shape[1])
    return np.array([x, y])


def hole_mask(sampler: MaskSampler, params: Parameters, footage: Footage, setup: Setup) -> NDArray[np.bool_]:
    """Return the hole in the frames of a window that `setup` says, `T H W`."""
    frames = SETUPS[setup](footage.shape[0])
    mask = np.zeros(footage.shape, np.bool_)
    mask[frames] = sampler.render(params, footage)[frames]
    return mask


def check_setup(setup: str, protocol: str, frames: int, key_of_setup: str = "setup") -> None:
    """Raise `InputError` unless there are such a setup and protocol, and a window is long enough for the setup."""
    for key, value, choices in ((key_of_setup, setup, SETUPS), ("protocol", protocol, PROTOCOLS)):
        if value not in choices:
            raise InputError(
                f"data.{key} is {value!r}: expected one of {', '.join(choices)}{did_you_mean(value, choices)}"
            )
    needed = {"mid2": 2, "all": 1, "sandwich": 3}[setup]
    if frames < needed:
        raise InputError(f"data.frames is {frames}: expected at least {needed} for data.{key_of_setup} {setup}")
