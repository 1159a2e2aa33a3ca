"""Decodes the frames of a video file by number, and finds out which of them are complete.

Every packet passes through the decoder with its own number as its time, so each frame that comes out is identified, no
matter what the file's clock says. A frame is returned once all packets before it, which it may refer to, have been
decoded completely.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream
from numpy.typing import NDArray

from outpaint_lightning.io.containers import open_stream, packets_of
from outpaint_lightning.io.packets import PATIENCE, TINY, FrameIndex, mark_of

Numbered = tuple[int, av.VideoFrame]

_STRICT = {"err_detect": "explode"}
_SILENT = ("mjpeg",)  # decoders that tell damage only in strict mode, and else leave what an older frame had there
_SLIGHT = 1 / 50  # share of a frame's pixels; see `_is_slight`
_INTER = (PictureType.P, PictureType.B, PictureType.S)


class NoStartError(Exception):
    """The packet that the container calls a keyframe holds no complete picture; decoding must start further back."""


class DisorderError(Exception):
    """The decoder returns the frames in another order than the index."""


class _TroubleError(Exception):
    """A packet is damaged, this one or one before it."""


def decode(path: Path, index: FrameIndex, start: int) -> Iterator[Numbered]:
    """Decode from the last possible start before a frame; yield complete frames with their numbers.

    Numbers increase; incomplete frames are skipped. It ends at an incomplete frame to which other frames refer.

    Args:
        path: the file.
        index: index of the file; damaged packets are recorded in it.
        start: number of the first frame to return.

    Raises:
        NoStartError: decoding cannot start at that packet.
        DisorderError: the index is wrong.
    """
    with open_stream(path) as (container, stream):
        context = stream.codec_context
        context.thread_count = 1
        if context.name in _SILENT:
            context.options |= _STRICT
        key = index.key(start)
        run = _Run(path, index, key, start, learns=True)
        for at, packet in _packets_from(key, path, index, container, stream):
            if index.spare[at] and 0 <= index.number[at] < run.begin:
                continue
            run.decode(context, at, packet)
            if run.is_broken:
                break
            yield from (found for found in run.ready() if found[0] >= start)
        run.finish(context)
        yield from (found for found in run.rest() if found[0] >= start)


def decode_hastily(path: Path, index: FrameIndex) -> Iterator[Numbered]:
    """Decode from the start on all cores; yield consecutive frames with their numbers, and end at the first damage.

    With several threads a decoder may not mark a damaged frame. In strict mode it stops before returning
    that frame, if each thread decodes frames of its own. So all frames yielded are complete; `decode` finds the damage
    after them.

    Raises:
        DisorderError: the index is wrong.
    """
    with open_stream(path) as (container, stream), suppress(_TroubleError):
        context = stream.codec_context
        context.thread_count, context.thread_type, context.options = 0, "FRAME", context.options | _STRICT
        run = _Run(path, index, index.first, 0, learns=False)
        for at, packet in _packets_from(index.first, path, index, container, stream):
            run.decode(context, at, packet)
            yield from run.ready()
        run.finish(context)
        yield from run.rest()


class _Run:
    """The state of a decoder: the frames that came out, and the packets whose frame is still expected."""

    def __init__(self, path: Path, index: FrameIndex, key: int, start: int, learns: bool) -> None:
        self._path, self._index, self._key, self._learns = path, index, key, learns
        self._first = index.first_shown(key)
        self.begin = max(self._first, start - PATIENCE)
        """The first frame that is tracked; reordering does not reach further back."""
        self._next, self._latest = self.begin, -1
        self._has_begun = key == index.first or index.number[key] < 0
        self._last_leading = index.last_leading(key)
        self._is_settled = self._last_leading == key  # whether leading pictures can still come out
        self._awaited: dict[int, None] = {}  # packets whose frame has not come out; increasing
        self._held: dict[int, av.VideoFrame] = {}  # complete frames by number
        self._lost: set[int] = set()  # damaged packets to which no other packet refers
        self._end = len(index.packets)  # from this packet on, no frame is complete

    @property
    def is_broken(self) -> bool:
        """Whether a packet is damaged to which others refer."""
        return self._end < len(self._index.packets)

    def decode(self, context: VideoCodecContext, at: int, packet: av.Packet) -> None:
        """Decode a packet and store the frames that come out."""
        number = self._index.number[at]
        if number >= self._first:  # leading pictures belong to an earlier key
            self._awaited[at] = None
        try:
            for frame in context.decode(packet):
                self._take(frame)
        except av.FFmpegError:
            if not 0 <= number < self._first:
                self._refuse(at)
        self._is_settled = self._is_settled or at >= self._last_leading + context.has_b_frames
        oldest = next(iter(self._awaited), at)
        if at - oldest > PATIENCE + context.thread_count:
            self._refuse(oldest)

    def finish(self, context: VideoCodecContext) -> None:
        """Take the frames that the decoder still holds; packets without a frame are then lost."""
        with suppress(av.FFmpegError):
            for frame in context.decode(None):
                self._take(frame)
        for at in list(self._awaited):
            self._refuse(at)
        if self.is_broken:
            self._index.break_at(self._end)

    def ready(self) -> Iterator[Numbered]:
        """Yield the next frames as long as they are certain to be complete, and to have the right number."""
        order = self._index.order
        while self._is_settled and self._next < len(order):
            at = order[self._next]
            if at < self._key:
                raise NoStartError if self._index.is_watched else DisorderError
            if next(iter(self._awaited), at) < at:
                break
            if at in self._lost:
                self._index.break_at(at)
            elif self._next in self._held:
                yield self._next, self._held.pop(self._next)
            else:
                break
            self._next += 1
        if len(self._held) > 2 * PATIENCE and not self._awaited:
            self._disagree()

    def rest(self) -> Iterator[Numbered]:
        """Yield the complete frames that are still stored, after the end of the packets."""
        for number in sorted(self._held):
            if self._index.order[number] < self._end:
                yield number, self._held.pop(number)

    def _take(self, frame: av.VideoFrame) -> None:
        at = frame.pts
        if at is None or (number := self._index.number[at]) < 0:
            return
        if not self._has_begun:
            self._begin(at, number, frame)
        if number < self._latest:
            self._disagree()
        self._latest = max(self._latest, number)
        if number < self._first:
            return
        if frame.is_corrupt and not self._is_slight(at):
            self._refuse(at)
            return
        self._awaited.pop(at, None)
        if number >= self._next:
            self._held.setdefault(number, frame)  # a packet is one frame, even if a damaged one gives several

    def _begin(self, at: int, number: int, frame: av.VideoFrame) -> None:
        """Check that decoding began with a complete picture; pictures shown before it belong to an earlier key."""
        if at == self._key and not frame.is_corrupt and frame.pict_type not in _INTER:
            self._has_begun = True
        elif at == self._key or number > self._first:
            raise NoStartError

    def _refuse(self, at: int) -> None:
        if not self._learns:
            raise _TroubleError
        if not self._has_begun:
            raise NoStartError
        self._awaited.pop(at, None)
        if self._index.spare[at]:
            self._lost.add(at)
        else:
            self._end = min(self._end, at)

    def _disagree(self) -> None:
        if not self._index.is_watched:
            raise DisorderError

    def _is_slight(self, at: int) -> bool:
        index = self._index
        if not (self._learns and index.packets[at].is_key):  # the fill-in by several threads depends on their timing
            return False
        if at not in index.slight:
            index.slight[at] = _is_slight(self._path, index, at)
        return index.slight[at]


class Watched(NamedTuple):
    """The result of decoding packets."""

    given: list[int]
    """Packets of the frames that came out, in this order."""
    hidden: list[int]
    """Decoded packets that produce no frame."""


def watch(path: Path, index: FrameIndex, count: int | None = None) -> Watched:
    """Decode from the start, to see which packets come out as frames, and in which order.

    Args:
        path: the file.
        index: index of the file.
        count: number of packets to decode; None decodes all.
    """
    given: dict[int, bool] = {}  # for each packet, whether its frame is interlaced
    decoded = []
    with open_stream(path) as (container, stream):
        context = stream.codec_context
        context.thread_count, context.thread_type = 0, "AUTO"
        for at, packet in _packets_from(index.first, path, index, container, stream):
            if count is not None and at - index.first >= count:
                break
            decoded.append(at)
            given |= _interlaced(context, packet)
        given |= _interlaced(context, None)
        absent = (at for at in decoded if at not in given)
        hidden = [at for at in absent if _is_no_frame(context.name, index, at, given)]
    return Watched(list(given), hidden)


def _interlaced(context: VideoCodecContext, packet: av.Packet | None) -> dict[int, bool]:
    """Decode a packet; return for the packet of each frame that comes out whether the frame is interlaced."""
    try:
        return {frame.pts: frame.interlaced_frame for frame in context.decode(packet) if frame.pts is not None}
    except av.FFmpegError:
        return {}


def _is_no_frame(codec: str, index: FrameIndex, at: int, given: dict[int, bool]) -> bool:
    """Whether a packet without a frame is a second field, or an empty MPEG-4 packet, and not a damaged frame."""
    if codec == "h264":
        return given.get(at - 1, False)
    return codec == "mpeg4" and index.packets[at].mark.size < TINY


def _packets_from(
    key: int, path: Path, index: FrameIndex, container: InputContainer, stream: VideoStream
) -> Iterator[tuple[int, av.Packet]]:
    """Yield packets from `key` on with their numbers, which replace their times.

    Packets after a seek are compared with the index. If they differ, the packets are counted from the start of the
    file.
    """
    at, end = key, len(index.packets)
    if key > index.first and index.is_seekable:
        for packet in _sought(key, index, container, stream):
            if at == end:
                return
            if mark_of(packet) != index.packets[at].mark:
                index.is_seekable = False
                break
            yield at, _numbered(packet, at)
            at += 1
        else:
            if at == end:
                return
            if at > key:  # the file ends earlier after a seek
                index.is_seekable = False
        with open_stream(path) as (whole, same):
            yield from _counted(at, end, whole, same)
    else:
        yield from _counted(at, end, container, stream)


def _counted(begin: int, end: int, container: InputContainer, stream: VideoStream) -> Iterator[tuple[int, av.Packet]]:
    for at, packet in enumerate(packets_of(container, stream)):
        if at >= end:
            return
        if at >= begin:
            yield at, _numbered(packet, at)


def _sought(key: int, index: FrameIndex, container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the packets from `key` on after a seek; none if the seek lands after it."""
    wanted = index.packets[key]
    try:
        container.seek(0 if wanted.dts is None else wanted.dts, stream=stream)
    except (av.FFmpegError, OverflowError):
        return
    packets = packets_of(container, stream)
    for packet in packets:
        if mark_of(packet) == wanted.mark:
            yield packet
            yield from packets
        elif packet.is_keyframe and None not in (packet.pts, wanted.pts) and packet.pts > wanted.pts:
            return


def _numbered(packet: av.Packet, number: int) -> av.Packet:
    packet.pts = packet.dts = number
    return packet


def _is_slight(path: Path, index: FrameIndex, key: int) -> bool:
    """Whether only a few blocks are damaged in a picture that the decoder calls damaged.

    Some cameras write keyframes whose last blocks do not decode; every player shows the decoder's fill-in there.
    Decoding the picture again without fill-in gives the damaged share.
    """
    filled, bare = (_alone(path, index, key, options) for options in ({}, {"ec": "0"}))
    if filled is None or bare is None or filled.shape != bare.shape:
        return False
    return float((filled != bare).mean()) <= _SLIGHT


def _alone(path: Path, index: FrameIndex, key: int, options: dict[str, str]) -> NDArray[np.uint8] | None:
    """Return the first plane of a picture that is decoded alone."""
    with open_stream(path) as (container, stream), suppress(av.FFmpegError):
        context = stream.codec_context
        context.thread_count, context.options = 1, context.options | options
        _, packet = next(_packets_from(key, path, index, container, stream))
        frames = [*context.decode(packet), *context.decode(None)]
        for plane in (frame.planes[0] for frame in frames[:1]):
            rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
            return rows[: plane.height, : plane.width]
    return None
