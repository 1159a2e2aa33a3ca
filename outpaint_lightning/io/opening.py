"""Opens any path as a clip."""

from __future__ import annotations

import os
from pathlib import Path

from outpaint_lightning.io.clips import Clip, FrameFolder
from outpaint_lightning.io.files import StrPath
from outpaint_lightning.io.kinds import SOME_VIDEO_SUFFIXES, VIDEO_SUFFIXES, has_name_of_image
from outpaint_lightning.io.video import VideoFile
from outpaint_lightning.types import InputError, did_you_mean_beside


def open_clip(path: StrPath) -> Clip:
    """Open a folder of frames, a video file, or an image file as a clip of one frame.

    Raises:
        InputError: nothing is there, it is neither a folder nor a file with a video's or an image's suffix, or it
            cannot be read.
    """
    path = Path(path)
    if os.path.isdir(path) or (has_name_of_image(path) and os.path.exists(path)):
        return FrameFolder(path)
    expected = f"a folder of PNG or JPEG frames, one such image or a video file ({SOME_VIDEO_SUFFIXES}) was expected"
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder{did_you_mean_beside(path)}; {expected}")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path}: not a clip; {expected}")
    return VideoFile(path)
