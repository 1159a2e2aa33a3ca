"""Images of class numbers, such as the layout of a photo: an 8-bit PNG whose grey value or palette index counts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outpaint_lightning.io.files import StrPath, atomic
from outpaint_lightning.io.images import opened_image
from outpaint_lightning.types import InputError


def read_index(path: StrPath) -> NDArray[np.uint8]:
    """Read a grey or palette PNG of numbers from 0 to 255; colours of a palette are not looked up.

    Returns:
        `H W` uint8.

    Raises:
        InputError: the file is missing, does not decode, or is no such PNG.
    """
    with opened_image(path) as image:
        mode = image.mode
        if image.format == "PNG" and mode in ("L", "P"):
            return np.array(image, np.uint8)
    raise InputError(f"{path}: an image of mode {mode}; expected an 8-bit grey or palette PNG of class numbers")


def write_index(path: StrPath, numbers: NDArray[np.uint8]) -> None:
    """Write `H W` uint8 as an 8-bit grey PNG.

    Raises:
        InputError: the suffix is not `.png`.
    """
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{path}: cannot write this kind; expected .png, which keeps numbers exactly")
    _, data = cv2.imencode(".png", numbers)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())
