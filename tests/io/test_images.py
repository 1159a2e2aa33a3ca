from __future__ import annotations

import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from outpaint_lightning.io import image_size, images, read_image, read_mask, write_image, write_mask
from outpaint_lightning.types import InputError

HEIGHT, WIDTH = 5, 7


@pytest.fixture
def rgb():
    """Unequal height and width and no symmetry, so that nothing turned, mirrored or swapped looks the same."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "lossless.webp"])
def test_lossless_files_give_their_pixels_in_rgb(tmp_path, rgb, name):
    """Catches OpenCV's BGR order."""
    Image.fromarray(rgb).save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    image = read_image(tmp_path / name)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, rgb)


@pytest.mark.parametrize(("mode", "quality"), [("RGB", 90), ("L", 90), ("CMYK", 95)])
def test_jpeg_is_read_as_pillow_reads_it(tmp_path, mode, quality):
    """Catches the fast path taking CMYK, and another decoder's rounding: benchmarks compare pixel by pixel."""
    smooth = np.random.default_rng(1).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = Image.fromarray(smooth).resize((67, 45)).convert(mode)
    image.save(tmp_path / "a.jpg", quality=quality)
    expected = np.asarray(Image.open(tmp_path / "a.jpg").convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), expected)


def test_ordinary_files_take_the_fast_path(tmp_path, rgb, monkeypatch):
    """Catches a fast path that is never taken: training reads such files all day."""
    names = ["a.png", "a.jpg", "grey.png"]
    Image.fromarray(rgb).save(tmp_path / "a.png")
    Image.fromarray(rgb).save(tmp_path / "a.jpg")
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    monkeypatch.setattr(images, "_decode", None)
    assert [read_image(tmp_path / name).shape for name in names] == [(HEIGHT, WIDTH, 3)] * 3


def test_grey_palette_and_bilevel_become_rgb(tmp_path, rgb):
    """Catches palette indices or 0/1 read as brightness."""
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), rgb[..., :1].repeat(3, axis=2))
    palette = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
    palette.save(tmp_path / "palette.png")
    expected = np.array([[[10, 20, 30], [200, 100, 0]], [[1, 2, 3], [200, 100, 0]]])
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), expected)
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bilevel.png")
    np.testing.assert_array_equal(read_image(tmp_path / "bilevel.png")[..., 1], [[255, 0]])


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_dropped_not_blended(tmp_path, rgb, channels):
    """Catches transparent pixels turned black or white."""
    alpha = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    colours = rgb if channels == 4 else rgb[..., :1]
    Image.fromarray(np.concatenate([colours, alpha], axis=2)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.broadcast_to(colours, rgb.shape))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_their_high_byte(tmp_path, channels, suffix):
    """Catches clipping at 255, the low byte, and stretching to the file's own range."""
    if (channels, suffix) == (3, "tif"):
        pytest.skip("Pillow has no 16-bit RGB TIFF")
    deep = np.array([[0, 255, 256, 0x1234], [0x8000, 0xABCD, 0xFF00, 0xFFFF]], np.uint16)
    deep = deep if channels == 1 else np.stack([deep, deep[::-1], deep[:, ::-1]], axis=2)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), deep if channels == 1 else deep[..., ::-1])
    expected = np.broadcast_to((deep >> 8).reshape(2, 4, channels), (2, 4, 3))
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), expected)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 518])  # 518 is none: the picture stays as it is
def test_exif_orientation_is_applied_once(tmp_path, rgb, orientation, suffix):
    """Catches photographs left lying, or turned by the decoder and once more; and a size read before turning."""
    upright = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.swapaxes(0, 1),
        6: np.rot90(rgb, -1),
        7: np.rot90(rgb, 2).swapaxes(0, 1),
        8: np.rot90(rgb),
    }.get(orientation, rgb)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path, exif=exif, **({"quality": 100, "subsampling": 0} if suffix == "jpg" else {}))
    image = read_image(path)
    assert image_size(path) == image.shape[:2] == upright.shape[:2]
    # Quality 100 divides by 1: what is left is the rounding of the transform and of YCbCr, a few levels.
    assert np.abs(image.astype(int) - upright).max() <= (0 if suffix == "png" else 6)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.98])
def test_truncated_image_is_refused(tmp_path, suffix, kept, capfd):
    """Catches OpenCV's filling of the missing part with grey, and its remarks on it."""
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=rf"cut\.{suffix}: does not decode .* image was expected$"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_other_content_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    for name in ("a.png", "empty.jpg", "missing.png"):
        for read in (read_image, image_size):
            with pytest.raises(InputError, match=rf"{name}: .*image.* expected") as caught:
                read(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_image_of_an_absurd_size_is_refused(tmp_path):
    """Catches OpenCV's own error let through: the header, valid by its checksum, claims 2.5 thousand million pixels."""
    Image.new("L", (4, 4)).save(tmp_path / "huge.png")
    data = bytearray((tmp_path / "huge.png").read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "huge.png").write_bytes(data)
    for read in (read_image, read_mask, image_size):
        with pytest.raises(InputError, match=r"huge\.png: does not decode"):
            read(tmp_path / "huge.png")


def test_large_image_is_read_without_a_warning(tmp_path, rgb, monkeypatch):
    """Catches Pillow's warning of a decompression bomb printed, or raised where warnings are errors."""
    Image.fromarray(rgb).convert("RGBA").save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_size(tmp_path / "a.png") == (HEIGHT, WIDTH)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


def test_floating_point_image_is_refused(tmp_path):
    """Catches values in [0, 1] truncated to a black frame."""
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: 32-bit samples; an 8- or 16-bit image was expected"):
        read_image(tmp_path / "a.tif")


def test_content_counts_not_the_suffix(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), rgb)


def test_written_png_is_exact_and_rgb_to_others(tmp_path, rgb):
    """Catches BGR written and read back by the same mistake."""
    write_image(tmp_path / "new" / "a.png", rgb)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), rgb)
    write_image(tmp_path / "a.jpg", np.full((8, 8, 3), (200, 60, 20), np.uint8))
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - (200, 60, 20)).max() <= 4  # YCbCr rounding and quantisation
    with pytest.raises(InputError, match=r"a\.gif: cannot write .* \.png \.jpg \.jpeg"):
        write_image(tmp_path / "a.gif", rgb)


def test_mask_goes_out_as_255_for_forged_and_comes_back(tmp_path):
    """Catches the opposite polarity, and 1 written for 255."""
    mask = np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.5
    write_mask(tmp_path / "a.png", mask)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), mask * 255)
    back = read_mask(tmp_path / "a.png")
    assert back.dtype == np.bool_
    np.testing.assert_array_equal(back, mask)
    with pytest.raises(InputError, match=r"a\.jpg: .*\.png"):
        write_mask(tmp_path / "a.jpg", mask)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P"])
@pytest.mark.parametrize("fill", [0, 255])
def test_masks_of_equal_channels_are_accepted_empty_and_full_as_well(tmp_path, mode, fill):
    Image.new("L", (WIDTH, HEIGHT), fill).convert(mode).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.all() == mask.any() == (fill == 255)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0, 1], [1, 0]], "values 0, 1 found; a mask holds only 0 "),  # 1 for forged: would read as authentic
        ([[0, 255], [128, 0]], "values 0, 128, 255 found"),  # soft edges
        ([list(range(100, 110))], "values 100, 101, 102, 103, 104, 105, 106, 107, ... found"),
    ],
)
def test_mask_of_other_values_is_refused_and_says_which(tmp_path, values, said):
    Image.fromarray(np.array(values, np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError) as caught:
        read_mask(tmp_path / "m.png")
    assert str(caught.value).startswith(f"{tmp_path / 'm.png'}: ")
    assert said in str(caught.value)


def test_masks_of_other_kinds_are_refused(tmp_path):
    """Catches one channel taken for all, a mask hidden in alpha, 16-bit 255 read as 0, and a lossy format."""
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "colour.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "alpha.png")
    Image.fromarray(np.full((4, 4), 255, np.uint16)).save(tmp_path / "deep.png")
    cv2.imwrite(str(tmp_path / "deep_rgb.png"), np.full((4, 4, 3), 255, np.uint16))
    Image.new("L", (4, 4)).save(tmp_path / "lossy.jpg")
    (tmp_path / "cut.png").write_bytes((tmp_path / "colour.png").read_bytes()[:-20])
    for name, said in [
        ("colour.png", "a colour image; a mask is an 8-bit grey PNG"),
        ("alpha.png", "8-bit PNG of mode RGBA; a mask is"),
        ("deep.png", "16-bit PNG of mode I;16; a mask is"),
        ("deep_rgb.png", "16-bit PNG of mode RGB; a mask is"),
        ("lossy.jpg", "not a PNG; a mask is"),
        ("cut.png", "does not decode"),
        ("missing.png", "cannot be read"),
    ]:
        with pytest.raises(InputError) as caught:
            read_mask(tmp_path / name)
        assert f"{name}: {said}" in str(caught.value)


def test_object_numbers_mark_everything_but_zero(tmp_path):
    """Catches a palette looked up, where object 2 is black and 0 is not, and 255 alone taken for forged."""
    numbers = np.array([[0, 1, 2], [254, 255, 0]], np.uint8)
    palette = Image.fromarray(numbers, "P")
    palette.putpalette([9, 9, 9, 128, 0, 0, 0, 0, 0])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(numbers).save(tmp_path / "grey.png")
    Image.fromarray(np.array([[False, True]])).save(tmp_path / "bilevel.png")
    Image.fromarray(np.array([[[0, 0, 0], [0, 0, 7]]], np.uint8)).save(tmp_path / "colour.png")
    for name, expected in [
        ("palette.png", [[0, 1, 1], [1, 1, 0]]),
        ("grey.png", [[0, 1, 1], [1, 1, 0]]),
        ("bilevel.png", [[0, 1]]),
        ("colour.png", [[0, 1]]),
    ]:
        mask = read_mask(tmp_path / name, nonzero=True)
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, expected)
    Image.new("RGBA", (4, 4)).save(tmp_path / "alpha.png")
    with pytest.raises(InputError, match=r"alpha\.png: 8-bit PNG of mode RGBA"):
        read_mask(tmp_path / "alpha.png", nonzero=True)
