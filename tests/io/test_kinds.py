"""Which pictures and videos are read, and that the others are named."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image
from videos import encode, number_of, numbered

from outpaint_lightning.forge.sources import clean_clips, left_out
from outpaint_lightning.io import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    FrameFolder,
    composed,
    image_size,
    natural_key,
    on_disk,
    open_clip,
    paired_masks,
    read_dataset,
    read_image,
    write_image,
    write_mask,
)
from outpaint_lightning.types import InputError, did_you_mean


def picture(seed, height=24, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


WRITTEN_AS = {
    **dict.fromkeys((".png",), "PNG"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "JPEG"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".webp",), "WEBP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".avif",), "AVIF"),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "JPEG2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **dict.fromkeys((".tga",), "TGA"),
}


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_kind_of_image_is_read(tmp_path, suffix):
    """Catches a suffix that is listed and not read, and one that is read and skipped in a folder."""
    pixels = picture(1)
    path = tmp_path / f"photo{suffix.upper()}"
    Image.fromarray(pixels).save(path, format=WRITTEN_AS[suffix])
    assert image_size(path) == (24, 32)
    read = read_image(path)
    if WRITTEN_AS[suffix] in ("PNG", "BMP", "TIFF", "PPM", "TGA"):
        np.testing.assert_array_equal(read, pixels)
    else:  # noise is the worst that lossy coding can meet: the mean error is far below that of other noise, 85
        assert np.abs(read.astype(int) - pixels).mean() < 60
    assert len(FrameFolder(tmp_path)) == len(open_clip(path)) == 1


@pytest.mark.parametrize(
    ("suffix", "muxer", "codec"),
    [
        (".MTS", "mpegts", "libx264"),
        (".m2ts", "mpegts", "libx264"),
        (".vob", "vob", "mpeg2video"),
        (".mxf", "mxf", "mpeg2video"),
        (".asf", "asf", "wmv2"),
        (".qt", "mov", "libx264"),
        (".h264", "h264", "libx264"),
        (".mjpeg", "mjpeg", "mjpeg"),
        (".m2v", "mpeg2video", "mpeg2video"),
        (".3g2", "3g2", "libx264"),
        (".y4m", "yuv4mpegpipe", "wrapped_avframe"),
        (".ivf", "ivf", "libvpx"),
        (".nut", "nut", "libx264"),
        (".wtv", "wtv", "mpeg2video"),
        (".ogv", "ogv", "libvpx"),
    ],
)
def test_many_kinds_of_video_are_read(tmp_path, suffix, muxer, codec):
    """Catches suffixes of camcorders, discs and raw streams skipped without a word."""
    assert suffix.lower() in VIDEO_SUFFIXES
    options = {"strict": "unofficial"} if codec == "mjpeg" else None
    path = encode(tmp_path / f"a.{muxer}", [numbered(i) for i in range(6)], codec=codec, options=options, form=muxer)
    path = path.rename(tmp_path / f"CAM0001{suffix}")
    clip = open_clip(path)
    assert [number_of(frame) for frame in clip] == list(range(6))
    assert [entry.clip for entry in clean_clips(tmp_path, None, 0)] == ["CAM0001"]


def test_what_is_not_read_is_named(tmp_path):
    """Catches pictures and videos left out without a word: a photo less, or every later frame a number too low."""
    write_image(tmp_path / "a.png", picture(0))
    for name in ("IMG_1.HEIC", "raw.CR2", "moving.gif", "card.r3d", "notes.txt", ".hidden.heic"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "folder.heic").mkdir()
    write_image(tmp_path / "folder.heic" / "0.png", picture(0))
    assert [path.name for path in left_out(tmp_path)] == ["card.r3d", "IMG_1.HEIC", "moving.gif", "raw.CR2"]
    with pytest.raises(InputError, match=r"card\.r3d: pictures and videos of this kind are not read here; convert it"):
        open_clip(tmp_path)
    for name in ("frames", "videos"):
        root = tmp_path / f"set_{name}"
        write_image(root / name / "a.png", picture(0))
        (root / name / "b.heic").write_bytes(b"?")
        with pytest.raises(InputError, match=r"b\.heic: not an image; one of \.png"):
            read_dataset(root)
    only = tmp_path / "only"
    only.mkdir()
    (only / "x.dng").write_bytes(b"?")
    with pytest.raises(InputError, match=r"no clips found \(x\.dng: pictures and videos of this kind are not read"):
        clean_clips(only, None, 0)


def test_forge_names_what_it_leaves_out(tmp_path, capsys):
    from outpaint_lightning.cli import main

    for number in range(3):
        write_image(tmp_path / "clips" / f"photo{number}.jpe.png", picture(number, 64, 64))
    (tmp_path / "clips" / "IMG_1.HEIC").write_bytes(b"?")
    options = ["--per-clip", "0", "--chain", "none", "--workers", "1"]
    assert main(["forge", str(tmp_path / "clips"), str(tmp_path / "out"), *options]) == 0
    assert "forge: left out, pictures and videos of this kind are not read here: IMG_1.HEIC" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"), [("a.tif", "TIFF"), ("a.webp", "WEBP"), ("a.png", "PNG"), ("a.avif", "AVIF")]
)
def test_pages_and_animations_are_refused(tmp_path, name, kind):
    """Catches the first picture taken for all of them."""
    pages = [Image.fromarray(picture(seed)) for seed in range(4)]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    for read in (read_image, image_size, open_clip):
        with pytest.raises(InputError, match=rf"a {kind} of 4 pictures; one was expected: save them as a folder of"):
            read(tmp_path / name)


def test_what_only_accompanies_a_picture_is_no_page(tmp_path):
    """Catches photos refused for a thumbnail in their TIFF or for the second picture of an MPO: a depth or gain map."""
    small, large = Image.fromarray(picture(0, 6, 8)), Image.fromarray(picture(1))
    small.encoderinfo = {"tiffinfo": {254: 1}}  # TIFF 6.0, section 8: NewSubfileType, a reduced copy
    large.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    large.save(tmp_path / "a.mpo", save_all=True, append_images=[small])
    for name in ("a.tif", "a.mpo"):
        with Image.open(tmp_path / name) as image:
            assert image.n_frames == 2
        assert read_image(tmp_path / name).shape == (24, 32, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), picture(1))


@pytest.fixture
def masks(tmp_path):
    """Make a folder of masks of these names."""

    def make(*names):
        for name in names:
            write_mask(tmp_path / "masks" / name, np.eye(8, dtype=bool))
        return tmp_path / "masks"

    return make


def numbers(*values):
    return [f"{value:05d}" for value in values]


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        (numbers(*range(12)), [f"{i}.png" for i in range(12)]),  # by value, not as text
        (numbers(3, 4, 5), ["mask_3.png", "mask_4.png", "mask_5.png"]),
        (["v2_007", "v2_008"], ["007.png", "008.png"]),  # the last group of digits
        (["left", "right"], ["a.png", "b.png"]),  # no numbers: in order
        (["shot"], ["00012.png"]),  # of a single frame there is no order to mistake
    ],
)
def test_masks_pair_with_the_frames_of_their_numbers(masks, frames, names):
    folder = masks(*names[::-1])
    assert [path.name for path in paired_masks(folder, frames, "clip")] == names


@pytest.mark.parametrize(
    ("frames", "names", "said"),
    [
        (
            numbers(*range(6)),
            [0, 1, 3, 4, 5, 6],
            r"masks/00002\.png: missing mask; .* of clip was expected; found 00006",
        ),
        (numbers(*range(3)), [1, 2, 3], r"masks/00000\.png: missing mask; .*; found 00003\.png"),
        (numbers(*range(4)), [0, 1, 3], r"masks: 3 masks; 4 were expected, .* of clip; 00002\.png is missing"),
        (numbers(*range(2)), [0, 1, 2], "masks: 3 masks; 2 were expected, one for each frame of clip$"),
        (["left", "right"], [7], "masks: 1 masks; 2 were expected"),
    ],
)
def test_a_mask_of_another_number_is_not_taken_for_the_missing_one(masks, frames, names, said):
    """Catches masks paired by their order: from the missing one on, each is another frame's."""
    folder = masks(*(f"{name:05d}.png" for name in names))
    with pytest.raises(InputError, match=said):
        paired_masks(folder, frames, "clip")


def test_object_masks_of_forge_pair_by_name(tmp_path):
    """Catches object masks taken in their order."""
    from outpaint_lightning.forge.material import materials

    for number in range(4):
        write_image(tmp_path / "clips" / "a" / f"{number:05d}.png", picture(number, 64, 64))
        write_mask(tmp_path / "objects" / "a" / f"{number + (number > 1):05d}.png", np.eye(64, dtype=bool))
    [material] = materials(clean_clips(tmp_path / "clips", None, 0), tmp_path / "objects")
    with pytest.raises(InputError, match=r"objects/a/00002\.png: missing mask"):
        material.check()


NAME = "caf\u00e9"
APART = unicodedata.normalize("NFD", NAME)


def test_names_match_however_their_accents_are_stored(tmp_path):
    """Catches names compared byte by byte: macOS stores accents apart from their letters, spreadsheets do not."""
    assert APART != NAME == composed(APART)
    root = tmp_path / "set"
    for number in range(2):
        write_image(root / "frames" / APART / f"{number}.png", picture(number, 8, 8))
        write_mask(root / "masks" / NAME / f"{number}.png", np.eye(8, dtype=bool))
    (root / "manifest.csv").write_text(f"clip,split,source\n{NAME},train,{APART}\n", encoding="utf-8")
    [entry] = read_dataset(root)
    assert (entry.clip, entry.source) == (NAME, NAME)
    assert entry.frames.name == APART
    assert entry.masks == root / "masks" / NAME
    [clean] = clean_clips(root / "frames", root / "manifest.csv", 0)
    assert (clean.clip, clean.split) == (NAME, "train")


def test_lists_and_frames_match_in_other_layouts(tmp_path):
    """Catches the same in lists of clips, of photos, and of frames with their masks."""
    davis = tmp_path / "davis"
    write_image(davis / "JPEGImages" / APART / f"{APART}.png", picture(0, 8, 8))
    write_mask(davis / "Annotations" / NAME / f"{NAME}.png", np.eye(8, dtype=bool))
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "val.txt").write_text(NAME, encoding="utf-8")
    assert [(entry.clip, entry.split) for entry in read_dataset(davis)] == [(NAME, "val")]
    photo = tmp_path / APART / f"{APART}.png"
    write_image(photo, picture(0, 8, 8))
    assert on_disk(tmp_path / NAME / f"{NAME}.png") == photo
    assert on_disk(tmp_path / "none" / NAME) == tmp_path / "none" / NAME
    deep = photo.parent.joinpath(*["none"] * 2000)  # catches a function that calls itself for each folder
    assert on_disk(tmp_path / NAME / deep.relative_to(photo.parent)) == deep
    (tmp_path / "list.json").write_text(f'[["{NAME}/{NAME}.png", "Negative"]]', encoding="utf-8")
    [entry] = read_dataset(tmp_path / "list.json")
    assert (entry.clip, entry.frames) == (f"{NAME}__{NAME}", photo)


def test_the_nearest_name_is_that_of_the_same_file():
    """Catches `scene2` proposed for `scene0.mp4`, though `scene0` is there, and the other way round."""
    assert did_you_mean("scene0", ["scene0.mp4", "scene1", "scene2"]) == "; did you mean 'scene0.mp4'?"
    assert did_you_mean("scene0.mp4", ["scene2.mp4", "scene0"]) == "; did you mean 'scene0'?"
    assert did_you_mean("SCENE0", ["scene1", "scene0"]) == "; did you mean 'scene0'?"
    assert did_you_mean("sene1", ["scene1", "scene0"]) == "; did you mean 'scene1'?"


def test_numbers_of_any_length_sort_by_value():
    """Catches Python's refusal to read a number of more than 4300 digits."""
    long = "9" * 5000
    names = [f"a{long}", "a10", "a9", "a09", f"a1{long}", "a"]
    assert sorted(names, key=natural_key) == ["a", "a09", "a9", "a10", f"a{long}", f"a1{long}"]
