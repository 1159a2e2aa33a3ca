"""Damage in a video is confined: what does not decode and what may refer to it is refused, in any order of reading."""

from __future__ import annotations

import numpy as np
import pytest
from videos import encode, frame_or_none, number_of, numbered, numbers_read, packets_of, remux, scattered, with_data

from outpaint_lightning.io import VideoFile
from outpaint_lightning.types import InputError

X264 = "bframes=2:b-adapt=0:b-pyramid=none:scenecut=0:keyint=12:min-keyint=12:threads=1"
H264 = {"options": {"x264-params": X264}}
JPEG = {"codec": "mjpeg", "gop": 1, "options": {"strict": "unofficial", "qmin": "3", "qmax": "3"}}
VP9 = {"deadline": "realtime", "cpu-used": "8"}


def garbled(data):
    """Keep what says where the packet ends and what kind of picture it is, and spoil the rest."""
    return data[:5] + bytes(byte ^ 0x5A for byte in data[5:])


def one_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


def without_end(data):
    return data[: len(data) - len(data) // 4] + bytes(len(data) // 4)


@pytest.fixture
def hurt(tmp_path):
    """Make a video of 24 numbered, noisy frames, one packet of it damaged; return it and the whole one."""

    def make(name, at, damage, **coding):
        frames = [numbered(i, 96, 128, noise=40) for i in range(24)]
        whole = encode(tmp_path / f"whole_{name}", frames, **{"gop": 12, **coding})
        change = lambda n, packet: with_data(packet, damage(bytes(packet))) if n == at else packet  # noqa: E731
        return remux(whole, tmp_path / name, change), whole

    return make


def check(path, whole, refused):
    """Whatever is read before, these frames are refused and the others are those of the whole file."""
    right = list(VideoFile(whole))
    expected = [None if index in refused else index for index in range(len(right))]
    assert numbers_read(path, range(24)) == expected
    assert numbers_read(path, range(23, -1, -1)) == expected
    assert numbers_read(path, scattered(24)) == expected
    some = scattered(24)[:8]
    assert numbers_read(path, some, fresh=True) == [expected[index] for index in sorted(some)]
    clip = VideoFile(path)
    for index in set(range(24)) - refused:
        np.testing.assert_array_equal(clip.read([index])[0], right[index], err_msg=f"frame {index}")
    seen = []
    with pytest.raises(InputError, match=rf"frame {min(refused)} does not decode \(it .*is damaged\)"):
        seen.extend(VideoFile(path))
    assert len(seen) == min(refused)


@pytest.mark.parametrize("damage", [garbled, one_bit, without_end])
def test_frames_that_refer_to_a_damaged_one_are_refused_up_to_the_next_keyframe(hurt, damage):
    """Catches frames given as whole with the content of older ones, and later groups of pictures lost.

    Packets 4, 5 and 6 are P 6, B 4 and B 5; the group ends with frame 11.
    """
    path, whole = hurt("reference.mp4", 4, damage, **H264)
    assert [packet.pts for packet in packets_of(path)][4:7] == [6 * 512, 4 * 512, 5 * 512]
    check(path, whole, set(range(4, 12)))


def test_a_damaged_picture_that_nothing_refers_to_harms_itself_alone(hurt):
    """Catches a group of pictures given up for a B-frame."""
    path, whole = hurt("alone.mp4", 5, garbled, **H264)
    check(path, whole, {4})


def test_a_damaged_keyframe_spoils_its_group(hurt):
    """Catches decoding that begins with it, and the frames before it given up, too."""
    path, whole = hurt("key.mp4", 12, garbled, **H264)
    check(path, whole, set(range(12, 24)))


def test_a_damaged_first_frame_keeps_its_number(hurt):
    """Catches later frames that move up: the rest would be judged by the masks of others."""
    path, whole = hurt("first.mp4", 0, garbled, **H264)
    check(path, whole, set(range(12)))


def test_pictures_shown_before_an_open_keyframe_need_what_precedes_it(hurt):
    """Catches leading B-frames given after the group before them is damaged: they refer to both."""
    coding = {"options": {"x264-params": f"{X264}:open-gop=1"}}
    path, whole = hurt("open.mkv", 7, garbled, **coding)
    packets = packets_of(path)
    assert [at for at, packet in enumerate(packets) if packet.is_keyframe] == [0, 10]
    assert packets[11].pts < packets[12].pts < packets[10].pts  # frames 10 and 11 are shown before keyframe 12
    check(path, whole, set(range(7, 12)))


@pytest.mark.parametrize("name", ["a.mkv", "a.mpg"])
def test_a_damaged_picture_before_an_mpeg_keyframe_spares_what_follows_the_keyframe(hurt, name):
    """Catches frames behind a keyframe refused for a B-frame shown before it, if that one was read first.

    And a damaged B-frame given in order: with threads for parts of a frame, FFmpeg's MPEG-2 marks nothing.
    Packets 10, 11 and 12 are I 12, B 10 and B 11.
    """
    path, whole = hurt(name, 11, without_end, codec="mpeg2video", b_frames=2)
    assert [at for at, packet in enumerate(packets_of(whole)) if packet.is_keyframe] == [0, 10, 22]
    check(path, whole, {10, 11})


def test_a_cut_jpeg_is_refused(hurt):
    """Catches its lower part taken from the memory of an older frame, which depends on what was read before."""
    path, whole = hurt("cut.avi", 10, lambda data: data[: -len(data) // 3].ljust(len(data), b"\xff"), **JPEG)
    check(path, whole, {10})


def test_a_jpeg_without_tables_of_its_own_is_read_from_an_earlier_one(hurt):
    """Catches every JPEG taken for a keyframe: T.81 lets one use the tables of those before it."""
    path, whole = hurt("tables.avi", 10, without_quantisation, **JPEG)
    right = list(VideoFile(whole))
    for frame in (VideoFile(path).read([10])[0], list(VideoFile(path))[10]):
        np.testing.assert_array_equal(frame, right[10])


def without_quantisation(data):
    begin = data.index(b"\xff\xdb")
    return data[:begin] + data[begin + 2 + int.from_bytes(data[begin + 2 : begin + 4]) :]


def test_reading_goes_on_at_the_next_keyframe_behind_a_packet_of_a_later_frame(tmp_path):
    """Catches a frame refused in order, but given alone: the damaged packet before it is another frame's."""
    frames = [numbered(i, 64, 64) for i in range(8)]
    whole = encode(tmp_path / "whole.webm", frames, codec="libvpx-vp9", gop=1, options=VP9)
    path = remux(whole, tmp_path / "a.webm", lambda at, packet: with_data(packet, b"\xff" * 9) if at == 3 else packet)
    clip = VideoFile(path)
    order = clip._index.order
    order[3:6] = order[4], order[5], order[3]
    clip._index.__post_init__()
    assert [number_of(frame) for frame in clip.read([0, 1, 2, 3, 4])] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("name", "coding", "at", "refused"),
    [
        ("a.mp4", {"codec": "mpeg4", "b_frames": 0, "gop": 8}, 10, range(10, 16)),
        ("a.avi", {"codec": "mpeg4", "b_frames": 0, "gop": 8}, 10, range(10, 16)),
        ("a.mkv", {"codec": "mpeg2video", "b_frames": 0, "gop": 8}, 10, range(10, 16)),
        ("a.webm", {"codec": "libvpx-vp9", "gop": 8, "options": VP9}, 10, range(10, 16)),
        ("jpeg.avi", JPEG, 10, [10]),
    ],
)
def test_other_codecs(hurt, name, coding, at, refused):
    """The same where the decoder does not tell which pictures others refer to."""
    path, whole = hurt(name, at, lambda data: b"\xff" * len(data), **coding)
    check(path, whole, set(refused))


def test_damage_of_hevc_is_found_though_the_packet_is_passed_over_in_silence(hurt):
    """Catches a packet without a frame and without an error, and those that waited for it counted as whole."""
    options = {"x265-params": "log-level=none:keyint=12:min-keyint=12:scenecut=0:bframes=0:open-gop=0"}
    path, whole = hurt("a.mp4", 4, garbled, codec="libx265", options=options)
    check(path, whole, set(range(4, 12)))


@pytest.mark.parametrize("lost", ["amid a frame", "a whole frame"])
def test_what_follows_a_gap_in_a_transport_stream_is_refused(tmp_path, lost):
    """Catches frames that refer to a lost one: nothing in the stream of pictures tells that it is gone."""
    options = {"x265-params": "log-level=none:keyint=8:min-keyint=8:bframes=0:scenecut=0:open-gop=0"}
    frames = [numbered(i, 96, 128, noise=60) for i in range(24)]
    path = encode(tmp_path / "whole.ts", frames, codec="libx265", gop=8, options=options)
    data = path.read_bytes()
    begin, end = (packets_of(path)[at].pos // 188 for at in (10, 11))
    gone = {(begin + end) // 2} if lost == "amid a frame" else set(range(begin, end))
    path.write_bytes(b"".join(data[188 * at : 188 * at + 188] for at in range(len(data) // 188) if at not in gone))
    kept = list(range(24)) if lost == "amid a frame" else [*range(10), *range(11, 24)]
    # The stream's counter jumps between two frames: that the first of them is whole, it does not tell.
    refused = range(10 if lost == "amid a frame" else 9, 16)
    expected = [None if number in refused else number for number in kept]
    assert numbers_read(path, range(len(kept))) == expected
    assert numbers_read(path, range(len(kept)), fresh=True) == expected
    seen = []
    with pytest.raises(InputError, match=f"frame {refused[0]} does not decode"):
        seen.extend(number_of(frame) for frame in VideoFile(path))
    assert seen == kept[: refused[0]]


def test_streams_that_were_joined_are_not_damaged(tmp_path):
    """Catches the jump of a stream's counter taken for a loss where a new group of pictures begins."""
    parts = []
    for name, start in (("a", 0), ("b", 20)):
        frames, times = [numbered(start + i) for i in range(20)], [40 * (start + i) for i in range(20)]
        parts.append(encode(tmp_path / f"{name}.ts", frames, gop=5, times_ms=times).read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    assert any(packet.is_corrupt for packet in packets_of(path))
    assert numbers_read(path, scattered(40)) == list(range(40))


def test_refusals_say_why_or_nothing(hurt, tmp_path):
    """Catches '(file truncated?)' said of whatever does not decode."""
    path, _ = hurt("why.mp4", 4, garbled, **H264)
    clip = VideoFile(path)
    for index, cause in ((4, "it may refer to frame 6, which is damaged"), (6, "it is damaged")):
        with pytest.raises(InputError) as caught:
            clip.read([index])
        assert str(caught.value) == f"{path}: frame {index} does not decode ({cause}); a whole video was expected"
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0" * 32, "encryption_kid": "1" * 32}
    locked = encode(tmp_path / "locked.mp4", [numbered(i) for i in range(5)], muxer=key)
    with pytest.raises(InputError, match=r"locked\.mp4: is encrypted; a video that plays without a key was expected"):
        VideoFile(locked)


def test_reading_goes_on_behind_damage_without_decoding_again(hurt, monkeypatch):
    """Catches every refused frame that is decoded for, up to the damage, before it is refused again."""
    from outpaint_lightning.io import decoding

    path, _ = hurt("cost.mp4", 1, garbled, **H264)
    clip = VideoFile(path)
    runs = []
    decode = decoding._Run.decode
    monkeypatch.setattr(decoding._Run, "decode", lambda run, *rest: (runs.append(run), decode(run, *rest)))
    numbers = [frame_or_none(clip, index) for index in range(24)]
    assert [index for index, frame in enumerate(numbers) if frame is not None] == [0, *range(12, 24)]
    assert number_of(numbers[20]) == 20
    assert len(set(map(id, runs))) <= 3
    assert len(runs) < 40
