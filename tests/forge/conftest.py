from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


def _texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth random texture, uint8 H W 3: enough structure to follow, no edge steeper than a pixel resolves."""
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.fixture
def texture() -> Callable[..., np.ndarray]:
    return _texture


@pytest.fixture
def panning() -> Callable[..., np.ndarray]:
    """Clips uint8 T H W 3 of a camera that moves over a texture by whole pixels (x, y) a frame."""

    def clip(frames: int, height: int, width: int, step: tuple[int, int], seed: int = 0) -> np.ndarray:
        x = np.arange(frames) * step[0]
        y = np.arange(frames) * step[1]
        x, y = x - x.min(), y - y.min()
        world = _texture(height + y.max(), width + x.max(), seed)
        return np.stack([world[b : b + height, a : a + width] for a, b in zip(x, y, strict=True)])

    return clip


@pytest.fixture
def write_clip() -> Callable[[Path, np.ndarray], None]:
    def write(folder: Path, frames: np.ndarray) -> None:
        folder.mkdir(parents=True)
        for index, frame in enumerate(frames):
            cv2.imwrite(str(folder / f"{index:05}.png"), frame[..., ::-1])

    return write
