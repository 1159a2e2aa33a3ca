"""The steps that every chain applies before encoding: thinning in time and rescaling.

A clip and all its forgeries go through one chain with the same parameters, so that only the forged pixels differ.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Parameters
from outpaint_lightning.io import open_clip
from outpaint_lightning.types import InputError

SMALLEST_SIDE = 8  # pixels; rescaling does not go below, because nets and codecs need a minimum size


@dataclass(frozen=True)
class Chain(ClipFreePart, ABC):
    """Prepares frames and their label for storage, and encodes the frames.

    Attributes:
        scale: smallest and largest factor by which whole frames are rescaled.
        every: smallest and largest n; every n-th frame is kept.
        restore: probability that rescaled frames are scaled back to their size before encoding.
    """

    folder: ClassVar[str]
    """Folder of the dataset for its clips: `frames` or `videos`."""
    suffix: ClassVar[str]
    """Suffix of a clip's path: empty for a folder of frames, `.mp4` for a video."""
    smallest: ClassVar[int] = SMALLEST_SIDE
    """Smallest allowed side of frames, in pixels."""
    is_video: ClassVar[bool] = False
    """Whether frames are encoded together as a video."""
    side_step: ClassVar[int] = 1
    """Sides are trimmed to a multiple of this number of pixels."""

    scale: tuple[float, float] = (1.0, 1.0)
    every: tuple[int, int] = (1, 1)
    restore: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        require("scale", self.scale, 0.01, 100)
        require("every", self.every, 1, 1000)
        require("restore", (self.restore, self.restore), 0, 1)

    def require_encoder(self) -> None:
        """Raise `InputError` if the installed libraries cannot encode with this chain."""

    def check(self, height: int, width: int) -> None:
        """Raise `InputError` if frames of this size cannot be encoded here, or may become too small for the codec."""
        self.require_encoder()
        side = math.floor(min(height, width) * self.scale[0])
        if side < self.smallest:
            raise InputError(
                f"{self.name} of frames of {width}x{height}, rescaled by {self.scale[0]:g}; "
                f"expected {self.smallest} pixels a side or more"
            )

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the factor `scale`, the n of `every`, and `restore`; subclasses add their codec's parameters."""
        scale, every = float(rng.uniform(*self.scale)), int(rng.integers(*self.every, endpoint=True))
        restores = bool(rng.random() < self.restore) if self.restore else False
        return {"scale": scale, "every": every, "restore": restores}

    def step(self, length: int, params: Parameters) -> int:
        """Return n, where `prepare` keeps every n-th frame of a clip of `length`; below 2 n frames it is 1."""
        every: int = params["every"]
        return every if length >= 2 * every else 1

    def prepare(
        self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None, params: Parameters
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Thin and rescale a clip and its label. If two clips agree outside a label, so do the results.

        Every `step`-th frame is kept. Sides are multiplied by `scale`, to at least `SMALLEST_SIDE` pixels; with
        `restore` they are then scaled back. Videos lose a last odd row and column.

        Args:
            frames: `T H W 3`; not modified.
            mask: `T H W`, True where pixels may be forged; None for an authentic clip.
            params: the result of `sample`.

        Returns:
            The frames, and the label: True where any forged pixel contributed to a pixel. They may share memory with
            the arguments.
        """
        step = self.step(len(frames), params)
        frames, mask = frames[::step], None if mask is None else mask[::step]
        before = frames.shape[1:3]
        sizes = [tuple(self._scaled(side, params) for side in before), *([before] if _restores(params) else [])]
        for height, width in sizes:
            frames = _rescale(frames, height, width)
            if mask is not None:
                # A forged pixel's weight never rounds to 0 in floating point, so this misses none.
                mask = np.asarray(_rescale(mask.astype(np.float32), height, width) > 0)
        keep = np.s_[:, : height - height % self.side_step, : width - width % self.side_step]
        return frames[keep], None if mask is None else mask[keep]

    def size(self, frames: int, height: int, width: int, params: Parameters) -> tuple[int, int, int]:
        """Return the number and size of the frames that `prepare` makes from this number and size."""
        sides = (side if _restores(params) else self._scaled(side, params) for side in (height, width))
        height, width = (side // self.side_step * self.side_step for side in sides)
        return -(-frames // self.step(frames, params)), height, width

    @staticmethod
    def _scaled(side: int, params: Parameters) -> int:
        scale: float = params["scale"]
        return max(round(side * scale), SMALLEST_SIDE)

    @abstractmethod
    def write(self, path: Path, frames: NDArray[np.uint8], fps: float, params: Parameters) -> None:
        """Encode prepared frames.

        Args:
            path: the folder or file to create; its name ends with `suffix`.
            frames: `T H W 3` from `prepare`.
            fps: frames per second of these frames.
            params: the result of `sample`.
        """

    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return the frames `T H W 3` that a reader gets from the files that `write` makes from these arguments."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"clip{self.suffix}"
            self.write(path, frames, fps, params)
            return np.stack(list(open_clip(path)))


def _restores(params: Parameters) -> bool:
    return bool(params.get("restore"))  # records of older versions lack this key


AnyImages = TypeVar("AnyImages", NDArray[np.uint8], NDArray[np.float32])


def _rescale(images: AnyImages, height: int, width: int) -> AnyImages:
    """Resize `T H W` or `T H W 3` images: by area averaging if they shrink, bilinearly otherwise."""
    if images.shape[1:3] == (height, width):
        return images
    shrinks = height <= images.shape[1] and width <= images.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (width, height), interpolation=how) for image in images])


def require(name: str, limits: tuple[float, float], lowest: float, highest: float) -> None:
    """Raise `ValueError` unless an option's smallest and largest value form a range within these limits."""
    low, high = limits
    if not lowest <= low <= high <= highest:
        raise ValueError(f"{name} {low} to {high}: expected a range within {lowest} to {highest}")
