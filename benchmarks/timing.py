"""Two ways of doing the same thing, timed alternately in one process; what the benchmarks of speed share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, items: int | None = None) -> str:
    """Time both alternately; return the median of the ratios round by round, and the medians.

    Args:
        ours: above 1, this is the faster one.
        theirs: the peer.
        rounds: after one that warms up.
        items: images that a run handles, to tell images/s; None tells milliseconds.
    """
    times = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)][1:]  # the first round warms up
    ratios = [theirs / ours for ours, theirs in times]
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    told = f"{a * 1e3:.0f} against {b * 1e3:.0f} ms"
    if items is not None:
        told = f"{items / a:.1f} against {items / b:.1f} images/s"
    return f"{statistics.median(ratios):.2f}x ({spread}; {told})"


def seconds(run: Callable[[], object]) -> float:
    """Return how long a run takes by the clock, work on the GPU included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
