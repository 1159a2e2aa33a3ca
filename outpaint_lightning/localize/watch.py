"""Where the time of `localize` goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
DECODING, JUDGING, WRITING = "decoding", "judging", "writing"


class Watch:
    """The seconds that each part of a work takes, summed over threads.

    Example:
        >>> watch = Watch()
        >>> with watch.of("judging"):
        ...     pass
        >>> [*watch.each("decoding", "abc")]
        ['a', 'b', 'c']
        >>> list(watch.seconds)
        ['decoding', 'judging', 'writing']
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((DECODING, JUDGING, WRITING), 0.0)
        self._adding = threading.Lock()

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Add the time that the block takes to a part."""
        start = time.monotonic()
        try:
            yield
        finally:
            with self._adding:
                self.seconds[part] += time.monotonic() - start

    def each(self, part: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, and add the time to get them to a part."""
        waiting = iter(items)
        while True:
            with self.of(part):
                try:
                    item = next(waiting)
                except StopIteration:
                    return
            yield item


def shares(seconds: Mapping[str, float]) -> str:
    """Return the share of each part as a line.

    >>> shares({"decoding": 1.0, "judging": 8.0, "writing": 1.0})
    'decoding 10 %, judging 80 %, writing 10 % of 10.0 s on all threads'
    """
    whole = sum(seconds.values())
    parts = ", ".join(f"{part} {taken / max(whole, 1e-9):.0%}".replace("%", " %") for part, taken in seconds.items())
    return f"{parts} of {whole:.1f} s on all threads"
