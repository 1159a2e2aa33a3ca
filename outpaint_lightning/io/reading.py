"""Reading whole regular files, and the meaning of their names."""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

from outpaint_lightning.io.files import StrPath
from outpaint_lightning.types import InputError


def require_regular(path: StrPath, expected: str) -> int:
    """Check that `path` is a regular file: reading a pipe would block, and a device such as /dev/zero has no end.

    Args:
        path: path of the file; links are followed.
        expected: the expected kind of file, for the message: "an image file".

    Returns:
        Its size in bytes.

    Raises:
        InputError: nothing is there, or it is not a regular file.
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


def read_json(path: StrPath, kind: type, expected: str) -> Any:
    """Read a JSON file from any author.

    Args:
        path: path of the file.
        kind: expected type of the content, `dict` or `list`.
        expected: expected content, for messages: "the record of a clip".

    Raises:
        InputError: it cannot be read, is not JSON, is nested too deeply, or holds something else.
    """
    try:
        content = json.loads(read_text(path, f"JSON with {expected}"))
    except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: is not JSON ({reason}); {expected} was expected") from error
    if not isinstance(content, kind):
        raise InputError(f"{path}: holds a {type(content).__name__}; {expected} was expected")
    return content


def inside(path: Path, folder: Path) -> bool:
    """Return whether a path found in a file leads into a folder after `..` and links are resolved."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a NUL in the name, or circular links
        return False


def composed(name: str) -> str:
    r"""Return a name with composed accents (NFC): macOS stores them decomposed, spreadsheets do not.

    >>> composed("cafe\u0301") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def on_disk(path: Path) -> Path:
    """Return a path as it is spelled on the disk, if the spelling differs only in its accents; see `composed`."""
    missing: list[str] = []
    while path.parent != path and not os.path.lexists(path):
        missing.append(path.name)
        path = path.parent
    for name in reversed(missing):
        twins = [other for other in _names(path) if composed(other) == composed(name)]
        path /= twins[0] if twins else name
    return path


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []
