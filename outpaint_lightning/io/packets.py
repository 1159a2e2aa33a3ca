"""Finds which packet of a video file is which frame, and where decoding may start.

Frames are counted, not timed: clocks restart where recordings were joined, several frames share one time in containers
that store whole milliseconds, and some encoders write times in another order than the pictures. Times only sort the
packets; if they cannot, `FrameIndex.watched` uses the order in which the decoder returns the frames.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from outpaint_lightning.io.bitstreams import REFERENCE, Use, use_reader
from outpaint_lightning.io.containers import packets_of
from outpaint_lightning.types import InputError

PATIENCE = 34
"""Packets after which a frame that has not come out is lost: decoders delay 16 frames, perhaps of two fields each."""

TINY = 12
"""Bytes of an MPEG-4 packet that may be empty ('nothing new'); the smallest picture has more."""


class Mark(NamedTuple):
    """Identifies a packet after a seek. A single field may not be unique: packets of ASF share a position."""

    pts: int | None
    place: int | None
    size: int


def mark_of(packet: av.Packet) -> Mark:
    """Return the mark that identifies a packet."""
    return Mark(packet.pts, packet.pos, packet.size)


class Packet(NamedTuple):
    """The fields of a packet that are needed later: times in the stream's units, and flags."""

    pts: int | None
    dts: int | None
    mark: Mark
    is_key: bool
    is_whole: bool
    is_shown: bool
    """False if an edit list marks it as decoded but not shown, or if the picture is never shown."""
    use: Use


@dataclass
class FrameIndex:
    """Maps packets to frames.

    Packets and frames are counted from 0, packets in the order of the file, frames in the order of display.
    """

    packets: list[Packet]
    """All packets that can be decoded; those after a cut are left out."""
    order: list[int]
    """The packet of each frame."""
    first: int
    """The packet at which decoding of the whole file starts."""
    missing: int
    """Number of frames at the end that the container counts but the file has lost."""
    is_seekable: bool
    is_doubtful: bool
    """The times do not determine the order of the frames."""
    is_watched: bool = False
    """The order is the one in which the decoder returns the frames, from the file's start."""
    broken: list[int] = field(default_factory=list)
    """Packets after which no frame is complete until decoding can start again; increasing."""
    slight: dict[int, bool] = field(default_factory=dict)
    """For each keyframe that the decoder calls damaged, whether the damage is slight."""
    number: list[int] = field(init=False)
    """The frame of each packet; -1 for packets without a frame."""
    spare: list[bool] = field(init=False)
    """For each packet, whether no other packet needs it."""
    _keys: list[tuple[int, int]] = field(init=False)
    """Number of the first frame that decoding returns, and the packet to start from; increasing."""
    _lost: set[int] = field(init=False)
    """Packets of which only their own frame is incomplete."""

    def __post_init__(self) -> None:
        self.number = [-1] * len(self.packets)
        for number, packet in enumerate(self.order):
            self.number[packet] = number
        highest = max((packet.use.layer for packet in self.packets), default=0)
        self.spare = [not use.is_reference and use.layer == highest for *_, use in self.packets]
        self._keys = sorted(self._starts())
        self._lost = set()

    def _starts(self) -> Iterable[tuple[int, int]]:
        keys = [at for at, packet in enumerate(self.packets) if packet.is_key and packet.use.is_start]
        for key, end in pairwise([*keys, len(self.packets)]):
            number = self.number[key]
            if number < 0 and not self.packets[key].is_shown:
                number = min((shown for shown in self.number[key:end] if shown >= 0), default=-1)
            if number >= 0:
                yield number, key

    def key(self, number: int) -> int:
        """Return the packet to start from for a frame: the last key that does not start after the frame."""
        at = bisect_right(self._keys, number, key=lambda key: key[0]) - 1
        while at >= 0 and self._keys[at][1] > self.order[number]:
            at -= 1
        return self._keys[at][1] if at >= 0 else self.first

    def first_shown(self, key: int) -> int:
        """Return the number of the first frame that decoding from a packet returns; leading pictures do not count.

        Leading pictures come after a keyframe in the file, but are shown before it and refer to pictures before it.
        """
        return next((number for number, packet in self._keys if packet == key != self.first), 0)

    def last_leading(self, key: int) -> int:
        """Return the last leading picture of a keyframe, or the keyframe if it has none."""
        first, end = self.first_shown(key), min(key + PATIENCE, len(self.packets))
        return max((at for at in range(key, end) if 0 <= self.number[at] < first), default=key)

    def distrust(self, key: int) -> None:
        """Stop using a packet as a start: it holds no complete picture, for example with gradual refresh."""
        self._keys = [(number, packet) for number, packet in self._keys if packet != key]

    def break_at(self, packet: int) -> None:
        """Record that a packet does not decode, and so nothing that refers to it."""
        if self.spare[packet]:
            self._lost.add(packet)
        elif packet not in self.broken:
            insort(self.broken, packet)

    def damage(self, number: int) -> int | None:
        """Return the damaged frame on which a frame depends, perhaps itself; None if no damage is known."""
        packet = self.order[number]
        if packet in self._lost:
            return number
        key = self.key(number)
        for broken in self.broken[bisect_left(self.broken, key) : bisect_right(self.broken, packet)]:
            if not 0 <= self.number[broken] < self.first_shown(key):  # nothing that follows refers to a leading picture
                return max(self.number[broken], 0)
        return None

    def without(self, packets: Iterable[int]) -> FrameIndex:
        """Return the index without the frames of these packets, which the decoder never returns."""
        gone = set(packets)
        return replace(self, order=[packet for packet in self.order if packet not in gone])

    def watched(self, given: Sequence[int], hidden: Iterable[int]) -> FrameIndex:
        """Return the index in the order of a decoder's output.

        Args:
            given: packets of the frames that came out, in this order.
            hidden: packets that produce no frame. Other packets that did not come out are damaged; they keep the
                position that their time gives.
        """
        order = list(dict.fromkeys(packet for packet in given if self.packets[packet].is_shown))
        lost = set(self.order).difference(order, hidden)
        for packet in (packet for packet in self.order if packet in lost):
            later = (at for at, other in enumerate(order) if self._precedes(packet, other))
            order.insert(next(later, len(order)), packet)
        return replace(self, order=order, is_doubtful=False, is_watched=True)

    def _precedes(self, packet: int, other: int) -> bool:
        a, b = self.packets[packet].pts, self.packets[other].pts
        return packet < other if a is None or b is None else (a, packet) < (b, other)


class Clock(NamedTuple):
    """The display times of the frames of an index."""

    seconds: NDArray[np.float64]
    """Time since the first frame for each frame, never decreasing."""
    fps: float
    """Average frames per second."""


def clock_of(index: FrameIndex, rate: float, unit: float) -> Clock:
    """Read the times of frames; after a restart of the clock, the next frame follows at the usual distance.

    Args:
        index: index of the file.
        rate: frames per second, used if the times do not give it.
        unit: the stream's unit of time, in seconds.
    """
    times = [index.packets[packet].pts for packet in index.order]
    if not times or any(time is None for time in times):
        return Clock(np.arange(len(times)) / rate, rate)
    runs = _runs(index.packets)
    of_frame = np.array([runs[packet] for packet in index.order])
    seconds = np.array(times, np.float64) * unit
    parts = [of_frame == run for run in sorted(set(of_frame.tolist()))]
    steps = len(times) - len(parts)
    duration = sum(float(np.ptp(seconds[part])) for part in parts)
    fps = steps / duration if duration > 0 else rate
    begin = 0.0
    for part in parts:
        seconds[part] += begin - seconds[part].min()
        begin = float(seconds[part].max()) + 1 / fps
    return Clock(np.maximum.accumulate(seconds), fps)


def index_frames(path: Path, container: InputContainer, stream: VideoStream) -> FrameIndex:
    """Build the index of the frames from the packets.

    Raises:
        InputError: there are no packets, or they are encrypted.
    """
    packets = _survey(path, container, stream)
    if not packets:
        raise InputError(f"{path}: holds no video frames; a video file was expected")
    claimed = stream.frames if stream.frames <= path.stat().st_size else 0  # each frame takes at least a byte
    end, missing, is_stream = float("inf"), 0, container.format.name == "mpegts"
    if not is_stream:  # MPEG-TS stores neither its end nor its number of frames
        packets, end, missing = _before_cut(packets, claimed, stream)
    runs = _runs(packets)

    def shown(at: int) -> tuple[int, int, int]:
        pts = packets[at].pts
        return (runs[at], at if pts is None else pts, at)

    # A recording that began during a broadcast has packets before its first keyframe; they are not counted. An MP4
    # begins with a keyframe: if its first packet is not one, it is damaged.
    is_recording = not container.format.name.startswith("mov")
    first = next((at for at, packet in enumerate(packets) if packet.is_key and is_recording), 0)
    order = sorted((at for at in range(first, len(packets)) if packets[at].is_shown), key=shown)
    order = [at for at in order if (packets[at].pts or 0) < end]
    # A seek in an MPEG program stream lands inside a frame and gives the next frames wrong times.
    is_seekable = container.format.name != "mpeg" and runs[-1] == 0
    is_doubtful = _is_doubtful(packets, runs, container, stream) or _is_mixed(packets, order)
    broken = list(_gaps(packets)) if is_stream else []
    return FrameIndex(packets, order, first, missing, is_seekable, is_doubtful, broken=broken)


def _survey(path: Path, container: InputContainer, stream: VideoStream) -> list[Packet]:
    use_of = use_reader(stream.codec_context.name, stream.codec_context.extradata)
    packets: list[Packet] = []
    for packet in packets_of(container, stream):
        if not packets and packet.has_sidedata("encryption_info"):
            raise InputError(f"{path}: is encrypted; a video that plays without a key was expected")
        use = use_of(bytes(packet)) if use_of else REFERENCE
        packets.append(
            Packet(
                pts=packet.pts,
                dts=packet.pts if packet.dts is None else packet.dts,
                mark=mark_of(packet),
                is_key=packet.is_keyframe,
                is_whole=not packet.is_corrupt,
                is_shown=not (packet.is_discard or use.is_hidden),
                use=use,
            )
        )
    return packets


def _before_cut(packets: list[Packet], claimed: int, stream: VideoStream) -> tuple[list[Packet], float, int]:
    """Leave out what a truncated file does not hold completely.

    Args:
        packets: the packets of the file.
        claimed: number of frames that the container counts, 0 if it does not.
        stream: stream of the packets.

    Returns:
        The complete packets, the time before which their frames are shown, and the number of missing frames.
    """
    if not _is_cut_off(packets, claimed, stream.duration or 0):
        return packets, float("inf"), 0
    # A missing frame would be shown at its decoding time or later, perhaps before frames that are still there.
    last = packets[-1]
    end = float("inf") if last.dts is None else last.dts + last.is_whole
    present = sum(packet.pts is None or packet.pts < end for packet in packets)
    whole = packets if last.is_whole else packets[:-1]
    return whole or packets, end, max(claimed, len(packets)) - present


def _is_cut_off(packets: list[Packet], claimed: int, duration: int) -> bool:
    """Whether the last packet is incomplete, or the container claims more frames and a later end.

    The number of frames alone is not enough: it includes the frames that an edit list has cut away.
    """
    times = [packet.pts for packet in packets if packet.pts is not None] or [0]
    early = max(times) - min(times) < duration * (1 - 1.5 / len(packets))
    return not packets[-1].is_whole or (early and claimed > len(packets))


def _runs(packets: Sequence[Packet]) -> list[int]:
    """Return for each packet how often the clock restarted before it: at keyframes with an earlier time."""
    runs, run, latest = [], 0, float("-inf")
    for packet in packets:
        if packet.pts is not None:
            if packet.is_key and packet.pts < latest:
                run, latest = run + 1, float("-inf")
            latest = max(latest, packet.pts)
        runs.append(run)
    return runs


def _is_doubtful(packets: list[Packet], runs: list[int], container: InputContainer, stream: VideoStream) -> bool:
    """Whether times do not give the order of the frames, or packets do not give their number."""
    reorders = bool(stream.codec_context.has_b_frames)
    times = [(run, packet.pts) for run, packet in zip(runs, packets, strict=True) if packet.is_shown]
    if any(time is None for _, time in times):
        return reorders
    shuffled = any(a[0] == b[0] and (b[1] or 0) < (a[1] or 0) for a, b in pairwise(times))
    shared = len(set(times)) < len(times)
    # AVI stores no presentation times: with B-frames, FFmpeg guesses them.
    guessed = container.format.name == "avi" and reorders
    empty = stream.codec_context.name == "mpeg4" and any(packet.mark.size < TINY for packet in packets)
    return (shuffled and (shared or not reorders)) or guessed or empty


def _is_mixed(packets: list[Packet], order: list[int]) -> bool:
    """Whether times show a picture before one that the file has before the keyframe before it; no encoder does."""
    number = {packet: number for number, packet in enumerate(order)}
    lowest = highest = -1
    for at in sorted(order):
        if packets[at].is_key:
            lowest = highest
        if number[at] < lowest:
            return True
        highest = max(highest, number[at])
    return False


def _gaps(packets: list[Packet]) -> Iterable[int]:
    """Yield the packets of a transport stream that are damaged by a loss or follow it directly.

    FFmpeg marks the packet before the one that was being read when the stream's counter jumped. A jump right before a
    keyframe is harmless: there, streams were joined.
    """
    for at, packet in enumerate(packets[:-1]):
        joins = at + 2 < len(packets) and packets[at + 2].is_key
        if not packet.is_whole and not joins:
            yield at + 1
