"""Write frames to a video file with PyAV (FFmpeg)."""

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

_LONGEST = 2**16  # seconds that a frame is shown, 18 hours; MP4 counts 16384ths of them in 31 bits
_FASTEST = 2**20  # frames a second
_BT601, _LIMITED = 6, 1  # H.273's numbers of what swscale makes of RGB; untagged, players take large frames for BT.709


class VideoWriter:
    """Write frames to a video file; a context manager, whose file appears under its name when the block ends well.

    Sizes are kept exactly: even ones are stored as `yuv420p`, which plays everywhere, odd ones as `yuv444p`.

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
        """Remember what to write; the file is opened on entering the block.

        Args:
            path: the file; its suffix chooses the container.
            height: rows of a frame, in pixels.
            width: columns of a frame, in pixels.
            fps: frames a second.
            codec: name of an encoder of FFmpeg.
            crf: constant rate factor, 0 (best) to 51 or 63, of the encoders that have one.
            options: what else FFmpeg is to tell the encoder, by FFmpeg's names.
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
            InputError: FFmpeg knows no such container or encoder, the one cannot hold the other, or the encoder
                refuses frames of this size.
        """
        self._session = self._open()
        self._container, self._stream = self._session.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish the file and give it its name; after an error, remove it."""
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
    """Return a rate that a file can hold: 30000/1001 stays exact, and so does a frame an hour.

    Raises:
        ValueError: it is not positive and finite.
    """
    if not 0 < fps < math.inf:
        raise ValueError(f"{fps} frames a second; a positive number was expected")
    if fps >= 1:
        return Fraction(min(fps, _FASTEST)).limit_denominator(1001)
    return 1 / Fraction(min(1 / fps, _LONGEST)).limit_denominator(1001)


def picture(frame: NDArray[np.uint8], number: int, rate: Fraction) -> av.VideoFrame:
    """Return `H W 3` uint8 RGB as the frame that an encoder takes, shown as the `number`-th."""
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    made.pts, made.time_base = number, 1 / rate
    return made


def open_encoder(context: VideoCodecContext, height: int, width: int) -> None:
    """Open an encoder for frames of one size, with the colours that swscale makes of RGB.

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
