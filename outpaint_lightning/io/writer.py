"""Writes frames to a video file with PyAV (FFmpeg)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from outpaint_lightning.io.files import StrPath, atomic
from outpaint_lightning.types import InputError

_LONGEST = 2**16  # seconds that a frame is shown, 18 hours; MP4 stores 1/16384 s in 31 bits
_FASTEST = 2**20  # frames per second
_BT601, _LIMITED = 6, 1  # H.273's numbers for swscale's RGB conversion; players take large untagged frames for BT.709


class VideoWriter:
    """Writes frames to a video file; a context manager. The file appears under its name if the block succeeds.

    Sizes are kept exactly: even sizes are stored as `yuv420p`, which plays everywhere, odd sizes as `yuv444p`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from outpaint_lightning.io import VideoFile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with VideoWriter(f"{folder}/clip.mp4", height=64, width=96, fps=25) as video:
        ...         for level in (50, 100, 150):
        ...             video.write(np.full((64, 96, 3), level, np.uint8))
        ...     clip = VideoFile(f"{folder}/clip.mp4")
        ...     len(clip), clip.height, clip.width, clip.fps
        (3, 64, 96, 25.0)
    """

    def __init__(
        self,
        path: StrPath,
        height: int,
        width: int,
        fps: float,
        *,
        codec: str = "libx264",
        crf: int = 18,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Store the options; the file is opened when the block is entered.

        Args:
            path: the file; its suffix chooses the container.
            height: rows of a frame, in pixels.
            width: columns of a frame, in pixels.
            fps: frames per second.
            codec: FFmpeg's name of an encoder.
            crf: constant rate factor, 0 (best) to 51 or 63, for encoders that have one.
            options: more options of the encoder, by FFmpeg's names.
        """
        self.path = Path(path)
        self.height, self.width = height, width
        self._rate = frame_rate(fps)
        self._codec = codec
        self._options = {"crf": str(crf), **(options or {})}
        self._count = 0

    def __enter__(self) -> Self:
        """Open the file under a temporary name.

        Raises:
            InputError: FFmpeg does not know the container or the encoder, the container cannot hold the codec, or the
                encoder refuses frames of this size.
        """
        self._session = self._open()
        self._container, self._stream = self._session.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish the file and rename it to its final name; after an error, remove it."""
        self._session.__exit__(kind, error, at)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, `height width 3` uint8 RGB."""
        if frame.shape != (self.height, self.width, 3):
            raise ValueError(f"{self.path}: frame of shape {frame.shape}; ({self.height}, {self.width}, 3) expected")
        self._container.mux(self._stream.encode(picture(frame, self._count, self._rate)))
        self._count += 1

    @contextmanager
    def _open(self) -> Iterator[tuple[OutputContainer, VideoStream]]:
        with atomic(self.path) as temporary:
            try:
                container = av.open(f"file:{temporary}", "w")
                stream = container.add_stream(self._codec, rate=self._rate, options=self._options)
            except ValueError as error:
                raise InputError(f"{self.path}: cannot be written with {self._codec} ({error})") from error
            with container:
                try:
                    open_encoder(stream.codec_context, self.height, self.width)
                except InputError as error:
                    raise InputError(f"{self.path}: {error}") from error
                yield container, stream
                if not self._count:
                    raise ValueError(f"{self.path}: no frame was written")
                container.mux(stream.encode(None))


def frame_rate(fps: float) -> Fraction:
    """Return a rate that a file can store: 30000/1001 stays exact, and so does one frame per hour.

    Raises:
        ValueError: the rate is not positive and finite.
    """
    if not 0 < fps < math.inf:
        raise ValueError(f"{fps} frames a second; a positive number was expected")
    if fps >= 1:
        return Fraction(min(fps, _FASTEST)).limit_denominator(1001)
    return 1 / Fraction(min(1 / fps, _LONGEST)).limit_denominator(1001)


def picture(frame: NDArray[np.uint8], number: int, rate: Fraction) -> av.VideoFrame:
    """Return `H W 3` uint8 RGB as a frame for an encoder, with display number `number`."""
    encoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    encoded.pts, encoded.time_base = number, 1 / rate
    return encoded


def open_encoder(context: VideoCodecContext, height: int, width: int) -> None:
    """Open an encoder for frames of one size, with the colour tags of swscale's conversion of RGB.

    Raises:
        InputError: the encoder refuses this size.
    """
    context.height, context.width = height, width
    context.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
    context.colorspace = context.color_primaries = context.color_trc = _BT601
    context.color_range = _LIMITED
    try:
        context.open()
    except av.FFmpegError as error:
        raise InputError(
            f"{context.name} refuses frames of {width}x{height} ({error.strerror}); "
            "expected larger frames or another codec"
        ) from error
