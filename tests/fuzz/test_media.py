"""Pictures, videos and flow files that are nearly right: read, or refused in one line, and the same in any order."""

from __future__ import annotations

import io
import os
from contextlib import suppress

import av
import numpy as np
import pytest
from fuzz.harness import fuzz, mutant
from PIL import Image
from videos import encode, frame_or_none, numbered

from outpaint_lightning.audit.attributes import image_attributes, video_attributes
from outpaint_lightning.io import image_size, open_clip, read_flow, read_image, read_mask, write_flow
from outpaint_lightning.io.containers import open_stream, packets_of
from outpaint_lightning.types import InputError

SHOWN = 24  # frames of a mutant that are looked at


def test_mutants_follow_from_their_number():
    """Catches a finding that cannot be made again, and a mutator that changes nothing."""
    seeds = {"a.bin": bytes(range(200)), "b.bin": b"x" * 50}
    mutants = [mutant(seeds, number) for number in range(200)]
    assert mutants == [mutant(seeds, number) for number in range(200)]
    assert mutants[:2] == sorted(seeds.items())
    assert sum(data not in seeds.values() for _, data in mutants) > 150
    assert len({data for _, data in mutants}) > 150


def test_a_finding_is_told_with_its_mutant(tmp_path):
    """Catches a harness that swallows what it is there for: an exception, a crash, a message of two lines."""

    def raises(path):
        if len(path.read_bytes()) != 8:
            raise KeyError(path.name)

    def crashes(path):
        if len(path.read_bytes()) != 8:
            os.kill(os.getpid(), 11)

    def talks(_path):
        raise InputError("one\ntwo")

    for read, said in ((raises, "KeyError"), (crashes, "signal 11"), (talks, "more than one line")):
        with pytest.raises(pytest.fail.Exception, match=rf"_seed\.bin \((.|\n)*{said}|_seed\.bin \({said}"):
            fuzz(read, {"seed.bin": b"12345678"}, tmp_path, 60)
    fuzz(lambda path: path.read_bytes(), {"seed.bin": b"12345678"}, tmp_path, 60)


@pytest.fixture(scope="module")
def pictures():
    """A picture of every kind that is read, and some variants."""
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "a.png": ("PNG", rgb, {}),
        "mask.png": ("PNG", Image.fromarray(np.eye(12, dtype=np.uint8) * 255), {}),
        "palette.png": ("PNG", rgb.quantize(8), {}),
        "deep.png": ("PNG", Image.fromarray(np.arange(192, dtype=np.uint16).reshape(12, 16)), {}),
        "alpha.png": ("PNG", rgb.convert("RGBA"), {"exif": exif}),
        "moving.png": ("PNG", rgb, {"save_all": True, "append_images": [rgb]}),
        "a.jpg": ("JPEG", rgb, {}),
        "turned.jpg": ("JPEG", rgb, {"exif": exif, "progressive": True}),
        "inks.jpg": ("JPEG", rgb.convert("CMYK"), {}),
        "a.bmp": ("BMP", rgb, {}),
        "a.webp": ("WEBP", rgb, {"exif": exif}),
        "moving.webp": ("WEBP", rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
        "a.tif": ("TIFF", rgb, {"compression": "tiff_lzw"}),
        "pages.tif": ("TIFF", rgb, {"save_all": True, "append_images": [rgb]}),
        "a.avif": ("AVIF", rgb, {}),
        "a.jp2": ("JPEG2000", rgb, {}),
        "a.ppm": ("PPM", rgb, {}),
        "a.tga": ("TGA", rgb, {"rle": True}),
        "a.gif.png": ("GIF", rgb, {}),
    }
    seeds = {}
    for name, (kind, image, options) in kinds.items():
        with io.BytesIO() as file:
            image.save(file, kind, **options)
            seeds[name] = file.getvalue()
    return seeds


def test_pictures(pictures, tmp_path):
    def read(path):
        for reader in (read_image, image_size, read_mask, image_attributes):
            with suppress(InputError):
                reader(path)
        image = read_image(path)
        assert image.dtype == np.uint8
        assert image.shape == (*image_size(path), 3)

    fuzz(read, pictures, tmp_path, 200)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A short video of every container and codec that behaves in a way of its own."""
    folder = tmp_path_factory.mktemp("seeds")
    x264 = {"options": {"x264-params": "threads=1:keyint=6:bframes=2"}}
    kinds = {
        "a.mp4": x264,
        "fragments.mp4": {**x264, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
        "a.mkv": x264,
        "a.ts": x264,
        "a.flv": x264,
        "a.h264": x264,
        "b.avi": x264,
        "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=1:keyint=6"}},
        "a.webm": {"codec": "libvpx"},
        "nine.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
        "one.mp4": {"codec": "libsvtav1", "options": {"svtav1-params": "lp=1", "preset": "12"}},
        "a.mpg": {"codec": "mpeg2video", "b_frames": 2},
        "a.avi": {"codec": "mpeg4", "b_frames": 2},
        "motion.avi": {"codec": "mjpeg", "options": {"strict": "unofficial"}},
        "a.wmv": {"codec": "wmv2", "b_frames": 0},
        "a.mxf": {"codec": "mpeg2video", "b_frames": 0},
    }
    frames = [numbered(i, 64, 64) for i in range(8)]  # SVT-AV1 takes no smaller ones
    return {name: encode(folder / name, frames, **{"gop": 4, **coding}).read_bytes() for name, coding in kinds.items()}


def test_videos(videos, tmp_path):
    """Beside being read or refused: a frame is the same alone, backwards and in order, as far as FFmpeg has one answer.

    Some decoders return a damaged frame without a word, and fill it up with what their memory holds.
    """

    def read(path):
        with suppress(InputError):
            video_attributes(path)
        clip = open_clip(path)
        shown = range(min(len(clip), SHOWN))
        assert len(clip.timestamps) == len(clip)
        assert clip.fps > 0
        backwards = {index: frame_or_none(clip, index) for index in reversed(shown)}
        in_order = []
        with suppress(InputError):
            for frame in open_clip(path):
                in_order.append(frame)
                if len(in_order) == SHOWN:
                    break
        for index in shown:
            alone, expected = backwards[index], in_order[index] if index < len(in_order) else None
            if index <= len(in_order):  # the first that is refused ends the order
                assert (alone is None) == (expected is None), f"frame {index}"
            if alone is not None and expected is not None and not np.array_equal(alone, expected):
                assert _has_many_answers(path, clip._index, index), f"frame {index}"

    fuzz(read, videos, tmp_path, 32)


def _has_many_answers(path, index, number):
    """Whether FFmpeg by itself gives a frame in several ways: from the file's start or from the frame's keyframe, and
    with older frames kept or their memory used again."""
    answers = {
        _plainly_decoded(path, index.order[number], start, keeps)
        for start in (index.first, index.key(number))
        for keeps in (False, True)
    }
    return len(answers) > 1


def _plainly_decoded(path, wanted, start, keeps):
    """The pixels of the frame of a packet, by PyAV alone."""
    kept, pixels = [], None
    with open_stream(path) as (container, stream):
        stream.codec_context.thread_count = 1
        packets = [*packets_of(container, stream)][start:]
        for number, packet in enumerate([*packets, None], start):
            if packet:
                packet.pts = packet.dts = number
            with suppress(av.FFmpegError):
                for frame in stream.codec_context.decode(packet):
                    kept += [frame] if keeps else []
                    if frame.pts == wanted and pixels is None:
                        pixels = frame.to_ndarray(format="rgb24").tobytes()
    return pixels


@pytest.fixture(scope="module")
def flows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flows")
    flow = np.random.default_rng(0).normal(size=(6, 8, 2)).astype(np.float32)
    valid = np.ones((6, 8), bool)
    valid[2] = False
    for name in ("a.flo", "ours.flow.png", "kitti.png"):
        write_flow(folder / name, flow, None if name == "a.flo" else valid)
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(folder / "report.png")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_flows(flows, tmp_path):
    (tmp_path / "minmax.txt").write_text("x/report.png -3 4\nkitti.png 1\n")

    def read(path):
        found = read_flow(path)
        assert found.flow.shape == (*found.valid.shape, 2)
        assert np.isfinite(found.flow).all()

    fuzz(read, flows, tmp_path, 100)
