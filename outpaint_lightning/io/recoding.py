"""Encodes frames with a video codec and decodes them, in memory; the same as `VideoWriter` and `VideoFile`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from av.codec import Codec, CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from outpaint_lightning.io.video import TO_RGB
from outpaint_lightning.io.writer import frame_rate, open_encoder, picture
from outpaint_lightning.types import InputError

_DECODERS = {"av1": "libdav1d"}  # FFmpeg's own AV1 decoder needs a graphics card


def recode(
    frames: NDArray[np.uint8], fps: float, *, codec: str, crf: int, options: Mapping[str, str] | None = None
) -> NDArray[np.uint8]:
    """Encode frames and decode them again.

    The pixels are the same as after writing a file with `VideoWriter` and the same arguments, and reading it.

    Args:
        frames: `T H W 3` uint8 RGB, at least one.
        fps: frames per second.
        codec: FFmpeg's name of an encoder.
        crf: constant rate factor; see `VideoWriter`.
        options: more options of the encoder, by FFmpeg's names.

    Returns:
        `T H W 3` uint8 RGB.

    Raises:
        InputError: this FFmpeg lacks the encoder, or the encoder refuses frames of this size.

    Example:
        >>> frames = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
        >>> recode(frames, 25, codec="libx264", crf=30).shape
        (3, 32, 48, 3)
    """
    require_encoder(codec)
    rate = frame_rate(fps)
    encoder = cast(VideoCodecContext, CodecContext.create(codec, "w"))
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.options = {"crf": str(crf), **(options or {})}
    open_encoder(encoder, *frames.shape[1:3])
    packets = [packet for number, frame in enumerate(frames) for packet in encoder.encode(picture(frame, number, rate))]
    packets += encoder.encode(None)
    kind = encoder.codec.canonical_name
    decoder = cast(VideoCodecContext, CodecContext.create(_DECODERS.get(kind, kind), "r"))
    decoder.thread_count = 1  # the callers already run in parallel workers
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([np.asarray(frame.to_ndarray(**TO_RGB), np.uint8) for frame in shown])


def require_encoder(codec: str) -> None:
    """Raise `InputError` if the installed PyAV lacks an encoder, given by FFmpeg's name."""
    try:
        Codec(codec, "w")
    except ValueError as error:
        raise InputError(f"the installed PyAV (FFmpeg) has no encoder {codec}") from error
