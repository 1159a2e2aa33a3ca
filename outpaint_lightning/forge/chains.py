"""What happens to a finished clip before it is stored: thinned in time, rescaled, encoded.

A clip and all its forgeries go through one chain with the same parameters, so that nothing but the forged pixels tells
them apart.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.parts import ClipFreePart, Parameters
from outpaint_lightning.io import VideoWriter, open_clip, recode, require_encoder
from outpaint_lightning.types import InputError

SMALLEST_SIDE = 8  # pixels; rescaling stops there, as the nets and the codecs need something to look at
CHROMA = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
"""How many samples of colour a JPEG keeps: all, every second in a row, every second in a row and column."""
BASE_60 = {sum(int(digit) * 60 ** (2 - at) for at, digit in enumerate(name.split(":"))): name for name in CHROMA}
"""What YAML 1.1 reads without quotes: 4:2:0 is a number of base 60 to it."""


@dataclass(frozen=True)
class Chain(ClipFreePart, ABC):
    """Prepares frames and their label for storing, and encodes the frames.

    Attributes:
        scale: Smallest and largest factor by which whole frames are rescaled.
        every: Fewest and most n, of which every n-th frame is kept.
        restore: Probability that rescaled frames are scaled back to their size before they are encoded.
    """

    folder: ClassVar[str]
    """Where in a dataset its clips lie: `frames` or `videos`."""
    suffix: ClassVar[str]
    """What the name of a clip ends with: nothing for a folder of frames, `.mp4` for a video."""
    smallest: ClassVar[int] = SMALLEST_SIDE
    """Pixels a side that frames must have."""
    is_video: ClassVar[bool] = False
    """Whether frames are encoded together."""
    side_step: ClassVar[int] = 1
    """Sides are trimmed to a multiple of this many pixels."""

    scale: tuple[float, float] = (1.0, 1.0)
    every: tuple[int, int] = (1, 1)
    restore: float = 0.0

    def __post_init__(self) -> None:
        """Check the options."""
        _require("scale", self.scale, 0.01, 100)
        _require("every", self.every, 1, 1000)
        _require("restore", (self.restore, self.restore), 0, 1)

    def require_encoder(self) -> None:
        """Raise `InputError` when the installed libraries cannot encode this."""

    def check(self, height: int, width: int) -> None:
        """Raise `InputError` when frames of this size cannot be encoded here, or can become too small for the codec."""
        self.require_encoder()
        side = math.floor(min(height, width) * self.scale[0])
        if side < self.smallest:
            raise InputError(
                f"{self.name} of frames of {width}x{height}, rescaled by {self.scale[0]:g}; "
                f"expected {self.smallest} pixels a side or more"
            )

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw the factor `scale`, the n of `every` and `restore`; subclasses add what their codec takes."""
        scale, every = float(rng.uniform(*self.scale)), int(rng.integers(*self.every, endpoint=True))
        restores = bool(rng.random() < self.restore) if self.restore else False
        return {"scale": scale, "every": every, "restore": restores}

    def step(self, length: int, params: Parameters) -> int:
        """Return n where `prepare` keeps every n-th frame of a clip of `length`: fewer than 2 n are not thinned."""
        every: int = params["every"]
        return every if length >= 2 * every else 1

    def prepare(
        self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None, params: Parameters
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Thin and rescale a clip and its label. Two clips that agree outside a label agree outside the result's.

        Frames are kept as `step` says. Sides become `scale` times as long, `SMALLEST_SIDE` pixels at least, and with
        `restore` as long as before; videos then lose a last odd row and column.

        Args:
            frames: `T H W 3`; never changed.
            mask: `T H W`, True where pixels may be forged; None for an authentic clip.
            params: What `sample` gave.

        Returns:
            The frames, and the label: True where any forged pixel had a part in a pixel. They may share memory with
            the arguments.
        """
        step = self.step(len(frames), params)
        frames, mask = frames[::step], None if mask is None else mask[::step]
        before = frames.shape[1:3]
        sizes = [tuple(self._scaled(side, params) for side in before), *([before] if _restores(params) else [])]
        for height, width in sizes:
            frames = _rescale(frames, height, width)
            if mask is not None:
                # The weights of a forged pixel are never rounded off in floating point, so this misses none.
                mask = np.asarray(_rescale(mask.astype(np.float32), height, width) > 0)
        keep = np.s_[:, : height - height % self.side_step, : width - width % self.side_step]
        return frames[keep], None if mask is None else mask[keep]

    def size(self, frames: int, height: int, width: int, params: Parameters) -> tuple[int, int, int]:
        """Return the number and size of the frames that `prepare` makes of so many of this size."""
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
            path: The folder or file to make; its name ends with `suffix`.
            frames: `T H W 3` as `prepare` gave them.
            fps: Frames a second of these frames.
            params: What `sample` gave.
        """

    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return what a reader of the files sees that `write` makes of the same arguments, `T H W 3`."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"clip{self.suffix}"
            self.write(path, frames, fps, params)
            return np.stack(list(open_clip(path)))


class _PngFrames(Chain):
    """A folder of PNGs: nothing is lost."""

    folder = "frames"
    suffix = ""

    def write(
        self,
        path: Path,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - a folder has none
        params: Parameters,  # noqa: ARG002 - as above
    ) -> None:
        """Write `00000.png`, `00001.png`, ..."""
        write_png(path, frames)

    def decode(
        self,
        frames: NDArray[np.uint8],
        fps: float,  # noqa: ARG002 - a folder has none
        params: Parameters,  # noqa: ARG002 - as above
    ) -> NDArray[np.uint8]:
        """Return the frames themselves: PNG is lossless."""
        return frames


@dataclass(frozen=True)
class Untouched(_PngFrames):
    """The frames as they are, as PNGs. It has no options; `resize` has."""

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
    """A folder of JPEGs of libjpeg's standard tables.

    Attributes:
        quality: Lowest and highest, 1 to 100.
        chroma: Keys of `CHROMA` to choose from.
    """

    name = "jpeg"
    folder = "frames"
    suffix = ""

    quality: tuple[int, int] = (60, 95)
    chroma: tuple[str, ...] = ("4:2:0",)

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        _require("quality", self.quality, 1, 100)
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
        fps: float,  # noqa: ARG002 - a folder has none
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
        """Return what a reader of these JPEGs sees, `T H W 3`."""
        options = self._options(params)
        files = (cv2.imencode(".jpg", frame[..., ::-1], options)[1] for frame in frames)
        return np.stack([np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8) for file in files])

    @staticmethod
    def _options(params: Parameters) -> list[int]:
        quality, chroma = params["quality"], CHROMA[params["chroma"]]
        return [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, chroma]


@dataclass(frozen=True)
class _Codec:
    """How FFmpeg is asked for a codec.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        worst: The highest CRF, of the lowest quality; the best is 0.
        presets: What trades speed for quality, from fast to slow, with the options that ask for it.
        options: Of the encoder, beside those that all codecs get.
    """

    encoder: str
    worst: int
    presets: Mapping[str, Mapping[str, str]]
    options: Mapping[str, str] = field(default_factory=dict)


X26_PRESETS = {
    preset: {"preset": preset} for preset in ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
}


@dataclass(frozen=True)
class _Video(Chain):
    """An MP4 of 4:2:0 colour, whose sides are even: a last odd row or column is trimmed.

    Encoded by one thread, so the bytes do not depend on the machine's cores. Keyframes come at fixed distances and not
    where the encoder sees a cut: it would see others in a forgery than in its untouched twin.

    Attributes:
        quality: Lowest and highest constant rate factor (CRF), in the codec's own scale; 0 is the best.
        gop: Fewest and most frames from one keyframe to the next.
        preset: The encoder's presets to choose from.
    """

    folder = "videos"
    suffix = ".mp4"
    is_video = True
    side_step = 2
    codec: ClassVar[_Codec]

    quality: tuple[int, int] = (0, 0)
    gop: tuple[int, int] = (12, 50)
    preset: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        _require("quality", self.quality, 0, self.codec.worst)
        _require("gop", self.gop, 1, 1000)
        known = self.codec.presets
        given = (
            () if isinstance(self.preset, str) else tuple(str(preset) for preset in self.preset)
        )  # YAML reads 8 as a number
        object.__setattr__(self, "preset", given)
        if not given or not {*given} <= {*known}:
            raise ValueError(f"preset {self.preset!r}: expected a list of some of {', '.join(known)}")

    def require_encoder(self) -> None:
        """Raise `InputError` when the installed PyAV lacks the encoder."""
        try:
            require_encoder(self.codec.encoder)
        except InputError as error:
            raise InputError(f"{self.name}: {error}; expected another chain") from error

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `quality`, `gop` and `preset` as well."""
        quality, gop = (int(rng.integers(*choices, endpoint=True)) for choices in (self.quality, self.gop))
        drawn = super().sample(rng) | {"quality": quality, "gop": gop}
        return drawn | {"preset": str(self.preset[rng.integers(len(self.preset))])}

    def write(self, path: Path, frames: NDArray[np.uint8], fps: float, params: Parameters) -> None:
        """Write a video file; see `Chain.write`."""
        height, width = frames.shape[1:3]
        with VideoWriter(path, height, width, fps, **self._encoding(len(frames), params)) as writer:
            for frame in frames:
                writer.write(frame)

    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return what a reader of the file sees, `T H W 3`."""
        return recode(frames, fps, **self._encoding(len(frames), params))

    def _encoding(self, frames: int, params: Parameters) -> dict[str, Any]:
        """Return how FFmpeg is asked to encode so many frames."""
        gop, preset = str(params["gop"]), params.get("preset", self.preset[0])  # older records have none
        options = {"g": gop, "keyint_min": gop, "threads": "1", **self.codec.presets[preset], **self.codec.options}
        if frames < 3:
            options["bf"] = "0"  # x265 that may use B-frames gives so few frames random times (its issue 781)
        return {"codec": self.codec.encoder, "crf": params["quality"], "options": options}


@dataclass(frozen=True)
class H264(_Video):
    """H.264 by x264."""

    name = "h264"
    # The bytes of x264's macroblock tree differ from run to run where it uses AVX-512 (measured, x264 of PyAV 18).
    codec = _Codec("libx264", 51, X26_PRESETS, {"sc_threshold": "0", "mbtree": "0"})

    quality: tuple[int, int] = (18, 32)
    preset: tuple[str, ...] = ("medium",)


@dataclass(frozen=True)
class H264Twice(H264):
    """H.264 that was H.264 before: as a video that was uploaded, saved and uploaded again.

    Attributes:
        first: Lowest and highest CRF of the first encoding; `quality` is that of the second.
    """

    name = "h264-twice"

    first: tuple[int, int] = (18, 28)

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        _require("first", self.first, 0, self.codec.worst)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `first` as well."""
        return super().sample(rng) | {"first": int(rng.integers(*self.first, endpoint=True))}

    def write(self, path: Path, frames: NDArray[np.uint8], fps: float, params: Parameters) -> None:
        """Write a video file; see `Chain.write`."""
        super().write(path, self._once(frames, fps, params), fps, params)

    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return what a reader of the file sees, `T H W 3`."""
        return super().decode(self._once(frames, fps, params), fps, params)

    def _once(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        return super().decode(frames, fps, {**params, "quality": params["first"]})


@dataclass(frozen=True)
class Hevc(_Video):
    """HEVC by x265, of 16x16 pixels or more."""

    name = "hevc"
    # cutree=0: in frames of up to 48 columns the tree writes beyond its memory (measured, x265 of PyAV 18).
    smallest = 16
    codec = _Codec(
        "libx265",
        51,
        X26_PRESETS,
        {"x265-params": "pools=none:frame-threads=1:scenecut=0:open-gop=0:cutree=0:log-level=none"},
    )

    quality: tuple[int, int] = (20, 34)
    preset: tuple[str, ...] = ("fast",)


@dataclass(frozen=True)
class Vp9(_Video):
    """VP9 by libvpx. Its presets are the values of `cpu-used`: from 6 on as in live video."""

    name = "vp9"
    # b=0: with a bitrate, CRF would only be a limit of quality.
    codec = _Codec(
        "libvpx-vp9",
        63,
        {str(n): {"cpu-used": str(n), "deadline": "realtime" if n > 5 else "good"} for n in range(8, -1, -1)},
        {"b": "0", "row-mt": "0"},
    )

    quality: tuple[int, int] = (24, 40)
    preset: tuple[str, ...] = ("4",)


@dataclass(frozen=True)
class Av1(_Video):
    """AV1 by SVT-AV1, of 64x64 pixels or more: it hangs or crashes on some smaller clips (measured, SVT-AV1 4.1)."""

    name = "av1"
    smallest = 64
    codec = _Codec("libsvtav1", 63, {str(n): {"preset": str(n)} for n in range(12, -1, -1)})

    quality: tuple[int, int] = (25, 45)
    preset: tuple[str, ...] = ("8",)


def write_png(folder: Path, images: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write `00000.png`, `00001.png`, ... into a new folder, compressed lightly, since writing is most of the work.

    Args:
        folder: Made with its parents; it must not be there.
        images: Frames `T H W 3` uint8 RGB or masks `T H W` bool, which become grey of 0 and 255.
    """
    grey_or_bgr = np.where(images, 255, 0) if images.dtype == np.bool_ else images[..., ::-1]
    _write_images(folder, ".png", grey_or_bgr.astype(np.uint8, copy=False), [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _write_images(folder: Path, suffix: str, images: NDArray[np.uint8], options: list[int]) -> None:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        path = folder / f"{index:05}{suffix}"
        if not cv2.imwrite(str(path), image, options):
            raise OSError(f"{path}: cannot be written")


def _restores(params: Parameters) -> bool:
    return bool(params.get("restore"))  # records of older versions have no such key


AnyImages = TypeVar("AnyImages", NDArray[np.uint8], NDArray[np.float32])


def _rescale(images: AnyImages, height: int, width: int) -> AnyImages:
    """Resize `T H W` or `T H W 3` images: averaged over areas when they shrink, else bilinearly."""
    if images.shape[1:3] == (height, width):
        return images
    shrinks = height <= images.shape[1] and width <= images.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (width, height), interpolation=how) for image in images])


def _require(name: str, limits: tuple[float, float], lowest: float, highest: float) -> None:
    low, high = limits
    if not lowest <= low <= high <= highest:
        raise ValueError(f"{name} {low} to {high}: expected a range within {lowest} to {highest}")
