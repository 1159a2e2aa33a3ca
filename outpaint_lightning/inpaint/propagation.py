"""Propagate colours into holes along optical flow; each colour is sampled once, at a known pixel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outpaint_lightning.motion.paths import follow_paths
from outpaint_lightning.motion.pyramid import push_pull
from outpaint_lightning.types import InputError

CERTAINTY = 0.1  # pixels; this much more disagreement of the flows divides a path's weight by e (FGVC's alpha)


class Origin(IntEnum):
    """The origin of a pixel."""

    KNOWN = 0
    """Its own frame; it was never masked."""
    FORWARD = 1
    """Known pixels of a later frame, at the end of the forward flow."""
    BACKWARD = 2
    """Known pixels of an earlier frame, at the end of the backward flow."""
    BOTH = 3
    """Known pixels of a later and of an earlier frame, blended."""
    INPAINTED = 4
    """No frame shows it. It is part of a smooth surface, made in this frame or, if that is all hole, in another."""


@dataclass(frozen=True)
class Propagated:
    """Frames without holes.

    Attributes:
        frames: uint8 `T H W 3`; known pixels are unchanged.
        origin: uint8 `T H W`, values of `Origin`.
        copied: numbers of the frames that are copies of the nearest other frame: no flow reaches them, and a surface
            needs at least one known pixel.
    """

    frames: NDArray[np.uint8]
    origin: NDArray[np.uint8]
    copied: tuple[int, ...] = ()

    def __getitem__(self, part: slice) -> Propagated:
        """Return some of the frames, without `copied`."""
        return Propagated(self.frames[part], self.origin[part])


def propagate(
    frames: NDArray[np.uint8],
    hole: NDArray[np.bool_],
    forward: Tensor,
    backward: Tensor,
    settled: Propagated | None = None,
) -> Propagated:
    """Fill the holes of a clip from its other frames.

    From every masked pixel, one path follows the forward flow from frame to frame at sub-pixel positions, and another
    path follows the backward flow. A path ends where all pixels around it are known; there the colour is sampled once,
    bilinearly. A path is abandoned where it leaves the frame or where the flows of the two directions disagree. If both
    paths arrive, their colours are blended with weights exp(-d / 0.1 px), where d is the largest disagreement along the
    path. Pixels that no path reaches become a smooth surface between the others of their frame (`push_pull`). This is
    nearer to what was there than Telea's streaks, and than a surface of one frame that is carried to all others along
    flow that nothing confirms: by 0.8 and 0.2 dB on ten clips. Frames without a known pixel are reached by paths that
    may end in surfaces, or copied.

    The idea is that of Xu et al. (CVPR 2019) and Gao et al. (ECCV 2020, FGVC). Warping frames one after the other
    instead would blur them at each step.

    Args:
        frames: uint8 `T H W 3`. The content of a hole has no influence.
        hole: bool `T H W`.
        forward: float32 `T 2 H W`, pixels, x first, complete, frame t to t+1; the last frame's is not read.
        backward: float32 `T 2 H W`, frame t to t-1; the first frame's is not read.
        settled: result for the first frames, if the clip is filled in pieces. It is not changed. What it found in other
            frames is propagated where no frame in memory shows the place.

    Returns:
        The filled frames.

    Raises:
        InputError: every pixel of every frame is masked.
    """
    colours, origin, left = frames.copy(), np.zeros(hole.shape, np.uint8), hole.copy()
    colours[hole] = 0
    done = 0 if settled is None else len(settled.frames)
    left[:done] = False
    ways = forward.movedim(1, -1).contiguous(), backward.movedim(1, -1).contiguous()
    _carry(colours, origin, ~hole, left, ways)
    if settled is not None:
        colours[:done], origin[:done] = settled.frames, settled.origin
        _carry(colours, origin, ~left & (origin != Origin.INPAINTED), left, ways)
    _smooth(colours, origin, left)
    copied: list[int] = []
    while left.any():
        _carry(colours, origin, ~left, left, ways)
        _smooth(colours, origin, left)
        if left.any():
            copied.append(_copy(colours, origin, left))
    return Propagated(colours, origin, tuple(copied))


def _carry(
    colours: NDArray[np.uint8],
    origin: NDArray[np.uint8],
    known: NDArray[np.bool_],
    left: NDArray[np.bool_],
    ways: tuple[Tensor, Tensor],
) -> None:
    """Fill the pixels of `left` that paths connect to `known` pixels; update `colours`, `origin` and `left`."""
    forward, backward = ways
    device = forward.device
    invented = known & (origin == Origin.INPAINTED)
    source = torch.from_numpy(np.concatenate([colours, np.stack([invented, known], -1).astype(np.uint8)], -1))
    source = source.to(device)
    places = np.argwhere(left)
    frame = torch.from_numpy(places[:, 0]).to(device)
    start = torch.from_numpy(places[:, :0:-1].astype(np.float32)).to(device)
    ends = (
        follow_paths(source, forward, backward, frame, start, step=1),
        follow_paths(source, backward, forward, frame, start, step=-1),
    )
    values, gaps = (torch.stack(part) for part in zip(*ends, strict=True))
    arrived = gaps.isfinite()
    found = arrived.any(0)
    weight = torch.where(found, -gaps / CERTAINTY, 0).softmax(0)
    value = (values * weight[..., None]).sum(0)
    kind = arrived[0] * int(Origin.FORWARD) + arrived[1] * int(Origin.BACKWARD)
    kind[value[:, 3] > 0] = int(Origin.INPAINTED)
    reached = tuple(places[found.cpu().numpy()].T)
    colours[reached] = value[found, :3].round().cpu().numpy().astype(np.uint8)
    origin[reached] = kind[found].cpu().numpy()
    left[reached] = False


def _smooth(colours: NDArray[np.uint8], origin: NDArray[np.uint8], left: NDArray[np.bool_]) -> None:
    """Complete the frames that show something with a smooth surface."""
    for key in np.flatnonzero(left.any((1, 2)) & ~left.all((1, 2))):
        hole = left[key]
        weight = (~hole).astype(np.float32)
        colours[key][hole] = np.rint(push_pull(colours[key] * weight[..., None], weight)[hole]).astype(np.uint8)
        origin[key][hole] = Origin.INPAINTED
        left[key] = False


def _copy(colours: NDArray[np.uint8], origin: NDArray[np.uint8], left: NDArray[np.bool_]) -> int:
    """Complete the first frame that shows nothing with the nearest complete frame, and return its number.

    Raises:
        InputError: no frame is complete.
    """
    lacking = left.any((1, 2))
    key, complete = int(lacking.argmax()), np.flatnonzero(~lacking)
    if not len(complete):
        raise InputError(f"every pixel of {len(left)} frames is masked; some that show what to fill them with expected")
    colours[key] = colours[complete[np.abs(complete - key).argmin()]]
    origin[key], left[key] = Origin.INPAINTED, False
    return key
