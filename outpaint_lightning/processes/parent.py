"""Child processes that do not outlive their parent."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: nothing may be imported after a fork


def die_with_parent() -> None:
    """Make Linux kill this process as soon as the thread that started it is gone; do nothing on other systems.

    Use it as `preexec_fn` of `subprocess.Popen`, or as the first call of a process. Children do not inherit it.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
