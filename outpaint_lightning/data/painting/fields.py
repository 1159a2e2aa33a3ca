"""Fields of one channel that drift and change: a substitute for sea surface temperature, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.masks.occlusions import cloud_field
from outpaint_lightning.io import atomic

WIND = 0.5, 2.0  # slowest and fastest wind, in pixels per frame
MEMORY = 0.95  # weight of the previous frame; the rest is new


def advected_fields(seed: int, clips: int, frames: int, height: int, width: int) -> NDArray[np.float32]:
    """Draw clips of a Gaussian random field that a constant wind moves and that changes at random.

    The field has the spectrum k^-3 and is periodic in the frame. In each frame, the wind moves the phase of every wave.
    This is exact, also for fractions of a pixel. Then the field is multiplied by 0.95 and a new field is added with
    weight sqrt(1 - 0.95^2), so that the variance stays the same.

    Args:
        seed: the same seed gives the same fields.
        clips: number of clips N.
        frames: number of frames T.
        height: in pixels.
        width: in pixels.

    Returns:
        `N T H W` in [0, 1]. The mean is 0.5 and the standard deviation is 1/6; values beyond three deviations are
        clipped.

    Example:
        >>> advected_fields(0, clips=2, frames=3, height=16, width=16).shape
        (2, 3, 16, 16)
    """
    rng = np.random.default_rng(seed)
    fields = np.stack([_clip(rng, frames, height, width) for _ in range(clips)])
    scaled: NDArray[np.float32] = (0.5 + fields / 6).clip(0, 1).astype(np.float32)
    return scaled


def _clip(rng: np.random.Generator, frames: int, height: int, width: int) -> NDArray[np.float64]:
    """Draw one clip `T H W` with mean 0 and standard deviation 1."""
    direction, speed = rng.uniform(0, 2 * np.pi), rng.uniform(*WIND)
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    step = np.exp(-2j * np.pi * speed * (np.cos(direction) * x + np.sin(direction) * y))
    field = _standard(rng, height, width)
    shown = [field]
    for _ in range(frames - 1):
        carried = np.fft.irfft2(np.fft.rfft2(field) * step, s=(height, width))
        field = MEMORY * carried + np.sqrt(1 - MEMORY**2) * _standard(rng, height, width)
        shown.append(field)
    return np.stack(shown)


def _standard(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    field = cloud_field(int(rng.integers(2**32)), height, width)
    standard: NDArray[np.float64] = field / field.std()
    return standard


def write_fields(root: str | Path, clips: Mapping[str, int], frames: int, size: tuple[int, int], seed: int = 0) -> None:
    """Write `<root>/<split>.npy` for each split, in the format that `PaintingDataModule` reads.

    Args:
        root: folder to write to.
        clips: number of clips of each split (`train`, `val`, `test`).
        frames: number of frames T.
        size: height and width.
        seed: seed of the fields; each split has its own.
    """
    for number, (split, count) in enumerate(clips.items()):
        with atomic(Path(root) / f"{split}.npy") as path, Path(path).open("wb") as file:
            np.save(file, advected_fields(seed + 7919 * number, count, frames, *size))
