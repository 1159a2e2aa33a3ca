"""Work on many clips, in processes, with progress shown."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

import cv2
from tqdm import tqdm

from outpaint_lightning.types import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_clip(
    work: Callable[[Item], Result], clips: Sequence[Item], workers: int, title: str
) -> Generator[Result, None, None]:
    """Give the result of each clip, in order, with a bar on a terminal and a line every tenth of the way elsewhere.

    When the caller stops or a clip fails, no further one is begun; at Ctrl-C those in work are given up.

    Args:
        work: What to do with a clip; a function of a module if there are several workers.
        clips: What to do it with.
        workers: Processes; more than 1 need a main module that can be imported.
        title: Of the progress; empty to show none.

    Raises:
        InputError: `workers` is less than 1.
    """
    if workers < 1:
        raise InputError(f"--workers {workers}: expected 1 or more processes")
    done = _results(work, clips, workers)
    return _shown(done, len(clips), title) if title else done


def _shown(done: Iterator[Result], total: int, title: str) -> Generator[Result, None, None]:
    if sys.stderr.isatty():
        yield from tqdm(done, total=total, unit="clip", desc=title)
        return
    for count, result in enumerate(done, start=1):
        if count * 10 // total > (count - 1) * 10 // total:
            print(f"{title}: {count}/{total} clips", file=sys.stderr, flush=True)
        yield result


def _results(work: Callable[[Item], Result], clips: Sequence[Item], workers: int) -> Generator[Result, None, None]:
    if workers == 1 or len(clips) == 1:
        yield from map(work, clips)
        return
    # spawn: the threads of OpenCV do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(clips)), context, initializer=_start_worker) as pool:
        yield from pool.map(partial(_Worker.do, work), clips)


class _Worker:
    """What a worker process does at Ctrl-C, which reaches it too: it gives up its clip and begins no other.

    While it waits for a clip an exception would only be noise.
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
    os.environ["OMP_NUM_THREADS"] = "1"  # of torch, which is imported later if at all
    signal.signal(signal.SIGINT, _Worker.stop)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when the one that started it is killed: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
