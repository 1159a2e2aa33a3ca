"""Frames through a video codec and back, in memory: what `VideoWriter` and `VideoFile` do by way of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from av.codec import Codec, CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from outpaint_lightning.io.video import TO_RGB, frame_rate, open_encoder, picture
from outpaint_lightning.types import InputError

_DECODERS = {"av1": "libdav1d"}  # FFmpeg's own decoder of that name needs a graphics card


def recode(
    frames: NDArray[np.uint8], fps: float, *, codec: str, crf: int, options: Mapping[str, str] | None = None
) -> NDArray[np.uint8]:
    """Encode frames and decode them again.

    The pixels are those that a reader of a file sees which `VideoWriter` made of the same arguments.

    Args:
        frames: `T H W 3` uint8 RGB, at least one.
        fps: frames a second.
        codec: name of an encoder of FFmpeg.
        crf: constant rate factor; see `VideoWriter`.
        options: what else FFmpeg is to tell the encoder, by FFmpeg's names.

    Returns:
        `T H W 3` uint8 RGB.

    Raises:
        InputError: FFmpeg has no such encoder here, or it refuses frames of this size.

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
    decoder.thread_count = 1  # the callers are workers beside others
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([np.asarray(frame.to_ndarray(**TO_RGB), np.uint8) for frame in shown])


def require_encoder(codec: str) -> None:
    """Raise `InputError` when the installed PyAV lacks an encoder, named as FFmpeg does."""
    try:
        Codec(codec, "w")
    except ValueError as error:
        raise InputError(f"the installed PyAV (FFmpeg) has no encoder {codec}") from error
