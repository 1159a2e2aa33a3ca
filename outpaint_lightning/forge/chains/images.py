"""Chains that store a clip as a folder of images: PNGs and JPEGs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.chains.base import Chain, require
from outpaint_lightning.forge.parts import Parameters
from outpaint_lightning.io.files import full_disk_at

CHROMA = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
"""Chroma samples that a JPEG keeps: all, every second in a row, or every second in each row and column."""
BASE_60 = {sum(int(digit) * 60 ** (2 - at) for at, digit in enumerate(name.split(":"))): name for name in CHROMA}
"""The value that YAML 1.1 reads for an unquoted name: it takes 4:2:0 as a number in base 60."""


class _PngFrames(Chain):
    """A folder of PNGs: lossless."""

    folder = "frames"
    suffix = ""

    def write(
        self,
        path: Path,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - a folder has no frame rate
        params: Parameters,  # noqa: ARG002 - as above
    ) -> None:
        """Write `00000.png`, `00001.png`, ..."""
        write_png(path, frames)

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - a folder has no frame rate
        params: Parameters,  # noqa: ARG002 - as above
    ) -> NDArray[np.uint8]:
        """Return the frames themselves: PNG is lossless."""
        return frames


@dataclass(frozen=True)
class Untouched(_PngFrames):
    """The frames unchanged, as PNGs. It has no options; use `resize` for those."""

    name = "none"

    scale: tuple[float, float] = field(default=(1.0, 1.0), init=False)
    every: tuple[int, int] = field(default=(1, 1), init=False)
    restore: float = field(default=0.0, init=False)


@dataclass(frozen=True)
class Resize(_PngFrames):
    """Rescaled PNGs."""

    name = "resize"

    scale: tuple[float, float] = (0.5, 1.5)


@dataclass(frozen=True)
class Jpeg(Chain):
    """A folder of JPEGs with libjpeg's standard tables.

    Attributes:
        quality: lowest and highest quality, 1 to 100.
        chroma: keys of `CHROMA` to choose from.
    """

    name = "jpeg"
    folder = "frames"
    suffix = ""

    quality: tuple[int, int] = (60, 95)
    chroma: tuple[str, ...] = ("4:2:0",)

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        require("quality", self.quality, 1, 100)
        if not isinstance(self.chroma, str):
            object.__setattr__(self, "chroma", tuple(BASE_60.get(name, name) for name in self.chroma))
        if not self.chroma or not set(self.chroma) <= set(CHROMA):
            raise ValueError(f"chroma {list(self.chroma)}: expected some of {', '.join(CHROMA)}")

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `quality` and `chroma` as well."""
        quality, chroma = rng.integers(*self.quality, endpoint=True), self.chroma[rng.integers(len(self.chroma))]
        return super().sample(rng) | {"quality": int(quality), "chroma": chroma}

    def write(
        self,
        path: Path,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - a folder has no frame rate
        params: Parameters,
    ) -> None:
        """Write `00000.jpg`, `00001.jpg`, ..."""
        _write_images(path, ".jpg", frames[..., ::-1], self._options(params))

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - as above
        params: Parameters,
    ) -> NDArray[np.uint8]:
        """Return the frames `T H W 3` that a reader gets from these JPEGs."""
        options = self._options(params)
        files = (cv2.imencode(".jpg", frame[..., ::-1], options)[1] for frame in frames)
        return np.stack([np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8) for file in files])

    @staticmethod
    def _options(params: Parameters) -> list[int]:
        quality, chroma = params["quality"], CHROMA[params["chroma"]]
        return [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, chroma]


def write_png(folder: Path, images: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write `00000.png`, `00001.png`, ... into a new folder, with fast compression, because writing takes most time.

    Args:
        folder: folder to create with its parents; it must not exist.
        images: frames `T H W 3` uint8 RGB, or masks `T H W` bool, which are written as grey 0 and 255.
    """
    grey_or_bgr = np.where(images, 255, 0) if images.dtype == np.bool_ else images[..., ::-1]
    _write_images(folder, ".png", grey_or_bgr.astype(np.uint8, copy=False), [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _write_images(folder: Path, suffix: str, images: NDArray[np.uint8], options: list[int]) -> None:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        path = folder / f"{index:05}{suffix}"
        with full_disk_at(path):  # OpenCV's own writer does not say why it failed
            path.write_bytes(cv2.imencode(suffix, image, options)[1].tobytes())
