"""Frames of a video are counted: no clock, container or keyframe changes which frame has which number."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
from videos import decoded, encode, number_of, numbered, numbers_read, packets_of, remux, scattered, with_data

from outpaint_lightning.io import VideoFile, VideoWriter
from outpaint_lightning.io.bitstreams import Use, use_reader
from outpaint_lightning.types import InputError

DQT = f"ffdb0043 00 {'10' * 64}"  # table 0 of quantisation
SOF = "ffc0000b 08 0010 0010 01 01 11 00"  # a frame of one component, which uses table 0


def frames(count, height=48, width=64, noise=0):
    return [numbered(i, height, width, noise) for i in range(count)]


def check_numbers(path, count):
    """Every frame says its own number, in order and alone, from one open clip and from fresh ones."""
    everything = list(range(count))
    assert decoded(path) == everything  # what FFmpeg's decoder gives from the start
    clip = VideoFile(path)
    assert len(clip) == count
    assert [number_of(frame) for frame in clip] == everything
    assert numbers_read(path, scattered(count)) == everything
    some = scattered(count)[:6]
    assert numbers_read(path, some, fresh=True) == sorted(some)
    return clip


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video")])
def test_a_clock_that_restarts_loses_no_frame(tmp_path, suffix, codec):
    """Catches time as identity: of two recordings put together, half the frames share the times of the rest."""
    parts = [
        encode(tmp_path / f"{name}.{suffix}", frames(40)[at : at + 20], codec=codec, gop=5)
        for name, at in (("a", 0), ("b", 20))
    ]
    path = tmp_path / f"both.{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = check_numbers(path, 40)
    np.testing.assert_allclose(clip.timestamps, np.arange(40) / 25, atol=1e-3)  # goes on at the usual distance
    assert clip.fps == pytest.approx(25)


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", ["mkv", "flv"])
def test_frames_that_share_a_time_are_all_there(tmp_path, suffix, b_frames):
    """Catches the set of times taken for the frames: at 2000 a second, whole milliseconds stand for two each."""
    path = tmp_path / f"fast.{suffix}"
    with VideoWriter(path, 48, 64, 2000, options={"bf": str(b_frames)}) as writer:
        for frame in frames(20):
            writer.write(frame)
    assert len({packet.pts for packet in packets_of(path)}) < 15
    clip = check_numbers(path, 20)
    assert len(clip.timestamps) == 20
    assert (np.diff(clip.timestamps) >= 0).all()


def test_periodic_intra_refresh_is_read_alone_as_in_order(tmp_path):
    """Catches keyframes believed: but for the first, none is a whole picture, and frames come later."""
    params = {"x264-params": "intra-refresh=1:keyint=10:bframes=2"}
    path = encode(tmp_path / "refresh.mp4", frames(40, 96, 128, noise=20), gop=10, options=params)
    keys = [number for number, packet in enumerate(packets_of(path)) if packet.is_keyframe]
    assert len(keys) > 2
    clip = check_numbers(path, 40)
    in_order = list(clip)
    for index in (15, 38, 9, 27):
        np.testing.assert_array_equal(VideoFile(path).read([index])[0], in_order[index], err_msg=f"frame {index}")


def swap_times(path, target, first, second):
    """Exchange the presentation times of two packets."""
    times = {n: packet.pts for n, packet in enumerate(packets_of(path))}
    times[first], times[second] = times[second], times[first]

    def swapped(number, packet):
        packet.pts = times[number]
        return packet

    return remux(path, target, swapped)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("start", [0, 12])
def test_times_that_contradict_the_order_of_the_pictures_are_overruled(tmp_path, codec, start):
    """Catches frames sorted by time, and refused when the decoder gives them in another order: 2 of 155 real files."""
    params = "bframes=3:b-adapt=0:scenecut=0:keyint=12:min-keyint=12"
    options = {"x265-params": f"{params}:open-gop=0:log-level=none"}
    options = options if codec == "libx265" else {"x264-params": f"{params}:b-pyramid=normal"}
    path = encode(tmp_path / "right.mp4", frames(30), codec=codec, gop=12, options=options)
    first = next(at for at in range(start, 29) if _can_be_swapped(*packets_of(path)[at : at + 2]))
    wrong = swap_times(path, tmp_path / "wrong.mp4", first, first + 1)
    assert [packet.pts for packet in packets_of(wrong)] != [packet.pts for packet in packets_of(path)]
    check_numbers(wrong, 30)
    random = VideoFile(wrong)
    assert [number_of(random.read([index])[0]) for index in (29, 5, 14, 1, 2, 13)] == [29, 5, 14, 1, 2, 13]


@pytest.mark.parametrize(
    ("at", "b_frames"),
    [
        (0, 2),  # the first keyframe
        (6, 2),  # a later keyframe: what follows it looks like pictures shown before it
        (6, 0),  # in this stream nothing is shown out of order
    ],
)
def test_a_time_that_is_far_off_is_noticed_whatever_is_read_first(tmp_path, at, b_frames):
    """Catches numbers that change when a frame further on is read, and frames before such a keyframe forgotten."""
    params = f"bframes={b_frames}:b-adapt=0:b-pyramid=none:scenecut=0:keyint=6:min-keyint=6:threads=1"
    right = encode(tmp_path / "right.flv", frames(12), gop=6, options={"x264-params": params})

    def later(number, packet):
        packet.pts += 4000 * (number == at)
        return packet

    wrong = remux(right, tmp_path / "wrong.flv", later)
    check_numbers(wrong, 12)
    assert numbers_read(wrong, range(12), fresh=True) == list(range(12))


def test_a_time_within_an_earlier_group_of_pictures_is_noticed_whatever_is_read_first(tmp_path):
    """Catches numbers one too high for all between that time and the picture, until the picture is decoded."""
    options = {"x264-params": "bframes=2:b-adapt=0:scenecut=0:keyint=40:min-keyint=40:threads=1"}
    path = encode(tmp_path / "early.flv", frames(44), gop=40, options=options)
    data = bytearray(path.read_bytes())
    wrong = packets_of(path)[41]
    shift = 20 - wrong.dts  # to between the frames 0 and 1; in a tag, 13 bytes come before its shift
    data[wrong.pos + 13 : wrong.pos + 16] = (shift % 2**24).to_bytes(3)
    path.write_bytes(data)
    assert packets_of(path)[41].pts == 20
    assert numbers_read(path, [43, 39, 20, 1, 0], fresh=True) == [0, 1, 20, 39, 43]


def test_a_packet_is_one_frame(tmp_path):
    """Catches the last one returned if a damaged packet of AV1 holds two: in order it was the first."""
    coding = {"codec": "libsvtav1", "options": {"svtav1-params": "lp=1:pred-struct=1", "preset": "12"}}
    path = encode(tmp_path / "a.ivf", frames(4, 64, 64), gop=4, **coding)
    data = path.read_bytes()
    begins = [32]  # of the packets: 4 bytes of size, 8 of time
    while begins[-1] < len(data):
        begins.append(begins[-1] + 12 + int.from_bytes(data[begins[-1] : begins[-1] + 4], "little"))
    _, second, third, fourth, _ = begins
    two = data[second + 12 : third] + data[third + 12 : fourth]
    path.write_bytes(data[:second] + len(two).to_bytes(4, "little") + data[second + 4 : second + 12] + two)
    assert decoded(path) == [0, 1, 2]
    assert number_of(VideoFile(path).read([1])[0]) == 1
    assert [number_of(frame) for frame in VideoFile(path)] == [0, 1]


def _can_be_swapped(packet, following):
    """Whether a packet is shown behind the one that follows it, and both may be shown at the other's time."""
    return packet.pts > following.pts >= packet.dts


def test_keyframes_whose_last_blocks_do_not_decode_are_read_as_players_do(tmp_path):
    """Catches what the decoder calls damaged refused: some cameras write every keyframe so. 1 of 155 real files.

    The blocks filled in depend on the frames before, so each frame must be decoded from the file's start.
    """
    options = {"x264-params": "slice-max-mbs=4:bframes=0:cabac=0:scenecut=0"}
    path = encode(tmp_path / "whole.mp4", frames(20, 240, 320, noise=20), gop=5, options=options)
    path = remux(path, tmp_path / "camera.mp4", lambda _, packet: _unfinished(packet) if packet.is_keyframe else packet)
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        shown = [(frame.is_corrupt, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [index for index, (is_corrupt, _) in enumerate(shown) if is_corrupt] == [0, 5, 10, 15]
    np.testing.assert_array_equal(np.stack(list(VideoFile(path))), np.stack([frame for _, frame in shown]))
    clip = VideoFile(path)
    for index in (17, 5, 12, 0, 19):
        np.testing.assert_array_equal(clip.read([index])[0], shown[index][1], err_msg=f"frame {index}")


def _unfinished(packet):
    """Make the last slice of a picture, of four blocks at most, end amid its header."""
    data, at, last = bytes(packet), 0, 0
    while at < len(data):
        last, at = at, at + 4 + int.from_bytes(data[at : at + 4])
    return with_data(packet, data[: last + 12] + bytes(len(data) - last - 12))


def test_a_slow_video_is_written_and_read(tmp_path):
    """Catches a rate rounded to 0: a frame an hour."""
    with VideoWriter(tmp_path / "lapse.mp4", 48, 64, 1 / 3600) as writer:
        for frame in frames(4):
            writer.write(frame)
    clip = check_numbers(writer.path, 4)
    assert clip.fps == pytest.approx(1 / 3600)
    np.testing.assert_allclose(clip.timestamps, [0, 3600, 7200, 10800])
    with VideoWriter(tmp_path / "slowest.mp4", 48, 64, 1e-12) as writer:  # a frame in 30,000 years
        writer.write(frames(1)[0])
    assert len(VideoFile(writer.path)) == 1
    for fps in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a positive number was expected"):
            VideoWriter(tmp_path / "never.mp4", 48, 64, fps)


def test_a_raw_stream_has_frames_without_times(tmp_path):
    """Catches packets without a time left out: a raw stream has none at all."""
    path = encode(tmp_path / "raw.h264", frames(30), gop=10)
    assert {packet.pts for packet in packets_of(path)} == {None}
    clip = check_numbers(path, 30)
    assert clip.timestamps[-1] == pytest.approx(29 / 25)


def test_pictures_that_are_never_shown_are_no_frames(tmp_path):
    """Catches a packet counted as a frame: VP8 has pictures that others refer to and nobody sees."""
    path = encode(tmp_path / "whole.webm", frames(20), codec="libvpx", gop=20)

    def hidden(number, packet):
        data = bytes(packet)  # RFC 6386, 9.1: bit 4 of the first byte says that the picture is shown
        return with_data(packet, bytes([data[0] & ~0x10]) + data[1:]) if number == 7 else packet

    path = remux(path, tmp_path / "hidden.webm", hidden)
    expected = [number for number in range(20) if number != 7]
    assert decoded(path) == expected
    assert numbers_read(path, scattered(19)) == expected


def test_a_packet_that_says_nothing_new_is_no_frame(tmp_path):
    """Catches a packet counted as a frame: encoders of MPEG-4 write 'not coded' where they dropped a picture."""
    path = encode(tmp_path / "whole.mp4", frames(20), codec="mpeg4", gop=1, b_frames=0)
    nothing = bytes.fromhex("000001b6") + _bits("01 0 1 00111 1 0 01111")  # ISO/IEC 14496-2, 6.2.5: P, not coded
    path = remux(path, tmp_path / "drops.mp4", lambda n, packet: with_data(packet, nothing) if n in (7, 8) else packet)
    expected = [number for number in range(20) if number not in (7, 8)]
    assert decoded(path) == expected
    assert numbers_read(path, scattered(18)) == expected


def test_empty_packets_are_no_frames(tmp_path):
    """Catches a packet counted as a frame: AVI has an empty chunk where nothing was captured."""
    times = [40 * number for number in (0, 1, 2, 6, 7, 8, 12, 13)]
    path = encode(tmp_path / "gaps.avi", frames(8), codec="mpeg4", gop=4, b_frames=0, times_ms=times)
    data = path.read_bytes()
    assert data[data.index(b"movi") :].partition(b"idx1")[0].count(b"00dc\0\0\0\0") > 3
    check_numbers(path, 8)


def _bits(text):
    digits = text.replace(" ", "")
    return int(digits, 2).to_bytes(len(digits) // 8)


def test_two_fields_are_one_frame(tmp_path):
    """Catches a packet taken for a frame: camcorders (AVCHD) code each field by itself, 50 packets for 25 frames."""
    path = tmp_path / "fields.h264"
    path.write_bytes(b"".join(_parameters() + _field(frame, at, 0) + _field(frame, at, 1) if not at else
                              _field(frame, at, 0) + _field(frame, at, 1)
                              for at, frame in enumerate(frames(12, 64, 64))))  # fmt: skip
    assert len(packets_of(path)) == 24
    stream = remux(path, tmp_path / "fields.ts", _every_field)
    for file in (path, stream):
        assert check_numbers(file, 12).fps == pytest.approx(25)


def _every_field(number, packet):
    packet.pts = packet.dts = number
    packet.time_base = Fraction(1, 50)
    return packet


class _Writer:
    """Bits of an H.264 stream: plain numbers, and Exp-Golomb codes (ITU-T H.264, 9.1)."""

    def __init__(self):
        self.text = ""

    def plain(self, *pairs):
        self.text += "".join(f"{value:0{bits}b}" for value, bits in pairs)
        return self

    def golomb(self, *values):
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def unit(self, header):
        text = self.text + "1"
        data = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8))
        for last in (0, 1, 2, 3):  # 7.4.1: no start code within
            data = data.replace(bytes([0, 0, last]), bytes([0, 0, 3, last]))
        return b"\0\0\0\1" + bytes([header]) + data


def _parameters():
    """Sequence and picture parameters of 64x64 interlaced frames, Main profile (7.3.2.1 and 7.3.2.2)."""
    sequence = _Writer().plain((77, 8), (0, 8), (30, 8)).golomb(0, 0, 0, 4, 1).plain((0, 1)).golomb(3, 1)
    sequence.plain((0, 1), (0, 1), (1, 1), (0, 1), (0, 1))  # fields are allowed; no cropping, no VUI
    picture = _Writer().golomb(0, 0).plain((0, 2)).golomb(0, 0, 0).plain((0, 3)).golomb(0, 0, 0).plain((0, 3))
    return sequence.unit(0x67) + picture.unit(0x68)


def _field(frame, at, is_bottom):
    """One field of a frame as a picture of its own, every block as plain samples (7.3.3 and 7.3.5, I_PCM)."""
    lines = frame[is_bottom::2, :, 0]
    is_first = not (at or is_bottom)
    slice_ = _Writer().golomb(0, 7, 0).plain((at % 16, 4), (1, 1), (is_bottom, 1))
    if is_first:
        slice_.golomb(0)
    slice_.plain(((2 * at + is_bottom) % 256, 8), (0, 2 if is_first else 1)).golomb(0)
    for top in range(0, 32, 16):
        for left in range(0, 64, 16):
            slice_.golomb(25)
            slice_.text += "0" * (-len(slice_.text) % 8)
            samples = np.maximum(lines[top : top + 16, left : left + 16], 16).ravel()
            slice_.plain(*((int(sample), 8) for sample in samples), *[(128, 8)] * 128)
    return slice_.unit(0x65 if is_first else 0x61)


def test_a_stream_that_turns_up_late_is_left_aside(tmp_path):
    """Catches PyAV's IndexError: a broken FLV tag opens a stream that was not there at the beginning."""
    path = encode(tmp_path / "late.flv", frames(6, 32, 32), codec="flv", b_frames=0)
    data = bytearray(path.read_bytes())
    tags, at = [], 13
    while at + 11 <= len(data):
        tags.append(at)
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    data[tags[1]], data[tags[2] + 11], data[tags[3] + 12] = 0, 0, 9
    path.write_bytes(data)
    with suppress(InputError):
        assert len(VideoFile(path)) >= 1


def test_a_seek_that_gives_other_packets_is_not_believed(tmp_path):
    """Catches frames told by the place where a seek lands: what comes after it is compared, packet by packet."""
    path = encode(tmp_path / "a.mp4", frames(60), gop=10)
    clip = VideoFile(path)
    index = clip._index
    for at in range(34, 60):  # as if the demuxer told other sizes after a seek
        index.packets[at] = index.packets[at]._replace(mark=index.packets[at].mark._replace(size=1))
    assert number_of(clip.read([39])[0]) == 39
    assert not index.is_seekable
    assert number_of(clip.read([52])[0]) == 52


def test_a_seek_that_gives_fewer_packets_is_not_believed(tmp_path, monkeypatch):
    """Catches frames refused only when read alone: a damaged FLV may end early after a seek."""
    from outpaint_lightning.io import decoding

    path = encode(tmp_path / "a.mp4", frames(30), gop=10)
    sought = decoding._sought
    monkeypatch.setattr(decoding, "_sought", lambda *rest: islice(sought(*rest), 3))
    assert numbers_read(path, range(29, -1, -1)) == list(range(30))


@pytest.mark.parametrize(
    ("codec", "extradata", "data", "use"),
    [
        ("h264", None, "000000010910 0000000141 9a", (0, True, False)),  # a delimiter, then a reference slice
        ("h264", None, "00000001091000000101 9a", (0, False, False)),
        ("h264", "01640028ff", "00000002 09f0 00000003 019a00", (0, False, False)),  # sizes of 4 bytes
        ("h264", "01640028fd", "0002 09f0 0003 659a00", (0, True, False)),  # sizes of 2 bytes
        ("h264", None, "0000000106050000", (0, True, False)),  # no picture in it
        ("hevc", None, "00000001 0201", (0, True, False)),  # TRAIL_R
        ("hevc", None, "00000001 0001", (0, False, False)),  # TRAIL_N
        ("hevc", None, "00000001 1003", (2, False, False)),  # RASL_N of the third layer
        ("hevc", None, "00000001 2601", (0, True, False)),  # IDR
        ("vp8", None, "10000000", (0, True, False)),
        ("vp8", None, "00000000", (0, True, True)),
        ("vp9", None, "8600", (0, True, False)),
        ("vp9", None, "8400", (0, True, True)),
        ("vp9", None, "8800", (0, True, False)),  # shows an existing frame
        ("vp9", None, "b100", (0, True, False)),  # profile 3 has one bit more
        ("vp9", None, "b000", (0, True, True)),
        ("vp9", None, "8400c0", (0, True, False)),  # a superframe
        ("mjpeg", None, f"ffd8 {DQT} {SOF} ffda", (0, True, False, True)),
        ("mjpeg", None, f"ffd8 fffe0003aa {SOF} {DQT} ffda", (0, True, False, True)),  # a comment first
        ("mjpeg", None, f"ffd8 {SOF} ffda {DQT}", (0, True, False, False)),  # behind the scan's start
        ("mjpeg", None, f"ffd8 {DQT[:20]} {SOF} ffda", (0, True, False, False)),
        ("mjpeg", None, f"ffd8 ffdb0043 01 {'10' * 64} {SOF} ffda", (0, True, False, False)),  # another table
        ("mjpeg", None, f"ffd8 ffdb0084 01 {'10' * 64} 00 {'10' * 64} {SOF} ffda", (0, True, False, True)),  # two
        ("mjpeg", None, f"ffd8 {DQT} ffda", (0, True, False, False)),  # no frame
    ],
)
def test_what_a_packet_tells_of_its_picture(codec, extradata, data, use):
    reader = use_reader(codec, extradata and bytes.fromhex(extradata).ljust(5, b"\xff"))
    assert reader(bytes.fromhex(data)) == Use(*use)
