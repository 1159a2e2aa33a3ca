"""Reading whole files: regular ones only, and what their names mean."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path

from outpaint_lightning.io.files import StrPath
from outpaint_lightning.types import InputError


def require_regular(path: StrPath, expected: str) -> int:
    """Check that `path` leads to a regular file: a pipe would be waited for, a device such as /dev/zero has no end.

    Args:
        path: links are followed.
        expected: what the file should have been, for the message: "an image file".

    Returns:
        Its size in bytes.

    Raises:
        InputError: nothing is there, or it is no regular file.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); {expected} was expected") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise InputError(f"{path}: is {kind}; {expected} was expected")
    return status.st_size


def read_bytes(path: StrPath, expected: str) -> bytes:
    """Read a regular file.

    Raises:
        InputError: it cannot be read; see `require_regular` for `expected`.
    """
    require_regular(path, expected)
    try:
        return Path(path).read_bytes()
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "too large"
        raise InputError(f"{path}: cannot be read ({reason}); {expected} was expected") from error


def read_text(path: StrPath, expected: str) -> str:
    """Read a regular file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: it cannot be read or is not UTF-8; see `require_regular` for `expected`.
    """
    try:
        return read_bytes(path, expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not {expected} in UTF-8 ({error.reason} at byte {error.start})") from error


def composed(name: str) -> str:
    r"""Return a name with accents joined to their letters (NFC): macOS stores them apart, spreadsheets do not.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def on_disk(path: Path) -> Path:
    """Return a path as it is spelled on the disk, where that differs in its accents alone; see `composed`."""
    if path.parent == path or os.path.lexists(path):
        return path
    parent = on_disk(path.parent)
    twins = [name for name in _names(parent) if composed(name) == composed(path.name)]
    return parent / (twins[0] if twins else path.name)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []
