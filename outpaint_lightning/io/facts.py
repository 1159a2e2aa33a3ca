"""The metadata of footage: everything in a file except its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from outpaint_lightning.io.clips import Clip, FrameFolder
from outpaint_lightning.io.containers import open_stream, packets_of

_TAGS = ("encoder", "software", "com.apple.quicktime.software", "com.android.version", "make", "model")


@dataclass(frozen=True)
class Facts:
    """Facts about the file or folder of a clip. Everything written in a file can be forged."""

    files: int
    bytes: int
    """Size of all files together."""
    sha256: str
    """Hash of the file. For a folder: hash of the names and hashes of its frames, in order."""
    container: str
    codec: str
    frames: int
    width: int
    height: int
    fps: float
    seconds: float
    bits_per_pixel: float
    """Bytes of the pictures alone times 8, divided by the pixels of all frames; low values mean strong compression."""
    keyframe_distance: float | None
    """Median number of frames from one keyframe to the next; None with fewer than two."""
    encoder: str
    """Traces of encoders and devices in the metadata; empty if there are none."""
    audio: str
    """Codec of the sound; empty if there is none."""

    @property
    def is_video(self) -> bool:
        """Whether it is a video file, which stores a frame rate."""
        return not self.container.endswith(("image", "images"))


def facts_of(clip: Clip) -> Facts:
    """Return the facts of a clip's file or folder.

    Raises:
        InputError: the video cannot be opened.
        OSError: a file cannot be read.
    """
    return _of_images(clip) if isinstance(clip, FrameFolder) else _of_video(clip)


def _of_images(clip: FrameFolder) -> Facts:
    size = sum(file.stat().st_size for file in clip.files)
    hashes = [_sha256(file) for file in clip.files]
    lines = "".join(f"{file.name} {digest}\n" for file, digest in zip(clip.files, hashes, strict=True))
    whole = hashes[0] if clip.files == [clip.path] else hashlib.sha256(lines.encode()).hexdigest()
    suffixes = sorted({file.suffix.lower().lstrip(".") for file in clip.files})
    return Facts(
        files=len(clip.files),
        bytes=size,
        sha256=whole,
        container="image" if clip.files == [clip.path] else "folder of images",
        codec=", ".join(suffixes),
        frames=len(clip),
        width=clip.width,
        height=clip.height,
        fps=clip.fps,
        seconds=len(clip) / clip.fps,
        bits_per_pixel=_bits_per_pixel(size, clip),
        keyframe_distance=None,
        encoder="",
        audio="",
    )


def _of_video(clip: Clip) -> Facts:
    with open_stream(clip.path) as (container, stream):
        tags = {**container.metadata, **stream.metadata}
        codecs = (each.codec_context for each in container.streams.audio)
        sound = ", ".join(context.name for context in codecs if context)
        container_name, codec = container.format.name, stream.codec_context.name
        packets = [(packet.size, packet.is_keyframe) for packet in packets_of(container, stream)]
    traces = dict.fromkeys(value for key, value in tags.items() if key.lower() in _TAGS and value)
    return Facts(
        files=1,
        bytes=clip.path.stat().st_size,
        sha256=_sha256(clip.path),
        container=container_name,
        codec=codec,
        frames=len(clip),
        width=clip.width,
        height=clip.height,
        fps=clip.fps,
        seconds=len(clip) / clip.fps,
        bits_per_pixel=_bits_per_pixel(sum(size for size, _ in packets), clip),
        keyframe_distance=_distance([at for at, (_, is_key) in enumerate(packets) if is_key]),
        encoder=", ".join(traces),
        audio=sound,
    )


def _distance(keys: Sequence[int]) -> float | None:
    steps = [later - earlier for earlier, later in pairwise(keys)]
    return float(median(steps)) if steps else None


def _bits_per_pixel(size: int, clip: Clip) -> float:
    return size * 8 / (len(clip) * clip.height * clip.width)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
