"""The definition of the results of one kind of task: the keys, titles and formats of its numbers, and its files."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outpaint_lightning.results.text import aligned, count, number

FEW_SOURCES = 5
"""Minimum number of sources for a meaningful interval; with fewer it is only a hint."""

Summary = Mapping[str, Any]
"""The content of `test/summary.json`."""
Rows = Sequence[Mapping[str, Any]]
"""The rows of the test's table, one per video or image."""


@dataclass(frozen=True)
class Column:
    """A number of `summary.json`."""

    key: str
    """Dotted key."""
    title: str
    form: str = ".3f"
    """Format of one value."""


@dataclass(frozen=True)
class Kind:
    """The results of one kind of task. A kind that prints more than its columns overrides `lines`.

    >>> kind = Kind("counter", task="CountingTask", sign="error", columns=(Column("error", "mean error", ".1f"),))
    >>> kind.lines({"error": 2.25}, [])
    ['mean error  2.2']
    """

    name: str
    task: str
    """Name of the task's class; empty for the results of an unknown task."""
    sign: str
    """Dotted key that only this kind's summary has, or empty. It identifies the kind of a run without a config."""
    columns: tuple[Column, ...]
    """The first column is the main number."""
    interval: str = ""
    """Dotted key of the mapping with `low` and `high` of its interval."""
    lower: bool = False
    """Whether a lower value is better."""
    top: float | None = None
    """The largest possible value."""
    foreign_floors: frozenset[str] = frozenset()
    """Names in `floors` that belong to another number than the first."""
    table: str = "per_video.csv"
    unit: str = "video"
    value: str = ""
    """Column of the table whose mean is the first number."""
    row_floor: str = ""
    """Prefix of the table's columns for floors; empty if it has none."""
    groups: tuple[tuple[str, str, str], ...] = ()
    """Title, key of `summary.json`, and key of the number in each of its members."""
    curves: tuple[str, ...] = ()
    """Columns of `metrics.csv` to draw."""
    monitored: str = ""
    """The main number of a validation, by the name under which it is logged."""
    undefined: str = "nothing was judged"
    """Reason why that number may be undefined, in words."""
    progress: tuple[str, ...] = ("train/loss", "val/loss")
    """Logged numbers that each line of progress shows."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Picture files of a test beside its summary, and what each shows."""
    also: tuple[str, ...] = ()
    """Names of further classes of tasks whose results are alike."""

    def floors(self, summary: Summary) -> dict[str, float]:
        """Return the defined floors of the first number."""
        return {k: v for k, v in part(summary, "floors").items() if k not in self.foreign_floors and is_number(v)}

    def best(self, values: Mapping[str, float]) -> tuple[str, float] | None:
        """Return the best of named values, of equal ones the first; None if there are none."""
        order = min if self.lower else max
        return order(values.items(), key=lambda item: item[1]) if values else None

    def logged(self, name: str, value: float) -> str:
        """Return a logged number with its name, or why it is undefined.

        >>> Kind("x", task="X", sign="", columns=(), monitored="val/f1", undefined="nothing is forged").logged(
        ...     "val/f1", float("nan")
        ... )
        'val/f1 undefined (nothing is forged)'
        """
        if math.isfinite(value):
            return f"{name} {value:.4f}"
        return f"{name} undefined ({self.undefined})" if name == self.monitored else f"{name} undefined"

    def few_sources(self, rows: Rows) -> str:
        """Return a remark if an interval has fewer than `FEW_SOURCES` sources, otherwise an empty string."""
        sources = {row["source"] for row in rows if row[self.value] is not None}
        return f"; only {count(len(sources), 'source')}, no more than a hint" if len(sources) < FEW_SOURCES else ""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:  # noqa: ARG002 (subclasses need them)
        """Return the lines that a test prints: each column's title and value."""
        return aligned([(c.title, number(number_at(summary, c.key), c.form), "") for c in self.columns])

    def write(self, folder: Path, summary: Summary) -> list[str]:  # noqa: ARG002 (subclasses need them)
        """Write further files of a test beside its summary and table; return their names. By default there are none."""
        return []


OTHER = Kind("", task="", sign="", columns=())
"""The kind of a task without results."""


@dataclass(frozen=True)
class Result:
    """The result that a task leaves after a validation or test.

    Attributes:
        kind: definition of the numbers.
        summary: plain values, for `summary.json`.
        rows: one row per video or image, for `kind.table`; undefined values are None.
    """

    kind: Kind
    summary: dict[str, Any]
    rows: list[dict[str, Any]]


def number_at(summary: Summary, key: str) -> float | None:
    """Return the number under a dotted key, or None."""
    value: Any = summary
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return float(value) if is_number(value) else None


def part(summary: Summary, key: str) -> Summary:
    """Return the mapping under a key, or an empty one."""
    found = summary.get(key)
    return found if isinstance(found, Mapping) else {}


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a finite number: Python's JSON may hold NaN, Infinity and larger integers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
