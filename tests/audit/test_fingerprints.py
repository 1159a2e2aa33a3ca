"""Hashes of files and pictures."""

import cv2
import numpy as np
import pytest
from support import SHARED_DATA, texture

from outpaint_lightning.audit import fingerprints
from outpaint_lightning.audit.fingerprints import SAME_PICTURE, file_hash, picture_hash, same_footage
from outpaint_lightning.io import VideoWriter, frame_files, open_clip, read_image


def test_file_hash_sees_every_byte_and_a_hurried_one_the_beginning(tmp_path):
    contents = {
        "a": bytes(2_000_000),
        "b": bytes(1_999_999) + b"1",
        "c": bytes(1_999_999),
        "d": b"1" + bytes(1_999_999),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert len({file_hash(tmp_path / name) for name in "abcd"}) == 4
    hurried = {name: file_hash(tmp_path / name, hurry=True) for name in "abcd"}
    assert hurried["a"] == hurried["b"]
    assert len(set(hurried.values())) == 3


def test_picture_hash_of_one_wave():
    """Catches frequencies in another order, the mean among them, and swapped axes."""
    row, column = np.mgrid[:32, :32]
    waves = np.zeros((32, 32))
    for down, right, sign in ((0, 1, 1), (1, 0, -1), (0, 2, -1), (1, 1, 1), (2, 0, 1)):  # as the diagonals go
        waves += sign * 20 * np.cos(np.pi * (row + 0.5) * down / 32) * np.cos(np.pi * (column + 0.5) * right / 32)
    noise = np.random.default_rng(0).normal(0, 12, waves.shape)  # else most frequencies are empty, and the frame flat
    frame = np.repeat(np.clip(waves + noise + 128, 0, 255)[..., None], 3, axis=2).astype(np.uint8)
    assert picture_hash(frame) >> 59 == 0b10011


def test_picture_hash_ignores_brightness_size_and_encoding():
    frame = texture(1) // 2 + 20
    seen = picture_hash(frame)
    copies = {
        "brighter": frame + 60,
        "stronger": (frame * 1.5).astype(np.uint8),
        "half": cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "double": cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
        "jpeg": cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], 1),
    }
    for name, copy in copies.items():
        assert (seen ^ picture_hash(copy)).bit_count() <= 4, name
    others = {"mirrored": frame[:, ::-1], "upside down": frame[::-1], "another": texture(2)}
    for name, other in others.items():
        assert (seen ^ picture_hash(np.ascontiguousarray(other))).bit_count() > 16, name


def test_flat_frames_have_no_hash():
    assert picture_hash(np.full((50, 60, 3), 77, np.uint8)) is None
    noisy = 100 + np.random.default_rng(0).integers(0, 3, (256, 448, 3), dtype=np.uint8)
    assert picture_hash(noisy) is None
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 448, 3))
    assert picture_hash(np.ascontiguousarray(ramp)) is None  # all but a few of its frequencies are empty


def hashes(*clips):
    return [np.array(clip, np.uint64) for clip in clips]


A, B, C, D = 0, 2**32 - 1, (2**32 - 1) << 32, 2**64 - 1  # 32 bits or more from one another
NEAR, FAR = 2**SAME_PICTURE - 1, 2 ** (SAME_PICTURE + 1) - 1  # from A: the last that matches, the first that does not


@pytest.mark.parametrize("chunk", [1, 1 << 21])
@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ([A, B], [B, A], [(0, 2, 0)]),  # in another order
        ([A], [NEAR], [(0, 2, SAME_PICTURE)]),
        ([A], [FAR], []),
        ([A, B, C, D], [D, C], [(0, 2, 0)]),  # a part
        ([A, B, C], [A, D, D], []),  # one of three, either way
        ([A, B, C, D], [A], [(0, 2, 0)]),  # all of the second
        ([], [A], []),
        ([], [], []),
    ],
)
def test_clips_match_by_half_of_either(first, second, found, chunk, monkeypatch):
    """Catches a comparison frame by frame, one that looks one way only, and a limit off by one."""
    monkeypatch.setattr(fingerprints, "_CHUNK", chunk)
    clips = hashes(first, [], second)
    assert list(same_footage(clips, np.array([0, 1, 1]), np.array([0, 1, 2]))) == found


def test_only_clips_of_other_splits_and_sources_are_compared():
    clips = hashes([A], [A], [A], [NEAR])
    splits, sources = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 2])
    # 0 is in the split of 1 and has the source of 2; 1 is nearest to 2
    assert sorted(same_footage(clips, splits, sources)) == [(0, 3, SAME_PICTURE), (1, 2, 0)]


def test_one_split_costs_nothing(monkeypatch):
    """Catches all pairs of a large dataset compared though none could be a leak."""
    monkeypatch.setattr(np, "bitwise_count", lambda *_: pytest.fail("compared"))
    assert list(same_footage(hashes([A], [A], []), np.array([0, 0, 1]), np.arange(3))) == []


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the real clips, which the repository may not contain")
def test_real_clips_match_their_copies_and_no_other(tmp_path):
    """37 clips: nothing in common; JPEG 50, H.264 CRF 32, half the size, and the last two together are recognised."""

    def seen(frames):
        return np.array([picture_hash(frame) for frame in frames], np.uint64)

    originals, copies = [], {"jpeg": [], "h264": [], "half": [], "both": []}
    for number, folder in enumerate(sorted((SHARED_DATA / "clips").iterdir())):
        frames = [read_image(path) for path in frame_files(folder)[::8]]
        halves = [cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames]
        jpegs = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 50])[1] for frame in frames]
        originals.append(seen(frames))
        copies["half"].append(seen(halves))
        copies["jpeg"].append(seen(cv2.imdecode(data, 1) for data in jpegs))
        for name, pictures in (("h264", frames), ("both", halves)):
            path = tmp_path / f"{name}{number}.mp4"
            with VideoWriter(path, *pictures[0].shape[:2], fps=25, crf=32) as writer:
                for picture in pictures:
                    writer.write(picture)
            copies[name].append(seen(open_clip(path)))
    count = len(originals)
    apart = np.arange(count)
    assert count == 37
    assert list(same_footage(originals, apart, apart)) == []
    for name, others in copies.items():
        pairs = same_footage([*originals, *others], np.repeat([0, 1], count), np.arange(2 * count))
        assert {(a, b) for a, b, _ in pairs} == {(clip, clip + count) for clip in range(count)}, name
