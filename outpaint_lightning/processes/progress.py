"""The progress of commands: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def shown(items: Iterable[Item], total: int, title: str, unit: str) -> Generator[Item, None, None]:
    """Yield items and show how many of `total` are done: a bar on a terminal, otherwise a line per tenth.

    Args:
        items: an item counts as done when it comes.
        total: number of items.
        title: text before the bar, and of each line.
        unit: the unit that is counted, in the singular.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, unit=unit, desc=title)
        return
    for count, item in enumerate(items, start=1):
        if count * 10 // total > (count - 1) * 10 // total:
            print(f"{title}: {count}/{total} {unit}s", file=sys.stderr, flush=True)
        yield item


def progress_bar(total: int, title: str, unit: str) -> tqdm[Any]:
    """Return a bar to `update`, in a `with` block; it is shown on a terminal only.

    Args:
        total: number of steps.
        title: text before the bar.
        unit: the unit that is counted, in the singular.
    """
    return tqdm(total=total, desc=title, unit=unit, disable=not sys.stderr.isatty())
