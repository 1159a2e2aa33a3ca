"""What is known of the results of one kind of task: where its numbers are, how they read, and which files hold them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outpaint_lightning.results.text import aligned, count, number

FEW_SOURCES = 5
"""An interval over fewer sources than this is no more than a hint."""

Summary = Mapping[str, Any]
"""What `test/summary.json` holds."""
Rows = Sequence[Mapping[str, Any]]
"""The lines of the table beside it, one for each video or image."""


@dataclass(frozen=True)
class Column:
    """A number of `summary.json`."""

    key: str
    """Dotted."""
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
    """Name of the task's class; empty for the results of a task that is not known here."""
    sign: str
    """Dotted key that only this kind's summary has; empty for none. It tells the kind of a run without a config."""
    columns: tuple[Column, ...]
    """The first is the one that decides."""
    interval: str = ""
    """Dotted key of what holds its `low` and `high`."""
    lower: bool = False
    """Whether a lower value is better."""
    top: float | None = None
    """The largest value there can be."""
    foreign_floors: frozenset[str] = frozenset()
    """Those of `floors` that belong to another number than the first."""
    table: str = "per_video.csv"
    unit: str = "video"
    value: str = ""
    """Column of the table that the first number is the mean of."""
    row_floor: str = ""
    """What the table's column of a floor begins with; empty where it has none."""
    groups: tuple[tuple[str, str, str], ...] = ()
    """Title, key of `summary.json`, and the number of each of its members."""
    curves: tuple[str, ...] = ()
    """Columns of `metrics.csv` worth drawing."""
    monitored: str = ""
    """The number of a validation that decides, by the name under which it is logged."""
    undefined: str = "nothing was judged"
    """Why that number may be undefined, in words."""
    progress: tuple[str, ...] = ("train/loss", "val/loss")
    """Logged numbers that each line of progress shows."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Picture files of a test beside its summary, and what each shows."""
    also: tuple[str, ...] = ()
    """Names of further classes of tasks whose results are alike."""

    def floors(self, summary: Summary) -> dict[str, float]:
        """Return the floors of the first number that are defined."""
        return {k: v for k, v in part(summary, "floors").items() if k not in self.foreign_floors and is_number(v)}

    def best(self, values: Mapping[str, float]) -> tuple[str, float] | None:
        """Return the best of named values, the first of equals; None if there is none."""
        order = min if self.lower else max
        return order(values.items(), key=lambda item: item[1]) if values else None

    def logged(self, name: str, value: float) -> str:
        """Return a logged number with its name; one that is undefined in words.

        >>> Kind("x", task="X", sign="", columns=(), monitored="val/f1", undefined="nothing is forged").logged(
        ...     "val/f1", float("nan")
        ... )
        'val/f1 undefined (nothing is forged)'
        """
        if math.isfinite(value):
            return f"{name} {value:.4f}"
        return f"{name} undefined ({self.undefined})" if name == self.monitored else f"{name} undefined"

    def few_sources(self, rows: Rows) -> str:
        """Return a remark on an interval over fewer than `FEW_SOURCES` sources; an empty string for enough of them."""
        sources = {row["source"] for row in rows if row[self.value] is not None}
        return f"; only {count(len(sources), 'source')}, no more than a hint" if len(sources) < FEW_SOURCES else ""

    def lines(self, summary: Summary, rows: Rows) -> list[str]:  # noqa: ARG002 (kinds that say more need them)
        """Return the lines that a test prints: each column's title and value."""
        return aligned([(c.title, number(number_at(summary, c.key), c.form), "") for c in self.columns])

    def write(self, folder: Path, summary: Summary) -> list[str]:  # noqa: ARG002 (kinds that write need them)
        """Write further files of a test beside its summary and table, and return their names; here none."""
        return []


OTHER = Kind("", task="", sign="", columns=())
"""The kind of a task that reports nothing."""


@dataclass(frozen=True)
class Result:
    """What a task leaves when it has judged a split.

    Attributes:
        kind: what the numbers are.
        summary: plain values, for `summary.json`.
        rows: one for each video or image, for `kind.table`; undefined values are None.
    """

    kind: Kind
    summary: dict[str, Any]
    rows: list[dict[str, Any]]


def number_at(summary: Summary, key: str) -> float | None:
    """Return the number under a dotted key; None where there is none."""
    value: Any = summary
    for word in key.split("."):
        value = value.get(word) if isinstance(value, Mapping) else None
    return float(value) if is_number(value) else None


def part(summary: Summary, key: str) -> Summary:
    """Return the mapping under a key; an empty one where there is none."""
    found = summary.get(key)
    return found if isinstance(found, Mapping) else {}


def is_number(value: Any) -> bool:
    """Return whether a value of JSON is a finite number: Python's JSON may hold NaN, Infinity and larger integers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
