"""Which files are images and which are videos, by their suffix, and which of them are supported."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable
from pathlib import Path

from outpaint_lightning.io.files import natural_key

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".avif"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
)

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp"),
    *(".qt", ".3g2", ".f4v", ".insv", ".lrv", ".divx", ".ogv", ".ogm", ".asf", ".rm", ".rmvb", ".ivf", ".obu", ".nut"),
    *(".mts", ".m2ts", ".m2t", ".trp", ".vob", ".mpe", ".m2v", ".mod", ".tod", ".mxf", ".gxf", ".dv", ".dif", ".wtv"),
    *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".mjpg", ".mjpeg", ".y4m", ".dav"),
)

# Added to the kinds that `mimetypes` knows, which differ between systems.
_UNREAD_SUFFIXES = (
    *(".gif", ".apng", ".heic", ".heif", ".hif", ".avifs", ".jxl", ".jxr", ".psd", ".xcf", ".svg", ".exr", ".hdr"),
    *(".pfm", ".pcx", ".sgi", ".ico", ".dds", ".qoi", ".cr2", ".cr3", ".crw", ".dng", ".nef", ".nrw", ".arw", ".srf"),
    *(".sr2", ".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".erf", ".kdc", ".mrw", ".rwl"),
    *(".r3d", ".braw", ".swf", ".mpv", ".yuv"),
)

UNREAD = "pictures and videos of this kind are not read here"
"""For messages."""

SOME_VIDEO_SUFFIXES = f"{' '.join(VIDEO_SUFFIXES[:12])} and {len(VIDEO_SUFFIXES) - 12} more"
"""For messages."""


def has_name_of_image(path: Path) -> bool:
    """Whether a name is not hidden and has the suffix of a supported image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."


def has_name_of_video(path: Path) -> bool:
    """Whether a name is not hidden and has the suffix of a supported video."""
    return path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "."


def has_name_of_media(path: Path) -> bool:
    """Whether a name is that of an image or a video, supported or not (.gif, .heic)."""
    suffix = path.suffix.lower()
    kind = mimetypes.guess_type(f"name{suffix}")[0] or ""
    known = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *_UNREAD_SUFFIXES)
    return path.name[:1] != "." and (suffix in known or kind.startswith(("image/", "video/")))


def is_image(path: Path) -> bool:
    """Whether `path` is a file that is not hidden and has an image's suffix."""
    return has_name_of_image(path) and path.is_file()


def unread(paths: Iterable[Path]) -> list[Path]:
    """Return the images and videos of unsupported kinds in natural order, so that they are reported, not skipped."""
    others = (
        path
        for path in paths
        if has_name_of_media(path)
        and not (has_name_of_image(path) or has_name_of_video(path))
        and not os.path.isdir(path)
    )
    return sorted(others, key=lambda path: natural_key(path.name))
