"""Attributes that distinguish files without looking at a pixel: format, sizes and tables from their headers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL.JpegImagePlugin import get_sampling

from outpaint_lightning.audit.findings import listed
from outpaint_lightning.io.containers import open_stream
from outpaint_lightning.io.images import opened_image
from outpaint_lightning.types import InputError

FORMAT, SIZE, FRAMES = "file format", "frame size", "number of frames"
TABLES, PIXELS, RATE = "JPEG quantisation", "pixel format", "frame rate"
ATTRIBUTES = (FORMAT, SIZE, FRAMES, TABLES, PIXELS, RATE)
WITHIN_FORMAT = (TABLES, PIXELS, RATE)
"""These depend on the file format, so they are compared only between files of one format."""

_STANDARD_LUMA = 57.625  # mean of table K.1 of ITU-T T.81; libjpeg scales this table for every quality
_NAMED = 3  # number of different values shown per clip
_SAMPLINGS = {0: " 4:4:4", 1: " 4:2:2", 2: " 4:2:0"}


def frames_attributes(files: Sequence[Path]) -> dict[str, str]:
    """Return the attributes of some frames of a clip; different values are joined, unreadable headers are skipped."""
    values: dict[str, set[str]] = {}
    for file in files:
        with suppress(InputError):
            for name, value in image_attributes(file).items():
                values.setdefault(name, set()).add(value)
    return {name: listed(sorted(found), _NAMED, " + ") for name, found in values.items()}


def image_attributes(path: Path) -> dict[str, str]:
    """Return the attributes of an image, from its header.

    Raises:
        InputError: the file is missing or is not an image.
    """
    with opened_image(path) as image:
        found = {
            FORMAT: f"{path.suffix.lower()} {image.format}",
            SIZE: f"{image.width}x{image.height}",
            PIXELS: image.mode,
        }
        if image.format == "PNG":
            with path.open("rb") as file:
                found[PIXELS] += f" {file.read(25)[24]}-bit"  # Pillow's mode does not show 16-bit colour
        if tables := getattr(image, "quantization", None):
            found[TABLES] = _quality(tables)
            found[PIXELS] += _SAMPLINGS.get(get_sampling(image), "")
        return found


def video_attributes(path: Path) -> dict[str, str]:
    """Return the attributes of a video file, from its header.

    Raises:
        InputError: the file is missing or holds no video that can be decoded.
    """
    with open_stream(path) as (_, stream):
        found = {
            FORMAT: f"{path.suffix.lower()} {stream.codec_context.name}",
            SIZE: f"{stream.codec_context.width}x{stream.codec_context.height}",
            PIXELS: str(stream.codec_context.pix_fmt),
            RATE: f"{float(stream.average_rate or 0):.2f}",
        }
        if stream.frames:
            found[FRAMES] = str(stream.frames)
        return found


def _quality(tables: dict[int, list[int]]) -> str:
    """Return libjpeg's quality for these tables, and a number that distinguishes different tables of one quality."""
    scale = 100 * float(np.mean(tables[0])) / _STANDARD_LUMA
    quality = 100 - scale / 2 if scale <= 100 else 5000 / scale
    code = zlib.crc32(repr([list(table) for _, table in sorted(tables.items())]).encode())
    return f"quality {quality:.0f} #{code & 0xFFFF:04x}"
