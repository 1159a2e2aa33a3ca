"""Reading and writing single images and masks.

Images are `H W 3` uint8 RGB for every kind of file: 16-bit samples keep their high byte, grey is repeated, alpha is
dropped, palettes are resolved and the EXIF orientation is applied. Masks are `H W` bool, True = forged.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from outpaint_lightning.io.files import StrPath, atomic
from outpaint_lightning.io.limits import MAX_PIXELS, VARIABLE, pixel_limit, require_pixels
from outpaint_lightning.io.reading import read_bytes, require_regular
from outpaint_lightning.types import InputError

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_EXIF_ORIENTATION = 0x0112
_BYTES_OF_PIXEL = 8  # 16 bits of four channels, uncompressed
_PAGES = 64  # pages to look at
# Pillow's names of the formats that are read. One of the others (EPS) lets Ghostscript run a program in the file.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM", "GIF")
_ONE_PICTURE = ("JPEG", "MPO")  # more pictures in these are not pages, but depth, a gain map or the other eye
_REDUCED = 254, 1  # tag and bit of a TIFF page that is a reduced copy of another page
# Pillow's names of the modes that a 0/255 mask may have; RGB if its channels are equal.
_MASK_MODES = ("1", "L", "P", "RGB")


def read_image(path: StrPath) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: a file of one of `kinds.IMAGE_SUFFIXES`; its content decides the format, not its suffix.

    Returns:
        `H W 3` uint8 RGB.

    Raises:
        InputError: the file is missing, not a regular file, does not decode, is truncated, exceeds `limits`, or holds
            several pictures: pages or an animation.
    """
    return _image(path, _read_bytes(path))


def image_size(path: StrPath) -> tuple[int, int]:
    """Return height and width of the image that `read_image` would return, from the file's header only.

    Raises:
        InputError: the file is missing, is not an image, or has a header that `read_image` refuses.
    """
    with opened_image(path) as image:
        width, height = image.size
        turned = image.getexif().get(_EXIF_ORIENTATION) in (5, 6, 7, 8)  # they swap rows and columns
    return (width, height) if turned else (height, width)


@contextmanager
def opened_image(path: StrPath) -> Iterator[Image.Image]:
    """Open an image with Pillow, which reads only its header.

    Raises:
        InputError: as `read_image`, if the header shows the problem; also for what Pillow raises inside the block.
    """
    size = require_regular(path, "an image file")
    with _refusing(path), _opened(path, path, size) as image:
        yield image


def write_image(path: StrPath, rgb: NDArray[np.uint8]) -> None:
    """Write `H W 3` uint8 RGB as PNG or JPEG (quality 95), by the suffix of `path`.

    Raises:
        InputError: the suffix is neither `.png` nor `.jpg` or `.jpeg`.
    """
    _write(path, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (".png", ".jpg", ".jpeg"))


def read_mask(path: StrPath, nonzero: bool = False) -> NDArray[np.bool_]:
    """Read a mask: an 8-bit grey PNG (or RGB with equal channels) with only 255 = forged and 0 = authentic.

    Args:
        path: the PNG.
        nonzero: the PNG holds object numbers instead, as in DAVIS: palette indices or grey values. All but 0 are
            forged; in a colour image, everything but black.

    Returns:
        `H W` bool, True = forged.

    Raises:
        InputError: the file is missing, does not decode, or is another kind of PNG; the message lists the values found.
    """
    data = _read_bytes(path)
    if not data.startswith(_PNG):
        raise InputError(f"{path}: not a PNG; a mask is an 8-bit grey PNG of the values 0 and 255")
    mode = "L" if _is_ordinary(data) else _decode(path, data).mode
    if mode not in _MASK_MODES or data[24] > 8:  # byte 24 of a PNG: bits per sample
        raise InputError(
            f"{path}: {data[24]}-bit PNG of mode {mode}; "
            "a mask is an 8-bit grey PNG of the values 0 and 255, without alpha"
        )
    if nonzero:
        numbers = np.atleast_3d(np.asarray(_decode(path, data)))  # the palette is not resolved
        return np.asarray(numbers.any(axis=2))
    image = _image(path, data)
    mask: NDArray[np.uint8] = image[..., 0]
    if not (np.array_equal(mask, image[..., 1]) and np.array_equal(mask, image[..., 2])):
        raise InputError(f"{path}: a colour image; a mask is an 8-bit grey PNG of the values 0 and 255")
    forged = np.asarray(mask == 255)
    if not np.array_equal(forged, mask != 0):
        found = np.unique(mask).tolist()
        shown = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
        raise InputError(f"{path}: values {shown} found; a mask holds only 0 (authentic) and 255 (forged)")
    return forged


def write_mask(path: StrPath, mask: NDArray[np.bool_]) -> None:
    """Write `H W` bool as an 8-bit grey PNG, 255 = True = forged.

    Raises:
        InputError: the suffix is not `.png`, the only kind here that keeps values exactly.
    """
    _write(path, np.where(mask, np.uint8(255), np.uint8(0)), (".png",))


def _read_bytes(path: StrPath) -> bytes:
    size = require_regular(path, "an image file")
    if size > _BYTES_OF_PIXEL * pixel_limit(size):
        raise InputError(f"{path}: has {size} bytes, more than the largest image that is read; an image was expected")
    return read_bytes(path, "an image file")


def _image(path: StrPath, data: bytes) -> NDArray[np.uint8]:
    if _is_ordinary(data):
        with _refusing(path), _opened(path, io.BytesIO(data), len(data)):
            pass  # now its size is known to be harmless
        with suppress(cv2.error):  # a size that OpenCV refuses; Pillow then reports it
            image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # ~1.5x Pillow's speed
            if image is not None:
                return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), np.uint8)
    return _to_rgb(path, _decode(path, data))


def _is_ordinary(data: bytes) -> bool:
    """Whether OpenCV reads `data` as Pillow would: a complete 8-bit grey or RGB PNG or JPEG without orientation.

    OpenCV fills the missing part of a truncated file without an error, so the end marker must be there. It also
    allocates memory for a chunk of any length before reading it.
    """
    if data.startswith(_PNG):
        plain = data[24:26] in (b"\x08\x00", b"\x08\x02") and _is_whole_png(data)  # bits per sample, colour type
        special = [b"eXIf", b"tRNS", b"acTL", b"Raw profile", b"iCCP"]  # iCCP: libpng warns about many
    else:
        plain = data.startswith(_JPEG) and data.endswith(b"\xff\xd9")
        special = [b"Exif\0\0", b"Adobe", b":Orientation"]  # Adobe: CMYK and its inverted variants
    return plain and not any(mark in data for mark in special)


def _is_whole_png(data: bytes) -> bool:
    """Whether the chunks of a PNG follow each other up to its end (PNG specification, 5.3)."""
    at = len(_PNG)
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND":
            return at == len(data)
    return False


def _decode(path: StrPath, data: bytes) -> Image.Image:
    with _refusing(path):
        image = _opened(path, io.BytesIO(data), len(data))
        image.load()
        return ImageOps.exif_transpose(image)


@contextmanager
def _refusing(path: StrPath) -> Iterator[None]:
    """Turn every exception of Pillow into an `InputError`; each plugin raises its own kind."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path}: does not decode: {error}; at most {MAX_PIXELS} pixels were expected (set {VARIABLE} to read more)"
        ) from error
    except Exception as error:
        cause = " (truncated?)" if _is_cut_off(Path(path)) else ""
        raise InputError(f"{path}: does not decode{cause}; a whole PNG or JPEG image was expected") from error


def _is_cut_off(path: Path) -> bool:
    """Whether a file begins as a PNG or JPEG and does not end as one."""
    with path.open("rb") as file:
        head = file.read(len(_PNG))
        file.seek(max(0, path.stat().st_size - 64))  # some writers add a few bytes after the end
        tail = file.read()
    return (head == _PNG and b"IEND" not in tail) or (head.startswith(_JPEG) and b"\xff\xd9" not in tail)


def _opened(path: StrPath, source: StrPath | io.BytesIO, size: int) -> Image.Image:
    """Open a file of `size` bytes and read its header; refuse an image that is too large or has several pictures."""
    formats = ("TGA",) if Path(path).suffix.lower() == ".tga" else _FORMATS  # almost any file passes as a TGA
    if (limit := pixel_limit(size)) > MAX_PIXELS:  # set by the user
        Image.MAX_IMAGE_PIXELS = limit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about images of half Pillow's limit, and about odd metadata
        image = Image.open(source, formats=formats)
        require_pixels(path, *image.size, size)
        pictures = 1 if image.format in _ONE_PICTURE else _pictures(image)
    if pictures > 1 or image.format == "GIF":
        raise InputError(
            f"{path}: a {image.format} of {pictures} pictures; one was expected: save them as a folder of images"
        )
    return image


def _pictures(image: Image.Image) -> int:
    """Return the number of pages, or of frames of an animation; reduced copies in a TIFF do not count."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format != "TIFF":
        return int(count)
    tag, bit = _REDUCED
    pages = 0
    for page in range(min(count, _PAGES)):
        image.seek(page)
        pages += not int(image.tag_v2.get(tag, 0)) & bit  # type: ignore[attr-defined]
    image.seek(0)
    return pages


def _to_rgb(path: StrPath, image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        high = (np.asarray(image) >> 8).astype(np.uint8)  # as Pillow does with 16-bit RGB
        return np.repeat(high[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: 32-bit samples; an 8- or 16-bit image was expected")
    return np.array(image.convert("RGB"))


def _write(path: StrPath, image: Any, suffixes: tuple[str, ...]) -> None:
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise InputError(f"{path}: cannot write this kind; expected one of {' '.join(suffixes)}")
    _, data = cv2.imencode(suffix, image)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())
