"""Video files. Their frames carry their number in black and white blocks, so that any coding leaves it readable."""

from __future__ import annotations

import multiprocessing
import pickle
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from support import full_disk
from videos import encode, number_of, numbered, scattered

from outpaint_lightning.io import VideoFile, VideoWriter, decoding, open_clip
from outpaint_lightning.types import InputError

REAL_VIDEOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos"


@pytest.fixture
def clip_of(tmp_path):
    """Make a video file of `count` numbered frames: `clip_of("a.mp4", 30, gop=5)`."""

    def make(name, count, height=48, width=64, noise=0, **coding):
        return encode(tmp_path / name, [numbered(i, height, width, noise) for i in range(count)], **coding)

    return make


@pytest.fixture
def turn():
    """Give an mp4 a display matrix, as phones do: overwrite the one of its track header (ISO/IEC 14496-12, 8.3.2)."""

    def apply(path, a, b, c, d):
        data = bytearray(path.read_bytes())
        matrix = data.index(b"tkhd") + 4 + 40  # past version, flags, times, id, duration, layer and volume
        assert struct.unpack_from(">9i", data, matrix) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
        struct.pack_into(">9i", data, matrix, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        path.write_bytes(data)

    return apply


@pytest.fixture
def real_videos():
    """The unmodified video files that lie beside the repository on the machines of the project."""
    if not REAL_VIDEOS.is_dir():
        pytest.skip(f"no real videos at {REAL_VIDEOS}")
    return sorted(REAL_VIDEOS.iterdir())


OPEN_PYRAMID = "open-gop=1:b-pyramid=normal:bframes=7:b-adapt=0:keyint=20:min-keyint=20:scenecut=0"


@pytest.fixture
def decoded(monkeypatch):
    """Count every frame that any decoder gives."""
    given = []
    take = decoding._Run._take

    def counting(run, frame):
        given.append(frame.pts)
        take(run, frame)

    monkeypatch.setattr(decoding._Run, "_take", counting)
    return given


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("b_frames.mp4", {}),  # frames taken in decoding order
        ("pyramid.mp4", {"options": {"x264-params": OPEN_PYRAMID}}),  # leading frames taken from the wrong keyframe
        ("intra.mp4", {"gop": 1}),  # every packet a keyframe
        ("fragments.mp4", {"muxer": {"movflags": "frag_keyframe+empty_moov"}}),  # no index, first pts above 0
        ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("av1.mp4", {"codec": "libsvtav1", "options": {"svtav1-params": "lp=1"}, "gop": 8}),  # skips frames for good
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}}),
        ("stream.ts", {}),  # no index at all
        (
            "program.mpg",
            {"codec": "mpeg2video", "b_frames": 2, "noise": 70, "gop": 6},
        ),  # a seek lands amid a frame and shifts the times
        ("reordered.avi", {}),  # AVI has no presentation times: FFmpeg's guesses come out of order
        ("divx.avi", {"codec": "mpeg4", "b_frames": 2}),
        ("motion.avi", {"codec": "mjpeg"}),
        ("matroska.mkv", {}),  # decoding times differ after a seek
        ("flash.flv", {}),
        ("windows.wmv", {"codec": "wmv2", "b_frames": 0, "gop": 10}),  # many packets lie at one place of the file
        ("camera.mxf", {"codec": "mpeg2video", "b_frames": 2}),
    ],
)
def test_every_frame_alone_is_the_frame_of_that_number(clip_of, name, coding):
    count = 45
    if coding.get("codec") == "mjpeg":
        coding = {**coding, "options": {"strict": "unofficial"}}  # limited range, which FFmpeg frowns upon
    clip = VideoFile(clip_of(name, count, **coding))
    assert len(clip) == count
    shown = list(clip)
    assert [number_of(frame) for frame in shown] == list(range(count))
    for index in scattered(count):
        np.testing.assert_array_equal(clip.read([index])[0], shown[index], err_msg=f"frame {index}")
    fresh = VideoFile(clip.path).read([40])[0]  # straight to a frame, with nothing decoded before
    np.testing.assert_array_equal(fresh, shown[40])


def test_real_files_read_the_same_frame_by_index_and_in_order(real_videos):
    assert len(real_videos) >= 3
    for path in real_videos:
        clip = VideoFile(path)
        wanted = sorted(scattered(len(clip))[:6])
        in_order = {index: frame for index, frame in enumerate(clip) if index in wanted}
        for index in wanted[::-1]:
            np.testing.assert_array_equal(clip.read([index])[0], in_order[index], err_msg=f"{path}: frame {index}")


def test_read_keeps_the_order_and_the_repeats_it_was_asked_for(clip_of):
    """Catches frames returned sorted or once each, which reading in sorted order invites."""
    clip = VideoFile(clip_of("a.mp4", 30, gop=6))
    indices = [29, 3, 3, 17, 0, 29]
    frames = clip.read(indices)
    assert frames.dtype == np.uint8
    assert frames.shape == (6, 48, 64, 3)
    assert [number_of(frame) for frame in frames] == indices
    assert clip.read([]).shape == (0, 48, 64, 3)


@pytest.mark.parametrize("index", [-1, 10])
def test_index_outside_the_clip_is_refused_not_wrapped(clip_of, index):
    clip = VideoFile(clip_of("a.mp4", 10))
    with pytest.raises(IndexError, match=r"a\.mp4: frame -?\d+ asked for; the clip has 10"):
        clip.read([0, index])


def test_frames_come_back_in_colour_and_rgb(clip_of):
    """Catches BGR order and a grey conversion. Tolerance: 8-bit YCbCr rounding and crf 1, a few levels."""
    colour = np.broadcast_to(np.array([200, 60, 20], np.uint8), (48, 64, 3)).copy()
    with VideoWriter(clip_of("a.mp4", 1), 48, 64, 25, crf=1) as writer:
        writer.write(colour)
    assert np.abs(VideoFile(writer.path).read([0])[0].astype(int) - colour).max() <= 4


@pytest.mark.parametrize(
    ("form", "space", "red", "blue", "is_full"),
    [
        ("yuv420p", 6, 0.299, 0.114, False),  # ITU-T H.273, table 4: BT.601
        ("yuv420p", 1, 0.2126, 0.0722, False),  # BT.709
        ("yuv420p", 1, 0.2126, 0.0722, True),
        ("yuv420p10le", 9, 0.2627, 0.0593, False),  # BT.2020, 10 bits, as of HDR
    ],
)
def test_colours_are_those_that_the_file_says(tmp_path, form, space, red, blue, is_full):
    """Catches one matrix, or one range, for all files: colours off by up to 30 levels."""
    rgb = np.array([200, 60, 30])
    levels, depth = rgb / 255, 4 if form.endswith("10le") else 1
    luma = levels @ (red, 1 - red - blue, blue)
    chroma = (levels[2] - luma) / (2 - 2 * blue), (levels[0] - luma) / (2 - 2 * red)
    begin, high, wide = (0, 255, 255) if is_full else (16, 219, 224)
    values = [begin + high * luma, *(128 + wide * part for part in chroma)]
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, form
        context = stream.codec_context
        context.colorspace, context.color_range = space, 2 if is_full else 1
        frame = av.VideoFrame(64, 48, form)
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(
                np.full(
                    plane.buffer_size // (2 if depth > 1 else 1), round(depth * value), "<u2" if depth > 1 else "u1"
                )
            )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    [shown] = VideoFile(tmp_path / "a.mp4")
    assert np.abs(shown.astype(int) - rgb).max() <= 3  # rounding to 8 bits, twice


def test_opening_reads_packets_and_decodes_one_frame(clip_of, decoded):
    """Catches an index built by decoding: a 10,000-frame video would take minutes to open."""
    clip = VideoFile(clip_of("long.mp4", 200))
    assert len(clip) == 200
    assert len(decoded) == 1


def test_iteration_decodes_as_it_goes(clip_of, decoded):
    """Catches a list built before the first frame is given: 10,000 frames would not fit in memory."""
    frames = iter(VideoFile(clip_of("long.mp4", 200)))
    assert number_of(next(frames)) == 0
    assert len(decoded) < 20


def test_windows_in_order_decode_every_frame_about_once(clip_of, decoded):
    """Catches a seek a window: with 3-frame windows and one keyframe that is 1,770 frames instead of 60."""
    clip = VideoFile(clip_of("a.mp4", 60, gop=250))
    decoded.clear()
    for start in range(58):
        assert [number_of(frame) for frame in clip.read([start, start + 1, start + 2])] == [start, start + 1, start + 2]
    assert len(decoded) == 60


def test_frames_asked_for_backwards_are_decoded_once(clip_of, decoded):
    """Catches a seek for every frame of one call."""
    clip = VideoFile(clip_of("a.mp4", 60, gop=250))
    decoded.clear()
    assert [number_of(frame) for frame in clip.read(range(59, -1, -1))] == list(range(59, -1, -1))
    assert len(decoded) == 60


def test_a_seek_that_overshoots_is_made_good(clip_of):
    """Catches the frames of a later keyframe given for those asked for; demuxers without index may land anywhere."""
    clip = VideoFile(clip_of("a.mp4", 60, gop=10))
    late = [packet._replace(dts=packet.dts + 25 * 512) for packet in clip._index.packets]  # lands 25 frames late
    clip._index.packets[:] = late
    assert number_of(clip.read([33])[0]) == 33


def test_a_far_frame_is_reached_by_seeking(clip_of, decoded):
    """Catches decoding from the start of the file."""
    clip = VideoFile(clip_of("a.mp4", 200, gop=10))
    decoded.clear()
    assert number_of(clip.read([195])[0]) == 195
    assert 0 < len(decoded) <= 10


def test_variable_frame_rate_is_indexed_by_frame(clip_of):
    """Catches frames looked up at `index / fps`, which lands elsewhere once the spacing varies."""
    times = [0, 40, 80, 90, 100, 600, 640, 680, 1500, 1540, 1560, 1580, 2000]
    clip = VideoFile(clip_of("vfr.mp4", len(times), times_ms=times, gop=4))
    np.testing.assert_allclose(clip.timestamps * 1000, times, atol=0.1)  # ticks of 1/16000 s
    assert clip.fps == pytest.approx(12 / 2.0, rel=1e-3)
    assert [number_of(clip.read([index])[0]) for index in scattered(13)] == scattered(13)


def test_constant_rate_is_exact(clip_of):
    clip = VideoFile(clip_of("a.mp4", 11))
    assert clip.fps == 25.0
    np.testing.assert_allclose(clip.timestamps, np.arange(11) / 25, atol=1e-12)


def test_a_clip_of_one_frame_has_its_nominal_rate(clip_of):
    """Catches a division by the zero duration of a single frame."""
    clip = VideoFile(clip_of("one.mp4", 1))
    assert (len(clip), clip.fps, number_of(clip.read([0])[0])) == (1, 25.0, 0)


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),  # a phone held upright: shown 90 degrees clockwise
        ((0, -1, 1, 0), np.rot90),
        ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
        ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
        ((0, 1, 1, 0), lambda frame: frame.swapaxes(0, 1)),
    ],
)
def test_stored_orientation_is_applied(clip_of, turn, matrix, upright):
    """Catches frames left as stored, turned the other way, mirrored, or a size that was not turned with them."""
    path = clip_of("phone.mp4", 14, gop=4)
    stored = VideoFile(path).read([0, 9])
    turn(path, *matrix)
    clip = VideoFile(path)
    expected = np.stack([upright(frame) for frame in stored])
    assert (clip.height, clip.width) == expected.shape[1:3]
    np.testing.assert_array_equal(clip.read([0, 9]), expected)
    np.testing.assert_array_equal(next(iter(clip)), expected[0])


def test_frames_before_an_edit_list_are_not_counted(clip_of, tmp_path):
    """Catches an index over all packets: a video trimmed without re-encoding keeps unseen ones from its keyframe on."""
    with av.open(str(clip_of("whole.mp4", 40, gop=15))) as whole, av.open(str(tmp_path / "trim.mp4"), "w") as trimmed:
        source = whole.streams.video[0]
        stream = trimmed.add_stream_from_template(source)
        begin = round(7 / 25 / source.time_base)
        for packet in whole.demux(source):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, stream
                trimmed.mux(packet)
    clip = VideoFile(tmp_path / "trim.mp4")
    assert len(clip) == 33
    assert [number_of(frame) for frame in clip] == list(range(7, 40))
    assert [number_of(clip.read([index])[0]) for index in (20, 0, 32, 7)] == [27, 7, 39, 14]


@pytest.mark.parametrize(("packet", "share"), [(9, 0.5), (20, 0.0), (20, 0.9), (21, 0.5), (39, 0.1)])
def test_truncated_file_gives_its_whole_frames_and_names_the_next(clip_of, packet, share):
    """Catches smeared last frames passed as good, a silent early end, and numbers that slip over missing B-frames.

    The file ends after `share` of a packet. Lost with it are the frames it could precede: those shown after it was
    to be decoded, here at most the two that x264 holds back for reordering.
    """
    path = clip_of("cut.mp4", 40, muxer={"movflags": "faststart"})
    whole = list(VideoFile(path))
    with av.open(str(path)) as container:
        packets = [each for each in container.demux(video=0) if each.size]
        end = packets[packet].pos + int(packets[packet].size * share)
    path.write_bytes(path.read_bytes()[:end])
    clip = VideoFile(path)
    assert len(clip) == 40
    frames = []
    with pytest.raises(InputError, match=r"cut\.mp4: frame \d+ does not decode \(file truncated\?\)") as caught:
        frames.extend(clip)
    good = len(frames)
    assert f"frame {good} " in str(caught.value)
    assert good == sorted(each.pts < packets[packet].dts for each in packets).count(True) >= packet - 2
    np.testing.assert_array_equal(np.stack(frames), np.stack(whole[:good]))
    for index in scattered(good):
        np.testing.assert_array_equal(clip.read([index])[0], whole[index])
    with pytest.raises(InputError, match=f"frame {good} does not decode"):
        clip.read([0, good])
    with pytest.raises(InputError, match="frame 39 does not decode"):
        clip.read([39])
    assert np.isfinite(clip.timestamps[:good]).all()
    assert np.isnan(clip.timestamps[-1])


def test_file_cut_within_its_first_frame_has_none(clip_of):
    path = clip_of("stub.mp4", 10, muxer={"movflags": "faststart"})
    with av.open(str(path)) as container:
        first = next(container.demux(video=0))
        path.write_bytes(path.read_bytes()[: first.pos + first.size // 2])
    with pytest.raises(InputError, match=r"stub\.mp4: frame 0 does not decode"):
        VideoFile(path)


def test_stream_cut_within_its_last_frame_does_not_give_a_smeared_one(clip_of):
    """Catches frames that the decoder itself calls corrupt: a transport stream does not tell that it was cut."""
    path = clip_of("cut.ts", 13, noise=70, gop=1)
    with av.open(str(path)) as container:
        last = [packet for packet in container.demux(video=0) if packet.size][-1]
    assert last.is_keyframe
    path.write_bytes(path.read_bytes()[: last.pos + last.size // 2])
    clip = VideoFile(path)
    assert number_of(clip.read([11])[0]) == 11
    with pytest.raises(InputError, match=r"cut\.ts: frame 12 does not decode"):
        clip.read([12])


def test_damage_inside_one_group_of_pictures_spares_the_others(clip_of):
    """Catches an error that ends the whole file, and one that is swallowed."""
    path = clip_of("hurt.mp4", 40, gop=10, b_frames=0)
    with av.open(str(path)) as container:
        hurt = [packet for packet in container.demux(video=0) if packet.size][14]
        place, size = hurt.pos, hurt.size
    data = bytearray(path.read_bytes())
    data[place : place + size] = b"\xff" * size
    path.write_bytes(data)
    clip = VideoFile(path)
    with pytest.raises(InputError, match=r"hurt\.mp4: frame 14 does not decode"):
        clip.read([14])
    assert [number_of(frame) for frame in clip.read([13, 20, 39])] == [13, 20, 39]
    seen = []
    with pytest.raises(InputError, match="frame 14 "):
        seen.extend(number_of(frame) for frame in clip)
    assert seen == list(range(14))


def test_recording_that_begins_amid_a_broadcast_starts_at_its_first_keyframe(clip_of):
    """Catches undecodable leading packets counted as frames, which shift every number."""
    path = clip_of("cast.ts", 40, height=96, width=128, gop=10)
    data = path.read_bytes()
    packets = len(data) // 188
    path.write_bytes(data[: 188 * 3] + data[188 * (packets // 3) :])  # the tables, then from a third on
    clip = VideoFile(path)
    numbers = [number_of(frame) for frame in clip]
    assert numbers[0] % 10 == 0
    assert numbers == list(range(numbers[0], 40))
    assert number_of(clip.read([7])[0]) == numbers[7]


def test_frame_of_another_size_is_named_with_both_sizes(tmp_path):
    """Catches frames of a changed stream stretched or stacked into garbage, and whole frames at the splice refused."""
    parts = []
    for name, size, start in (("a.ts", (48, 64), 0), ("b.ts", (96, 128), 400)):
        frames = [numbered(i, *size) for i in range(10)]
        times = [start + 40 * i for i in range(10)]
        parts.append(encode(tmp_path / name, frames, b_frames=0, times_ms=times).read_bytes())
    path = tmp_path / "grows.ts"
    path.write_bytes(b"".join(parts))
    with pytest.raises(InputError, match=r"grows\.ts: frame 10 is 128x96; 64x48 was expected"):
        list(VideoFile(path))


def _nothing(path):
    assert not path.exists()


def _text(path):
    path.write_text("no video, only its name\n" * 50)


def _beheaded(path):
    encode(path, [numbered(i) for i in range(20)])  # the index is at the end
    path.write_bytes(path.read_bytes()[:-1000])


def _sound(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        sound.sample_rate, sound.pts = 8000, 0
        sound.planes[0].update(bytes(4096))
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


def _unknown(path):
    encode(path, [numbered(0)])
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))


def _playlist(path):
    """Names a file elsewhere; a reader that follows it can be sent anywhere by a suspicious 'video'."""
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")


@pytest.mark.parametrize("make", [_nothing, Path.touch, _text, _beheaded, _sound, _unknown, _playlist])
def test_what_is_no_video_is_named_in_one_line(tmp_path, make, capfd):
    """Catches FFmpeg's own exceptions and chatter."""
    make(tmp_path / "bad.mp4")
    with pytest.raises(InputError, match=r"bad\.mp4: .*video.* expected") as caught:
        VideoFile(tmp_path / "bad.mp4")
    assert "\n" not in str(caught.value)
    out, err = capfd.readouterr()
    assert "moov" not in out + err
    assert "Invalid" not in out + err


def test_a_name_that_looks_like_an_address_is_a_file(clip_of, tmp_path, monkeypatch):
    """Catches FFmpeg taking what precedes a colon for a protocol."""
    clip_of("a.mp4", 3).rename(tmp_path / "http:a.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(open_clip("http:a.mp4")) == 3


def _numbers(clip, indices):
    return [number_of(frame) for frame in clip.read(indices)]


def _check(clip, indices):
    for index in indices:
        assert _numbers(clip, [index]) == [index]


def test_an_open_clip_can_be_pickled_forked_and_threaded(clip_of):
    """Catches a decoder shared by processes, which read each other's file position, or by threads, which crash."""
    clip = VideoFile(clip_of("a.mp4", 60, height=96, width=128, noise=70, gop=10))  # more than FFmpeg's read buffer
    assert _numbers(clip, [11]) == [11]  # a decoder stands open now
    assert _numbers(pickle.loads(pickle.dumps(clip)), [12]) == [12]
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_check, args=(clip, range(12 + i, 60, 2))) for i in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert _numbers(clip, [12, 13]) == [12, 13]
    with ThreadPoolExecutor(4) as pool:
        indices = scattered(60)
        assert list(pool.map(lambda index: _numbers(clip, [index]), indices)) == [[index] for index in indices]


@pytest.mark.parametrize("size", [(48, 64), (47, 64), (48, 65), (33, 71)])
def test_writer_keeps_the_size_the_rate_and_the_frames(tmp_path, size):
    """Catches odd sizes cropped to even ones. Tolerance: crf 18 on flat frames."""
    frames = [numbered(i, *size) for i in range(9)]
    with VideoWriter(tmp_path / "new" / "out.mp4", *size, fps=30000 / 1001) as writer:
        for frame in frames:
            writer.write(frame)
    clip = VideoFile(writer.path)
    assert (len(clip), clip.height, clip.width) == (9, *size)
    assert clip.fps == pytest.approx(30000 / 1001, abs=1e-9)
    back = np.stack(list(clip))
    assert [number_of(frame) for frame in back] == list(range(9))
    assert np.abs(back.astype(int) - np.stack(frames)).mean() < 6


def test_writer_says_how_its_colours_are_meant(tmp_path):
    """Catches untagged files, whose colours players shift when the frame is large. 6: BT.601, 1: limited range."""
    with VideoWriter(tmp_path / "out.mp4", 48, 64, 25) as writer:
        writer.write(numbered(1))
    with av.open(str(writer.path)) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_range)) == (6, 1)


def test_interrupted_writing_leaves_what_was_there(clip_of):
    """Catches a half file under the final name, and an old one lost to it."""
    path = clip_of("out.mp4", 5)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 48, 64, 25) as writer:  # noqa: PT012 - one story
        writer.write(numbered(1))
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.avi"])
def test_a_full_disk_is_that_of_the_video(tmp_path, name):
    """Catches the temporary file named, which nobody has heard of, and an old video lost to half a new one."""
    path = tmp_path / name
    path.write_bytes(b"old")
    with (
        full_disk(2000),
        pytest.raises(OSError, match="File too large") as error,
        VideoWriter(path, 96, 128, 25) as writer,
    ):
        writer.write(numbered(0, 96, 128, noise=100))
    assert error.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_writer_refuses_a_frame_of_another_shape(tmp_path):
    """Catches frames rescaled in silence, as FFmpeg would."""
    with (
        pytest.raises(ValueError, match=r"frame of shape \(64, 48, 3\); \(48, 64, 3\) expected"),
        VideoWriter(tmp_path / "out.mp4", 48, 64, 25) as writer,
    ):
        writer.write(numbered(0, 64, 48))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "codec"), [("out.xyz", "libx264"), ("out.mp4", "no_such"), ("out.webm", "libx264")])
def test_writer_names_what_it_cannot_write(tmp_path, name, codec):
    with pytest.raises(InputError, match=rf"{name}: cannot be written with {codec}"):
        VideoWriter(tmp_path / name, 48, 64, 25, codec=codec).__enter__()
    assert not list(tmp_path.iterdir())


def test_writer_names_the_size_that_an_encoder_refuses(tmp_path):
    with pytest.raises(InputError, match=r"out\.mp4: libx265 refuses frames of 10x8 .*; expected larger frames"):
        VideoWriter(
            tmp_path / "out.mp4", 8, 10, 25, codec="libx265", options={"x265-params": "log-level=none"}
        ).__enter__()
    assert not list(tmp_path.iterdir())


def test_writer_passes_options_to_the_encoder(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 48, 64, 25, options={"g": "2"}) as writer:
        for number in range(5):
            writer.write(numbered(number))
    with av.open(str(writer.path)) as container:
        assert [frame.key_frame for frame in container.decode(video=0)] == [True, False, True, False, True]


def test_writing_nothing_is_an_error(tmp_path):
    with (
        pytest.raises(ValueError, match=r"out\.mp4: no frame was written"),
        VideoWriter(tmp_path / "out.mp4", 8, 8, 25),
    ):
        pass
    assert not list(tmp_path.iterdir())
