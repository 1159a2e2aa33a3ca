"""Limits on the size of pictures: the size that a file claims is checked before memory is allocated."""

from __future__ import annotations

import os

from outpaint_lightning.io.files import StrPath
from outpaint_lightning.types import InputError

MAX_PIXELS = 178_956_970
"""Pixels of the largest picture or frame that is read, the same as Pillow's limit; a 16K frame has 133 million."""

VARIABLE = "OUTPAINT_LIGHTNING_MAX_PIXELS"
"""Environment variable that replaces both limits: this one, and the one that depends on the file's size."""

_HARMLESS = 2**24  # pixels; such a frame takes 50 MB
_PER_BYTE = 2**15  # pixels; a black frame of the best codecs has fewer per byte of its file


def pixel_limit(size: int) -> int:
    """Return the number of pixels that a picture in a file of `size` bytes may have.

    A small file cannot hold a large picture: above 16.8 million pixels, each byte allows 32768 pixels.

    Raises:
        InputError: the environment variable `VARIABLE` is not a positive integer.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return min(MAX_PIXELS, max(_HARMLESS, _PER_BYTE * size))
    if not (given.isascii() and given.isdigit() and len(given) < 16 and int(given)):
        raise InputError(f"{VARIABLE} is {given!r}; a number of pixels was expected, as in {VARIABLE}={MAX_PIXELS}")
    return int(given)


def require_pixels(path: StrPath, width: int, height: int, size: int) -> None:
    """Check the size that a file claims, before memory of that size is allocated.

    Args:
        path: path for the message.
        width: columns that the file claims.
        height: rows that the file claims.
        size: size of the file in bytes.

    Raises:
        InputError: the size exceeds `pixel_limit`; the message gives the limit and how to raise it.
    """
    limit = pixel_limit(size)
    if width * height > limit:
        raise InputError(
            f"{path}: does not decode: {width}x{height} pixels in {size} bytes; at most {limit} pixels were expected "
            f"(set {VARIABLE} to read more)"
        )
