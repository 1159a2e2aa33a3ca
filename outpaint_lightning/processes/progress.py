"""A bar that shows how far a command is."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int, title: str, unit: str) -> tqdm[Any]:
    """Return a bar to `update`, in a `with` block; it shows on a terminal and nowhere else.

    Args:
        total: how many there are.
        title: what stands before the bar.
        unit: what is counted, in the singular.
    """
    return tqdm(total=total, desc=title, unit=unit, disable=not sys.stderr.isatty())
