"""Output folders: one command at a time writes to a folder, and folders and files appear only when complete."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from outpaint_lightning.io.files import full_disk_at
from outpaint_lightning.types import InputError

_REMAINS = re.compile(r"\.(.+\.)?lock|\.[0-9a-f]{12}(\.\w+)?")  # names of locks, and temporary names of `files.atomic`


@contextmanager
def sole_writer(out: Path, *parts: str) -> Iterator[None]:
    """Keep other commands from writing to a folder, or to some parts of it, until the block ends.

    A lock is a file, `.lock` or `.<part>.lock` in the folder; the operating system frees it however the process ends.
    The processes that the block starts may write too. Locks hold on one host, and between hosts if the file system
    supports that, as NFS 4 does.

    Args:
        out: the folder. It is created if it is missing, and removed again if the block leaves it empty.
        parts: names in the folder; without any, the whole folder is locked.

    Raises:
        InputError: another command writes there, or `out` is not a folder.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; expected a folder to write into")
    with ExitStack() as stack:
        stack.callback(_remove_empty, [folder for folder in (out, *out.parents) if not folder.exists()])
        out.mkdir(parents=True, exist_ok=True)
        for part in parts or ("",):
            stack.enter_context(_lock(out, part))
        yield


def is_free(folder: Path, *but: str) -> bool:
    """Return whether a folder is missing, or holds only locks, remains of a killed writer, and the given names."""
    return not folder.is_dir() or all(p.name in but or _REMAINS.fullmatch(p.name) for p in folder.iterdir())


@contextmanager
def _lock(out: Path, part: str) -> Iterator[None]:
    file = out / (f".{part}.lock" if part else ".lock")
    try:
        lock = FileLock(file, timeout=0).acquire()
    except Timeout as held:
        raise InputError(
            f"{out / part}: another command is writing there; wait for it, or give another folder"
        ) from held
    with lock:
        try:
            yield
        finally:
            # Safe while the lock is held: whoever has the file open sees that its name is gone and opens another.
            # Windows does not remove open files; the file stays there.
            with suppress(OSError):
                file.unlink()


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove empty folders, each before its parent; stop at one that is not empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def require_spared(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise `InputError` if an input lies in a folder that will be replaced."""
    for path in inputs:
        if path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{folder}: would replace {path}; give another --out")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that replaces `folder` if the block succeeds, and is removed otherwise.

    The old content of `folder` is kept until then, even if the process is killed. Use it within `sole_writer`.
    """
    partial, replaced = (folder.with_name(f".{folder.name}.{kind}") for kind in ("partial", "replaced"))
    if replaced.exists() and not folder.exists():  # killed between the two renames below
        replaced.rename(folder)
    for rest in (partial, replaced):
        _remove(rest)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        _remove(partial)
        raise
    if folder.exists():
        folder.rename(replaced)
    partial.rename(folder)
    _remove(replaced)


def _remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` after the block succeeded and the data is on the disk.

    The temporary file always has the same name, so killed processes leave at most one behind.
    """
    temporary = path.with_name(f".{path.name}.partial")
    with full_disk_at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk. Windows cannot flush folders; there it does nothing."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
