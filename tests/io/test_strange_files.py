"""What strangers call a picture or a video: playlists, pipes, devices, and files that claim more than they hold."""

from __future__ import annotations

import os
import signal
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from PIL import Image
from videos import encode, number_of, numbered, with_data
from videos import remux as copy

from outpaint_lightning.audit.attributes import image_attributes
from outpaint_lightning.io import (
    VideoFile,
    image_size,
    open_clip,
    read_dataset,
    read_flow,
    read_image,
    read_mask,
    read_table,
    write_image,
)
from outpaint_lightning.io.limits import MAX_PIXELS, VARIABLE, pixel_limit
from outpaint_lightning.types import InputError


@pytest.fixture(autouse=True)
def no_waiting():
    """Raise where a test waits for a pipe or a device without an end."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _concat(secret):
    return f"ffconcat version 1.0\nfile '{secret.name}'\n"


def _hls(secret):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret.name}\n#EXT-X-ENDLIST\n"


def _sdp(_secret):
    return (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv", ".mts"])
@pytest.mark.parametrize("text", [_concat, _hls, _sdp])
def test_a_text_that_names_other_files_is_no_video(tmp_path, text, suffix):
    """Catches FFmpeg's playlists: a 'video' that shows whatever lies beside it."""
    secret = encode(tmp_path / "secret.ts", [numbered(7)] * 5)
    (tmp_path / f"suspect{suffix}").write_text(text(secret))
    with pytest.raises(InputError, match=rf"suspect\{suffix}: is no video of a kind that is read here"):
        open_clip(tmp_path / f"suspect{suffix}")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.mp4", "a.mkv"])
def test_pipes_and_devices_are_refused(tmp_path, name):
    """Catches a wait for what never comes, and reading without an end."""
    os.mkfifo(tmp_path / name)
    (tmp_path / "zero").mkdir()
    (tmp_path / "zero" / name).symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / "zero" / name):
        for read in (open_clip, read_image, read_mask, image_size, image_attributes, VideoFile):
            with pytest.raises(InputError, match=rf"{name}: is no regular file; .* was expected"):
                read(path)
    with pytest.raises(InputError, match=rf"{name}: is no regular file|zero: no frames"):
        open_clip(tmp_path / "zero")


def test_pipes_in_place_of_lists_and_flows_are_refused(tmp_path):
    for name, read in (("manifest.csv", read_table), ("a.flo", read_flow), ("a.flow.png", read_flow)):
        os.mkfifo(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: is no regular file"):
            read(tmp_path / name)
    write_image(tmp_path / "set" / "frames" / "a" / "0.png", np.zeros((8, 8, 3), np.uint8))
    os.mkfifo(tmp_path / "set" / "manifest.csv")
    with pytest.raises(InputError, match=r"manifest\.csv: is no regular file"):
        read_dataset(tmp_path / "set")
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((8, 8, 3), np.uint8))  # a flow of 8 bits, its range beside it
    os.mkfifo(tmp_path / "minmax.txt")
    with pytest.raises(InputError, match=r"minmax\.txt: is no regular file"):
        read_flow(tmp_path / "b.png")


def test_frames_that_only_the_header_counts_are_not_believed(tmp_path):
    """Catches 16 GiB of times for an AVI of a few kilobytes that claims 2^31 frames."""
    path = encode(tmp_path / "claims.avi", [numbered(i) for i in range(8)], codec="mpeg4", gop=1, b_frames=0)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"avih") + 8 + 16, 2**31 - 1)  # dwTotalFrames
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, 2**31 - 1)  # dwLength
    path.write_bytes(data)
    clip = VideoFile(path)
    assert len(clip) == len(clip.timestamps) == 8
    assert [number_of(frame) for frame in clip] == list(range(8))


def test_a_video_whose_frames_claim_to_be_huge_is_refused(tmp_path):
    """Catches a gigabyte taken for a file of some hundred bytes: VP8 says its size in the keyframe (RFC 6386, 9.1)."""
    path = encode(tmp_path / "small.webm", [numbered(0)], codec="libvpx")

    def huge(_number, packet):
        data = bytes(packet)
        return with_data(packet, data[:6] + struct.pack("<HH", 16000, 16000) + data[10:])  # FFmpeg refuses larger ones

    with pytest.raises(InputError, match=r"huge\.webm: "):
        VideoFile(copy(path, tmp_path / "huge.webm", huge))
    data = bytearray(path.read_bytes())  # Matroska's PixelWidth and PixelHeight
    for element, size in ((b"\xb0", 64), (b"\xba", 48)):
        at = data.index(element + b"\x81" + bytes([size]))
        data[at : at + 3] = element + b"\x81" + b"\xff"
    path.write_bytes(data)
    assert len(VideoFile(path)) == 1  # what the container says is no reason to refuse: the frames count


def huge_png(path, width, height):
    """A PNG of 4x4 pixels whose header, valid by its checksum, claims more."""
    Image.new("L", (4, 4)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    return path


def test_pixels_are_limited_by_the_bytes_of_the_file(tmp_path, monkeypatch):
    """Catches memory taken for what a few bytes claim; the limit is named with the way to raise it."""
    path = huge_png(tmp_path / "huge.png", 12_000, 10_000)
    size = path.stat().st_size
    for read in (read_image, read_mask, image_size, open_clip):
        with pytest.raises(
            InputError, match=rf"does not decode: 12000x10000 pixels in {size} bytes; at most 16777216 "
        ):
            read(path)
    monkeypatch.setenv(VARIABLE, "200000000")
    with pytest.raises(InputError, match="does not decode; a whole PNG"):  # its size is no reason now
        read_image(path)
    assert pixel_limit(1) == pixel_limit(10**9) == 200_000_000
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(InputError, match=rf"{VARIABLE} is 'many'; a number of pixels was expected"):
        read_image(path)


def test_a_chunk_of_a_png_that_claims_to_be_huge_takes_no_memory(tmp_path, monkeypatch):
    """Catches two gigabytes for 72 bytes: OpenCV takes what the length of a chunk says, before it reads."""
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[33] |= 0x80  # the length of the first chunk behind the header
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("given to OpenCV"))
    for read in (read_image, read_mask):
        with suppress(InputError):  # Pillow is content with what pixels there are
            assert not read(tmp_path / "a.png").any()


def test_the_limit_grows_with_the_file_up_to_its_own():
    assert pixel_limit(0) == 2**24
    assert pixel_limit(1000) == 32_768_000
    assert pixel_limit(10**6) == MAX_PIXELS


def test_a_file_that_is_no_picture_is_not_run(tmp_path):
    """Catches Pillow's PostScript reader, which has Ghostscript run what the 'picture' says."""
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    for read in (read_image, image_size, image_attributes):
        with pytest.raises(InputError, match=r"a\.png: does not decode; a whole PNG or JPEG image was expected"):
            read(tmp_path / "a.png")


def test_a_whole_file_with_damage_is_not_called_truncated(tmp_path):
    """Catches a cause that is none: the file ends as it should."""
    for name in ("a.png", "a.jpg"):
        write_image(tmp_path / name, np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:20] + bytes(len(data) - 40) + data[-20:])
        with pytest.raises(InputError, match=rf"{name}: does not decode; a whole"):
            read_image(tmp_path / name)
