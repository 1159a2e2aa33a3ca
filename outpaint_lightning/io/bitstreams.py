"""Reads from the first bits of a packet how its picture and other pictures use each other, without decoding it.

Sources: ITU-T H.264, 7.3.1 and 7.4.1 (`nal_ref_idc`); ITU-T H.265, 7.3.1.2 and table 7-1 (sub-layer non-reference
pictures); ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1 (sizes in place of start codes); RFC 6386, 9.1 (VP8); VP9 Bitstream &
Decoding Process Specification, 6.2 and annex B; ITU-T T.81, B.2.2, B.2.4.1 and B.5 (JPEG).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

_START = b"\x00\x00\x01"


class Use(NamedTuple):
    """How a picture is used by other pictures."""

    layer: int
    """Temporal layer: a picture may refer to pictures of its own and of lower layers."""
    is_reference: bool
    """Whether pictures of its own layer may refer to it."""
    is_hidden: bool = False
    """Whether it is only a reference and never shown: the packet produces no frame."""
    is_start: bool = True
    """Whether decoding may start with it, if the container calls it a keyframe."""


REFERENCE = Use(layer=0, is_reference=True)
"""The assumption for a picture whose packet does not show its use."""


def use_reader(codec: str, extradata: bytes | None) -> Callable[[bytes], Use] | None:
    """Return a function that finds the `Use` of the picture in a packet; None for codecs whose packets do not show it.

    A picture of the stream's highest layer that is not a reference can be left out without affecting the others.

    Args:
        codec: FFmpeg's name of the decoder.
        extradata: the stream's configuration record, which gives the format of the packets of H.264 and HEVC.
    """
    if codec in _WHOLE_PACKETS:
        return _WHOLE_PACKETS[codec]
    if codec not in _UNITS:
        return None
    at, use_of = _UNITS[codec]
    # A configuration record begins with its version, 1; without a record the packets use start codes.
    width = (extradata[at] & 3) + 1 if extradata and len(extradata) > at and extradata[0] == 1 else 0

    def use(data: bytes) -> Use:
        uses = (use_of(data[start : start + 2]) for start in _units(data, width))
        return next((found for found in uses if found), REFERENCE)

    return use


def _units(data: bytes, width: int) -> Iterator[int]:
    """Yield the offset of each NAL unit; `width` is the number of bytes of a unit's size, 0 for start codes."""
    at = 0
    while width and at + width < len(data):
        yield at + width
        at += width + int.from_bytes(data[at : at + width])
    while not width and (at := data.find(_START, at) + len(_START)) >= len(_START):
        yield at


def _h264(header: bytes) -> Use | None:
    is_picture = bool(header) and 1 <= header[0] & 31 <= 5
    return Use(0, bool(header[0] & 0x60)) if is_picture else None


def _hevc(header: bytes) -> Use | None:
    kind = header[0] >> 1 & 63 if len(header) == 2 else 63
    return Use((header[1] & 7) - 1, kind >= 16 or kind % 2 == 1) if kind < 32 else None


def _vp8(data: bytes) -> Use:
    return REFERENCE._replace(is_hidden=not data[0] & 0x10)


def _vp9(data: bytes) -> Use:
    if data[-1] & 0xE0 == 0xC0:  # a superframe, whose last frame is shown
        return REFERENCE
    bits = data[0] << 1 if data[0] & 0x30 == 0x30 else data[0]  # profile 3 has one more bit
    shows_existing, shows_this = bits & 8, bits & 2
    return REFERENCE._replace(is_hidden=not (shows_existing or shows_this))


def _mjpeg(data: bytes) -> Use:
    """A JPEG may name a table of quantisation that only an earlier one holds."""
    held: set[int] = set()
    named: set[int] | None = None
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":  # up to the start of the scan
        size = int.from_bytes(data[at + 2 : at + 4])
        kind, segment = data[at + 1], data[at + 4 : at + 2 + size]
        if kind == 0xDB:
            held.update(_tables(segment))
        elif 0xC0 <= kind <= 0xC3:
            named = set(segment[8::3])
        at += 2 + size
    return REFERENCE._replace(is_start=named is not None and named <= held)


def _tables(segment: bytes) -> Iterator[int]:
    """Yield the numbers of the complete tables of quantisation in a segment."""
    at = 0
    while at < len(segment):
        size = 128 if segment[at] >> 4 else 64
        if at + size < len(segment):
            yield segment[at] & 15
        at += 1 + size


_UNITS = {"h264": (4, _h264), "hevc": (21, _hevc)}  # offset of the sizes' width in the record; reader of a unit
_WHOLE_PACKETS: dict[str, Callable[[bytes], Use]] = {
    **{"vp8": _vp8, "vp9": _vp9, "libvpx": _vp8, "libvpx-vp9": _vp9},
    "mjpeg": _mjpeg,
}
