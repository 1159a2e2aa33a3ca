"""Opens video files with PyAV (FFmpeg): only containers of media on this disk, never playlists or addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from outpaint_lightning.io.limits import pixel_limit, require_pixels
from outpaint_lightning.io.reading import require_regular
from outpaint_lightning.types import InputError

av.logging.set_level(None)  # FFmpeg's log is not shown; what matters is raised as an exception
os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 does not use FFmpeg's log; print fatal errors only

FORMATS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "asf", "flv", "live_flv", "ogg", "mxf", "gxf", "nut", "ivf", "obu"),
    *("rm", "dv", "wtv", "dhav", "h264", "hevc", "mpegvideo", "m4v", "mjpeg", "yuv4mpegpipe"),
)
"""FFmpeg's names of the containers that are read. The rest are playlists, which open files and addresses that they name
(concat, hls, dash), devices, images and text."""

# PyAV 19 and later replace bytes that are not UTF-8 in a file's title; older versions do so only on request.
_LENIENT: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first moving stream; cover pictures do not count.

    Raises:
        InputError: the file is missing, its container is not in `FORMATS`, it has no video that FFmpeg can decode, or
            its frames are too large; see `limits`.
    """
    size = require_regular(path, "a video file")
    most = str(pixel_limit(size))
    try:
        container = av.open(
            f"file:{path}",
            options={"max_pixels": most},
            container_options={"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"},
            **_LENIENT,
        )
    except (av.FFmpegError, ValueError, MemoryError) as error:  # ValueError: a NUL in the name
        raise InputError(
            f"{path}: is no video of a kind that is read here or was cut off before its index; a video was expected"
        ) from error
    with container:
        stream = _moving_stream(path, container)
        stream.codec_context.options = {"max_pixels": most}  # a frame's header may claim more than the container
        require_pixels(path, stream.codec_context.width, stream.codec_context.height, size)
        yield container, stream


def _moving_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    if (stream := next(streams, None)) is None:
        raise InputError(f"{path}: holds no video stream; a video file was expected")
    if stream.codec_context is None:
        raise InputError(f"{path}: is coded as FFmpeg cannot decode; a video file in a known codec was expected")
    return stream


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the packets that are not empty; end where a damaged file cannot be read any further."""
    # PyAV raises IndexError when a stream appears later that the header did not list (late sound in FLV).
    with suppress(av.FFmpegError, IndexError):
        for packet in container.demux(stream):
            if packet.size:
                yield packet
