"""The result of a test as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

Cells = Sequence[str]
"""A line: its title, any number of numbers, and a remark, which may be empty."""


def number(value: float | None, form: str = ".3f") -> str:
    """Return a number as text, or a dash if it is undefined."""
    return "-" if value is None else format(value, form)


def count(number: int, thing: str) -> str:
    """Return a number with the name of the thing, in the plural if needed.

    >>> count(1, "video"), count(2, "video")
    ('1 video', '2 videos')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def aligned(lines: Sequence[Cells]) -> list[str]:
    """Arrange lines in columns: titles left-aligned, numbers right-aligned, remarks unchanged.

    >>> aligned([("F1", "0.500", "2 videos"), ("  floor", "0.25", "")])
    ['F1       0.500  2 videos', '  floor   0.25']
    """
    columns = max((len(cells) for cells in lines), default=0) - 1
    widths = [max((len(cells[i]) for cells in lines if i < len(cells) - 1), default=0) for i in range(columns)]
    return ["  ".join([*_padded(cells[:-1], widths), cells[-1]]).rstrip() for cells in lines]


def _padded(cells: Cells, widths: Sequence[int]) -> list[str]:
    title, *numbers = cells
    return [title.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=False))]
