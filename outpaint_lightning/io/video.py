"""Video files, in and out, by PyAV (FFmpeg).

Frames are numbered in the order they are shown. Opening a file reads its packets without decoding them: their
presentation times (pts) are the frames, however unevenly spaced, and the keyframes among them are where decoding may
start. A frame is then found by its time, so no rounding of `index / fps` is ever involved.
"""

from __future__ import annotations

import functools
import os
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import av
import av.logging
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from outpaint_lightning.io.clips import Clip
from outpaint_lightning.io.files import StrPath, atomic
from outpaint_lightning.types import InputError

av.logging.set_level(None)  # FFmpeg's remarks are not ours; what matters comes as an exception
os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 prints past FFmpeg's log: fatal errors only

# PyAV converts colours with as many threads as there are cores: too many beside others in data loader workers, and a
# worker forked while they live would wait for them forever.
TO_RGB: dict[str, Any] = {"format": "rgb24", "threads": 1}
# Until 19, which always does so, PyAV replaces what is not UTF-8 in a file's title only when asked to.
_LENIENT: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
_SKIPPING_DECODERS = ("h264", "hevc")  # heed `skip_frame` packet by packet; dav1d (AV1) keeps the first value it sees
_BT601, _LIMITED = 6, 1  # H.273's numbers of what swscale makes of RGB; untagged, players take large frames for BT.709
_OPEN_DECODERS = 4  # kept between reads; each holds up to some 20 frames
_RECENT_FRAMES = 8  # kept by a decoder, so that overlapping windows decode every frame once


class _Packet(NamedTuple):
    """What the index keeps of a packet: presentation and decoding time in the stream's units, and three flags."""

    pts: int
    dts: int
    is_key: bool
    is_whole: bool
    is_shown: bool
    """False where an edit list has it decoded only for the sake of others."""


class VideoFile(Clip):
    """A video file with frame-accurate random access.

    The orientation stored in the file is applied; the sample aspect ratio is not, pixels stay as they are coded.
    Reading is safe from several threads, after a fork and after pickling.

    A file that was cut off gives the frames before the first that is, or may be, missing. Its length counts the missing
    ones too, where the container tells how many there were.
    """

    def __init__(self, path: StrPath) -> None:
        """Index the packets and decode the first frame, for its size and orientation.

        Raises:
            InputError: no such file, no video in it, or its first frame does not decode.
        """
        self.path = Path(path)
        self.name = self.path.stem
        with open_stream(self.path) as (container, stream):
            self._index(container, stream)
        index, first = next(self._decode(0, threads=1), (0, None))
        if first is None or index > 0:
            raise self._undecodable(0)
        matrix = first.side_data.get("DISPLAYMATRIX")
        a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else np.sign(np.frombuffer(bytes(matrix), "<i4", 5)).tolist()
        self._matrix = (a, b, c, d)  # of FFmpeg's display matrix: x' = a x + c y, y' = b x + d y
        self.height, self.width = (first.height, first.width) if a else (first.width, first.height)

    def __len__(self) -> int:
        """Return the number of frames, those missing from a truncated file included."""
        return len(self._pts) + self._missing

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Seconds from the first frame to each, `len(self)` values, rising; NaN for frames missing from the file."""
        seconds = (np.array(self._pts) - self._pts[0]) * float(self._time_base)
        return np.concatenate([seconds, np.full(self._missing, np.nan)])

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames; see `Clip.read`. They are decoded in rising order, each group of pictures once."""
        self._check(indices)
        decoder = _decoder(self, os.getpid(), threading.get_ident())
        frames = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for slot in sorted(range(len(indices)), key=indices.__getitem__):
            frames[slot] = decoder.frame(indices[slot])
        return frames

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order; see `Clip`. Decodes on all cores."""
        expected = 0
        for index, frame in self._decode(0, threads=0):
            if index != expected:
                break
            yield self._rgb(index, frame)
            expected += 1
        if expected < len(self):
            raise self._undecodable(expected)

    def _index(self, container: InputContainer, stream: VideoStream) -> None:
        """Learn from the packets when frames are shown, how many there are and where decoding may start."""
        packets = [
            _Packet(
                pts=packet.pts,
                dts=packet.pts if packet.dts is None else packet.dts,
                is_key=packet.is_keyframe,
                is_whole=not packet.is_corrupt,
                is_shown=not packet.is_discard,
            )
            for packet in _packets(container, stream)
            if packet.pts is not None
        ]
        if not packets:
            raise InputError(f"{self.path}: holds no video frames; a video file was expected")
        self._missing, self._partial = 0, None
        if _is_cut_off(stream, packets):
            # What is missing would be shown at its decoding time or later, perhaps before frames that are still here.
            last = packets[-1]
            self._partial = None if last.is_whole else last.pts
            end = last.dts + last.is_whole
            here = [packet for packet in packets if packet.pts < end]
            self._missing = max(stream.frames, len(packets)) - len(here)
            packets = here

        # What precedes the first keyframe, in a recording that began amid a broadcast, cannot be decoded.
        keys = sorted(packet for packet in packets if packet.is_key) or packets[:1]
        self._pts = sorted({packet.pts for packet in packets if packet.is_shown and packet.pts >= keys[0].pts})
        if not self._pts:
            raise self._undecodable(0)
        self._number = {pts: number for number, pts in enumerate(self._pts)}
        # AVI stores no presentation times: with B-frames they are guesses, and only counting from the start is sure.
        self._counts = container.format.name == "avi" and bool(stream.codec_context.has_b_frames)
        # A seek in an MPEG program stream lands amid a frame and gives the next ones the times of others.
        self._seeks = container.format.name != "mpeg"
        self._keys = keys[:1] if self._counts else keys
        self._time_base = stream.time_base or Fraction(1)
        duration = (self._pts[-1] - self._pts[0]) * self._time_base
        self.fps = float((len(self._pts) - 1) / duration if duration else stream.average_rate or 25)

    def _key(self, index: int) -> _Packet:
        """Return the keyframe from which frame `index` is decoded: the last shown no later."""
        return self._keys[max(bisect_right(self._keys, self._pts[index], key=lambda key: key.pts) - 1, 0)]

    def _decode(self, start: int, threads: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode from the keyframe of `start`; yield the frames from `start` on with their numbers, which rise.

        A frame that does not decode is left out, and none follows a packet that the decoder refuses.

        Args:
            start: number of the first frame wanted.
            threads: decoder threads; 0 takes every core.
        """
        key, wanted = self._key(start), self._pts[0 if self._counts else start]
        with open_stream(self.path) as (container, stream):
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO"
            for counted, frame in enumerate(_frames(stream, self._packets_from(key, container, stream), wanted)):
                index = counted if self._counts else self._number.get(frame.pts, -1)
                if start <= index < len(self._pts) and not frame.is_corrupt:
                    yield index, frame

    def _packets_from(self, key: _Packet, container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
        """Yield the packets from `key` on, sought again from the first one where a seek overshoots."""
        for target in (key, self._keys[0]) if self._seeks and key != self._keys[0] else (None,):
            if target:
                container.seek(target.dts, stream=stream)
            found = False
            for packet in _packets(container, stream):
                found = found or packet.pts == key.pts
                if found and packet.pts != self._partial:
                    yield packet
                elif not found and packet.is_keyframe and packet.pts is not None and packet.pts > key.pts:
                    break
            if found:
                return

    def _rgb(self, index: int, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert to `H W 3` uint8 RGB, turned upright."""
        rgb = frame.to_ndarray(**TO_RGB)
        a, b, c, d = self._matrix
        if not a:
            rgb, a, d = rgb.swapaxes(0, 1), c, b
        if rgb.shape[:2] != (self.height, self.width):
            height, width = rgb.shape[:2]
            raise InputError(
                f"{self.path}: frame {index} is {width}x{height}; {self.width}x{self.height} was expected, as frame 0"
            )
        return np.ascontiguousarray(rgb[:: d or 1, :: a or 1], np.uint8)

    def _undecodable(self, index: int) -> InputError:
        return InputError(f"{self.path}: frame {index} does not decode (file truncated?); a whole video was expected")


class _Decoder:
    """An open decoder that stands behind some frame, and the frames it gave last.

    Reading on costs what was not decoded yet; only a frame further back or in another group of pictures costs a seek.
    """

    def __init__(self, video: VideoFile) -> None:
        self._video = video
        self._frames = video._decode(0, threads=1)
        self._behind = -1
        self._recent: dict[int, NDArray[np.uint8]] = {}

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return a frame, `H W 3` uint8 RGB, not to be written to."""
        if index not in self._recent:
            self._recent[index] = self._decode(index)
            if len(self._recent) > _RECENT_FRAMES:
                del self._recent[next(iter(self._recent))]
        return self._recent[index]

    def _decode(self, index: int) -> NDArray[np.uint8]:
        video = self._video
        if index >= len(video._pts):
            raise video._undecodable(index)
        if self._behind >= index or video._key(self._behind + 1) != video._key(index):
            self._frames = video._decode(index, threads=1)
        self._behind, frame = next((found for found in self._frames if found[0] >= index), (index, None))
        if frame is None or self._behind > index:
            raise video._undecodable(index)
        return video._rgb(index, frame)


@functools.lru_cache(_OPEN_DECODERS)
def _decoder(video: VideoFile, process: int, thread: int) -> _Decoder:  # noqa: ARG001 - part of the key
    """Return the decoder of one file for one thread of one process; FFmpeg's decoders must not be shared."""
    return _Decoder(video)


@contextmanager
def open_stream(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file with its first moving stream; cover pictures do not count."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; a video file was expected")
    try:
        container = av.open(f"file:{path}", **_LENIENT)
    except av.FFmpegError as error:
        raise InputError(f"{path}: is no video or was cut off before its index; a video file was expected") from error
    with container:
        streams = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
        if (stream := next(streams, None)) is None:
            raise InputError(f"{path}: holds no video stream; a video file was expected")
        if stream.codec_context is None:
            raise InputError(f"{path}: is coded as FFmpeg cannot decode; a video file in a known codec was expected")
        yield container, stream


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the packets that hold something; where a damaged file cannot be read on, it ends."""
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            if packet.size:
                yield packet


def _frames(stream: VideoStream, packets: Iterator[av.Packet], wanted: int) -> Iterator[av.VideoFrame]:
    """Decode packets; of those shown before the time `wanted`, the ones that no other needs are skipped."""
    context = stream.codec_context
    may_skip = context.name in _SKIPPING_DECODERS
    with suppress(av.FFmpegError):
        for packet in packets:
            if may_skip and packet.pts is not None:
                context.skip_frame = "NONREF" if packet.pts < wanted else "DEFAULT"
            yield from context.decode(packet)
    with suppress(av.FFmpegError):  # a refused packet ends decoding, but what came before it is still held back
        yield from context.decode(None)


def _is_cut_off(stream: VideoStream, packets: list[_Packet]) -> bool:
    """Whether the last packet is incomplete, or the container tells of more frames and of a later end.

    The number of frames alone does not tell: it counts what an edit list has cut away for good.
    """
    times = [packet.pts for packet in packets]
    early = max(times) - min(times) < (stream.duration or 0) * (1 - 1.5 / len(packets))
    return not packets[-1].is_whole or (early and stream.frames > len(packets))


class VideoWriter:
    """Write frames to a video file; a context manager, whose file appears under its name when the block ends well.

    Sizes are kept exactly: even ones are stored as `yuv420p`, which plays everywhere, odd ones as `yuv444p`.
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
    """Return frames a second as a fraction; 30000/1001 stays exact."""
    return Fraction(fps).limit_denominator(1001)


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
