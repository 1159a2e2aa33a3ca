"""Chains that store a clip as a video file: H.264, HEVC, VP9 and AV1 in MP4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.forge.chains.base import Chain, require
from outpaint_lightning.forge.parts import Parameters
from outpaint_lightning.io import VideoWriter, recode, require_encoder
from outpaint_lightning.types import InputError


@dataclass(frozen=True)
class _Codec:
    """FFmpeg's settings for a codec.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        worst: the highest CRF, which gives the lowest quality; 0 gives the best.
        presets: presets from fast to slow, each with the encoder options that select it.
        options: encoder options besides those of all codecs.
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
    """An MP4 with 4:2:0 colour, whose sides are even: a last odd row or column is trimmed.

    One thread encodes, so the bytes do not depend on the machine's cores. Keyframes have fixed distances and do not
    follow the encoder's scene cuts: it would find different cuts in a forgery and in its untouched twin.

    Attributes:
        quality: lowest and highest constant rate factor (CRF), on the codec's own scale; 0 is the best.
        gop: smallest and largest number of frames from one keyframe to the next.
        preset: the encoder's presets to choose from.
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
        require("quality", self.quality, 0, self.codec.worst)
        require("gop", self.gop, 1, 1000)
        known = self.codec.presets
        given = (
            () if isinstance(self.preset, str) else tuple(str(preset) for preset in self.preset)
        )  # YAML reads 8 as a number
        object.__setattr__(self, "preset", given)
        if not given or not {*given} <= {*known}:
            raise ValueError(f"preset {self.preset!r}: expected a list of some of {', '.join(known)}")

    def require_encoder(self) -> None:
        """Raise `InputError` if the installed PyAV lacks the encoder."""
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
        """Return the frames `T H W 3` that a reader gets from the file."""
        return recode(frames, fps, **self._encoding(len(frames), params))

    def _encoding(self, frames: int, params: Parameters) -> dict[str, Any]:
        """Return FFmpeg's settings for encoding this number of frames."""
        gop, preset = str(params["gop"]), params.get("preset", self.preset[0])  # older records have none
        options = {"g": gop, "keyint_min": gop, "threads": "1", **self.codec.presets[preset], **self.codec.options}
        if frames < 3:
            options["bf"] = "0"  # with B-frames, x265 gives so few frames random times (its issue 781)
        return {"codec": self.codec.encoder, "crf": params["quality"], "options": options}


@dataclass(frozen=True)
class H264(_Video):
    """H.264 from x264."""

    name = "h264"
    # The bytes of x264's macroblock tree differ between runs if it uses AVX-512 (measured, x264 of PyAV 18).
    codec = _Codec("libx264", 51, X26_PRESETS, {"sc_threshold": "0", "mbtree": "0"})

    quality: tuple[int, int] = (18, 32)
    preset: tuple[str, ...] = ("medium",)


@dataclass(frozen=True)
class H264Twice(H264):
    """H.264 encoded twice, like a video that was uploaded, saved and uploaded again.

    Attributes:
        first: lowest and highest CRF of the first encoding; `quality` is for the second.
    """

    name = "h264-twice"

    first: tuple[int, int] = (18, 28)

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        require("first", self.first, 0, self.codec.worst)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw `first` as well."""
        return super().sample(rng) | {"first": int(rng.integers(*self.first, endpoint=True))}

    def write(self, path: Path, frames: NDArray[np.uint8], fps: float, params: Parameters) -> None:
        """Write a video file; see `Chain.write`."""
        super().write(path, self._once(frames, fps, params), fps, params)

    def decode(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        """Return the frames `T H W 3` that a reader gets from the file."""
        return super().decode(self._once(frames, fps, params), fps, params)

    def _once(self, frames: NDArray[np.uint8], fps: float, params: Parameters) -> NDArray[np.uint8]:
        return super().decode(frames, fps, {**params, "quality": params["first"]})


@dataclass(frozen=True)
class Hevc(_Video):
    """HEVC from x265, for frames of at least 16x16 pixels."""

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
    """VP9 from libvpx. Its presets are the values of `cpu-used`; 6 and above use the real-time mode."""

    name = "vp9"
    # b=0: with a bitrate, CRF would only limit the quality.
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
    """AV1 from SVT-AV1, from 64x64 pixels on: it hangs or crashes on some smaller clips (measured, SVT-AV1 4.1)."""

    name = "av1"
    smallest = 64
    codec = _Codec("libsvtav1", 63, {str(n): {"preset": str(n)} for n in range(12, -1, -1)})

    quality: tuple[int, int] = (25, 45)
    preset: tuple[str, ...] = ("8",)
