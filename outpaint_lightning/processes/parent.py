"""Processes that leave no other behind."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: nothing may be imported after a fork


def die_with_parent() -> None:
    """Have Linux kill this process as soon as the thread that started it is gone; elsewhere do nothing.

    A `preexec_fn` of `subprocess.Popen`, or the first call of a process. It is not passed on to children.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
