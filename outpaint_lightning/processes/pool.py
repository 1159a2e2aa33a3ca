"""Processes many clips in worker processes, and shows the progress."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

import cv2

from outpaint_lightning.processes.progress import shown
from outpaint_lightning.types import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_clip(
    work: Callable[[Item], Result], clips: Sequence[Item], workers: int, title: str
) -> Generator[Result, None, None]:
    """Yield the result of each clip in order; show a bar on a terminal, otherwise a line per tenth.

    If the caller stops or a clip fails, no further clip is started; at Ctrl-C, clips in progress are abandoned.

    Args:
        work: function of one clip; with several workers it must be a function of a module.
        clips: inputs of the function.
        workers: number of processes; more than 1 need a main module that can be imported.
        title: title of the progress; an empty title shows none.

    Raises:
        InputError: `workers` is less than 1.
    """
    if workers < 1:
        raise InputError(f"--workers {workers}: expected 1 or more processes")
    done = _results(work, clips, workers)
    return shown(done, len(clips), title, "clip") if title else done


def _results(work: Callable[[Item], Result], clips: Sequence[Item], workers: int) -> Generator[Result, None, None]:
    if workers == 1 or len(clips) == 1:
        yield from map(work, clips)
        return
    # spawn, because the threads of OpenCV do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(clips)), context, initializer=_start_worker) as pool:
        yield from pool.map(partial(_Worker.do, work), clips)


class _Worker:
    """The state of a worker process for Ctrl-C, which it receives too: it abandons its clip and starts no other.

    While it waits for a clip, no exception is raised, because it would only print noise.
    """

    working = False
    stopped = False

    @classmethod
    def stop(cls, *_: object) -> None:
        cls.stopped = True
        if cls.working:
            raise KeyboardInterrupt

    @classmethod
    def do(cls, work: Callable[[Item], Result], clip: Item) -> Result:
        cls.working = True
        try:
            if cls.stopped:
                raise KeyboardInterrupt
            return work(clip)
        finally:
            cls.working = False


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes share the cores
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch, which may be imported later
    signal.signal(signal.SIGINT, _Worker.stop)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when its parent is killed; nothing else would end it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
