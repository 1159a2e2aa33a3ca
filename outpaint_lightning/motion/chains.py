"""Follows pixels of holes from frame to frame along optical flow, in whole pixels: fast, and without torch.

Each frame's hole is followed one step, to the nearest pixel of the next frame, whose own path is already known. `paths`
follows every pixel separately at sub-pixel positions, which is slower and more accurate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from outpaint_lightning.motion.classical import camera_positions, dense_motion


def chain_steps(
    covered: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Return the positions of the pixels of each frame's hole in the previous and in the next frame.

    Args:
        covered: uint8 `T H W 3`; the holes hold values made from known pixels.
        mask: bool `T H W`, the holes.

    Returns:
        Two lists of `N 2`, in row order, x first; NaN if no flow leads there, for example across a cut.
    """
    positions, shots = camera_positions(covered, ~mask)
    before, after = ([np.full((hole.sum(), 2), np.nan, np.float32) for hole in mask] for _ in range(2))
    for now, then in itertools.pairwise(range(len(mask))):
        holes = mask[now], mask[then]
        if shots[now] != shots[then] or not (holes[0].any() or holes[1].any()):
            continue
        motion = np.linalg.inv(positions[then]) @ positions[now]
        flows = dense_motion(covered[now], covered[then], ~mask[now], ~mask[then], motion)
        for step, hole, (flow, leads) in zip((after[now], before[then]), holes, flows, strict=True):
            row, column = np.nonzero(hole)
            step[:] = np.where(leads[hole][:, None], flow[hole] + np.stack([column, row], axis=-1), np.nan)
    return before, after


def follow_chains(
    steps: list[NDArray[np.float32]], mask: NDArray[np.bool_], order: Iterable[int]
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Follow steps from frame to frame until they meet a known pixel.

    Args:
        steps: for each frame, the positions of its hole's pixels in the frame that precedes it in `order`.
        mask: `T H W`.
        order: frames, each after the frame that its steps lead to.

    Returns:
        For each frame, the frame from which each pixel of its hole comes (`N`; -1 for none), and the pixel's position
        there (`N 2`, x first).
    """
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    origin = np.full(mask.shape[1:], -1, np.int64)  # for the previous frame: the frame that its pixels come from ...
    shift = np.zeros((*mask.shape[1:], 2), np.float32)  # ... and the distance from their own position
    for now in order:
        hole, place = mask[now], steps[now]
        leads = ~np.isnan(place[:, 0])
        column, row = np.rint(np.where(leads[:, None], place, 0)).astype(np.int64).T
        found[now] = np.where(leads, origin[row, column], -1), place + shift[row, column]
        origin, shift = np.full_like(origin, now), np.zeros_like(shift)
        origin[hole] = found[now][0]
        shift[hole] = found[now][1] - np.argwhere(hole)[:, ::-1]
    return found


def read_places(frames: NDArray[np.uint8], origin: NDArray[np.int64], place: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the bilinear colours `N 3` at the positions `N 2` (x first) in the frames `origin` (`N`)."""
    where = np.stack([origin, place[:, 1], place[:, 0]])
    channels = [
        ndimage.map_coordinates(frames[..., channel], where, np.float32, order=1, mode="nearest")
        for channel in range(frames.shape[-1])
    ]
    colours: NDArray[np.uint8] = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return colours
