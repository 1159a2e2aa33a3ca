"""Time two ways of doing the same work alternately in one process. The speed benchmarks share this module."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch


class Row(NamedTuple):
    """The duration of our way and of a peer's for the same work."""

    work: str
    peer: str
    ratio: float
    """Median over rounds of the peer's time divided by ours. Above 1, ours is faster."""
    lowest: float
    highest: float
    ours: float
    """Median seconds."""
    theirs: float
    """Median seconds."""
    equality: str = ""
    """How well both results agree."""

    def __str__(self) -> str:
        """Return one line."""
        times = f"{1e3 * self.ours:.4g} against {1e3 * self.theirs:.4g} ms"
        line = f"{self.work}: {self.ratio:.2f}x {self.peer} ({self.lowest:.2f} to {self.highest:.2f}; {times})"
        return f"{line}, {self.equality}" if self.equality else line


def compared(
    work: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int, equality: str = ""
) -> Row:
    """Time both ways alternately, after one warm-up round.

    Args:
        work: description of the work.
        peer: name of the other way.
        ours: our way.
        theirs: the other way.
        rounds: number of rounds; at least 1.
        equality: how well the results agree, measured by the caller.
    """
    times = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)][1:]
    ratios = [b / a for a, b in times]
    medians = (statistics.median(column) for column in zip(*times, strict=True))
    return Row(work, peer, statistics.median(ratios), min(ratios), max(ratios), *medians, equality)


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, items: int | None = None) -> str:
    """Time both ways alternately. Return the median of the ratios per round, and the medians, as text.

    Args:
        ours: our way. It is faster if the ratio is above 1.
        theirs: the peer.
        rounds: number of rounds after one warm-up round.
        items: number of images per run, to print images/s; None prints milliseconds.
    """
    row = compared("", "", ours, theirs, rounds)
    times = f"{row.ours * 1e3:.0f} against {row.theirs * 1e3:.0f} ms"
    if items is not None:
        times = f"{items / row.ours:.1f} against {items / row.theirs:.1f} images/s"
    return f"{row.ratio:.2f}x ({row.lowest:.2f} to {row.highest:.2f}; {times})"


def seconds(run: Callable[[], object]) -> float:
    """Return the wall-clock seconds of a run, including work on the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
