"""Writing files so that a reader never sees an incomplete one, and the natural order of numbered names."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from outpaint_lightning.types import InputError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
StrPath = str | os.PathLike[str]


@contextmanager
def atomic(path: StrPath) -> Iterator[Path]:
    """Yield a temporary path beside `path`. It is renamed to `path` if the block succeeds, and removed otherwise.

    The temporary file keeps the suffix, from which writers infer the format. A leading dot hides it, so that no frame
    folder counts it. Missing parent folders are created.
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}{path.suffix}")
    with full_disk_at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def full_disk_at(path: Path) -> Iterator[None]:
    """Make the error of a full disk name the file being written; the system names none, or a temporary file.

    Raises:
        OSError: names `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error


def write_json(path: StrPath, obj: Any) -> None:
    """Write `obj` as JSON with its order of keys; numbers that are not finite become `null`, paths become strings."""
    text = json.dumps(_plain(obj), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: StrPath, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per row, under the columns of all rows in order of appearance; undefined values stay empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: _plain(value) for column, value in row.items()} for row in rows)


def natural_key(path: StrPath) -> list[tuple[int, str]]:
    """Return the key that sorts `frame2.png` before `frame10.png`: numbers by value, other text as text.

    Digits and text alternate, so the keys of any two names compare; the spelling decides ties (`1` and `01`).
    """
    name = os.fspath(path)
    parts = re.split(r"([0-9]+)", name)
    keys = [_number_key(part) if i % 2 else (0, part.casefold()) for i, part in enumerate(parts)]
    return [*keys, (0, name)]


def _number_key(digits: str) -> tuple[int, str]:
    """Return the key that sorts numbers by value: without leading zeros, a longer number is larger."""
    digits = digits.lstrip("0")
    return len(digits), digits


def require_free(path: StrPath, overwrite: bool) -> None:
    """Raise `InputError` if `path` exists, is not an empty folder and may not be overwritten."""
    path = Path(path)
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not overwrite:
        raise InputError(f"{path} already exists; pass --overwrite")


def _plain(obj: Any) -> Any:
    """Return `obj` in JSON's types: numpy values unpacked, paths as strings, numbers that are not finite as None."""
    match obj:
        case np.ndarray() | np.generic():
            return _plain(obj.tolist())
        case float():
            return obj if math.isfinite(obj) else None
        case os.PathLike():
            return os.fspath(obj)
        case Mapping():
            return {str(key): _plain(value) for key, value in obj.items()}
        case list() | tuple():
            return [_plain(value) for value in obj]
        case _:
            return obj
