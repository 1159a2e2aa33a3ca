"""What the C library does with memory that is no longer used."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENAS = -1, -3, -8  # of <malloc.h>
_LARGE = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, for its next tensors. Only glibc has this setting.

    By default, glibc gives a large block back to the kernel as soon as it is freed, and gets the next one page by page,
    each filled with zeros. A net that allocates the same tensors for every frame spends a fifth of its time there. The
    process stays as large as it was at its largest.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)
        mallopt(_ARENAS, 1)  # those of other threads hold no large blocks
