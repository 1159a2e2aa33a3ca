"""Holes in flow: their shape and position, and the frames of a window that have them.

Shapes come from the mask samplers of `forge`; the paper's rectangle is added here. Source: Chatillon, Ballester, Haro,
Arias, Raad, *Towards video inpainting* (2019-2020), "the paper" below.
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

TOP = 0.1  # mean rank of a hole's centre, as a share of all pixels


@dataclass(frozen=True)
class RectangleMask(MaskSampler):
    """The paper's rectangle, the same in every frame: a box with half the frame's sides, shrunk at random.

    The box keeps a margin to the frame's edge. Source: the paper's code, on frames of 240 x 424: a box of 120 x 212 and
    margins of 10 px. It does not give the largest shrinkage; with the default, the mean area is 7 % of the frame, as in
    our tables.

    Attributes:
        box: sides of the box, as a share of the frame's sides.
        margin: smallest distance of the box from the frame's edge, as a share of the frame's height.
        inwards: largest distance by which a side moves inwards, as a share of the box's side.
    """

    limits: ClassVar = {"box": (0.05, 0.9), "margin": (0, 0.04), "inwards": (0, 0.49)}

    box: float = 0.5
    margin: float = 10 / 240
    inwards: float = 0.47

    def sample(self, rng: np.random.Generator, footage: Footage) -> Parameters:
        """Draw the box's centre `start` (x and y), and the hole's `begin` and `end` relative to it, in pixels."""
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
        """Return the smallest and the largest position (x and y) of the box's centre."""
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
"""The families by name. The polygon moves in half of the windows; the object comes from another scene. Each covers
about 7 % of the frame."""


def hole_sampler(spec: str | Mapping[str, Any]) -> MaskSampler:
    """Return the family called `spec`, or build the mask sampler of `forge` that `spec` names, with its options.

    Raises:
        InputError: there is no such family or sampler, or it does not accept an option.
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
    """Draw a hole. If the sampler has a centre, move it to where the motion changes.

    Args:
        sampler: sampler of the hole's shape.
        rng: the only source of randomness.
        footage: only its shape is used, and its objects by samplers that need them.
        gradient: gradient of the motion, `H W`; None keeps the sampler's position.
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
    return {**params, **{key: point.tolist() for key, point in moved.items()}}


def motion_gradient(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much a flow `2 H W` changes from pixel to pixel: `sqrt(|d_x f|^2 + |d_y f|^2)`, `H W`."""
    dx = np.diff(flow, axis=2, append=flow[:, :, -1:])
    dy = np.diff(flow, axis=1, append=flow[:, -1:])
    gradient: NDArray[np.float32] = np.sqrt((dx**2 + dy**2).sum(axis=0))
    return gradient


def rank_centre(gradient: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a pixel; pixels where the motion changes more are more probable.

    Sort the N pixels by falling gradient and take the one with index `min(N - 1, floor(Exp(N / 10)))`: the mean index
    is a tenth of N. Source: the paper, section 2.2, where beta is the scale of numpy's exponential distribution (as its
    rate, beta would always give the first pixel). Pixels with equal gradients are in random order.

    Args:
        gradient: `H W`.
        rng: the only source of randomness.

    Returns:
        x and y.
    """
    shuffled = rng.permutation(gradient.size)
    index = min(gradient.size - 1, int(rng.exponential(TOP * gradient.size)))
    pixel = shuffled[np.argpartition(-gradient.ravel()[shuffled], index)[index]]
    y, x = divmod(int(pixel), gradient.shape[1])
    return np.array([x, y])


def hole_mask(sampler: MaskSampler, params: Parameters, footage: Footage, setup: Setup) -> NDArray[np.bool_]:
    """Return the hole in the frames of a window that `setup` selects, bool `T H W`."""
    frames = SETUPS[setup](footage.shape[0])
    mask = np.zeros(footage.shape, np.bool_)
    mask[frames] = sampler.render(params, footage)[frames]
    return mask


def check_setup(setup: str, protocol: str, frames: int, key_of_setup: str = "setup") -> None:
    """Raise `InputError` if the setup or the protocol is unknown, or a window is too short for the setup."""
    for key, value, choices in ((key_of_setup, setup, SETUPS), ("protocol", protocol, PROTOCOLS)):
        if value not in choices:
            raise InputError(
                f"data.{key} is {value!r}: expected one of {', '.join(choices)}{did_you_mean(value, choices)}"
            )
    needed = {"mid2": 2, "all": 1, "sandwich": 3}[setup]
    if frames < needed:
        raise InputError(f"data.frames is {frames}: expected at least {needed} for data.{key_of_setup} {setup}")
