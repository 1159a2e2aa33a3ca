"""Video files read with PyAV (FFmpeg), with frame-accurate random access.

Opening a file reads its packets without decoding them; `packets.FrameIndex` finds the frames in them. `decoding.decode`
returns the complete frames; this module caches decoders and applies the orientation.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io.clips import Clip
from outpaint_lightning.io.containers import open_stream
from outpaint_lightning.io.decoding import (
    DisorderError,
    NoStartError,
    Numbered,
    decode,
    decode_hastily,
    watch,
)
from outpaint_lightning.io.files import StrPath
from outpaint_lightning.io.packets import PATIENCE, clock_of, index_frames
from outpaint_lightning.types import InputError

# By default PyAV converts colours with one thread per core: too many beside other data loader workers, and a worker
# that is forked while these threads exist would wait for them forever.
TO_RGB: dict[str, Any] = {"format": "rgb24", "threads": 1}
_OPEN_DECODERS = 4  # cached between reads; each holds up to about 20 frames
_RECENT_FRAMES = 8  # cached by a decoder, so that overlapping windows decode every frame once
_USUAL_RATE = 25.0  # frames per second, for files that do not store it
_PROBE = 60  # packets; in interlaced H.264 with separate fields, every second packet produces no frame


class VideoFile(Clip):
    """A video file with frame-accurate random access.

    Frames are identified by their position in display order alone, so restarted clocks, shared times and false
    keyframes have no effect. The orientation stored in the file is applied; the sample aspect ratio is not, pixels stay
    as they are coded. Reading is safe from several threads, after a fork and after pickling.

    If the decoder calls a frame damaged, that frame and those up to the next keyframe, which may refer to it, raise an
    error, whichever frame is read first; if its header shows that no frame refers to it, only it does. Damage that the
    decoder does not tell is returned as it comes: FFmpeg's VP8 fills cut pictures from its memory. A truncated file
    gives the frames before the first one that is, or may be, missing. Its length includes the missing frames if the
    container gives their number.
    """

    def __init__(self, path: StrPath) -> None:
        """Index the packets and decode the first frame, for its size and orientation.

        If times do not give the order of the frames, all frames are decoded once.

        Raises:
            InputError: the file is missing, has no video, or none of its frames decodes.
        """
        self.path = Path(path)
        self.name = self.path.stem
        with open_stream(self.path) as (container, stream):
            self._index = index_frames(self.path, container, stream)
            self._codec = stream.codec_context.name
            self._rate, self._unit = float(stream.average_rate or 0), float(stream.time_base or 1)
        if self._index.is_doubtful:
            self._watch()
        self._leave_out_leading()
        first = self._first_frame()
        if first.interlaced_frame and self._codec == "h264" and watch(self.path, self._index, _PROBE).hidden:
            self._watch()
        matrix = first.side_data.get("DISPLAYMATRIX")
        a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else np.sign(np.frombuffer(bytes(matrix), "<i4", 5)).tolist()
        self._matrix = (a, b, c, d)  # from FFmpeg's display matrix: x' = a x + c y, y' = b x + d y
        self.height, self.width = (first.height, first.width) if a else (first.width, first.height)
        self._read_times()

    def __len__(self) -> int:
        """Return the number of frames, including the missing frames of a truncated file."""
        return len(self._index.order) + self._index.missing

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """Seconds from the first frame to each frame, `len(self)` values, never decreasing; NaN for missing frames."""
        return np.concatenate([self._seconds, np.full(self._index.missing, np.nan)])

    def read(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Read some frames; see `Clip.read`. They are decoded in increasing order, each group of pictures once."""
        self._check(indices)
        frames = np.empty((len(indices), self.height, self.width, 3), np.uint8)
        for slot in sorted(range(len(indices)), key=indices.__getitem__):
            frames[slot] = self._frame(indices[slot])
        return frames

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order; see `Clip`. Decodes on all cores up to the first damage."""
        expected = 0
        with suppress(DisorderError):
            for index, frame in decode_hastily(self.path, self._index):
                if self._index.damage(index) is not None:
                    break
                yield self._rgb(index, frame)
                expected = index + 1
        for index in range(expected, len(self)):
            yield self._frame(index)

    def _frame(self, index: int) -> NDArray[np.uint8]:
        """Return a frame, `H W 3` uint8 RGB; do not write to it."""
        return _decoder(self, os.getpid(), threading.get_ident()).frame(index)

    def _decode(self, start: int) -> Iterator[Numbered]:
        """Yield complete frames from `start` on with their numbers; see `decoding.decode`."""
        while start < len(self._index.order) and self._index.damage(start) is None:
            index, begin = self._index, start
            try:
                for number, frame in decode(self.path, index, start):
                    yield number, frame
                    start = number + 1
                if start == begin:
                    return
            except NoStartError:
                index.distrust(index.key(start))
            except DisorderError:
                self._watch()
                self._read_times()

    def _watch(self) -> None:
        """Get the order of the frames from the decoder."""
        self._index = self._index.watched(*watch(self.path, self._index))

    def _leave_out_leading(self) -> None:
        """Leave out pictures that are shown before the first keyframe and refer to pictures before the file's start."""
        index = self._index
        if leading := index.order[: max(index.number[index.first], 0)]:
            given = watch(self.path, index, max(leading) - index.first + PATIENCE).given
            if index.first in given and not set(leading).isdisjoint(given[given.index(index.first) :]):
                self._watch()  # the times are wrong: the keyframe is shown first
            else:
                self._index = index.without(set(leading).difference(given))

    def _first_frame(self) -> av.VideoFrame:
        """Return the first frame that decodes."""
        index = self._index
        starts = (index.number[key] for key, packet in enumerate(index.packets) if packet.is_key)
        for number in chain([0], (start for start in starts if start > 0)):
            if found := next(self._decode(number), None):
                return found[1]
        raise self._undecodable(0)

    def _read_times(self) -> None:
        self._seconds, self.fps = clock_of(self._index, self._rate or _USUAL_RATE, self._unit)

    def _rgb(self, index: int, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to `H W 3` uint8 RGB in its correct orientation."""
        try:
            rgb = frame.to_ndarray(**TO_RGB)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise InputError(f"{self.path}: frame {index} is {frame.format.name}, which cannot become RGB") from error
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
        if index >= len(self._index.order):
            cause = " (file truncated?)" if self._index.missing else ""
        elif (damaged := self._index.damage(index)) is None:
            cause = ""
        else:
            cause = " (it is damaged)" if damaged == index else f" (it may refer to frame {damaged}, which is damaged)"
        return InputError(f"{self.path}: frame {index} does not decode{cause}; a whole video was expected")


class _Decoder:
    """An open decoder at some position in the file, with a cache of its last frames.

    Reading forwards decodes only new frames; a frame further back or in another group of pictures needs a seek.
    """

    def __init__(self, video: VideoFile) -> None:
        self._video = video
        self._frames: Iterator[Numbered] = iter(())
        self._found: Numbered | None = None  # its last frame, whose number may be larger than the one requested
        self._recent: dict[int, NDArray[np.uint8]] = {}

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return a frame, `H W 3` uint8 RGB; do not write to it."""
        if index not in self._recent:
            self._recent[index] = self._decode(index)
            if len(self._recent) > _RECENT_FRAMES:
                del self._recent[next(iter(self._recent))]
        return self._recent[index]

    def _decode(self, index: int) -> NDArray[np.uint8]:
        video = self._video
        if index >= len(video._index.order) or video._index.damage(index) is not None:
            raise video._undecodable(index)
        if self._found is None or self._found[0] > index or self._is_far(index):
            self._frames = video._decode(index)
            self._found = next(self._frames, None)
        while self._found and self._found[0] < index:
            self._found = next(self._frames, None)
        if self._found is None or self._found[0] > index:
            raise video._undecodable(index)
        return video._rgb(*self._found)

    def _is_far(self, index: int) -> bool:
        """Whether a later frame is in another group of pictures."""
        found = -1 if self._found is None else self._found[0]
        return index > found + 1 and self._video._index.key(found + 1) != self._video._index.key(index)


@functools.lru_cache(_OPEN_DECODERS)
def _decoder(video: VideoFile, process: int, thread: int) -> _Decoder:  # noqa: ARG001 - part of the key
    """Return the decoder of one file for one thread of one process; FFmpeg's decoders must not be shared."""
    return _Decoder(video)
