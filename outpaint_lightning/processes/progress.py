"""A progress bar for commands."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int, title: str, unit: str) -> tqdm[Any]:
    """Return a bar to `update`, in a `with` block; it is shown on a terminal only.

    Args:
        total: number of steps.
        title: text before the bar.
        unit: the unit that is counted, in the singular.
    """
    return tqdm(total=total, desc=title, unit=unit, disable=not sys.stderr.isatty())
