"""Read the masks that a user gives for a clip, as one hole per frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io import Clip, has_name_of_video, open_clip, paired_masks, read_mask
from outpaint_lightning.types import InputError

Hole = NDArray[np.bool_]
"""`H W`, True where a frame is to be filled."""


def read_holes(masks: str | Path, clip: Clip, dilate: int) -> Iterator[Hole]:
    """Return an iterator over the hole of every frame. The number of masks is checked at once.

    Args:
        masks: a folder of PNGs, a video, or one PNG for all frames.
        clip: the clip of the masks.
        dilate: number of pixels by which every hole is dilated.

    Raises:
        InputError: a frame has no mask, or there are too many masks. During iteration: a mask has another size than the
            clip.
    """
    path = Path(masks)
    return (grown(_checked(path, name, hole, clip), dilate) for name, hole in _named(path, clip))


def _named(path: Path, clip: Clip) -> Iterable[tuple[str, Hole]]:
    """Return the name and content of each mask, as many as the clip has frames; a single PNG is repeated."""
    if path.is_file() and has_name_of_video(path):
        film = open_clip(path)
        if len(film) != len(clip):
            raise InputError(f"{path}: {len(film)} masks; {len(clip)} were expected, one for each frame of {clip.path}")
        return ((f"frame {t}", frame.max(2) > 127) for t, frame in enumerate(film))
    if path.is_dir():
        return ((file.name, read_mask(file, nonzero=True)) for file in paired_masks(path, clip.names, clip.path))
    return repeat((path.name, read_mask(path, nonzero=True)), len(clip))


def _checked(path: Path, name: str, hole: Hole, clip: Clip) -> Hole:
    if hole.shape != (clip.height, clip.width):
        height, width = hole.shape
        raise InputError(f"{path}: {name} is {width}x{height}; {clip.width}x{clip.height} was expected, as {clip.path}")
    return hole


def grown(hole: Hole, radius: int) -> Hole:
    """Return a hole that is dilated by a disc of `radius` pixels."""
    if not radius:
        return hole
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(hole.astype(np.uint8), disc) > 0)
