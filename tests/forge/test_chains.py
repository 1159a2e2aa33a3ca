from __future__ import annotations

import io
import json

import av
import cv2
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from support import full_disk

from outpaint_lightning.forge.chains import H264, Chain, Jpeg, Resize, Untouched, write_png
from outpaint_lightning.io import open_clip, read_image, read_mask
from outpaint_lightning.types import InputError

FRAMES = ("none", "resize", "jpeg")
VIDEOS = ("h264", "hevc", "vp9", "av1")


def _params(name: str, **changes: object) -> dict[str, object]:
    return Chain.named(name)().sample(np.random.default_rng(0)) | changes


def _cut(panning, frames: int = 7, height: int = 64, width: int = 70) -> np.ndarray:
    """A clip whose second half shows another scene."""
    first, second = (panning(frames, height, width, (2, 1), seed) for seed in (0, 1))
    return np.concatenate([first[: frames // 2], 255 - second[frames // 2 :]])


@pytest.mark.parametrize("name", [*FRAMES, *VIDEOS])
def test_sampling_stays_in_range_repeats_and_survives_json(name: str):
    chain = Chain.named(name)()
    drawn = [chain.sample(np.random.default_rng(seed)) for seed in range(60)]
    assert drawn == [chain.sample(np.random.default_rng(seed)) for seed in range(60)]
    assert json.loads(json.dumps(drawn)) == drawn
    for option in drawn[0].keys() - {"chroma", "restore", "preset"}:
        low, high = getattr(chain, option)
        values = [params[option] for params in drawn]
        assert low <= min(values) <= max(values) <= high
        assert (len(set(values)) > 1) == (low < high)


def test_both_ends_of_a_range_of_integers_are_drawn():
    drawn = [Jpeg(quality=(70, 71), every=(1, 2)).sample(np.random.default_rng(seed)) for seed in range(40)]
    assert {(params["quality"], params["every"]) for params in drawn} == {(70, 1), (70, 2), (71, 1), (71, 2)}


@pytest.mark.parametrize(
    ("frames", "every", "kept"), [(7, 3, [0, 3, 6]), (6, 3, [0, 3]), (5, 3, range(5)), (1, 2, [0])]
)
def test_every_nth_frame_is_kept_with_its_label_unless_the_clip_is_short(frames: int, every: int, kept):
    clip = np.full((frames, 8, 9, 3), np.arange(frames)[:, None, None, None], np.uint8)
    mask = np.zeros((frames, 8, 9), bool)
    mask[np.arange(frames), 0, np.arange(frames)] = True
    thinned, label = Untouched().prepare(clip, mask, {"scale": 1.0, "every": every})
    assert thinned[:, 0, 0, 0].tolist() == list(kept)
    assert label.argmax(axis=2)[:, 0].tolist() == list(kept)


def test_rescaling_by_hand():
    frame = np.zeros((1, 16, 20, 3), np.uint8)
    frame[0, 0, 5] = 200
    mask = frame[..., 0] > 0
    half, label = Resize().prepare(frame, mask, {"scale": 0.5, "every": 1})
    assert half.shape == (1, 8, 10, 3)
    assert half[0, 0, 2, 0] == 50  # one of the four pixels of the square has 200
    assert np.argwhere(label[0]).tolist() == [[0, 2]]
    # Twice as large: centres at (i + 1/2) / 2 - 1/2, so columns 9 to 12 lie less than a pixel from column 5.
    twice, label = Resize().prepare(frame, mask, {"scale": 2.0, "every": 1})
    assert twice.shape == (1, 32, 40, 3)
    assert twice[0, 0, :, 0].nonzero()[0].tolist() == [9, 10, 11, 12]
    assert np.argwhere(label[0, 0])[:, 0].tolist() == [9, 10, 11, 12]


@pytest.mark.parametrize("chain", [Resize(), H264()])
def test_forgery_and_twin_differ_nowhere_outside_the_label(chain: Chain):
    rng = np.random.default_rng(0)
    for scale in [0.25, 0.5, 1, 1.5, 2, *rng.uniform(0.1, 3, 150)]:
        height, width = rng.integers(8, 60, 2)
        twin = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
        mask = rng.random((1, height, width)) < rng.choice([0.02, 0.3])
        # The largest difference there can be: what is rounded off is as little as possible.
        forged = np.where(mask[..., None], np.where(twin < 128, np.uint8(255), np.uint8(0)), twin)
        before = twin.copy(), mask.copy()
        params = {"scale": float(scale), "every": 1}
        (prepared, label), (original, nothing) = chain.prepare(forged, mask, params), chain.prepare(twin, None, params)
        assert nothing is None
        assert label.shape == prepared.shape[:3] == original.shape[:3]
        assert label.dtype == bool
        differ = (prepared != original).any(axis=3)
        assert not (differ & ~label).any()
        assert (label & ~differ).sum() <= 0.1 * label.sum()  # nor is the label larger than it must be
        np.testing.assert_array_equal(twin, before[0])
        np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize(
    ("name", "size", "scale", "expected"),
    [
        ("jpeg", (9, 13), 1.0, (9, 13)),
        ("resize", (9, 40), 0.3, (8, 12)),
        ("h264", (9, 13), 1.0, (8, 12)),
        ("av1", (20, 30), 1.5, (30, 44)),  # 45 columns, the last one trimmed
    ],
)
def test_sides_are_rounded_and_those_of_videos_even(name: str, size, scale: float, expected):
    frames = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(1, *size, 3)
    result, label = Chain.named(name)().prepare(frames, np.ones((1, *size), bool), {"scale": scale, "every": 1})
    assert result.shape[1:3] == label.shape[1:] == expected
    if scale == 1:
        np.testing.assert_array_equal(result, frames[:, : expected[0], : expected[1]])


@pytest.mark.parametrize("name", [*FRAMES, *VIDEOS])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_what_is_decoded_is_what_a_reader_sees(panning, tmp_path, capfd, name: str, length: int):
    chain, params = Chain.named(name)(), _params(name, scale=1.0)
    frames, _ = chain.prepare(panning(length, 65, 71, (2, 1)), None, params)
    path = tmp_path / "new" / f"clip.v1{chain.suffix}"
    chain.write(path, frames, 25, params)
    clip = open_clip(path)
    assert (len(clip), clip.height, clip.width) == frames.shape[:3]
    seen = clip.read(range(len(clip)))
    np.testing.assert_array_equal(chain.decode(frames, 25, params), seen)
    error = np.abs(seen.astype(int) - frames).mean()
    assert error == 0 if name in ("none", "resize") else 0 < error < 20
    assert chain.folder == ("videos" if path.is_file() else "frames")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [*FRAMES, *VIDEOS])
def test_the_same_frames_give_the_same_bytes_whatever_came_before(panning, tmp_path, name: str):
    """Catches encoders that read what others left in memory, as x264 with its macroblock tree on AVX-512."""
    chain, params, rng = Chain.named(name)(), _params(name), np.random.default_rng(0)
    clip = np.clip(_cut(panning, 16, 130, 240) + rng.normal(0, 3, (16, 130, 240, 3)), 0, 255).astype(np.uint8)
    written = []
    for run in range(3):
        path = tmp_path / f"{run}{chain.suffix}"
        chain.write(path, clip, 25, params)
        written.append([file.read_bytes() for file in (sorted(path.iterdir()) if path.is_dir() else [path])])
        other = rng.integers(0, 256, (12, 146, 272, 3), dtype=np.uint8)
        chain.write(tmp_path / f"other{run}{chain.suffix}", other, 25, params)
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("name", VIDEOS)
def test_keyframes_come_every_gop_and_at_no_cut(panning, tmp_path, name: str):
    path = tmp_path / "clip.mp4"
    Chain.named(name)().write(path, _cut(panning, 14), 25, _params(name, gop=10))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        codec = container.streams.video[0].codec_context.codec.canonical_name
    assert codec == name
    assert [index for index, frame in enumerate(frames) if frame.key_frame] == [0, 10]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_higher_quality_number_is_a_worse_picture(panning, name: str):
    frames = panning(3, 64, 70, (2, 1))
    frames = np.repeat(frames[..., :1], 3, axis=3)  # grey: what halving the colour costs is the same at any quality
    chain = Chain.named(name)()
    errors = [np.abs(chain.decode(frames, 25, _params(name, quality=q)).astype(int) - frames).mean() for q in (5, 45)]
    assert errors[1] > 1.5 * errors[0]


def test_a_thinned_video_plays_as_long_as_before(panning, tmp_path):
    params = _params("h264", every=3)
    frames, _ = H264().prepare(panning(12, 16, 16, (1, 0)), None, params)
    H264().write(tmp_path / "clip.mp4", frames, 30000 / 1001 / H264().step(12, params), params)
    clip = open_clip(tmp_path / "clip.mp4")
    assert (len(clip), clip.fps) == (4, pytest.approx(10000 / 1001))


def test_jpeg_tables_and_colour_are_those_asked_for(panning, tmp_path):
    frames = panning(1, 24, 32, (0, 0))
    for quality, chroma, sampling in [(60, "4:2:0", 2), (93, "4:4:4", 0), (75, "4:2:2", 1)]:
        folder = tmp_path / str(quality)
        Jpeg().write(folder, frames, 25, {"quality": quality, "chroma": chroma})
        expected = io.BytesIO()
        Image.fromarray(frames[0]).save(expected, "JPEG", quality=quality)
        with Image.open(folder / "00000.jpg") as image, Image.open(expected) as same:
            assert image.quantization == same.quantization
            assert JpegImagePlugin.get_sampling(image) == sampling


def test_jpeg_draws_the_colour_it_is_given():
    drawn = {Jpeg(chroma=("4:4:4", "4:2:2")).sample(np.random.default_rng(seed))["chroma"] for seed in range(20)}
    assert drawn == {"4:4:4", "4:2:2"}


@pytest.mark.parametrize(("name", "side"), [("hevc", 16), ("av1", 64)])
def test_size_too_small_for_the_codec_is_refused(tmp_path, name: str, side: int):
    chain = Chain.named(name)
    with pytest.raises(InputError, match=rf"{name} of frames of {side}x{side - 2}.*expected {side} pixels a side"):
        chain().check(side - 2, side)
    with pytest.raises(InputError, match=r"rescaled by 0\.5"):
        chain(scale=(0.5, 1.0)).check(side, side)
    chain().check(side, side)
    chain().write(tmp_path / "clip.mp4", np.zeros((1, side, side, 3), np.uint8), 25, _params(name))


@pytest.mark.parametrize("length", [1, 5, 6])
def test_size_is_that_of_what_is_prepared(length: int):
    for name in ("resize", "h264"):
        for scale in (0.3, 0.77, 1.0, 1.31):
            params = _params(name, scale=scale, every=3)
            prepared, _ = Chain.named(name)().prepare(np.zeros((length, 41, 52, 3), np.uint8), None, params)
            assert Chain.named(name)().size(length, 41, 52, params) == prepared.shape[:3]


@pytest.mark.parametrize("name", ["h264", "vp9"])
def test_the_smallest_frames_that_are_prepared_can_be_written(panning, name: str):
    assert Chain.named(name)().decode(panning(3, 8, 8, (1, 0)), 25, _params(name)).shape == (3, 8, 8, 3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("none", {"scale": (0.5, 1.0)}),
        ("resize", {"scale": (0.0, 1.0)}),
        ("resize", {"scale": (1.5, 0.5)}),
        ("resize", {"every": (0, 2)}),
        ("jpeg", {"quality": (60, 101)}),
        ("jpeg", {"chroma": "4:2:0"}),
        ("jpeg", {"chroma": ()}),
        ("h264", {"quality": (18, 52)}),
        ("av1", {"gop": (0, 5)}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, object]):
    with pytest.raises(InputError, match=f"^{name}: "):
        Chain.build({"class_path": name, "init_args": options})


def test_png_of_frames_and_of_masks(panning, tmp_path):
    frames = panning(11, 9, 14, (1, 0))
    mask = frames[..., 0] > 128
    write_png(tmp_path / "a" / "frames", frames)
    write_png(tmp_path / "a" / "masks", mask)
    for index in (0, 10):
        np.testing.assert_array_equal(read_image(tmp_path / "a" / "frames" / f"{index:05}.png"), frames[index])
        np.testing.assert_array_equal(read_mask(tmp_path / "a" / "masks" / f"{index:05}.png"), mask[index])
    assert cv2.imread(str(tmp_path / "a" / "masks" / "00000.png"), cv2.IMREAD_UNCHANGED).ndim == 2
    assert len(list((tmp_path / "a" / "masks").iterdir())) == 11


def test_a_full_disk_is_named(panning, tmp_path):
    """OpenCV's own writer says that a file cannot be written, and not why."""
    frames = panning(1, 40, 40, (1, 0))
    with full_disk(100), pytest.raises(OSError, match="File too large") as error:
        write_png(tmp_path / "frames", frames)
    assert error.value.filename == str(tmp_path / "frames" / "00000.png")
