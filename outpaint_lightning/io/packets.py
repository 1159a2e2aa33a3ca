"""Which packet of a video file is which frame, and where decoding may start.

Frames are counted, not timed: clocks restart where recordings were joined, several frames share one time where a
container keeps whole milliseconds, and some encoders write times in another order than that of the pictures. Times
only sort the packets; where they cannot even do that, `FrameIndex.watched` takes the order that the decoder gives.
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

TINY = 12
"""Bytes of an MPEG-4 packet that may say 'nothing here'; the smallest picture has more."""


class Mark(NamedTuple):
    """What a packet is recognised by after a seek; each alone may be shared, as packets of ASF share a place."""

    pts: int | None
    place: int | None
    size: int


def mark_of(packet: av.Packet) -> Mark:
    """Return what a packet is recognised by."""
    return Mark(packet.pts, packet.pos, packet.size)


class Packet(NamedTuple):
    """The parts of a packet that are needed later: times in the stream's units, and flags."""

    pts: int | None
    dts: int | None
    mark: Mark
    is_key: bool
    is_whole: bool
    is_shown: bool
    """False where an edit list has it decoded only for the sake of others, and of pictures that are never shown."""
    use: Use


@dataclass
class FrameIndex:
    """Which packet is which frame.

    Packets and frames are counted from 0, the former in the order of the file, the latter in the order they are shown.
    """

    packets: list[Packet]
    """All that can be decoded: what follows a cut is left out."""
    order: list[int]
    """The packet of each frame."""
    first: int
    """The packet from which the whole file is decoded."""
    missing: int
    """Frames at the end which the container counts and the file has lost."""
    is_seekable: bool
    is_doubtful: bool
    """Times say less than the order of the frames."""
    is_watched: bool = False
    """The order is the one in which the decoder gives the frames, from the file's start."""
    broken: list[int] = field(default_factory=list)
    """Packets from which on, until decoding can start anew, no frame is whole; rising."""
    slight: dict[int, bool] = field(default_factory=dict)
    """For each keyframe that the decoder calls damaged: whether the damage is slight."""
    number: list[int] = field(init=False)
    """The frame of each packet, -1 for those that are none."""
    spare: list[bool] = field(init=False)
    """For each packet: whether no other packet needs it."""
    _keys: list[tuple[int, int]] = field(init=False)
    """Number of the first frame that decoding gives, and the packet to start from; rising."""
    _lost: set[int] = field(init=False)
    """Packets whose frame alone is not whole."""

    def __post_init__(self) -> None:
        self.number = [-1] * len(self.packets)
        for number, packet in enumerate(self.order):
            self.number[packet] = number
        highest = max((packet.use.layer for packet in self.packets), default=0)
        self.spare = [not use.is_reference and use.layer == highest for *_, use in self.packets]
        self._keys = sorted(self._starts())
        self._lost = set()

    def _starts(self) -> Iterable[tuple[int, int]]:
        keys = [at for at, packet in enumerate(self.packets) if packet.is_key]
        for key, end in pairwise([*keys, len(self.packets)]):
            number = self.number[key]
            if number < 0 and not self.packets[key].is_shown:
                number = min((shown for shown in self.number[key:end] if shown >= 0), default=-1)
            if number >= 0:
                yield number, key

    def key(self, number: int) -> int:
        """Return the packet to start from for a frame: of those that show no later one, the last."""
        at = bisect_right(self._keys, number, key=lambda key: key[0]) - 1
        while at >= 0 and self._keys[at][1] > self.order[number]:
            at -= 1
        return self._keys[at][1] if at >= 0 else self.first

    def first_shown(self, key: int) -> int:
        """Return the number of the first frame that decoding from a packet gives."""
        return next((number for number, packet in self._keys if packet == key), 0)

    def distrust(self, key: int) -> None:
        """No longer start from a packet: it holds no whole picture, as where frames are refreshed part by part."""
        self._keys = [(number, packet) for number, packet in self._keys if packet != key]

    def break_at(self, packet: int) -> None:
        """Remember that a packet does not decode, nor what refers to it."""
        if self.spare[packet]:
            self._lost.add(packet)
        elif packet not in self.broken:
            insort(self.broken, packet)

    def damage(self, number: int) -> int | None:
        """Return the frame whose damage a frame suffers from, itself perhaps; None where none is known."""
        packet = self.order[number]
        if packet in self._lost:
            return number
        at = bisect_left(self.broken, self.key(number))
        if at < len(self.broken) and self.broken[at] <= packet:
            return max(self.number[self.broken[at]], 0)
        return None

    def without(self, packets: Iterable[int]) -> FrameIndex:
        """Return the index without the frames of these packets, which the decoder never gives."""
        gone = set(packets)
        return replace(self, order=[packet for packet in self.order if packet not in gone])

    def watched(self, given: Sequence[int], hidden: Iterable[int]) -> FrameIndex:
        """Return the index by what a decoder gave.

        Args:
            given: packets of the frames that came out, in this order.
            hidden: packets that make no frame. What did not come out though it is not hidden is damaged, and keeps the
                place that its time gives it.
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
    """When the frames of an index are shown."""

    seconds: NDArray[np.float64]
    """From the first frame to each, never falling."""
    fps: float
    """Frames a second, on average."""


def clock_of(index: FrameIndex, rate: float, unit: float) -> Clock:
    """Read the times of frames; where a clock restarts, the next frame follows at the usual distance.

    Args:
        index: of the file.
        rate: frames a second where times do not tell.
        unit: seconds of the stream's unit of time.
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
    """Learn from the packets which frames there are.

    Raises:
        InputError: there are none, or they are encrypted.
    """
    packets = _survey(path, container, stream)
    if not packets:
        raise InputError(f"{path}: holds no video frames; a video file was expected")
    claimed = stream.frames if stream.frames <= path.stat().st_size else 0  # each takes a byte, of a list or of its own
    end, missing, is_stream = float("inf"), 0, container.format.name == "mpegts"
    if not is_stream:  # which tells neither that it was cut nor how many frames it has
        packets, end, missing = _before_cut(packets, claimed, stream)
    runs = _runs(packets)

    def shown(at: int) -> tuple[int, int, int]:
        pts = packets[at].pts
        return (runs[at], at if pts is None else pts, at)

    # What precedes the first keyframe of a recording that began amid a broadcast is not counted. An MP4 begins with
    # one: if its first packet does not look so, it is damaged.
    is_recording = not container.format.name.startswith("mov")
    first = next((at for at, packet in enumerate(packets) if packet.is_key and is_recording), 0)
    order = sorted((at for at in range(first, len(packets)) if packets[at].is_shown), key=shown)
    order = [at for at in order if (packets[at].pts or 0) < end]
    # A seek in an MPEG program stream lands amid a frame and gives the next ones the times of others.
    is_seekable = container.format.name != "mpeg" and runs[-1] == 0
    is_doubtful = _is_doubtful(packets, runs, container, stream)
    return FrameIndex(
        packets, order, first, missing, is_seekable, is_doubtful, broken=list(_gaps(packets)) if is_stream else []
    )


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
    """Leave out what a file that was cut off does not hold as a whole.

    Args:
        packets: those that are there.
        claimed: how many frames the container counts, 0 where it does not.
        stream: of the packets.

    Returns:
        The packets that are whole, the time before which their frames are shown, and the number of missing frames.
    """
    if not _is_cut_off(packets, claimed, stream.duration or 0):
        return packets, float("inf"), 0
    # What is missing would be shown at its decoding time or later, perhaps before frames that are still here.
    last = packets[-1]
    end = float("inf") if last.dts is None else last.dts + last.is_whole
    here = sum(packet.pts is None or packet.pts < end for packet in packets)
    whole = packets if last.is_whole else packets[:-1]
    return whole or packets, end, max(claimed, len(packets)) - here


def _is_cut_off(packets: list[Packet], claimed: int, duration: int) -> bool:
    """Whether the last packet is incomplete, or the container tells of more frames and of a later end.

    The number of frames alone does not tell: it counts what an edit list has cut away for good.
    """
    times = [packet.pts for packet in packets if packet.pts is not None] or [0]
    early = max(times) - min(times) < duration * (1 - 1.5 / len(packets))
    return not packets[-1].is_whole or (early and claimed > len(packets))


def _runs(packets: Sequence[Packet]) -> list[int]:
    """Return for each packet how often the clock has restarted before it: a keyframe is shown after all before it."""
    runs, run, latest = [], 0, float("-inf")
    for packet in packets:
        if packet.pts is not None:
            if packet.is_key and packet.pts < latest:
                run, latest = run + 1, float("-inf")
            latest = max(latest, packet.pts)
        runs.append(run)
    return runs


def _is_doubtful(packets: list[Packet], runs: list[int], container: InputContainer, stream: VideoStream) -> bool:
    """Whether times do not tell the order, or packets not the number of the frames."""
    reorders = bool(stream.codec_context.has_b_frames)
    times = [(run, packet.pts) for run, packet in zip(runs, packets, strict=True) if packet.is_shown]
    if any(time is None for _, time in times):
        return reorders
    shuffled = any(a[0] == b[0] and (b[1] or 0) < (a[1] or 0) for a, b in pairwise(times))
    shared = len(set(times)) < len(times)
    # AVI stores no times of presentation: with B-frames, FFmpeg's are guesses.
    guessed = container.format.name == "avi" and reorders
    empty = stream.codec_context.name == "mpeg4" and any(packet.mark.size < TINY for packet in packets)
    return (shared and shuffled) or guessed or empty


def _gaps(packets: list[Packet]) -> Iterable[int]:
    """Yield the packets of a transport stream that a loss has reached, or follows at once.

    FFmpeg marks the packet before the one that was being read when the stream's counter jumped. A jump right before a
    keyframe harms nothing: there, streams are joined.
    """
    for at, packet in enumerate(packets[:-1]):
        joins = at + 2 < len(packets) and packets[at + 2].is_key
        if not packet.is_whole and not joins:
            yield at + 1
